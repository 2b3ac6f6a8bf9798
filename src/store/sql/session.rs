//! One connection to a database, as the statements of this module need it.

use std::sync::Arc;

use async_trait::async_trait;
use kigen_evidence::value::Value;

use super::effects::Counted;
use super::effects::Tally;
use crate::job::Operation;
use crate::store::error::StoreError;

/// A statement with its arguments, in `$1` order.
#[derive(Clone)]
pub(crate) struct Statement {
    /// What it does, for messages: `delete a batch of exam-history`.
    pub doing: Arc<str>,
    pub sql: Arc<str>,
    pub args: Vec<Arg>,
    /// The table whose rows it changes, if it changes any: kigen accounts for them.
    pub writes: Option<Writes>,
}

/// What a statement changes by its own word; what else the database changes with it, it counts itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Writes {
    /// The table as the statement spells it.
    pub table: Arc<str>,
    pub operation: Operation,
}

/// An argument of a statement.
#[derive(Clone)]
pub(crate) enum Arg {
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
    IntArray(Vec<Option<i64>>),
    TextArray(Vec<Option<String>>),
}

impl Statement {
    pub(crate) fn new(
        doing: impl Into<Arc<str>>,
        sql: impl Into<Arc<str>>,
        args: Vec<Arg>,
    ) -> Self {
        Self {
            doing: doing.into(),
            sql: sql.into(),
            args,
            writes: None,
        }
    }

    /// The same statement, which changes rows of `table`.
    #[must_use]
    pub(crate) fn writing(mut self, table: impl Into<Arc<str>>, operation: Operation) -> Self {
        let table = table.into();
        self.writes = Some(Writes { table, operation });
        self
    }
}

/// What a transaction may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// One snapshot, and the database itself refuses every write.
    Read,
    Write,
}

/// One row, in the order of the select list.
pub(crate) type Row = Vec<Value>;

/// Takes rows one by one, so that no result needs to fit in memory.
pub(crate) type RowSink<'a> = &'a mut (dyn FnMut(Row) -> Result<(), StoreError> + Send);

/// One connection with at most one open transaction.
///
/// Dropping it with a transaction open rolls that transaction back.
#[async_trait]
pub(crate) trait SqlSession: Send {
    async fn begin(&mut self, access: Access) -> Result<(), StoreError>;
    async fn commit(&mut self) -> Result<(), StoreError>;
    async fn rollback(&mut self) -> Result<(), StoreError>;
    /// Returns all rows; for results bounded by a batch.
    async fn query(&mut self, statement: &Statement) -> Result<Vec<Row>, StoreError>;
    /// Hands rows on as they come; for results bounded by a table.
    async fn stream(&mut self, statement: &Statement, sink: RowSink<'_>) -> Result<(), StoreError>;
    /// Returns the number of rows changed.
    async fn execute(&mut self, statement: &Statement) -> Result<u64, StoreError>;
    /// Begins to count, in the open transaction, what changes in the whole database.
    async fn start_counting(&mut self) -> Result<(), StoreError>;
    /// What the database counts as changed since then, table by table. `names` are tables as statements
    /// spell them: the answer says which of them it means.
    async fn counted(&mut self, names: &[Arc<str>]) -> Result<Vec<Counted>, StoreError>;
    /// What the statements of the open transaction have changed by their own word.
    fn tally(&mut self) -> &mut Tally;
}

/// Returns all rows of a result that takes at most `bytes` in memory; an error if it takes more.
pub(crate) async fn collect(
    session: &mut dyn SqlSession,
    statement: &Statement,
    bytes: usize,
) -> Result<Vec<Row>, StoreError> {
    let mut rows = Vec::new();
    let mut left = bytes;
    let mut keep = |row: Row| {
        left = left
            .checked_sub(row.iter().map(size_of).sum())
            .ok_or_else(|| StoreError::TooLarge {
                doing: statement.doing.to_string(),
                megabytes: bytes / MEGABYTE,
            })?;
        rows.push(row);
        Ok(())
    };
    session.stream(statement, &mut keep).await?;
    Ok(rows)
}

/// What rows take in memory.
pub(crate) fn bytes_of(rows: &[Row]) -> usize {
    rows.iter().flatten().map(size_of).sum()
}

/// A MiB.
pub(crate) const MEGABYTE: usize = 1024 * 1024;

/// What a value takes in memory.
fn size_of(value: &Value) -> usize {
    let behind = match value {
        Value::Text(text) | Value::Local(text) | Value::Decimal(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Uuid(_) | Value::Instant(_) => 0,
    };
    std::mem::size_of::<Value>() + behind
}
