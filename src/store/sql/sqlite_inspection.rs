//! What SQLite's catalog says of everything that surrounds a table.

use std::collections::BTreeSet;

use kigen_evidence::digest::Sha256;
use kigen_evidence::value::Value;

use super::catalog::TableFacts;
use super::script;
use super::sqlite_catalog::{integer, text};
use crate::database::session::{Row, SqlSession};
use crate::database::statement::{Arg, Statement};
use crate::store::error::StoreError;
use crate::store::inspection::{
    Column, ForeignKey, KeyAction, Relation, Trigger, TriggerKind, UniqueIndex,
};

/// What no look at a SQLite file shows.
pub(crate) const NOT_SEEN: &[&str] = &[
    "conditions (`check`) of the tables: the database asks them when a row changes",
    "foreign keys of applications that do not ask for them (`pragma foreign_keys`)",
    "other files that applications attach, and copies of this one",
];

/// One row for each column of each foreign key of each table, with the table's identity.
const FOREIGN_KEYS: &str = "select t.name, f.id, f.\"from\", f.\"table\", f.\"to\", f.on_delete, f.on_update, \
     exists (select 1 from pragma_index_list(t.name) l, pragma_index_info(l.name) i \
       where l.partial = 0 and i.seqno = 0 and lower(i.name) = lower(f.\"from\")) \
     or exists (select 1 from pragma_table_info(t.name) p where p.pk = 1 and lower(p.name) = lower(f.\"from\")), s.rowid, \
     (select p.name from pragma_table_info(f.\"table\") p where p.pk = f.seq + 1) \
     from sqlite_schema s join pragma_table_list t on t.name = s.name and t.schema = 'main', pragma_foreign_key_list(t.name) f \
     where s.type = 'table' and (lower(f.\"table\") = lower(?1) or lower(t.name) = lower(?1)) order by t.name, f.id, f.seq";

const TRIGGERS: &str = "select name, tbl_name, sql from sqlite_schema \
     where type = 'trigger' and lower(tbl_name) = lower(?1) order by name";

const UNIQUE_INDEXES: &str = "select l.name, l.partial, i.name from pragma_index_list(?1) l, pragma_index_xinfo(l.name) i \
     where l.\"unique\" = 1 and i.key = 1 order by l.name, i.seqno";

const ALIKE: &str = "select t.name from pragma_table_list t where t.schema = 'main' and t.type = 'table' \
     and lower(t.name) <> lower(?1) and t.name not like 'sqlite\\_%' escape '\\' \
     and not exists (select 1 from pragma_table_xinfo(?1) a \
       where not exists (select 1 from pragma_table_xinfo(t.name) b where lower(b.name) = lower(a.name))) order by 1";

/// Everything that surrounds `table`.
pub(crate) async fn relation(
    session: &mut dyn SqlSession,
    table: &TableFacts,
) -> Result<Relation, StoreError> {
    let doing = format!("look at what surrounds `{}`", table.name);
    let name = &table.relation.name;
    let mut ask = async |sql: &'static str| {
        let statement = Statement::of(doing.clone(), sql, [Arg::Text(name.clone())]);
        session.query(&statement).await
    };
    let keys = foreign_keys(&ask(FOREIGN_KEYS).await?);
    let (onto, of): (Vec<ForeignKey>, Vec<ForeignKey>) = (
        keys.iter()
            .filter(|key| key.points_at.eq_ignore_ascii_case(name))
            .cloned()
            .collect(),
        keys.into_iter()
            .filter(|key| key.table.eq_ignore_ascii_case(name))
            .collect(),
    );
    let triggers = ask(TRIGGERS).await?;
    let unique_indexes = ask(UNIQUE_INDEXES).await?;
    let alike = ask(ALIKE).await?;
    let columns = table.columns.iter();
    Ok(Relation {
        name: table.relation.to_string(),
        kind: table.kind,
        used_as: BTreeSet::new(),
        columns: columns
            .map(|column| Column {
                name: column.name.clone(),
                r#type: column.type_name.clone(),
                nullable: column.nullable,
                generated: column.generated,
                partitions_by: false,
            })
            .collect(),
        unique_indexes: self::unique_indexes(&unique_indexes),
        checks: Vec::new(),
        foreign_keys: of,
        referenced_by: onto,
        parts: Vec::new(),
        part_of: Vec::new(),
        triggers: triggers.iter().map(trigger).collect(),
        row_security: None,
        publications: Vec::new(),
        no_replica_identity: false,
        materialized_views: Vec::new(),
        alike: alike.iter().map(|row| text(row, 0)).collect(),
        rights: None,
        id: table.id,
    })
}

fn foreign_keys(rows: &[Row]) -> Vec<ForeignKey> {
    let mut keys: Vec<((String, i64), ForeignKey)> = Vec::new();
    for row in rows {
        let identity = (text(row, 0), integer(row, 1));
        if keys.last().is_none_or(|(last, _)| *last != identity) {
            let key = ForeignKey {
                name: String::new(),
                table: text(row, 0),
                columns: Vec::new(),
                points_at: text(row, 3),
                their_columns: Vec::new(),
                on_delete: action(&text(row, 5)),
                on_update: action(&text(row, 6)),
                deferrable: false,
                // SQLite checks a key only in sessions that ask for it.
                holds: false,
                indexed: integer(row, 7) == 1,
                table_ids: vec![integer(row, 8)],
            };
            keys.push((identity, key));
        }
        if let Some((_, key)) = keys.last_mut() {
            // Without a named column the key means the primary key, column by column.
            let theirs = row.get(4).and_then(Value::store_text);
            key.columns.push(text(row, 2));
            key.their_columns
                .push(theirs.unwrap_or_else(|| text(row, 9)));
        }
    }
    keys.into_iter().map(|(_, key)| key).collect()
}

fn action(words: &str) -> KeyAction {
    match words {
        "CASCADE" => KeyAction::Cascade,
        "SET NULL" => KeyAction::SetNull,
        "SET DEFAULT" => KeyAction::SetDefault,
        _ => KeyAction::NoAction,
    }
}

fn trigger(row: &Row) -> Trigger {
    let definition = text(row, 2);
    let (operation, of_columns) = script::sqlite_event(&definition);
    Trigger {
        name: text(row, 0),
        table: text(row, 1),
        kind: TriggerKind::Trigger,
        operations: operation.into_iter().collect(),
        of_columns,
        function: None,
        sha256: Sha256::of(definition.as_bytes()),
        body: definition,
    }
}

fn unique_indexes(rows: &[Row]) -> Vec<UniqueIndex> {
    let mut indexes: Vec<UniqueIndex> = Vec::new();
    for row in rows {
        let name = text(row, 0);
        if indexes.last().is_none_or(|last| last.name != name) {
            indexes.push(UniqueIndex {
                name,
                columns: Vec::new(),
                partial: integer(row, 1) != 0,
                expression: false,
                nulls_are_equal: false,
                excludes: false,
            });
        }
        if let Some(index) = indexes.last_mut() {
            // An expression has no name.
            match row.get(2).and_then(Value::store_text) {
                Some(column) => index.columns.push(column),
                None => index.expression = true,
            }
        }
    }
    indexes
}
