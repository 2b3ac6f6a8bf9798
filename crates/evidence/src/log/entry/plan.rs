//! What a run is about to do, written down before its first removal.
//!
//! A run that was left out, or that died, stays behind as an open plan that everybody sees.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::statement::{
    CertifiedRule, Controller, EntryPlace, Issuer, LogPlace, Method, Run, Store, Target, Trigger,
    utc,
};

use super::{EntryType, NamedArtifact, Predicate};

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
    /// The earlier plan that names the targets: then `targets` is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub like: Option<LikePlan>,
    pub targets: Vec<PlannedTarget>,
}

/// The targets of an earlier plan of the same log, on another day. Most nights have the same targets as
/// the night before, and a log that named all of them each time would be little else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LikePlan {
    /// A plan that names its targets itself.
    pub plan: EntryPlace,
    /// For each of its targets the cutoffs of the purposes, in their order.
    pub cutoffs: Vec<Vec<Date>>,
}

impl Plan {
    /// The same plan without its targets, if `earlier`, which stands at `place`, names the same ones.
    #[must_use]
    pub fn shortened(self, earlier: &Self, place: EntryPlace) -> Self {
        let cutoffs: Vec<Vec<Date>> = self.targets.iter().map(PlannedTarget::cutoffs).collect();
        let like = LikePlan {
            plan: place,
            cutoffs,
        };
        if earlier.targets_on(&like).as_ref() != Some(&self.targets) {
            return self;
        }
        Self {
            like: Some(like),
            targets: Vec::new(),
            ..self
        }
    }

    /// The targets of this plan on the day that `like` tells by its cutoffs; `None` if it names none
    /// itself, or if they do not fit.
    pub fn targets_on(&self, like: &LikePlan) -> Option<Vec<PlannedTarget>> {
        if self.like.is_some() || self.targets.len() != like.cutoffs.len() {
            return None;
        }
        let targets = self.targets.iter().zip(&like.cutoffs);
        targets
            .map(|(target, cutoffs)| target.clone().with_cutoffs(cutoffs))
            .collect()
    }
}

/// One stage of one job: which rule would be carried out where, with which cutoffs and limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PlannedTarget {
    /// The number that the target has in the certificate.
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
    fn cutoffs(&self) -> Vec<Date> {
        let purposes = self.rule.purposes.iter();
        purposes.map(|purpose| purpose.cutoff).collect()
    }

    fn with_cutoffs(mut self, cutoffs: &[Date]) -> Option<Self> {
        if self.rule.purposes.len() != cutoffs.len() {
            return None;
        }
        for (purpose, cutoff) in self.rule.purposes.iter_mut().zip(cutoffs) {
            purpose.cutoff = *cutoff;
        }
        Some(self)
    }

    /// Whether `target` of a certificate is what this announced: the same rule at the same place.
    pub fn announces(&self, target: &Target) -> bool {
        let place = (
            self.index,
            &self.job,
            &self.stage,
            &self.store,
            &self.object,
            &self.relation,
            &self.inspection_sha256,
        );
        let found = (
            target.index,
            &target.job,
            &target.stage,
            &target.store,
            &target.object,
            &target.relation,
            &target.inspection_sha256,
        );
        place == found && self.rule == target.rule && self.method == target.method
    }
}

impl Predicate for Plan {
    const TYPE: EntryType = EntryType::Plan;

    /// The files of the jobs, by their digests; or the earlier plan that names them.
    fn artifacts(&self) -> Vec<NamedArtifact> {
        let like = self.like.iter();
        let like = like.map(|like| NamedArtifact::new("plan", like.plan.payload_sha256));
        let mut artifacts: Vec<NamedArtifact> = like.collect();
        for target in &self.targets {
            let artifact = NamedArtifact::new(&target.job, target.rule.sha256);
            if !artifacts.contains(&artifact) {
                artifacts.push(artifact);
            }
        }
        artifacts
    }
}
