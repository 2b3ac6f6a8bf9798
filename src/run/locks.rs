//! The locks of a run: by job and by run, so that a dead process holds none.

use super::error::RunError;
use crate::job::Job;
use crate::ledger::error::LockError;
use crate::ledger::{Ledger, LedgerLock};

/// Releases a run's locks.
pub(super) async fn release(lock: LedgerLock) {
    if let Err(error) = lock.release().await {
        // The lock ends with the process at the latest.
        tracing::warn!(error = %error, "the run's lock could not be released");
    }
}

/// One run of a job at a time; never waits.
pub(super) async fn take_locks(
    ledger: &dyn Ledger,
    jobs: &[&Job],
    run_id: &str,
) -> Result<LedgerLock, RunError> {
    let mut names: Vec<String> = jobs
        .iter()
        .map(|job| format!("job:{}", job.cluster))
        .collect();
    names.push(format!("run:{run_id}"));
    ledger.lock(&names).await.map_err(|error| match error {
        LockError::NotAsked(error) => RunError::Ledger(error),
        busy => RunError::Busy(busy),
    })
}
