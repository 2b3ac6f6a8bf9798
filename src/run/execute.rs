//! A run from its lock to its certificates.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use jiff::Timestamp;

use super::announce::{self, AnnouncedRun, Clients};
use super::client_log::LogWriter;
use super::control::{JobControl, Stopped, Suspensions};
use super::day::Day;
use super::error::RunError;
use super::execute_job::{JobAgain, JobRun};
use super::lock::{Begin, Begun, Purpose};
use super::open::Stores;
use super::outcome::{FinishedRun, JobError, JobOutcome, NotCertified, SchemaSeen};
use super::plan::{self, Wants};
use super::targets::{self, ConnectedJob, Targets};
use super::{objects, recover, restored};
use crate::archive;
use crate::config::Config;
use crate::exit;
use crate::guard::{self, Guard};
use crate::job::Job;
use crate::keyring::Keyring;
use crate::ledger::Ledger;
use crate::ledger::entry::{Entry, JobFailed, Outcome, ReconcilesEntry, Trigger};
use crate::progress::Progress;
use crate::shutdown::Shutdown;
use crate::store::{AnnouncedClients, Fit, RunContext};

/// What a run works with.
pub struct Environment<'a> {
    pub config: &'a Config,
    pub ledger: &'a dyn Ledger,
    /// The clock; only `clock` reads the system's.
    pub now: &'a (dyn Fn() -> Timestamp + Sync),
    pub shutdown: &'a Shutdown,
    pub progress: &'a Progress,
}

/// What is to be run.
pub struct RunRequest<'a> {
    /// In run order.
    pub jobs: &'a [&'a Job],
    /// Every job of the folder: a killed run may have had others.
    pub all_jobs: &'a [Job],
    pub day: Day,
    pub trigger: Trigger,
}

/// What a run removes by evidence, where no rule says what is due.
pub(super) struct Again<'a> {
    pub(super) reconciles: ReconcilesEntry,
    /// The clients whose records are back, by cluster.
    pub(super) clients: Clients,
    /// By cluster.
    pub(super) jobs: BTreeMap<String, JobAgain<'a>>,
}

impl Environment<'_> {
    /// Carries `work` out, unless the process is asked to stop: then it is dropped where it waits, as if
    /// the process had died there. Nothing of the run may follow.
    pub(super) async fn unless_stopped<T>(
        &self,
        work: impl Future<Output = Result<T, RunError>>,
    ) -> Result<T, RunError> {
        if !guard::stands(Guard::WaitsEndOnRequest) {
            return work.await;
        }
        tokio::select! {
            biased;
            () = self.shutdown.requested() => Err(RunError::Stopped),
            done = work => done,
        }
    }

    /// Writes an entry of a run. A ledger that cannot be written stops the run.
    pub(super) async fn append(&self, run_id: &str, entry: &Entry) -> Result<(), JobError> {
        let written = self.ledger.append(Some(run_id), (self.now)(), entry).await;
        written
            .map(|_| ())
            .map_err(|error| JobError::new(exit::LEDGER_UNAVAILABLE, error.to_string()))
    }
}

/// Runs `request`, after certifying what killed runs left behind.
pub async fn run(
    environment: &Environment<'_>,
    keyring: &mut Keyring,
    request: &RunRequest<'_>,
) -> Result<FinishedRun, RunError> {
    let (jobs, all_jobs) = (request.jobs, request.all_jobs);
    let begin = Begin {
        jobs,
        all_jobs,
        day: request.day,
        purpose: Purpose::Dispose,
    };
    let mut begun = Begun::begin(environment, keyring, &begin).await?;
    // Boxed: it holds the whole run.
    Box::pin(prepare_and_execute(
        environment,
        keyring,
        request,
        None,
        &mut begun,
    ))
    .await?;
    Ok(begun.end(environment, keyring).await)
}

