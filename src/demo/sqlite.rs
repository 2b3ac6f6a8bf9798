//! Rows into SQLite: many to a statement, all statements of a table the same.

use sqlx::AssertSqlSafe;
use sqlx::Sqlite;
use sqlx::SqliteConnection;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;

use super::layout::Cell;
use super::layout::Row;
use super::layout::Table;

/// Rows in one statement: far below SQLite's 32,766 parameters for the widest table.
pub(super) const BATCH_ROWS: usize = 200;

/// Inserts rows of `table` with one statement, prepared once for each number of rows.
pub(super) async fn insert(
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
