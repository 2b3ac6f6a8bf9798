//! What SQLite's catalog says about tables.

use kigen_evidence::value::Value;

use super::catalog::{ColumnFacts, ColumnType, ForeignKeyFacts, RelationKind, TableFacts};
use super::columns::SQLITE_TEXT;
use super::sqlite_collations;
use crate::database::session::{Row, SqlSession};
use crate::database::statement::{Arg, Statement};
use crate::job::TableName;
use crate::store::error::StoreError;

const RELATION: &str = "select type, exists (select 1 from sqlite_schema s \
     where s.type = 'trigger' and lower(s.tbl_name) = lower(?1)), \
     (select s.rowid from sqlite_schema s where s.type in ('table', 'view') and s.name = l.name), l.name \
     from pragma_table_list l where l.name = ?1 and l.schema = 'main'";

const COLUMNS: &str =
    "select name, type, \"notnull\", pk, hidden from pragma_table_xinfo(?1) order by cid";

/// One row for each column of each whole unique index; an expression has no name.
const UNIQUE_KEYS: &str = "select l.seq, i.name, i.coll, l.origin = 'pk' from pragma_index_list(?1) l, pragma_index_xinfo(l.name) i \
     where l.\"unique\" = 1 and l.partial = 0 and i.key = 1 order by l.origin = 'pk' desc, l.seq, i.seqno";

/// One row for each column of each foreign key onto the table.
const FOREIGN_KEYS: &str = "select t.name, f.id, \
     coalesce((select p.name from pragma_table_xinfo(t.name) p where lower(p.name) = lower(f.\"from\")), f.\"from\"), f.\"to\", \
     exists (select 1 from pragma_index_list(t.name) l, pragma_index_info(l.name) i where l.partial = 0 and i.seqno = 0 and lower(i.name) = lower(f.\"from\")) \
     or exists (select 1 from pragma_table_info(t.name) p where p.pk = 1 and lower(p.name) = lower(f.\"from\")) \
     from pragma_table_list t, pragma_foreign_key_list(t.name) f \
     where t.schema = 'main' and t.type = 'table' and lower(f.\"table\") = lower(?1) order by t.name, f.id, f.seq";

/// The facts of a table, or `None` if there is none of this name.
pub(crate) async fn table(
    session: &mut dyn SqlSession,
    name: &TableName,
) -> Result<Option<TableFacts>, StoreError> {
    let doing = format!("read the schema of `{name}`");
    if name
        .schema
        .as_deref()
        .is_some_and(|schema| schema != "main")
    {
        return Ok(None);
    }
    let mut ask = async |sql: &'static str| {
        let statement = Statement::of(doing.clone(), sql, [Arg::Text(name.name.clone())]);
        session.query(&statement).await
    };
    let Some(relation) = ask(RELATION).await?.into_iter().next() else {
        return Ok(None);
    };
    let columns = ask(COLUMNS).await?;
    let unique = ask(UNIQUE_KEYS).await?;
    let foreign = ask(FOREIGN_KEYS).await?;
    let primary = primary_key(&columns);
    let mut facts: Vec<ColumnFacts> = columns.iter().map(column).collect();
    sqlite_collations::read(session, name, &mut facts).await?;
    Ok(Some(TableFacts {
        name: name.clone(),
        relation: TableName {
            schema: None,
            name: text(&relation, 3),
        },
        id: integer(&relation, 2),
        kind: relation_kind(&text(&relation, 0)),
        unique_keys: unique_keys(&facts, &unique, &primary),
        referenced_by: foreign_keys(&foreign, &primary, &facts),
        columns: facts,
        has_triggers: integer(&relation, 1) != 0,
    }))
}

pub(super) fn text(row: &Row, at: usize) -> String {
    row.get(at).and_then(Value::store_text).unwrap_or_default()
}

pub(super) fn integer(row: &Row, at: usize) -> i64 {
    match row.get(at) {
        Some(Value::Int(integer)) => *integer,
        _ => 0,
    }
}

fn relation_kind(kind: &str) -> RelationKind {
    match kind {
        "table" => RelationKind::Table,
        "view" => RelationKind::View,
        "virtual" => RelationKind::VirtualTable,
        _ => RelationKind::Other,
    }
}

fn column(row: &Row) -> ColumnFacts {
    let declared = text(row, 1);
    let column_type = column_type(&declared);
    ColumnFacts {
        family: affinity(&declared).to_owned(),
        has_equality: true,
        // Asked for all columns at once.
        collation: None,
        name: text(row, 0),
        type_name: match column_type {
            ColumnType::Text { .. } => SQLITE_TEXT.to_owned(),
            _ => declared,
        },
        column_type,
        nullable: integer(row, 2) == 0 && integer(row, 3) == 0,
        // 2: virtual, 3: stored.
        generated: integer(row, 4) >= 2,
    }
}

/// SQLite's own affinity rules, and before them the names that people give to dates.
fn column_type(declared: &str) -> ColumnType {
    let name = declared.to_ascii_lowercase();
    match name.as_str() {
        "date" => return ColumnType::Date,
        "timestamptz" => return ColumnType::Instant,
        _ => {}
    }
    if name.contains("timestamp") || name.contains("datetime") {
        return ColumnType::LocalTime;
    }
    if name.contains("int") {
        return ColumnType::Int { bits: 64 };
    }
    if ["char", "clob", "text", "uuid"]
        .iter()
        .any(|part| name.contains(part))
    {
        return ColumnType::Text { characters: None };
    }
    if name.contains("blob") {
        return ColumnType::Bytes;
    }
    if ["real", "floa", "doub", "num", "dec"]
        .iter()
        .any(|part| name.contains(part))
    {
        return ColumnType::Decimal;
    }
    if name.contains("bool") {
        return ColumnType::Bool;
    }
    ColumnType::Other
}

