//! Rows into PostgreSQL: one array of text per column, cast to the column's type.

use sqlx::{AssertSqlSafe, PgConnection};

use super::dataset::Dataset;
use super::layout::{Cell, Row, TABLES, Table};
use super::schema::{Dialect, any_row, tables_then_indexes};

/// Rows in one statement.
const BATCH_ROWS: usize = 5_000;

/// Creates what is missing and writes all rows; returns how many, or `None` if there were rows
/// before.
pub(super) async fn write(
    connection: &mut PgConnection,
    dataset: Dataset,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Option<u64>, sqlx::Error> {
    let (tables, indexes) = tables_then_indexes(Dialect::Postgres);
    for statement in tables {
        sqlx::query(statement).execute(&mut *connection).await?;
    }
    let has_rows: bool = sqlx::query_scalar(AssertSqlSafe(any_row(Dialect::Postgres)))
        .fetch_one(&mut *connection)
        .await?;
    if has_rows {
        return Ok(None);
    }
    let mut written = 0;
    for (table, mut rows) in dataset.tables() {
        loop {
            let batch: Vec<Row> = rows.by_ref().take(BATCH_ROWS).collect();
            if batch.is_empty() {
                break;
            }
            written += batch.len() as u64;
            insert(connection, table, &batch).await?;
            progress(written);
        }
    }
    for statement in indexes {
        sqlx::query(statement).execute(&mut *connection).await?;
    }
    for table in TABLES {
        // Without statistics the planner would not choose the indexes on fresh tables.
        let statement = format!("analyze {}{}", Dialect::Postgres.table_prefix(), table.name);
        sqlx::query(AssertSqlSafe(statement))
            .execute(&mut *connection)
            .await?;
    }
    Ok(Some(written))
}

/// Inserts rows of `table` with one statement, the same for any number of rows.
async fn insert(
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
