//! A filter that says of most leaves that they are nowhere, without reading a file.
//!
//! Leaves are digests, so their own bytes are the hashes of a Bloom filter. All bits of one leaf
//! lie in one line of the processor's cache.

use kigen_evidence::leaf::{LEAF_LENGTH, Leaf};

/// Bits for each leaf: about one stranger in a hundred passes.
const BITS_PER_LEAF: u64 = 12;

/// Bits of a block: a line of the processor's cache.
const BLOCK_BITS: u64 = 512;

/// Words of a block.
const BLOCK_WORDS: usize = 8;

/// The most memory that a filter takes, in bytes. Beyond 44 million leaves it lets more pass, and
/// more has to be looked up in the file.
pub(super) const MOST_MEMORY: u64 = 64 * 1024 * 1024;

/// Bits that each leaf sets in its block.
const BITS: usize = 4;

/// Whether a leaf may be among those that were added.
pub(super) struct Filter {
    blocks: Vec<[u64; BLOCK_WORDS]>,
}

impl Filter {
    /// A filter for about `leaves` leaves.
    pub(super) fn new(leaves: u64) -> Self {
        let wanted = leaves.saturating_mul(BITS_PER_LEAF).div_ceil(BLOCK_BITS);
        let blocks = wanted.clamp(1, MOST_MEMORY * 8 / BLOCK_BITS);
        Self {
            blocks: vec![[0; BLOCK_WORDS]; usize::try_from(blocks).unwrap_or(1)],
        }
    }

    /// Adds a leaf.
    pub(super) fn add(&mut self, leaf: &Leaf) {
        let block = self.block(leaf);
        for (word, bit) in places(leaf) {
            self.blocks[block][word] |= bit;
        }
    }

    /// Whether the leaf may have been added; if not, it was not.
    pub(super) fn may_hold(&self, leaf: &Leaf) -> bool {
        let block = &self.blocks[self.block(leaf)];
        places(leaf).all(|(word, bit)| block[word] & bit != 0)
    }

    fn block(&self, leaf: &Leaf) -> usize {
        let [number, _] = parts(leaf);
        // Less than the number of blocks, which is a usize.
        usize::try_from(number % self.blocks.len() as u64).unwrap_or(0)
    }
}

/// The words and bits of a leaf within its block.
fn places(leaf: &Leaf) -> impl Iterator<Item = (usize, u64)> {
    let [_, mut bits] = parts(leaf);
    (0..BITS).map(move |_| {
        let place = bits % BLOCK_BITS;
        bits /= BLOCK_BITS;
        let word = usize::try_from(place / 64).unwrap_or(0);
        (word, 1 << (place % 64))
    })
}

/// Two numbers out of the commitment, behind the head.
fn parts(leaf: &Leaf) -> [u64; 2] {
    let bytes: &[u8; LEAF_LENGTH] = leaf.as_bytes();
    let number = |from: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[from..from + 8]);
        u64::from_be_bytes(word)
    };
    [number(LEAF_LENGTH - 8), number(LEAF_LENGTH - 16)]
}

#[cfg(test)]
mod tests {
    use sha2::Digest;

    use super::*;

    fn leaf(number: u64) -> Leaf {
        let mut bytes = [0; LEAF_LENGTH];
        bytes[..4].copy_from_slice(&[1, 1, 0, 0]);
        bytes[4..].copy_from_slice(&sha2::Sha256::digest(number.to_be_bytes()));
        Leaf::from_bytes(bytes)
    }

    #[test]
    fn what_was_added_passes_and_hardly_a_stranger_does() {
        let mut filter = Filter::new(20_000);
        for number in 0..20_000 {
            filter.add(&leaf(number));
        }
        assert!((0..20_000).all(|number| filter.may_hold(&leaf(number))));
        let strangers = (20_000..60_000)
            .filter(|number| filter.may_hold(&leaf(*number)))
            .count();
        assert!((1..1200).contains(&strangers), "{strangers} of 40000");
    }

    #[test]
    fn a_filter_never_takes_more_memory_than_it_may() {
        let filter = Filter::new(u64::MAX);
        assert_eq!(filter.blocks.len() as u64 * 64, MOST_MEMORY);
        assert!(!Filter::new(0).may_hold(&leaf(1)));
    }
}
