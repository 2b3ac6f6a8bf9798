//! Finding a record's or a person's leaves again, with the run's key.

use std::collections::HashMap;
use std::io::{Read, Seek};

use thiserror::Error;

use crate::leaf::{
    Action, Head, Kind, Leaf, LeafError, Opening, RecordEncoder, SubjectEncoder, subject_leaf,
};
use crate::leaves::{LeafFile, LeafFileError};
use crate::value::Value;

/// Counts tried in one pass over the persons of a target: more than anybody has records.
const COUNTS_PER_PASS: u64 = 65_536;

/// A leaf that was found, and what opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundLeaf {
    /// The leaf's place in `leaves.bin`.
    pub index: u64,
    pub action: Action,
    pub opening: Opening,
}

/// Why nothing can be searched.
#[derive(Debug, Error)]
pub enum SearchError {
    #[error(transparent)]
    Leaf(#[from] LeafError),
    #[error(transparent)]
    File(#[from] LeafFileError),
}

/// All leaves of the record with this key in the encoder's target: one for each action that it met,
/// and one more for each time that the key went again. None if the run did not meet the record.
pub fn find_record<F: Read + Seek>(
    file: &mut LeafFile<F>,
    encoder: &mut RecordEncoder,
    key: &[Value],
) -> Result<Vec<FoundLeaf>, SearchError> {
    let mut found = Vec::new();
    for action in Action::ALL {
        for occurrence in 0..=u32::MAX {
            let leaf = encoder.leaf(action, key, occurrence)?;
            let Some(index) = file.find(&leaf)? else {
                break;
            };
            let opening = encoder.open(action, key, occurrence)?;
            found.push(FoundLeaf {
                index,
                action,
                opening,
            });
        }
    }
    Ok(found)
}

/// All leaves of the person with this id in `target`: one for each action that records of theirs met.
///
/// How many records those were is not known any more; it is found by trying, in few passes over the
/// target's leaves of persons.
pub fn find_subject<F: Read + Seek>(
    file: &mut LeafFile<F>,
    encoder: &mut SubjectEncoder,
    id: &Value,
    target: u16,
) -> Result<Vec<FoundLeaf>, SearchError> {
    let mut found = Vec::new();
    for action in Action::ALL {
        let head = |kind| Head {
            kind,
            action,
            target,
        };
        if file.range(head(Kind::Subject))?.is_empty() {
            continue;
        }
        // Nobody has more records than there are.
        let records = file.range(head(Kind::Record))?;
        let most = records.end - records.start;
        if let Some((index, count)) = count_of(file, encoder, id, head(Kind::Subject), most)? {
            let opening = encoder.open(id, count)?;
            found.push(FoundLeaf {
                index,
                action,
                opening,
            });
        }
    }
    Ok(found)
}

/// The place of the person's leaf with this `head` and the count that it commits to.
fn count_of<F: Read + Seek>(
    file: &mut LeafFile<F>,
    encoder: &mut SubjectEncoder,
    id: &Value,
    head: Head,
    most: u64,
) -> Result<Option<(u64, u64)>, SearchError> {
    let subject = encoder.reference(id)?;
    let mut first = 1;
    while first <= most {
        let last = most.min(first.saturating_add(COUNTS_PER_PASS - 1));
        let leaf = |count| subject_leaf(head.action, head.target, &subject, count);
        let candidates: HashMap<Leaf, u64> =
            (first..=last).map(|count| (leaf(count), count)).collect();
        let mut found = None;
        file.scan(head, |index, leaf| {
            if let Some(count) = candidates.get(leaf) {
                found = Some((index, *count));
            }
        })?;
        if found.is_some() {
            return Ok(found);
        }
        first = last + 1;
    }
    Ok(None)
}
