//! A look back into the stores before a run is certified: is what it removed gone?
//!
//! The process that removed rows still has their keys and asks for just these; so it takes as long as
//! what was removed, not as what stays. Where the keys are not all there (after a crash, or if they were
//! too many to hold), every record that is present is looked at. Either way a record that is there is made
//! into the leaf that its removal would have had, and looked up among the run's own leaves. Versions of objects were listed again
//! when they were removed; only what was then gone has a leaf.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufReader;

use jiff::Timestamp;
use kigen_evidence::digest::Sha256;
use kigen_evidence::leaf::{Action, RunKey};
use kigen_evidence::leaves::Tally;
use kigen_evidence::statement::{Statement, StoreVerification, Unverifiable, VerificationResult};

use super::certificate::Draft;
use super::context::SealContext;
use super::error::SealError;
use super::facts::{RunFacts, is_object};
use crate::config::ReadBack;
use crate::guard::{self, Guard};
use crate::job::Job;
use crate::ledger::entry::TargetEntry;
use crate::run::restore::{
    self, ClusterIndex, ClusterLook, Knowledge, LeafIndex, Looked, RestoreError, Source,
    SourceTarget,
};
use crate::store::{Inventory, RemovedKeys, TokenKey};

/// Every present record was looked at.
const ALL_ROWS: &str = "requery-full";

/// Each removed row was asked for by its key.
const REMOVED_ROWS: &str = "requery-keys";

/// Every key was listed again with all its versions.
const VERSIONS: &str = "relist-versions";

/// What was found, by client and target.
#[derive(Default)]
pub(super) struct ReadBackResults(BTreeMap<(String, u16), StoreVerification>);

impl ReadBackResults {
    /// What was found in one target of a client.
    pub(super) fn of(&self, client: &str, target: u16) -> Option<StoreVerification> {
        self.0.get(&(client.to_owned(), target)).cloned()
    }

    /// Whether something that was removed from one of `client`'s targets is there.
    pub(super) fn found_something(&self, client: &str) -> bool {
        let mut of_client = self.0.iter().filter(|((name, _), _)| name == client);
        of_client.any(|(_, found)| found.result == VerificationResult::NotVerified)
    }
}

/// Looks for everything that the certificates to be made are about. A store that cannot be asked
/// stops nothing: the certificate says so.
pub(super) async fn read_back(
    context: &SealContext<'_>,
    facts: &RunFacts,
    drafts: &[Draft],
) -> Result<ReadBackResults, SealError> {
    // What is stored does not change any more.
    let drafts: Vec<&Draft> = drafts
        .iter()
        .filter(|draft| !facts.stored.contains_key(&draft.journal.client))
        .collect();
    let mut back = ReadBackResults::default();
    if drafts.is_empty() {
        return Ok(back);
    }
    for target in facts.targets()? {
        if is_object(target) {
            objects(&mut back, facts, &drafts, target);
        }
    }
    let key = restore::run_key(context.ledger, context.keyring, facts.run_id()).await?;
    let Ok(key) = key else {
        // Without its key the run cannot be certified anyway, and is told so there.
        return Ok(back);
    };
    let sort_failed = |source| SealError::Sort {
        run: facts.run_id().to_owned(),
        folder: context.work_folder.to_owned(),
        source,
    };
    let leaves = drafts.iter().map(|draft| draft.leaves.folded.size).sum();
    let mut leaf_index = LeafIndex::new(context.work_folder, leaves).map_err(sort_failed)?;
    let mut sources = Vec::with_capacity(drafts.len());
    for draft in &drafts {
        let file = File::open(&draft.leaves.path).map_err(sort_failed)?;
        let part = leaf_index.add(BufReader::new(file)).map_err(sort_failed)?;
        sources.push(source(facts, draft, &key, part)?);
    }
    leaf_index.finish().map_err(sort_failed)?;
    let knowledge = Knowledge {
        sources: &sources,
        leaf_index: &leaf_index,
    };
    let targets = facts.targets()?;
    let rows = targets.iter().filter(|target| !is_object(target));
    let jobs: BTreeSet<&str> = rows.map(|target| target.job.as_str()).collect();
    for job in jobs {
        let removed = context.removed.get(job);
        let removed = removed.filter(|removed| are_complete(facts, &drafts, job, removed));
        // What comes back after the look has begun is not seen by it.
        let at = (context.now)().max(facts.finished_at);
        let found = cluster(context, facts, knowledge, job, removed).await;
        let look = Look {
            facts,
            sources: &sources,
            job,
            at,
        };
        look.note(&mut back, &drafts, &found)?;
    }
    Ok(back)
}

