//! Whether what was certified is gone, asked again later; and whether something of the persons was
//! left elsewhere, in the columns that their jobs name.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kigen_evidence::value::Value;
use serde::Serialize;

use super::error::RunError;
use super::execute::Environment;
use super::open::Inventories;
use super::outcome::JobError;
use super::reconcile::{UndoneCertificate, look_at_one, undone};
use super::restore::{
    self, CertificateSource, ClusterIndex, ClusterLook, Collected, Knowledge, Lost, RemovedPersons,
    RestoreError, Wanted, Why,
};
use crate::archive;
use crate::exit;
use crate::job::Job;
use crate::keyring::Keyring;
use crate::store::Inventory;
use crate::store::error::StoreError;

/// Which removals are looked for.
#[derive(Clone, Debug)]
pub enum Audited {
    /// Those of one certificate, by its id or the beginning of it.
    Certificate(String),
    /// Those of one run.
    Run(String),
    /// Those of every run that went on after this moment.
    Since(Timestamp),
    All,
}

/// What was found. Counts only.
#[derive(Clone, Debug, Serialize)]
pub struct Audit {
    /// Runs that were looked at.
    pub runs: u64,
    /// Certificates that were looked at.
    pub audited: u64,
    pub clusters: Vec<ClusterLook>,
    /// The certificates of which something is there again.
    pub certificates: Vec<UndoneCertificate>,
    /// What was found of the persons in the columns that their jobs name.
    pub leftovers: Vec<LeftoverLook>,
    /// Evidence that cannot be looked up.
    pub lost: Vec<Lost>,
    /// Jobs that could not be looked at.
    pub errors: BTreeMap<String, JobError>,
}

/// One column in which persons were looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LeftoverLook {
    pub job: String,
    pub table: String,
    pub column: String,
    /// Ids in the column whose persons have no record left in the cluster.
    pub checked: u64,
    /// Of these, persons whose records were removed.
    pub left: u64,
    /// The same, by certificate.
    pub by_certificate: BTreeMap<String, u64>,
}

impl Audit {
    /// Records, rows and persons that should not be there.
    pub fn found(&self) -> u64 {
        let back = self.clusters.iter().map(ClusterLook::all_back);
        let left = self.leftovers.iter().map(|one| one.left);
        back.sum::<u64>() + left.sum::<u64>()
    }

    /// Records and rows of which nobody can tell.
    pub fn undecided(&self) -> u64 {
        self.clusters.iter().map(ClusterLook::all_undecided).sum()
    }

    /// The documented exit code.
    pub fn exit(&self) -> u8 {
        if let Some(error) = self.errors.values().next() {
            return error.exit;
        }
        if self.lost.iter().any(|lost| lost.why.is_tampering()) {
            return exit::DOES_NOT_HOLD;
        }
        if self.found() > 0 || self.undecided() > 0 || !self.lost.is_empty() {
            return exit::NOT_GONE;
        }
        exit::DONE
    }
}

