//! What closes a plan if nothing was removed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::statement::{Controller, Issuer, LogPlace, Run, RunPeriod, Trigger, utc};

use super::{EntryType, NamedArtifact, Predicate};

/// How a certificate of a run without removals is told from one of a deletion.
pub(super) const NOOP: &str = "noop";

/// The kind of a certificate of a run without removals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoopKind {
    Noop,
}

/// The certificate of a run that had nothing of this client to remove.
///
/// Without it nobody could tell a quiet night from a night that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Noop {
    pub certificate_id: String,
    pub kind: NoopKind,
    pub log: LogPlace,
    pub issuer: Issuer,
    pub controller: Controller,
    pub trigger: Trigger,
    pub run: Run,
    pub period: RunPeriod,
}

impl Predicate for Noop {
    const TYPE: EntryType = EntryType::Certificate;

    /// A `leaves.bin` without leaves.
    fn artifacts(&self) -> Vec<NamedArtifact> {
        vec![NamedArtifact::new("leaves.bin", Sha256::of(b""))]
    }
}

/// The end of a plan that came to nothing: no record was removed under it, and none will be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Abort {
    /// Names the plan.
    pub log: LogPlace,
    pub issuer: Issuer,
    pub controller: Controller,
    pub run: Run,
    pub reason: AbortReason,
    #[serde(with = "utc")]
    pub recorded_at: Timestamp,
}

/// Why a plan came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AbortReason {
    /// More was due than the limits allow.
    LimitExceeded,
    /// Nobody approved the plan.
    NotApproved,
    StoreUnreachable,
    /// The store does not fit its job any more.
    StoreChanged,
    /// A person or the kill switch stopped the run.
    Stopped,
    /// The run failed in a way that is none of these.
    Failed,
}

impl Predicate for Abort {
    const TYPE: EntryType = EntryType::Abort;

    /// The plan's own bytes.
    fn artifacts(&self) -> Vec<NamedArtifact> {
        let plan = self.log.plan.iter();
        plan.map(|plan| NamedArtifact::new("plan", plan.payload_sha256))
            .collect()
    }
}
