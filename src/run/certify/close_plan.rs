//! The end of a run in the log of every client to whom it was announced: a certificate, a
//! certificate of a run without removals (no-op), or an abort.
//!
//! From its place in the log on a certificate is fixed: the entry and the certificate are stored in
//! one transaction, and the log's head is published before the certificate is.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kigen_evidence::leaves::FoldedLeaves;
use kigen_evidence::log::entry::{self, Abort, AbortReason, Entry, Noop, NoopKind, Plan};
use kigen_evidence::log::proof::LogProof;
use kigen_evidence::statement::{EntryPlace, LogPlace, Statement};
use tempfile::TempPath;

use crate::ledger::log::LogRole;
use crate::run::client_log::{
    CertificateMark, ClientLog, EntryHeader, NewPayload, OpenLog, place_of, with_targets,
};
use crate::run::statement_parts;

use super::certificate::{CertificateWriter, Closing, Draft, certificate_id, total};
use super::context::SealContext;
use super::error::SealError;
use super::facts::RunFacts;
use super::read_back::ReadBackResults;

/// What one client was told before the run's first removal.
struct Announcement {
    plan: Plan,
    place: EntryPlace,
}

/// What certificates say that no log gives.
#[derive(Clone, Copy)]
pub(super) struct BeforeTheLog<'a> {
    /// Name of the key under which the run's key is kept; empty if it is gone.
    pub(super) evidence_key: &'a str,
    /// What the stores said when they were asked again.
    pub(super) looked_back: &'a ReadBackResults,
}

/// One client's certificate that stands in the ledger and in the published log.
pub(super) struct Prepared {
    pub(super) certificate_id: String,
    pub(super) client: String,
    pub(super) payload: Vec<u8>,
    pub(super) leaves: TempPath,
    pub(super) folded: FoldedLeaves,
    pub(super) repeated: u64,
    /// That it is in the log.
    pub(super) proof: LogProof,
}

/// Closes the run's plan in every log that has one. Returns the certificates, in the order of the
/// clients' names.
pub(super) async fn close_plans(
    context: &SealContext<'_>,
    facts: &RunFacts,
    drafts: Vec<Draft>,
    before: BeforeTheLog<'_>,
    now: Timestamp,
) -> Result<Vec<Prepared>, SealError> {
    let mut drafts: BTreeMap<String, Draft> = drafts
        .into_iter()
        .map(|draft| (draft.journal.client.clone(), draft))
        .collect();
    let announced = announced(context, facts).await?;
    let known = |client: &String| announced.contains_key(client);
    if !drafts.keys().all(known) {
        return Err(SealError::NotAnnounced {
            run: facts.run_id().to_owned(),
        });
    }
    // A clock that was set back meanwhile does not seal before the run's end.
    let now = now.max(facts.finished_at);
    let mut prepared = Vec::with_capacity(drafts.len());
    for (client, announcement) in &announced {
        let mut log = ClientLog::new(context.keeper(), client).open().await?;
        let end = End {
            context,
            facts,
            announcement,
            now,
        };
        let closed = match drafts.remove(client) {
            Some(draft) => end.certify(&mut log, draft, before).await.map(Some),
            None => end.without_removals(&mut log, client).await.map(|()| None),
        };
        log.close().await;
        prepared.extend(closed?);
    }
    Ok(prepared)
}

/// The plans of the run, by client.
async fn announced(
    context: &SealContext<'_>,
    facts: &RunFacts,
) -> Result<BTreeMap<String, Announcement>, SealError> {
    let mut announced = BTreeMap::new();
    for (client, entry) in context.ledger.log_of_run(facts.run_id()).await? {
        if entry.role != LogRole::Plan {
            continue;
        }
        let Ok(Entry::Plan(plan)) = Entry::read(&entry.payload) else {
            return Err(facts.damaged("have a plan in a log that is none".to_owned()));
        };
        let place = place_of(&entry);
        let Some(plan) = with_targets(context.ledger, &client, plan).await? else {
            let what = "have a plan in a log whose targets are named nowhere";
            return Err(facts.damaged(what.to_owned()));
        };
        announced.insert(client, Announcement { plan, place });
    }
    Ok(announced)
}

/// The end of a run in one client's log.
struct End<'a> {
    context: &'a SealContext<'a>,
    facts: &'a RunFacts,
    announcement: &'a Announcement,
    now: Timestamp,
}