/// Runs what fits its store, from the first entry to the certificates.
pub(super) async fn prepare_and_execute(
    environment: &Environment<'_>,
    keyring: &mut Keyring,
    request: &RunRequest<'_>,
    again: Option<&Again<'_>>,
    begun: &mut Begun,
) -> Result<(), RunError> {
    let suspensions = Suspensions::now(environment.ledger).await?;
    let purpose = match again {
        Some(_) => Purpose::Reconcile,
        None => Purpose::Dispose,
    };
    let made_ready = async {
        let stores = &mut begun.stores;
        let made = make_ready(environment, stores, request, purpose, &suspensions).await;
        Ok::<_, RunError>(made)
    };
    let (ready, outcomes) = environment.unless_stopped(Box::pin(made_ready)).await?;
    begun.finished.jobs = outcomes;
    if ready.is_empty() {
        begun.finished.stopped = environment.shutdown.is_requested();
        return Ok(());
    }
    let targets = Targets::of(&ready, request.day);
    let starting = start_run(
        environment,
        keyring,
        request,
        &ready,
        &targets,
        again,
        begun,
    );
    let run = environment.unless_stopped(Box::pin(starting)).await?;
    let step = Step {
        environment,
        run: &run,
        targets: &targets,
        all_jobs: request.all_jobs,
        day: request.day,
        again,
    };
    step.all(&ready, begun).await?;
    let finished = &mut begun.finished;
    finished.stopped = environment.shutdown.is_requested();
    if is_taken_up(environment, &begun.run_id).await? {
        let message =
            "another process has taken the run up, because its lock was lost, and certifies it";
        finished.not_certified = Some(NotCertified::failed(message));
        return Ok(());
    }
    let outcome = overall(finished);
    environment
        .append(&begun.run_id, &Entry::RunFinished { outcome })
        .await
        .map_err(RunError::Step)?;
    fail::fail_point!("run.finished");
    let (stores, all_jobs) = (&mut begun.stores, request.all_jobs);
    let removed = finished.take_removed_keys();
    match recover::certify(
        environment,
        keyring,
        stores,
        all_jobs,
        &begun.run_id,
        &removed,
    )
    .await
    {
        Ok(certificates) => finished.certificates = certificates,
        Err(error) => finished.not_certified = Some(error),
    }
    Ok(())
}

/// Whether another process took this run for dead, and goes on with it.
async fn is_taken_up(environment: &Environment<'_>, run_id: &str) -> Result<bool, RunError> {
    let entries = environment.ledger.entries_of(run_id).await?;
    let mut entries = entries.iter();
    Ok(entries.any(|recorded| matches!(recorded.entry, Entry::RunRecovered { .. })))
}

/// Opens and compares every job's store. A job that does not fit stops; the others run.
async fn make_ready<'a>(
    environment: &Environment<'_>,
    stores: &mut Stores,
    request: &RunRequest<'a>,
    purpose: Purpose,
    suspensions: &Suspensions,
) -> (Vec<ConnectedJob<'a>>, Vec<JobOutcome>) {
    let mut ready = Vec::new();
    let mut outcomes = Vec::new();
    for job in request.jobs.iter().copied() {
        let mut outcome = JobOutcome::of(job, request.day);
        outcome.suspended = suspensions.stopping(job, request.all_jobs);
        if outcome.suspended.is_some() {
            outcomes.push(outcome);
            continue;
        }
        match fits(environment, stores, (job, request.all_jobs), purpose).await {
            Ok((engine, fit)) => {
                let schema = SchemaSeen::of(&fit);
                outcome.schema = Some(schema.clone());
                outcome.warnings = fit.warnings;
                ready.push(ConnectedJob {
                    job,
                    engine,
                    schema,
                    object_places: stores.object_places(environment.config, job).await,
                });
            }
            Err(error) => outcome.error = Some(error),
        }
        outcomes.push(outcome);
    }
    (ready, outcomes)
}

async fn fits(
    environment: &Environment<'_>,
    stores: &mut Stores,
    (job, all_jobs): (&Job, &[Job]),
    purpose: Purpose,
) -> Result<(String, Fit), JobError> {
    let store = stores.rows(environment.config, &job.store).await;
    let store = store.map_err(|error| JobError::of_store(&error))?;
    let journal = store.check_journal().await;
    journal.map_err(|error| JobError::of_store(&error))?;
    match purpose {
        Purpose::Dispose => restored::refuse(environment, &*store, &job.store).await?,
        Purpose::Reconcile => {}
    }
    let fit = plan::inspect(&*store, job, all_jobs, Wants::ToRemove).await?;
    let objects = stores.objects(environment.config, job).await;
    let objects = objects.map_err(|error| JobError::of_store(&error))?;
    // Before anything is announced: the calls that the run will make, and the addresses.
    objects::try_calls(job, &objects.stores).await?;
    match purpose {
        Purpose::Dispose => {
            objects::refuse_wrong_addresses(&*store, job, &objects.to_read()).await?;
        }
        // What was removed before and is back may have left its objects where they went.
        Purpose::Reconcile => {}
    }
    tracing::debug!(job.name = %job.cluster, engine = store.engine(), "store `{}` is open and fits job `{}`", job.store, job.cluster);
    Ok((store.engine().to_owned(), fit))
}

