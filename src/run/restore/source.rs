//! The certificates of earlier runs with their leaves and keys, fetched and checked.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;
use jiff::civil::Date;
use kigen_evidence::digest::Sha256;
use kigen_evidence::leaf::{Action, LEAF_LENGTH, Leaf, RunKey};
use kigen_evidence::statement::{Statement, Target, Technique};
use sha2::Digest;

use crate::archive::{Archive, client_folder, read_through};
use crate::job::Job;
use crate::keyring::{Keyring, NoRunKey};
use crate::ledger::entry::{IdentityEntry, JobEntry, TargetEntry};
use crate::ledger::error::LedgerError;
use crate::ledger::fold::{RunRecord, fold_runs};
use crate::ledger::{CertificateFilter, CertificateMatch, Ledger, StoredCertificate};
use crate::progress::Progress;
use crate::run::targets;

use super::error::RestoreError;
use super::leaf_index::LeafIndex;
use super::lost::{Lost, Why};

/// What one run removed for one client, ready to be known again.
pub(in crate::run) struct Source {
    pub(in crate::run) run_id: String,
    /// The latest day for which the run decided what is due.
    pub(in crate::run) as_of: Date,
    pub(in crate::run) certificate_id: String,
    pub(in crate::run) client: String,
    pub(in crate::run) payload_sha256: Sha256,
    pub(in crate::run) key: RunKey,
    pub(in crate::run) targets: Vec<SourceTarget>,
    /// The part of the index that has its leaves.
    pub(in crate::run) part: usize,
}

/// One target of rows.
#[derive(Clone, Debug)]
pub(in crate::run) struct SourceTarget {
    pub(in crate::run) index: u16,
    pub(in crate::run) job: String,
    pub(in crate::run) stage: String,
    pub(in crate::run) store: String,
    pub(in crate::run) object: String,
    pub(in crate::run) action: Action,
    /// Digest of the job's file as it was.
    pub(in crate::run) rule_sha256: String,
    /// By what the leaves know a record and a person.
    pub(in crate::run) identity: Option<IdentityEntry>,
}

impl SourceTarget {
    /// A certified target, or `None` if it is no table.
    fn certified(target: &Target, jobs: &[JobEntry]) -> Option<Self> {
        let action = match target.method.technique {
            Technique::SqlDelete => Action::RowDeleted,
            Technique::SqlUpdate => Action::Pseudonymized,
            Technique::DeleteByVersion | Technique::RemoveFile => return None,
        };
        Some(Self {
            index: target.index,
            job: target.job.clone(),
            stage: target.stage.clone(),
            store: target.store.id.clone(),
            object: target.object.clone(),
            action,
            rule_sha256: target.rule.sha256.to_string(),
            identity: identity(&target.job, jobs),
        })
    }

    /// Whether the leaves of the target know records and persons by what `job` knows them now.
    pub(super) fn is_known_by(&self, job: &Job) -> bool {
        let Some(then) = &self.identity else {
            return self.rule_sha256 == job.sha256;
        };
        let now = targets::identity(job);
        then.keys.get(&self.object) == now.keys.get(&self.object)
            && then.subject_kind == now.subject_kind
            && then.subject_column == now.subject_column
    }

    /// A target of a run that is to be certified, or `None` if it is no table.
    pub(in crate::run) fn recorded(target: &TargetEntry, jobs: &[JobEntry]) -> Option<Self> {
        let action = Action::from_code(target.action)?;
        let is_row = matches!(action, Action::RowDeleted | Action::Pseudonymized);
        is_row.then(|| Self {
            index: target.index,
            job: target.job.clone(),
            stage: target.stage.clone(),
            store: target.store.clone(),
            object: target.object.clone(),
            action,
            rule_sha256: target.rule_sha256.clone(),
            identity: identity(&target.job, jobs),
        })
    }
}

fn identity(job: &str, jobs: &[JobEntry]) -> Option<IdentityEntry> {
    let mut jobs = jobs.iter();
    jobs.find(|entry| entry.job == job)?.identity.clone()
}

/// Which removals are asked about.
#[derive(Clone, Debug)]
pub(in crate::run) enum Wanted {
    /// Those of runs that went on after this moment.
    After(Timestamp),
    /// Those of one run.
    Run(String),
    /// Those of one certificate.
    Certificate(String),
    All,
}