/// What the certificate says of the look back: records that are there, targets that nobody knows of.
pub(super) fn says(facts: &RunFacts, payload: &[u8]) -> Result<(u64, u64), SealError> {
    // The payload that was stored, or was made just now.
    let statement: Statement = serde_json::from_slice(payload)
        .map_err(|_| facts.damaged("have a certificate that cannot be read".to_owned()))?;
    let targets = statement.predicate.targets.iter();
    let found: Vec<_> = targets
        .filter_map(|target| target.verification.as_ref())
        .collect();
    let remaining = found.iter().map(|found| found.remaining).sum();
    let unverifiable = found
        .iter()
        .filter(|found| found.result == VerificationResult::Unverifiable);
    let unverifiable = u64::try_from(unverifiable.count()).unwrap_or(u64::MAX);
    Ok((remaining, unverifiable))
}

/// The run's removals for one client.
fn source(facts: &RunFacts, draft: &Draft, key: &RunKey, part: usize) -> Result<Source, SealError> {
    let jobs = &facts.run.started.jobs;
    let targets = facts.targets()?;
    let of_client = targets
        .into_iter()
        .filter(|target| draft.journal.ended_by.contains_key(&target.index));
    Ok(Source {
        run_id: facts.run_id().to_owned(),
        as_of: facts.run.started.last_day(),
        certificate_id: draft.certificate_id.clone(),
        client: draft.journal.client.clone(),
        // There is no payload yet, and nobody refers to it.
        payload_sha256: Sha256::of(&[]),
        key: RunKey::from_bytes(*key.expose()),
        targets: of_client
            .filter_map(|target| SourceTarget::recorded(target, jobs))
            .collect(),
        part,
    })
}

/// Everything present of one cluster, or why it cannot be looked at.
async fn cluster(
    context: &SealContext<'_>,
    facts: &RunFacts,
    knowledge: Knowledge<'_>,
    name: &str,
    removed: Option<&RemovedKeys>,
) -> Result<Found, Unverifiable> {
    let ReadBack::Full { most_records } = context.read_back else {
        return Err(Unverifiable::SwitchedOff);
    };
    if removed.is_some_and(|removed| removed.all() > most_records) {
        return Err(Unverifiable::TooManyRecords);
    }
    let job: Option<&Job> = context.jobs.iter().find(|job| job.cluster == name);
    let job = job.ok_or(Unverifiable::JobChanged)?;
    let (mut known, changed) = ClusterIndex::new(job, knowledge, &[], context.work_folder);
    if !changed.is_empty() {
        return Err(Unverifiable::JobChanged);
    }
    let store = context.stores.get(&job.store);
    let store = store.ok_or(Unverifiable::StoreUnavailable)?;
    let tokens = TokenKey(*context.keyring.token_key());
    let store: &dyn Inventory = &**store;
    let unavailable = |error: RestoreError| {
        tracing::warn!(job.name = %name, error = %error, "what was removed from `{name}` could not be looked for");
        Unverifiable::StoreUnavailable
    };
    if let Some(removed) = removed {
        let progress = context.progress;
        let looked = restore::look(&mut known, store, &tokens, progress, Some(removed)).await;
        if let Looked::At(look) = looked.map_err(unavailable)? {
            return Ok(Found {
                look: *look,
                method: REMOVED_ROWS,
            });
        }
    }
    let surveyed = facts.run.surveyed.iter();
    let of_job = surveyed.filter(|surveyed| surveyed.job == name);
    if of_job.map(|surveyed| surveyed.total_records).max() > Some(most_records) {
        return Err(Unverifiable::TooManyRecords);
    }
    let looked = restore::everything(&mut known, store, &tokens, context.progress).await;
    Ok(Found {
        look: looked.map_err(unavailable)?,
        method: ALL_ROWS,
    })
}

/// What a look at one cluster has found, and how it was looked.
struct Found {
    look: ClusterLook,
    method: &'static str,
}

