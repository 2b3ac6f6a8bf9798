//! Reading `leaves.bin`: from end to end in bounded memory, or by seeking in its order.

use std::cmp::Ordering;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use thiserror::Error;

use crate::leaf::{Head, LEAF_LENGTH, Leaf};
use crate::merkle::{ProofCollector, ProofError, ProofRequest, Proofs, leaf_hash};

/// Leaves read at a time: 63 KiB.
const LEAVES_PER_READ: usize = 1792;

/// Why nothing can be found or proven in a file of leaves.
#[derive(Debug, Error)]
pub enum LeafFileError {
    #[error("`leaves.bin` cannot be read")]
    Read(#[from] io::Error),
    #[error("`leaves.bin` does not end with a whole leaf: {0} bytes are left over")]
    BrokenLeaf(u64),
    #[error(transparent)]
    Proof(#[from] ProofError),
}

/// Shows every whole leaf of `leaves` to `take`; returns how many bytes follow the last one.
pub fn read_each(mut leaves: impl Read, mut take: impl FnMut(&Leaf)) -> io::Result<usize> {
    let mut buffer = vec![0; LEAF_LENGTH * LEAVES_PER_READ];
    let mut filled = 0;
    loop {
        let read = match leaves.read(&mut buffer[filled..]) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        filled += read;
        let (whole, rest) = buffer[..filled].as_chunks::<LEAF_LENGTH>();
        for leaf in whole {
            take(&Leaf::from_bytes(*leaf));
        }
        let (start, length) = (filled - rest.len(), rest.len());
        buffer.copy_within(start..filled, 0);
        filled = length;
        if read == 0 {
            return Ok(filled);
        }
    }
}

/// Makes the proofs of `request` in one pass over `leaves`.
///
/// Memory grows with the number of proofs, not with the file.
pub fn prove(leaves: impl Read, request: ProofRequest) -> Result<Proofs, LeafFileError> {
    let mut collector: ProofCollector = request.start();
    let rest = read_each(leaves, |leaf| collector.push(leaf_hash(leaf.as_bytes())))?;
    if rest > 0 {
        return Err(LeafFileError::BrokenLeaf(rest as u64));
    }
    Ok(collector.finish()?)
}

/// A `leaves.bin` that can be searched: its leaves stand in the order of their bytes.
#[derive(Debug)]
pub struct LeafFile<F> {
    file: F,
    size: u64,
}

impl<F: Read + Seek> LeafFile<F> {
    /// Looks how many leaves there are.
    pub fn open(mut file: F) -> Result<Self, LeafFileError> {
        let length = file.seek(SeekFrom::End(0))?;
        let rest = length % LEAF_LENGTH as u64;
        if rest > 0 {
            return Err(LeafFileError::BrokenLeaf(rest));
        }
        let size = length / LEAF_LENGTH as u64;
        Ok(Self { file, size })
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The index of `leaf`, or `None` if it is not there.
    pub fn find(&mut self, leaf: &Leaf) -> Result<Option<u64>, LeafFileError> {
        let index = self.first_where(|other| other.cmp(leaf) != Ordering::Less)?;
        if index < self.size && self.leaf(index)? == *leaf {
            return Ok(Some(index));
        }
        Ok(None)
    }

    /// The places of the leaves with this `head`, which lie beside each other.
    pub fn range(&mut self, head: Head) -> Result<Range<u64>, LeafFileError> {
        let head = head.to_bytes();
        let start = self.first_where(|leaf| leaf.as_bytes()[..head.len()] >= head[..])?;
        let end = self.first_where(|leaf| leaf.as_bytes()[..head.len()] > head[..])?;
        Ok(start..end)
    }

    /// Shows every leaf with this `head` and its index to `take`.
    pub fn scan(
        &mut self,
        head: Head,
        mut take: impl FnMut(u64, &Leaf),
    ) -> Result<(), LeafFileError> {
        let range = self.range(head)?;
        let length = LEAF_LENGTH as u64;
        self.file.seek(SeekFrom::Start(range.start * length))?;
        let part = self.file.by_ref().take((range.end - range.start) * length);
        let mut index = range.start;
        read_each(part, |leaf| {
            take(index, leaf);
            index += 1;
        })?;
        Ok(())
    }

    /// Makes the proofs that the leaves at `indexes` are in the tree, in one pass over the file.
    pub fn prove(&mut self, indexes: &[u64]) -> Result<Proofs, LeafFileError> {
        let mut request = ProofRequest::new(self.size);
        for index in indexes {
            request = request.inclusion(*index)?;
        }
        self.file.seek(SeekFrom::Start(0))?;
        prove(&mut self.file, request)
    }

    /// The index of the first leaf for which `holds`, which holds for all leaves after it too.
    fn first_where(&mut self, holds: impl Fn(&Leaf) -> bool) -> Result<u64, LeafFileError> {
        let (mut low, mut high) = (0, self.size);
        while low < high {
            let middle = low + (high - low) / 2;
            if holds(&self.leaf(middle)?) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(low)
    }

    fn leaf(&mut self, index: u64) -> Result<Leaf, LeafFileError> {
        let mut bytes = [0; LEAF_LENGTH];
        self.file
            .seek(SeekFrom::Start(index * LEAF_LENGTH as u64))?;
        self.file.read_exact(&mut bytes)?;
        Ok(Leaf::from_bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use crate::leaf::{Action, Head, Kind, LEAF_LENGTH, Leaf};
    use crate::merkle::{ProofError, ProofRequest, leaf_hash, verify_inclusion};
    use crate::sample;

    use super::{LeafFile, LeafFileError, prove};

    #[test]
    fn every_leaf_is_found_at_its_place_and_no_other_is() {
        let leaves = sample::leaves();
        let mut file = LeafFile::open(Cursor::new(sample::file(&leaves))).unwrap();
        assert_eq!(file.size(), leaves.len() as u64);
        for (index, leaf) in (0..).zip(&leaves) {
            assert_eq!(file.find(leaf).unwrap(), Some(index));
            let mut other = *leaf.as_bytes();
            other[LEAF_LENGTH - 1] ^= 1;
            assert_eq!(file.find(&Leaf::from_bytes(other)).unwrap(), None);
        }
        for edge in [[0; LEAF_LENGTH], [0xff; LEAF_LENGTH]] {
            assert_eq!(file.find(&Leaf::from_bytes(edge)).unwrap(), None);
        }
        let mut empty = LeafFile::open(Cursor::new(Vec::new())).unwrap();
        assert_eq!(empty.find(&leaves[0]).unwrap(), None);
    }

    #[test]
    fn the_leaves_of_a_head_lie_beside_each_other() {
        let leaves = sample::leaves();
        let mut file = LeafFile::open(Cursor::new(sample::file(&leaves))).unwrap();
        for (kind, action, target, number) in [
            (Kind::Record, Action::RowDeleted, 0, 30),
            (Kind::Record, Action::AlreadyAbsent, 0, 5),
            (Kind::Record, Action::Pseudonymized, 1, 10),
            (Kind::Subject, Action::RowDeleted, 0, 2),
            (Kind::Record, Action::Held, 0, 0),
        ] {
            let head = Head {
                kind,
                action,
                target,
            };
            let range = file.range(head).unwrap();
            assert_eq!(range.end - range.start, number);
            let mut seen = Vec::new();
            file.scan(head, |index, leaf| seen.push((index, *leaf)))
                .unwrap();
            assert_eq!(seen.len() as u64, number);
            for (index, leaf) in seen {
                assert_eq!(leaf, leaves[index as usize]);
                assert_eq!(leaf.head(), Some(head));
            }
        }
    }

    #[test]
    fn one_pass_over_the_file_proves_many_leaves() {
        let leaves = sample::leaves();
        let size = leaves.len() as u64;
        let mut file = LeafFile::open(Cursor::new(sample::file(&leaves))).unwrap();
        let proofs = file.prove(&[47, 0, 13, 13]).unwrap();
        assert_eq!(proofs.root, sample::fold(&leaves).root);
        for (index, path) in [47, 0, 13, 13].into_iter().zip(&proofs.inclusions) {
            let hash = leaf_hash(leaves[index as usize].as_bytes());
            verify_inclusion(&hash, index, size, path, &proofs.root).unwrap();
        }
        let error = file.prove(&[size]).unwrap_err();
        assert!(matches!(
            error,
            LeafFileError::Proof(ProofError::NoSuchLeaf { .. })
        ));
    }

    #[test]
    fn a_file_that_does_not_end_with_a_leaf_proves_nothing() {
        let mut bytes = sample::file(&sample::leaves());
        bytes.push(0);
        let error = LeafFile::open(Cursor::new(bytes.clone())).unwrap_err();
        assert!(matches!(error, LeafFileError::BrokenLeaf(1)));
        let error = prove(&bytes[..], ProofRequest::new(48)).unwrap_err();
        assert!(matches!(error, LeafFileError::BrokenLeaf(1)));
        let error = prove(&bytes[..LEAF_LENGTH], ProofRequest::new(48)).unwrap_err();
        let ProofError::Size { expected, found } = (match error {
            LeafFileError::Proof(error) => error,
            other => panic!("{other}"),
        }) else {
            panic!("not the size");
        };
        assert_eq!((expected, found), (48, 1));
    }
}
