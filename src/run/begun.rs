//! A run from its name to its last duty, whatever it removes in between.

use jiff::Timestamp;
use jiff::civil::Date;

use super::error::RunError;
use super::execute::Environment;
use super::locks::release;
use super::locks::take_locks;
use super::open::Stores;
use super::outcome::FinishedRun;
use super::recover;
use super::stamp;
use crate::job::Job;
use crate::keyring::Keyring;
use crate::ledger::LedgerLock;

/// A run that holds the locks of its jobs; what killed runs left is certified.
pub(super) struct Begun {
    pub(super) run_id: String,
    pub(super) started_at: Timestamp,
    pub(super) stores: Stores,
    pub(super) finished: FinishedRun,
    lock: LedgerLock,
}

impl Begun {
    /// Names the run, locks `jobs` and takes up what killed runs left of `all_jobs`.
    pub(super) async fn begin(
        environment: &Environment<'_>,
        keyring: &mut Keyring,
        jobs: &[&Job],
        all_jobs: &[Job],
        as_of: Date,
    ) -> Result<Self, RunError> {
        environment.ledger.check_migrated().await?;
        environment.ledger.probe_writable().await?;
        let started_at = (environment.now)();
        let run_id = crate::clock::uuid_at(started_at).to_string();
        let lock = take_locks(environment.ledger, jobs, &run_id).await?;
        let mut stores = Stores::default();
        let recovered = recover::recover(environment, keyring, &mut stores, all_jobs).await?;
        let finished = FinishedRun {
            run_id: None,
            as_of,
            jobs: Vec::new(),
            certificates: Vec::new(),
            recovered,
            stopped: false,
            not_certified: None,
        };
        Ok(Self {
            run_id,
            started_at,
            stores,
            finished,
            lock,
        })
    }

    /// Gives the locks back, and has the heads of the logs stamped.
    pub(super) async fn end(self, environment: &Environment<'_>, keyring: &Keyring) -> FinishedRun {
        release(self.lock).await;
        if !environment.shutdown.is_requested() {
            stamp::stamp_heads(environment, keyring).await;
        }
        self.finished
    }
}
