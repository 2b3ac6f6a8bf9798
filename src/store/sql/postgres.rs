//! PostgreSQL: sessions and how to open them.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use sqlx::AssertSqlSafe;
use sqlx::Connection;
use sqlx::PgConnection;
use sqlx::PgPool;
use sqlx::Postgres;
use sqlx::Transaction;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgArguments;
use sqlx::postgres::PgConnectOptions;
use sqlx::postgres::PgPoolOptions;
use sqlx::query::Query;

use super::backend::Backend;
use super::catalog::TableFacts;
use super::dialect::Dialect;
use super::postgres_catalog;
use super::postgres_dialect::PostgresDialect;
use super::postgres_values::read;
use super::session::Access;
use super::session::Arg;
use super::session::Row;
use super::session::RowSink;
use super::session::SqlSession;
use super::session::Statement;
use super::store::SqlStore;
use crate::job::TableName;
use crate::store::error::StoreError;

/// The oldest PostgreSQL whose planner knows TID ranges.
const OLDEST_VERSION: u32 = 140_000;

/// How long a connection may take to be made, or to be had.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

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
    pool: PgPool,
    dialect: PostgresDialect,
    engine: String,
}

/// Opens a PostgreSQL store.
pub async fn open_postgres(options: PostgresOptions) -> Result<SqlStore, StoreError> {
    let unreachable = |reason: &str| StoreError::Unreachable {
        store: options.name.clone(),
        address: options.address.clone(),
        reason: reason.to_owned(),
    };
    let lock_timeout = format!("{}ms", options.lock_timeout.as_millis());
    let read_only = if options.read_only { "on" } else { "off" };
    let connect = PgConnectOptions::from_str(&options.url)
        .map_err(|_| {
            unreachable("the URL is not of the form `postgres://user:password@host:port/database`")
        })?
        .application_name("kigen")
        .options([
            ("TimeZone", "UTC"),
            ("lock_timeout", lock_timeout.as_str()),
            ("default_transaction_read_only", read_only),
            // A partition or index scan by many workers would only take cores from the others.
            ("jit", "off"),
        ]);
    let (version, named) = server_version(&options, &connect).await?;
    if version.parse::<u32>().unwrap_or_default() < OLDEST_VERSION {
        return Err(StoreError::Unusable(format!(
            "store `{}` is PostgreSQL {named}; kigen needs 14 or later",
            options.name
        )));
    }
    let pool = PgPoolOptions::new()
        .max_connections(options.connections + 2)
        .acquire_timeout(CONNECT_TIMEOUT)
        .connect_lazy_with(connect);
    let number = named.split_whitespace().next().unwrap_or(&named);
    Ok(SqlStore::new(Box::new(PostgresBackend {
        engine: format!("PostgreSQL {number}"),
        dialect: PostgresDialect {
            journal_schema: options.journal_schema.clone(),
        },
        pool,
        options,
    })))
}

/// Logs in once, outside the pool: a pool tries for as long as it may, and forgets the reason.
async fn server_version(
    options: &PostgresOptions,
    connect: &PgConnectOptions,
) -> Result<(String, String), StoreError> {
    let connected =
        tokio::time::timeout(CONNECT_TIMEOUT, PgConnection::connect_with(connect)).await;
    let mut connection = connected
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
        .map_err(|error| connect_error(options, &error))?;
    let sql = "select current_setting('server_version_num'), current_setting('server_version')";
    let failed = |error: sqlx::Error| StoreError::from_driver("read the server's version", &error);
    let version = sqlx::query_as(sql)
        .fetch_one(&mut connection)
        .await
        .map_err(failed)?;
    connection.close().await.map_err(failed)?;
    Ok(version)
}

fn connect_error(options: &PostgresOptions, error: &sqlx::Error) -> StoreError {
    let store = options.name.clone();
    let address = options.address.clone();
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
            state: State::Idle(connection),
            statement_timeout: self.options.statement_timeout,
        }))
    }

    async fn table(
        &self,
        session: &mut dyn SqlSession,
        name: &TableName,
    ) -> Result<Option<TableFacts>, StoreError> {
        postgres_catalog::table(session, name).await
    }

    async fn blocks(
        &self,
        session: &mut dyn SqlSession,
        name: &TableName,
    ) -> Result<u64, StoreError> {
        postgres_catalog::blocks(session, name).await
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
    state: State,
    statement_timeout: Option<Duration>,
}

impl PostgresSession {
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
        let begin = match (access, self.statement_timeout) {
            (Access::Read, _) => "begin isolation level repeatable read read only".to_owned(),
            (Access::Write, None) => "begin isolation level read committed".to_owned(),
            (Access::Write, Some(timeout)) => format!(
                "begin isolation level read committed; set local statement_timeout = {}",
                timeout.as_millis()
            ),
        };
        let transaction = self.pool.begin_with(AssertSqlSafe(begin)).await;
        self.state = State::Open(
            transaction.map_err(|error| StoreError::from_driver("begin a transaction", &error))?,
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
        let mut rows = Vec::new();
        let mut keep = |row| {
            rows.push(row);
            Ok(())
        };
        self.stream(statement, &mut keep).await?;
        Ok(rows)
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
        Ok(done.rows_affected())
    }
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
