//! Databases: the one layer under the stores and the ledger.
//!
//! A [`Database`] gives sessions; a [`session`] carries a [`statement`] with its values bound; a
//! [`dialect`] writes what engines spell differently; [`error`] says what each error means. An engine
//! is a folder here (`postgres`, `sqlite`). What sqlx leaves open is guarded in `connection`.

pub mod changes;
mod connection;
pub mod dialect;
pub mod error;
pub mod lock;
pub mod migrate;
pub mod postgres;
pub mod row;
pub mod session;
pub mod sqlite;
pub mod statement;
pub mod transaction;

#[cfg(test)]
mod tests;

use async_trait::async_trait;

use dialect::Dialect;
use error::DatabaseError;
use lock::{Lock, LockError};
use session::SqlSession;

/// The engines that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Postgres,
    Sqlite,
}

/// One database, of one engine.
#[async_trait]
pub trait Database: Send + Sync {
    /// Which engine it is of.
    fn engine(&self) -> Engine;

    /// What this engine spells in its own way.
    fn dialect(&self) -> &dyn Dialect;

    /// A session of its own, outside a transaction.
    async fn session(&self) -> Result<Box<dyn SqlSession>, DatabaseError>;

    /// Brings the database itself into being where the engine can, so that tables can be made in it.
    async fn create(&self) -> Result<(), DatabaseError>;

    /// Takes all of `names` for this process, or none. Never waits.
    ///
    /// `table` keeps the locks of two sets of tables in one database apart.
    async fn lock(&self, table: &str, names: &[String]) -> Result<Lock, LockError>;

    /// Removes what was deleted from where the engine still keeps it beside its tables.
    async fn forget_deleted(&self) -> Result<(), DatabaseError>;

    /// Closes the connections.
    async fn close(&self);
}
