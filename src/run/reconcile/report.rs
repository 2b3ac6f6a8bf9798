//! What a reconciliation says at its end: the stable, documented JSON of `reconcile`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::exit;
use crate::run::outcome::{FinishedRun, JobError};
use crate::run::restore::{ClusterLook, Lost, Source};

/// What was found, and what was removed again. Counts only.
#[derive(Clone, Debug, Serialize)]
pub struct Reconciliation {
    pub store: String,
    pub backup_time: Timestamp,
    /// Runs that went on after the backup, and touched these clusters.
    pub runs: u64,
    pub clusters: Vec<ClusterLook>,
    /// The certificates whose removals the restore has undone.
    pub certificates: Vec<UndoneCertificate>,
    /// Evidence that cannot be looked up.
    pub lost: Vec<Lost>,
    /// What is not looked for, and why.
    pub not_looked_for: Vec<NotLookedFor>,
    /// Jobs that could not be looked at.
    pub errors: BTreeMap<String, JobError>,
    /// The run that removed again what had come back; none if nothing was removed.
    pub applied: Option<FinishedRun>,
    /// Why nothing was removed, although it was asked for.
    pub refused: Option<String>,
}

/// A certificate some of whose records are there again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UndoneCertificate {
    pub certificate_id: String,
    pub run_id: String,
    pub client: String,
    /// Records and rows that are there again.
    pub back: u64,
    pub targets: Vec<UndoneTarget>,
}

/// One target of such a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UndoneTarget {
    pub index: u16,
    pub job: String,
    pub stage: String,
    pub object: String,
    pub back: u64,
}

/// Something that was removed and is not looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotLookedFor {
    pub job: String,
    /// The object store's name in `kigen.toml`.
    pub store: String,
    pub why: &'static str,
}

impl Reconciliation {
    /// Records, and rows without their records, that are there again.
    pub fn back(&self) -> u64 {
        self.clusters.iter().map(ClusterLook::all_back).sum()
    }

    /// Records and rows of which nobody can tell.
    pub fn undecided(&self) -> u64 {
        self.clusters.iter().map(ClusterLook::all_undecided).sum()
    }

    /// The documented exit code: the first of the reasons that asks most of a person.
    pub fn exit(&self) -> u8 {
        if let Some(error) = self.errors.values().next() {
            return error.exit;
        }
        if self.lost.iter().any(|lost| lost.why.is_tampering()) {
            return exit::DOES_NOT_HOLD;
        }
        if let Some(applied) = &self.applied
            && applied.exit() != exit::DONE
        {
            return applied.exit();
        }
        let is_left = self.applied.is_none() && self.back() > 0;
        if is_left || self.undecided() > 0 || self.refused.is_some() {
            return exit::NOT_GONE;
        }
        exit::DONE
    }
}

/// Which certificates are undone, and in how much.
pub(in crate::run) fn undone(
    clusters: &[ClusterLook],
    sources: &[Source],
) -> Vec<UndoneCertificate> {
    let mut by_source: BTreeMap<usize, BTreeMap<u16, u64>> = BTreeMap::new();
    for cluster in clusters {
        for (source, targets) in &cluster.by_source {
            for (target, back) in targets {
                *by_source
                    .entry(*source)
                    .or_default()
                    .entry(*target)
                    .or_default() += back;
            }
        }
    }
    let found = by_source.into_iter().filter_map(|(number, targets)| {
        let source = sources.get(number)?;
        let targets = targets.into_iter().filter_map(|(index, back)| {
            let mut known = source.targets.iter();
            let target = known.find(|target| target.index == index)?;
            Some(UndoneTarget {
                index,
                job: target.job.clone(),
                stage: target.stage.clone(),
                object: target.object.clone(),
                back,
            })
        });
        let targets: Vec<UndoneTarget> = targets.collect();
        Some(UndoneCertificate {
            certificate_id: source.certificate_id.clone(),
            run_id: source.run_id.clone(),
            client: source.client.clone(),
            back: targets.iter().map(|target| target.back).sum(),
            targets,
        })
    });
    found.collect()
}
