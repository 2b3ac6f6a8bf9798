//! Opens the ledger that a URL names.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};

use super::Ledger;
use super::error::LedgerError;
use crate::database::Database;
use crate::database::dialect::Dialect;
use crate::database::error::DatabaseError;
use crate::database::postgres::{PostgresDatabase, Server, SessionSettings};
use crate::database::row::FromRow;
use crate::database::session::{Access, SqlSession};
use crate::database::sqlite::SqliteDatabase;
use crate::database::statement::Statement;

/// Connections of one process, beside one for each lock.
const CONNECTIONS: u32 = 4;

/// How long a writer waits for another one.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// A ledger in a database.
pub(super) struct SqlLedger {
    pub(super) database: Box<dyn Database>,
}

/// Opens the ledger at `url`: `sqlite:…` (a file), or `postgres://…` (reached at once).
///
/// Creates nothing: a SQLite file comes into being with [`migrate`](super::Upkeep::migrate). No error
/// repeats the URL, which may hold a password.
pub async fn open(url: &str) -> Result<Box<dyn Ledger>, LedgerError> {
    let database: Box<dyn Database> = match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("sqlite") => Box::new(sqlite(url)?),
        Some("postgres" | "postgresql") => Box::new(postgres(url).await?),
        Some(_) | None => {
            return Err(LedgerError::BadUrl {
                problem: "starts with neither `sqlite:` nor `postgres:`",
            });
        }
    };
    Ok(Box::new(SqlLedger { database }))
}

/// Reaches the database once, so that a wrong address or password is told at once.
async fn postgres(url: &str) -> Result<PostgresDatabase, LedgerError> {
    const ACTION: &str = "open it";
    let settings = SessionSettings {
        read_only: false,
        lock_timeout: LOCK_TIMEOUT,
        // No statement of the ledger may hang.
        statement_timeout: Some(Duration::from_mins(5)),
        // Its tables are found by the search path that it was given.
        catalog_first: false,
    };
    let server = Server::at(url, "kigen ledger", settings);
    let server = server.map_err(|_| LedgerError::BadUrl {
        problem: "cannot be read",
    })?;
    let server = server.without_statement_log();
    // An advisory lock is the session's: behind a pooler it would hold nobody out.
    let checked = server.check().await;
    let connection = checked.map_err(|error| DatabaseError::of_session(ACTION, error))?;
    let closed = sqlx::Connection::close(connection).await;
    closed.map_err(|error| DatabaseError::of_driver(ACTION, error))?;
    Ok(PostgresDatabase::new(server, CONNECTIONS, None))
}

/// Remembers where the ledger is; touches no file.
fn sqlite(url: &str) -> Result<SqliteDatabase, LedgerError> {
    let options = SqliteConnectOptions::from_str(url).map_err(|_| LedgerError::BadUrl {
        problem: "cannot be read",
    })?;
    if url.contains(":memory:") || url.contains("mode=memory") {
        return Err(LedgerError::BadUrl {
            problem: "names a ledger in memory, which would forget",
        });
    }
    // Evidence must be durable: in WAL mode FULL syncs the log at each commit.
    let options = options
        .create_if_missing(false)
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
        // A destroyed key must not stay in a free page.
        .pragma("secure_delete", "on")
        .busy_timeout(LOCK_TIMEOUT);
    let pool = SqlitePoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(LOCK_TIMEOUT)
        .connect_lazy_with(options.clone());
    Ok(SqliteDatabase::new(options, pool))
}

impl SqlLedger {
    pub(super) fn dialect(&self) -> &dyn Dialect {
        self.database.dialect()
    }

    /// A session, to do what `action` says.
    pub(super) async fn session(
        &self,
        action: impl Into<Arc<str>>,
    ) -> Result<Box<dyn SqlSession>, LedgerError> {
        let session = self.database.session().await;
        Ok(session.map_err(|error| DatabaseError {
            doing: action.into(),
            ..error
        })?)
    }

    /// The rows of a statement that reads.
    pub(super) async fn read<T: FromRow>(
        &self,
        statement: &Statement,
    ) -> Result<Vec<T>, LedgerError> {
        let mut session = self.session(Arc::clone(&statement.doing)).await?;
        Ok(session.read(statement).await?)
    }

    /// A session in a transaction that writes: [`end`](crate::database::transaction::end) makes it durable.
    pub(super) async fn begin(
        &self,
        action: &'static str,
    ) -> Result<Box<dyn SqlSession>, LedgerError> {
        let mut session = self.session(action).await?;
        session.begin(Access::Write).await?;
        Ok(session)
    }
}
