//! The persons whose records a run removed, as its journal knows them.
//!
//! A journal keeps a reference for each removal: a digest under the run's own key. So an id that is
//! found elsewhere can be asked for, and nothing can be read out of it.

use std::collections::HashSet;

use kigen_evidence::leaf::{LeafError, SubjectEncoder, SubjectRef};
use kigen_evidence::value::Value;

use crate::job::Job;
use crate::store::{Inventory, JournalRow};

use super::error::RestoreError;
use super::source::Source;

const REFERENCE_LENGTH: usize = 32;

/// As much of a reference as tells persons apart.
type Short = [u8; 16];

/// The persons of one source whose records were removed from the cluster's own table. Memory grows
/// with their number: some 20 bytes each.
pub(in crate::run) struct RemovedPersons {
    encoder: SubjectEncoder,
    references: HashSet<Short>,
}

impl RemovedPersons {
    /// Reads them out of the store's journal; `None` if the journal does not have the run, as after
    /// a restore.
    pub(in crate::run) async fn read(
        store: &dyn Inventory,
        job: &Job,
        source: &Source,
    ) -> Result<Option<Self>, RestoreError> {
        let own = job.table.to_string();
        let targets = source.targets.iter();
        let targets: Vec<u16> = targets
            .filter(|target| target.job == job.cluster && target.object == own)
            .map(|target| target.index)
            .collect();
        let mut references = HashSet::new();
        let mut sink = |row: JournalRow| {
            if row.client == source.client && targets.contains(&row.target) {
                let (all, _) = row.refs.as_chunks::<REFERENCE_LENGTH>();
                references.extend(
                    all.iter()
                        .map(|bytes| short(&SubjectRef::from_bytes(*bytes))),
                );
            }
            Ok(())
        };
        store.journal(&source.run_id, &mut sink).await?;
        if references.is_empty() && !targets.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            encoder: SubjectEncoder::new(&source.key, &source.client, &job.subject.kind)?,
            references,
        }))
    }

    /// Whether records of the person with this id were removed.
    pub(in crate::run) fn has(&mut self, id: &Value) -> Result<bool, LeafError> {
        let reference = self.encoder.reference(id)?;
        Ok(self.references.contains(&short(&reference)))
    }
}

fn short(reference: &SubjectRef) -> Short {
    let mut short = Short::default();
    short.copy_from_slice(&reference.as_bytes()[..16]);
    short
}
