//! The leaves and references that each run would make of what is present.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use kigen_evidence::leaf::{RecordEncoder, RecordPlace, SubjectEncoder, SubjectRef};
use kigen_evidence::value::Value;

use crate::job::OnDispose;

use super::cluster_index::{ClusterIndex, LeafMatch, Place};
use super::error::RestoreError;
use super::persons::{SHARE_LENGTH, share};
use super::source::Source;

/// Encoders of all sources, each made when it is first needed.
pub(super) struct Encoders<'k, 'a> {
    known: &'k ClusterIndex<'a>,
    /// By source, target and reference: the own table's has none.
    records: HashMap<(usize, u16, Option<usize>), RecordEncoder>,
    subjects: HashMap<usize, SubjectEncoder>,
}

impl<'k, 'a> Encoders<'k, 'a> {
    pub(super) fn new(known: &'k ClusterIndex<'a>) -> Self {
        Self {
            known,
            records: HashMap::new(),
            subjects: HashMap::new(),
        }
    }

    /// Whether the source has the leaf of this record or row.
    pub(super) fn is_known(
        &mut self,
        number: usize,
        reference: Option<usize>,
        place: &Place,
        key: &[Value],
    ) -> Result<bool, RestoreError> {
        let known = self.known;
        let source = &known.knowledge.sources[number];
        let encoder = match self.records.entry((number, place.target, reference)) {
            Entry::Occupied(made) => made.into_mut(),
            Entry::Vacant(free) => {
                free.insert(known.record_encoder(source, place.target, reference)?)
            }
        };
        // A key goes once in a run: its leaf is that of the first time.
        let leaf = encoder.leaf(place.action, key, 0)?;
        let held = known.knowledge.leaf_index.holds(source.part, &leaf);
        held.map_err(|source| known.at_work(source))
    }

    /// What each hit says of whom: for each of `subjects` that the record may be about.
    pub(super) fn shares(
        &mut self,
        hit: LeafMatch,
        subjects: &[Value],
    ) -> Result<Vec<[u8; SHARE_LENGTH]>, RestoreError> {
        let mut shares = Vec::with_capacity(subjects.len());
        for subject in subjects {
            let reference = self.subject(hit.source)?.reference(subject)?;
            shares.push(share(hit, &reference));
        }
        Ok(shares)
    }

    pub(super) fn subject(&mut self, number: usize) -> Result<&mut SubjectEncoder, RestoreError> {
        let known = self.known;
        let source = &known.knowledge.sources[number];
        match self.subjects.entry(number) {
            Entry::Occupied(made) => Ok(made.into_mut()),
            Entry::Vacant(free) => {
                let kind = &known.job.subject.kind;
                Ok(free.insert(SubjectEncoder::new(&source.key, &source.client, kind)?))
            }
        }
    }
}

impl ClusterIndex<'_> {
    /// The person of a record, under the key of the first source of its client: only to count.
    pub(super) fn person(
        &self,
        encoders: &mut Encoders<'_, '_>,
        client: &str,
        subject: &Value,
    ) -> Result<Option<SubjectRef>, RestoreError> {
        let Some(first) = self.of(client).first() else {
            return Ok(None);
        };
        Ok(Some(encoders.subject(first.source)?.reference(subject)?))
    }

    fn record_encoder(
        &self,
        source: &Source,
        target: u16,
        reference: Option<usize>,
    ) -> Result<RecordEncoder, RestoreError> {
        let (object, key) = match reference.map(|reference| self.references[reference]) {
            None => (self.job.table.to_string(), &self.job.key),
            Some(reference) => match &reference.on_dispose {
                OnDispose::GoesWith { key, .. } => (reference.table.to_string(), key),
                OnDispose::Unlink | OnDispose::Blocks => {
                    (reference.table.to_string(), &self.job.key)
                }
            },
        };
        let place = RecordPlace {
            client: &source.client,
            store: &self.job.store,
            object: &object,
        };
        let columns: Vec<&str> = key.iter().map(String::as_str).collect();
        Ok(RecordEncoder::new(&source.key, place, &columns, target)?)
    }
}
