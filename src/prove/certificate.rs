//! One certificate, opened: its leaves under the run's key.

use std::fs::File;
use std::path::Path;

use kigen_evidence::dsse;
use kigen_evidence::leaf::{RecordEncoder, RecordPlace, RunKey, SubjectEncoder};
use kigen_evidence::leaves::LeafFile;
use kigen_evidence::log::note::Note;
use kigen_evidence::log::vkey::{KeyType, NoteKey};
use kigen_evidence::receipt::{self, FoundLeaf, SearchError};
use kigen_evidence::statement::{Statement, Target};
use thiserror::Error;

use super::error::ProveError;
use super::leaves::{self, Fetched};
use super::question::{About, Question};
use super::search::Evidence;
use crate::archive::client_folder;
use crate::keyring::NoRunKey;
use crate::ledger::StoredCertificate;

const LEAVES: &str = "leaves.bin";

/// Why a certificate could not be searched.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Obstacle {
    #[error("its run's key was destroyed with its quarter: no leaf of it can be opened any more")]
    KeyDestroyed,
    #[error("the keyring has no key of its quarter")]
    NoKey,
    #[error("it is not signed yet")]
    NotSigned,
    #[error("its leaves are not published")]
    NotPublished,
    #[error("its published leaves are not those that were certified")]
    LeavesAltered,
    #[error("the ledger's certificate is not signed under a key of the keyring")]
    NotOurs,
}

impl Obstacle {
    /// The word for it in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::KeyDestroyed => "key-destroyed",
            Self::NoKey => "no-key",
            Self::NotSigned => "not-signed",
            Self::NotPublished => "not-published",
            Self::LeavesAltered => "leaves-altered",
            Self::NotOurs => "not-ours",
        }
    }
}

/// A certificate whose leaves can be opened.
pub(super) struct Opened<'s> {
    statement: &'s Statement,
    run_key: RunKey,
    leaves: LeafFile<File>,
}

/// A leaf that was found, in its target.
pub(super) struct Hit<'s> {
    pub(super) target: &'s Target,
    pub(super) leaf: FoundLeaf,
}

/// Opens `stored`, which says `statement`; `Err` inside says why that cannot be.
pub(super) async fn open<'s>(
    evidence: &Evidence<'_>,
    stored: &StoredCertificate,
    statement: &'s Statement,
) -> Result<Result<Opened<'s>, Obstacle>, ProveError> {
    if let Some(obstacle) = not_ours(evidence, stored) {
        return Ok(Err(obstacle));
    }
    let run_key = match run_key(evidence, &stored.summary.run_id).await? {
        Ok(run_key) => run_key,
        Err(obstacle) => return Ok(Err(obstacle)),
    };
    let summary = &stored.summary;
    let (client, run) = (
        client_folder(&summary.client),
        client_folder(&summary.run_id),
    );
    let path = format!("{client}/{run}/{LEAVES}");
    let certified = statement.leaves_digest();
    let folder: &Path = evidence.work_folder;
    let file = match leaves::fetch(evidence.place, &path, certified, folder).await? {
        Fetched::Certified(file) => file,
        Fetched::Missing => return Ok(Err(Obstacle::NotPublished)),
        Fetched::Altered => return Ok(Err(Obstacle::LeavesAltered)),
    };
    let leaves = LeafFile::open(file).map_err(|error| failed(statement, error.into()))?;
    Ok(Ok(Opened {
        statement,
        run_key,
        leaves,
    }))
}

/// A ledger that was altered does not have us sign its own trees.
fn not_ours(evidence: &Evidence<'_>, stored: &StoredCertificate) -> Option<Obstacle> {
    let Some(envelope) = &stored.envelope else {
        return Some(Obstacle::NotSigned);
    };
    let keys = evidence.keyring.certificate_keys();
    let keys: Vec<_> = keys.iter().map(|known| known.key).collect();
    match dsse::verify(&envelope.envelope, &keys) {
        Ok(verified) if verified.payload() == stored.payload => None,
        Ok(_) | Err(_) => Some(Obstacle::NotOurs),
    }
}

