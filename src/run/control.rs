//! What stops a job at the border of a batch: a signal, a suspension, a ledger that does not answer.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use super::execute::Environment;
use super::outcome::{JobError, SuspendedJob};
use crate::exit;
use crate::guard::{self, Guard};
use crate::job::Job;
use crate::ledger::Ledger;
use crate::ledger::error::LedgerError;
use crate::ledger::suspension::{Suspended, suspended};
use crate::store::{Control, RunControl, StopReason, Wait};

/// How often the ledger is asked again when it does not say whether a job is suspended.
const LEDGER_TRIES: u32 = 5;

/// The pause before the ledger is asked again.
const ASK_AFTER: Duration = Duration::from_millis(500);

/// The suspended jobs of a moment.
pub struct Suspensions {
    by_job: BTreeMap<String, Suspended>,
}

impl Suspensions {
    /// Asks the ledger.
    pub async fn now(ledger: &dyn Ledger) -> Result<Self, LedgerError> {
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use jiff::Timestamp;
    use kigen_evidence::log::entry::SuspensionReason;

    use super::{JobControl, Stopped};
    use crate::config::Config;
    use crate::exit;
    use crate::job::Job;
    use crate::ledger::entry::{Entry, JobSuspended};
    use crate::ledger::{self, Ledger};
    use crate::progress::Progress;
    use crate::run::execute::Environment;
    use crate::shutdown::Shutdown;
    use crate::store::{Control, RunControl as _, StopReason, may_go_on};

    const CONFIG: &str = "version = 1\n\
        [ledger]\nurl = \"sqlite:ledger.db\"\n\
        [stores.lms]\nkind = \"sqlite\"\nurl = \"sqlite:store.db\"\n\
        [keyring]\npath = \"keyring.toml\"\n\
        [certificates]\nfolder = \"certificates\"\norigin = \"certs.example.com\"\n\
        [issuer]\norganization = \"Example\"\n\
        [jobs]\nfolder = \"jobs\"\n";

    fn jobs() -> Vec<Job> {
        let learner = include_str!("../../jobs/learner.toml");
        let exams = include_str!("../../jobs/exam-history.toml");
        [learner, exams]
            .map(|text| crate::job::parse("job.toml", text).unwrap())
            .into()
    }

    async fn suspend(ledger: &dyn Ledger, job: &str) {
        let entry = Entry::JobSuspended(JobSuspended {
            job: job.to_owned(),
            reason: SuspensionReason::LegalHold,
            review_on: None,
        });
        let at = Timestamp::UNIX_EPOCH;
        ledger.append(None, at, &entry).await.unwrap();
    }

    /// Does with an environment over a ledger in `folder` what is asked.
    async fn with(folder: &Path, work: impl AsyncFnOnce(&Environment<'_>, &[Job])) {
        let url = format!("sqlite:{}", folder.join("ledger.db").display());
        let ledger = ledger::open(&url).await.unwrap();
        ledger.migrate(Timestamp::UNIX_EPOCH).await.unwrap();
        let config = Config::parse("kigen.toml", CONFIG, folder, &|_| None).unwrap();
        let (shutdown, progress) = (Shutdown::new(), Progress::in_log());
        let environment = Environment {
            config: &config,
            ledger: &*ledger,
            now: &|| Timestamp::UNIX_EPOCH,
            shutdown: &shutdown,
            progress: &progress,
        };
        work(&environment, &jobs()).await;
    }

    #[tokio::test]
    async fn a_suspension_stops_its_job_at_the_next_batch_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        with(folder.path(), async |environment, jobs| {
            let learner = JobControl::new(environment, &jobs[0], jobs);
            let exams = JobControl::new(environment, &jobs[1], jobs);
            assert_eq!(learner.ask().await, Control::Continue);
            suspend(environment.ledger, "learner").await;
            let stop = Control::StopJob(StopReason::Suspended);
            assert_eq!(learner.ask().await, stop);
            assert_eq!(exams.ask().await, Control::Continue);
            assert!(!environment.shutdown.is_requested());
            assert!(matches!(learner.stopped(), Some(Stopped::Suspended(_))));
            // A job that was stopped does not begin again in the same run.
            let resumed = Entry::JobResumed {
                job: "learner".to_owned(),
            };
            let at = Timestamp::UNIX_EPOCH;
            let ledger = environment.ledger;
            ledger.append(None, at, &resumed).await.unwrap();
            assert_eq!(learner.ask().await, stop);
            environment.shutdown.request();
            let stop = Control::StopRun(StopReason::Signal);
            assert_eq!(exams.ask().await, stop);
        })
        .await;
    }

    #[tokio::test]
    async fn a_ledger_that_does_not_answer_is_asked_again_and_then_stops_the_job() {
        let folder = tempfile::tempdir().unwrap();
        with(folder.path(), async |environment, jobs| {
            let learner = JobControl::new(environment, &jobs[0], jobs);
            let (file, aside) = (folder.path().join("ledger.db"), folder.path().join("aside"));
            std::fs::rename(&file, &aside).unwrap();
            assert!(matches!(learner.ask().await, Control::Wait(_)));
            std::fs::rename(&aside, &file).unwrap();
            assert_eq!(learner.ask().await, Control::Continue);
            std::fs::rename(&file, &aside).unwrap();
            assert!(!may_go_on(&learner).await);
            let error = learner.stopped().and_then(Stopped::error).unwrap();
            assert_eq!(error.exit, exit::LEDGER_UNAVAILABLE);
            assert!(!environment.shutdown.is_requested());
        })
        .await;
    }
}
