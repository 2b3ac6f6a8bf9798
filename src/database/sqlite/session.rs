//! A session with a SQLite file that carries statements.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use kigen_evidence::value::Value;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqliteRow};
use sqlx::{
    AssertSqlSafe, Column, ConnectOptions, Connection, Row as _, Sqlite, SqlitePool, TypeInfo,
    ValueRef,
};

use super::changes::{self, Counter};
use super::dialect::SqliteDialect;
use super::lock;
use crate::database::changes::{Counted, Tally};
use crate::database::connection::Held;
use crate::database::dialect::Dialect;
use crate::database::error::{DatabaseError, Failure};
use crate::database::lock::{Lock, LockError};
use crate::database::session::{Access, Row, SqlSession, TakeRow};
use crate::database::statement::{Arg, Statement};
use crate::database::{Database, Engine};

/// A database in a file.
pub struct SqliteDatabase {
    options: SqliteConnectOptions,
    pool: SqlitePool,
}

impl SqliteDatabase {
    /// The file that `options` name, reached through `pool`.
    pub const fn new(options: SqliteConnectOptions, pool: SqlitePool) -> Self {
        Self { options, pool }
    }

    /// The file by its one true name.
    fn file(&self, doing: &str) -> Result<PathBuf, DatabaseError> {
        let file = self.options.get_filename().canonicalize();
        file.map_err(|_| DatabaseError::new(doing, Failure::NoFile))
    }
}

#[async_trait]
impl Database for SqliteDatabase {
    fn engine(&self) -> Engine {
        Engine::Sqlite
    }

    fn dialect(&self) -> &dyn Dialect {
        &SqliteDialect
    }

    async fn session(&self) -> Result<Box<dyn SqlSession>, DatabaseError> {
        self.file("connect")?;
        let connection = self.pool.acquire().await;
        let connection = connection.map_err(|error| DatabaseError::of_driver("connect", error))?;
        Ok(Box::new(SqliteSession {
            held: Held::new(self.pool.clone(), connection),
            tally: Tally::default(),
            counter: Counter::default(),
        }))
    }

    async fn create(&self) -> Result<(), DatabaseError> {
        const DOING: &str = "create the database file";
        let failed = |error| DatabaseError::of_driver(DOING, error);
        // The journal mode stays in the file; it cannot be changed inside a transaction.
        let options = self.options.clone().create_if_missing(true);
        let options = options.journal_mode(SqliteJournalMode::Wal);
        let connection = options.connect().await.map_err(failed)?;
        connection.close().await.map_err(failed)
    }

    async fn lock(&self, _table: &str, names: &[String]) -> Result<Lock, LockError> {
        lock::take(&self.file("take a lock")?, names)
    }

    async fn forget_deleted(&self) -> Result<(), DatabaseError> {
        let sql = "pragma wal_checkpoint(truncate)";
        let statement = Statement::plain("empty the log beside the file", sql);
        self.session().await?.query(&statement).await?;
        Ok(())
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}

struct SqliteSession {
    held: Held<Sqlite>,
    tally: Tally,
    counter: Counter,
}

impl SqliteSession {
    /// How many rows the connection has changed since it was opened.
    async fn total(&mut self) -> Result<i64, DatabaseError> {
        let session: &mut dyn SqlSession = self;
        session.read_value(&changes::total()).await
    }
}

#[async_trait]
impl SqlSession for SqliteSession {
    async fn begin(&mut self, access: Access) -> Result<(), DatabaseError> {
        let begin = match access {
            Access::Read => "begin",
            // The one writer's place is taken at once: later, two readers would wait for each other.
            Access::Write => "begin immediate",
        };
        let begun = self.held.begin(begin.to_owned()).await;
        begun.map_err(|error| DatabaseError::of_driver("begin a transaction", error))
    }

    async fn commit(&mut self) -> Result<(), DatabaseError> {
        const DOING: &str = "commit a transaction";
        self.held.may_commit(DOING)?;
        let ended = self.held.end("commit").await;
        ended.map_err(|error| DatabaseError::of_driver(DOING, error))
    }