async fn run_key(
    evidence: &Evidence<'_>,
    run_id: &str,
) -> Result<Result<RunKey, Obstacle>, ProveError> {
    match evidence.keyring.run_key(evidence.ledger, run_id).await? {
        Ok(run_key) => Ok(Ok(run_key)),
        Err(NoRunKey::Destroyed) => Ok(Err(Obstacle::KeyDestroyed)),
        Err(NoRunKey::NotInKeyring) => Ok(Err(Obstacle::NoKey)),
        Err(NoRunKey::Unusable(error)) => Err(error.into()),
    }
}

impl<'s> Opened<'s> {
    /// Every leaf that answers one of `questions`.
    pub(super) fn find(&mut self, questions: &[Question]) -> Result<Vec<Hit<'s>>, ProveError> {
        let statement = self.statement;
        let mut hits = Vec::new();
        for target in &statement.predicate.targets {
            for question in questions
                .iter()
                .filter(|question| question.concerns(target))
            {
                let found = self.find_in(target, &question.about);
                let found = found.map_err(|error| failed(statement, error))?;
                hits.extend(found.into_iter().map(|leaf| Hit { target, leaf }));
            }
        }
        Ok(hits)
    }

    fn find_in(&mut self, target: &Target, about: &About) -> Result<Vec<FoundLeaf>, SearchError> {
        let client = &self.statement.predicate.controller.client;
        let mut found = Vec::new();
        match about {
            About::Record { columns, keys, .. } => {
                let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
                let place = RecordPlace {
                    client,
                    store: &target.store.id,
                    object: &target.object,
                };
                let mut encoder = RecordEncoder::new(&self.run_key, place, &columns, target.index)?;
                for key in keys {
                    found.extend(receipt::find_record(&mut self.leaves, &mut encoder, key)?);
                }
            }
            About::Person { kind, ids, .. } => {
                let mut encoder = SubjectEncoder::new(&self.run_key, client, kind)?;
                for id in ids {
                    let (file, index) = (&mut self.leaves, target.index);
                    found.extend(receipt::find_subject(file, &mut encoder, id, index)?);
                }
            }
        }
        Ok(found)
    }

    /// The receipts' files for `hits`, in their order, under the present key of the log.
    pub(super) fn issue(
        &mut self,
        evidence: &Evidence<'_>,
        hits: &[Hit<'_>],
    ) -> Result<Vec<String>, ProveError> {
        let note = self.sign(evidence)?;
        let indexes: Vec<u64> = hits.iter().map(|hit| hit.leaf.index).collect();
        let proofs = self.leaves.prove(&indexes);
        let proofs = proofs.map_err(|error| failed(self.statement, error.into()))?;
        let predicate = &self.statement.predicate;
        if proofs.root != *predicate.evidence.run_checkpoint.root() {
            return Err(ProveError::Damaged {
                certificate_id: predicate.certificate_id.clone(),
            });
        }
        let paths = hits.iter().zip(proofs.inclusions);
        Ok(paths
            .map(|(hit, path)| {
                let (opening, index) = (&hit.leaf.opening, hit.leaf.index);
                receipt::issue(opening, index, path, note.clone()).to_string()
            })
            .collect())
    }

    /// The run's checkpoint as a note under the key of the client's log.
    fn sign(&self, evidence: &Evidence<'_>) -> Result<Note, ProveError> {
        let predicate = &self.statement.predicate;
        let id = &predicate.certificate_id;
        let head = &predicate.evidence.run_checkpoint;
        let log = head.as_checkpoint().origin().rsplit_once("/run/");
        let log = log.filter(|_| head.belongs_to(id));
        let (log, _) = log.ok_or_else(|| ProveError::Damaged {
            certificate_id: id.clone(),
        })?;
        let secret = evidence.keyring.log_key()?;
        let key = NoteKey::new(log, KeyType::Note, secret.verifying_key())
            .map_err(|error| ProveError::of_key(id, &error))?;
        let note = head.as_checkpoint().sign(&key, secret);
        note.map_err(|error| ProveError::of_note(id, &error))
    }

    /// Number of leaves.
    pub(super) fn size(&self) -> u64 {
        self.leaves.size()
    }
}

fn failed(statement: &Statement, source: SearchError) -> ProveError {
    ProveError::Search {
        certificate_id: statement.predicate.certificate_id.clone(),
        source,
    }
}
