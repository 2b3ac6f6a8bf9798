//! A look at one cluster: everything present, each record in exactly one list.

use std::collections::{BTreeMap, HashSet};
use std::io;

use kigen_evidence::leaf::SubjectRef;
use serde::Serialize;

use crate::job::Job;
use crate::progress::Progress;
use crate::run::certify::sorter::Sorter;
use crate::store::error::StoreError;
use crate::store::{Inventory, PresentBatch, RemovedKeys, TokenKey};

use super::cluster_index::ClusterIndex;
use super::encoders::Encoders;
use super::error::RestoreError;
use super::judge::Verdict;
use super::persons::{Persons, SHARE_LENGTH};

/// Memory for the persons of records whose keys are met, in bytes.
const SORTING_MEMORY: usize = 6 * 1024 * 1024;

/// What was found in one cluster. Counts only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ClusterLook {
    pub job: String,
    /// Records of the cluster's own table: the sum of the five counts below.
    pub present: u64,
    pub never_removed: u64,
    /// Removed before, and there again.
    pub back: u64,
    /// The key of a removed record, which now belongs to another person.
    pub key_reused: u64,
    pub still_pseudonymized: u64,
    /// Evidence is lost that may concern them, or nobody can tell whose they are.
    pub undecided: u64,
    /// What is back, by the stage that had removed it.
    pub back_by_stage: BTreeMap<String, u64>,
    /// Rows of other tables that go with a record, by table.
    pub rows: BTreeMap<String, RowLook>,
    /// Persons of the records that are back, for each stage of the job; counted up to its limit.
    #[serde(skip)]
    pub(in crate::run) persons: Vec<u64>,
    /// Rows that are back without their record, for each stage.
    #[serde(skip)]
    pub(in crate::run) rows_alone: Vec<u64>,
    /// Records and rows that are back, by the number of the source that had removed them.
    #[serde(skip)]
    pub(in crate::run) by_source: BTreeMap<usize, BTreeMap<u16, u64>>,
    /// What met a key of something removed and cannot be told apart, in the same way.
    #[serde(skip)]
    pub(in crate::run) open_by_source: BTreeMap<usize, BTreeMap<u16, u64>>,
}

impl ClusterLook {
    /// Records, and rows without their records, that are there again.
    pub fn all_back(&self) -> u64 {
        let rows = self.rows.values().map(|rows| rows.back_alone);
        self.back + rows.sum::<u64>()
    }

    /// Records and rows of which nobody can tell.
    pub fn all_undecided(&self) -> u64 {
        let rows = self.rows.values();
        let rows = rows.map(|rows| rows.undecided + rows.without_record);
        self.undecided + rows.sum::<u64>()
    }
}

/// Rows of one table that go with a record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RowLook {
    pub present: u64,
    pub back: u64,
    /// Of these, rows whose record is not back itself.
    pub back_alone: u64,
    pub key_reused: u64,
    pub undecided: u64,
    /// Rows that a run removed, whose record is not there: nobody can tell whose they are.
    pub without_record: u64,
}

/// What a look has shown.
pub(in crate::run) enum Looked {
    At(Box<ClusterLook>),
    /// Rows that went with records are there again; only a look at everything tells whose they are.
    NotByKeys,
}

/// Looks at what is present of the cluster: once, and again if a key was met. At the records with the
/// keys `removed`, or at everything.
pub(in crate::run) async fn look(
    known: &mut ClusterIndex<'_>,
    store: &dyn Inventory,
    tokens: &TokenKey,
    progress: &Progress,
    removed: Option<&RemovedKeys>,
) -> Result<Looked, RestoreError> {
    let cluster = &known.job.cluster;
    let (first, second) = (format!("{cluster}/look"), format!("{cluster}/look again"));
    let shown = |label| Shown {
        store,
        job: known.job,
        tokens,
        progress,
        removed,
        label,
    };
    let (first, second) = (shown(first), shown(second));
    let folder = known.folder.clone();
    let mut meeting = Meeting {
        known,
        sorter: Sorter::new(&folder, SORTING_MEMORY),
        met: false,
        look: empty(known),
    };
    if !first.to(&mut |batch| meeting.take(&batch)).await? {
        return Ok(Looked::NotByKeys);
    }
    let Meeting {
        sorter, met, look, ..
    } = meeting;
    if !met {
        return Ok(Looked::At(Box::new(look)));
    }
    let sorted = sorter.finish();
    let sorted = sorted.map_err(|source| known.at_work(source))?;
    let persons = Persons::find(sorted, known.knowledge, &folder);
    known.persons = persons.map_err(|source| known.at_work(source))?;
    let mut judging = Judging {
        known,
        look: empty(known),
        persons: vec![HashSet::new(); known.job.stages.len()],
    };
    if !second.to(&mut |batch| judging.take(&batch)).await? {
        return Ok(Looked::NotByKeys);
    }
    let Judging {
        mut look, persons, ..
    } = judging;
    look.persons = persons.iter().map(|persons| persons.len() as u64).collect();
    Ok(Looked::At(Box::new(look)))
}

