//! Which jobs are suspended: a pure fold over the ledger's entries.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;

use super::entry::{Entry, JobSuspended, RecordedEntry};
use super::error::LedgerError;
use super::open::SqlLedger;
use crate::database::statement::Values;

/// What the ledger knows of suspended jobs.
#[async_trait]
pub trait Suspensions: Send + Sync {
    /// The entries that suspend and resume jobs, in their order: see [`suspended`].
    async fn suspension_entries(&self) -> Result<Vec<RecordedEntry>, LedgerError>;
}

#[async_trait]
impl Suspensions for SqlLedger {
    async fn suspension_entries(&self) -> Result<Vec<RecordedEntry>, LedgerError> {
        let condition = "kind in ('job-suspended', 'job-resumed')";
        self.entries_where(condition, Values::default()).await
    }
}

/// A job that is suspended now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspended {
    pub since: Timestamp,
    pub why: JobSuspended,
}

/// The suspended jobs by their names, out of `entries` in the ledger's order. Suspending a job again
/// changes the reason and the review, not the beginning.
pub fn suspended(entries: &[RecordedEntry]) -> BTreeMap<String, Suspended> {
    let mut suspended: BTreeMap<String, Suspended> = BTreeMap::new();
    for recorded in entries {
        match &recorded.entry {
            Entry::JobSuspended(why) => {
                let known = suspended.get(&why.job);
                let since = known.map_or(recorded.at, |known| known.since);
                let why = why.clone();
                suspended.insert(why.job.clone(), Suspended { since, why });
            }
            Entry::JobResumed { job } => {
                suspended.remove(job);
            }
            Entry::RunStarted(_)
            | Entry::StageSurveyed(_)
            | Entry::StageRefused(_)
            | Entry::StageFinished(_)
            | Entry::JobFailed(_)
            | Entry::RunFinished { .. }
            | Entry::RunRecovered { .. }
            | Entry::Sealed { .. }
            | Entry::Published { .. }
            | Entry::KeyRotated(_)
            | Entry::EvidenceKeyDestroyed(_) => {}
        }
    }
    suspended
}

#[cfg(test)]
mod tests {
    use kigen_evidence::log::entry::SuspensionReason;

    use crate::ledger::entry::{Entry, JobSuspended, RecordedEntry};

    use super::suspended;

    fn at(second: i64, entry: Entry) -> RecordedEntry {
        RecordedEntry {
            entry_id: second,
            run_id: None,
            at: jiff::Timestamp::from_second(second).unwrap(),
            entry,
        }
    }

    fn suspend(job: &str, reason: SuspensionReason) -> Entry {
        Entry::JobSuspended(JobSuspended {
            job: job.to_owned(),
            reason,
            review_on: None,
        })
    }

    #[test]
    fn a_job_is_suspended_from_its_first_suspension_until_it_is_resumed() {
        let resume = |job: &str| Entry::JobResumed {
            job: job.to_owned(),
        };
        let entries = [
            at(1, suspend("learner", SuspensionReason::Incident)),
            at(2, suspend("exam-history", SuspensionReason::Contract)),
            at(3, suspend("learner", SuspensionReason::LegalHold)),
            at(4, resume("exam-history")),
            at(5, resume("nobody")),
        ];
        let found = suspended(&entries);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["learner"]);
        let learner = &found["learner"];
        assert_eq!(learner.since.as_second(), 1);
        assert_eq!(learner.why.reason, SuspensionReason::LegalHold);
        assert!(suspended(&[&entries[..], &[at(6, resume("learner"))]].concat()).is_empty());
    }
}
