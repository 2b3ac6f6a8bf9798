//! Fills a fresh database with the three tables.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, QueryBuilder, Sqlite, SqliteConnection};
use url::Url;

use crate::schema::{ENROLMENT, EXAM_ATTEMPT, LEARNER, Store, Table};
use crate::tables::{Cell, Tables};

/// Rows in one insert; SQLite takes at most 32,766 values in one statement.
const ROWS_PER_INSERT: usize = 1000;
/// Bytes sent to PostgreSQL at once.
const COPY_CHUNK: usize = 1 << 20;
/// The database that this example makes on a PostgreSQL server, and how it knows it again.
const DATABASE: &str = "oulad";
const OURS: &str = "made by the example `oulad` of kigen";

fn each(tables: &Tables) -> [(&'static Table, &[Vec<Cell>]); 3] {
    [
        (&LEARNER, &tables.learner),
        (&ENROLMENT, &tables.enrolment),
        (&EXAM_ATTEMPT, &tables.exam_attempt),
    ]
}

/// Creates and fills the SQLite database `file`, which must not exist.
pub(crate) async fn sqlite(file: &Path, tables: &Tables) -> Result<()> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true);
    let mut database = SqliteConnection::connect_with(&options).await?;
    let mut transaction = database.begin().await?;
    for (table, rows) in each(tables) {
        execute_sqlite(&mut transaction, table.create(Store::Sqlite)).await?;
        for chunk in rows.chunks(ROWS_PER_INSERT) {
            insert(table, chunk)
                .build()
                .execute(&mut *transaction)
                .await
                .with_context(|| format!("`{}` cannot be filled", table.name))?;
        }
        for index in table.indexes() {
            execute_sqlite(&mut transaction, index).await?;
        }
        eprintln!("oulad: {} rows in `{}`", rows.len(), table.name);
    }
    transaction.commit().await?;
    execute_sqlite(&mut database, "analyze".to_owned()).await?;
    database.close().await?;
    Ok(())
}

fn insert(table: &Table, rows: &[Vec<Cell>]) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(format!("insert into {} ", table.name));
    query.push_values(rows, |mut row, cells| {
        for cell in cells {
            match cell {
                Cell::Null => row.push_bind(None::<String>),
                Cell::Integer(number) => row.push_bind(*number),
                Cell::Text(text) => row.push_bind(text.clone()),
                Cell::Boolean(yes) => row.push_bind(*yes),
                Cell::Date(day) => row.push_bind(day.to_string()),
            };
        }
    });
    query
}

async fn execute_sqlite(database: &mut SqliteConnection, statement: String) -> Result<()> {
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(database)
        .await?;
    Ok(())
}

/// Creates and fills the database `oulad` on the server that `admin` names, in the place of the
/// one made before. Returns its URL.
pub(crate) async fn postgres(admin: &str, tables: &Tables) -> Result<String> {
    let mut url = Url::parse(admin).context("the PostgreSQL URL cannot be read")?;
    let mut server = PgConnection::connect(admin)
        .await
        .context("the PostgreSQL server cannot be reached")?;
    recreate(&mut server).await?;
    server.close().await?;

    url.set_path(DATABASE);
    let mut database = PgConnection::connect(url.as_str()).await?;
    for (table, rows) in each(tables) {
        execute_postgres(&mut database, table.create(Store::Postgres)).await?;
        copy(&mut database, table, rows)
            .await
            .with_context(|| format!("`{}` cannot be filled", table.name))?;
        for index in table.indexes() {
            execute_postgres(&mut database, index).await?;
        }
        eprintln!("oulad: {} rows in `{}`", rows.len(), table.name);
    }
    execute_postgres(&mut database, "analyze".to_owned()).await?;
    database.close().await?;
    Ok(url.into())
}

/// Replaces the database, but only one that this example made.
async fn recreate(server: &mut PgConnection) -> Result<()> {
    let comment: Option<Option<String>> = sqlx::query_scalar(
        "select shobj_description(oid, 'pg_database') from pg_database where datname = $1",
    )
    .bind(DATABASE)
    .fetch_optional(&mut *server)
    .await?;
    if let Some(comment) = comment {
        ensure!(
            comment.as_deref() == Some(OURS),
            "the server has a database `{DATABASE}` that this example did not make; \
             hint: drop it, or use another server",
        );
        execute_postgres(server, format!("drop database {DATABASE}")).await?;
    }
    let create = format!("create database {DATABASE} template template0 encoding 'UTF8'");
    execute_postgres(server, create).await?;
    let mark = format!("comment on database {DATABASE} is '{OURS}'");
    execute_postgres(server, mark).await
}

async fn copy(database: &mut PgConnection, table: &Table, rows: &[Vec<Cell>]) -> Result<()> {
    let statement = format!("copy {} from stdin", table.name);
    let mut copy = database.copy_in_raw(&statement).await?;
    let mut chunk = String::new();
    for row in rows {
        copy_line(&mut chunk, row);
        if chunk.len() >= COPY_CHUNK {
            copy.send(chunk.as_bytes()).await?;
            chunk.clear();
        }
    }
    copy.send(chunk.as_bytes()).await?;
    copy.finish().await?;
    Ok(())
}

/// Appends a row in the text format of `copy`.
fn copy_line(chunk: &mut String, row: &[Cell]) {
    for (column, cell) in row.iter().enumerate() {
        if column > 0 {
            chunk.push('\t');
        }
        match cell {
            Cell::Null => chunk.push_str("\\N"),
            Cell::Integer(number) => chunk.push_str(&number.to_string()),
            Cell::Text(text) => chunk.push_str(&escaped(text)),
            Cell::Boolean(yes) => chunk.push(if *yes { 't' } else { 'f' }),
            Cell::Date(day) => chunk.push_str(&day.to_string()),
        }
    }
    chunk.push('\n');
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('\t', "\\t")
        .replace('\n', "\\n")
        .replace('\r', "\\r")
}

async fn execute_postgres(database: &mut PgConnection, statement: String) -> Result<()> {
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(database)
        .await?;
    Ok(())
}
