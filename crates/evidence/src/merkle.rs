//! The Merkle tree of RFC 6962, section 2.1, over SHA-256; computed in one pass.
//!
//! `collect` proves while the leaves stream by, `verify` checks without any tree.

mod collect;
#[cfg(test)]
mod tests;
mod verify;

use sha2::{Digest, Sha256};

pub use collect::{
    ProofCollector, ProofError, ProofRequest, Proofs, consistency_proof, inclusion_proof,
};
pub use verify::{LONGEST_PATH, VerifyError, root_from_path, verify_consistency, verify_inclusion};

/// A SHA-256 digest.
pub type Hash = [u8; 32];

const LEAF_PREFIX: [u8; 1] = [0x00];
const NODE_PREFIX: [u8; 1] = [0x01];

/// The hash of one leaf.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    Sha256::new_with_prefix(LEAF_PREFIX)
        .chain_update(leaf)
        .finalize()
        .into()
}

/// The hash of the node above `left` and `right`.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new_with_prefix(NODE_PREFIX)
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

/// The root of the tree over leaves with these hashes.
pub fn root_of(leaf_hashes: &[Hash]) -> Hash {
    let mut tree = RootBuilder::new();
    for hash in leaf_hashes {
        tree.push_hash(*hash);
    }
    tree.finish()
}

/// Computes a root from leaves that arrive one by one.
///
/// Holds one hash for each complete subtree: at most 64, whatever the number of leaves.
#[derive(Clone, Debug, Default)]
pub struct RootBuilder {
    /// Roots of complete subtrees, the largest first: one for each bit set in `size`.
    subtrees: Vec<Hash>,
    size: u64,
}

impl RootBuilder {
    /// A tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next leaf.
    pub fn push(&mut self, leaf: &[u8]) {
        self.push_hash(leaf_hash(leaf));
    }

    /// Adds the next leaf by its hash.
    pub fn push_hash(&mut self, leaf_hash: Hash) {
        self.push_seen(leaf_hash, |_, _| {});
    }

    /// Adds the next leaf by its hash and shows each subtree that it completes, the smallest
    /// (the leaf itself, level 0) first.
    fn push_seen(&mut self, leaf_hash: Hash, mut seen: impl FnMut(u32, &Hash)) {
        let mut hash = leaf_hash;
        seen(0, &hash);
        // Each trailing one of the size is a complete subtree that the new leaf closes.
        for level in 1..=self.size.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                hash = node_hash(&left, &hash);
            }
            seen(level, &hash);
        }
        self.subtrees.push(hash);
        self.size += 1;
    }

    /// How many leaves were added.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root. That of no leaves is the digest of nothing.
    pub fn finish(self) -> Hash {
        self.root()
    }

    /// The root of the leaves so far, of which more may follow.
    pub fn root(&self) -> Hash {
        root_of_subtrees(&self.subtrees)
    }

    /// The roots of the complete subtrees, the largest first.
    fn subtrees(&self) -> &[Hash] {
        &self.subtrees
    }
}

/// The root of a tree, out of the complete subtrees that it consists of, the largest first.
pub(super) fn root_of_subtrees(subtrees: &[Hash]) -> Hash {
    fold_right(subtrees).unwrap_or_else(|| Sha256::digest([]).into())
}

/// The root over complete subtrees that lie beside each other, the largest first.
fn fold_right(subtrees: &[Hash]) -> Option<Hash> {
    subtrees
        .iter()
        .rev()
        .copied()
        .reduce(|right, left| node_hash(&left, &right))
}
