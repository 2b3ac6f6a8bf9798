//! PostgreSQL: sessions and how to open them.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use sqlx::AssertSqlSafe;
use sqlx::Connection;
use sqlx::PgPool;
use sqlx::Postgres;
use sqlx::Transaction;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;

use super::backend::Backend;
use super::catalog::TableFacts;
use super::dialect::Dialect;
use super::effects::Counted;
use super::effects::Tally;
use super::postgres_catalog;
use super::postgres_dialect::PostgresDialect;
use super::postgres_effects;
use super::postgres_effects::Beginning;
use super::postgres_inspection;
use super::postgres_values::read;
use super::resolved::Pinned;
use super::session::Access;
use super::session::Arg;
use super::session::Row;
use super::session::RowSink;
use super::session::SqlSession;
use super::session::Statement;
use super::session::collect;
use super::store::SqlStore;
use super::whole::Reading;
use crate::database::postgres;
use crate::database::postgres::Protection;
use crate::database::postgres::Server;
use crate::database::postgres::SessionError;
use crate::database::postgres::SessionSettings;
use crate::job::TableName;
use crate::store::error::StoreError;
use crate::store::inspection::Relation;
use crate::store::inspection::Right;

/// The oldest PostgreSQL whose planner knows TID ranges.
const OLDEST_VERSION: u32 = 140_000;

/// How to open a PostgreSQL store.
#[derive(Clone)]
pub struct PostgresOptions {
    /// The store's name in `kigen.toml`.
    pub name: String,
    /// May hold a password; never printed.
    pub url: String,
    /// Scheme, host, port and database, for messages.
    pub address: String,
    /// The schema of kigen's own tables.
    pub journal_schema: String,
    /// Batches at the same time.
    pub connections: u32,
    /// How long a batch waits for rows that others have locked.
    pub lock_timeout: Duration,
    /// How long one statement of a batch may take; surveys are not bounded.
    pub statement_timeout: Option<Duration>,
    /// Whether every session is read-only.
    pub read_only: bool,
}

struct PostgresBackend {
    options: PostgresOptions,
    server: Arc<Server>,
    pool: PgPool,
    dialect: PostgresDialect,
    engine: String,
    pinned: Pinned,
}

/// Opens a PostgreSQL store.
pub async fn open_postgres(options: PostgresOptions) -> Result<SqlStore, StoreError> {
    let settings = SessionSettings {
        read_only: options.read_only,
        lock_timeout: options.lock_timeout,
        statement_timeout: None,
        catalog_first: true,
    };
    let server =
        Server::at(&options.url, "kigen", settings).map_err(|error| StoreError::Unreachable {
            store: options.name.clone(),
            address: options.address.clone(),
            reason: error.to_string(),
        })?;
    let (version, named) = server_version(&options, &server).await?;
    if version.parse::<u32>().unwrap_or_default() < OLDEST_VERSION {
        return Err(StoreError::Unusable(format!(
            "store `{}` is PostgreSQL {named}; kigen needs 14 or later",
            options.name
        )));
    }
    match postgres::protection(&options.url) {
        Protection::InClear => tracing::warn!(
            store.name = options.name,
            "the connection to store `{}` at {} is not encrypted, as its URL says",
            options.name,
            options.address
        ),
        Protection::Encrypted => tracing::warn!(
            store.name = options.name,
            "store `{}` at {} is not known by a certificate: another server could answer in its place\n\
             hint: `sslmode=verify-full` in its URL",
            options.name,
            options.address
        ),
        Protection::Local | Protection::Authenticated | Protection::Unsaid => {}
    }
    let number = named.split_whitespace().next().unwrap_or(&named);
    Ok(SqlStore::new(Box::new(PostgresBackend {
        engine: format!("PostgreSQL {number}"),
        dialect: PostgresDialect {
            journal_schema: options.journal_schema.clone(),
        },
        pool: server.pool(options.connections + 2),
        server: Arc::new(server),
        options,
        pinned: Pinned::default(),
    })))
}

/// Logs in outside the pool: a pool tries for as long as it may, and forgets the reason.
async fn server_version(
    options: &PostgresOptions,
    server: &Server,
) -> Result<(String, String), StoreError> {
    let connected = server.check().await;
    let mut connection = connected.map_err(|error| session_error(options, error))?;
    let sql = "select current_setting('server_version_num'), current_setting('server_version')";
    let failed = |error: sqlx::Error| StoreError::from_driver("read the server's version", &error);
    let version = sqlx::query_as(sql)
        .fetch_one(&mut connection)
        .await
        .map_err(failed)?;
    connection.close().await.map_err(failed)?;
    Ok(version)
}

