//! The evidence of a batch's own records: half of a batch's work that is not the database's.
//!
//! It is done on a thread of its own, so that meanwhile the other batches of the pass are read.

use std::collections::{BTreeMap, HashMap};

use kigen_evidence::leaf::{Action, LEAF_LENGTH, LeafError};
use kigen_evidence::value::Value;

use super::{BatchEvidence, ClientEncoders, FIRST_OCCURRENCE, Part, not_encodable};
use crate::database::session::Row;
use crate::store::RemovedTable;
use crate::store::error::StoreError;
use crate::store::sql::pass::Pass;

/// Fewer records than this take less time than to hand them to another thread.
const WORTH_HANDING_OVER: usize = 500;

/// Length of a subject reference in bytes.
const REFERENCE_LENGTH: usize = 32;

/// Records of one batch, counted.
#[derive(Default)]
pub(crate) struct Counts {
    pub by_client: BTreeMap<String, u64>,
    /// By the purpose that ended last.
    pub ended_by: BTreeMap<String, u64>,
}

/// One client's records of a batch.
struct Share {
    client: String,
    encoders: ClientEncoders,
    /// The columns of each record's key, then its subject.
    records: Vec<Value>,
    /// Records by the index of the purpose that ended last.
    ended_by: BTreeMap<usize, u64>,
}

/// A share with its leaves and subject references, packed.
struct Digested {
    share: Share,
    leaves: Vec<u8>,
    refs: Vec<u8>,
}

impl BatchEvidence<'_, '_> {
    /// Adds records of the cluster's own table, each with the purpose that ended last.
    pub(crate) async fn add_own(
        &mut self,
        pass: &Pass<'_>,
        rows: &[Row],
        ended_by: &[usize],
    ) -> Result<Counts, StoreError> {
        let shares = self.shares(pass, rows, ended_by)?;
        let action = self.writer.action;
        let width = pass.key_columns.len() + 1;
        // The key's columns stand first in the select list.
        let keys = rows.iter().map(|row| &row[..pass.key_columns.len()]);
        self.removed.add(RemovedTable::Own, keys);
        let digest = move || digest(shares, action, width);
        let digested = if rows.len() < WORTH_HANDING_OVER {
            digest()
        } else {
            tokio::task::spawn_blocking(digest)
                .await
                .map_err(|_| StoreError::Unusable("make the evidence of a batch".to_owned()))?
        };
        let mut counts = Counts::default();
        for digested in digested.map_err(not_encodable)? {
            self.take(pass, digested, &mut counts);
        }
        Ok(counts)
    }

    /// Sorts the records by their clients.
    fn shares(
        &mut self,
        pass: &Pass<'_>,
        rows: &[Row],
        ended_by: &[usize],
    ) -> Result<Vec<Share>, StoreError> {
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut shares: Vec<Share> = Vec::new();
        for (row, purpose) in rows.iter().zip(ended_by) {
            let client = pass.client_of(row);
            let place = if let Some(place) = places.get(&*client) {
                *place
            } else {
                places.insert(client.clone().into_owned(), shares.len());
                shares.push(Share {
                    encoders: self.writer.take_encoders(&client)?,
                    client: client.into_owned(),
                    records: Vec::new(),
                    ended_by: BTreeMap::new(),
                });
                shares.len() - 1
            };
            let share = &mut shares[place];
            // The key's columns stand first in the select list.
            share
                .records
                .extend_from_slice(&row[..pass.key_columns.len()]);
            share.records.push(row[pass.selection.subject].clone());
            *share.ended_by.entry(*purpose).or_default() += 1;
        }
        Ok(shares)
    }

    /// Takes the encoders back and packs what they made.
    fn take(&mut self, pass: &Pass<'_>, digested: Digested, counts: &mut Counts) {
        let Digested {
            share,
            leaves,
            refs,
        } = digested;
        let at = self.group(self.target(Part::Own), self.writer.action, &share.client);
        let group = &mut self.groups[at];
        group.leaves.extend_from_slice(&leaves);
        group.refs.extend_from_slice(&refs);
        for (purpose, records) in share.ended_by {
            let purpose = pass.purpose_name(purpose);
            group.records += records;
            *group.ended_by.entry(purpose.to_owned()).or_default() += records;
            *counts.ended_by.entry(purpose.to_owned()).or_default() += records;
            *counts.by_client.entry(share.client.clone()).or_default() += records;
        }
        self.writer.clients.insert(share.client, share.encoders);
    }
}

fn digest(shares: Vec<Share>, action: Action, width: usize) -> Result<Vec<Digested>, LeafError> {
    shares
        .into_iter()
        .map(|share| digest_share(share, action, width))
        .collect()
}

fn digest_share(mut share: Share, action: Action, width: usize) -> Result<Digested, LeafError> {
    let records = share.records.len() / width;
    let mut leaves = Vec::with_capacity(records * LEAF_LENGTH);
    let mut refs = Vec::with_capacity(records * REFERENCE_LENGTH);
    for record in share.records.chunks_exact(width) {
        let (key, subject) = record.split_at(width - 1);
        let leaf = share.encoders.own.leaf(action, key, FIRST_OCCURRENCE)?;
        leaves.extend_from_slice(leaf.as_bytes());
        for subject in subject {
            refs.extend_from_slice(share.encoders.subject.reference(subject)?.as_bytes());
        }
    }
    share.records = Vec::new();
    Ok(Digested {
        share,
        leaves,
        refs,
    })
}