/// Looks at everything that is present of the cluster.
pub(in crate::run) async fn everything(
    known: &mut ClusterIndex<'_>,
    store: &dyn Inventory,
    tokens: &TokenKey,
    progress: &Progress,
) -> Result<ClusterLook, RestoreError> {
    match look(known, store, tokens, progress, None).await? {
        Looked::At(look) => Ok(*look),
        Looked::NotByKeys => Err(RestoreError::Store(StoreError::Unusable(
            "look at everything".to_owned(),
        ))),
    }
}

fn empty(known: &ClusterIndex<'_>) -> ClusterLook {
    ClusterLook {
        job: known.job.cluster.clone(),
        persons: vec![0; known.job.stages.len()],
        rows_alone: vec![0; known.job.stages.len()],
        ..ClusterLook::default()
    }
}

/// What is looked at.
struct Shown<'a> {
    store: &'a dyn Inventory,
    job: &'a Job,
    tokens: &'a TokenKey,
    progress: &'a Progress,
    removed: Option<&'a RemovedKeys>,
    label: String,
}

impl Shown<'_> {
    /// Shows what is present to `take`, whose error comes first. False if the keys do not suffice to tell.
    async fn to(
        &self,
        take: &mut (dyn FnMut(PresentBatch) -> Result<(), RestoreError> + Send),
    ) -> Result<bool, RestoreError> {
        let mut refusal = None;
        let mut is_started = false;
        let mut sink = |batch: PresentBatch| {
            if !std::mem::replace(&mut is_started, true) {
                self.progress.step(batch.total, &self.label);
            }
            let done = batch.done;
            take(batch).map_err(|error| {
                refusal = Some(error);
                StoreError::Unusable("stop looking".to_owned())
            })?;
            self.progress.advance(done);
            Ok(())
        };
        let (job, tokens) = (self.job, self.tokens);
        let shown = if let Some(removed) = self.removed {
            let shown = self.store.present_among(job, tokens, removed, &mut sink);
            shown.await
        } else {
            let shown = self.store.present(job, tokens, &mut sink).await;
            shown.map(|()| true)
        };
        self.progress.finish();
        match refusal {
            Some(error) => Err(error),
            None => Ok(shown?),
        }
    }
}

/// The first look: which keys are met of what should not be there, and whose they are.
struct Meeting<'k, 'a> {
    known: &'k ClusterIndex<'a>,
    sorter: Sorter<SHARE_LENGTH>,
    met: bool,
    /// What the look amounts to if no key is met.
    look: ClusterLook,
}

impl Meeting<'_, '_> {
    fn take(&mut self, batch: &PresentBatch) -> Result<(), RestoreError> {
        let hits = self.known.hits(batch)?;
        let mut encoders = Encoders::new(self.known);
        let records = batch.records.iter().zip(&hits.records);
        for (record, hits) in records.filter(|_| !batch.records_again) {
            // What is as its stage left it is not back; so it is not asked whose it was.
            for hit in hits.iter().filter(|hit| !hit.is_done(record)) {
                self.met = true;
                for share in encoders.shares(*hit, &record.subjects)? {
                    let pushed = self.sorter.push(share);
                    pushed.map_err(|source| self.known.at_work(source))?;
                }
            }
            let verdict = if self.known.is_open(&record.client) {
                Verdict::Undecided
            } else if hits.is_empty() {
                Verdict::NeverRemoved
            } else {
                Verdict::Pseudonymized
            };
            count(&mut self.look, self.known, verdict);
        }
        for (row, hits) in batch.rows.iter().zip(&hits.rows) {
            let owner = &batch.records[row.owner];
            for hit in hits {
                self.met = true;
                for share in encoders.shares(*hit, &owner.subjects)? {
                    let pushed = self.sorter.push(share);
                    pushed.map_err(|source| self.known.at_work(source))?;
                }
            }
            let table = self.known.table(row.reference);
            let look = self.look.rows.entry(table).or_default();
            look.present += 1;
            look.undecided += u64::from(self.known.is_open(&owner.client));
        }
        orphans(self.known, batch, &mut self.look)
    }
}

