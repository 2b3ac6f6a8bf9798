//! After a store was restored from a backup: what had been removed since is found, and removed again.
//!
//! Journal and fences of the restored database are as old as the backup, so nothing is taken from
//! them: the ledger says what was removed, the leaves say of which records.

mod report;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::announce::Clients;
use super::day::Day;
use super::error::RunError;
use super::execute::{self, Again, Environment, RunRequest};
use super::execute_job::JobAgain;
use super::lock::{Begin, Begun, Purpose};
use super::open::Inventories;
use super::outcome::JobError;
use super::plan::{self, Wants};
use super::restore::{
    self, CertificateSource, ClusterIndex, ClusterLook, Collected, Knowledge, RestoreError, Source,
    Wanted,
};
use super::restored;
use crate::archive;
use crate::job::Job;
use crate::keyring::Keyring;
use crate::ledger::entry::{ReconciledEntry, ReconcilesEntry, Trigger};
use crate::store::{Due, Survey, TokenKey};

pub(super) use report::undone;
pub use report::{NotLookedFor, Reconciliation, UndoneCertificate, UndoneTarget};

/// The most certificates of one client that a new one can refer to: a certificate has at most
/// 65,535 bytes.
const MOST_CERTIFICATES: usize = 200;

/// Objects lie behind their rows only: a bucket is not listed as a whole.
const OBJECTS: &str = "objects are looked for through the rows that name them; one whose row is not \
                       there again is not found";

/// What is to be reconciled.
pub struct ReconcileRequest<'a> {
    /// Name of the restored store in `kigen.toml`.
    pub store: &'a str,
    /// When the backup was taken.
    pub backup_time: Timestamp,
    /// The jobs of that store, in run order.
    pub jobs: &'a [&'a Job],
    /// Every job of the folder: a killed run may have had others.
    pub all_jobs: &'a [Job],
    pub day: Day,
}

/// Looks, and removes nothing. Stores are opened to be read only.
pub async fn look(
    environment: &Environment<'_>,
    keyring: &Keyring,
    request: &ReconcileRequest<'_>,
) -> Result<Reconciliation, RunError> {
    environment.ledger.check_migrated().await?;
    let collected = collect(environment, keyring, request).await?;
    let (found, _) = look_at(environment, keyring, request, &collected).await?;
    Ok(found)
}

/// Looks, and removes again what is back: by a run of its own, with certificates that refer to the
/// ones that it carries out again.
pub async fn apply(
    environment: &Environment<'_>,
    keyring: &mut Keyring,
    request: &ReconcileRequest<'_>,
) -> Result<Reconciliation, RunError> {
    let (jobs, all_jobs) = (request.jobs, request.all_jobs);
    let begin = Begin {
        jobs,
        all_jobs,
        day: request.day,
        purpose: Purpose::Reconcile,
    };
    let mut begun = Begun::begin(environment, keyring, &begin).await?;
    let collecting = collect(environment, keyring, request);
    let collected = environment.unless_stopped(Box::pin(collecting)).await?;
    let looking = look_at(environment, keyring, request, &collected);
    let (mut found, known) = environment.unless_stopped(Box::pin(looking)).await?;
    found.refused = refusal(&found);
    if found.back() == 0 && found.refused.is_none() {
        acknowledge(environment, request, &mut begun, &found).await?;
    }
    if found.back() == 0 || found.refused.is_some() {
        let finished = begun.end(environment, keyring).await;
        // What had been killed was taken up all the same.
        found.applied = (!finished.recovered.is_empty()).then_some(finished);
        return Ok(found);
    }
    let again = again(request, &found, &known, &collected.sources);
    let jobs: Vec<&Job> = known
        .iter()
        .map(|known| known.job)
        .filter(|job| again.jobs.contains_key(&job.cluster))
        .collect();
    let run = RunRequest {
        jobs: &jobs,
        all_jobs,
        day: request.day,
        trigger: Trigger::Hand,
    };
    Box::pin(execute::prepare_and_execute(
        environment,
        keyring,
        &run,
        Some(&again),
        &mut begun,
    ))
    .await?;
    acknowledge(environment, request, &mut begun, &found).await?;
    found.applied = Some(begun.end(environment, keyring).await);
    Ok(found)
}

