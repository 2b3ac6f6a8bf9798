//! What each present record is: never removed, back, or somebody else's.

use kigen_evidence::leaf::Action;
use kigen_evidence::value::Value;

use crate::store::{PresentBatch, PresentRecord};

use super::cluster_index::{BatchHits, ClusterIndex, LeafMatch};
use super::encoders::Encoders;
use super::error::RestoreError;
use super::persons::Fit;

/// What a present record is. Each one is exactly one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    NeverRemoved,
    /// Removed by this stage, and there again.
    Back {
        stage: usize,
    },
    /// A record with its key was removed, and was another person's.
    KeyReused,
    /// Pseudonymized, and still so.
    Pseudonymized,
    /// Evidence is lost that may concern it, nobody can tell whose it is, or its own dates say that it
    /// was not due when a record with its key and person was removed.
    Undecided,
}

/// The verdicts on a batch, and the hits that make them.
pub(super) struct Judged {
    pub(super) records: Vec<Verdict>,
    pub(super) rows: Vec<Verdict>,
    /// What said of something that it is back.
    pub(super) said_by: Vec<LeafMatch>,
    /// What met the key of something of which nobody can tell whose it is.
    pub(super) open: Vec<LeafMatch>,
}

pub(super) fn judge(
    known: &ClusterIndex<'_>,
    batch: &PresentBatch,
    hits: &BatchHits,
) -> Result<Judged, RestoreError> {
    let mut encoders = Encoders::new(known);
    let (mut said_by, mut open) = (Vec::new(), Vec::new());
    let mut records = Vec::with_capacity(batch.records.len());
    for (record, hits) in batch.records.iter().zip(&hits.records) {
        let found = found(known, &mut encoders, record, hits)?;
        if !batch.records_again {
            said_by.extend_from_slice(&found.said_by);
            open.extend_from_slice(&found.open);
        }
        records.push(found.verdict(known.is_open(&record.client)));
    }
    let mut rows = Vec::with_capacity(batch.rows.len());
    for (row, of_row) in batch.rows.iter().zip(&hits.rows) {
        let owner = &batch.records[row.owner];
        let mut found = found(known, &mut encoders, owner, of_row)?;
        found.add_of_pseudonymized(known, owner, &hits.records[row.owner], of_row);
        said_by.extend_from_slice(&found.said_by);
        open.extend_from_slice(&found.open);
        rows.push(found.verdict(known.is_open(&owner.client)));
    }
    Ok(Judged {
        records,
        rows,
        said_by,
        open,
    })
}

/// What the hits of one record say together.
#[derive(Default)]
struct Found {
    back: Option<usize>,
    other_person: bool,
    pseudonymized: bool,
    said_by: Vec<LeafMatch>,
    open: Vec<LeafMatch>,
}

impl Found {
    /// A row that went when its record was pseudonymized belonged to a person whom the record does not
    /// name any more. It is back if the same stage of the same run met them both, and the record is
    /// as that stage left it.
    fn add_of_pseudonymized(
        &mut self,
        known: &ClusterIndex<'_>,
        owner: &PresentRecord,
        of_owner: &[LeafMatch],
        of_row: &[LeafMatch],
    ) {
        for hit in of_row.iter().copied() {
            if self.said_by.contains(&hit) {
                continue;
            }
            let is_done = owner.pseudonymized.get(hit.stage) == Some(&true);
            let met_both = of_owner.iter().any(|owner| {
                owner.action == Action::Pseudonymized
                    && owner.source == hit.source
                    && owner.stage == hit.stage
            });
            if is_done && met_both && known.was_due(hit, owner) {
                self.back = self.back.max(Some(hit.stage));
                self.open.retain(|open| *open != hit);
                self.said_by.push(hit);
            }
        }
    }

    /// What is back is back, whatever else is not known.
    fn verdict(&self, is_open: bool) -> Verdict {
        if let Some(stage) = self.back {
            return Verdict::Back { stage };
        }
        if !self.open.is_empty() || is_open {
            return Verdict::Undecided;
        }
        if self.pseudonymized {
            return Verdict::Pseudonymized;
        }
        if self.other_person {
            return Verdict::KeyReused;
        }
        Verdict::NeverRemoved
    }
}

fn found(
    known: &ClusterIndex<'_>,
    encoders: &mut Encoders<'_, '_>,
    record: &PresentRecord,
    hits: &[LeafMatch],
) -> Result<Found, RestoreError> {
    let mut found = Found::default();
    for hit in hits {
        if hit.is_done(record) {
            found.pseudonymized = true;
            continue;
        }
        match fit(known, encoders, *hit, &record.subjects)? {
            // Another record under its key, or one that was there before its end was known.
            Fit::Fits if !known.was_due(*hit, record) => found.open.push(*hit),
            Fit::Fits => {
                // A later stage removes what an earlier one only rewrote.
                found.back = found.back.max(Some(hit.stage));
                found.said_by.push(*hit);
            }
            Fit::OtherPerson => found.other_person = true,
            Fit::Unknown => found.open.push(*hit),
        }
    }
    Ok(found)
}

/// Whether the record is about a person of whom the run removed records.
fn fit(
    known: &ClusterIndex<'_>,
    encoders: &mut Encoders<'_, '_>,
    hit: LeafMatch,
    subjects: &[Value],
) -> Result<Fit, RestoreError> {
    if subjects.is_empty() {
        // The row names nobody, so that another person's would look the same.
        return Ok(Fit::Unknown);
    }
    let mut answer = Fit::OtherPerson;
    for share in encoders.shares(hit, subjects)? {
        let fit = known.persons.fit(&share);
        match fit.map_err(|source| known.at_work(source))? {
            Fit::Fits => return Ok(Fit::Fits),
            Fit::Unknown => answer = Fit::Unknown,
            Fit::OtherPerson => {}
        }
    }
    Ok(answer)
}
