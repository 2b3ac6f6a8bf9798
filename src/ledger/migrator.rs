//! Brings the tables of the ledger and of a store's journal into being, script by script.
//!
//! All that is pending is applied in one transaction under a lock, so a second process waits and
//! then finds nothing to do. The scripts that were applied are remembered with their digests in a
//! table of kigen's own: `_sqlx_migrations` may belong to the application that owns the database,
//! and sqlx's runner updates its table, which an append-only ledger refuses.

mod sets;

use jiff::Timestamp;
use sha2::Digest;
use sha2::Sha256;
use sqlx::AssertSqlSafe;
use sqlx::Connection;
use sqlx::PgConnection;
use sqlx::SqliteConnection;
use thiserror::Error;

use super::convert::moment;

pub use sets::JOURNAL_POSTGRES;
pub use sets::JOURNAL_SQLITE;
pub use sets::LEDGER_POSTGRES;
pub use sets::LEDGER_SQLITE;

/// One migration, as it stands in `migrations/`. Never edited once it was released.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    pub version: i64,
    pub name: &'static str,
    pub sql: &'static str,
}

impl Script {
    fn sha256(&self) -> String {
        hex::encode(Sha256::digest(self.sql))
    }
}

/// The migrations of one set of tables in one engine.
#[derive(Clone, Copy, Debug)]
pub struct MigrationSet {
    /// The table that remembers what was applied.
    pub table: &'static str,
    /// In ascending order of version.
    pub scripts: &'static [Script],
}

/// Why tables could not be brought up to date, or are not.
#[derive(Debug, Error)]
pub enum MigrationError {
    /// The database knows a migration that this kigen does not.
    #[error("migration {version} in `{table}` is of a newer kigen\nhint: update this kigen")]
    Newer { table: String, version: i64 },
    /// A migration that was applied differs from the one this kigen holds.
    #[error("migration {version} in `{table}` was applied with another text than this kigen's")]
    Altered { table: String, version: i64 },
    /// The database refused.
    #[error("use `{table}`")]
    Database {
        table: String,
        #[source]
        source: sqlx::Error,
    },
}

/// Applies what is pending of `set` in PostgreSQL; returns the names of what was applied.
///
/// With a `schema` the tables lie in it and it is created if missing; without, in the first
/// schema of the search path.
pub async fn migrate_postgres(
    connection: &mut PgConnection,
    set: &MigrationSet,
    schema: Option<&str>,
    at: Timestamp,
) -> Result<Vec<String>, MigrationError> {
    let table = postgres_table(set, schema);
    apply_postgres(connection, set, schema, &table, at)
        .await
        .map_err(|error| error.at(&table))
}

/// The names of the migrations of `set` that PostgreSQL lacks. Writes nothing.
pub async fn pending_postgres(
    connection: &mut PgConnection,
    set: &MigrationSet,
    schema: Option<&str>,
) -> Result<Vec<String>, MigrationError> {
    let table = postgres_table(set, schema);
    let applied = match applied_postgres(connection, &table).await {
        Ok(applied) => applied.unwrap_or_default(),
        Err(source) => return Err(MigrationError::Database { table, source }),
    };
    Ok(names(&pending(set, &table, &applied)?))
}

/// Applies what is pending of `set` in SQLite; returns the names of what was applied.
pub async fn migrate_sqlite(
    connection: &mut SqliteConnection,
    set: &MigrationSet,
    at: Timestamp,
) -> Result<Vec<String>, MigrationError> {
    apply_sqlite(connection, set, at)
        .await
        .map_err(|error| error.at(set.table))
}

/// The names of the migrations of `set` that SQLite lacks. Writes nothing.
pub async fn pending_sqlite(
    connection: &mut SqliteConnection,
    set: &MigrationSet,
) -> Result<Vec<String>, MigrationError> {
    let applied = match applied_sqlite(connection, set.table).await {
        Ok(applied) => applied.unwrap_or_default(),
        Err(source) => {
            let table = set.table.to_owned();
            return Err(MigrationError::Database { table, source });
        }
    };
    Ok(names(&pending(set, set.table, &applied)?))
}

/// `name` as a quoted identifier.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// An applied migration: its version and the digest of its text.
type Applied = (i64, String);

/// An error inside a migration; the table is added once, at the border.
enum Inner {
    Database(sqlx::Error),
    Known(MigrationError),
}

impl Inner {
    fn at(self, table: &str) -> MigrationError {
        match self {
            Self::Database(source) => MigrationError::Database {
                table: table.to_owned(),
                source,
            },
            Self::Known(error) => error,
        }
    }
}

