//! Checks of proofs, after RFC 9162, sections 2.1.3.2 and 2.1.4.2.

use thiserror::Error;

use super::{Hash, node_hash};

/// The longest path that there can be: a tree has fewer than 2⁶⁴ leaves.
pub const LONGEST_PATH: usize = 64;

/// Why a proof does not hold.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum VerifyError {
    #[error("there is no leaf {index} in a tree of {size} leaves")]
    NoSuchLeaf { index: u64, size: u64 },
    #[error("a tree of {size} leaves does not continue one of {older} leaves")]
    NoSuchTree { older: u64, size: u64 },
    #[error("the proof has {0} hashes, which is not the number that the sizes ask for")]
    Length(usize),
    #[error("the proof leads to another root")]
    Root,
    #[error("the proof does not start from the older root")]
    OlderRoot,
}

/// Checks that the leaf with `leaf_hash` stands at `index` of the tree with `size` and `root`.
pub fn verify_inclusion(
    leaf_hash: &Hash,
    index: u64,
    size: u64,
    path: &[Hash],
    root: &Hash,
) -> Result<(), VerifyError> {
    if root_from_path(leaf_hash, index, size, path)? == *root {
        return Ok(());
    }
    Err(VerifyError::Root)
}

/// The root of the tree of `size` leaves in which the leaf at `index` has this `path`.
pub fn root_from_path(
    leaf_hash: &Hash,
    index: u64,
    size: u64,
    path: &[Hash],
) -> Result<Hash, VerifyError> {
    if index >= size {
        return Err(VerifyError::NoSuchLeaf { index, size });
    }
    let (mut node, mut last) = (index, size - 1);
    let mut root = *leaf_hash;
    for sibling in path {
        if last == 0 {
            return Err(VerifyError::Length(path.len()));
        }
        if node & 1 == 1 || node == last {
            root = node_hash(sibling, &root);
            // The last node of a level without a sibling moves up alone.
            let alone = if node == 0 { 0 } else { node.trailing_zeros() };
            node >>= alone;
            last >>= alone;
        } else {
            root = node_hash(&root, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(VerifyError::Length(path.len()));
    }
    Ok(root)
}

/// Checks that the tree with `size` and `root` continues the one with `older` leaves and `older_root`.
///
/// Every tree continues the empty one, and itself; the proof is empty then.
pub fn verify_consistency(
    older: u64,
    older_root: &Hash,
    size: u64,
    root: &Hash,
    proof: &[Hash],
) -> Result<(), VerifyError> {
    if older > size {
        return Err(VerifyError::NoSuchTree { older, size });
    }
    if older == 0 || older == size {
        return verify_trivial(older, older_root, size, root, proof);
    }
    let wrong_length = VerifyError::Length(proof.len());
    // A complete older tree is itself the first hash; the proof leaves out what is known.
    let (first, rest) = if older.is_power_of_two() {
        (older_root, proof)
    } else {
        proof.split_first().ok_or(wrong_length)?
    };
    let (mut node, mut last) = (older - 1, size - 1);
    let complete = node.trailing_ones();
    node >>= complete;
    last >>= complete;
    let (mut older_found, mut found) = (*first, *first);
    for hash in rest {
        if last == 0 {
            return Err(wrong_length);
        }
        if node & 1 == 1 || node == last {
            older_found = node_hash(hash, &older_found);
            found = node_hash(hash, &found);
            let alone = if node == 0 { 0 } else { node.trailing_zeros() };
            node >>= alone;
            last >>= alone;
        } else {
            found = node_hash(&found, hash);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(wrong_length);
    }
    if older_found != *older_root {
        return Err(VerifyError::OlderRoot);
    }
    if found != *root {
        return Err(VerifyError::Root);
    }
    Ok(())
}

fn verify_trivial(
    older: u64,
    older_root: &Hash,
    size: u64,
    root: &Hash,
    proof: &[Hash],
) -> Result<(), VerifyError> {
    if !proof.is_empty() {
        return Err(VerifyError::Length(proof.len()));
    }
    let empty = super::RootBuilder::new().root();
    if older == 0 && *older_root != empty {
        return Err(VerifyError::OlderRoot);
    }
    if older == size && older_root != root {
        return Err(VerifyError::Root);
    }
    Ok(())
}
