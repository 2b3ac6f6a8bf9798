//! What SQLite's catalog says about tables.

use super::catalog::ColumnFacts;
use super::catalog::ColumnType;
use super::catalog::ForeignKeyFacts;
use super::catalog::RelationKind;
use super::catalog::TableFacts;
use super::resolved::SQLITE_TEXT;
use super::session::Arg;
use super::session::Row;
use super::session::SqlSession;
use super::session::Statement;
use crate::domain::value::Value;
use crate::job::TableName;
use crate::store::error::StoreError;

const RELATION: &str = "select type, exists (select 1 from sqlite_schema s \
     where s.type = 'trigger' and lower(s.tbl_name) = lower($1)) \
     from pragma_table_list where name = $1 and schema = 'main'";

const COLUMNS: &str =
    "select name, type, \"notnull\", pk, hidden from pragma_table_xinfo($1) order by cid";

/// One row for each column of each whole unique index.
const UNIQUE_KEYS: &str = "select l.seq, i.name from pragma_index_list($1) l, pragma_index_info(l.name) i \
     where l.\"unique\" = 1 and l.partial = 0 order by l.seq, i.seqno";

/// One row for each column of each foreign key onto the table.
const FOREIGN_KEYS: &str = "select t.name, f.id, f.\"from\", f.\"to\", \
     exists (select 1 from pragma_index_list(t.name) l, pragma_index_info(l.name) i where l.partial = 0 and i.seqno = 0 and i.name = f.\"from\") \
     or exists (select 1 from pragma_table_info(t.name) p where p.pk = 1 and p.name = f.\"from\") \
     from pragma_table_list t, pragma_foreign_key_list(t.name) f \
     where t.schema = 'main' and t.type = 'table' and lower(f.\"table\") = lower($1) order by t.name, f.id, f.seq";

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
        let statement = Statement::new(doing.clone(), sql, vec![Arg::Text(name.name.clone())]);
        session.query(&statement).await
    };
    let Some(relation) = ask(RELATION).await?.into_iter().next() else {
        return Ok(None);
    };
    let columns = ask(COLUMNS).await?;
    let unique = ask(UNIQUE_KEYS).await?;
    let foreign = ask(FOREIGN_KEYS).await?;
    let primary = primary_key(&columns);
    Ok(Some(TableFacts {
        name: name.clone(),
        kind: relation_kind(&text(&relation, 0)),
        unique_keys: unique_keys(&columns, &unique, &primary),
        referenced_by: foreign_keys(&foreign, &primary),
        columns: columns.iter().map(column).collect(),
        has_triggers: integer(&relation, 1) != 0,
    }))
}

fn text(row: &Row, at: usize) -> String {
    row.get(at).and_then(Value::store_text).unwrap_or_default()
}

fn integer(row: &Row, at: usize) -> i64 {
    match row.get(at) {
        Some(Value::Int(integer)) => *integer,
        _ => 0,
    }
}

fn relation_kind(kind: &str) -> RelationKind {
    match kind {
        "table" => RelationKind::Table,
        "view" => RelationKind::View,
        _ => RelationKind::Other,
    }
}

fn column(row: &Row) -> ColumnFacts {
    let declared = text(row, 1);
    let column_type = column_type(&declared);
    ColumnFacts {
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

fn primary_key(columns: &[Row]) -> Vec<String> {
    let mut key: Vec<(i64, String)> = columns
        .iter()
        .filter(|row| integer(row, 3) > 0)
        .map(|row| (integer(row, 3), text(row, 0)))
        .collect();
    key.sort();
    key.into_iter().map(|(_, name)| name).collect()
}

fn unique_keys(columns: &[Row], unique: &[Row], primary: &[String]) -> Vec<Vec<String>> {
    let mut keys: Vec<Vec<String>> = Vec::new();
    if !primary.is_empty() {
        keys.push(primary.to_vec());
    }
    let mut indexes: Vec<(i64, Vec<String>)> = Vec::new();
    for row in unique {
        let index = integer(row, 0);
        if indexes.last().is_none_or(|(last, _)| *last != index) {
            indexes.push((index, Vec::new()));
        }
        if let Some((_, names)) = indexes.last_mut() {
            names.push(text(row, 1));
        }
    }
    let not_null = |name: &String| {
        columns
            .iter()
            .any(|row| text(row, 0) == *name && (integer(row, 2) != 0 || integer(row, 3) != 0))
    };
    keys.extend(
        indexes
            .into_iter()
            .map(|(_, names)| names)
            .filter(|names| names.iter().all(not_null)),
    );
    keys
}

fn foreign_keys(rows: &[Row], primary: &[String]) -> Vec<ForeignKeyFacts> {
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
            facts.columns.push((text(row, 2), ours.unwrap_or_default()));
        }
    }
    keys.into_iter().map(|(_, facts)| facts).collect()
}

/// Whether kigen's own tables are there.
pub(crate) async fn has_journal(session: &mut dyn SqlSession) -> Result<bool, StoreError> {
    let statement = Statement::new(
        "look for the journal",
        "select count(*) from sqlite_master where type = 'table' \
         and name in ('kigen_fence', 'kigen_journal', 'kigen_intent', 'kigen_marker')",
        Vec::new(),
    );
    let rows = session.query(&statement).await?;
    Ok(rows.first().is_some_and(|row| integer(row, 0) == 4))
}