impl End<'_> {
    fn mark(&self) -> EntryHeader<'_> {
        EntryHeader {
            role: LogRole::Closing,
            run_id: Some(self.facts.run_id()),
            plan: Some(self.announcement.place),
            at: self.now,
        }
    }

    /// Gives the certificate its place, and publishes the log with it.
    async fn certify(
        &self,
        log: &mut OpenLog<'_>,
        draft: Draft,
        before: BeforeTheLog<'_>,
    ) -> Result<Prepared, SealError> {
        let evidence_key = before.evidence_key;
        let writer = CertificateWriter {
            context: self.context,
            facts: self.facts,
            evidence_key,
            looked_back: before.looked_back,
        };
        let make = |place: LogPlace, at: Timestamp| -> Result<NewPayload, SealError> {
            if evidence_key.is_empty() {
                let what = "have no evidence key".to_owned();
                return Err(self.facts.damaged(what));
            }
            let run = self.announcement.plan.run.clone();
            let payload = writer.payload(&draft, Closing { place, run, at })?;
            Ok(NewPayload {
                payload,
                certificate: Some(CertificateMark {
                    certificate_id: draft.certificate_id.clone(),
                    leaves_sha256: draft.leaves.folded.sha256.to_string(),
                }),
            })
        };
        let entry = log.append(&self.mark(), make).await?;
        fail::fail_point!("seal.after-store");
        self.agrees(&entry.payload, &draft)?;
        log.publish(self.now).await?;
        let proof = log.prove(entry.index).map_err(|source| SealError::Proof {
            certificate_id: draft.certificate_id.clone(),
            source,
        })?;
        Ok(Prepared {
            certificate_id: draft.certificate_id,
            client: draft.journal.client,
            payload: entry.payload,
            leaves: draft.leaves.path,
            folded: draft.leaves.folded,
            repeated: total(&draft.leaves.repeated),
            proof,
        })
    }

    /// What stands in the log is what is certified; the leaves must still be the same.
    fn agrees(&self, payload: &[u8], draft: &Draft) -> Result<(), SealError> {
        // The ledger's own bytes, whose digest it has just compared.
        let statement: Statement = serde_json::from_slice(payload).map_err(|_| {
            self.facts
                .damaged("have a certificate that cannot be read".to_owned())
        })?;
        if statement.leaves_digest() == draft.leaves.folded.sha256 {
            return Ok(());
        }
        Err(SealError::JournalChanged {
            certificate_id: draft.certificate_id.clone(),
        })
    }

    /// Says that nothing of the client's was removed, and publishes the log with that.
    async fn without_removals(&self, log: &mut OpenLog<'_>, client: &str) -> Result<(), SealError> {
        let targets = self.announcement.plan.targets.iter();
        let jobs: BTreeSet<&str> = targets.map(|target| target.job.as_str()).collect();
        let make = |place: LogPlace, at: Timestamp| -> Result<NewPayload, SealError> {
            let payload = match self.facts.aborted(&jobs) {
                Some(reason) => self.abort(place, reason, at),
                None => self.noop(place, client, at),
            };
            Ok(NewPayload {
                payload: payload.map_err(|source| SealError::Entry {
                    run: self.facts.run_id().to_owned(),
                    source,
                })?,
                certificate: None,
            })
        };
        log.append(&self.mark(), make).await?;
        fail::fail_point!("seal.after-noop");
        log.publish(self.now).await?;
        Ok(())
    }

    fn noop(
        &self,
        log: LogPlace,
        client: &str,
        at: Timestamp,
    ) -> Result<Vec<u8>, entry::EntryError> {
        let plan = &self.announcement.plan;
        entry::to_payload(&Noop {
            certificate_id: certificate_id(self.facts.run_id(), client),
            kind: NoopKind::Noop,
            log,
            issuer: statement_parts::issuer(self.context.issuer, self.context.version),
            controller: plan.controller.clone(),
            trigger: plan.trigger,
            run: plan.run.clone(),
            period: self.facts.period(at),
        })
    }

    fn abort(
        &self,
        log: LogPlace,
        reason: AbortReason,
        at: Timestamp,
    ) -> Result<Vec<u8>, entry::EntryError> {
        let plan = &self.announcement.plan;
        entry::to_payload(&Abort {
            log,
            issuer: statement_parts::issuer(self.context.issuer, self.context.version),
            controller: plan.controller.clone(),
            run: plan.run.clone(),
            reason,
            recorded_at: at,
        })
    }
}
