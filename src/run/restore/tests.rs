//! Many records against the leaves of several runs, without a database.

mod memory;
mod verdicts;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::civil::{Date, date};
use kigen_evidence::digest::Sha256;
use kigen_evidence::leaf::{
    Action, Leaf, RecordEncoder, RecordPlace, RunKey, SubjectEncoder, subject_leaf,
};
use kigen_evidence::value::Value;
use tempfile::TempDir;

use super::cluster_index::{ClusterIndex, Knowledge};
use super::leaf_index::LeafIndex;
use super::look::{ClusterLook, everything};
use super::lost::Lost;
use super::source::{Source, SourceTarget};
use crate::job::{Job, Leftover, TableName};
use crate::progress::Progress;
use crate::store::error::StoreError;
use crate::store::{
    Fit, Found, FrequentDay, Inventory, JobSurvey, JournalSink, KeySink, NamedObjects, PersonSink,
    PresentBatch, PresentRecord, PresentSink, Remaining, RemovedKeys, Survey, TokenKey,
};

const CLIENT: &str = "own";

/// The attempts of `jobs/exam-history.toml`; their deletion is target 0.
fn job() -> Job {
    let text = include_str!("../../../jobs/exam-history.toml");
    crate::job::parse("jobs/exam-history.toml", text).unwrap()
}

/// An attempt with this number, of this learner.
fn attempt(number: i64, learner: i64) -> PresentRecord {
    PresentRecord {
        key: vec![Value::Int(number)],
        client: CLIENT.to_owned(),
        subjects: vec![Value::Int(learner)],
        pseudonymized: vec![false, false],
        due_from: vec![Some(date(2020, 4, 1)); 2],
    }
}

/// Everything that some runs removed.
struct Runs {
    folder: TempDir,
    leaf_index: LeafIndex,
    sources: Vec<Source>,
}

impl Runs {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let leaf_index = LeafIndex::new(folder.path(), 1000).unwrap();
        Self {
            folder,
            leaf_index,
            sources: Vec::new(),
        }
    }

    /// A further run that deleted these attempts, each with its learner.
    fn delete(&mut self, job: &Job, attempts: impl Iterator<Item = (i64, i64)>) {
        let number = u8::try_from(self.sources.len()).unwrap();
        let key = RunKey::from_bytes([number; 32]);
        let place = RecordPlace {
            client: CLIENT,
            store: &job.store,
            object: "exam_attempt",
        };
        let mut records = RecordEncoder::new(&key, place, &["attempt_id"], 0).unwrap();
        let mut persons = SubjectEncoder::new(&key, CLIENT, "learner").unwrap();
        let mut leaves: Vec<Leaf> = Vec::new();
        let mut counts: BTreeMap<i64, u64> = BTreeMap::new();
        for (attempt, learner) in attempts {
            let leaf = records.leaf(Action::RowDeleted, &[Value::Int(attempt)], 0);
            leaves.push(leaf.unwrap());
            *counts.entry(learner).or_default() += 1;
        }
        for (learner, count) in counts {
            let person = persons.reference(&Value::Int(learner)).unwrap();
            leaves.push(subject_leaf(Action::RowDeleted, 0, &person, count));
        }
        leaves.sort();
        let bytes: Vec<u8> = leaves.iter().flat_map(|leaf| *leaf.as_bytes()).collect();
        let part = self.leaf_index.add(&bytes[..]).unwrap();
        self.sources.push(Source {
            run_id: format!("run-{number}"),
            as_of: date(2026, 4, 1),
            certificate_id: format!("certificate-{number}"),
            client: CLIENT.to_owned(),
            payload_sha256: Sha256::of(&[number]),
            key,
            targets: vec![SourceTarget {
                index: 0,
                job: job.cluster.clone(),
                stage: "delete".to_owned(),
                store: job.store.clone(),
                object: "exam_attempt".to_owned(),
                action: Action::RowDeleted,
                rule_sha256: job.sha256.clone(),
                identity: None,
            }],
            part,
        });
    }

    /// A look at what is present.
    async fn look(&mut self, job: &Job, lost: &[Lost], present: &Present) -> ClusterLook {
        self.leaf_index.finish().unwrap();
        let knowledge = Knowledge {
            sources: &self.sources,
            leaf_index: &self.leaf_index,
        };
        let (mut known, changed) = ClusterIndex::new(job, knowledge, lost, self.folder.path());
        assert!(changed.is_empty(), "{changed:?}");
        let tokens = TokenKey([1; 32]);
        let progress = Progress::in_log();
        everything(&mut known, present, &tokens, &progress)
            .await
            .unwrap()
    }
}

