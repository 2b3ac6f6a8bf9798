//! The ledger as a database: its tables, its clock, its locks.

use async_trait::async_trait;
use jiff::Timestamp;

use super::error::{LedgerError, LockError};
use super::open::SqlLedger;
use super::record::{Clocks, LedgerLock};
use crate::database::migrate;
use crate::database::statement::Statement;

/// What keeps the ledger usable.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Creates or extends the ledger's tables; does nothing if they are there.
    ///
    /// Returns the names of the migrations that were applied. `at` is remembered with each.
    async fn migrate(&self, at: Timestamp) -> Result<Vec<String>, LedgerError>;

    /// Proves that the tables are those that this version of kigen knows. Writes nothing.
    async fn check_migrated(&self) -> Result<(), LedgerError>;

    /// Proves that an entry could be written, without leaving one.
    async fn probe_writable(&self) -> Result<(), LedgerError>;

    /// What time it is by the ledger's own clock, and when it was written last.
    async fn clocks(&self) -> Result<Clocks, LedgerError>;

    /// Takes all of `names` for this process, or none: `job:exam-history`, `run:<id>`.
    ///
    /// Never waits. The lock ends with [`LedgerLock::release`], when the value is dropped, and
    /// when the process dies.
    async fn lock(&self, names: &[String]) -> Result<LedgerLock, LockError>;

    /// Closes the connections; what was written is durable with or without.
    async fn close(&self);
}

#[async_trait]
impl Upkeep for SqlLedger {
    async fn migrate(&self, at: Timestamp) -> Result<Vec<String>, LedgerError> {
        self.database.create().await?;
        Ok(migrate::migrate(&*self.database, &migrate::LEDGER, at).await?)
    }

    async fn check_migrated(&self) -> Result<(), LedgerError> {
        let pending = migrate::pending_migrations(&*self.database, &migrate::LEDGER).await?;
        if pending.is_empty() {
            return Ok(());
        }
        Err(LedgerError::NotMigrated {
            missing: format!("it lacks `{}`", pending.join("`, `")),
        })
    }

    async fn probe_writable(&self) -> Result<(), LedgerError> {
        const ACTION: &str = "write an entry";
        let mut session = self.begin(ACTION).await?;
        let sql = "insert into kigen_entry (at, kind, body) \
                   values ('1970-01-01T00:00:00.000000Z', 'probe', '{}')";
        session.execute(&Statement::plain(ACTION, sql)).await?;
        let others = ["run_key", "certificate", "envelope"];
        let may_insert = match self.dialect().may_insert(&others) {
            Some(condition) => {
                let sql = format!("select {condition}");
                session.read_value(&Statement::plain(ACTION, sql)).await?
            }
            None => true,
        };
        session.rollback().await?;
        if may_insert {
            return Ok(());
        }
        Err(LedgerError::ReadOnly {
            action: ACTION.to_owned(),
            source: None,
        })
    }

    async fn clocks(&self) -> Result<Clocks, LedgerError> {
        const ACTION: &str = "read its clock";
        let sql = format!(
            "select {}, coalesce((select at from kigen_entry order by entry_id desc limit 1), \
                 (select max(applied_at) from kigen_migration))",
            self.dialect().clock().unwrap_or("null")
        );
        let rows = self.read(&Statement::plain(ACTION, sql)).await?;
        let (server, last_written): (Option<i64>, _) = rows.into_iter().next().unwrap_or_default();
        let server = server.map(Timestamp::from_microsecond).transpose();
        Ok(Clocks {
            server: server.map_err(|_| LedgerError::Damaged {
                action: ACTION.to_owned(),
                found: "a moment that cannot be read".to_owned(),
            })?,
            last_written,
        })
    }

    async fn lock(&self, names: &[String]) -> Result<LedgerLock, LockError> {
        let table = self.dialect().internal("entry");
        let lock = self.database.lock(&table, names).await?;
        Ok(LedgerLock::new(lock))
    }

    async fn close(&self) {
        self.database.close().await;
    }
}
