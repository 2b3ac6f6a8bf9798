//! What became of each run: a fold over the ledger's entries. Pure.

use jiff::Timestamp;

use super::entry::{
    Entry, JobFailed, Outcome, RecordedEntry, RunStarted, RunState, StageFinished, StageRefused,
    StageSurveyed,
};

/// One run, as its entries tell it.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRecord {
    pub run_id: String,
    pub started_at: Timestamp,
    pub started: RunStarted,
    pub state: RunState,
    /// When and how it ended, if it has.
    pub finished: Option<(Timestamp, Outcome)>,
    /// The surveys, in order; the latest of a stage counts.
    pub surveyed: Vec<StageSurveyed>,
    pub refused: Vec<StageRefused>,
    pub stages: Vec<StageFinished>,
    pub failed: Vec<JobFailed>,
    /// How often it was taken up again after a death.
    pub recovered: usize,
    /// The certificates of the run, once it is sealed.
    pub certificate_ids: Option<Vec<String>>,
    /// The certificates that are published.
    pub published: Vec<String>,
}

impl RunRecord {
    /// The certificates that are sealed and not yet published.
    pub fn unpublished(&self) -> impl Iterator<Item = &str> {
        self.certificate_ids
            .iter()
            .flatten()
            .filter(|id| !self.published.contains(id))
            .map(String::as_str)
    }

    fn begin(run_id: &str, at: Timestamp, started: &RunStarted) -> Self {
        Self {
            run_id: run_id.to_owned(),
            started_at: at,
            started: started.clone(),
            state: RunState::Running,
            finished: None,
            surveyed: Vec::new(),
            refused: Vec::new(),
            stages: Vec::new(),
            failed: Vec::new(),
            recovered: 0,
            certificate_ids: None,
            published: Vec::new(),
        }
    }

    fn take(&mut self, at: Timestamp, entry: &Entry) {
        match entry {
            // A second start of one run cannot be written; the first stands.
            Entry::RunStarted(_) => {}
            // They belong to no run.
            Entry::KeyRotated(_)
            | Entry::EvidenceKeyDestroyed(_)
            | Entry::JobSuspended(_)
            | Entry::JobResumed { .. } => {}
            Entry::StageSurveyed(surveyed) => self.surveyed.push(surveyed.clone()),
            Entry::StageRefused(refused) => self.refused.push(refused.clone()),
            Entry::StageFinished(stage) => self.finish_stage(stage),
            Entry::JobFailed(failed) => self.failed.push(failed.clone()),
            Entry::RunFinished { outcome } => self.finished = Some((at, *outcome)),
            Entry::RunRecovered { .. } => self.recovered += 1,
            Entry::Sealed { certificate_ids } => {
                self.certificate_ids = Some(certificate_ids.clone());
            }
            Entry::Published { certificate_id, .. } => {
                // Publishing is repeatable, so it may stand there twice.
                if !self.published.contains(certificate_id) {
                    self.published.push(certificate_id.clone());
                }
            }
        }
        self.state = self.state_now();
    }

    /// A worker that was taken for dead may write its stage after it was counted for it: the first
    /// stands.
    fn finish_stage(&mut self, stage: &StageFinished) {
        let is_known = self
            .stages
            .iter()
            .any(|known| known.job == stage.job && known.stage == stage.stage);
        if !is_known {
            self.stages.push(stage.clone());
        }
    }

    fn state_now(&self) -> RunState {
        if self.certificate_ids.is_some() {
            return match self.unpublished().next() {
                Some(_) => RunState::Sealed,
                None => RunState::Published,
            };
        }
        match self.finished {
            Some(_) => RunState::Finished,
            None => RunState::Running,
        }
    }
}

/// Folds `entries`, which stand in the ledger's order, into one record for each run that starts
/// among them, in the order of their starts.
///
/// Entries of a run that started before the first of `entries` belong to none of the records.
pub fn fold_runs(entries: &[RecordedEntry]) -> Vec<RunRecord> {
    let mut runs: Vec<RunRecord> = Vec::new();
    let mut index_of = std::collections::HashMap::<&str, usize>::new();
    for recorded in entries {
        let Some(run_id) = recorded.run_id.as_deref() else {
            continue;
        };
        if let Some(&index) = index_of.get(run_id) {
            runs[index].take(recorded.at, &recorded.entry);
            continue;
        }
        if let Entry::RunStarted(started) = &recorded.entry {
            index_of.insert(run_id, runs.len());
            runs.push(RunRecord::begin(run_id, recorded.at, started));
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::entry::Trigger;

    fn recorded(entry_id: i64, run_id: Option<&str>, entry: Entry) -> RecordedEntry {
        RecordedEntry {
            entry_id,
            run_id: run_id.map(str::to_owned),
            at: Timestamp::from_second(entry_id).unwrap(),
            entry,
        }
    }

    fn started(version: &str) -> Entry {
        Entry::RunStarted(RunStarted {
            as_of: "2025-04-01".parse().unwrap(),
            trigger: Trigger::Hand,
            version: version.to_owned(),
            jobs: Vec::new(),
            targets: Vec::new(),
            reconciles: None,
        })
    }

    fn published(id: &str) -> Entry {
        Entry::Published {
            certificate_id: id.to_owned(),
            folder: String::new(),
        }
    }

    #[test]
    fn a_run_goes_through_its_states_entry_by_entry() {
        let sealed = Entry::Sealed {
            certificate_ids: vec!["c1".to_owned(), "c2".to_owned()],
        };
        let steps = [
            (started("1"), RunState::Running),
            (
                Entry::RunRecovered {
                    found_state: RunState::Running,
                },
                RunState::Running,
            ),
            (
                Entry::RunFinished {
                    outcome: Outcome::Partial,
                },
                RunState::Finished,
            ),
            (sealed, RunState::Sealed),
            (published("c1"), RunState::Sealed),
            (published("c1"), RunState::Sealed),
            (published("c2"), RunState::Published),
        ];
        let mut entries = Vec::new();
        for (entry_id, (entry, state)) in (1..).zip(steps) {
            entries.push(recorded(entry_id, Some("run-1"), entry));
            assert_eq!(fold_runs(&entries)[0].state, state, "after {entry_id}");
        }
        let run = fold_runs(&entries).remove(0);
        assert_eq!(run.recovered, 1);
        assert_eq!(run.published, ["c1", "c2"]);
        assert_eq!(run.unpublished().count(), 0);
    }

    #[test]
    fn entries_of_runs_that_began_elsewhere_belong_to_no_run() {
        let entries = [
            recorded(1, Some("old"), published("c0")),
            recorded(2, None, started("1")),
            recorded(3, Some("b"), started("1")),
            recorded(4, Some("a"), started("1")),
            recorded(5, Some("b"), started("2")),
        ];
        let runs = fold_runs(&entries);
        let names: Vec<_> = runs.iter().map(|run| run.run_id.as_str()).collect();
        assert_eq!(names, ["b", "a"]);
        assert_eq!(runs[0].started.version, "1");
    }

    #[test]
    fn entries_are_read_with_fields_that_a_later_version_added() {
        let json = r#"{"kind": "run-finished", "outcome": "complete", "weather": "fine"}"#;
        let entry: Entry = serde_json::from_str(json).unwrap();
        assert_eq!(
            entry,
            Entry::RunFinished {
                outcome: Outcome::Complete
            }
        );
    }
}
