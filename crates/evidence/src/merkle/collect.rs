//! Proofs, collected in one pass over the hashes of all leaves.
//!
//! Every hash of a proof is the root of a subtree: a complete one, or one that ends where the tree
//! ends. A complete subtree passes by at the moment when its last leaf is added; the others are put
//! together at the end, out of the at most 64 that are left. So memory grows with what is asked
//! for, never with the tree.

use std::collections::BTreeMap;

use thiserror::Error;

use super::{Hash, RootBuilder, fold_right};

/// Why a proof cannot be made.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ProofError {
    #[error("there is no leaf {index} in a tree of {size} leaves")]
    NoSuchLeaf { index: u64, size: u64 },
    #[error("a tree of {size} leaves was no tree of {older} leaves before")]
    NoSuchTree { older: u64, size: u64 },
    #[error("the tree was to have {expected} leaves and had {found}")]
    Size { expected: u64, found: u64 },
    /// A defect of this module: every subtree that is asked for passes by.
    #[error("a subtree of the proof did not pass by")]
    Subtree,
}

/// A subtree by its leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Span {
    start: u64,
    end: u64,
}

/// What is to be proven of a tree, before its leaves are read.
#[derive(Clone, Debug)]
pub struct ProofRequest {
    size: u64,
    inclusions: Vec<Vec<Span>>,
    consistency: Vec<Span>,
}

/// Takes the hashes of all leaves and keeps what the proofs need.
#[derive(Clone, Debug)]
pub struct ProofCollector {
    request: ProofRequest,
    tree: RootBuilder,
    /// The complete subtrees that are wanted, in the order in which they pass by: by their end,
    /// the smallest first.
    wanted: Vec<(u64, u32)>,
    next: usize,
    found: BTreeMap<Span, Hash>,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proofs {
    /// The root of the whole tree.
    pub root: Hash,
    /// For each index that was asked for, in that order: the hashes from the leaf's sibling up to
    /// the child of the root.
    pub inclusions: Vec<Vec<Hash>>,
    /// The proof from the older tree; empty if none was asked for.
    pub consistency: Vec<Hash>,
}

impl ProofRequest {
    /// Asks for nothing yet of a tree of `size` leaves.
    pub fn new(size: u64) -> Self {
        Self {
            size,
            inclusions: Vec::new(),
            consistency: Vec::new(),
        }
    }

    /// Asks for the inclusion of the leaf at `index`.
    pub fn inclusion(mut self, index: u64) -> Result<Self, ProofError> {
        if index >= self.size {
            return Err(ProofError::NoSuchLeaf {
                index,
                size: self.size,
            });
        }
        self.inclusions.push(path_of(index, self.size));
        Ok(self)
    }

    /// Asks for the proof that the tree of the first `older` leaves was only added to.
    pub fn consistency(mut self, older: u64) -> Result<Self, ProofError> {
        if older > self.size {
            return Err(ProofError::NoSuchTree {
                older,
                size: self.size,
            });
        }
        self.consistency = consistency_of(older, self.size);
        Ok(self)
    }

    /// Gets ready for the leaves.
    pub fn start(self) -> ProofCollector {
        let spans = self.inclusions.iter().flatten().chain(&self.consistency);
        let mut wanted: Vec<(u64, u32)> = spans.filter_map(closing).collect();
        wanted.sort_unstable();
        wanted.dedup();
        ProofCollector {
            request: self,
            tree: RootBuilder::new(),
            wanted,
            next: 0,
            found: BTreeMap::new(),
        }
    }
}

impl ProofCollector {
    /// Takes the hash of the next leaf.
    pub fn push(&mut self, leaf_hash: Hash) {
        let end = self.tree.size() + 1;
        let (wanted, next, found) = (&self.wanted, &mut self.next, &mut self.found);
        self.tree.push_seen(leaf_hash, |level, hash| {
            if wanted.get(*next) == Some(&(end, level)) {
                *next += 1;
                let start = end - (1 << level);
                found.insert(Span { start, end }, *hash);
            }
        });
    }

