//! A run from its name to its last duty, whatever it removes in between.

use jiff::Timestamp;

use super::day::{self, Day};
use super::error::RunError;
use super::execute::Environment;
use super::locks::{release, take_locks};
use super::open::Stores;
use super::outcome::FinishedRun;
use super::{recover, timestamp_heads};
use crate::job::Job;
use crate::keyring::Keyring;
use crate::ledger::LedgerLock;

/// What a run begins with.
pub(super) struct Begin<'a> {
    /// The jobs whose locks it takes.
    pub(super) jobs: &'a [&'a Job],
    /// Every job of the folder: a killed run may have had others.
    pub(super) all_jobs: &'a [Job],
    pub(super) day: Day,
    pub(super) purpose: Purpose,
}

/// Why records go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// They are due. A store that was restored from a backup is refused.
    Dispose,
    /// They were removed before, and a restored store has brought them back.
    Reconcile,
}

/// A run that holds the locks of its jobs; what killed runs left is certified.
pub(super) struct Begun {
    pub(super) run_id: String,
    pub(super) started_at: Timestamp,
    pub(super) stores: Stores,
    pub(super) finished: FinishedRun,
    lock: LedgerLock,
}

impl Begun {
    /// Names the run, locks its jobs and takes up what killed runs left of any job.
    pub(super) async fn begin(
        environment: &Environment<'_>,
        keyring: &mut Keyring,
        begin: &Begin<'_>,
    ) -> Result<Self, RunError> {
        let Begin { jobs, day, .. } = *begin;
        environment.config.certificates.origin()?;
        let started_at = (environment.now)();
        let run_id = crate::clock::uuid_at(started_at).to_string();
        let mut stores = Stores::beside(begin.all_jobs);
        let checked = async {
            environment.ledger.check_migrated().await?;
            environment.ledger.probe_writable().await?;
            let lock = take_locks(environment.ledger, jobs, &run_id).await?;
            day::check(environment, &mut stores, jobs, day).await?;
            Ok::<_, RunError>(lock)
        };
        let lock = environment.unless_stopped(Box::pin(checked)).await?;
        tracing::debug!(run.id = %run_id, "the run has its locks; the clocks agree");
        let recovered = recover::recover(environment, keyring, &mut stores, begin).await?;
        let finished = FinishedRun {
            run_id: None,
            as_of: day.earliest(jobs),
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
    pub(super) async fn end(
        mut self,
        environment: &Environment<'_>,
        keyring: &Keyring,
    ) -> FinishedRun {
        release(self.lock).await;
        tokio::select! {
            biased;
            () = environment.shutdown.requested() => {}
            () = timestamp_heads::stamp_heads(environment, keyring) => {}
        }
        self.finished.stopped = environment.shutdown.is_requested();
        self.finished
    }
}
