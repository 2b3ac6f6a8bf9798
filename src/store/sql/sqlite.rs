//! SQLite as a store, and how to open it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use super::backend::Backend;
use super::catalog::TableFacts;
use super::columns::Pinned;
use super::dialect::Dialect;
use super::store::SqlStore;
use super::whole::Reading;
use super::{sqlite_catalog, sqlite_inspection, sqlite_traces};
use crate::database::Database as _;
use crate::database::error::{DatabaseError, Failure};
use crate::database::session::SqlSession;
use crate::database::sqlite::SqliteDatabase;
use crate::database::sqlite::dialect::SqliteDialect;
use crate::guard::{self, Guard};
use crate::job::TableName;
use crate::store::error::StoreError;
use crate::store::inspection::{Relation, Right};

/// How to open a SQLite store.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// The store's name in `kigen.toml`.
    pub name: String,
    /// The database file; it must exist.
    pub file: PathBuf,
    /// How long to wait while another process writes.
    pub busy_timeout: Duration,
    pub read_only: bool,
    /// Nobody writes to the file while it is read, and SQLite writes nothing beside it: a copy, or a
    /// medium that cannot be written.
    pub immutable: bool,
}

struct SqliteBackend {
    options: SqliteOptions,
    database: SqliteDatabase,
    engine: String,
    pinned: Pinned,
}

/// Opens a SQLite store.
pub async fn open_sqlite(options: SqliteOptions) -> Result<SqlStore, StoreError> {
    let mut connect = SqliteConnectOptions::new()
        .filename(&options.file)
        .create_if_missing(false)
        .foreign_keys(true)
        .busy_timeout(options.busy_timeout)
        .read_only(options.read_only)
        .immutable(options.immutable);
    if !options.read_only {
        // Certificates wait for a durable commit, and freed pages are overwritten. The journal mode is
        // the application's: it stays in the file.
        connect = connect
            .synchronous(SqliteSynchronous::Full)
            .pragma("secure_delete", "on");
        if !guard::stands(Guard::JournalModeStays) {
            connect = connect.journal_mode(SqliteJournalMode::Wal);
        }
    }
    if options.immutable && holds_content(&log_of(&options.file)) {
        return Err(cannot_open(
            &options,
            format!(
                "`{}` beside the file holds a part of its content, which `immutable=1` does not read",
                log_of(&options.file).display()
            ),
        ));
    }
    let pool = SqlitePoolOptions::new()
        .max_connections(2)
        .connect_with(connect.clone())
        .await
        .map_err(|error| unreachable(&options, error))?;
    // The table is read so that a file that cannot be read says so now.
    let version: String =
        sqlx::query_scalar("select sqlite_version() from (select count(*) from sqlite_schema)")
            .fetch_one(&pool)
            .await
            .map_err(|error| unreachable(&options, error))?;
    if !options.read_only {
        let written = sqlx::raw_sql("begin immediate; rollback")
            .execute(&pool)
            .await;
        written.map_err(|error| unreachable(&options, error))?;
    }
    Ok(SqlStore::new(Box::new(SqliteBackend {
        engine: format!("SQLite {version}"),
        options,
        database: SqliteDatabase::new(connect, pool),
        pinned: Pinned::default(),
    })))
}

fn unreachable(options: &SqliteOptions, error: sqlx::Error) -> StoreError {
    connect_error(options, DatabaseError::of_driver("open the file", error))
}

fn connect_error(options: &SqliteOptions, error: DatabaseError) -> StoreError {
    let reason = match error.failure {
        Failure::CannotOpen if options.read_only && options.file.exists() => {
            "the file cannot be opened, or the files that SQLite keeps beside it cannot be made\nhint: for a copy that nobody writes to, write `?immutable=1` behind the URL".to_owned()
        }
        Failure::CannotOpen | Failure::NoFile => {
            "the file does not exist or cannot be opened".to_owned()
        }
        Failure::NotADatabase => "the file is no SQLite database".to_owned(),
        Failure::ReadOnlyFile => "the file or its folder is read-only".to_owned(),
        Failure::Conflict | Failure::Locked => {
            let waited = options.busy_timeout.as_secs();
            format!("another program keeps the file locked; waited {waited} s")
        }
        Failure::NoConnection(reason) => reason,
        Failure::Driver => "the file could not be opened".to_owned(),
        _ => format!("SQLite answered code {}", error.code),
    };
    cannot_open(options, reason)
}

fn cannot_open(options: &SqliteOptions, reason: String) -> StoreError {
    StoreError::Unreachable {
        store: options.name.clone(),
        address: format!("sqlite://{}", options.file.display()),
        reason,
    }
}

/// The log that SQLite keeps beside `file` in WAL mode.
fn log_of(file: &Path) -> PathBuf {
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    PathBuf::from(log)
}

fn holds_content(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|metadata| metadata.len() > 0)
}

#[async_trait]
impl Backend for SqliteBackend {
    fn dialect(&self) -> &dyn Dialect {
        &SqliteDialect
    }

    fn engine(&self) -> &str {
        &self.engine
    }

    fn name(&self) -> &str {
        &self.options.name
    }

    fn workers(&self) -> usize {
        // SQLite has one writer.
        1
    }

    async fn session(&self) -> Result<Box<dyn SqlSession>, StoreError> {
        let session = self.database.session().await;
        session.map_err(|error| connect_error(&self.options, error))
    }

    async fn table(
        &self,
        session: &mut dyn SqlSession,
        name: &TableName,
    ) -> Result<Option<TableFacts>, StoreError> {
        sqlite_catalog::table(session, name).await
    }

    async fn relation(
        &self,
        session: &mut dyn SqlSession,
        name: &TableName,
    ) -> Result<Option<String>, StoreError> {
        sqlite_catalog::relation(session, name).await
    }

    fn pinned(&self) -> &Pinned {
        &self.pinned
    }

    async fn surroundings(
        &self,
        session: &mut dyn SqlSession,
        table: &TableFacts,
    ) -> Result<Relation, StoreError> {
        sqlite_inspection::relation(session, table).await
    }

    async fn own_tables(
        &self,
        _session: &mut dyn SqlSession,
    ) -> Result<BTreeMap<String, BTreeSet<Right>>, StoreError> {
        Ok(BTreeMap::new())
    }

    fn not_seen(&self) -> &'static [&'static str] {
        sqlite_inspection::NOT_SEEN
    }

    async fn blocks(
        &self,
        _session: &mut dyn SqlSession,
        _name: &TableName,
    ) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn traces(&self, session: &mut dyn SqlSession) -> Result<Vec<String>, StoreError> {
        sqlite_traces::expected(session, &self.options.file).await
    }

    async fn settle(&self, session: &mut dyn SqlSession) -> Result<Vec<String>, StoreError> {
        sqlite_traces::settle(session, &self.options.file).await
    }

    fn reading(&self) -> (Reading, &str) {
        (Reading::Sqlite, "")
    }

    async fn journal_is_migrated(&self, session: &mut dyn SqlSession) -> Result<bool, StoreError> {
        sqlite_catalog::has_journal(session).await
    }
}
