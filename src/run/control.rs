//! What stops a job at the border of a batch: a signal, a suspension, a ledger that does not answer.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;

use super::execute::Environment;
use super::outcome::JobError;
use super::outcome::SuspendedJob;
use crate::exit;
use crate::guard;
use crate::guard::Guard;
use crate::job::Job;
use crate::ledger::Ledger;
use crate::ledger::error::LedgerError;
use crate::ledger::suspension::Suspended;
use crate::ledger::suspension::suspended;
use crate::store::Control;
use crate::store::RunControl;
use crate::store::StopReason;
use crate::store::Wait;

/// How often the ledger is asked again when it does not say whether a job is suspended.
const LEDGER_TRIES: u32 = 5;

/// The pause before the ledger is asked again.
const ASK_AFTER: Duration = Duration::from_millis(500);

/// The suspended jobs of a moment.
pub(super) struct Suspensions {
    by_job: BTreeMap<String, Suspended>,
}

impl Suspensions {
    /// Asks the ledger.
    pub(super) async fn now(ledger: &dyn Ledger) -> Result<Self, LedgerError> {
        let by_job = suspended(&ledger.suspension_entries().await?);
        Ok(Self { by_job })
    }

    /// The suspension of the job of this name itself.
    pub(super) fn of(&self, job: &str) -> Option<&Suspended> {
        self.by_job.get(job)
    }

    /// The suspension that stops `job`: its own, or that of a job whose rows it would remove or
    /// change. `all_jobs` says whose rows lie where.
    pub(super) fn stopping(&self, job: &Job, all_jobs: &[Job]) -> Option<SuspendedJob> {
        if let Some(own) = self.of(&job.cluster) {
            return Some(SuspendedJob::of(own));
        }
        if !guard::stands(Guard::SuspensionCoversTables) {
            return None;
        }
        let others = all_jobs.iter().filter(|other| job.changes_rows_of(other));
        let mut suspended = others.filter_map(|other| self.of(&other.cluster));
        suspended.next().map(SuspendedJob::of)
    }
}

/// Governs one job of one run.
pub(super) struct JobControl<'a> {
    environment: &'a Environment<'a>,
    job: &'a Job,
    all_jobs: &'a [Job],
    /// How often in a row the ledger has not answered.
    unanswered: AtomicU32,
    stopped: OnceLock<Stopped>,
}

/// Why a job stopped at the border of a batch.
#[derive(Clone)]
pub(super) enum Stopped {
    /// The process was asked to stop.
    Signal,
    Suspended(SuspendedJob),
    LedgerUnavailable(String),
}

impl<'a> JobControl<'a> {
    pub(super) fn new(environment: &'a Environment<'a>, job: &'a Job, all_jobs: &'a [Job]) -> Self {
        Self {
            environment,
            job,
            all_jobs,
            unanswered: AtomicU32::new(0),
            stopped: OnceLock::new(),
        }
    }

    /// Why the job was stopped, if it was.
    pub(super) fn stopped(&self) -> Option<&Stopped> {
        self.stopped.get()
    }

    async fn ask_ledger(&self) -> Control {
        let asked = tokio::select! {
            biased;
            () = self.environment.shutdown.requested() => return self.stop(Stopped::Signal),
            asked = Suspensions::now(self.environment.ledger) => asked,
        };
        let error = match asked {
            Ok(suspensions) => {
                self.unanswered.store(0, Ordering::Relaxed);
                return match suspensions.stopping(self.job, self.all_jobs) {
                    Some(standing) => self.stop(Stopped::Suspended(standing)),
                    None => Control::Continue,
                };
            }
            Err(error) => error,
        };
        let tries = self.unanswered.fetch_add(1, Ordering::Relaxed) + 1;
        if tries < LEDGER_TRIES {
            return Control::Wait(Wait::LedgerUnavailable {
                ask_after: ASK_AFTER,
            });
        }
        let message = format!("whether the job is suspended cannot be read: {error}");
        self.stop(Stopped::LedgerUnavailable(message))
    }

    fn stop(&self, why: Stopped) -> Control {
        let job = &self.job.cluster;
        if self.stopped.set(why.clone()).is_ok() {
            match &why {
                Stopped::Signal => {}
                Stopped::Suspended(standing) => tracing::warn!(
                    job.name = %job,
                    "job `{job}` stops at the border of a batch: job `{}` is suspended",
                    standing.job
                ),
                Stopped::LedgerUnavailable(message) => tracing::warn!(
                    job.name = %job,
                    "job `{job}` stops at the border of a batch: {message}"
                ),
            }
        }
        why.control()
    }
}

impl Stopped {
    fn control(&self) -> Control {
        match self {
            Self::Signal => Control::StopRun(StopReason::Signal),
            Self::Suspended(_) => Control::StopJob(StopReason::Suspended),
            Self::LedgerUnavailable(_) => Control::StopJob(StopReason::LedgerUnavailable),
        }
    }

    /// The error of the job, if it is one: neither a signal nor a suspension is.
    pub(super) fn error(&self) -> Option<JobError> {
        match self {
            Self::Signal | Self::Suspended(_) => None,
            Self::LedgerUnavailable(message) => {
                Some(JobError::new(exit::LEDGER_UNAVAILABLE, message.clone()))
            }
        }
    }
}

#[async_trait]
impl RunControl for JobControl<'_> {
    async fn ask(&self) -> Control {
        if let Some(stopped) = self.stopped.get() {
            return stopped.control();
        }
        if self.environment.shutdown.is_requested() {
            return self.stop(Stopped::Signal);
        }
        if !guard::stands(Guard::SuspensionAtEachBatch) {
            return Control::Continue;
        }
        self.ask_ledger().await
    }

    fn advanced(&self, records: u64) {
        self.environment.progress.advance(records);
    }
}
