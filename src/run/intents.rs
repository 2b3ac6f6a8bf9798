//! Open intents: what a run had announced to remove with its objects, and has not ended.
//!
//! A run with open intents is not sealed. Those of a suspended job wait until it is resumed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::control::JobControl;
use super::control::Suspensions;
use super::execute::Environment;
use super::open::Stores;
use super::outcome::NotCertified;
use super::recover::reopen;
use super::recover::with_causes;
use super::start::Targets;
use crate::exit;
use crate::guard;
use crate::guard::Guard;
use crate::job::Job;
use crate::keyring::Keyring;
use crate::ledger::fold::RunRecord;
use crate::store::Disposer;
use crate::store::Resumption;

/// Finishes what a killed run had announced to do with objects, before its fence closes.
///
/// Nothing of a suspended job is finished, nor of one whose file is gone.
pub(super) async fn finish(
    environment: &Environment<'_>,
    keyring: &Keyring,
    stores: &mut Stores,
    jobs: &[Job],
    run: &RunRecord,
) -> Result<(), String> {
    let suspensions = Suspensions::now(environment.ledger).await;
    let suspensions = suspensions.map_err(|error| error.to_string())?;
    for name in run.started.jobs.iter().map(|job| &job.job) {
        let Some(job) = jobs.iter().find(|job| job.cluster == *name) else {
            continue;
        };
        let waits = suspensions.stopping(job, jobs).is_some();
        if job.objects.is_empty() || (waits && guard::stands(Guard::IntentsOfSuspendedWait)) {
            continue;
        }
        let context = reopen(environment, keyring, run).await?;
        let store = stores
            .rows(environment.config, &job.store)
            .await
            .map_err(|error| error.to_string())?;
        let objects = stores
            .objects(environment.config, job)
            .await
            .map_err(|error| error.to_string())?;
        let control = JobControl::new(environment, job, jobs);
        let numbers = Targets::recorded(job, &run.started.targets);
        for (index, targets) in numbers.into_iter().enumerate() {
            let left = Resumption::new(job, index, run.started.day_of(name), &context, targets);
            let done = store.finish_intents(&left, &objects, &control).await;
            if let Some(error) = done.stopped_by {
                return Err(error.to_string());
            }
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
            let (exit, why) = why_open(name, job, jobs, &suspensions);
            (
                exit,
                format!("{intents} intents of job `{name}` are open: {why}"),
            )
        })
        .collect();
    let codes = [exit::NOT_CERTIFIED, exit::JOB_MISSING, exit::SUSPENDED];
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
    name: &str,
    job: Option<&Job>,
    jobs: &[Job],
    suspensions: &Suspensions,
) -> (u8, String) {
    let Some(job) = job else {
        let why = format!(
            "no file in `jobs/` describes it\nhint: put its file back, with the cluster's name `{name}`; the next run ends what is open, decided again by its rule, and certifies the run. Suspend it first (`kigen suspend --job {name}`) if nothing of it may go"
        );
        return (exit::JOB_MISSING, why);
    };
    if let Some(standing) = suspensions.stopping(job, jobs) {
        let why = format!(
            "job `{0}` is suspended ({1}) since {2}\nhint: nothing of it goes; after `kigen resume --job {0}` the next run ends them and certifies the run",
            standing.job,
            standing.reason.name(),
            standing.since
        );
        return (exit::SUSPENDED, why);
    }
    let why = "its object store did not answer, or the job has no longer the stage that they were made in\nhint: run again; a stage that was renamed needs its old name back".to_owned();
    (exit::NOT_CERTIFIED, why)
}