    /// The proofs, once every leaf was taken.
    pub fn finish(self) -> Result<Proofs, ProofError> {
        let (expected, found) = (self.request.size, self.tree.size());
        if expected != found {
            return Err(ProofError::Size { expected, found });
        }
        let inclusions = &self.request.inclusions;
        Ok(Proofs {
            root: self.tree.root(),
            inclusions: inclusions
                .iter()
                .map(|spans| self.hashes(spans))
                .collect::<Result<_, _>>()?,
            consistency: self.hashes(&self.request.consistency)?,
        })
    }

    fn hashes(&self, spans: &[Span]) -> Result<Vec<Hash>, ProofError> {
        spans.iter().map(|span| self.hash(*span)).collect()
    }

    fn hash(&self, span: Span) -> Result<Hash, ProofError> {
        if let Some(hash) = self.found.get(&span) {
            return Ok(*hash);
        }
        // What ends with the tree begins where one of its complete subtrees begins.
        let mut start = 0;
        for (place, length) in ones_from_the_top(self.request.size).enumerate() {
            if start == span.start {
                let rest = self.tree.subtrees().get(place..).unwrap_or_default();
                return fold_right(rest).ok_or(ProofError::Subtree);
            }
            start += length;
        }
        Err(ProofError::Subtree)
    }
}

/// The path of the leaf at `index`, out of the hashes of all leaves.
pub fn inclusion_proof(leaf_hashes: &[Hash], index: u64) -> Result<Vec<Hash>, ProofError> {
    let request = ProofRequest::new(leaf_hashes.len() as u64).inclusion(index)?;
    let proofs = fed(request, leaf_hashes)?;
    Ok(proofs.inclusions.into_iter().flatten().collect())
}

/// The proof that the tree over `leaf_hashes` continues the one over the first `older` of them.
pub fn consistency_proof(leaf_hashes: &[Hash], older: u64) -> Result<Vec<Hash>, ProofError> {
    let request = ProofRequest::new(leaf_hashes.len() as u64).consistency(older)?;
    Ok(fed(request, leaf_hashes)?.consistency)
}

fn fed(request: ProofRequest, leaf_hashes: &[Hash]) -> Result<Proofs, ProofError> {
    let mut collector = request.start();
    for hash in leaf_hashes {
        collector.push(*hash);
    }
    collector.finish()
}

/// PATH of RFC 6962, section 2.1.1, as subtrees from the leaf's sibling upwards.
fn path_of(index: u64, size: u64) -> Vec<Span> {
    let (mut start, mut end) = (0, size);
    let mut path = Vec::new();
    while end - start > 1 {
        let middle = start + left_size(end - start);
        if index < middle {
            path.push(Span { start: middle, end });
            end = middle;
        } else {
            path.push(Span { start, end: middle });
            start = middle;
        }
    }
    path.reverse();
    path
}

/// PROOF of RFC 6962, section 2.1.2, as subtrees. Every tree continues the empty one.
fn consistency_of(older: u64, size: u64) -> Vec<Span> {
    if older == 0 || older == size {
        return Vec::new();
    }
    let (mut start, mut end) = (0, size);
    let mut proof = Vec::new();
    // Until the older tree ends where this subtree ends.
    while older != end {
        let middle = start + left_size(end - start);
        if older <= middle {
            proof.push(Span { start: middle, end });
            end = middle;
        } else {
            proof.push(Span { start, end: middle });
            start = middle;
        }
    }
    // Who checks knows the older tree's root, but no other subtree.
    if start > 0 {
        proof.push(Span { start, end });
    }
    proof.reverse();
    proof
}

/// The largest power of two smaller than `size`, which is at least 2.
fn left_size(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

/// When a complete subtree passes by, and its level; `None` for one that is not complete.
fn closing(span: &Span) -> Option<(u64, u32)> {
    let length = span.end - span.start;
    length
        .is_power_of_two()
        .then(|| (span.end, length.trailing_zeros()))
}

/// The powers of two that `number` is the sum of, the largest first.
fn ones_from_the_top(number: u64) -> impl Iterator<Item = u64> {
    (0..u64::BITS)
        .rev()
        .map(|bit| 1 << bit)
        .filter(move |bit| number & bit != 0)
}
