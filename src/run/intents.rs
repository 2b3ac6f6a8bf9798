//! Open intents: what a run had announced to remove with its objects, and has not ended.
//!
//! A run with open intents is not sealed. Those of a suspended job wait until it is resumed; all others
//! are ended by the next run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::control::{JobControl, Suspensions};
use super::count_journal;
use super::execute::Environment;
use super::open::Stores;
use super::outcome::{NotCertified, ReleasedLine, WhyReleased};
use super::recover::{reopen, with_causes};
use super::targets::{self, Targets};
use crate::exit;
use crate::guard::{self, Guard};
use crate::job::Job;
use crate::keyring::Keyring;
use crate::ledger::fold::RunRecord;
use crate::store::{Disposer, Resumption, RunContext};

/// Ends what a killed run had announced to do with objects, before its fence closes: finishes what is still
/// due by the present jobs, and releases the rest.
///
/// Nothing of a suspended job is ended: it waits until the job is resumed.
pub(super) async fn end(
    environment: &Environment<'_>,
    keyring: &Keyring,
    stores: &mut Stores,
    jobs: &[Job],
    run: &RunRecord,
) -> Result<Vec<ReleasedLine>, String> {
    let open = stores_with_intents(environment, stores, run).await?;
    if open.is_empty() {
        return Ok(Vec::new());
    }
    let suspensions = Suspensions::now(environment.ledger).await;
    let suspensions = suspensions.map_err(|error| error.to_string())?;
    let context = reopen(environment, keyring, run).await?;
    let mut waiting = BTreeSet::new();
    for name in run.started.jobs.iter().map(|job| &job.job) {
        let Some(job) = jobs.iter().find(|job| job.cluster == *name) else {
            continue;
        };
        let waits = suspensions.stopping(job, jobs).is_some();
        if waits && guard::stands(Guard::IntentsOfSuspendedWait) {
            waiting.insert(name.clone());
        } else if !job.objects.is_empty() {
            finish(environment, stores, jobs, job, run, &context).await?;
        }
    }
    let targets = &run.started.targets;
    let objects = stores.recorded_objects(environment.config, targets).await;
    let objects = objects.map_err(|error| error.to_string())?;
    let release = targets::release(&run.started, &context, waiting);
    let mut lines = Vec::new();
    for store in open {
        let released = store.release_intents(&release, &objects).await;
        for (job, released) in released.map_err(|error| error.to_string())? {
            let has_a_job = jobs.iter().any(|known| known.cluster == job);
            let line = ReleasedLine {
                why: if has_a_job {
                    WhyReleased::NoLongerDue
                } else {
                    WhyReleased::NoJob
                },
                job,
                records: released.records,
                half_gone: released.half_gone,
                parts: released.parts,
            };
            tracing::warn!(run.id = %run.run_id, "run {}: {line}", run.run_id);
            lines.push(line);
        }
    }
    Ok(lines)
}

/// The stores of the run's rows in which it has open intents.
async fn stores_with_intents(
    environment: &Environment<'_>,
    stores: &mut Stores,
    run: &RunRecord,
) -> Result<Vec<Arc<dyn Disposer>>, String> {
    let mut found = Vec::new();
    for store in count_journal::journals(environment, stores, run).await? {
        let open = store.open_intents(&run.run_id).await;
        if !open.map_err(|error| error.to_string())?.is_empty() {
            found.push(store);
        }
    }
    Ok(found)
}

/// Finishes the open intents of `job` whose records are still due by the job as it is now.
async fn finish(
    environment: &Environment<'_>,
    stores: &mut Stores,
    jobs: &[Job],
    job: &Job,
    run: &RunRecord,
    context: &RunContext,
) -> Result<(), String> {
    let config = environment.config;
    let store = stores.rows(config, &job.store).await;
    let store = store.map_err(|error| error.to_string())?;
    let objects = stores.objects(config, job).await;
    let objects = objects.map_err(|error| error.to_string())?;
    let control = JobControl::new(environment, job, jobs);
    // The run's day, but not one that has not come.
    let today = (environment.now)().to_zoned(job.time_zone.clone()).date();
    let as_of = run.started.day_of(&job.cluster).min(today);
    let numbers = Targets::recorded(job, &run.started.targets);
    for (index, targets) in numbers.into_iter().enumerate() {
        // A stage that was renamed, or has other tables now, cannot go on under the run's numbers.
        let Some(targets) = targets else { continue };
        let left = Resumption::new(job, index, as_of, context, targets);
        let done = store.finish_intents(&left, &objects, &control).await;
        if let Some(error) = done.stopped_by {
            return Err(error.to_string());
        }
    }
    Ok(())
}

/// Fails with what would release them, if `run_id` has open intents in one of `stores`.
pub(super) async fn none_is_open(
    environment: &Environment<'_>,
    stores: &[Arc<dyn Disposer>],
    jobs: &[Job],
    run_id: &str,
) -> Result<(), NotCertified> {
    let mut open: BTreeMap<String, u64> = BTreeMap::new();
    for store in stores {
        let found = store.open_intents(run_id).await;
        let found = found.map_err(|error| NotCertified::failed(error.to_string()))?;
        crate::store::add_counts(&mut open, found);
    }
    if open.is_empty() {
        return Ok(());
    }
    let suspensions = Suspensions::now(environment.ledger).await;
    let suspensions = suspensions.map_err(|error| NotCertified::failed(with_causes(&error)))?;
    let waits: Vec<(u8, String)> = open
        .iter()
        .map(|(name, intents)| {
            let job = jobs.iter().find(|job| job.cluster == *name);
            let is_stopped = environment.shutdown.is_requested();
            let (exit, why) = why_open(job, jobs, &suspensions, is_stopped);
            (
                exit,
                format!("{intents} intents of job `{name}` are open: {why}"),
            )
        })
        .collect();
    let codes = [exit::NOT_CERTIFIED, exit::SUSPENDED, exit::TERMINATED];
    let exit = codes
        .into_iter()
        .find(|code| waits.iter().any(|(exit, _)| exit == code))
        .unwrap_or(exit::NOT_CERTIFIED);
    let why: Vec<String> = waits.into_iter().map(|(_, why)| why).collect();
    Err(NotCertified {
        message: why.join("\n"),
        exit,
    })
}

fn why_open(
    job: Option<&Job>,
    jobs: &[Job],
    suspensions: &Suspensions,
    is_stopped: bool,
) -> (u8, String) {
    if let Some(standing) = job.and_then(|job| suspensions.stopping(job, jobs)) {
        let why = format!(
            "job `{0}` is suspended ({1}) since {2}\nhint: nothing of it goes; after `kigen resume --job {0}` the next run ends them and certifies the run",
            standing.job,
            standing.reason.name(),
            standing.since
        );
        return (exit::SUSPENDED, why);
    }
    if is_stopped {
        let why = "the run was stopped on request; the next run ends them".to_owned();
        return (exit::TERMINATED, why);
    }
    let why = "its object store did not answer\nhint: run again".to_owned();
    (exit::NOT_CERTIFIED, why)
}
