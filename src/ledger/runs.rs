//! Runs and their keys.

use async_trait::async_trait;
use jiff::Timestamp;

use super::entries;
use super::entry::Entry;
use super::error::LedgerError;
use super::fold::{RunRecord, fold_runs};
use super::open::SqlLedger;
use super::record::RunKey;
use crate::database::statement::{Arg, Statement, Values};
use crate::database::transaction::end;

/// Runs, from their first entry until their key is destroyed.
#[async_trait]
pub trait Runs: Send + Sync {
    /// Writes a run's first entry and its key in one transaction.
    ///
    /// A run that has already started is a [`LedgerError::Conflict`].
    async fn start_run(
        &self,
        run_id: &str,
        at: Timestamp,
        entry: &Entry,
        key: &RunKey,
    ) -> Result<(), LedgerError>;

    /// The runs that were started and whose certificates are not all published, oldest first.
    ///
    /// One of them may be in work right now: only who holds the lock of its name knows.
    async fn unfinished_runs(&self) -> Result<Vec<RunRecord>, LedgerError>;

    /// The run's wrapped key, or `None` if there is none or it was destroyed.
    async fn run_key(&self, run_id: &str) -> Result<Option<RunKey>, LedgerError>;

    /// The runs whose keys are wrapped by the key-encryption key `kek_id`, in order.
    async fn runs_under(&self, kek_id: &str) -> Result<Vec<String>, LedgerError>;

    /// Destroys the run's key. Returns whether there was one.
    async fn destroy_run_key(&self, run_id: &str) -> Result<bool, LedgerError>;
}

#[async_trait]
impl Runs for SqlLedger {
    async fn start_run(
        &self,
        run_id: &str,
        at: Timestamp,
        entry: &Entry,
        key: &RunKey,
    ) -> Result<(), LedgerError> {
        const ACTION: &str = "start a run";
        let mut values = Values::default();
        let run = values.bind(run_id);
        let wrapped: [Arg; 2] = [(&key.kek_id).into(), key.wrapped.as_slice().into()];
        let wrapped = values.list(wrapped);
        let sql = format!(
            "insert into kigen_run_key (run_id, kek_id, wrapped) select {run}, {wrapped} \
             where not exists (select 1 from kigen_entry \
                 where run_id = {run} and kind = 'run-started'){}",
            self.dialect().or_nothing("run_id")
        );
        let insert = Statement::new(ACTION, sql, values);
        let mut session = self.begin(ACTION).await?;
        // The key comes first: its primary key makes a second starter wait for the first.
        let is_new = session.execute(&insert).await? > 0;
        let started = if is_new {
            let (dialect, run_id) = (self.dialect(), Some(run_id));
            entries::write(&mut *session, dialect, ACTION, run_id, at, entry).await
        } else {
            Err(LedgerError::Conflict {
                action: ACTION.to_owned(),
                found: format!("run `{run_id}` has started already"),
            })
        };
        end(&mut *session, started.map(|_| ())).await
    }

    async fn unfinished_runs(&self) -> Result<Vec<RunRecord>, LedgerError> {
        let dialect = self.dialect();
        let unfinished = format!(
            "run_id in (select s.run_id from kigen_entry s where s.kind = 'run-started' \
                 and (not exists (select 1 from kigen_entry c \
                         where c.run_id = s.run_id and c.kind = 'sealed') \
                     or exists (select 1 from kigen_entry c, {} \
                         where c.run_id = s.run_id and c.kind = 'sealed' \
                         and not exists (select 1 from kigen_entry p \
                             where p.run_id = s.run_id and p.kind = 'published' \
                             and {} = id.value))))",
            dialect.elements("c.body", "certificate_ids", "id"),
            dialect.field("p.body", "certificate_id")
        );
        let entries = self.entries_where(&unfinished, Values::default()).await?;
        Ok(fold_runs(&entries))
    }

    async fn run_key(&self, run_id: &str) -> Result<Option<RunKey>, LedgerError> {
        let sql = "select kek_id, wrapped from kigen_run_key where run_id = ?";
        let statement = Statement::of("read a run's key", sql, [run_id.into()]);
        let row = self.read(&statement).await?.into_iter().next();
        Ok(row.map(|(kek_id, wrapped)| RunKey { kek_id, wrapped }))
    }

    async fn runs_under(&self, kek_id: &str) -> Result<Vec<String>, LedgerError> {
        let sql = "select run_id from kigen_run_key where kek_id = ? order by run_id";
        let statement = Statement::of("read which runs have a key", sql, [kek_id.into()]);
        let rows = self.read(&statement).await?.into_iter();
        Ok(rows.map(|(run_id,)| run_id).collect())
    }

    async fn destroy_run_key(&self, run_id: &str) -> Result<bool, LedgerError> {
        const ACTION: &str = "destroy a run's key";
        let sql = "delete from kigen_run_key where run_id = ?";
        let delete = Statement::of(ACTION, sql, [run_id.into()]);
        let mut session = self.begin(ACTION).await?;
        let deleted = session.execute(&delete).await;
        let deleted = end(&mut *session, deleted).await?;
        self.database.forget_deleted().await?;
        Ok(deleted > 0)
    }
}
