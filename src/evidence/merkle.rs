//! The Merkle tree of RFC 6962, section 2.1, over SHA-256; computed in one pass.

use sha2::Digest;
use sha2::Sha256;

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
        let mut hash = leaf_hash(leaf);
        // Each trailing one of the size is a complete subtree that the new leaf closes.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                hash = node_hash(&left, &hash);
            }
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
        self.subtrees
            .into_iter()
            .rev()
            .reduce(|right, left| node_hash(&left, &right))
            .unwrap_or_else(|| Sha256::digest([]).into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::any;
    use proptest::prop_assert_eq;
    use proptest::proptest;

    use sha2::Digest;
    use sha2::Sha256;

    use super::Hash;
    use super::RootBuilder;
    use super::leaf_hash;
    use super::node_hash;

    fn root(leaves: &[Vec<u8>]) -> Hash {
        let mut builder = RootBuilder::new();
        for leaf in leaves {
            builder.push(leaf);
        }
        assert_eq!(builder.size(), leaves.len() as u64);
        builder.finish()
    }

    /// RFC 6962, section 2.1, word for word.
    fn root_by_the_rfc(leaves: &[Vec<u8>]) -> Hash {
        match leaves {
            [] => Sha256::digest([]).into(),
            [leaf] => leaf_hash(leaf),
            _ => {
                let left = leaves.len().next_power_of_two() / 2;
                let (head, tail) = leaves.split_at(left);
                node_hash(&root_by_the_rfc(head), &root_by_the_rfc(tail))
            }
        }
    }

    #[test]
    fn the_root_of_no_leaves_is_the_digest_of_nothing() {
        let expected = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hex::encode(RootBuilder::new().finish()), expected);
    }

    /// The leaves and roots that the test suites of certificate transparency share.
    #[test]
    fn the_roots_are_those_of_the_known_tree_of_eight_leaves() {
        let leaves: Vec<Vec<u8>> = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ]
        .iter()
        .map(|text| hex::decode(text).unwrap())
        .collect();
        let one = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
        let eight = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328";
        assert_eq!(hex::encode(root(&leaves[..1])), one);
        assert_eq!(hex::encode(root(&leaves)), eight);
    }

    #[test]
    fn every_size_up_to_300_agrees_with_the_rfc() {
        let leaves: Vec<Vec<u8>> = (0..300_u16)
            .map(|number| number.to_be_bytes().to_vec())
            .collect();
        for size in 0..=leaves.len() {
            assert_eq!(
                root(&leaves[..size]),
                root_by_the_rfc(&leaves[..size]),
                "{size}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_leaves_agree_with_the_rfc(
            leaves in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..70)
        ) {
            prop_assert_eq!(root(&leaves), root_by_the_rfc(&leaves));
        }
    }
}
