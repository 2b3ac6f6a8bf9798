//! `leaves.bin`: all leaves of one certificate, sorted by their bytes, folded in one pass.
//!
//! Sealing and verification fold the same way, so that they cannot disagree about a file.

mod read;

use sha2::Digest;

use super::digest::Sha256;
use super::leaf::{Action, Head, Kind, LEAF_LENGTH, Leaf};
use super::merkle::{Hash, RootBuilder};

pub use read::{LeafFile, LeafFileError, prove, read_each};

/// Leaves counted by action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally([u64; Action::ALL.len()]);

impl Tally {
    /// How many leaves have `action`.
    pub fn of(&self, action: Action) -> u64 {
        self.0[usize::from(action.code() - 1)]
    }

    /// How many leaves there are.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    fn add(&mut self, action: Action) {
        self.0[usize::from(action.code() - 1)] += 1;
    }
}

/// What is wrong with the order of the leaves, first seen at `index` (from 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disorder {
    /// The leaf stands there twice: one removal was written down twice.
    Duplicate { index: u64 },
    /// The leaf is smaller than the one before it.
    Descending { index: u64 },
}

/// Folds leaves into digest, root and counts. Its size depends on the number of targets only.
pub struct LeafFold {
    file: sha2::Sha256,
    tree: RootBuilder,
    records: Vec<Tally>,
    subjects: Vec<Tally>,
    strangers: u64,
    previous: Option<Leaf>,
    disorder: Option<Disorder>,
}

/// What a whole `leaves.bin` amounts to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoldedLeaves {
    /// Number of leaves.
    pub size: u64,
    /// The plain digest of the file.
    pub sha256: Sha256,
    /// The root of the run's tree.
    pub root: Hash,
    /// Record leaves of each target, by the target's index.
    pub records: Vec<Tally>,
    /// Subject leaves of each target, by the target's index.
    pub subjects: Vec<Tally>,
    /// Leaves whose head is of another format, or names a target that there is not.
    pub strangers: u64,
    /// The first leaf out of order.
    pub disorder: Option<Disorder>,
}

impl FoldedLeaves {
    /// Number of record leaves of all targets.
    pub fn record_total(&self) -> u64 {
        self.records.iter().map(Tally::total).sum()
    }

    /// Number of subject leaves of all targets.
    pub fn subject_total(&self) -> u64 {
        self.subjects.iter().map(Tally::total).sum()
    }
}

impl LeafFold {
    /// Starts a fold for a certificate with this many targets.
    pub fn new(targets: usize) -> Self {
        Self {
            file: sha2::Sha256::new(),
            tree: RootBuilder::new(),
            records: vec![Tally::default(); targets],
            subjects: vec![Tally::default(); targets],
            strangers: 0,
            previous: None,
            disorder: None,
        }
    }

    /// Adds the next leaf. Leaves come in ascending order of their bytes, each once.
    pub fn push(&mut self, leaf: &Leaf) {
        self.note_order(leaf);
        self.count(leaf);
        let bytes: &[u8; LEAF_LENGTH] = leaf.as_bytes();
        self.file.update(bytes);
        self.tree.push(bytes);
        self.previous = Some(*leaf);
    }

    /// What the leaves amount to. Sealing refuses them if there is a disorder or a stranger.
    pub fn finish(self) -> FoldedLeaves {
        FoldedLeaves {
            size: self.tree.size(),
            sha256: Sha256::from_bytes(self.file.finalize().into()),
            root: self.tree.finish(),
            records: self.records,
            subjects: self.subjects,
            strangers: self.strangers,
            disorder: self.disorder,
        }
    }

    fn note_order(&mut self, leaf: &Leaf) {
        let Some(previous) = self.previous else {
            return;
        };
        if self.disorder.is_some() || previous < *leaf {
            return;
        }
        let index = self.tree.size();
        self.disorder = Some(if previous == *leaf {
            Disorder::Duplicate { index }
        } else {
            Disorder::Descending { index }
        });
    }

    fn count(&mut self, leaf: &Leaf) {
        let Some(head) = leaf.head() else {
            self.strangers += 1;
            return;
        };
        match self.tally(head) {
            Some(tally) => tally.add(head.action),
            None => self.strangers += 1,
        }
    }

    fn tally(&mut self, head: Head) -> Option<&mut Tally> {
        let tallies = match head.kind {
            Kind::Record => &mut self.records,
            Kind::Subject => &mut self.subjects,
        };
        tallies.get_mut(usize::from(head.target))
    }
}
