//! Rows into PostgreSQL: one array of text per column, cast to the column's type.

use sqlx::AssertSqlSafe;
use sqlx::PgConnection;

use super::layout::Cell;
use super::layout::Row;
use super::layout::Table;
use super::schema::Dialect;

/// Rows in one statement.
pub(super) const BATCH_ROWS: usize = 5_000;

/// Inserts rows of `table` with one statement, the same for any number of rows.
pub(super) async fn insert(
    connection: &mut PgConnection,
    table: &Table,
    rows: &[Row],
) -> Result<(), sqlx::Error> {
    let casts: Vec<String> = table
        .columns
        .iter()
        .map(|(name, column_type)| format!("{name}::{}", column_type.name()))
        .collect();
    let arrays: Vec<String> = (1..=table.columns.len())
        .map(|number| format!("${number}::text[]"))
        .collect();
    let columns = table.column_list();
    let statement = format!(
        "insert into {}{} ({columns}) select {} from unnest({}) as generated ({columns})",
        Dialect::Postgres.table_prefix(),
        table.name,
        casts.join(", "),
        arrays.join(", "),
    );
    let mut query = sqlx::query(AssertSqlSafe(statement));
    for index in 0..table.columns.len() {
        let texts: Vec<Option<String>> = rows
            .iter()
            .map(|row| row.get(index).and_then(text))
            .collect();
        query = query.bind(texts);
    }
    query.execute(connection).await?;
    Ok(())
}

fn text(cell: &Cell) -> Option<String> {
    match cell {
        Cell::Null => None,
        Cell::Int(value) => Some(value.to_string()),
        Cell::Flag(value) => Some(value.to_string()),
        Cell::Text(text) => Some(text.clone().into_owned()),
    }
}