/// Writes the run's first entry, then what it is about to do where its clients can see it.
async fn start_run(
    environment: &Environment<'_>,
    keyring: &mut Keyring,
    request: &RunRequest<'_>,
    ready: &[ConnectedJob<'_>],
    targets: &Targets,
    again: Option<&Again<'_>>,
    begun: &mut Begun,
) -> Result<RunContext, RunError> {
    let (run_id, started_at) = (begun.run_id.as_str(), begun.started_at);
    let (context, wrapped) = targets::context(keyring, run_id, started_at)?;
    let mut started = targets::entry(ready, targets, request.day, request.trigger);
    started.reconciles = again.map(|again| again.reconciles.clone());
    let clients = match again {
        Some(again) => again.clients.clone(),
        None => announce::clients(environment, &mut begun.stores, ready)
            .await
            .map_err(RunError::Step)?,
    };
    let place = archive::open(&environment.config.certificates.place).await?;
    let keeper = LogWriter {
        ledger: environment.ledger,
        place: &*place,
        keyring,
        origin: environment.config.certificates.origin()?,
        clients: &environment.config.clients,
    };
    announce::check_logs(keeper, &clients).await?;
    let first = Entry::RunStarted(started.clone());
    let written = environment
        .ledger
        .start_run(run_id, started_at, &first, &wrapped);
    written.await?;
    begun.finished.run_id = Some(run_id.to_owned());
    fail::fail_point!("run.started");
    for outcome in &begun.finished.jobs {
        note_failure(environment, run_id, outcome).await?;
    }
    let run = AnnouncedRun {
        run_id,
        started: &started,
        jobs: ready,
    };
    let announced = announce::announce(environment, keeper, run, &clients, started_at).await?;
    Ok(RunContext {
        announced: AnnouncedClients::to(announced),
        ..context
    })
}

/// What every job of a run is done with.
struct Step<'a> {
    environment: &'a Environment<'a>,
    run: &'a RunContext,
    targets: &'a Targets,
    /// Every job of the folder: whose rows are whose.
    all_jobs: &'a [Job],
    day: Day,
    again: Option<&'a Again<'a>>,
}

impl Step<'_> {
    /// One job after the other, until the run is asked to stop. A job that fails stops alone.
    async fn all(&self, ready: &[ConnectedJob<'_>], begun: &mut Begun) -> Result<(), RunError> {
        let mut fenced = BTreeSet::new();
        for ready in ready {
            if self.environment.shutdown.is_requested() {
                break;
            }
            let mut outcomes = begun.finished.jobs.iter_mut();
            let outcome = outcomes.find(|outcome| outcome.job == ready.job.cluster);
            let Some(outcome) = outcome else { continue };
            let done = self.one(ready.job, &mut begun.stores, &mut fenced, outcome);
            if let Err(error) = done.await {
                outcome.error = Some(error);
                note_failure(self.environment, &begun.run_id, outcome).await?;
            }
        }
        Ok(())
    }

    async fn one(
        &self,
        job: &Job,
        stores: &mut Stores,
        fenced: &mut BTreeSet<String>,
        outcome: &mut JobOutcome,
    ) -> Result<(), JobError> {
        let environment = self.environment;
        let store = stores.rows(environment.config, &job.store).await;
        let store = store.map_err(|error| JobError::of_store(&error))?;
        if !fenced.contains(&job.store) {
            let opened = store.open_fence(&self.run.run_id).await;
            opened.map_err(|error| JobError::of_store(&error))?;
            fenced.insert(job.store.clone());
        }
        let objects = stores.objects(environment.config, job).await;
        let control = JobControl::new(environment, job, self.all_jobs);
        let job_run = JobRun {
            environment,
            control: &control,
            run: self.run,
            job,
            store,
            objects: objects.map_err(|error| JobError::of_store(&error))?,
            targets: self.targets,
            as_of: self.day.of(job),
            again: self.again.and_then(|again| again.jobs.get(&job.cluster)),
        };
        let done = job_run.execute(outcome).await;
        if let Some(Stopped::Suspended(standing)) = control.stopped() {
            outcome.suspended = Some(standing.clone());
        }
        done?;
        match control.stopped().and_then(Stopped::error) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

/// Writes down why a job stopped, if it did.
async fn note_failure(
    environment: &Environment<'_>,
    run_id: &str,
    outcome: &JobOutcome,
) -> Result<(), RunError> {
    let Some(error) = &outcome.error else {
        return Ok(());
    };
    let entry = Entry::JobFailed(JobFailed {
        job: outcome.job.clone(),
        code: error.code.to_owned(),
        message: error.message.clone(),
    });
    environment
        .append(run_id, &entry)
        .await
        .map_err(RunError::Step)
}

fn overall(finished: &FinishedRun) -> Outcome {
    if finished.stopped {
        return Outcome::Stopped;
    }
    let whole = finished.jobs.iter().all(|job| {
        let stages = job.stages.iter();
        job.error.is_none()
            && stages
                .clone()
                .all(|stage| stage.remaining_due == 0 && stage.failed == 0)
    });
    if whole {
        Outcome::Complete
    } else {
        Outcome::Partial
    }
}
