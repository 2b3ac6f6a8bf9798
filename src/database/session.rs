//! One connection to a database, as statements need it.

use std::ops::ControlFlow;
use std::sync::Arc;

use async_trait::async_trait;
use kigen_evidence::value::Value;

use super::changes::{Counted, Tally};
use super::error::{DatabaseError, Failure};
use super::row::FromRow;
use super::statement::Statement;

/// What a transaction may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// One snapshot, and the database itself refuses every write.
    Read,
    Write,
}

/// One row, in the order of the select list.
pub type Row = Vec<Value>;

/// Takes rows one by one, so that no result needs to fit in memory.
pub type RowSink<'a, E> = &'a mut (dyn FnMut(Row) -> Result<(), E> + Send);

/// Takes rows one by one, and says whether it takes more.
pub type TakeRow<'a> = &'a mut (dyn FnMut(Row) -> ControlFlow<()> + Send);

/// One connection with at most one open transaction.
///
/// Dropping it with a transaction open rolls that transaction back. A transaction in which a
/// statement has failed is not committed.
#[async_trait]
pub trait SqlSession: Send {
    /// Begins a transaction.
    async fn begin(&mut self, access: Access) -> Result<(), DatabaseError>;
    /// Ends the transaction: durable on return.
    async fn commit(&mut self) -> Result<(), DatabaseError>;
    /// Ends the transaction as if it had not been.
    async fn rollback(&mut self) -> Result<(), DatabaseError>;
    /// Hands rows on as they come, until `take` takes no more.
    async fn rows(&mut self, statement: &Statement, take: TakeRow<'_>)
    -> Result<(), DatabaseError>;
    /// Returns the number of rows changed.
    async fn execute(&mut self, statement: &Statement) -> Result<u64, DatabaseError>;
    /// Runs statements without values, divided by semicolons.
    async fn script(&mut self, doing: &str, sql: &str) -> Result<(), DatabaseError>;
    /// Begins to count, in the open transaction, what changes in the whole database.
    async fn start_counting(&mut self) -> Result<(), DatabaseError>;
    /// What the database counts as changed since then, table by table. `names` are tables as statements
    /// spell them: the answer says which of them it means.
    async fn counted(&mut self, names: &[Arc<str>]) -> Result<Vec<Counted>, DatabaseError>;
    /// What the statements of the open transaction have changed by their own word.
    fn tally(&mut self) -> &mut Tally;
}

impl dyn SqlSession + '_ {
    /// Hands rows on as they come; for results bounded by a table.
    pub async fn stream<E: From<DatabaseError> + Send>(
        &mut self,
        statement: &Statement,
        sink: RowSink<'_, E>,
    ) -> Result<(), E> {
        let mut taken = Ok(());
        let mut take = |row: Row| {
            taken = sink(row);
            match &taken {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        };
        self.rows(statement, &mut take).await?;
        taken
    }

    /// Returns all rows; for results bounded by a batch.
    pub async fn query(&mut self, statement: &Statement) -> Result<Vec<Row>, DatabaseError> {
        let mut rows = Vec::new();
        let mut take = |row: Row| {
            rows.push(row);
            ControlFlow::Continue(())
        };
        self.rows(statement, &mut take).await?;
        Ok(rows)
    }

    /// Returns all rows, each read as `T`.
    pub async fn read<T: FromRow>(
        &mut self,
        statement: &Statement,
    ) -> Result<Vec<T>, DatabaseError> {
        let unreadable = || DatabaseError::new(Arc::clone(&statement.doing), Failure::Unreadable);
        let rows = self.query(statement).await?.into_iter();
        rows.map(|row| T::from_row(row).ok_or_else(unreadable))
            .collect()
    }

    /// Returns the first row, read as `T`.
    pub async fn read_first<T: FromRow>(
        &mut self,
        statement: &Statement,
    ) -> Result<Option<T>, DatabaseError> {
        Ok(self.read(statement).await?.into_iter().next())
    }

    /// Returns the one value of a row that there must be.
    pub async fn read_value<T>(&mut self, statement: &Statement) -> Result<T, DatabaseError>
    where
        (T,): FromRow,
    {
        let first: Option<(T,)> = self.read_first(statement).await?;
        first
            .map(|(value,)| value)
            .ok_or_else(|| DatabaseError::new(Arc::clone(&statement.doing), Failure::Unreadable))
    }
}

/// Returns all rows of a result that takes at most `bytes` in memory; an error if it takes more.
pub async fn collect(
    session: &mut dyn SqlSession,
    statement: &Statement,
    bytes: usize,
) -> Result<Vec<Row>, DatabaseError> {
    let mut rows = Vec::new();
    let mut left = bytes;
    let mut keep = |row: Row| {
        left = left
            .checked_sub(row.iter().map(size_of).sum())
            .ok_or_else(|| {
                let too_large = Failure::TooLarge(bytes / MEGABYTE);
                DatabaseError::new(Arc::clone(&statement.doing), too_large)
            })?;
        rows.push(row);
        Ok(())
    };
    session.stream(statement, &mut keep).await?;
    Ok(rows)
}

/// What rows take in memory.
pub fn bytes_of(rows: &[Row]) -> usize {
    rows.iter().flatten().map(size_of).sum()
}

/// A MiB.
pub const MEGABYTE: usize = 1024 * 1024;

/// What a value takes in memory.
fn size_of(value: &Value) -> usize {
    let behind = match value {
        Value::Text(text) | Value::Local(text) | Value::Decimal(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Uuid(_) | Value::Instant(_) => 0,
    };
    std::mem::size_of::<Value>() + behind
}
