//! What a killed run had disposed of, counted from its journals: the ledger was never told.
//!
//! Reports fold over the ledger, so without this the removals of a killed stage would stand in its
//! certificate and in no report.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::execute::Environment;
use super::open::Stores;
use crate::ledger::entry::{Entry, StageFinished, StageSurveyed};
use crate::ledger::fold::RunRecord;
use crate::store::{Disposer, JournalRow, add_counts};

/// What the journals say of one target.
#[derive(Default)]
struct Removed {
    records: u64,
    ended_by: BTreeMap<String, u64>,
    by_client: BTreeMap<String, u64>,
}

/// Closes the run's fences, and writes what every stage did that had begun and not ended.
///
/// Repeatable: a stage that was written already is left out.
pub(super) async fn append_missing(
    environment: &Environment<'_>,
    stores: &mut Stores,
    run: &RunRecord,
) -> Result<(), String> {
    let missing: Vec<&StageSurveyed> = run
        .surveyed
        .iter()
        .filter(|surveyed| !is_written(run, surveyed))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let removed = count(environment, stores, run).await?;
    for surveyed in missing {
        let own = own_target(run, surveyed).and_then(|target| removed.get(&target));
        let entry = Entry::StageFinished(finished(surveyed, own));
        let appended = environment.append(&run.run_id, &entry).await;
        appended.map_err(|error| error.message)?;
    }
    Ok(())
}

fn is_written(run: &RunRecord, surveyed: &StageSurveyed) -> bool {
    let (job, stage) = (&surveyed.job, &surveyed.stage);
    let finished = run
        .stages
        .iter()
        .any(|done| done.job == *job && done.stage == *stage);
    let refused = run
        .refused
        .iter()
        .any(|refused| refused.job == *job && refused.stage == *stage);
    finished || refused
}

/// The target of the cluster's own table: a stage names it before those that go with it.
fn own_target(run: &RunRecord, surveyed: &StageSurveyed) -> Option<u16> {
    let mut targets = run.started.targets.iter();
    targets
        .find(|target| target.job == surveyed.job && target.stage == surveyed.stage)
        .map(|target| target.index)
}

async fn count(
    environment: &Environment<'_>,
    stores: &mut Stores,
    run: &RunRecord,
) -> Result<BTreeMap<u16, Removed>, String> {
    let mut removed = BTreeMap::new();
    for store in journals(environment, stores, run).await? {
        // Whatever was under way has now ended, one way or the other.
        let closed = store.close_fence(&run.run_id).await;
        closed.map_err(|error| error.to_string())?;
        let mut sink = |row: JournalRow| {
            let of_target: &mut Removed = removed.entry(row.target).or_default();
            of_target.records += row.records;
            *of_target.by_client.entry(row.client).or_default() += row.records;
            add_counts(&mut of_target.ended_by, row.ended_by);
            Ok(())
        };
        let read = store.journal(&run.run_id, &mut sink).await;
        read.map_err(|error| error.to_string())?;
    }
    Ok(removed)
}

/// The stores with a journal that the run removes from.
pub(super) async fn journals(
    environment: &Environment<'_>,
    stores: &mut Stores,
    run: &RunRecord,
) -> Result<Vec<Arc<dyn Disposer>>, String> {
    let names: BTreeSet<&String> = run
        .started
        .targets
        .iter()
        .map(|target| &target.store)
        // Object stores have no journal.
        .filter(|name| environment.config.stores.contains_key(*name))
        .collect();
    let mut opened = Vec::with_capacity(names.len());
    for name in names {
        let store = stores.rows(environment.config, name).await;
        opened.push(store.map_err(|error| error.to_string())?);
    }
    Ok(opened)
}

/// What the entry of the stage would have said. What was not counted, nobody knows any more.
fn finished(surveyed: &StageSurveyed, removed: Option<&Removed>) -> StageFinished {
    let disposed = removed.map_or(0, |removed| removed.records);
    let remaining = surveyed.due.records.saturating_sub(disposed);
    StageFinished {
        job: surveyed.job.clone(),
        stage: surveyed.stage.clone(),
        disposal: surveyed.disposal.clone(),
        disposed,
        absent: 0,
        no_longer_due: 0,
        failed: 0,
        unattempted: remaining,
        remaining_due: remaining,
        oldest_overdue_days: surveyed.oldest_overdue_days.filter(|_| remaining > 0),
        elapsed_ms: 0,
        ended_by: removed
            .map(|removed| removed.ended_by.clone())
            .unwrap_or_default(),
        by_client: removed
            .map(|removed| removed.by_client.clone())
            .unwrap_or_default(),
        effects: None,
    }
}