/// The second look: what each record is.
struct Judging<'k, 'a> {
    known: &'k ClusterIndex<'a>,
    look: ClusterLook,
    /// The persons of what is back, for each stage.
    persons: Vec<HashSet<[u8; 16]>>,
}

impl Judging<'_, '_> {
    fn take(&mut self, batch: &PresentBatch) -> Result<(), RestoreError> {
        let judged = self.known.judge(batch)?;
        for hit in &judged.said_by {
            let of_source = self.look.by_source.entry(hit.source).or_default();
            *of_source.entry(hit.target).or_default() += 1;
        }
        for hit in &judged.open {
            let of_source = self.look.open_by_source.entry(hit.source).or_default();
            *of_source.entry(hit.target).or_default() += 1;
        }
        let mut encoders = Encoders::new(self.known);
        let records = batch.records.iter().zip(&judged.records);
        for (record, verdict) in records.filter(|_| !batch.records_again) {
            count(&mut self.look, self.known, *verdict);
            if let Verdict::Back { stage } = *verdict {
                let subject = record.subjects.first();
                let person = match subject {
                    Some(subject) => self.known.person(&mut encoders, &record.client, subject)?,
                    None => None,
                };
                if let Some(person) = person {
                    self.count_person(stage, person);
                }
            }
        }
        for (row, verdict) in batch.rows.iter().zip(&judged.rows) {
            let table = self.known.table(row.reference);
            let look = self.look.rows.entry(table).or_default();
            look.present += 1;
            match *verdict {
                Verdict::Back { stage } => {
                    look.back += 1;
                    if !matches!(judged.records[row.owner], Verdict::Back { .. }) {
                        look.back_alone += 1;
                        self.look.rows_alone[stage] += 1;
                    }
                }
                Verdict::KeyReused => look.key_reused += 1,
                Verdict::Undecided => look.undecided += 1,
                Verdict::NeverRemoved | Verdict::Pseudonymized => {}
            }
        }
        orphans(self.known, batch, &mut self.look)
    }

    /// One more than the limit allows is as good as all of them.
    fn count_person(&mut self, stage: usize, person: SubjectRef) {
        let limit = usize::try_from(self.known.job.limit.max_persons).unwrap_or(usize::MAX);
        let persons = &mut self.persons[stage];
        if persons.len() <= limit {
            let mut short = [0; 16];
            short.copy_from_slice(&person.as_bytes()[..16]);
            persons.insert(short);
        }
    }
}

fn count(look: &mut ClusterLook, known: &ClusterIndex<'_>, verdict: Verdict) {
    look.present += 1;
    match verdict {
        Verdict::NeverRemoved => look.never_removed += 1,
        Verdict::Back { stage } => {
            look.back += 1;
            let stage = known.job.stages[stage].name.clone();
            *look.back_by_stage.entry(stage).or_default() += 1;
        }
        Verdict::KeyReused => look.key_reused += 1,
        Verdict::Pseudonymized => look.still_pseudonymized += 1,
        Verdict::Undecided => look.undecided += 1,
    }
}

fn orphans(
    known: &ClusterIndex<'_>,
    batch: &PresentBatch,
    look: &mut ClusterLook,
) -> Result<(), RestoreError> {
    for (reference, key) in &batch.orphans {
        let of_table = look.rows.entry(known.table(*reference)).or_default();
        of_table.present += 1;
        let hits = known.orphan_hits(*reference, key)?;
        of_table.without_record += u64::from(!hits.is_empty());
        for hit in hits {
            let of_source = look.open_by_source.entry(hit.source).or_default();
            *of_source.entry(hit.target).or_default() += 1;
        }
    }
    Ok(())
}

impl ClusterIndex<'_> {
    pub(super) fn at_work(&self, source: io::Error) -> RestoreError {
        RestoreError::Work {
            folder: self.folder.clone(),
            source,
        }
    }
}
