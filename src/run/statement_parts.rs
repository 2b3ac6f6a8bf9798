//! What plans and certificates say in the same words: issuer, client, rule, method.

use jiff::civil::Date;
use kigen_evidence::digest::Sha256;
use kigen_evidence::leaf::Action;
use kigen_evidence::statement::{
    self, CertifiedApproval, CertifiedClause, CertifiedPurpose, CertifiedRule, Controller, Method,
    MethodClass, Reconciled, Run, Store, Technique, Trigger, Worker,
};

use crate::config::{Client, Issuer};
use crate::ledger::entry::{JobEntry, RunStarted, TargetEntry};

/// What folder stores call themselves.
const FOLDER_ENGINE: &str = "folder";

/// The ledger's entries of a run contradict themselves; says in what.
#[derive(Debug)]
pub(super) struct Damaged(pub(super) String);

/// Who certifies.
pub(super) fn issuer(issuer: &Issuer, version: &str) -> statement::Issuer {
    statement::Issuer {
        organization: issuer.organization.clone(),
        corporate_number: issuer.corporate_number.clone(),
        worker: Worker {
            name: "kigen".to_owned(),
            version: version.to_owned(),
        },
    }
}

/// On whose behalf the data was kept; a client that is not listed has no organisation.
pub(super) fn controller(clients: &[Client], client: &str) -> Controller {
    let listed = clients.iter().find(|listed| listed.name == client);
    Controller {
        client: client.to_owned(),
        organization: listed.map(|listed| listed.organization.clone()),
    }
}

/// The run, on the calendar of `job`.
pub(super) fn run(run_id: &str, as_of: Date, job: &JobEntry) -> Run {
    Run {
        id: run_id.to_owned(),
        as_of,
        time_zone: job.time_zone.clone(),
    }
}

/// Why the run takes place.
pub(super) fn trigger(started: &RunStarted) -> Trigger {
    match started.reconciles {
        Some(_) => Trigger::RestoreReconciliation,
        None => Trigger::ScheduledRetention,
    }
}

/// The earlier certificates of `client` that the run carries out again.
pub(super) fn reconciles(started: &RunStarted, client: &str) -> Result<Vec<Reconciled>, Damaged> {
    let again = started.reconciles.iter();
    again
        .flat_map(|again| &again.certificates)
        .filter(|certificate| certificate.client == client)
        .map(|certificate| {
            Ok(Reconciled {
                certificate_id: certificate.certificate_id.clone(),
                payload_sha256: digest(&certificate.payload_sha256)?,
            })
        })
        .collect()
}

/// The store of a target.
pub(super) fn store(target: &TargetEntry) -> Store {
    Store {
        id: target.store.clone(),
        engine: target.engine.clone(),
    }
}

/// The rule that is carried out in a target.
pub(super) fn rule(target: &TargetEntry, job: &JobEntry) -> Result<CertifiedRule, Damaged> {
    let purposes = target.cutoffs.iter().map(|cutoff| CertifiedPurpose {
        name: cutoff.purpose.clone(),
        starting_point: cutoff.starting_point.clone(),
        period: cutoff.period.clone(),
        cutoff: cutoff.cutoff,
    });
    Ok(CertifiedRule {
        cluster: job.job.clone(),
        sha256: digest(&target.rule_sha256)?,
        approval: job.approval.as_ref().map(|approval| CertifiedApproval {
            role: approval.role.clone(),
            ticket: approval.ticket.clone(),
        }),
        clause: CertifiedClause {
            document: job.clause.document.clone(),
            version: job.clause.version.clone(),
            text_sha256: digest(&job.clause.text_sha256)?,
        },
        purposes: purposes.collect(),
    })
}

fn digest(text: &str) -> Result<Sha256, Damaged> {
    text.parse()
        .map_err(|_| Damaged("name a digest that is none".to_owned()))
}

/// The report on the schema that the target's job met.
pub(super) fn inspection(target: &TargetEntry) -> Result<Option<Sha256>, Damaged> {
    target.inspection_sha256.as_deref().map(digest).transpose()
}

/// What is done to the records of a target.
pub(super) fn method(target: &TargetEntry) -> Result<Method, Damaged> {
    let unknown = || Damaged(format!("have the unknown action {}", target.action));
    let (class, technique) = match Action::from_code(target.action).ok_or_else(unknown)? {
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