    async fn rollback(&mut self) -> Result<(), DatabaseError> {
        const DOING: &str = "roll a transaction back";
        self.held.must_be_open(DOING)?;
        let ended = self.held.end("rollback").await;
        ended.map_err(|error| DatabaseError::of_driver(DOING, error))
    }

    async fn rows(
        &mut self,
        statement: &Statement,
        take: TakeRow<'_>,
    ) -> Result<(), DatabaseError> {
        let doing = &statement.doing;
        let failed = |error| DatabaseError::of_driver(Arc::clone(doing), error);
        let connection = self.held.connection().await.map_err(failed)?;
        let (sql, args) = statement.numbered('$');
        let mut rows = bound(&sql, args).fetch(connection);
        let mut unread = None;
        let answer = loop {
            let row = match rows.try_next().await {
                Ok(Some(row)) => row,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            let taken = read(&row, doing).map(&mut *take);
            if !matches!(taken, Ok(ControlFlow::Continue(()))) {
                unread = taken.err();
                break Ok(());
            }
        };
        drop(rows);
        self.held.answered(&answer);
        answer.map_err(failed)?;
        unread.map_or(Ok(()), Err)
    }

    async fn execute(&mut self, statement: &Statement) -> Result<u64, DatabaseError> {
        let failed = |error| DatabaseError::of_driver(Arc::clone(&statement.doing), error);
        let connection = self.held.connection().await.map_err(failed)?;
        let (sql, args) = statement.numbered('$');
        let done = bound(&sql, args).execute(connection).await;
        self.held.answered(&done);
        let rows = done.map_err(failed)?.rows_affected();
        self.tally.add(statement.writes.as_ref(), rows);
        Ok(rows)
    }

    async fn script(&mut self, doing: &str, sql: &str) -> Result<(), DatabaseError> {
        let sent = self.held.send(sql.to_owned()).await;
        sent.map_err(|error| DatabaseError::of_driver(doing, error))
    }

    async fn start_counting(&mut self) -> Result<(), DatabaseError> {
        self.counter = Counter::from(self.total().await?);
        let failed = |error| DatabaseError::of_driver(changes::COUNTING, error);
        let connection = self.held.connection().await.map_err(failed)?;
        let watched = self.counter.watch(connection).await;
        self.held.answered(&watched);
        watched.map_err(failed)
    }

    async fn counted(&mut self, names: &[Arc<str>]) -> Result<Vec<Counted>, DatabaseError> {
        let total = self.total().await?;
        Ok(self.counter.counted(total, names, &self.tally))
    }

    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }
}

fn bound(sql: &Arc<str>, args: &[Arg]) -> Query<'static, Sqlite, SqliteArguments> {
    // Names in it are quoted, and values bound, by whoever wrote the statement.
    let mut query = sqlx::query(AssertSqlSafe(Arc::clone(sql)));
    for arg in args {
        query = match arg {
            Arg::Null => query.bind(None::<String>),
            Arg::Int(value) => query.bind(*value),
            Arg::Text(value) => query.bind(value.clone()),
            Arg::Bytes(value) => query.bind(value.clone()),
            // The dialect hands rows over as one JSON text.
            Arg::IntArray(_) | Arg::TextArray(_) => query,
        };
    }
    query
}

fn read(row: &SqliteRow, doing: &str) -> Result<Row, DatabaseError> {
    (0..row.columns().len())
        .map(|index| {
            let raw = row
                .try_get_raw(index)
                .map_err(|error| DatabaseError::of_driver(doing, error))?;
            // The value's own class counts, not its column's type.
            let class = raw.type_info().name().to_owned();
            decode(row, index, raw.is_null(), &class).map_err(|_| DatabaseError {
                code: class.clone(),
                ..DatabaseError::new(
                    format!("{doing}, column `{}`", row.columns()[index].name()),
                    Failure::Unreadable,
                )
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
