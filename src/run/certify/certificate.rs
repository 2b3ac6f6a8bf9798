//! What a certificate says of one run and client: entries of the ledger, counts of the leaves.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use kigen_evidence::calendar::FirstDay;
use kigen_evidence::digest::Sha256;
use kigen_evidence::statement::{
    CertificateKind, Evidence, EvidenceKey, LeafFormat, LeafTotals, LogPlace, Predicate,
    QuotedClause, Reconciled, Residual, Run, RunCheckpoint, Statement, StatementError, Status,
    Target, TreeHash,
};
use sha2::Digest;
use uuid::Uuid;

use crate::archive::log_origin;
use crate::keyring::Quarter;
use crate::ledger::entry::{EffectEntry, JobEntry};
use crate::run::statement_parts::{self, Damaged};

use super::context::SealContext;
use super::error::SealError;
use super::facts::RunFacts;
use super::journal::ClientJournal;
use super::leaves::ClosedLeaves;
use super::read_back::ReadBackResults;

const ID_TAG: &[u8] = b"kigen/certificate/v1\0";

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

/// One client's certificate before it has its place in the log.
pub(super) struct Draft {
    pub(super) certificate_id: String,
    pub(super) journal: ClientJournal,
    pub(super) leaves: ClosedLeaves,
}

/// What the client's log gives to the entry that closes a plan.
pub(super) struct Closing {
    pub(super) place: LogPlace,
    /// The run, as its plan names it.
    pub(super) run: Run,
    pub(super) at: Timestamp,
}

/// Makes certificates of one run.
pub(super) struct CertificateWriter<'a> {
    pub(super) context: &'a SealContext<'a>,
    pub(super) facts: &'a RunFacts,
    /// Name of the key under which the run's key is kept.
    pub(super) evidence_key: &'a str,
    /// What the stores said when they were asked again.
    pub(super) looked_back: &'a ReadBackResults,
}

