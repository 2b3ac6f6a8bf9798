//! What kigen writes into a client's log: certificates, and what stands between them.
//!
//! Every entry is an in-toto Statement v1 and names its own place in the log. The payload bytes are
//! the leaf: they are stored, logged and never written again.

mod closing;
mod key_rotation;
mod plan;
mod suspension;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::digest::Sha256;
use crate::statement::{
    ArtifactDigest, Controller, LONGEST_PAYLOAD, LogPlace, Statement, StatementType,
};

pub use closing::{Abort, AbortReason, Noop, NoopKind};
pub use key_rotation::{KeyRole, KeyRotation, RotatedKey};
pub use plan::{LikePlan, Plan, PlannedLimit, PlannedTarget};
pub use suspension::{Resumption, Suspension, SuspensionReason};

/// What an entry is, by its `predicateType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryType {
    #[serde(rename = "urn:kigen:plan:v1")]
    Plan,
    /// A certificate of a deletion, or of a run that had nothing to delete.
    #[serde(rename = "urn:kigen:deletion-certificate:v1")]
    Certificate,
    #[serde(rename = "urn:kigen:abort:v1")]
    Abort,
    #[serde(rename = "urn:kigen:suspension:v1")]
    Suspension,
    #[serde(rename = "urn:kigen:resumption:v1")]
    Resumption,
    #[serde(rename = "urn:kigen:key-rotation:v1")]
    KeyRotation,
}

/// A file or text, known by its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedArtifact {
    pub name: String,
    pub digest: ArtifactDigest,
}

impl NamedArtifact {
    /// The artifact `name` whose bytes have this digest.
    pub fn new(name: &str, sha256: Sha256) -> Self {
        Self {
            name: name.to_owned(),
            digest: ArtifactDigest { sha256 },
        }
    }
}

/// What one kind of entry says.
pub trait Predicate: Serialize + DeserializeOwned {
    /// The entry's type.
    const TYPE: EntryType;

    /// What the entry is about; it follows from the rest.
    fn artifacts(&self) -> Vec<NamedArtifact>;
}

/// An in-toto statement around a predicate.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryStatement<P> {
    #[serde(rename = "_type")]
    statement_type: StatementType,
    subject: Vec<NamedArtifact>,
    #[serde(rename = "predicateType")]
    predicate_type: EntryType,
    predicate: P,
}

/// One entry of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    Plan(Plan),
    Certificate(Box<Statement>),
    Noop(Noop),
    Abort(Abort),
    Suspension(Suspension),
    Resumption(Resumption),
    KeyRotation(KeyRotation),
}

/// Why an entry cannot be written or read.
#[derive(Debug, Error)]
pub enum EntryError {
    #[error("the entry has {0} bytes; at most {LONGEST_PAYLOAD} fit into a log")]
    TooLong(usize),
    #[error("the entry cannot be written")]
    Write(#[source] serde_json::Error),
    #[error("the bytes are no entry of this version: {0}")]
    Read(serde_json::Error),
    #[error("the entry is not about what it names as its subject")]
    Subject,
}

/// The bytes of an entry, to be stored and logged.
pub fn to_payload<P: Predicate>(predicate: &P) -> Result<Vec<u8>, EntryError> {
    let statement = EntryStatement {
        statement_type: StatementType::V1,
        subject: predicate.artifacts(),
        predicate_type: P::TYPE,
        predicate,
    };
    let payload = serde_json::to_vec(&statement).map_err(EntryError::Write)?;
    if payload.len() > LONGEST_PAYLOAD {
        return Err(EntryError::TooLong(payload.len()));
    }
    Ok(payload)
}

/// As much of an entry as tells how to read the rest.
#[derive(Deserialize)]
struct Peek {
    #[serde(rename = "predicateType")]
    predicate_type: EntryType,
    predicate: PeekPredicate,
}

#[derive(Deserialize)]
struct PeekPredicate {
    #[serde(default)]
    kind: Option<String>,
}

impl Entry {
    /// Reads an entry.
    ///
    /// Nothing of it is to be believed before the log's tree, with these bytes as a leaf, has the
    /// root of a signed checkpoint.
    pub fn read(payload: &[u8]) -> Result<Self, EntryError> {
        if payload.len() > LONGEST_PAYLOAD {
            return Err(EntryError::TooLong(payload.len()));
        }
        let peek: Peek = serde_json::from_slice(payload).map_err(EntryError::Read)?;
        match peek.predicate_type {
            EntryType::Plan => strict(payload).map(Self::Plan),
            EntryType::Certificate if peek.predicate.kind.as_deref() == Some(closing::NOOP) => {
                strict(payload).map(Self::Noop)
            }
            EntryType::Certificate => serde_json::from_slice(payload)
                .map(|statement| Self::Certificate(Box::new(statement)))
                .map_err(EntryError::Read),
            EntryType::Abort => strict(payload).map(Self::Abort),
            EntryType::Suspension => strict(payload).map(Self::Suspension),
            EntryType::Resumption => strict(payload).map(Self::Resumption),
            EntryType::KeyRotation => strict(payload).map(Self::KeyRotation),
        }
    }

    /// Where the entry says that it stands; a certificate without a log says nothing.
    pub fn place(&self) -> Option<&LogPlace> {
        match self {
            Self::Plan(plan) => Some(&plan.log),
            Self::Certificate(statement) => statement.predicate.log.as_ref(),
            Self::Noop(noop) => Some(&noop.log),
            Self::Abort(abort) => Some(&abort.log),
            Self::Suspension(suspension) => Some(&suspension.log),
            Self::Resumption(resumption) => Some(&resumption.log),
            Self::KeyRotation(rotation) => Some(&rotation.log),
        }
    }

    /// On whose behalf the data is kept.
    pub fn controller(&self) -> &Controller {
        match self {
            Self::Plan(plan) => &plan.controller,
            Self::Certificate(statement) => &statement.predicate.controller,
            Self::Noop(noop) => &noop.controller,
            Self::Abort(abort) => &abort.controller,
            Self::Suspension(suspension) => &suspension.controller,
            Self::Resumption(resumption) => &resumption.controller,
            Self::KeyRotation(rotation) => &rotation.controller,
        }
    }

    /// When the entry was fixed.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Plan(plan) => plan.recorded_at,
            Self::Certificate(statement) => statement.predicate.period.sealed_at,
            Self::Noop(noop) => noop.period.sealed_at,
            Self::Abort(abort) => abort.recorded_at,
            Self::Suspension(suspension) => suspension.recorded_at,
            Self::Resumption(resumption) => resumption.recorded_at,
            Self::KeyRotation(rotation) => rotation.recorded_at,
        }
    }
}

fn strict<P: Predicate>(payload: &[u8]) -> Result<P, EntryError> {
    let statement: EntryStatement<P> = serde_json::from_slice(payload).map_err(EntryError::Read)?;
    if statement.predicate_type != P::TYPE || statement.subject != statement.predicate.artifacts() {
        return Err(EntryError::Subject);
    }
    Ok(statement.predicate)
}
