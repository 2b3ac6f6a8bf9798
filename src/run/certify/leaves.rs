//! Writes one client's `leaves.bin` in one pass over sorted evidence.
//!
//! A record's leaf begins with 1 and a subject's with 2, so all record leaves come first; the
//! subject leaves are counted on the way, sorted in their turn, and follow.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use kigen_evidence::leaf::{Action, LEAF_LENGTH, Leaf, SubjectRef, subject_leaf};
use kigen_evidence::leaves::{FoldedLeaves, LeafFold};
use tempfile::{NamedTempFile, TempPath};

use crate::progress::Progress;

use super::journal::{EVIDENCE_LENGTH, unpack};
use super::sorter::{Sorted, Sorter};

/// Memory for the persons of one client, and for their leaves, in bytes.
const SUBJECT_MEMORY: usize = 3 * 1024 * 1024;

const WRITE_BUFFER: usize = 64 * 1024;

/// How many leaves pass between two reports of progress.
const REPORTED: u64 = 10_000;

/// A target, an action and a subject reference: what one subject leaf counts.
const SHARE_LENGTH: usize = 2 + 1 + 32;

/// A whole `leaves.bin`, not yet published.
pub(super) struct LeavesFile {
    pub(super) file: NamedTempFile,
    pub(super) folded: FoldedLeaves,
    /// Records whose leaf stands there already, by target.
    pub(super) repeated: BTreeMap<u16, u64>,
}

/// A [`LeavesFile`] that is closed: clients may be more than files that may be open.
pub(super) struct ClosedLeaves {
    pub(super) path: TempPath,
    pub(super) folded: FoldedLeaves,
    pub(super) repeated: BTreeMap<u16, u64>,
}

impl LeavesFile {
    pub(super) fn close(self) -> ClosedLeaves {
        ClosedLeaves {
            path: self.file.into_temp_path(),
            folded: self.folded,
            repeated: self.repeated,
        }
    }
}

/// Cuts sorted evidence into one file for each client.
pub(super) struct LeavesWriter<'a> {
    evidence: Sorted<EVIDENCE_LENGTH>,
    next: Option<[u8; EVIDENCE_LENGTH]>,
    targets: usize,
    /// Where sorting writes what does not fit into memory.
    folder: &'a Path,
    progress: &'a Progress,
}

impl<'a> LeavesWriter<'a> {
    pub(super) fn new(
        mut evidence: Sorted<EVIDENCE_LENGTH>,
        targets: usize,
        folder: &'a Path,
        progress: &'a Progress,
    ) -> io::Result<Self> {
        let next = evidence.next()?;
        Ok(Self {
            evidence,
            next,
            targets,
            folder,
            progress,
        })
    }

    /// Writes the leaves of the client with this number into `file`, durable on return.
    ///
    /// Clients come in the order of their numbers, without a gap.
    pub(super) fn write(&mut self, number: u32, file: NamedTempFile) -> io::Result<LeavesFile> {
        let mut output = Output::new(file, self.targets);
        let mut shares = Sorter::<SHARE_LENGTH>::new(self.folder, SUBJECT_MEMORY);
        let mut repeated = BTreeMap::new();
        let mut previous = None;
        let mut unreported = 0;
        while let Some((leaf, share)) = self.next_of(number)? {
            unreported += 1;
            if unreported == REPORTED {
                self.progress.advance(std::mem::take(&mut unreported));
            }
            if previous == Some(leaf) {
                let [target_high, target_low, ..] = share;
                let target = u16::from_be_bytes([target_high, target_low]);
                *repeated.entry(target).or_default() += 1;
                continue;
            }
            output.push(leaf)?;
            shares.push(share)?;
            previous = Some(leaf);
        }
        self.progress.advance(unreported);
        fail::fail_point!("seal.amid-leaves");
        let mut subjects = self.subject_leaves(shares.finish()?)?.finish()?;
        while let Some(leaf) = subjects.next()? {
            output.push(leaf)?;
        }
        output.finish(repeated)
    }

    /// The client's next record leaf and whom it counts for.
    fn next_of(
        &mut self,
        number: u32,
    ) -> io::Result<Option<([u8; LEAF_LENGTH], [u8; SHARE_LENGTH])>> {
        let Some(evidence) = &self.next else {
            return Ok(None);
        };
        let (found, leaf, reference) = unpack(evidence);
        if found != number {
            return Ok(None);
        }
        self.next = self.evidence.next()?;
        let [_, action, high, low, ..] = leaf;
        let mut share = [0; SHARE_LENGTH];
        share[..3].copy_from_slice(&[high, low, action]);
        share[3..].copy_from_slice(&reference);
        Ok(Some((leaf, share)))
    }

    /// One leaf for each person, target and action, with the number of records.
    fn subject_leaves(&self, mut shares: Sorted<SHARE_LENGTH>) -> io::Result<Sorter<LEAF_LENGTH>> {
        let mut leaves = Sorter::new(self.folder, SUBJECT_MEMORY);
        let mut counted: Option<([u8; SHARE_LENGTH], u64)> = None;
        loop {
            let share = shares.next()?;
            match (&mut counted, share) {
                (Some((same, count)), Some(share)) if *same == share => {
                    *count += 1;
                    continue;
                }
                (Some((whose, count)), _) => leaves.push(leaf_of(whose, *count)?)?,
                (None, _) => {}
            }
            let Some(share) = share else {
                return Ok(leaves);
            };
            counted = Some((share, 1));
        }
    }
}

fn leaf_of(share: &[u8; SHARE_LENGTH], count: u64) -> io::Result<[u8; LEAF_LENGTH]> {
    let [high, low, action, ..] = *share;
    let mut reference = [0; 32];
    reference.copy_from_slice(&share[3..]);
    // Rows with other actions were refused when the journal was read.
    let action = Action::from_code(action).ok_or(io::ErrorKind::InvalidData)?;
    let target = u16::from_be_bytes([high, low]);
    let leaf = subject_leaf(action, target, &SubjectRef::from_bytes(reference), count);
    Ok(*leaf.as_bytes())
}

/// The file and what its leaves amount to, in step.
struct Output {
    writer: BufWriter<NamedTempFile>,
    fold: LeafFold,
}

impl Output {
    fn new(file: NamedTempFile, targets: usize) -> Self {
        Self {
            writer: BufWriter::with_capacity(WRITE_BUFFER, file),
            fold: LeafFold::new(targets),
        }
    }

    fn push(&mut self, leaf: [u8; LEAF_LENGTH]) -> io::Result<()> {
        self.fold.push(&Leaf::from_bytes(leaf));
        self.writer.write_all(&leaf)
    }

    fn finish(self, repeated: BTreeMap<u16, u64>) -> io::Result<LeavesFile> {
        let file = self
            .writer
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        Ok(LeavesFile {
            file,
            folded: self.fold.finish(),
            repeated,
        })
    }
}
