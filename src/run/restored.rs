//! Whether a store is older than the ledger: restored from a backup, or another database.
//!
//! A store keeps the fence of each run for ever, so a run that the ledger knows and the store does
//! not was in the store when a later state of it was overwritten.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::execute::Environment;
use super::open::Stores;
use super::outcome::{JobError, NotCertified};
use crate::exit;
use crate::guard::{self, Guard};
use crate::ledger::Ledger;
use crate::ledger::entry::RunState;
use crate::ledger::error::LedgerError;
use crate::ledger::fold::{RunRecord, fold_runs};
use crate::store::Disposer;
use crate::store::error::StoreError;

/// How far back runs are looked for: first a month, then a year, then all that there is.
const LOOK_BACK_DAYS: [i64; 2] = [32, 400];

/// The runs whose fences `store`, named `name`, must have and has not; the oldest first.
///
/// The latest runs are enough: a backup lacks those that came after it.
pub(super) async fn missing_runs(
    environment: &Environment<'_>,
    store: &dyn Disposer,
    name: &str,
) -> Result<Vec<RunRecord>, JobError> {
    let runs = latest_runs(environment.ledger, (environment.now)(), name).await;
    let mut runs =
        runs.map_err(|error| JobError::new(exit::LEDGER_UNAVAILABLE, error.to_string()))?;
    let ids: Vec<String> = runs.iter().map(|run| run.run_id.clone()).collect();
    let known = store.fences(&ids).await;
    let known = known.map_err(|error| JobError::of_store(&error))?;
    runs.retain(|run| !known.contains(&run.run_id));
    Ok(runs)
}

async fn latest_runs(
    ledger: &dyn Ledger,
    now: Timestamp,
    store: &str,
) -> Result<Vec<RunRecord>, LedgerError> {
    let days = LOOK_BACK_DAYS.into_iter().map(Some).chain([None]);
    for days in days {
        let from = days.map(|days| {
            let from = now.checked_sub(SignedDuration::from_hours(24 * days));
            from.unwrap_or(Timestamp::MIN)
        });
        let mut runs = fold_runs(&ledger.entries(from, None).await?);
        runs.retain(|run| has_opened_a_fence(run, store));
        if !runs.is_empty() {
            return Ok(runs);
        }
    }
    Ok(Vec::new())
}

/// Whether the run has a fence in the store of this name: sealing closes one in each of its stores,
/// and no stage of it is surveyed before its fence is open.
fn has_opened_a_fence(run: &RunRecord, store: &str) -> bool {
    let targets = run.started.targets.iter();
    let jobs: BTreeSet<&str> = targets
        .filter(|target| target.store == store)
        .map(|target| target.job.as_str())
        .collect();
    let is_sealed = matches!(run.state, RunState::Sealed | RunState::Published);
    let mut surveyed = run.surveyed.iter();
    (is_sealed && !jobs.is_empty()) || surveyed.any(|stage| jobs.contains(stage.job.as_str()))
}

/// Refuses a store that lacks runs: what was removed since is there again, and would be removed and
/// certified as if it were new.
pub(super) async fn refuse(
    environment: &Environment<'_>,
    store: &dyn Disposer,
    name: &str,
) -> Result<(), JobError> {
    if !guard::stands(Guard::StoreIsNotRestored) {
        return Ok(());
    }
    let missing = missing_runs(environment, store, name).await?;
    let Some(oldest) = missing.first() else {
        return Ok(());
    };
    let message = unknown(name, oldest, missing.len() - 1);
    Err(JobError::new(exit::LOG_DIFFERS, message))
}

/// Refuses to end a run that died in a store which was restored since: the evidence of what it
/// removed is not there any more.
pub(super) async fn refuse_to_end(
    environment: &Environment<'_>,
    stores: &mut Stores,
    run: &RunRecord,
) -> Result<(), NotCertified> {
    if !guard::stands(Guard::StoreIsNotRestored) {
        return Ok(());
    }
    let targets = run.started.targets.iter();
    let names: BTreeSet<&String> = targets
        .map(|target| &target.store)
        .filter(|name| environment.config.stores.contains_key(*name))
        .collect();
    for name in names {
        if !has_opened_a_fence(run, name) {
            continue;
        }
        let failed = |error: StoreError| NotCertified::failed(error.to_string());
        let store = stores
            .rows(environment.config, name)
            .await
            .map_err(failed)?;
        let id = std::slice::from_ref(&run.run_id);
        if store.fences(id).await.map_err(failed)?.is_empty() {
            return Err(NotCertified {
                message: unknown(name, run, 0),
                exit: exit::LOG_DIFFERS,
            });
        }
    }
    Ok(())
}

fn unknown(store: &str, run: &RunRecord, further: usize) -> String {
    let further = match further {
        0 => String::new(),
        further => format!(" and of {further} later ones"),
    };
    format!(
        "store `{store}` knows nothing of run {} of {:.0}{further}, which the ledger knows: it was restored from a backup, or is another database; nothing was removed\nhint: `kigen reconcile --store {store} --backup-time TIME` finds what is back; with `--apply` it is removed again, and runs go on",
        run.run_id, run.started_at
    )
}

/// Writes the fences that the store lacks, closed, once what had come back is gone again.
pub(super) async fn acknowledge(
    environment: &Environment<'_>,
    store: &dyn Disposer,
    name: &str,
    backup_time: Timestamp,
) -> Result<(), JobError> {
    let missing = missing_runs(environment, store, name).await?;
    let is_older = |run: &&RunRecord| {
        let finished = run.finished.as_ref();
        finished.is_some_and(|(at, _)| *at < backup_time)
    };
    if let Some(run) = missing.iter().find(is_older) {
        let message = format!(
            "store `{name}` knows nothing of run {}, which ended before {backup_time}: the backup is older than `--backup-time` says\nhint: give the moment at which the backup began; too early is right, too late is not",
            run.run_id
        );
        return Err(JobError::new(exit::LOG_DIFFERS, message));
    }
    for run in missing {
        let closed = store.close_fence(&run.run_id).await;
        closed.map_err(|error| JobError::of_store(&error))?;
    }
    Ok(())
}
