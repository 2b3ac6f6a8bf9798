//! On which grounds something was removed: the rule, its clause, its approval, its purposes.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::digest::Sha256;

/// The rule that was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertifiedRule {
    pub cluster: String,
    /// Digest of the job's file.
    pub sha256: Sha256,
    /// Who approved the rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<CertifiedApproval>,
    pub clause: CertifiedClause,
    pub purposes: Vec<CertifiedPurpose>,
}

/// The published clause that the rule carries out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CertifiedClause {
    pub document: String,
    pub version: String,
    pub text_sha256: Sha256,
}

/// One purpose, its period and the border it had in this run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CertifiedPurpose {
    pub name: String,
    pub starting_point: String,
    /// ISO 8601.
    pub period: String,
    /// The purpose had ended for records whose starting point lay before this day.
    pub cutoff: Date,
}

/// Who approved a rule. A role and a ticket: the names of staff are personal data too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertifiedApproval {
    pub role: String,
    pub ticket: String,
}

/// A clause, word by word, known by the digest of its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct QuotedClause {
    pub text_sha256: Sha256,
    pub text: String,
}
