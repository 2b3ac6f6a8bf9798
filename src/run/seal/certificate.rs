//! What a certificate says of one run and client: entries of the ledger, counts of the leaves.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use sha2::Digest;
use uuid::Uuid;

use crate::domain::calendar::FirstDay;
use crate::evidence::digest::Sha256;
use crate::evidence::leaf::Action;
use crate::evidence::statement::CertificateKind;
use crate::evidence::statement::CertifiedClause;
use crate::evidence::statement::CertifiedPurpose;
use crate::evidence::statement::CertifiedRule;
use crate::evidence::statement::Controller;
use crate::evidence::statement::Evidence;
use crate::evidence::statement::EvidenceKey;
use crate::evidence::statement::Issuer;
use crate::evidence::statement::LeafFormat;
use crate::evidence::statement::LeafTotals;
use crate::evidence::statement::Method;
use crate::evidence::statement::MethodClass;
use crate::evidence::statement::Predicate;
use crate::evidence::statement::Reconciled;
use crate::evidence::statement::Residual;
use crate::evidence::statement::Run;
use crate::evidence::statement::RunCheckpoint;
use crate::evidence::statement::RunPeriod;
use crate::evidence::statement::Statement;
use crate::evidence::statement::Status;
use crate::evidence::statement::Store;
use crate::evidence::statement::Target;
use crate::evidence::statement::Technique;
use crate::evidence::statement::TreeHash;
use crate::evidence::statement::Worker;
use crate::keyring::Quarter;
use crate::ledger::entry::JobEntry;
use crate::ledger::entry::TargetEntry;
use crate::publish::client_folder;
use crate::run::certified;
use crate::run::certified::Damaged;

use super::context::SealContext;
use super::error::SealError;
use super::facts::RunFacts;
use super::journal::ClientJournal;
use super::leaves::LeavesFile;

const ID_TAG: &[u8] = b"kigen/certificate/v1\0";

/// What folder stores call themselves.
const FOLDER_ENGINE: &str = "folder";

/// The id of the certificate of this run and client: a UUID of version 8 made of their digest, so
/// that sealing again cannot make a second one.
pub(super) fn certificate_id(run_id: &str, client: &str) -> String {
    let digest = sha2::Sha256::new_with_prefix(ID_TAG)
        .chain_update(run_id)
        .chain_update([0])
        .chain_update(client)
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Uuid::new_v8(bytes).to_string()
}

/// Makes certificates of one run.
pub(super) struct CertificateWriter<'a> {
    pub(super) context: &'a SealContext<'a>,
    pub(super) facts: &'a RunFacts,
    /// Name of the key under which the run's key is kept.
    pub(super) evidence_key: &'a str,
    /// When the run is sealed, for certificates that do not stand in the ledger yet.
    pub(super) now: Timestamp,
}