impl From<sqlx::Error> for Inner {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<MigrationError> for Inner {
    fn from(error: MigrationError) -> Self {
        Self::Known(error)
    }
}

fn pending(
    set: &MigrationSet,
    table: &str,
    applied: &[Applied],
) -> Result<Vec<Script>, MigrationError> {
    for (version, sha256) in applied {
        let table = table.to_owned();
        let version = *version;
        let Some(script) = set.scripts.iter().find(|script| script.version == version) else {
            return Err(MigrationError::Newer { table, version });
        };
        if script.sha256() != *sha256 {
            return Err(MigrationError::Altered { table, version });
        }
    }
    let is_applied = |script: &Script| {
        applied
            .iter()
            .any(|(version, _)| *version == script.version)
    };
    Ok(set
        .scripts
        .iter()
        .filter(|script| !is_applied(script))
        .copied()
        .collect())
}

fn names(scripts: &[Script]) -> Vec<String> {
    scripts
        .iter()
        .map(|script| script.name.to_owned())
        .collect()
}

fn postgres_table(set: &MigrationSet, schema: Option<&str>) -> String {
    match schema {
        Some(schema) => format!("{}.{}", quoted(schema), set.table),
        None => set.table.to_owned(),
    }
}

async fn apply_postgres(
    connection: &mut PgConnection,
    set: &MigrationSet,
    schema: Option<&str>,
    table: &str,
    at: Timestamp,
) -> Result<Vec<String>, Inner> {
    let mut transaction = connection.begin().await?;
    sqlx::query("select pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind(format!("kigen:migrate:{table}"))
        .execute(&mut *transaction)
        .await?;
    if let Some(schema) = schema {
        create_schema(&mut transaction, schema).await?;
    }
    let applied = if let Some(applied) = applied_postgres(&mut transaction, table).await? {
        applied
    } else {
        let sql = format!(
            "create table {table} (version bigint primary key, name text not null, \
             sha256 text not null, applied_at timestamptz not null)"
        );
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut *transaction)
            .await?;
        Vec::new()
    };
    let pending = pending(set, table, &applied)?;
    let insert = format!("insert into {table} values ($1, $2, $3, $4::timestamptz)");
    for script in &pending {
        // The digest is of the text as it stands in the file, so it is the same in every schema.
        let sql = match schema {
            Some(schema) => script.sql.replace("__SCHEMA__", &quoted(schema)),
            None => script.sql.to_owned(),
        };
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut *transaction)
            .await?;
        sqlx::query(AssertSqlSafe(insert.clone()))
            .bind(script.version)
            .bind(script.name)
            .bind(script.sha256())
            .bind(moment(at))
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(names(&pending))
}

/// Creates `schema` unless it exists: `if not exists` would ask for the right to create anyway.
async fn create_schema(connection: &mut PgConnection, schema: &str) -> Result<(), sqlx::Error> {
    let exists: bool =
        sqlx::query_scalar("select exists (select 1 from pg_namespace where nspname = $1)")
            .bind(schema)
            .fetch_one(&mut *connection)
            .await?;
    if exists {
        return Ok(());
    }
    let sql = format!("create schema {}", quoted(schema));
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(connection)
        .await?;
    Ok(())
}

/// What was applied, or `None` if the remembering table is missing.
async fn applied_postgres(
    connection: &mut PgConnection,
    table: &str,
) -> Result<Option<Vec<Applied>>, sqlx::Error> {
    let exists: bool = sqlx::query_scalar("select to_regclass($1) is not null")
        .bind(table)
        .fetch_one(&mut *connection)
        .await?;
    if !exists {
        return Ok(None);
    }
    let sql = format!("select version, sha256 from {table} order by version");
    sqlx::query_as(AssertSqlSafe(sql))
        .fetch_all(connection)
        .await
        .map(Some)
}

async fn apply_sqlite(
    connection: &mut SqliteConnection,
    set: &MigrationSet,
    at: Timestamp,
) -> Result<Vec<String>, Inner> {
    let table = set.table;
    let mut transaction = connection.begin_with("begin immediate").await?;
    let applied = if let Some(applied) = applied_sqlite(&mut transaction, table).await? {
        applied
    } else {
        let sql = format!(
            "create table {table} (version integer primary key, name text not null, \
             sha256 text not null, applied_at text not null)"
        );
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut *transaction)
            .await?;
        Vec::new()
    };
    let pending = pending(set, table, &applied)?;
    for script in &pending {
        sqlx::raw_sql(script.sql).execute(&mut *transaction).await?;
        sqlx::query(AssertSqlSafe(format!(
            "insert into {table} values ($1, $2, $3, $4)"
        )))
        .bind(script.version)
        .bind(script.name)
        .bind(script.sha256())
        .bind(moment(at))
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await?;
    Ok(names(&pending))
}

/// What was applied, or `None` if the remembering table is missing.
async fn applied_sqlite(
    connection: &mut SqliteConnection,
    table: &str,
) -> Result<Option<Vec<Applied>>, sqlx::Error> {
    let exists: bool = sqlx::query_scalar(
        "select exists (select 1 from sqlite_schema where type = 'table' and name = $1)",
    )
    .bind(table)
    .fetch_one(&mut *connection)
    .await?;
    if !exists {
        return Ok(None);
    }
    let sql = format!("select version, sha256 from {table} order by version");
    sqlx::query_as(AssertSqlSafe(sql))
        .fetch_all(connection)
        .await
        .map(Some)
}
