//! Rows into SQLite: many to a statement, all statements of a table the same.

use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Sqlite, SqliteConnection};

use super::dataset::Dataset;
use super::layout::{Cell, Row, Table};
use super::schema::{Dialect, any_row, tables_then_indexes};

/// Rows in one statement: far below SQLite's 32,766 parameters for the widest table.
const BATCH_ROWS: usize = 200;

/// Creates what is missing and writes all rows; returns how many, or `None` if there were rows
/// before.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    dataset: Dataset,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Option<u64>, sqlx::Error> {
    let (tables, indexes) = tables_then_indexes(Dialect::Sqlite);
    for statement in tables {
        sqlx::query(statement).execute(&mut *connection).await?;
    }
    let has_rows: bool = sqlx::query_scalar(AssertSqlSafe(any_row(Dialect::Sqlite)))
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
            insert(connection, table, batch).await?;
            progress(written);
        }
    }
    for statement in indexes {
        sqlx::query(statement).execute(&mut *connection).await?;
    }
    Ok(Some(written))
}

/// Inserts rows of `table` with one statement, prepared once for each number of rows.
async fn insert(
    connection: &mut SqliteConnection,
    table: &Table,
    rows: Vec<Row>,
) -> Result<(), sqlx::Error> {
    let row_of_parameters = format!("({})", vec!["?"; table.columns.len()].join(", "));
    let values = vec![row_of_parameters; rows.len()].join(", ");
    let columns = table.column_list();
    let statement = format!("insert into {} ({columns}) values {values}", table.name);
    let mut query = sqlx::query(AssertSqlSafe(statement));
    for cell in rows.into_iter().flatten() {
        query = bind(query, cell);
    }
    query.execute(connection).await?;
    Ok(())
}

fn bind(
    query: Query<'_, Sqlite, SqliteArguments>,
    cell: Cell,
) -> Query<'_, Sqlite, SqliteArguments> {
    match cell {
        Cell::Null => query.bind(None::<String>),
        Cell::Int(value) => query.bind(value),
        Cell::Flag(value) => query.bind(value),
        Cell::Text(text) => query.bind(text.into_owned()),
    }
}
