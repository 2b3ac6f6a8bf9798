//! Plain SQL on the demonstration's store, past everything that kigen does there itself.

use std::str::FromStr;

use anyhow::Context;
use futures_util::TryStreamExt;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, SqlitePool};

use crate::company::Dialect;
use crate::place::{Place, Rows};

/// A connection to the store of rows.
pub(crate) enum Data {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// A record as the store has it now: key, due to be pseudonymized, due to be deleted, past its
/// last period, and all its values in one text.
pub(crate) type RecordRow = (String, i64, i64, i64, String);

impl Data {
    /// Opens the store of `place`; creates it where it is missing.
    pub(crate) async fn open(place: &Place) -> anyhow::Result<Self> {
        match &place.rows {
            Rows::Sqlite => {
                let file = place.sqlite_file();
                let options = SqliteConnectOptions::new()
                    .filename(&file)
                    .create_if_missing(true);
                let pool = SqlitePoolOptions::new()
                    .max_connections(1)
                    .connect_with(options)
                    .await;
                let pool = pool.with_context(|| format!("open `{}`", file.display()))?;
                Ok(Self::Sqlite(pool))
            }
            Rows::Postgres { given, store, .. } => {
                create_databases(given).await?;
                let pool = PgPoolOptions::new().max_connections(1).connect(store).await;
                Ok(Self::Postgres(pool.context("connect to PostgreSQL")?))
            }
        }
    }

    pub(crate) const fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Hands every row of `sql` to `on_row`, one by one.
    pub(crate) async fn each(
        &self,
        sql: String,
        on_row: &mut (dyn FnMut(RecordRow) + Send),
    ) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(pool) => {
                let mut rows = sqlx::query_as::<_, RecordRow>(AssertSqlSafe(sql)).fetch(pool);
                while let Some(row) = rows.try_next().await? {
                    on_row(row);
                }
            }
            Self::Postgres(pool) => {
                let mut rows = sqlx::query_as::<_, RecordRow>(AssertSqlSafe(sql)).fetch(pool);
                while let Some(row) = rows.try_next().await? {
                    on_row(row);
                }
            }
        }
        Ok(())
    }

    /// The one number that `sql` gives.
    pub(crate) async fn count(&self, sql: String) -> Result<u64, sqlx::Error> {
        let count: i64 = match self {
            Self::Sqlite(pool) => {
                sqlx::query_scalar(AssertSqlSafe(sql))
                    .fetch_one(pool)
                    .await?
            }
            Self::Postgres(pool) => {
                sqlx::query_scalar(AssertSqlSafe(sql))
                    .fetch_one(pool)
                    .await?
            }
        };
        Ok(count.unsigned_abs())
    }

    /// All pairs of text that `sql` gives.
    pub(crate) async fn pairs(&self, sql: String) -> Result<Vec<(String, String)>, sqlx::Error> {
        match self {
            Self::Sqlite(pool) => sqlx::query_as(AssertSqlSafe(sql)).fetch_all(pool).await,
            Self::Postgres(pool) => sqlx::query_as(AssertSqlSafe(sql)).fetch_all(pool).await,
        }
    }

    /// An expression for all values of a row of `table` that is called `alias`.
    pub(crate) async fn row_text(&self, table: &str, alias: &str) -> Result<String, sqlx::Error> {
        match self {
            Self::Sqlite(pool) => {
                let columns: Vec<String> =
                    sqlx::query_scalar("select name from pragma_table_info(?) order by cid")
                        .bind(table)
                        .fetch_all(pool)
                        .await?;
                let columns: Vec<String> = columns
                    .iter()
                    .map(|column| format!("{alias}.{column}"))
                    .collect();
                Ok(format!("json_array({})", columns.join(", ")))
            }
            Self::Postgres(_) => Ok(format!("cast({alias} as text)")),
        }
    }

    pub(crate) async fn close(self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// Creates the two databases where they are missing.
async fn create_databases(given: &str) -> anyhow::Result<()> {
    let options = sqlx::postgres::PgConnectOptions::from_str(given).context("read --store-url")?;
    let connected = PgConnection::connect_with(&options).await;
    let mut connection = connected.context("connect to PostgreSQL")?;
    for database in Place::databases() {
        let exists: bool =
            sqlx::query_scalar("select exists (select 1 from pg_database where datname = $1)")
                .bind(database)
                .fetch_one(&mut connection)
                .await
                .context("look for the demonstration's database")?;
        if exists {
            continue;
        }
        let statement = format!("create database {database} encoding 'UTF8' template template0");
        let created = sqlx::query(AssertSqlSafe(statement))
            .execute(&mut connection)
            .await;
        created.with_context(|| format!("create database `{database}`"))?;
    }
    connection.close().await.context("leave PostgreSQL")?;
    Ok(())
}