/// Everything that could be fetched, and what could not.
pub(in crate::run) struct Collected {
    pub(in crate::run) sources: Vec<Source>,
    pub(in crate::run) lost: Vec<Lost>,
    pub(in crate::run) leaf_index: LeafIndex,
    /// Runs that are asked about.
    pub(in crate::run) runs: u64,
}

/// Where evidence is.
pub(in crate::run) struct CertificateSource<'a> {
    pub(in crate::run) ledger: &'a dyn Ledger,
    pub(in crate::run) keyring: &'a Keyring,
    pub(in crate::run) place: &'a dyn Archive,
    pub(in crate::run) work_folder: &'a Path,
    pub(in crate::run) progress: &'a Progress,
}

/// Fetches the evidence of what is `wanted`, as far as it concerns one of `clusters`.
pub(in crate::run) async fn collect(
    archive: &CertificateSource<'_>,
    wanted: &Wanted,
    clusters: &BTreeSet<&str>,
) -> Result<Collected, RestoreError> {
    let mut open = Vec::new();
    let mut lost = Vec::new();
    let mut runs = 0;
    let mut leaves = 0_u64;
    for run in runs_of(archive.ledger, wanted).await? {
        let touched = touched(&run, clusters);
        if touched.is_empty() {
            continue;
        }
        runs += 1;
        if run.certificate_ids.is_none() {
            lost.push(of_run(&run, touched, Why::NotCertified));
            continue;
        }
        for certificate in certificates(archive.ledger, &run.run_id, wanted).await? {
            let statement = statement(&certificate)?;
            let totals = statement.predicate.evidence.leaves;
            leaves = leaves
                .saturating_add(totals.record)
                .saturating_add(totals.subject);
            open.push((run.clone(), certificate, statement));
        }
    }
    let at_work = |source| RestoreError::Work {
        folder: archive.work_folder.to_owned(),
        source,
    };
    crate::archive::make_folder(archive.work_folder)?;
    let mut leaf_index = LeafIndex::new(archive.work_folder, leaves).map_err(at_work)?;
    let mut sources = Vec::new();
    archive.progress.step(open.len() as u64, "evidence");
    for (run, certificate, statement) in open {
        let concerned = certified_clusters(&statement, clusters);
        if concerned.is_empty() {
            archive.progress.advance(1);
            continue;
        }
        match source(archive, &run, &certificate, &statement, &mut leaf_index).await? {
            Ok(source) => sources.push(source),
            Err(why) => lost.push(Lost {
                certificate_id: Some(certificate.summary.certificate_id),
                client: Some(certificate.summary.client),
                ..of_run(&run, concerned, why)
            }),
        }
        archive.progress.advance(1);
    }
    leaf_index.finish().map_err(at_work)?;
    archive.progress.finish();
    Ok(Collected {
        sources,
        lost,
        leaf_index,
        runs,
    })
}

fn of_run(run: &RunRecord, clusters: BTreeSet<String>, why: Why) -> Lost {
    Lost {
        run_id: run.run_id.clone(),
        certificate_id: None,
        client: None,
        clusters,
        why,
    }
}

async fn runs_of(ledger: &dyn Ledger, wanted: &Wanted) -> Result<Vec<RunRecord>, RestoreError> {
    let entries = match wanted {
        Wanted::Run(run_id) => ledger.entries_of(run_id).await?,
        Wanted::Certificate(id) => match ledger.certificate(id).await? {
            CertificateMatch::One(found) => ledger.entries_of(&found.summary.run_id).await?,
            CertificateMatch::None | CertificateMatch::Several(_) => Vec::new(),
        },
        Wanted::After(_) | Wanted::All => ledger.entries(None, None).await?,
    };
    let mut runs = fold_runs(&entries);
    if let Wanted::After(moment) = wanted {
        // What a run removed before it ended may have been removed after the moment.
        runs.retain(|run| run.finished.is_none_or(|(at, _)| at > *moment));
    }
    Ok(runs)
}

/// Those of `clusters` that the run may have removed from.
fn touched(run: &RunRecord, clusters: &BTreeSet<&str>) -> BTreeSet<String> {
    let targets = run.started.targets.iter();
    let jobs = targets.map(|target| &target.job);
    jobs.filter(|job| clusters.contains(job.as_str()))
        .cloned()
        .collect()
}

fn certified_clusters(statement: &Statement, clusters: &BTreeSet<&str>) -> BTreeSet<String> {
    let targets = statement.predicate.targets.iter();
    let jobs = targets.map(|target| &target.job);
    jobs.filter(|job| clusters.contains(job.as_str()))
        .cloned()
        .collect()
}