impl CertificateWriter<'_> {
    /// The certificate of `journal`'s client as bytes to be stored.
    pub(super) fn payload(&self, draft: &Draft, closing: Closing) -> Result<Vec<u8>, SealError> {
        let certificate_id = &draft.certificate_id;
        let predicate = self.predicate(draft, closing)?;
        let mut statement = Statement::new(draft.leaves.folded.sha256, predicate);
        let mut payload = statement.to_payload();
        if matches!(payload, Err(StatementError::TooLong(_))) {
            // The digests of the clauses stay.
            statement.predicate.clauses = Vec::new();
            payload = statement.to_payload();
        }
        payload.map_err(|source| SealError::Statement {
            certificate_id: certificate_id.to_owned(),
            source,
        })
    }

    fn predicate(&self, draft: &Draft, closing: Closing) -> Result<Predicate, SealError> {
        let (journal, leaves) = (&draft.journal, &draft.leaves);
        let jobs = self.jobs_of(journal)?;
        let names: BTreeSet<&str> = jobs.iter().map(|job| job.job.as_str()).collect();
        let is_there = self.looked_back.found_something(&journal.client);
        let status = if is_there || self.facts.left_something(&names) {
            Status::Partial
        } else {
            Status::Complete
        };
        Ok(Predicate {
            certificate_id: draft.certificate_id.clone(),
            kind: CertificateKind::Deletion,
            status,
            log: Some(closing.place),
            issuer: statement_parts::issuer(self.context.issuer, self.context.version),
            controller: statement_parts::controller(self.context.clients, &journal.client),
            trigger: statement_parts::trigger(&self.facts.run.started),
            run: closing.run,
            period: self.facts.period(closing.at),
            targets: self.targets(journal, leaves)?,
            reconciles: self.reconciles(&journal.client)?,
            clauses: quoted(&jobs),
            residuals: self.residuals(&jobs, journal)?,
            evidence: self.evidence(draft)?,
        })
    }

    fn reconciles(&self, client: &str) -> Result<Vec<Reconciled>, SealError> {
        statement_parts::reconciles(&self.facts.run.started, client)
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

    /// The job whose calendar stands for the run.
    fn first<'a>(&self, jobs: &[&'a JobEntry]) -> Result<&'a JobEntry, SealError> {
        let first = jobs.first().copied();
        first.ok_or_else(|| {
            self.facts
                .damaged("have no job for a client's removals".to_owned())
        })
    }

    /// The targets that the client has removals of; the others are nobody's business here.
    fn targets(
        &self,
        journal: &ClientJournal,
        leaves: &ClosedLeaves,
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
                store: statement_parts::store(target),
                object: target.object.clone(),
                relation: target.relation.clone(),
                inspection_sha256: statement_parts::inspection(target)
                    .map_err(|damage| self.facts.contradict(damage))?,
                data_categories: vec![category(job)],
                rule: statement_parts::rule(target, job)
                    .map_err(|damage| self.facts.contradict(damage))?,
                method: statement_parts::method(target)
                    .map_err(|damage| self.facts.contradict(damage))?,
                counts: (*counts).into(),
                repeated: repeated.unwrap_or_default(),
                ended_by: ended_by.clone().into_iter().collect(),
                // The survey counts the records of all clients together.
                retained: None,
                verification: self.looked_back.of(&journal.client, target.index),
            });
        }
        Ok(targets)
    }

    fn residuals(
        &self,
        jobs: &[&JobEntry],
        journal: &ClientJournal,
    ) -> Result<Vec<Residual>, SealError> {
        let last_removal = self.last_day(self.first(jobs)?)?;
        let configured = self.context.residuals.iter().map(|residual| Residual {
            place: residual.place.clone(),
            retention: Some(residual.retention.to_string()),
            expires_by: residual
                .retention
                .last_day_kept(last_removal, FirstDay::NotCounted),
        });
        let mut residuals: Vec<Residual> = configured.collect();
        for job in jobs {
            let places = job
                .effects
                .iter()
                .filter_map(|effect| self.effect(job, effect));
            residuals.extend(places.map(|place| Residual {
                place,
                retention: None,
                expires_by: None,
            }));
        }
        // Nobody has said how long a replica stays.
        residuals.extend(self.replicas(journal)?.into_iter().map(|place| Residual {
            place,
            retention: None,
            expires_by: None,
        }));
        Ok(residuals)
    }

    /// What the database itself wrote beside the removals, in words; none if it wrote nothing.
    ///
    /// The count is said only where it is this client's: where the job removed of nobody else, and
    /// was counted to its end.
    fn effect(&self, job: &JobEntry, effect: &EffectEntry) -> Option<String> {
        let stages = self.facts.run.stages.iter();
        let stages: Vec<_> = stages.filter(|stage| stage.job == job.job).collect();
        let is_alone = stages.iter().all(|stage| stage.by_client.len() <= 1);
        let counted = stages
            .iter()
            .map(|stage| Some(*stage.effects.as_ref()?.get(&effect.key()).unwrap_or(&0)))
            .sum::<Option<u64>>();
        let rows = match counted.filter(|_| !stages.is_empty()) {
            Some(0) => return None,
            Some(rows) if is_alone => format!("{rows} rows"),
            Some(_) | None => "rows".to_owned(),
        };
        let done = match effect.operation.as_str() {
            "insert" => "inserted",
            "update" => "updated",
            _ => "deleted",
        };
        Some(format!(
            "{}: {rows} {done} by the database itself with the removals ({})",
            effect.table, effect.reason
        ))
    }

    /// The replicas of the buckets that objects of the client were removed from: removals by version
    /// are not replicated.
    fn replicas(&self, journal: &ClientJournal) -> Result<BTreeSet<String>, SealError> {
        let mut replicas = BTreeSet::new();
        for target in self.facts.targets()? {
            if !journal.ended_by.contains_key(&target.index) {
                continue;
            }
            for replica in target.replicas.iter().flatten() {
                replicas.insert(format!("{replica} (replica of {})", target.object));
            }
        }
        Ok(replicas)
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

    fn evidence(&self, draft: &Draft) -> Result<Evidence, SealError> {
        let certificate_id = &draft.certificate_id;
        let folded = &draft.leaves.folded;
        let origin = log_origin(self.context.origin, &draft.journal.client);
        let checkpoint = RunCheckpoint::new(&origin, certificate_id, folded.size, folded.root)
            .map_err(|source| SealError::Checkpoint {
                certificate_id: certificate_id.clone(),
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

/// The clauses of `jobs`, each once; those whose text was not kept are known by their digests only.
fn quoted(jobs: &[&JobEntry]) -> Vec<QuotedClause> {
    let mut clauses: Vec<QuotedClause> = Vec::new();
    for job in jobs {
        let text_sha256 = Sha256::of(job.clause.text.as_bytes());
        let is_known = clauses.iter().any(|known| known.text_sha256 == text_sha256);
        if job.clause.text.is_empty() || is_known {
            continue;
        }
        clauses.push(QuotedClause {
            text_sha256,
            text: job.clause.text.clone(),
        });
    }
    clauses
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
