//! SQLite: sessions and how to open them.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use kigen_evidence::value::Value;
use sqlx::AssertSqlSafe;
use sqlx::Column;
use sqlx::Row as _;
use sqlx::Sqlite;
use sqlx::SqlitePool;
use sqlx::Transaction;
use sqlx::TypeInfo;
use sqlx::ValueRef;
use sqlx::pool::PoolConnection;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::sqlite::SqliteJournalMode;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::sqlite::SqliteRow;
use sqlx::sqlite::SqliteSynchronous;

use super::backend::Backend;
use super::catalog::TableFacts;
use super::dialect::Dialect;
use super::effects::Counted;
use super::effects::Tally;
use super::resolved::Pinned;
use super::session::Access;
use super::session::Arg;
use super::session::Row;
use super::session::RowSink;
use super::session::SqlSession;
use super::session::Statement;
use super::session::collect;
use super::sqlite_catalog;
use super::sqlite_dialect::SqliteDialect;
use super::sqlite_effects;
use super::sqlite_effects::Counter;
use super::sqlite_inspection;
use super::sqlite_traces;
use super::store::SqlStore;
use super::whole::Reading;
use crate::guard;
use crate::guard::Guard;
use crate::job::TableName;
use crate::store::error::StoreError;
use crate::store::inspection::Relation;
use crate::store::inspection::Right;

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
    pool: SqlitePool,
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
        .connect_with(connect)
        .await
        .map_err(|error| unreachable(&options, &error))?;
    // The table is read so that a file that cannot be read says so now.
    let version: String =
        sqlx::query_scalar("select sqlite_version() from (select count(*) from sqlite_schema)")
            .fetch_one(&pool)
            .await
            .map_err(|error| unreachable(&options, &error))?;
    if !options.read_only {
        let written = sqlx::raw_sql("begin immediate; rollback")
            .execute(&pool)
            .await;
        written.map_err(|error| unreachable(&options, &error))?;
    }
    Ok(SqlStore::new(Box::new(SqliteBackend {
        engine: format!("SQLite {version}"),
        options,
        pool,
        pinned: Pinned::default(),
    })))
}

