//! The leaves of many certificates, in one file without a name, to be looked up.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use kigen_evidence::leaf::{Action, Head, Kind, LEAF_LENGTH, Leaf};

use super::filter::Filter;

const WRITE_BUFFER: usize = 256 * 1024;

/// The sorted leaves of some certificates, one part behind the other.
pub(in crate::run) struct LeafIndex {
    writer: BufWriter<File>,
    parts: Vec<Part>,
    filter: Filter,
    /// Leaves in all parts.
    leaves: u64,
}

/// Where the leaves of one certificate stand.
#[derive(Clone, Copy)]
struct Part {
    first: u64,
    leaves: u64,
}

impl LeafIndex {
    /// An index in `folder` for about `leaves` leaves.
    pub(in crate::run) fn new(folder: &Path, leaves: u64) -> io::Result<Self> {
        let file = tempfile::tempfile_in(folder)?;
        Ok(Self {
            writer: BufWriter::with_capacity(WRITE_BUFFER, file),
            parts: Vec::new(),
            filter: Filter::new(leaves),
            leaves: 0,
        })
    }

    /// Begins the part of the next certificate; returns its number.
    pub(super) fn begin(&mut self) -> usize {
        self.parts.push(Part {
            first: self.leaves,
            leaves: 0,
        });
        self.parts.len() - 1
    }

    /// Adds the next leaf of the part that was begun last.
    pub(super) fn push(&mut self, leaf: &Leaf) -> io::Result<()> {
        self.writer.write_all(leaf.as_bytes())?;
        self.filter.add(leaf);
        self.leaves += 1;
        if let Some(part) = self.parts.last_mut() {
            part.leaves += 1;
        }
        Ok(())
    }

    /// Adds a whole `leaves.bin` as a part of its own; returns its number.
    pub(in crate::run) fn add(&mut self, mut leaves: impl Read) -> io::Result<usize> {
        let part = self.begin();
        let mut leaf = [0; LEAF_LENGTH];
        loop {
            match leaves.read_exact(&mut leaf) {
                Ok(()) => self.push(&Leaf::from_bytes(leaf))?,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(part),
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes everything ready to be looked up.
    pub(in crate::run) fn finish(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    /// Whether `leaf` is in `part`.
    pub(super) fn holds(&self, part: usize, leaf: &Leaf) -> io::Result<bool> {
        if !self.filter.may_hold(leaf) {
            return Ok(false);
        }
        let part = self.parts[part];
        let place = self.first_where(part, |other| other >= leaf)?;
        Ok(place < part.leaves && self.leaf(part, place)? == *leaf)
    }

    /// The most records that one person of `target` can have in `part`: every other person of it has
    /// at least one.
    pub(super) fn most_of_one(&self, part: usize, action: Action, target: u16) -> io::Result<u64> {
        let count = |kind| {
            let head = Head {
                kind,
                action,
                target,
            };
            self.count(self.parts[part], head)
        };
        let persons = count(Kind::Subject)?;
        Ok((count(Kind::Record)? + 1).saturating_sub(persons))
    }

    fn count(&self, part: Part, head: Head) -> io::Result<u64> {
        let head = head.to_bytes();
        let start = self.first_where(part, |leaf| leaf.as_bytes()[..head.len()] >= head[..])?;
        let end = self.first_where(part, |leaf| leaf.as_bytes()[..head.len()] > head[..])?;
        Ok(end - start)
    }

    /// The place of the first leaf for which `holds`, which holds for all leaves after it too.
    fn first_where(&self, part: Part, holds: impl Fn(&Leaf) -> bool) -> io::Result<u64> {
        let (mut low, mut high) = (0, part.leaves);
        while low < high {
            let middle = low + (high - low) / 2;
            if holds(&self.leaf(part, middle)?) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(low)
    }

    fn leaf(&self, part: Part, place: u64) -> io::Result<Leaf> {
        let mut bytes = [0; LEAF_LENGTH];
        let at = (part.first + place) * LEAF_LENGTH as u64;
        self.writer.get_ref().read_exact_at(&mut bytes, at)?;
        Ok(Leaf::from_bytes(bytes))
    }
}
