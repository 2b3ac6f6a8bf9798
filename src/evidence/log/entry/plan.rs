//! What a run is about to do, written down before its first removal.
//!
//! A run that was left out, or that died, stays behind as an open plan that everybody sees.

use jiff::Timestamp;
use serde::Deserialize;
use serde::Serialize;

use crate::evidence::statement::CertifiedRule;
use crate::evidence::statement::Controller;
use crate::evidence::statement::Issuer;
use crate::evidence::statement::LogPlace;
use crate::evidence::statement::Method;
use crate::evidence::statement::Run;
use crate::evidence::statement::Store;
use crate::evidence::statement::Target;
use crate::evidence::statement::Trigger;
use crate::evidence::statement::utc;

use super::EntryType;
use super::NamedArtifact;
use super::Predicate;

/// The plan of one run, as far as it concerns this client.
///
/// It counts nothing: what is due is counted over all clients, and is not this one's business.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Plan {
    pub log: LogPlace,
    pub issuer: Issuer,
    pub controller: Controller,
    pub trigger: Trigger,
    pub run: Run,
    #[serde(with = "utc")]
    pub recorded_at: Timestamp,
    pub targets: Vec<PlannedTarget>,
}

/// One stage of one job: which rule would be carried out where, with which cutoffs and limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedTarget {
    /// The number that the target has in the certificate.
    pub index: u16,
    pub job: String,
    pub stage: String,
    pub store: Store,
    /// `schema.table`, or the bucket.
    pub object: String,
    pub rule: CertifiedRule,
    pub method: Method,
    pub limit: PlannedLimit,
}

/// The most that the run may dispose of in this job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PlannedLimit {
    pub max_records: u64,
    /// Percent of the cluster's records, as the job's file writes it.
    pub max_percent: String,
    pub max_persons: u64,
}

impl PlannedTarget {
    /// Whether `target` of a certificate is what this announced: the same rule at the same place.
    pub fn announces(&self, target: &Target) -> bool {
        let place = (
            self.index,
            &self.job,
            &self.stage,
            &self.store,
            &self.object,
        );
        let found = (
            target.index,
            &target.job,
            &target.stage,
            &target.store,
            &target.object,
        );
        place == found && self.rule == target.rule && self.method == target.method
    }
}

impl Predicate for Plan {
    const TYPE: EntryType = EntryType::Plan;

    /// The files of the jobs, by their digests.
    fn artifacts(&self) -> Vec<NamedArtifact> {
        let mut artifacts: Vec<NamedArtifact> = Vec::new();
        for target in &self.targets {
            let artifact = NamedArtifact::new(&target.job, target.rule.sha256);
            if !artifacts.contains(&artifact) {
                artifacts.push(artifact);
            }
        }
        artifacts
    }
}