/// Lets runs of the store go on, if all its jobs were looked at and nothing of them is back.
async fn acknowledge(
    environment: &Environment<'_>,
    request: &ReconcileRequest<'_>,
    begun: &mut Begun,
    found: &Reconciliation,
) -> Result<(), RunError> {
    let mut of_store = request
        .all_jobs
        .iter()
        .filter(|job| job.store == request.store);
    let is_whole = of_store.all(|job| {
        let mut looked_at = request.jobs.iter();
        looked_at.any(|looked| looked.cluster == job.cluster)
    });
    let is_left = begun.finished.stopped
        || begun.finished.jobs.iter().any(|job| {
            let mut stages = job.stages.iter();
            job.error.is_some()
                || job.suspended.is_some()
                || stages.any(|stage| stage.remaining_due > 0)
        });
    if !is_whole || is_left || !found.errors.is_empty() {
        return Ok(());
    }
    let store = begun.stores.rows(environment.config, request.store).await;
    let store = store.map_err(|error| RunError::Step(JobError::of_store(&error)))?;
    let acknowledged =
        restored::acknowledge(environment, &*store, request.store, request.backup_time);
    let acknowledged = acknowledged.await;
    acknowledged.map_err(RunError::Step)
}

/// Why nothing may be removed, if so.
fn refusal(found: &Reconciliation) -> Option<String> {
    if !found.errors.is_empty() {
        return Some("not every cluster could be looked at".to_owned());
    }
    if found.lost.iter().any(|lost| lost.why.is_tampering()) {
        return Some(
            "published evidence does not hold: `kigen verify` says what\nhint: bring the place of evidence back first; what is removed again is certified there"
                .to_owned(),
        );
    }
    let mut of_client: BTreeMap<&str, usize> = BTreeMap::new();
    for certificate in &found.certificates {
        *of_client.entry(&certificate.client).or_default() += 1;
    }
    let most = of_client.values().max().copied().unwrap_or(0);
    (most > MOST_CERTIFICATES).then(|| {
        format!(
            "{most} certificates of one client are undone, and a certificate can refer to {MOST_CERTIFICATES}\nhint: reconcile one job after the other, with `--job`"
        )
    })
}

async fn collect(
    environment: &Environment<'_>,
    keyring: &Keyring,
    request: &ReconcileRequest<'_>,
) -> Result<Collected, RunError> {
    let config = environment.config;
    let place = archive::open(&config.certificates.place).await;
    let place = place.map_err(RestoreError::Place)?;
    let archive = CertificateSource {
        ledger: environment.ledger,
        keyring,
        place: &*place,
        work_folder: &config.certificates.work_folder,
        progress: environment.progress,
    };
    let clusters: BTreeSet<&str> = request
        .jobs
        .iter()
        .map(|job| job.cluster.as_str())
        .collect();
    let wanted = Wanted::After(request.backup_time);
    Ok(restore::collect(&archive, &wanted, &clusters).await?)
}