/// Whether `removed` has one key for each row of `job` that has a leaf: else some are not known, such as
/// those that another process removed before it died.
fn are_complete(facts: &RunFacts, drafts: &[&Draft], job: &str, removed: &RemovedKeys) -> bool {
    let Ok(targets) = facts.targets() else {
        return false;
    };
    let rows = targets
        .iter()
        .filter(|target| target.job == job && !is_object(target));
    let leaves: u64 = rows.map(|target| records(drafts, target)).sum();
    leaves == removed.all()
}

/// The leaves of rows or objects in one target.
fn records(drafts: &[&Draft], target: &TargetEntry) -> u64 {
    let of_drafts = drafts.iter().map(|draft| records_of(draft, target));
    of_drafts.sum()
}

fn records_of(draft: &Draft, target: &TargetEntry) -> u64 {
    let records = draft.leaves.folded.records.get(usize::from(target.index));
    records.map_or(0, Tally::total)
}

/// A look at one cluster, on its way into certificates.
struct Look<'a> {
    facts: &'a RunFacts,
    sources: &'a [Source],
    job: &'a str,
    /// When the store was asked.
    at: Timestamp,
}

impl Look<'_> {
    fn note(
        &self,
        back: &mut ReadBackResults,
        drafts: &[&Draft],
        found: &Result<Found, Unverifiable>,
    ) -> Result<(), SealError> {
        for target in self.facts.targets()? {
            if is_object(target) || target.job != self.job {
                continue;
            }
            for (number, draft) in drafts.iter().enumerate() {
                let client = &draft.journal.client;
                if !draft.journal.ended_by.contains_key(&target.index) {
                    continue;
                }
                debug_assert_eq!(self.sources[number].client, *client);
                let verification = self.verification(target, (number, draft), found);
                back.0.insert((client.clone(), target.index), verification);
            }
        }
        Ok(())
    }

    fn verification(
        &self,
        target: &TargetEntry,
        (source, draft): (usize, &Draft),
        found: &Result<Found, Unverifiable>,
    ) -> StoreVerification {
        let method = found.as_ref().map_or(ALL_ROWS, |found| found.method);
        let says = |checked, remaining, result, reason| StoreVerification {
            method: method.to_owned(),
            checked,
            remaining,
            result,
            reason,
            at: self.at,
        };
        let found = match found {
            Ok(found) => &found.look,
            Err(reason) => {
                return says(0, 0, VerificationResult::Unverifiable, Some(*reason));
            }
        };
        let rows = found.rows.get(&target.object);
        let checked = if method == REMOVED_ROWS {
            records_of(draft, target)
        } else {
            rows.map_or(found.present, |rows| rows.present)
        };
        let count = |by_source: &BTreeMap<usize, BTreeMap<u16, u64>>| {
            let of_source = by_source.get(&source);
            let of_target = of_source.and_then(|targets| targets.get(&target.index));
            of_target.copied().unwrap_or_default()
        };
        let remaining = count(&found.by_source);
        if remaining > 0 {
            return says(checked, remaining, VerificationResult::NotVerified, None);
        }
        if count(&found.open_by_source) > 0 {
            let reason = Some(Unverifiable::NamesNobody);
            return says(checked, 0, VerificationResult::Unverifiable, reason);
        }
        says(checked, 0, VerificationResult::Verified, None)
    }
}

/// What was listed again when it was removed: a version that was still there then has no leaf.
fn objects(back: &mut ReadBackResults, facts: &RunFacts, drafts: &[&Draft], target: &TargetEntry) {
    for draft in drafts {
        if !draft.journal.ended_by.contains_key(&target.index) {
            continue;
        }
        let records = draft.leaves.folded.records.get(usize::from(target.index));
        let removed = records.map_or(0, |tally| tally.total() - tally.of(Action::AlreadyAbsent));
        let (result, reason) = if removed > 0 || !guard::stands(Guard::LookedAt) {
            (VerificationResult::Verified, None)
        } else {
            // What was never found is not proved to be gone.
            (
                VerificationResult::Unverifiable,
                Some(Unverifiable::NeverFound),
            )
        };
        let found = StoreVerification {
            method: VERSIONS.to_owned(),
            checked: removed,
            remaining: 0,
            result,
            reason,
            // Read back right before the journal was written.
            at: draft
                .journal
                .last_at(target.index)
                .unwrap_or(facts.finished_at),
        };
        let key = (draft.journal.client.clone(), target.index);
        back.0.insert(key, found);
    }
}
