//! A connection of a pool with the state of its transaction: the one place that guards against what
//! sqlx 0.9.0 leaves open.
//!
//! - A `begin`, or any other statement, that was given up half-way leaves its connection in a state
//!   that nobody knows (sqlx#4393). Such a connection is closed and never goes back to the pool.
//! - PostgreSQL answers the `commit` of a transaction in which a statement failed with a rollback and
//!   no error. Such a transaction is not committed: the commit is an error.
//! - A connection on its way back to the pool is asked whether it is alive. A server that does not
//!   answer would hold the connection's place in the pool for ever (sqlx#4407). The way back is bounded.
//! - `TCP_NODELAY` is not set, and cannot be from outside: see `docs/adr/0027-one-database-layer.md`.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, Database, Executor, Pool};

use super::error::{DatabaseError, Failure};

/// How long a connection may take on its way back to the pool.
pub(super) const RETURN_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Open,
    /// A statement of the open transaction has failed.
    Failed,
}

/// A connection of a pool, and what is known of it.
pub(super) struct Held<DB: Database> {
    pool: Pool<DB>,
    /// None between two transactions.
    connection: Option<PoolConnection<DB>>,
    state: State,
    /// Whether something was sent whose answer has not come, or the connection broke.
    is_unclear: bool,
}

impl<DB: Database> Held<DB> {
    pub(super) fn new(pool: Pool<DB>, connection: PoolConnection<DB>) -> Self {
        Self {
            pool,
            connection: Some(connection),
            state: State::Idle,
            is_unclear: false,
        }
    }

    /// The connection, to send one statement: [`answered`](Self::answered) says how that ended.
    pub(super) async fn connection(&mut self) -> Result<&mut DB::Connection, sqlx::Error> {
        if self.is_unclear {
            let was_open = self.state != State::Idle;
            self.give_up();
            if was_open {
                return Err(sqlx::Error::Protocol(
                    "the connection of the transaction was given up".to_owned(),
                ));
            }
        }
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.pool.acquire().await?,
        };
        self.is_unclear = true;
        Ok(self.connection.insert(connection))
    }

    /// Notes the answer to what was sent.
    pub(super) fn answered<T>(&mut self, answer: &Result<T, sqlx::Error>) {
        self.is_unclear = match answer {
            Ok(_) => false,
            Err(sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed) => {
                true
            }
            // A server that ends a session says so as any other error, and no further answer comes.
            Err(error) => Failure::is_end_of_connection(error),
        };
        if answer.is_err() && self.state == State::Open {
            self.state = State::Failed;
        }
    }

    /// Whether a transaction is open.
    pub(super) fn is_open(&self) -> bool {
        self.state != State::Idle
    }

    /// Whether the open transaction may be committed.
    pub(super) fn may_commit(&self, doing: &str) -> Result<(), DatabaseError> {
        self.must_be_open(doing)?;
        match self.state {
            State::Open | State::Idle => Ok(()),
            State::Failed => Err(DatabaseError::new(doing, Failure::Aborted)),
        }
    }

    /// Whether there is a transaction to be ended.
    pub(super) fn must_be_open(&self, doing: &str) -> Result<(), DatabaseError> {
        if self.is_open() {
            return Ok(());
        }
        let none = Failure::Unusable("no transaction is open".to_owned());
        Err(DatabaseError::new(doing, none))
    }

    /// Closes the connection; the server ends its transaction.
    fn give_up(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            connection.close_on_drop();
        }
        self.state = State::Idle;
        self.is_unclear = false;
    }

    fn give_back(&mut self) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let returned = connection.return_to_pool();
        runtime.spawn(async move {
            // Whatever becomes of it: the place in the pool is free afterwards.
            tokio::time::timeout(RETURN_TIMEOUT, returned).await.ok();
        });
    }
}

impl<DB: Database> Held<DB>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    /// Sends statements without values.
    pub(super) async fn send(&mut self, sql: String) -> Result<(), sqlx::Error> {
        let connection = self.connection().await?;
        let sent = sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await;
        self.answered(&sent);
        sent.map(|_| ())
    }

    /// Begins a transaction by this statement.
    pub(super) async fn begin(&mut self, sql: String) -> Result<(), sqlx::Error> {
        if self.is_open() {
            self.give_up();
        }
        self.send(sql).await?;
        self.state = State::Open;
        Ok(())
    }

    /// Ends the transaction by this statement, and gives the connection back.
    pub(super) async fn end(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        let ended = self.send(sql.to_owned()).await;
        if ended.is_err() {
            self.give_up();
            return ended;
        }
        self.state = State::Idle;
        self.give_back();
        ended
    }
}

impl<DB: Database> Drop for Held<DB> {
    fn drop(&mut self) {
        if self.is_unclear || self.is_open() {
            self.give_up();
        } else {
            self.give_back();
        }
    }
}
