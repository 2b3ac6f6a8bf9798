//! A session with PostgreSQL that carries statements.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgPool, Postgres};

use super::changes::{self, Beginning};
use super::dialect::PostgresDialect;
use super::values::read;
use super::{Server, lock};
use crate::database::changes::{Counted, Tally};
use crate::database::connection::Held;
use crate::database::dialect::Dialect;
use crate::database::error::{DatabaseError, Failure};
use crate::database::lock::{Lock, LockError};
use crate::database::session::{Access, SqlSession, TakeRow};
use crate::database::statement::{Arg, Statement};
use crate::database::{Database, Engine};

/// A database of a PostgreSQL server.
pub struct PostgresDatabase {
    server: Arc<Server>,
    pool: PgPool,
    dialect: PostgresDialect,
    /// How long one statement of a transaction that writes may take, beside what the server's settings say.
    statement_timeout: Option<Duration>,
}

impl PostgresDatabase {
    /// Connects when the first session is asked for. Without a `schema` kigen's own tables are
    /// `kigen_…` in the search path.
    pub fn new(server: Server, connections: u32, schema: Option<String>) -> Self {
        Self {
            pool: server.pool(connections),
            server: Arc::new(server),
            dialect: PostgresDialect { schema },
            statement_timeout: None,
        }
    }

    /// The same database, whose writing statements end after `timeout`.
    #[must_use]
    pub fn with_statement_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.statement_timeout = timeout;
        self
    }

    /// How many connections the pool has, in use or not.
    #[cfg(test)]
    pub(crate) fn open_connections(&self) -> u32 {
        self.pool.size()
    }

    /// What it spells in its own way.
    pub const fn spelling(&self) -> &PostgresDialect {
        &self.dialect
    }
}

#[async_trait]
impl Database for PostgresDatabase {
    fn engine(&self) -> Engine {
        Engine::Postgres
    }

    fn dialect(&self) -> &dyn Dialect {
        &self.dialect
    }

    async fn session(&self) -> Result<Box<dyn SqlSession>, DatabaseError> {
        let connection = self.pool.acquire().await;
        let connection = connection.map_err(|error| DatabaseError::of_driver("connect", error))?;
        Ok(Box::new(PostgresSession {
            held: Held::new(self.pool.clone(), connection),
            server: Arc::clone(&self.server),
            statement_timeout: self.statement_timeout,
            tally: Tally::default(),
            beginning: Beginning::new(),
        }))
    }

    async fn create(&self) -> Result<(), DatabaseError> {
        Ok(())
    }

    async fn lock(&self, table: &str, names: &[String]) -> Result<Lock, LockError> {
        lock::take(&self.server, table, names).await
    }

    async fn forget_deleted(&self) -> Result<(), DatabaseError> {
        Ok(())
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}

struct PostgresSession {
    held: Held<Postgres>,
    server: Arc<Server>,
    statement_timeout: Option<Duration>,
    tally: Tally,
    beginning: Beginning,
}

#[async_trait]
impl SqlSession for PostgresSession {
    async fn begin(&mut self, access: Access) -> Result<(), DatabaseError> {
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
        let begun = self.server.watched(self.held.begin(begin)).await;
        begun.map_err(|error| failed(&self.server, "begin a transaction", error))
    }

    async fn commit(&mut self) -> Result<(), DatabaseError> {
        const DOING: &str = "commit a transaction";
        self.held.may_commit(DOING)?;
        let ended = self.server.watched(self.held.end("commit")).await;
        ended.map_err(|error| failed(&self.server, DOING, error))?;
        fail::fail_point!("session.commit-unanswered", |_| {
            let lost = Failure::NoConnection("a test has lost the answer".to_owned());
            Err(DatabaseError::new(DOING, lost))
        });
        Ok(())
    }

    async fn rollback(&mut self) -> Result<(), DatabaseError> {
        const DOING: &str = "roll a transaction back";
        self.held.must_be_open(DOING)?;
        let ended = self.server.watched(self.held.end("rollback")).await;
        ended.map_err(|error| failed(&self.server, DOING, error))
    }

    async fn rows(
        &mut self,
        statement: &Statement,
        take: TakeRow<'_>,
    ) -> Result<(), DatabaseError> {
        let failed = |error: sqlx::Error| failed(&self.server, &statement.doing, error);
        let connection = self.held.connection().await.map_err(failed)?;
        let (sql, args) = statement.numbered('$');
        let mut rows = bound(&sql, args).fetch(connection);
        let mut returned = 0;
        let mut unread = None;
        let answer = loop {
            let row = match self.server.watched(rows.try_next()).await {
                Ok(Some(row)) => row,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            let taken = read(&row, &statement.doing).map(&mut *take);
            if !matches!(taken, Ok(ControlFlow::Continue(()))) {
                unread = taken.err();
                break Ok(());
            }
            returned += 1;
        };
        drop(rows);
        self.held.answered(&answer);
        answer.map_err(failed)?;
        self.tally.add(statement.writes.as_ref(), returned);
        unread.map_or(Ok(()), Err)
    }

    async fn execute(&mut self, statement: &Statement) -> Result<u64, DatabaseError> {
        let failed = |error: sqlx::Error| failed(&self.server, &statement.doing, error);
        let connection = self.held.connection().await.map_err(failed)?;
        let (sql, args) = statement.numbered('$');
        let done = self
            .server
            .watched(bound(&sql, args).execute(connection))
            .await;
        self.held.answered(&done);
        let rows = done.map_err(failed)?.rows_affected();
        self.tally.add(statement.writes.as_ref(), rows);
        Ok(rows)
    }

    async fn script(&mut self, doing: &str, sql: &str) -> Result<(), DatabaseError> {
        let sent = self.server.watched(self.held.send(sql.to_owned())).await;
        sent.map_err(|error| failed(&self.server, doing, error))
    }

    async fn start_counting(&mut self) -> Result<(), DatabaseError> {
        self.beginning = changes::beginning(self).await?;
        Ok(())
    }

    async fn counted(&mut self, names: &[Arc<str>]) -> Result<Vec<Counted>, DatabaseError> {
        let beginning = std::mem::take(&mut self.beginning);
        changes::counted(self, &beginning, names).await
    }

    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }
}

/// Says what an error means in a session with `server`.
fn failed(server: &Server, doing: &str, error: sqlx::Error) -> DatabaseError {
    let mut error = DatabaseError::of_driver(doing, error);
    // Written to through a session that may write: the server has become a standby, or the address has
    // moved to one.
    if error.failure == Failure::ReadOnlySession && !server.is_read_only() {
        error.failure = Failure::Standby;
    }
    error
}

fn bound<'q>(sql: &Arc<str>, args: &'q [Arg]) -> Query<'q, Postgres, PgArguments> {
    // Names in it are quoted, and values bound, by whoever wrote the statement.
    let mut query = sqlx::query(AssertSqlSafe(Arc::clone(sql)));
    for arg in args {
        query = match arg {
            Arg::Null => query.bind(None::<&str>),
            Arg::Int(value) => query.bind(*value),
            Arg::Text(value) => query.bind(value.as_str()),
            Arg::Bytes(value) => query.bind(value.as_slice()),
            Arg::IntArray(values) => query.bind(values.as_slice()),
            Arg::TextArray(values) => query.bind(values.as_slice()),
        };
    }
    query
}
