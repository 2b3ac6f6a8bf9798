//! What a certificate says: an in-toto Statement v1 about `leaves.bin`.
//!
//! The order of the fields is the order of the bytes. Numbers are integers, times are UTC texts,
//! unknown and repeated keys do not load. Nothing here names a person, and no word claims more
//! than a removal by a database or an object store can do.

mod checkpoint;
mod rule;
#[cfg(test)]
mod tests;
mod text;
mod words;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::digest::Sha256;
use super::dsse::Verified;

pub(super) use text::utc;

pub use checkpoint::{CheckpointError, RunCheckpoint};
pub use rule::{CertifiedApproval, CertifiedClause, CertifiedPurpose, CertifiedRule, QuotedClause};
pub use text::Numbers;
pub use words::{
    ArtifactName, CertificateKind, Counts, LeafFormat, MethodClass, PredicateType, RetainReason,
    StartingPointKind, StatementType, Status, Technique, TreeHash, Trigger, Unverifiable,
    VerificationResult,
};

/// The longest payload: an entry of a tiled log has a length of 16 bits.
pub const LONGEST_PAYLOAD: usize = 65_535;

/// The certificate of one run for one client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    #[serde(rename = "_type")]
    pub statement_type: StatementType,
    /// The one artifact that the statement is about.
    pub subject: [Artifact; 1],
    #[serde(rename = "predicateType")]
    pub predicate_type: PredicateType,
    pub predicate: Predicate,
}

/// Why a statement cannot be written or read.
#[derive(Debug, Error)]
pub enum StatementError {
    #[error("the certificate has {0} bytes; at most {LONGEST_PAYLOAD} fit into a log entry")]
    TooLong(usize),
    #[error("the certificate cannot be written")]
    Write(#[source] serde_json::Error),
    #[error("the signed bytes are no deletion certificate of version 1: {0}")]
    Read(serde_json::Error),
}

impl Statement {
    /// A certificate about the `leaves.bin` with this digest.
    pub fn new(leaves: Sha256, predicate: Predicate) -> Self {
        Self {
            statement_type: StatementType::V1,
            subject: [Artifact {
                name: ArtifactName::Leaves,
                digest: ArtifactDigest { sha256: leaves },
            }],
            predicate_type: PredicateType::V1,
            predicate,
        }
    }

    /// The bytes to be stored, signed and never written again.
    pub fn to_payload(&self) -> Result<Vec<u8>, StatementError> {
        let payload = serde_json::to_vec(self).map_err(StatementError::Write)?;
        if payload.len() > LONGEST_PAYLOAD {
            return Err(StatementError::TooLong(payload.len()));
        }
        Ok(payload)
    }

    /// Reads a statement out of bytes whose signature held.
    pub fn read(verified: &Verified) -> Result<Self, StatementError> {
        serde_json::from_slice(verified.payload()).map_err(StatementError::Read)
    }

    /// The digest that `leaves.bin` must have.
    pub fn leaves_digest(&self) -> Sha256 {
        let [artifact] = &self.subject;
        artifact.digest.sha256
    }
}

/// A file, known by its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    pub name: ArtifactName,
    pub digest: ArtifactDigest,
}

/// The digests of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArtifactDigest {
    pub sha256: Sha256,
}

/// What is certified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Predicate {
    pub certificate_id: String,
    pub kind: CertificateKind,
    pub status: Status,
    /// The certificate's place in the log of its client; absent as long as there is no log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogPlace>,
    pub issuer: Issuer,
    pub controller: Controller,
    pub trigger: Trigger,
    pub run: Run,
    pub period: RunPeriod,
    pub targets: Vec<Target>,
    /// The certificates whose removals a restored backup had undone, and which this run carries out
    /// again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reconciles: Vec<Reconciled>,
    /// The clauses that the rules carry out, word by word, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clauses: Vec<QuotedClause>,
    /// Where copies stay for a while, and until when.
    pub residuals: Vec<Residual>,
    pub evidence: Evidence,
}

/// An earlier certificate that a run carries out again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Reconciled {
    pub certificate_id: String,
    /// Digest of its signed bytes.
    pub payload_sha256: Sha256,
}

/// A place in an append-only log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct LogPlace {
    pub origin: String,
    pub index: u64,
    /// The log's head before this entry: the certificate cannot be older than it.
    pub previous_checkpoint: String,
    /// The plan that this entry closes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<EntryPlace>,
}

/// Another entry of the same log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct EntryPlace {
    pub index: u64,
    pub payload_sha256: Sha256,
}

/// Who certifies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Issuer {
    pub organization: String,
    /// 法人番号, 13 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corporate_number: Option<String>,
    pub worker: Worker,
}

/// The program that removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Worker {
    pub name: String,
    pub version: String,
}

/// On whose behalf the data was kept (委託元).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Controller {
    pub client: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
}

/// The run that the certificate closes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Run {
    pub id: String,
    /// The day for which the rules were decided.
    pub as_of: Date,
    /// Whose calendar that day belongs to.
    pub time_zone: String,
}

/// When the run went on, in UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RunPeriod {
    #[serde(with = "text::utc")]
    pub started_at: Timestamp,
    #[serde(with = "text::utc")]
    pub finished_at: Timestamp,
    #[serde(with = "text::utc")]
    pub sealed_at: Timestamp,
}

/// One table or bucket, and what became of its records in one stage of one job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Target {
    /// The number that the leaves of this target carry. Targets stand in the order of their numbers;
    /// those of the run's targets that concern other clients only are left out.
    pub index: u16,
    pub job: String,
    pub stage: String,
    pub store: Store,
    /// `schema.table`, or the bucket.
    pub object: String,
    /// The relation that the table's name stood for, where it says more than the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relation: Option<String>,
    /// Digest of the report on the schema that the job met (`kigen check --connect`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inspection_sha256: Option<Sha256>,
    pub data_categories: Vec<String>,
    pub rule: CertifiedRule,
    pub method: Method,
    pub counts: Counts,
    /// Removals of a key that the same run had removed before: they have no leaf of their own.
    pub repeated: u64,
    /// Which purpose ended last, and for how many records.
    pub ended_by: Numbers,
    /// How many records were looked at and kept, by reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained: Option<Numbers>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<StoreVerification>,
}

/// A store, as its operator knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    pub id: String,
    pub engine: String,
}

/// What was done to a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Method {
    pub class: MethodClass,
    pub technique: Technique,
}

/// A look back into the store after the removal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreVerification {
    /// `requery-keys`, `requery-full`, `requery-sample`, `relist-versions`.
    pub method: String,
    /// How many were looked at: records that are present, or versions that were removed.
    pub checked: u64,
    /// How many of those that were removed were still there, or there again.
    pub remaining: u64,
    pub result: VerificationResult,
    /// Why nothing can be said, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Unverifiable>,
    #[serde(with = "text::utc")]
    pub at: Timestamp,
}

/// A place where copies of removed records may remain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Residual {
    #[serde(rename = "where")]
    pub place: String,
    /// How long that place keeps a copy, in ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_by: Option<Date>,
}

/// What the leaves amount to, and until when they can be opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Evidence {
    pub tree: TreeHash,
    pub leaf_format: LeafFormat,
    pub leaves: LeafTotals,
    pub run_checkpoint: RunCheckpoint,
    pub evidence_key: EvidenceKey,
}

/// Number of leaves by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeafTotals {
    pub record: u64,
    pub subject: u64,
}

/// The key under which the run's own key is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct EvidenceKey {
    pub id: String,
    /// The last day on which leaves can be opened; after it the key is destroyed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destroy_after: Option<Date>,
}