fn session_error(options: &PostgresOptions, error: SessionError) -> StoreError {
    match error {
        SessionError::Driver(error) => connect_error(options, &error),
        SessionError::Pooler
        | SessionError::NotKept { .. }
        | SessionError::ReplicationRole { .. } => StoreError::UnsafeSession {
            store: options.name.clone(),
            address: options.address.clone(),
            reason: error.to_string(),
        },
    }
}

fn connect_error(options: &PostgresOptions, error: &sqlx::Error) -> StoreError {
    let store = options.name.clone();
    let address = options.address.clone();
    if let sqlx::Error::Configuration(cause) = error
        && let Some(cause) = cause.downcast_ref::<SessionError>()
    {
        let reason = cause.to_string();
        return StoreError::UnsafeSession {
            store,
            address,
            reason,
        };
    }
    let reason = match error {
        sqlx::Error::Database(database) => match database.code().as_deref() {
            Some("28P01" | "28000") => return StoreError::Refused { store, address },
            Some("3D000") => "the database does not exist".to_owned(),
            Some("53300") => "the server has no connection left".to_owned(),
            code => format!("the server answered SQLSTATE {}", code.unwrap_or("unknown")),
        },
        sqlx::Error::Io(io) => io.kind().to_string(),
        sqlx::Error::Tls(_) => "the TLS handshake failed".to_owned(),
        sqlx::Error::PoolTimedOut => "no answer within 10 seconds".to_owned(),
        _ => "the connection could not be made".to_owned(),
    };
    StoreError::Unreachable {
        store,
        address,
        reason,
    }
}

#[async_trait]
impl Backend for PostgresBackend {
    fn dialect(&self) -> &dyn Dialect {
        &self.dialect
    }

    fn engine(&self) -> &str {
        &self.engine
    }

    fn name(&self) -> &str {
        &self.options.name
    }

    fn workers(&self) -> usize {
        usize::try_from(self.options.connections).unwrap_or(1)
    }

    async fn session(&self) -> Result<Box<dyn SqlSession>, StoreError> {
        let connection = self
            .pool
            .acquire()
            .await
            .map_err(|error| connect_error(&self.options, &error))?;
        Ok(Box::new(PostgresSession {
            pool: self.pool.clone(),
            server: Arc::clone(&self.server),
            state: State::Idle(connection),
            statement_timeout: self.options.statement_timeout,
            tally: Tally::default(),
            beginning: Beginning::new(),
        }))
    }

    async fn table(
        &self,
        session: &mut dyn SqlSession,
        name: &TableName,
    ) -> Result<Option<TableFacts>, StoreError> {
        postgres_catalog::table(session, name).await
    }

    async fn relation(
        &self,
        session: &mut dyn SqlSession,
        name: &TableName,
    ) -> Result<Option<String>, StoreError> {
        postgres_catalog::relation(session, name).await
    }

    fn pinned(&self) -> &Pinned {
        &self.pinned
    }

    async fn surroundings(
        &self,
        session: &mut dyn SqlSession,
        table: &TableFacts,
    ) -> Result<Relation, StoreError> {
        postgres_inspection::relation(session, table).await
    }

    async fn own_tables(
        &self,
        session: &mut dyn SqlSession,
    ) -> Result<BTreeMap<String, BTreeSet<Right>>, StoreError> {
        postgres_inspection::own_tables(session, &self.options.journal_schema).await
    }

    fn not_seen(&self) -> &'static [&'static str] {
        postgres_inspection::NOT_SEEN
    }

    async fn blocks(
        &self,
        session: &mut dyn SqlSession,
        name: &TableName,
    ) -> Result<u64, StoreError> {
        postgres_catalog::blocks(session, name).await
    }

    async fn traces(&self, _session: &mut dyn SqlSession) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    async fn settle(&self, _session: &mut dyn SqlSession) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    fn reading(&self) -> (Reading, &str) {
        (Reading::Postgres, &self.options.journal_schema)
    }

    async fn journal_is_migrated(&self, session: &mut dyn SqlSession) -> Result<bool, StoreError> {
        postgres_catalog::has_journal(session, &self.options.journal_schema).await
    }
}

enum State {
    Idle(PoolConnection<Postgres>),
    Open(Transaction<'static, Postgres>),
    /// Between two states; a session that failed there is given up.
    Moving,
}

struct PostgresSession {
    pool: PgPool,
    server: Arc<Server>,
    state: State,
    statement_timeout: Option<Duration>,
    tally: Tally,
    beginning: Beginning,
}

impl PostgresSession {
    async fn end(&mut self, doing: &str, commit: bool) -> Result<(), StoreError> {
        let State::Open(transaction) = std::mem::replace(&mut self.state, State::Moving) else {
            return Err(StoreError::Unusable(format!(
                "{doing}: no transaction is open"
            )));
        };
        let server = Arc::clone(&self.server);
        let ended = if commit {
            server.watched(transaction.commit()).await
        } else {
            server.watched(transaction.rollback()).await
        };
        ended.map_err(|error| failed(&server, doing, &error))
    }

