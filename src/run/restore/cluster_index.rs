//! What the evidence at hand knows of one cluster.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use kigen_evidence::leaf::Action;
use kigen_evidence::value::Value;

use crate::guard::{self, Guard};
use crate::job::{Job, OnDispose, Reference};
use crate::store::error::StoreError;
use crate::store::{BackAgain, PresentBatch, PresentRecord, Recall};

use super::encoders::Encoders;
use super::error::RestoreError;
use super::judge::{Judged, Verdict};
use super::leaf_index::LeafIndex;
use super::lost::{Lost, Why};
use super::parts::in_parts;
use super::persons::Persons;
use super::source::{Source, SourceTarget};

/// The evidence that is at hand.
#[derive(Clone, Copy)]
pub(in crate::run) struct Knowledge<'a> {
    pub(in crate::run) sources: &'a [Source],
    pub(in crate::run) leaf_index: &'a LeafIndex,
}

/// What it knows of one cluster.
pub(in crate::run) struct ClusterIndex<'a> {
    pub(in crate::run) job: &'a Job,
    pub(super) knowledge: Knowledge<'a>,
    pub(super) references: Vec<&'a Reference>,
    /// By client, what each source has removed from the cluster.
    by_client: HashMap<&'a str, Vec<OfSource>>,
    /// Clients of which some evidence is lost.
    lost_of: HashSet<&'a str>,
    /// Whether evidence is lost that may concern every client.
    all_lost: bool,
    /// Whose records are known to be back; after the first look.
    pub(super) persons: Persons,
    /// Where what does not fit into memory is sorted.
    pub(super) folder: PathBuf,
}

/// What one source has removed from the cluster.
pub(super) struct OfSource {
    pub(super) source: usize,
    own: Vec<Place>,
    rows: Vec<RowPlace>,
}

/// A target whose records may be met.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) target: u16,
    pub(super) action: Action,
    stage: usize,
}

/// A target whose rows went with records.
#[derive(Clone, Copy)]
struct RowPlace {
    /// Index among the job's references whose rows go with the record.
    reference: usize,
    at: Place,
}

/// A leaf that is the one of a present record or row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LeafMatch {
    pub(super) source: usize,
    pub(super) target: u16,
    pub(super) action: Action,
    pub(super) stage: usize,
}

impl LeafMatch {
    /// Whether a stage pseudonymized the record, and it is still as that stage left it.
    pub(super) fn is_done(&self, record: &PresentRecord) -> bool {
        self.action == Action::Pseudonymized && record.pseudonymized.get(self.stage) == Some(&true)
    }
}

/// What is known of one batch.
pub(super) struct BatchHits {
    pub(super) records: Vec<Vec<LeafMatch>>,
    pub(super) rows: Vec<Vec<LeafMatch>>,
}

impl<'a> ClusterIndex<'a> {
    /// What `knowledge` knows of the cluster of `job`; `lost` is what it does not know. Says what the
    /// job no longer has.
    pub(in crate::run) fn new(
        job: &'a Job,
        knowledge: Knowledge<'a>,
        lost: &'a [Lost],
        folder: &Path,
    ) -> (Self, Vec<Lost>) {
        let mut known = Self {
            job,
            knowledge,
            references: job
                .references
                .iter()
                .filter(|reference| matches!(reference.on_dispose, OnDispose::GoesWith { .. }))
                .collect(),
            by_client: HashMap::new(),
            lost_of: HashSet::new(),
            all_lost: false,
            persons: Persons::none(),
            folder: folder.to_owned(),
        };
        for lost in lost
            .iter()
            .filter(|lost| lost.clusters.contains(&job.cluster))
        {
            match &lost.client {
                Some(client) => {
                    known.lost_of.insert(client);
                }
                None => known.all_lost = true,
            }
        }
        let mut changed = Vec::new();
        for (number, source) in knowledge.sources.iter().enumerate() {
            let of_job = source.targets.iter();
            let of_job: Vec<&SourceTarget> = of_job.filter(|one| one.job == job.cluster).collect();
            let (of_source, whole) = known.of_source(number, &of_job);
            if !whole {
                known.lost_of.insert(&source.client);
                changed.push(Lost {
                    run_id: source.run_id.clone(),
                    certificate_id: Some(source.certificate_id.clone()),
                    client: Some(source.client.clone()),
                    clusters: [job.cluster.clone()].into(),
                    why: Why::JobChanged,
                });
            }
            known
                .by_client
                .entry(&source.client)
                .or_default()
                .push(of_source);
        }
        (known, changed)
    }