/// As what SQLite compares a column's values, by its own rules and in their order.
fn affinity(declared: &str) -> &'static str {
    let name = declared.to_ascii_uppercase();
    let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    if has(&["INT"]) {
        return NUMBER;
    }
    if has(&["CHAR", "CLOB", "TEXT"]) {
        return TEXT;
    }
    if name.is_empty() || has(&["BLOB"]) || name == "ANY" {
        return "value";
    }
    NUMBER
}

/// Columns whose texts become numbers where they look like one.
pub(super) const NUMBER: &str = "number";

/// Columns whose numbers become text.
const TEXT: &str = "text";

fn primary_key(columns: &[Row]) -> Vec<String> {
    let mut key: Vec<(i64, String)> = columns
        .iter()
        .filter(|row| integer(row, 3) > 0)
        .map(|row| (integer(row, 3), text(row, 0)))
        .collect();
    key.sort();
    key.into_iter().map(|(_, name)| name).collect()
}

/// The primary key, and each unique index over columns that are not null and that it compares as the
/// table does.
fn unique_keys(columns: &[ColumnFacts], unique: &[Row], primary: &[String]) -> Vec<Vec<String>> {
    let mut keys: Vec<Vec<String>> = Vec::new();
    // A primary key without an index is the row's own number.
    let has_index = unique.iter().any(|row| integer(row, 3) != 0);
    if !primary.is_empty() && !has_index {
        keys.push(primary.to_vec());
    }
    let mut indexes: Vec<(i64, Option<Vec<String>>)> = Vec::new();
    for row in unique {
        let index = integer(row, 0);
        if indexes.last().is_none_or(|(last, _)| *last != index) {
            indexes.push((index, Some(Vec::new())));
        }
        let column = named(columns, &text(row, 1));
        let usable =
            column.filter(|column| !column.nullable && is_unique_by(column, &text(row, 2)));
        if let Some((_, names)) = indexes.last_mut() {
            *names = names.take().zip(usable).map(|(mut names, column)| {
                names.push(column.name.clone());
                names
            });
        }
    }
    keys.extend(indexes.into_iter().filter_map(|(_, names)| names));
    keys
}

/// Whether an index of this collation tells apart no two values that the column calls equal.
fn is_unique_by(column: &ColumnFacts, collation: &str) -> bool {
    match &column.collation {
        // Every collation calls the same texts equal.
        None => true,
        Some(own) => own.name.eq_ignore_ascii_case(collation),
    }
}

/// The column of this name: SQLite compares names without the case of A to Z.
fn named<'c>(columns: &'c [ColumnFacts], name: &str) -> Option<&'c ColumnFacts> {
    let mut columns = columns.iter();
    columns.find(|column| column.name.eq_ignore_ascii_case(name))
}

fn foreign_keys(rows: &[Row], primary: &[String], own: &[ColumnFacts]) -> Vec<ForeignKeyFacts> {
    let mut keys: Vec<((String, i64), ForeignKeyFacts)> = Vec::new();
    for row in rows {
        let id = (text(row, 0), integer(row, 1));
        if keys.last().is_none_or(|(last, _)| *last != id) {
            let facts = ForeignKeyFacts {
                table: TableName {
                    schema: None,
                    name: text(row, 0),
                },
                columns: Vec::new(),
                indexed: integer(row, 4) == 1,
            };
            keys.push((id, facts));
        }
        if let Some((_, facts)) = keys.last_mut() {
            // Without a named column the key means the primary key, column by column.
            let ours = row.get(3).and_then(Value::store_text);
            let ours = ours.or_else(|| primary.get(facts.columns.len()).cloned());
            let ours = ours.unwrap_or_default();
            let ours = named(own, &ours).map_or(ours, |column| column.name.clone());
            facts.columns.push((text(row, 2), ours));
        }
    }
    keys.into_iter().map(|(_, facts)| facts).collect()
}

/// Whether kigen's own tables are there, in this version.
pub(crate) async fn has_journal(session: &mut dyn SqlSession) -> Result<bool, StoreError> {
    let statement = Statement::plain(
        "look for the journal",
        "select (select count(*) from sqlite_master where type = 'table' \
         and name in ('kigen_fence', 'kigen_journal', 'kigen_intent', 'kigen_marker')) \
         + (select count(*) from pragma_table_info('kigen_marker') where name = 'content')",
    );
    let rows = session.query(&statement).await?;
    Ok(rows.first().is_some_and(|row| integer(row, 0) == 5))
}

/// The name of a table as the database writes it, or `None` if there is none.
pub(crate) async fn relation(
    session: &mut dyn SqlSession,
    name: &TableName,
) -> Result<Option<String>, StoreError> {
    if name
        .schema
        .as_deref()
        .is_some_and(|schema| schema != "main")
    {
        return Ok(None);
    }
    let statement = Statement::of(
        format!("look for `{name}`"),
        "select name from pragma_table_list where lower(name) = lower(?1) and schema = 'main'",
        [Arg::Text(name.name.clone())],
    );
    let rows = session.query(&statement).await?;
    Ok(rows.first().map(|row| text(row, 0)))
}
