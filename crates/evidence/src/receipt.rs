//! Proof for one record and for one person: a C2SP tlog-proof whose `extra` line opens the leaf.
//!
//! A receipt is for the person concerned and for nobody else. It tells nothing about any other
//! record, and holds after the run's key is gone.

mod search;
#[cfg(test)]
mod tests;

use ed25519_dalek::VerifyingKey;
use thiserror::Error;

use super::leaf::{Action, Head, Leaf, Opening, OpeningError};
use super::log::checkpoint::Checkpoint;
use super::log::note::Note;
use super::log::proof::{LogProof, LogProofError};
use super::log::vkey::{KeyType, NoteKey};
use super::merkle::{Hash, VerifyError, leaf_hash, root_from_path};
use super::statement::Statement;

pub use search::{FoundLeaf, SearchError, find_record, find_subject};

/// Which action and target the leaf of a receipt may have. They are a part of the leaf, but not
/// of the receipt: who checks finds them by trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heads {
    /// This action and target only.
    One(Action, u16),
    /// Every action on the targets below this number.
    Below(u16),
}

impl Heads {
    /// As many targets as `scripts/auditor/verify_receipt.sh` tries of its own accord.
    pub const DEFAULT: Self = Self::Below(16);
}

/// What a receipt has proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The record or the person. Personal data.
    pub opening: Opening,
    /// What became of it, and in which target of the certificate.
    pub head: Head,
    /// The place of the leaf in `leaves.bin`.
    pub index: u64,
    /// The head of the run's tree, which the certificate names.
    pub checkpoint: Checkpoint,
    /// The log's key that signed it.
    pub key: NoteKey,
}

/// Why a receipt proves nothing.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ReceiptError {
    #[error(transparent)]
    Proof(#[from] LogProofError),
    #[error("the receipt has no `extra` line that opens a leaf")]
    NoOpening,
    #[error(transparent)]
    Opening(#[from] OpeningError),
    #[error("the receipt's checkpoint is about `{origin}`, which is no run of the log `{log}`")]
    Origin { origin: String, log: String },
    #[error(transparent)]
    Path(#[from] VerifyError),
    #[error(
        "the leaf that the receipt opens is not in the tree that its checkpoint signs\nhint: a target with a number above those that were tried has to be named"
    )]
    NotIncluded,
}

/// Puts a receipt together. Its file is its `Display`.
///
/// `checkpoint` is the run's checkpoint under the log's key, `path` that of the leaf at `index`.
pub fn issue(opening: &Opening, index: u64, path: Vec<Hash>, checkpoint: Note) -> LogProof {
    LogProof {
        extra: Some(opening.to_bytes()),
        index,
        path,
        checkpoint,
    }
}

/// Checks the receipt in `file` against the keys of logs.
pub fn verify(file: &str, keys: &[NoteKey], heads: Heads) -> Result<Proven, ReceiptError> {
    let proof: LogProof = file.parse()?;
    let (checkpoint, note) = proof.open(keys)?;
    let is_log = |key: &&NoteKey| key.key_type() == KeyType::Note;
    let mut signers = note.signers().iter().map(|signer| &signer.key);
    let key = signers.find(is_log).ok_or(ReceiptError::Origin {
        origin: checkpoint.origin().to_owned(),
        log: String::new(),
    })?;
    if !is_run_of(checkpoint.origin(), key.name()) {
        return Err(ReceiptError::Origin {
            origin: checkpoint.origin().to_owned(),
            log: key.name().to_owned(),
        });
    }
    let extra = proof.extra.as_deref().ok_or(ReceiptError::NoOpening)?;
    let opening = Opening::parse(extra)?;
    let head = find_head(&proof, &checkpoint, &opening, heads)?;
    Ok(Proven {
        opening,
        head,
        index: proof.index,
        checkpoint,
        key: key.clone(),
    })
}

/// `key` under each name with which it may have signed the receipt in `file`: for who holds a key
/// without its name, as a PEM file. Nothing is checked yet.
pub fn named(file: &str, key: &VerifyingKey) -> Result<Vec<NoteKey>, ReceiptError> {
    let proof: LogProof = file.parse()?;
    let names = proof.checkpoint.signatures().iter();
    let keys = names.filter_map(|line| {
        let named = NoteKey::new(line.name(), KeyType::Note, *key).ok()?;
        (named.id() == line.id()).then_some(named)
    });
    Ok(keys.collect())
}

impl Proven {
    /// The leaf that the receipt opens.
    pub fn leaf(&self) -> Leaf {
        self.opening.leaf(self.head.action, self.head.target)
    }

    /// Whether the receipt belongs to the certificate that says `statement`.
    pub fn belongs_to(&self, statement: &Statement) -> bool {
        let predicate = &statement.predicate;
        let mut targets = predicate.targets.iter();
        *predicate.evidence.run_checkpoint.as_checkpoint() == self.checkpoint
            && targets.any(|target| target.index == self.head.target)
    }
}

/// Whether `origin` names one run of the log `log`.
fn is_run_of(origin: &str, log: &str) -> bool {
    origin
        .strip_prefix(log)
        .and_then(|rest| rest.strip_prefix("/run/"))
        .is_some_and(|run| !run.is_empty())
}

fn find_head(
    proof: &LogProof,
    checkpoint: &Checkpoint,
    opening: &Opening,
    heads: Heads,
) -> Result<Head, ReceiptError> {
    let kind = opening.kind();
    let (targets, actions) = match heads {
        Heads::One(action, target) => (target..=target, vec![action]),
        Heads::Below(0) => return Err(ReceiptError::NotIncluded),
        Heads::Below(targets) => (0..=targets - 1, Action::ALL.to_vec()),
    };
    for target in targets {
        for action in &actions {
            let action = *action;
            let leaf = leaf_hash(opening.leaf(action, target).as_bytes());
            let (index, size) = (proof.index, checkpoint.size());
            if root_from_path(&leaf, index, size, &proof.path)? == *checkpoint.root() {
                return Ok(Head {
                    kind,
                    action,
                    target,
                });
            }
        }
    }
    Err(ReceiptError::NotIncluded)
}