fn unreachable(options: &SqliteOptions, error: &sqlx::Error) -> StoreError {
    let reason = match error {
        sqlx::Error::Database(database) => match database.code().as_deref() {
            Some("14") if options.read_only && options.file.exists() => {
                "the file cannot be opened, or the files that SQLite keeps beside it cannot be made\nhint: for a copy that nobody writes to, write `?immutable=1` behind the URL".to_owned()
            }
            Some("14") => "the file does not exist or cannot be opened".to_owned(),
            Some("26") => "the file is no SQLite database".to_owned(),
            Some("8" | "264" | "520" | "776" | "1032" | "1288" | "1544") => {
                "the file or its folder is read-only".to_owned()
            }
            Some("5" | "6" | "261" | "517") => {
                let waited = options.busy_timeout.as_secs();
                format!("another program keeps the file locked; waited {waited} s")
            }
            code => format!("SQLite answered code {}", code.unwrap_or("unknown")),
        },
        sqlx::Error::Io(io) => io.kind().to_string(),
        _ => "the file could not be opened".to_owned(),
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
        let connection = self.pool.acquire().await;
        let connection = connection.map_err(|error| unreachable(&self.options, &error))?;
        Ok(Box::new(SqliteSession {
            pool: self.pool.clone(),
            state: State::Idle(connection),
            tally: Tally::default(),
            counter: Counter::default(),
        }))
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

enum State {
    Idle(PoolConnection<Sqlite>),
    Open(Transaction<'static, Sqlite>),
    /// Between two states; a session that failed there is given up.
    Moving,
}

struct SqliteSession {
    pool: SqlitePool,
    state: State,
    tally: Tally,
    counter: Counter,
}

impl SqliteSession {
    /// How many rows the connection has changed since it was opened.
    async fn total(&mut self) -> Result<i64, StoreError> {
        let rows = self.query(&sqlite_effects::total()).await?;
        match rows.first().map(Vec::as_slice) {
            Some([Value::Int(total)]) => Ok(*total),
            _ => Err(StoreError::Unusable(
                "SQLite does not say how many rows it changed".to_owned(),
            )),
        }
    }

    async fn end(&mut self, doing: &str, commit: bool) -> Result<(), StoreError> {
        let State::Open(transaction) = std::mem::replace(&mut self.state, State::Moving) else {
            return Err(StoreError::Unusable(format!(
                "{doing}: no transaction is open"
            )));
        };
        let ended = if commit {
            transaction.commit().await
        } else {
            transaction.rollback().await
        };
        ended.map_err(|error| StoreError::from_driver(doing, &error))
    }

    async fn connection(&mut self, doing: &str) -> Result<&mut sqlx::SqliteConnection, StoreError> {
        if matches!(self.state, State::Moving) {
            let connection = self.pool.acquire().await;
            let connection = connection.map_err(|error| StoreError::from_driver(doing, &error))?;
            self.state = State::Idle(connection);
        }
        match &mut self.state {
            State::Idle(connection) => Ok(&mut *connection),
            State::Open(transaction) => Ok(&mut *transaction),
            State::Moving => Err(StoreError::Unusable(format!("{doing}: no connection"))),
        }
    }
}

#[async_trait]
impl SqlSession for SqliteSession {
    async fn begin(&mut self, access: Access) -> Result<(), StoreError> {
        // Give the held connection back first: a pool must not wait for itself.
        drop(std::mem::replace(&mut self.state, State::Moving));
        let begun = match access {
            Access::Read => self.pool.begin().await,
            Access::Write => self.pool.begin_with("begin immediate").await,
        };
        self.state = State::Open(
            begun.map_err(|error| StoreError::from_driver("begin a transaction", &error))?,
        );
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), StoreError> {
        self.end("commit a transaction", true).await
    }

    async fn rollback(&mut self) -> Result<(), StoreError> {
        self.end("roll a transaction back", false).await
    }

    async fn query(&mut self, statement: &Statement) -> Result<Vec<Row>, StoreError> {
        collect(self, statement, usize::MAX).await
    }

    async fn stream(&mut self, statement: &Statement, sink: RowSink<'_>) -> Result<(), StoreError> {
        let doing = Arc::clone(&statement.doing);
        let connection = self.connection(&doing).await?;
        let mut rows = bound(statement).fetch(connection);
        let failed = |error: sqlx::Error| StoreError::from_driver(&doing, &error);
        while let Some(row) = rows.try_next().await.map_err(failed)? {
            sink(read(&row, &doing)?)?;
        }
        Ok(())
    }

    async fn execute(&mut self, statement: &Statement) -> Result<u64, StoreError> {
        let connection = self.connection(&statement.doing).await?;
        let done = bound(statement)
            .execute(connection)
            .await
            .map_err(|error| StoreError::from_driver(&statement.doing, &error))?;
        self.tally
            .add(statement.writes.as_ref(), done.rows_affected());
        Ok(done.rows_affected())
    }

    async fn start_counting(&mut self) -> Result<(), StoreError> {
        self.counter = Counter::from(self.total().await?);
        let doing = "begin to count what changes";
        match &mut self.state {
            State::Open(transaction) => self.counter.watch(&mut *transaction).await,
            State::Idle(_) | State::Moving => Err(StoreError::Unusable(format!(
                "{doing}: no transaction is open"
            ))),
        }
    }

    async fn counted(&mut self, names: &[Arc<str>]) -> Result<Vec<Counted>, StoreError> {
        let total = self.total().await?;
        Ok(self.counter.counted(total, names, &self.tally))
    }

    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }
}

fn bound(statement: &Statement) -> Query<'_, Sqlite, SqliteArguments> {
    // The text was made by `text` and its neighbours, which quote every name.
    let mut query = sqlx::query(AssertSqlSafe(Arc::clone(&statement.sql)));
    for arg in &statement.args {
        query = match arg {
            Arg::Int(value) => query.bind(*value),
            Arg::Text(value) => query.bind(value.clone()),
            Arg::Bytes(value) => query.bind(value.clone()),
            // The dialect hands rows over as one JSON text.
            Arg::IntArray(_) | Arg::TextArray(_) => query,
        };
    }
    query
}

fn read(row: &SqliteRow, doing: &str) -> Result<Row, StoreError> {
    (0..row.columns().len())
        .map(|index| {
            let raw = row
                .try_get_raw(index)
                .map_err(|error| StoreError::from_driver(doing, &error))?;
            // The value's own class counts, not its column's type.
            let class = raw.type_info().name().to_owned();
            let name = row.columns()[index].name().to_owned();
            decode(row, index, raw.is_null(), &class).map_err(|_| StoreError::Failed {
                doing: format!("{doing}, column `{name}`"),
                meaning: "a value could not be read as its class",
                code: class.clone(),
            })
        })
        .collect()
}

fn decode(row: &SqliteRow, index: usize, null: bool, class: &str) -> Result<Value, sqlx::Error> {
    if null {
        return Ok(Value::Null);
    }
    Ok(match class {
        "INTEGER" | "BOOLEAN" => Value::Int(row.try_get_unchecked(index)?),
        "REAL" => Value::Decimal(row.try_get_unchecked::<f64, _>(index)?.to_string()),
        "BLOB" => Value::Bytes(row.try_get_unchecked(index)?),
        _ => Value::Text(row.try_get_unchecked(index)?),
    })
}
