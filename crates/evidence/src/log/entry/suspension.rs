//! A time without runs, so that the missing certificates have a reason.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::statement::{Controller, EntryPlace, Issuer, LogPlace, utc};

use super::{EntryType, NamedArtifact, Predicate};

/// From here on nothing of this client is disposed of, until a [`Resumption`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Suspension {
    pub log: LogPlace,
    pub issuer: Issuer,
    pub controller: Controller,
    /// The clusters that are suspended; all of them if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clusters: Option<Vec<String>>,
    pub reason: SuspensionReason,
    /// When somebody looks again whether the reason still holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_on: Option<Date>,
    #[serde(with = "utc")]
    pub recorded_at: Timestamp,
}

/// Why disposal is suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SuspensionReason {
    LegalHold,
    /// The client asked for it.
    RequestOfClient,
    /// Something went wrong, and is looked into.
    Incident,
    Maintenance,
    /// The contract with the client is over, or not yet in force.
    Contract,
}

impl SuspensionReason {
    /// The word for it in entries, in the ledger and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LegalHold => "legal-hold",
            Self::RequestOfClient => "request-of-client",
            Self::Incident => "incident",
            Self::Maintenance => "maintenance",
            Self::Contract => "contract",
        }
    }
}

impl Predicate for Suspension {
    const TYPE: EntryType = EntryType::Suspension;

    /// The head of the log at which runs stop.
    fn artifacts(&self) -> Vec<NamedArtifact> {
        let head = Sha256::of(self.log.previous_checkpoint.as_bytes());
        vec![NamedArtifact::new("previousCheckpoint", head)]
    }
}

/// The end of a suspension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Resumption {
    pub log: LogPlace,
    pub issuer: Issuer,
    pub controller: Controller,
    pub suspension: EntryPlace,
    #[serde(with = "utc")]
    pub recorded_at: Timestamp,
}

impl Predicate for Resumption {
    const TYPE: EntryType = EntryType::Resumption;

    /// The suspension's own bytes.
    fn artifacts(&self) -> Vec<NamedArtifact> {
        let suspension = self.suspension.payload_sha256;
        vec![NamedArtifact::new("suspension", suspension)]
    }
}