async fn certificates(
    ledger: &dyn Ledger,
    run_id: &str,
    wanted: &Wanted,
) -> Result<Vec<StoredCertificate>, RestoreError> {
    let filter = CertificateFilter {
        run_id: Some(run_id.to_owned()),
        ..CertificateFilter::default()
    };
    let mut found = Vec::new();
    for summary in ledger.certificates(&filter).await? {
        if let Wanted::Certificate(id) = wanted
            && !summary.certificate_id.starts_with(id.as_str())
        {
            continue;
        }
        if let CertificateMatch::One(one) = ledger.certificate(&summary.certificate_id).await? {
            found.push(*one);
        }
    }
    // Those of one run were made at one time.
    found.sort_by(|one, other| one.summary.client.cmp(&other.summary.client));
    Ok(found)
}

fn statement(certificate: &StoredCertificate) -> Result<Statement, RestoreError> {
    // The ledger's own bytes, whose digest it has just compared.
    serde_json::from_slice(&certificate.payload)
        .map_err(|_| RestoreError::Certificate(certificate.summary.certificate_id.clone()))
}

/// One certificate, its key and its leaves; or why they cannot be had.
async fn source(
    archive: &CertificateSource<'_>,
    run: &RunRecord,
    certificate: &StoredCertificate,
    statement: &Statement,
    leaf_index: &mut LeafIndex,
) -> Result<Result<Source, Why>, RestoreError> {
    let key = match run_key(archive.ledger, archive.keyring, &run.run_id).await? {
        Ok(key) => key,
        Err(why) => return Ok(Err(why)),
    };
    let summary = &certificate.summary;
    let path = format!(
        "{}/{}/leaves.bin",
        client_folder(&summary.client),
        client_folder(&run.run_id)
    );
    let part = leaf_index.begin();
    let digest = fetch(archive, &path, leaf_index).await?;
    let is_published = run.published.contains(&summary.certificate_id);
    match digest {
        None if is_published => return Ok(Err(Why::LeavesMissing)),
        None => return Ok(Err(Why::NotPublished)),
        Some(digest) if digest != statement.leaves_digest() => {
            return Ok(Err(Why::LeavesChanged));
        }
        Some(_) => {}
    }
    let targets = statement.predicate.targets.iter();
    Ok(Ok(Source {
        run_id: run.run_id.clone(),
        as_of: run.started.last_day(),
        certificate_id: summary.certificate_id.clone(),
        client: summary.client.clone(),
        payload_sha256: Sha256::of(&certificate.payload),
        key,
        targets: targets
            .filter_map(|target| SourceTarget::certified(target, &run.started.jobs))
            .collect(),
        part,
    }))
}

/// The key of a run; or why it cannot be had.
pub(in crate::run) async fn run_key(
    ledger: &dyn Ledger,
    keyring: &Keyring,
    run_id: &str,
) -> Result<Result<RunKey, Why>, LedgerError> {
    let opened = keyring.run_key(ledger, run_id).await?;
    Ok(opened.map_err(|error| match error {
        NoRunKey::Destroyed => Why::KeyDestroyed,
        NoRunKey::NotInKeyring | NoRunKey::Unusable(_) => Why::KeyUnusable,
    }))
}

/// Adds the leaves at `path` to the index; their digest, or `None` if there are none.
async fn fetch(
    archive: &CertificateSource<'_>,
    path: &str,
    leaf_index: &mut LeafIndex,
) -> Result<Option<Sha256>, RestoreError> {
    let mut digest = sha2::Sha256::new();
    let mut rest: Vec<u8> = Vec::new();
    let is_there = read_through(archive.place, path, |bytes| {
        digest.update(bytes);
        rest.extend_from_slice(bytes);
        let (leaves, left) = rest.as_chunks::<LEAF_LENGTH>();
        for leaf in leaves {
            let pushed = leaf_index.push(&Leaf::from_bytes(*leaf));
            pushed.map_err(|source| RestoreError::Work {
                folder: archive.work_folder.to_owned(),
                source,
            })?;
        }
        rest = left.to_vec();
        Ok::<_, RestoreError>(())
    });
    if !is_there.await? {
        return Ok(None);
    }
    // Bytes behind the last whole leaf show in the digest.
    Ok(Some(Sha256::from_bytes(digest.finalize().into())))
}