    /// The places of one source, and whether the job still has all of them.
    fn of_source(&self, source: usize, targets: &[&SourceTarget]) -> (OfSource, bool) {
        let mut of_source = OfSource {
            source,
            own: Vec::new(),
            rows: Vec::new(),
        };
        let mut whole = true;
        for target in targets {
            let stage = self.job.stages.iter();
            let mut stages = stage.enumerate();
            let stage = stages.find(|(_, stage)| stage.name == target.stage);
            let fits = target.store == self.job.store && target.is_known_by(self.job);
            let Some((stage, _)) = stage.filter(|_| fits) else {
                whole = false;
                continue;
            };
            let at = Place {
                target: target.index,
                action: target.action,
                stage,
            };
            let is_own = target.object == self.job.table.to_string();
            if is_own {
                of_source.own.push(at);
            }
            let before = of_source.rows.len();
            for (reference, named) in self.references.iter().enumerate() {
                if named.table.to_string() == target.object {
                    of_source.rows.push(RowPlace { reference, at });
                }
            }
            whole &= is_own || of_source.rows.len() > before;
        }
        (of_source, whole)
    }

    /// The table of a reference whose rows go with the record.
    pub(super) fn table(&self, reference: usize) -> String {
        self.references[reference].table.to_string()
    }

    /// Whether the record's own dates made it due when the run of `hit` removed what has its key.
    ///
    /// A key may have been given again, to the same person even: what was not due then was not removed
    /// then.
    pub(super) fn was_due(&self, hit: LeafMatch, record: &PresentRecord) -> bool {
        let removed_on = self.knowledge.sources[hit.source].as_of;
        let due_from = record.due_from.get(hit.stage).copied().flatten();
        due_from.is_some_and(|first| first <= removed_on) || !guard::stands(Guard::OwnDates)
    }

    /// Whether some evidence is lost that may concern a record of `client`.
    pub(super) fn is_open(&self, client: &str) -> bool {
        self.all_lost || self.lost_of.contains(client)
    }

    /// Looks up every record and row of `batch`, on several threads.
    pub(super) fn hits(&self, batch: &PresentBatch) -> Result<BatchHits, RestoreError> {
        let records = in_parts(batch.records.len(), |from, to| {
            let mut encoders = Encoders::new(self);
            let mut hits = Vec::with_capacity(to - from);
            for record in &batch.records[from..to] {
                let mut of_record = Vec::new();
                for of_source in self.of(&record.client) {
                    for place in &of_source.own {
                        let source = of_source.source;
                        if encoders.is_known(source, None, place, &record.key)? {
                            of_record.push(hit(source, *place));
                        }
                    }
                }
                hits.push(of_record);
            }
            Ok(hits)
        })?;
        let rows = in_parts(batch.rows.len(), |from, to| {
            let mut encoders = Encoders::new(self);
            let mut hits = Vec::with_capacity(to - from);
            for row in &batch.rows[from..to] {
                let client = &batch.records[row.owner].client;
                hits.push(self.row_hits(&mut encoders, client, row.reference, &row.key)?);
            }
            Ok(hits)
        })?;
        Ok(BatchHits { records, rows })
    }

    pub(super) fn of(&self, client: &str) -> &[OfSource] {
        self.by_client.get(client).map_or(&[], Vec::as_slice)
    }

    fn row_hits(
        &self,
        encoders: &mut Encoders<'_, '_>,
        client: &str,
        reference: usize,
        key: &[Value],
    ) -> Result<Vec<LeafMatch>, RestoreError> {
        let mut hits = Vec::new();
        for of_source in self.of(client) {
            let of_reference = of_source.rows.iter();
            for place in of_reference.filter(|place| place.reference == reference) {
                let (source, at) = (of_source.source, place.at);
                if encoders.is_known(source, Some(reference), &at, key)? {
                    hits.push(hit(source, at));
                }
            }
        }
        Ok(hits)
    }

    /// What is known of a row of `reference` without a record, whoever it belonged to.
    pub(super) fn orphan_hits(
        &self,
        reference: usize,
        key: &[Value],
    ) -> Result<Vec<LeafMatch>, RestoreError> {
        let mut encoders = Encoders::new(self);
        let mut hits = Vec::new();
        for client in self.by_client.keys() {
            hits.extend(self.row_hits(&mut encoders, client, reference, key)?);
        }
        Ok(hits)
    }

    /// Judges everything in `batch`.
    pub(super) fn judge(&self, batch: &PresentBatch) -> Result<Judged, RestoreError> {
        super::judge::judge(self, batch, &self.hits(batch)?)
    }
}

fn hit(source: usize, place: Place) -> LeafMatch {
    LeafMatch {
        source,
        target: place.target,
        action: place.action,
        stage: place.stage,
    }
}

impl Recall for ClusterIndex<'_> {
    fn back(&self, batch: &PresentBatch, stage: usize) -> Result<BackAgain, StoreError> {
        let judged = self.judge(batch).map_err(as_store_error)?;
        let is_back = |one: &Verdict| *one == Verdict::Back { stage };
        Ok(BackAgain {
            records: judged.records.iter().map(is_back).collect(),
            rows: judged.rows.iter().map(is_back).collect(),
        })
    }
}

fn as_store_error(error: RestoreError) -> StoreError {
    match error {
        RestoreError::Store(error) => error,
        other => StoreError::Unusable(other.to_string()),
    }
}