/// A store that holds attempts and nothing else.
struct Present {
    attempts: i64,
    make: Box<dyn Fn(i64) -> PresentRecord + Send + Sync>,
}

impl Present {
    fn of(attempts: Vec<PresentRecord>) -> Self {
        Self {
            attempts: i64::try_from(attempts.len()).unwrap(),
            make: Box::new(move |number| attempts[usize::try_from(number).unwrap()].clone()),
        }
    }
}

fn not_here() -> StoreError {
    StoreError::Unusable("this store shows what is present only".to_owned())
}

#[async_trait]
impl Inventory for Present {
    fn engine(&self) -> &'static str {
        "none"
    }

    async fn present(
        &self,
        _: &Job,
        _: &TokenKey,
        sink: PresentSink<'_>,
    ) -> Result<(), StoreError> {
        for from in (0..self.attempts).step_by(4096) {
            let to = (from + 4096).min(self.attempts);
            sink(PresentBatch {
                done: u64::try_from(to - from).unwrap(),
                records: (from..to).map(&self.make).collect(),
                ..PresentBatch::default()
            })?;
        }
        Ok(())
    }

    async fn present_among(
        &self,
        _: &Job,
        _: &TokenKey,
        _: &RemovedKeys,
        _: PresentSink<'_>,
    ) -> Result<bool, StoreError> {
        Err(not_here())
    }

    async fn remaining(&self, _: &Job, _: usize, _: Date) -> Result<Remaining, StoreError> {
        Err(not_here())
    }

    async fn inspect(&self, _: &Job) -> Result<Fit, StoreError> {
        Err(not_here())
    }

    async fn survey(&self, _: &Job, _: usize, _: Date) -> Result<Survey, StoreError> {
        Err(not_here())
    }

    async fn frequent_days(&self, _: &Job) -> Result<Vec<FrequentDay>, StoreError> {
        Err(not_here())
    }

    async fn survey_all(
        &self,
        _: &Job,
        _: &[(&Job, Date)],
        _: Date,
    ) -> Result<JobSurvey, StoreError> {
        Err(not_here())
    }

    async fn clients(&self, _: &Job) -> Result<BTreeSet<String>, StoreError> {
        Err(not_here())
    }

    async fn leftovers(&self, _: &Job, _: &Leftover, _: PersonSink<'_>) -> Result<(), StoreError> {
        Err(not_here())
    }

    async fn journal(&self, _: &str, _: JournalSink<'_>) -> Result<(), StoreError> {
        Err(not_here())
    }

    async fn keys(&self, _: &Job, _: KeySink<'_>) -> Result<(), StoreError> {
        Err(not_here())
    }

    async fn typed(
        &self,
        _: &Job,
        _: &TableName,
        _: &[String],
        _: &[String],
    ) -> Result<Vec<Value>, StoreError> {
        Err(not_here())
    }

    async fn named_objects(&self, _: &Job, _: usize) -> Result<Vec<NamedObjects>, StoreError> {
        Err(not_here())
    }

    async fn find(&self, _: &Job, _: &[String]) -> Result<Option<Found>, StoreError> {
        Err(not_here())
    }
}
