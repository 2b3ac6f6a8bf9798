//! A run from its lock to its certificates.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;

use super::announce;
use super::announce::AnnouncedRun;
use super::announce::Clients;
use super::client_log::LogKeeper;
use super::error::RunError;
use super::locks::release;
use super::locks::take_locks;
use super::open::Stores;
use super::outcome::FinishedRun;
use super::outcome::JobError;
use super::outcome::JobOutcome;
use super::outcome::SuspendedJob;
use super::plan;
use super::recover;
use super::stage::JobAgain;
use super::stage::JobRun;
use super::stamp;
use super::start;
use super::start::Ready;
use super::start::Targets;
use super::suspend;
use crate::config::Config;
use crate::exit;
use crate::job::Job;
use crate::keyring::Keyring;
use crate::ledger::Ledger;
use crate::ledger::entry::Entry;
use crate::ledger::entry::JobFailed;
use crate::ledger::entry::Outcome;
use crate::ledger::entry::ReconcilesEntry;
use crate::ledger::entry::Trigger;
use crate::ledger::suspension::Suspended;
use crate::progress::Progress;
use crate::publish;
use crate::shutdown::Shutdown;
use crate::store::Announced;
use crate::store::Disposer;
use crate::store::RunContext;
use crate::store::Watch;

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
    pub as_of: Date,
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
    /// Writes an entry of a run. A ledger that cannot be written stops the run.
    pub(super) async fn append(&self, run_id: &str, entry: &Entry) -> Result<(), JobError> {
        let written = self.ledger.append(Some(run_id), (self.now)(), entry).await;
        written
            .map(|_| ())
            .map_err(|error| JobError::new(exit::LEDGER_UNAVAILABLE, error.to_string()))
    }
}

impl Watch for Environment<'_> {
    fn stop_requested(&self) -> bool {
        self.shutdown.is_requested()
    }

    fn advanced(&self, records: u64) {
        self.progress.advance(records);
    }
}

/// Runs `request`, after certifying what killed runs left behind.
pub async fn run(
    environment: &Environment<'_>,
    keyring: &mut Keyring,
    request: &RunRequest<'_>,
) -> Result<FinishedRun, RunError> {
    environment.ledger.check_migrated().await?;
    environment.ledger.probe_writable().await?;
    let started_at = (environment.now)();
    let run_id = crate::clock::uuid_at(started_at).to_string();
    let lock = take_locks(environment.ledger, request.jobs, &run_id).await?;
    let mut stores = Stores::default();
    let recovered = recover::recover(environment, keyring, &mut stores, request.all_jobs).await?;
    let mut finished = FinishedRun {
        run_id: None,
        as_of: request.as_of,
        jobs: Vec::new(),
        certificates: Vec::new(),
        recovered,
        stopped: false,
        not_certified: None,
    };
    let prepared = Prepared {
        run_id,
        started_at,
        again: None,
    };
    prepare_and_execute(
        environment,
        keyring,
        &mut stores,
        request,
        prepared,
        &mut finished,
    )
    .await?;
    release(lock).await;
    if !environment.shutdown.is_requested() {
        stamp::stamp_heads(environment, keyring).await;
    }
    Ok(finished)
}

/// Runs what fits its store, from the first entry to the certificates.
pub(super) async fn prepare_and_execute(
    environment: &Environment<'_>,
    keyring: &mut Keyring,
    stores: &mut Stores,
    request: &RunRequest<'_>,
    prepared: Prepared<'_>,
    finished: &mut FinishedRun,
) -> Result<(), RunError> {
    let suspended = suspend::now(environment.ledger).await?;
    let (ready, outcomes) = make_ready(environment, stores, request, &suspended).await;
    finished.jobs = outcomes;
    if ready.is_empty() {
        return Ok(());
    }
    execute(
        environment,
        keyring,
        stores,
        request,
        &ready,
        prepared,
        finished,
    )
    .await
}

/// A run that has its name.
pub(super) struct Prepared<'a> {
    pub(super) run_id: String,
    pub(super) started_at: Timestamp,
    pub(super) again: Option<&'a Again<'a>>,
}

/// Opens and compares every job's store. A job that does not fit stops; the others run.
async fn make_ready<'a>(
    environment: &Environment<'_>,
    stores: &mut Stores,
    request: &RunRequest<'a>,
    suspended: &BTreeMap<String, Suspended>,
) -> (Vec<Ready<'a>>, Vec<JobOutcome>) {
    let mut ready = Vec::new();
    let mut outcomes = Vec::new();
    for job in request.jobs.iter().copied() {
        let mut outcome = JobOutcome::of(job);
        if let Some(standing) = suspended.get(&job.cluster) {
            outcome.suspended = Some(SuspendedJob {
                since: standing.since,
                reason: standing.why.reason,
                review_on: standing.why.review_on,
            });
            outcomes.push(outcome);
            continue;
        }
        match fits(environment, stores, job).await {
            Ok(engine) => ready.push(Ready {
                job,
                engine,
                object_places: stores.object_places(environment.config, job).await,
            }),
            Err(error) => outcome.error = Some(error),
        }
        outcomes.push(outcome);
    }
    (ready, outcomes)
}

