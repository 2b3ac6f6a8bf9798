//! Brings the tables of the ledger and of a store's journal into being, script by script.
//!
//! All that is pending is applied in one transaction under a lock, so a second process waits and
//! then finds nothing to do. The scripts that were applied are remembered with their digests in a
//! table of kigen's own: `_sqlx_migrations` may belong to the application that owns the database,
//! and sqlx's runner updates its table, which an append-only ledger refuses.

mod sets;

use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use thiserror::Error;

use super::dialect::{Dialect, quote};
use super::error::{DatabaseError, Failure};
use super::postgres::{PostgresDatabase, Server, SessionSettings};
use super::session::{Access, SqlSession};
use super::sqlite::SqliteDatabase;
use super::statement::{Statement, Values};
use super::{Database, Engine, transaction};

pub use sets::{JOURNAL, LEDGER};

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

/// The migrations of one set of tables, in every engine.
#[derive(Clone, Copy, Debug)]
pub struct Migrations {
    pub postgres: MigrationSet,
    pub sqlite: MigrationSet,
}

impl Migrations {
    /// Those of one engine.
    pub const fn of(&self, engine: Engine) -> &MigrationSet {
        match engine {
            Engine::Postgres => &self.postgres,
            Engine::Sqlite => &self.sqlite,
        }
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
    #[error("use the tables of kigen: {}", .0.failure.meaning())]
    Database(#[from] DatabaseError),
}

/// An applied migration: its version and the digest of its text.
type Applied = (i64, String);

/// How long a migration waits for another one of the same store.
const LOCK_TIMEOUT: Duration = Duration::from_mins(1);

/// What a migration does, for messages.
const ACTION: &str = "migrate it";

/// Applies what is pending of `migrations`; returns the names of what was applied.
///
/// Where the dialect has a schema, the tables lie in it and it is created if missing.
pub async fn migrate(
    database: &dyn Database,
    migrations: &Migrations,
    at: Timestamp,
) -> Result<Vec<String>, MigrationError> {
    let dialect = database.dialect();
    let set = migrations.of(database.engine());
    let mut session = database.session().await?;
    session.begin(Access::Write).await?;
    let applied = apply(&mut *session, dialect, set, at).await;
    transaction::end(&mut *session, applied).await
}

/// The names of the migrations that the database lacks. Writes nothing.
pub async fn pending_migrations(
    database: &dyn Database,
    migrations: &Migrations,
) -> Result<Vec<String>, MigrationError> {
    let set = migrations.of(database.engine());
    let table = table_of(set, database.dialect());
    let mut session = database.session().await?;
    let applied = applied(&mut *session, database.dialect(), &table).await?;
    Ok(names(&pending(set, &table, &applied.unwrap_or_default())?))
}

/// The database of a store whose journal is to be migrated, reached once: in PostgreSQL with the
/// `schema` of the journal, in SQLite without.
pub async fn journal_database(
    url: &str,
    schema: Option<&str>,
) -> Result<Box<dyn Database>, DatabaseError> {
    const DOING: &str = "connect";
    let not_a_url = || DatabaseError::new(DOING, Failure::NoDatabase);
    let Some(schema) = schema else {
        let options = SqliteConnectOptions::from_str(url).map_err(|_| not_a_url())?;
        let options = options.create_if_missing(false);
        let pool = SqlitePoolOptions::new().connect_lazy_with(options.clone());
        return Ok(Box::new(SqliteDatabase::new(options, pool)));
    };
    // A role's own limits and paths count here as little as in a run.
    let settings = SessionSettings {
        read_only: false,
        lock_timeout: LOCK_TIMEOUT,
        statement_timeout: None,
        catalog_first: true,
    };
    let server = Server::at(url, "kigen", settings).map_err(|_| not_a_url())?;
    // A pool tries for as long as it may, and forgets the reason.
    let connection = server.connect().await;
    let connection = connection.map_err(|error| DatabaseError::of_session(DOING, error))?;
    let closed = sqlx::Connection::close(connection).await;
    closed.map_err(|error| DatabaseError::of_driver(DOING, error))?;
    let schema = Some(schema.to_owned());
    Ok(Box::new(PostgresDatabase::new(server, 2, schema)))
}

fn table_of(set: &MigrationSet, dialect: &dyn Dialect) -> String {
    match dialect.schema() {
        Some(schema) => format!("{}.{}", quote(schema), set.table),
        None => set.table.to_owned(),
    }
}

async fn apply(
    session: &mut dyn SqlSession,
    dialect: &dyn Dialect,
    set: &MigrationSet,
    at: Timestamp,
) -> Result<Vec<String>, MigrationError> {
    let table = table_of(set, dialect);
    let mut values = Values::default();
    let name = values.bind(format!("kigen:migrate:{table}"));
    if let Some(alone) = dialect.serialize(&name.to_string(), None) {
        session
            .query(&Statement::new(ACTION, alone, values))
            .await?;
    }
    if let Some(schema) = dialect.schema() {
        create_schema(session, schema).await?;
    }
    let applied = if let Some(applied) = applied(session, dialect, &table).await? {
        applied
    } else {
        let (number, moment) = dialect.types();
        let sql = format!(
            "create table {table} (version {number} primary key, name text not null, \
             sha256 text not null, applied_at {moment} not null)"
        );
        session.script(ACTION, &sql).await?;
        Vec::new()
    };
    let pending = pending(set, &table, &applied)?;
    for script in &pending {
        // The digest is of the text as it stands in the file, so it is the same in every schema.
        let sql = match dialect.schema() {
            Some(schema) => script.sql.replace("__SCHEMA__", &quote(schema)),
            None => script.sql.to_owned(),
        };
        session.script(ACTION, &sql).await?;
        let mut values = Values::default();
        let version = values.bind(script.version);
        let name = values.bind(script.name);
        let sha256 = values.bind(script.sha256());
        let at = values.bind(moment(at)).to_string();
        let sql = format!(
            "insert into {table} values ({version}, {name}, {sha256}, {})",
            dialect.moment(&at)
        );
        session
            .execute(&Statement::new(ACTION, sql, values))
            .await?;
    }
    Ok(names(&pending))
}

/// Creates `schema` unless it exists: `if not exists` would ask for the right to create anyway.
async fn create_schema(session: &mut dyn SqlSession, schema: &str) -> Result<(), DatabaseError> {
    let sql = "select exists (select 1 from pg_namespace where nspname = ?)";
    let exists = Statement::of(ACTION, sql, [schema.into()]);
    if session.read_value(&exists).await? {
        return Ok(());
    }
    let sql = format!("create schema {}", quote(schema));
    session.script(ACTION, &sql).await
}

/// What was applied, or `None` if the remembering table is missing.
async fn applied(
    session: &mut dyn SqlSession,
    dialect: &dyn Dialect,
    table: &str,
) -> Result<Option<Vec<Applied>>, DatabaseError> {
    const ACTION: &str = "check its migrations";
    let mut values = Values::default();
    let name = values.bind(table).to_string();
    let sql = format!("select {}", dialect.table_exists(&name));
    let exists = Statement::new(ACTION, sql, values);
    if !session.read_value(&exists).await? {
        return Ok(None);
    }
    let sql = format!("select version, sha256 from {table} order by version");
    session.read(&Statement::plain(ACTION, sql)).await.map(Some)
}

/// A moment as text of one width, to the microsecond, so that text order is time order.
pub fn moment(at: Timestamp) -> String {
    format!("{at:.6}")
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
