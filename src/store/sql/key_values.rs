//! Texts that people type as the values that a row holds: for records that are gone, and whose rows
//! nobody can ask any more.

use kigen_evidence::value::Value;

use super::catalog::{ColumnFacts, ColumnType};
use super::columns::Tables;
use super::dialect::Dialect;
use super::rule_sql::missing;
use crate::database::session::SqlSession;
use crate::database::statement::{Statement, Values};
use crate::job::TableName;
use crate::store::error::StoreError;

/// The live columns of these names.
pub(crate) fn columns<'t>(
    tables: &'t Tables,
    table: &TableName,
    names: &[String],
) -> Result<Vec<&'t ColumnFacts>, StoreError> {
    names
        .iter()
        .map(|name| {
            let facts = tables.column(table, name);
            facts.ok_or_else(|| missing(&table.to_string(), name))
        })
        .collect()
}

/// What `texts` are in `columns`, as the database itself casts and reads them.
pub(crate) async fn typed(
    session: &mut dyn SqlSession,
    dialect: &dyn Dialect,
    columns: &[&ColumnFacts],
    texts: &[String],
) -> Result<Vec<Value>, StoreError> {
    if columns.len() != texts.len() {
        return Err(StoreError::Unusable(format!(
            "the key has {} columns and not {}",
            columns.len(),
            texts.len()
        )));
    }
    let mut values = Values::default();
    let selected: Vec<String> = columns
        .iter()
        .zip(texts)
        .map(|(column, text)| {
            let text = values.bind(text).to_string();
            let cast = dialect.cast_text(&text, column);
            dialect.readable(&format!("({cast})"), column)
        })
        .collect();
    let statement = Statement::new(
        "read a key as the columns' types",
        format!("select {}", selected.join(", ")),
        values,
    );
    let rows = session.query(&statement).await?;
    let row = rows.into_iter().next().unwrap_or_default();
    let adopted = row.into_iter().zip(columns);
    Ok(adopted
        .map(|(value, column)| padded(dialect.adopt(value, column), column))
        .collect())
}

/// `character(n)` is read back with its padding, which a cast to it would add and cut.
pub(super) fn padded(value: Value, column: &ColumnFacts) -> Value {
    let (Value::Text(text), ColumnType::Text { characters }) = (&value, &column.column_type) else {
        return value;
    };
    let width = characters.and_then(|characters| usize::try_from(characters).ok());
    match width {
        Some(width) if column.is_padded() => Value::Text(format!("{text:width$}")),
        Some(_) | None => value,
    }
}