async fn fits(
    environment: &Environment<'_>,
    stores: &mut Stores,
    job: &Job,
) -> Result<String, JobError> {
    let store = stores.rows(environment.config, &job.store).await;
    let store = store.map_err(|error| JobError::of_store(&error))?;
    let journal = store.check_journal().await;
    journal.map_err(|error| JobError::of_store(&error))?;
    plan::inspect(&*store, job).await?;
    let objects = stores.objects(environment.config, job).await;
    objects.map_err(|error| JobError::of_store(&error))?;
    Ok(store.engine().to_owned())
}

async fn execute(
    environment: &Environment<'_>,
    keyring: &mut Keyring,
    stores: &mut Stores,
    request: &RunRequest<'_>,
    ready: &[Ready<'_>],
    prepared: Prepared<'_>,
    finished: &mut FinishedRun,
) -> Result<(), RunError> {
    let Prepared {
        run_id,
        started_at,
        again,
    } = prepared;
    let targets = Targets::of(ready, request.as_of);
    let (context, wrapped) = start::context(keyring, &run_id, started_at)?;
    let mut started = start::entry(ready, &targets, request.as_of, request.trigger);
    started.reconciles = again.map(|again| again.reconciles.clone());
    let clients = match again {
        Some(again) => again.clients.clone(),
        None => announce::clients(environment, stores, ready)
            .await
            .map_err(RunError::Step)?,
    };
    let place = publish::open(&environment.config.certificates.place).await?;
    let keeper = LogKeeper {
        ledger: environment.ledger,
        place: &*place,
        keyring,
        origin: environment.config.certificates.origin(),
        clients: &environment.config.clients,
    };
    announce::check_logs(keeper, &clients).await?;
    environment
        .ledger
        .start_run(
            &run_id,
            started_at,
            &Entry::RunStarted(started.clone()),
            &wrapped,
        )
        .await?;
    finished.run_id = Some(run_id.clone());
    fail::fail_point!("run.started");
    for failed in finished.jobs.iter().filter(|job| job.error.is_some()) {
        note_failure(environment, &run_id, failed).await?;
    }
    let run = AnnouncedRun {
        run_id: &run_id,
        started: &started,
        jobs: ready,
    };
    let announced = announce::announce(environment, keeper, run, &clients, started_at).await?;
    let context = RunContext {
        announced: Announced::to(announced),
        ..context
    };
    let mut fenced: BTreeMap<String, Arc<dyn Disposer>> = BTreeMap::new();
    for ready in ready {
        let outcome = finished
            .jobs
            .iter_mut()
            .find(|outcome| outcome.job == ready.job.cluster);
        let Some(outcome) = outcome else { continue };
        if environment.shutdown.is_requested() {
            break;
        }
        let done = one_job(
            environment,
            stores,
            &context,
            &targets,
            ready.job,
            request.as_of,
            again.and_then(|again| again.jobs.get(&ready.job.cluster)),
            &mut fenced,
            outcome,
        )
        .await;
        if let Err(error) = done {
            outcome.error = Some(error);
            note_failure(environment, &run_id, outcome).await?;
        }
    }
    finished.stopped = environment.shutdown.is_requested();
    let outcome = overall(finished);
    environment
        .append(&run_id, &Entry::RunFinished { outcome })
        .await
        .map_err(RunError::Step)?;
    fail::fail_point!("run.finished");
    match recover::certify(environment, keyring, stores, request.all_jobs, &run_id).await {
        Ok(certificates) => finished.certificates = certificates,
        Err(error) => finished.not_certified = Some(error),
    }
    Ok(())
}

#[expect(
    clippy::too_many_arguments,
    reason = "each is one thing the step needs"
)]
async fn one_job(
    environment: &Environment<'_>,
    stores: &mut Stores,
    context: &crate::store::RunContext,
    targets: &Targets,
    job: &Job,
    as_of: Date,
    again: Option<&JobAgain<'_>>,
    fenced: &mut BTreeMap<String, Arc<dyn Disposer>>,
    outcome: &mut JobOutcome,
) -> Result<(), JobError> {
    let store = stores.rows(environment.config, &job.store).await;
    let store = store.map_err(|error| JobError::of_store(&error))?;
    if !fenced.contains_key(&job.store) {
        let opened = store.open_fence(&context.run_id).await;
        opened.map_err(|error| JobError::of_store(&error))?;
        fenced.insert(job.store.clone(), Arc::clone(&store));
    }
    let objects = stores.objects(environment.config, job).await;
    let job_run = JobRun {
        environment,
        run: context,
        job,
        store,
        objects: objects.map_err(|error| JobError::of_store(&error))?,
        targets,
        as_of,
        again,
    };
    let (ledger, shutdown) = (environment.ledger, environment.shutdown);
    suspend::until_suspended(ledger, shutdown, &job.cluster, job_run.execute(outcome)).await
}

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
