//! What the ledger says about a run that is to be sealed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kigen_evidence::leaf::Action;
use kigen_evidence::log::entry::AbortReason;
use kigen_evidence::statement::RunPeriod;

use crate::ledger::entry::{Entry, JobEntry, Outcome, RunState, StageFinished, TargetEntry};
use crate::ledger::fold::{RunRecord, fold_runs};
use crate::ledger::{CertificateFilter, CertificateMatch, Ledger, StoredCertificate};
use crate::run::statement_parts::Damaged;

use super::error::SealError;

/// A finished run, as the ledger tells it.
pub(super) struct RunFacts {
    pub(super) run: RunRecord,
    pub(super) finished_at: Timestamp,
    outcome: Outcome,
    /// Whether it died while it removed, and was taken up again.
    interrupted: bool,
    /// The certificates that stand in the ledger already, by client.
    pub(super) stored: BTreeMap<String, StoredCertificate>,
}

impl RunFacts {
    /// Reads everything again, whatever the caller remembers.
    pub(super) async fn read(ledger: &dyn Ledger, run_id: &str) -> Result<Self, SealError> {
        let entries = ledger.entries_of(run_id).await?;
        let Some(run) = fold_runs(&entries).pop() else {
            return Err(SealError::NoSuchRun {
                run: run_id.to_owned(),
            });
        };
        let Some((finished_at, outcome)) = run.finished else {
            return Err(SealError::NotFinished {
                run: run_id.to_owned(),
            });
        };
        let died = Entry::RunRecovered {
            found_state: RunState::Running,
        };
        Ok(Self {
            interrupted: entries.iter().any(|recorded| recorded.entry == died),
            stored: stored_certificates(ledger, run_id).await?,
            run,
            finished_at,
            outcome,
        })
    }

    pub(super) fn run_id(&self) -> &str {
        &self.run.run_id
    }

    /// The stores whose journals hold the evidence. Objects are journaled beside their rows.
    pub(super) fn journal_stores(&self) -> BTreeSet<&str> {
        self.run
            .started
            .targets
            .iter()
            .filter(|target| !is_object(target))
            .map(|target| target.store.as_str())
            .collect()
    }

    /// The run's targets in the order of their numbers, which are their places.
    pub(super) fn targets(&self) -> Result<Vec<&TargetEntry>, SealError> {
        let mut targets: Vec<&TargetEntry> = self.run.started.targets.iter().collect();
        targets.sort_by_key(|target| target.index);
        let in_place = targets
            .iter()
            .enumerate()
            .all(|(place, target)| usize::from(target.index) == place);
        if !in_place {
            return Err(self.damaged("number its targets otherwise than from 0 on".to_owned()));
        }
        Ok(targets)
    }

    /// The job that a target belongs to.
    pub(super) fn job(&self, name: &str) -> Result<&JobEntry, SealError> {
        let mut jobs = self.run.started.jobs.iter();
        jobs.find(|job| job.job == name)
            .ok_or_else(|| self.damaged(format!("have a target of the unknown job `{name}`")))
    }

    /// Whether something that was due in one of `jobs` may still be there.
    ///
    /// Entries do not say for which client a stage failed, so it counts for each client of the job.
    pub(super) fn left_something(&self, jobs: &BTreeSet<&str>) -> bool {
        let stopped = match self.outcome {
            Outcome::Stopped => true,
            // What failed may belong to jobs of others: the stages tell.
            Outcome::Partial | Outcome::Complete => false,
        };
        let of_these = |job: &String| jobs.contains(job.as_str());
        stopped
            || self.interrupted
            || self.run.refused.iter().any(|stage| of_these(&stage.job))
            || self.run.failed.iter().any(|failed| of_these(&failed.job))
            || self
                .run
                .stages
                .iter()
                .any(|stage| of_these(&stage.job) && is_unfinished(stage))
    }

    /// When the run went on, if it is sealed at `sealed_at`.
    pub(super) fn period(&self, sealed_at: Timestamp) -> RunPeriod {
        RunPeriod {
            started_at: self.run.started_at,
            finished_at: self.finished_at,
            sealed_at,
        }
    }

    /// Why nothing was removed of a client, if `jobs` did not come to their end.
    pub(super) fn aborted(&self, jobs: &BTreeSet<&str>) -> Option<AbortReason> {
        if !self.left_something(jobs) {
            return None;
        }
        let of_these = |job: &String| jobs.contains(job.as_str());
        let refused = self.run.refused.iter().any(|stage| of_these(&stage.job));
        if refused {
            return Some(AbortReason::LimitExceeded);
        }
        let mut failed = self
            .run
            .failed
            .iter()
            .filter(|failed| of_these(&failed.job));
        if let Some(failed) = failed.next() {
            return Some(reason_of(&failed.code));
        }
        Some(match self.outcome {
            Outcome::Stopped => AbortReason::Stopped,
            Outcome::Partial | Outcome::Complete => AbortReason::Failed,
        })
    }

    /// The entries contradict themselves in this.
    pub(super) fn contradict(&self, Damaged(what): Damaged) -> SealError {
        self.damaged(what)
    }

    pub(super) fn damaged(&self, what: String) -> SealError {
        SealError::DamagedRun {
            run: self.run_id().to_owned(),
            what,
        }
    }
}

/// The reason that the code of a failed job stands for.
fn reason_of(code: &str) -> AbortReason {
    match code {
        "NOT_APPROVED" => AbortReason::LimitExceeded,
        "STORE_UNREACHABLE" => AbortReason::StoreUnreachable,
        "SCHEMA_MISMATCH" => AbortReason::StoreChanged,
        "TERMINATED" => AbortReason::Stopped,
        _ => AbortReason::Failed,
    }
}

/// Whether a target is a place of objects.
pub(super) fn is_object(target: &TargetEntry) -> bool {
    match Action::from_code(target.action) {
        Some(
            Action::ObjectVersionDeleted | Action::DeleteMarkerRemoved | Action::UploadAborted,
        ) => true,
        Some(
            Action::RowDeleted
            | Action::Pseudonymized
            | Action::CryptoErased
            | Action::AlreadyAbsent
            | Action::Held,
        )
        | None => false,
    }
}

fn is_unfinished(stage: &StageFinished) -> bool {
    stage.failed > 0 || stage.unattempted > 0 || stage.remaining_due > 0
}

async fn stored_certificates(
    ledger: &dyn Ledger,
    run_id: &str,
) -> Result<BTreeMap<String, StoredCertificate>, SealError> {
    let filter = CertificateFilter {
        run_id: Some(run_id.to_owned()),
        ..CertificateFilter::default()
    };
    let mut stored = BTreeMap::new();
    for summary in ledger.certificates(&filter).await? {
        if let CertificateMatch::One(found) = ledger.certificate(&summary.certificate_id).await? {
            stored.insert(summary.client, *found);
        }
    }
    Ok(stored)
}