    async fn connection(&mut self, doing: &str) -> Result<&mut sqlx::PgConnection, StoreError> {
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
impl SqlSession for PostgresSession {
    async fn begin(&mut self, access: Access) -> Result<(), StoreError> {
        // Give the held connection back first: a pool of one must not wait for itself.
        drop(std::mem::replace(&mut self.state, State::Moving));
        // A survey may think for minutes between two statements, and holds no lock that others wait for.
        let begin = match (access, self.statement_timeout) {
            (Access::Read, _) => "begin isolation level repeatable read read only; \
                 set local idle_in_transaction_session_timeout = '15min'"
                .to_owned(),
            (Access::Write, None) => "begin isolation level read committed".to_owned(),
            (Access::Write, Some(timeout)) => format!(
                "begin isolation level read committed; set local statement_timeout = {}",
                timeout.as_millis()
            ),
        };
        // Never given up half-way: a connection would come back to the pool inside a transaction.
        let transaction = self.pool.begin_with(AssertSqlSafe(begin)).await;
        self.state = State::Open(
            transaction.map_err(|error| StoreError::from_driver("begin a transaction", &error))?,
        );
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), StoreError> {
        self.end("commit a transaction", true).await?;
        fail::fail_point!("session.commit-unanswered", |_| {
            Err(StoreError::ConnectionLost {
                doing: "commit a transaction".to_owned(),
                reason: "a test has lost the answer".to_owned(),
            })
        });
        Ok(())
    }

    async fn rollback(&mut self) -> Result<(), StoreError> {
        self.end("roll a transaction back", false).await
    }

    async fn query(&mut self, statement: &Statement) -> Result<Vec<Row>, StoreError> {
        collect(self, statement, usize::MAX).await
    }

    async fn stream(&mut self, statement: &Statement, sink: RowSink<'_>) -> Result<(), StoreError> {
        let doing = Arc::clone(&statement.doing);
        let server = Arc::clone(&self.server);
        let connection = self.connection(&doing).await?;
        let mut rows = bound(statement).fetch(connection);
        let failed = |error: sqlx::Error| failed(&server, &doing, &error);
        let mut returned = 0;
        while let Some(row) = server.watched(rows.try_next()).await.map_err(failed)? {
            sink(read(&row, &doing)?)?;
            returned += 1;
        }
        drop(rows);
        self.tally.add(statement.writes.as_ref(), returned);
        Ok(())
    }

    async fn execute(&mut self, statement: &Statement) -> Result<u64, StoreError> {
        let server = Arc::clone(&self.server);
        let connection = self.connection(&statement.doing).await?;
        let done = server
            .watched(bound(statement).execute(connection))
            .await
            .map_err(|error| failed(&server, &statement.doing, &error))?;
        self.tally
            .add(statement.writes.as_ref(), done.rows_affected());
        Ok(done.rows_affected())
    }

    async fn start_counting(&mut self) -> Result<(), StoreError> {
        self.beginning = postgres_effects::beginning(self).await?;
        Ok(())
    }

    async fn counted(&mut self, names: &[Arc<str>]) -> Result<Vec<Counted>, StoreError> {
        let beginning = std::mem::take(&mut self.beginning);
        postgres_effects::counted(self, &beginning, names).await
    }

    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }
}

/// Says what an error means in a session with `server`.
fn failed(server: &Server, doing: &str, error: &sqlx::Error) -> StoreError {
    // Written to through a session that may write: the server has become a standby, or the address has
    // moved to one.
    if !server.is_read_only() && postgres::has_code(error, "25006") {
        return StoreError::ConnectionLost {
            doing: doing.to_owned(),
            reason: "the server is a standby and takes no changes".to_owned(),
        };
    }
    StoreError::from_driver(doing, error)
}

fn bound(statement: &Statement) -> Query<'_, Postgres, PgArguments> {
    // The text was made by `text` and its neighbours, which quote every name.
    let mut query = sqlx::query(AssertSqlSafe(Arc::clone(&statement.sql)));
    for arg in &statement.args {
        query = match arg {
            Arg::Int(value) => query.bind(*value),
            Arg::Text(value) => query.bind(value.as_str()),
            Arg::Bytes(value) => query.bind(value.as_slice()),
            Arg::IntArray(values) => query.bind(values.as_slice()),
            Arg::TextArray(values) => query.bind(values.as_slice()),
        };
    }
    query
}
