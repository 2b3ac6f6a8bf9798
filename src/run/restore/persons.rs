//! Whether the person fits: a leaf says how many records of one person a run removed.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use kigen_evidence::leaf::{Action, SubjectRef, subject_leaf};

use crate::run::certify::sorter::Sorted;

use super::cluster_index::{Knowledge, LeafMatch};

/// A source, a target, an action and a person: what one subject leaf counts.
pub(super) const SHARE_LENGTH: usize = 4 + 2 + 1 + REFERENCE_LENGTH;

const REFERENCE_LENGTH: usize = 32;

/// A share, and what is known of it.
const FIT_LENGTH: usize = SHARE_LENGTH + 1;

/// Counts that are tried for every person: more than nearly anybody has records in one run.
const COUNTS_FOR_ALL: u64 = 4096;

/// Counts that are tried for all persons together. A few minutes of work; then what a person with
/// more records could be is left open.
const COUNTS_IN_ALL: u64 = 1 << 30;

/// Whether a run removed records of this person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    Fits,
    /// The key is that of a removed record, the person is not.
    OtherPerson,
    /// Too many counts would have to be tried.
    Unknown,
}

/// The persons of records whose keys were met, sorted, in a file without a name.
pub(super) struct Persons {
    file: Option<File>,
    size: u64,
}

/// The bytes that stand for the person of a hit.
pub(super) fn share(hit: LeafMatch, person: &SubjectRef) -> [u8; SHARE_LENGTH] {
    let mut share = [0; SHARE_LENGTH];
    let source = u32::try_from(hit.source).unwrap_or(u32::MAX);
    share[..4].copy_from_slice(&source.to_be_bytes());
    share[4..6].copy_from_slice(&hit.target.to_be_bytes());
    share[6] = hit.action.code();
    share[7..].copy_from_slice(person.as_bytes());
    share
}

impl Persons {
    /// Nobody: no key was met.
    pub(super) fn none() -> Self {
        Self {
            file: None,
            size: 0,
        }
    }

    /// Counts the records of each person, and looks for the leaf that says so.
    pub(super) fn find(
        mut shares: Sorted<SHARE_LENGTH>,
        knowledge: Knowledge<'_>,
        folder: &Path,
    ) -> io::Result<Self> {
        let mut writer = BufWriter::new(tempfile::tempfile_in(folder)?);
        let mut size = 0;
        let mut budget = COUNTS_IN_ALL;
        let mut next = shares.next()?;
        while let Some(share) = next {
            let mut count = 1;
            next = shares.next()?;
            while next == Some(share) {
                count += 1;
                next = shares.next()?;
            }
            let known = match fit(knowledge, &share, count, &mut budget)? {
                Fit::OtherPerson => continue,
                Fit::Fits => 1,
                Fit::Unknown => 0,
            };
            writer.write_all(&share)?;
            writer.write_all(&[known])?;
            size += 1;
        }
        let file = writer
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        Ok(Self {
            file: Some(file),
            size,
        })
    }

    /// What is known of the person of a hit.
    pub(super) fn fit(&self, share: &[u8; SHARE_LENGTH]) -> io::Result<Fit> {
        let Some(file) = &self.file else {
            return Ok(Fit::OtherPerson);
        };
        let read = |place: u64| -> io::Result<[u8; FIT_LENGTH]> {
            let mut bytes = [0; FIT_LENGTH];
            file.read_exact_at(&mut bytes, place * FIT_LENGTH as u64)?;
            Ok(bytes)
        };
        let (mut low, mut high) = (0, self.size);
        while low < high {
            let middle = low + (high - low) / 2;
            if read(middle)?[..SHARE_LENGTH] < share[..] {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        if low == self.size {
            return Ok(Fit::OtherPerson);
        }
        let found = read(low)?;
        if found[..SHARE_LENGTH] != share[..] {
            return Ok(Fit::OtherPerson);
        }
        Ok(if found[SHARE_LENGTH] == 1 {
            Fit::Fits
        } else {
            Fit::Unknown
        })
    }
}

/// Whether the run's leaves hold one for this person: with the number of records that are back, or
/// with another one if only some of them are.
fn fit(
    knowledge: Knowledge<'_>,
    share: &[u8; SHARE_LENGTH],
    present: u64,
    budget: &mut u64,
) -> io::Result<Fit> {
    let [s0, s1, s2, s3, high, low, action, ..] = *share;
    let number = u32::from_be_bytes([s0, s1, s2, s3]);
    let target = u16::from_be_bytes([high, low]);
    let mut reference = [0; REFERENCE_LENGTH];
    reference.copy_from_slice(&share[SHARE_LENGTH - REFERENCE_LENGTH..]);
    let person = SubjectRef::from_bytes(reference);
    let source = usize::try_from(number).ok();
    let source = source.and_then(|number| knowledge.sources.get(number));
    let (Some(source), Some(action)) = (source, Action::from_code(action)) else {
        return Ok(Fit::OtherPerson);
    };
    let holds = |count: u64| {
        let leaf = subject_leaf(action, target, &person, count);
        knowledge.leaf_index.holds(source.part, &leaf)
    };
    if holds(present)? {
        return Ok(Fit::Fits);
    }
    let most = knowledge
        .leaf_index
        .most_of_one(source.part, action, target)?;
    let allowed = most.min(COUNTS_FOR_ALL.max(*budget));
    for count in (1..=allowed).filter(|count| *count != present) {
        if holds(count)? {
            return Ok(Fit::Fits);
        }
    }
    *budget = budget.saturating_sub(allowed);
    if allowed == most {
        return Ok(Fit::OtherPerson);
    }
    Ok(Fit::Unknown)
}