/// Looks at every cluster of the store.
async fn look_at<'a>(
    environment: &Environment<'_>,
    keyring: &Keyring,
    request: &ReconcileRequest<'a>,
    collected: &'a Collected,
) -> Result<(Reconciliation, Vec<ClusterIndex<'a>>), RunError> {
    let mut found = Reconciliation {
        store: request.store.to_owned(),
        backup_time: request.backup_time,
        runs: collected.runs,
        clusters: Vec::new(),
        certificates: Vec::new(),
        lost: collected.lost.clone(),
        not_looked_for: Vec::new(),
        errors: BTreeMap::new(),
        applied: None,
        refused: None,
    };
    let mut inventories = Inventories::default();
    let mut all = Vec::new();
    for job in request.jobs.iter().copied() {
        let knowledge = Knowledge {
            sources: &collected.sources,
            leaf_index: &collected.leaf_index,
        };
        let folder = &environment.config.certificates.work_folder;
        let (mut known, changed) = ClusterIndex::new(job, knowledge, &collected.lost, folder);
        found.lost.extend(changed);
        for link in &job.objects {
            found.not_looked_for.push(NotLookedFor {
                job: job.cluster.clone(),
                store: link.store.clone(),
                why: OBJECTS,
            });
        }
        let looked = look_at_one(environment, keyring, &mut inventories, &mut known).await;
        match looked {
            Ok(cluster) => found.clusters.push(cluster),
            Err(error) => {
                found.errors.insert(job.cluster.clone(), error);
            }
        }
        all.push(known);
    }
    found.certificates = undone(&found.clusters, &collected.sources);
    Ok((found, all))
}

pub(super) async fn look_at_one(
    environment: &Environment<'_>,
    keyring: &Keyring,
    inventories: &mut Inventories,
    known: &mut ClusterIndex<'_>,
) -> Result<ClusterLook, JobError> {
    let job = known.job;
    let store = inventories.rows(environment.config, &job.store).await;
    let store = store.map_err(|error| JobError::of_store(&error))?;
    plan::inspect(&*store, job, &[], Wants::ToRead).await?;
    let tokens = TokenKey(*keyring.token_key());
    let looked = restore::everything(known, &*store, &tokens, environment.progress).await;
    looked.map_err(|error| match error {
        RestoreError::Store(error) => JobError::of_store(&error),
        other => {
            let error = RunError::Recall(other);
            JobError::new(error.exit(), error.to_string())
        }
    })
}

/// What the run is to remove again.
fn again<'a>(
    request: &ReconcileRequest<'_>,
    found: &Reconciliation,
    known: &'a [ClusterIndex<'_>],
    sources: &[Source],
) -> Again<'a> {
    let mut clients = Clients::new();
    let mut jobs = BTreeMap::new();
    for (cluster, known) in found.clusters.iter().zip(known) {
        let surveys = surveys(cluster, known.job);
        if surveys.iter().all(|survey| survey.due.records == 0) {
            continue;
        }
        let of_cluster = cluster.by_source.keys();
        let named = of_cluster.filter_map(|number| sources.get(*number));
        let named = named.map(|source| source.client.clone());
        clients.insert(cluster.job.clone(), named.collect());
        let again = JobAgain {
            recall: known,
            surveys,
        };
        jobs.insert(cluster.job.clone(), again);
    }
    let certificates = found.certificates.iter().filter_map(|undone| {
        let mut all = sources.iter();
        let source = all.find(|source| source.certificate_id == undone.certificate_id)?;
        Some(ReconciledEntry {
            certificate_id: source.certificate_id.clone(),
            client: source.client.clone(),
            payload_sha256: source.payload_sha256.to_string(),
        })
    });
    Again {
        reconciles: ReconcilesEntry {
            store: request.store.to_owned(),
            backup_time: request.backup_time,
            certificates: certificates.collect(),
        },
        clients,
        jobs,
    }
}

/// What is back in each stage, as if it were due.
fn surveys(cluster: &ClusterLook, job: &Job) -> Vec<Survey> {
    let stages = job.stages.iter().enumerate();
    stages
        .map(|(index, stage)| {
            let records = cluster.back_by_stage.get(&stage.name).copied();
            let alone = cluster.rows_alone.get(index).copied();
            Survey {
                total: cluster.present,
                due: Due {
                    records: records.unwrap_or_default() + alone.unwrap_or_default(),
                    subjects: cluster.persons.get(index).copied().unwrap_or_default(),
                },
                ..Survey::default()
            }
        })
        .collect()
}