/// Looks; changes nothing. Stores are opened to be read only.
pub async fn audit(
    environment: &Environment<'_>,
    keyring: &Keyring,
    jobs: &[&Job],
    audited: Audited,
) -> Result<Audit, RunError> {
    environment.ledger.check_migrated().await?;
    let config = environment.config;
    let place = archive::open(&config.certificates.place).await?;
    let archive = CertificateSource {
        ledger: environment.ledger,
        keyring,
        place: &*place,
        work_folder: &config.certificates.work_folder,
        progress: environment.progress,
    };
    let clusters: BTreeSet<&str> = jobs.iter().map(|job| job.cluster.as_str()).collect();
    let wanted = match audited {
        Audited::Certificate(id) => Wanted::Certificate(id),
        Audited::Run(run_id) => Wanted::Run(run_id),
        Audited::Since(moment) => Wanted::After(moment),
        Audited::All => Wanted::All,
    };
    let collected = restore::collect(&archive, &wanted, &clusters).await?;
    let mut audit = Audit {
        runs: collected.runs,
        audited: u64::try_from(collected.sources.len()).unwrap_or(u64::MAX),
        clusters: Vec::new(),
        certificates: Vec::new(),
        leftovers: Vec::new(),
        lost: collected.lost.clone(),
        errors: BTreeMap::new(),
    };
    let mut inventories = Inventories::default();
    for job in jobs.iter().copied() {
        let concerned = |target: &restore::SourceTarget| target.job == job.cluster;
        let removed = collected.sources.iter();
        let removed = removed.flat_map(|source| &source.targets).any(concerned);
        let is_lost = collected
            .lost
            .iter()
            .any(|lost| lost.clusters.contains(&job.cluster));
        if !removed && !is_lost {
            continue;
        }
        let looked = one(
            environment,
            keyring,
            &mut inventories,
            job,
            &collected,
            &mut audit,
        )
        .await;
        if let Err(error) = looked {
            audit.errors.insert(job.cluster.clone(), error);
        }
    }
    audit.certificates = undone(&audit.clusters, &collected.sources);
    Ok(audit)
}

async fn one(
    environment: &Environment<'_>,
    keyring: &Keyring,
    inventories: &mut Inventories,
    job: &Job,
    collected: &Collected,
    audit: &mut Audit,
) -> Result<(), JobError> {
    let knowledge = Knowledge {
        sources: &collected.sources,
        leaf_index: &collected.leaf_index,
    };
    let folder = &environment.config.certificates.work_folder;
    let (mut known, changed) = ClusterIndex::new(job, knowledge, &collected.lost, folder);
    audit.lost.extend(changed);
    let cluster = look_at_one(environment, keyring, inventories, &mut known).await?;
    audit.clusters.push(cluster);
    if job.leftovers.is_empty() {
        return Ok(());
    }
    let store = inventories.rows(environment.config, &job.store).await;
    let store = store.map_err(|error| JobError::of_store(&error))?;
    let looked = leftovers(&*store, job, collected, audit).await;
    looked.map_err(|error| {
        let error = RunError::Recall(error);
        JobError::new(error.exit(), error.to_string())
    })
}

/// Looks for the persons in every column that the job names.
async fn leftovers(
    store: &dyn Inventory,
    job: &Job,
    collected: &Collected,
    audit: &mut Audit,
) -> Result<(), RestoreError> {
    let mut persons = Vec::new();
    for source in &collected.sources {
        if !source
            .targets
            .iter()
            .any(|target| target.job == job.cluster)
        {
            continue;
        }
        match RemovedPersons::read(store, job, source).await? {
            Some(removed) => persons.push((&source.certificate_id, removed)),
            None => audit.lost.push(Lost {
                run_id: source.run_id.clone(),
                certificate_id: Some(source.certificate_id.clone()),
                client: Some(source.client.clone()),
                clusters: [job.cluster.clone()].into(),
                why: Why::JournalMissing,
            }),
        }
    }
    for leftover in &job.leftovers {
        let mut look = LeftoverLook {
            job: job.cluster.clone(),
            table: leftover.table.to_string(),
            column: leftover.column.clone(),
            ..LeftoverLook::default()
        };
        let mut sink = |id: Value| {
            look.checked += 1;
            let mut is_left = false;
            for (certificate, removed) in &mut persons {
                let has = removed.has(&id).map_err(|error| {
                    StoreError::Unusable(format!("make the reference of a person: {error}"))
                })?;
                if has {
                    is_left = true;
                    *look
                        .by_certificate
                        .entry((*certificate).clone())
                        .or_default() += 1;
                }
            }
            look.left += u64::from(is_left);
            Ok(())
        };
        store.leftovers(job, leftover, &mut sink).await?;
        audit.leftovers.push(look);
    }
    Ok(())
}