impl CertificateWriter<'_> {
    /// The certificate of `journal`'s client as bytes to be stored.
    pub(super) fn payload(
        &self,
        certificate_id: &str,
        journal: &ClientJournal,
        leaves: &LeavesFile,
    ) -> Result<Vec<u8>, SealError> {
        let predicate = self.predicate(certificate_id, journal, leaves)?;
        Statement::new(leaves.folded.sha256, predicate)
            .to_payload()
            .map_err(|source| SealError::Statement {
                certificate_id: certificate_id.to_owned(),
                source,
            })
    }

    fn predicate(
        &self,
        certificate_id: &str,
        journal: &ClientJournal,
        leaves: &LeavesFile,
    ) -> Result<Predicate, SealError> {
        let jobs = self.jobs_of(journal)?;
        let names: BTreeSet<&str> = jobs.iter().map(|job| job.job.as_str()).collect();
        let status = if self.facts.left_something(&names) {
            Status::Partial
        } else {
            Status::Complete
        };
        Ok(Predicate {
            certificate_id: certificate_id.to_owned(),
            kind: CertificateKind::Deletion,
            status,
            log: None,
            issuer: self.issuer(),
            controller: self.controller(&journal.client),
            trigger: certified::trigger(&self.facts.run.started),
            run: self.run(&jobs)?,
            period: self.period(),
            targets: self.targets(journal, leaves)?,
            reconciles: self.reconciles(&journal.client)?,
            residuals: self.residuals(&jobs)?,
            evidence: self.evidence(certificate_id, &journal.client, leaves)?,
        })
    }

    fn reconciles(&self, client: &str) -> Result<Vec<Reconciled>, SealError> {
        certified::reconciles(&self.facts.run.started, client)
            .map_err(|Damaged(what)| self.facts.damaged(what))
    }

    /// The jobs that removed something of the client's, in the order of their targets.
    fn jobs_of(&self, journal: &ClientJournal) -> Result<Vec<&JobEntry>, SealError> {
        let mut jobs: Vec<&JobEntry> = Vec::new();
        for target in self.facts.targets()? {
            let is_known = jobs.iter().any(|job| job.job == target.job);
            if journal.ended_by.contains_key(&target.index) && !is_known {
                jobs.push(self.facts.job(&target.job)?);
            }
        }
        Ok(jobs)
    }

    fn issuer(&self) -> Issuer {
        let issuer = self.context.issuer;
        Issuer {
            organization: issuer.organization.clone(),
            corporate_number: issuer.corporate_number.clone(),
            worker: Worker {
                name: "kigen".to_owned(),
                version: self.context.version.to_owned(),
            },
        }
    }

    fn controller(&self, client: &str) -> Controller {
        let listed = self
            .context
            .clients
            .iter()
            .find(|listed| listed.name == client);
        Controller {
            client: client.to_owned(),
            organization: listed.map(|listed| listed.organization.clone()),
        }
    }

    fn run(&self, jobs: &[&JobEntry]) -> Result<Run, SealError> {
        Ok(Run {
            id: self.facts.run_id().to_owned(),
            as_of: self.facts.run.started.as_of,
            time_zone: self.first(jobs)?.time_zone.clone(),
        })
    }

    /// The job whose calendar stands for the run.
    fn first<'a>(&self, jobs: &[&'a JobEntry]) -> Result<&'a JobEntry, SealError> {
        let first = jobs.first().copied();
        first.ok_or_else(|| {
            self.facts
                .damaged("have no job for a client's removals".to_owned())
        })
    }

    fn period(&self) -> RunPeriod {
        let finished_at = self.facts.finished_at;
        RunPeriod {
            started_at: self.facts.run.started_at,
            finished_at,
            // A clock that was set back meanwhile does not seal before the end.
            sealed_at: self.now.max(finished_at),
        }
    }

    /// The targets that the client has removals of; the others are nobody's business here.
    fn targets(
        &self,
        journal: &ClientJournal,
        leaves: &LeavesFile,
    ) -> Result<Vec<Target>, SealError> {
        let mut targets = Vec::new();
        for (target, counts) in self
            .facts
            .targets()?
            .into_iter()
            .zip(&leaves.folded.records)
        {
            let Some(ended_by) = journal.ended_by.get(&target.index) else {
                continue;
            };
            let job = self.facts.job(&target.job)?;
            let repeated = leaves.repeated.get(&target.index).copied();
            targets.push(Target {
                index: target.index,
                job: target.job.clone(),
                stage: target.stage.clone(),
                store: Store {
                    id: target.store.clone(),
                    engine: target.engine.clone(),
                },
                object: target.object.clone(),
                data_categories: vec![category(job)],
                rule: self.rule(target, job)?,
                method: self.method(target)?,
                counts: (*counts).into(),
                repeated: repeated.unwrap_or_default(),
                ended_by: ended_by.clone().into_iter().collect(),
                // The survey counts the records of all clients together.
                retained: None,
                // Nobody has read the store back yet, so nothing is claimed.
                verification: None,
            });
        }
        Ok(targets)
    }

    fn rule(&self, target: &TargetEntry, job: &JobEntry) -> Result<CertifiedRule, SealError> {
        let purposes = target.cutoffs.iter().map(|cutoff| CertifiedPurpose {
            name: cutoff.purpose.clone(),
            starting_point: cutoff.starting_point.clone(),
            period: cutoff.period.clone(),
            cutoff: cutoff.cutoff,
        });
        Ok(CertifiedRule {
            cluster: job.job.clone(),
            sha256: self.digest(&target.rule_sha256)?,
            clause: CertifiedClause {
                document: job.clause.document.clone(),
                version: job.clause.version.clone(),
                text_sha256: self.digest(&job.clause.text_sha256)?,
            },
            purposes: purposes.collect(),
        })
    }

    fn digest(&self, text: &str) -> Result<Sha256, SealError> {
        let digest = text.parse();
        digest.map_err(|_| self.facts.damaged("name a digest that is none".to_owned()))
    }

    fn method(&self, target: &TargetEntry) -> Result<Method, SealError> {
        let unknown = || {
            self.facts
                .damaged(format!("have the unknown action {}", target.action))
        };
        let action = Action::from_code(target.action).ok_or_else(unknown)?;
        let (class, technique) = match action {
            Action::RowDeleted => (MethodClass::LogicalDelete, Technique::SqlDelete),
            Action::Pseudonymized => (MethodClass::Pseudonymize, Technique::SqlUpdate),
            Action::ObjectVersionDeleted | Action::DeleteMarkerRemoved | Action::UploadAborted => {
                if target.engine == FOLDER_ENGINE {
                    // A file system keeps no versions to be claimed.
                    (MethodClass::LogicalDelete, Technique::RemoveFile)
                } else {
                    (MethodClass::ObjectVersionDelete, Technique::DeleteByVersion)
                }
            }
            Action::CryptoErased | Action::AlreadyAbsent | Action::Held => return Err(unknown()),
        };
        Ok(Method { class, technique })
    }

    fn residuals(&self, jobs: &[&JobEntry]) -> Result<Vec<Residual>, SealError> {
        let last_removal = self.last_day(self.first(jobs)?)?;
        let residuals = self.context.residuals.iter().map(|residual| Residual {
            place: residual.place.clone(),
            retention: Some(residual.retention.to_string()),
            expires_by: residual
                .retention
                .last_day_kept(last_removal, FirstDay::NotCounted),
        });
        Ok(residuals.collect())
    }

    /// The day on which the run ended, in the job's time zone.
    fn last_day(&self, job: &JobEntry) -> Result<Date, SealError> {
        let zone = TimeZone::get(&job.time_zone).map_err(|_| {
            let zone = &job.time_zone;
            self.facts
                .damaged(format!("name the unknown time zone `{zone}`"))
        })?;
        Ok(self.facts.finished_at.to_zoned(zone).date())
    }

    /// The last day on which the run's leaves can be opened; `None` if nothing says how long
    /// evidence is kept.
    fn destroy_after(&self) -> Option<Date> {
        Quarter::from_key_id(self.evidence_key)?.last_day_kept(self.context.keep?)
    }

    fn evidence(
        &self,
        certificate_id: &str,
        client: &str,
        leaves: &LeavesFile,
    ) -> Result<Evidence, SealError> {
        let folded = &leaves.folded;
        let origin = format!("{}/{}", self.context.origin, client_folder(client));
        let checkpoint = RunCheckpoint::new(&origin, certificate_id, folded.size, folded.root)
            .map_err(|source| SealError::Checkpoint {
                certificate_id: certificate_id.to_owned(),
                source,
            })?;
        Ok(Evidence {
            tree: TreeHash::Rfc6962Sha256,
            leaf_format: LeafFormat::V1,
            leaves: LeafTotals {
                record: folded.record_total(),
                subject: folded.subject_total(),
            },
            run_checkpoint: checkpoint,
            evidence_key: EvidenceKey {
                id: self.evidence_key.to_owned(),
                destroy_after: self.destroy_after(),
            },
        })
    }
}

/// What people call the job's data.
fn category(job: &JobEntry) -> String {
    let names = [&job.title.ja, &job.title.en, &job.job];
    let mut named = names.into_iter().filter(|name| !name.is_empty());
    named.next().cloned().unwrap_or_default()
}

/// How many records were removed again, over all targets.
pub(super) fn total(repeated: &BTreeMap<u16, u64>) -> u64 {
    repeated.values().sum()
}
