//! The published log of one client: who signed its head, whether its entries are all there, and
//! whether the certificates beside it are those that it has.

mod files;
mod stamps;
mod tree;
mod witnesses;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::SignedDuration;
use kigen_evidence::log::checkpoint::Checkpoint;
use kigen_evidence::log::history::HistoryReport;
use kigen_evidence::log::note::Note;
use kigen_evidence::log::policy::Policy;
use kigen_evidence::log::proof::LogProof;
use kigen_evidence::log::vkey::{KeyType, NoteKey};
use kigen_evidence::merkle::Hash;
use kigen_evidence::public_key::key_id;

use crate::archive::{Archive, Kind, LOG, Standing, client_folder};
use crate::guard::{self, Guard};

use super::VerifyError;
use super::certificate::CertificateVerification;
use super::clients::{ClientCheck, PublishedClient};
use super::finding::{PublishedFact, PublishedFinding, PublishedProblem};

pub(crate) use tree::{ReadLog, read as read_log};

const CHECKPOINT: &str = "checkpoint";
const POLICY: &str = "policy.txt";
const PROOF: &str = "cert.tlog-proof";

/// For how long a run may go on before its plan counts as left open, measured against the log's
/// last entry: every later run closes what a killed one left.
const LONGEST_RUN: SignedDuration = SignedDuration::from_hours(48);

/// The log of the client holds, and so does everything that it says about the certificates.
pub(super) struct LogHolds;

#[async_trait]
impl ClientCheck for LogHolds {
    async fn check(
        &self,
        client: &PublishedClient<'_>,
    ) -> Result<Vec<PublishedFinding>, VerifyError> {
        let mut check = Check {
            client,
            findings: Vec::new(),
        };
        check.run().await?;
        Ok(check.findings)
    }
}

/// Those of the heads that the caller kept whose log is not in the place: a client that was hidden as a
/// whole leaves nothing else behind.
pub(super) async fn hidden(
    place: &Arc<dyn Archive>,
    held: &[Checkpoint],
) -> Result<Vec<PublishedFinding>, VerifyError> {
    let mut findings = Vec::new();
    for head in held {
        let origin = head.origin();
        // The origin ends with the client's folder.
        let client = origin.rsplit('/').next().unwrap_or(origin);
        let path = format!("{client}/{LOG}/{CHECKPOINT}");
        let note = match Kind::of(&path) {
            Some(_) => place.get(&path).await?,
            None => None,
        };
        let note = note.unwrap_or_default();
        let is_there = String::from_utf8_lossy(&note).lines().next() == Some(origin);
        if !is_there && guard::stands(Guard::KeptHeads) {
            let (origin, size) = (origin.to_owned(), head.size());
            findings.push(PublishedProblem::LogHidden { origin, size }.into());
        }
    }
    Ok(findings)
}

/// The checks of one log, on their way.
struct Check<'a> {
    client: &'a PublishedClient<'a>,
    findings: Vec<PublishedFinding>,
}

impl Check<'_> {
    async fn run(&mut self) -> Result<(), VerifyError> {
        let Some(note) = self.note().await? else {
            return Ok(());
        };
        let Some((head, keys)) = self.head(&note) else {
            return Ok(());
        };
        let roots = self.proofs(&keys).await?;
        let cosigned = witnesses::cosigned(self.client, &keys, (&note, &head)).await?;
        let (cosigned, findings) = cosigned;
        self.findings.extend(findings);
        let sizes: BTreeSet<u64> = roots
            .iter()
            .map(|(_, proven)| proven.size())
            .chain(self.held(&head).map(Checkpoint::size))
            .chain(cosigned.iter().map(|head| head.checkpoint.size()))
            .collect();
        let place = Arc::clone(self.client.place);
        let folder = format!("{}/{LOG}", self.client.folder);
        let read = tree::read(place, folder, &head, sizes).await?;
        let read = match read {
            Ok(read) => read,
            Err(problem) => {
                self.findings.push(problem.into());
                return Ok(());
            }
        };
        self.policy(&keys).await?;
        self.story(&head, &read);
        self.held_heads(&head, &read);
        let findings = witnesses::check(self.client, &cosigned, &read.roots, &head);
        self.findings.extend(findings);
        self.certificates(&read);
        self.check_proofs(&roots, &read);
        let files = files::check(self.client, &read, head.size()).await?;
        self.findings.extend(files);
        let stamps = stamps::check(self.client).await?;
        self.findings.extend(stamps);
        Ok(())
    }

    fn fact(&mut self, fact: PublishedFact) {
        self.findings.push(fact.into());
    }

    fn problem(&mut self, problem: PublishedProblem) {
        self.findings.push(problem.into());
    }

    /// The published head. Where it is missing, no certificate may name a log.
    async fn note(&mut self) -> Result<Option<Note>, VerifyError> {
        let path = format!("{}/{LOG}/{CHECKPOINT}", self.client.folder);
        let Some(bytes) = self.client.place.get(&path).await? else {
            let is_there = |file: &&crate::archive::Listed| file.standing == Standing::Visible;
            let files = self.client.log.iter().filter(is_there).count();
            let in_a_log = self.client.certificates.iter().any(names_a_log);
            if files > 0 || in_a_log {
                self.problem(PublishedProblem::NoHead { path });
            }
            return Ok(None);
        };
        let note = String::from_utf8_lossy(&bytes).parse::<Note>();
        match note {
            Ok(note) => Ok(Some(note)),
            Err(error) => {
                self.problem(PublishedProblem::Head { path, error });
                Ok(None)
            }
        }
    }

    /// The head that a trusted key of the log signed, and the keys under the log's name.
    fn head(&mut self, note: &Note) -> Option<(Checkpoint, Vec<NoteKey>)> {
        let path = format!("{}/{LOG}/{CHECKPOINT}", self.client.folder);
        let origin = note.text().lines().next().unwrap_or_default();
        let is_ours = origin
            .rsplit_once('/')
            .is_some_and(|(_, client)| client == self.client.folder);
        if !is_ours {
            let origin = origin.to_owned();
            self.problem(PublishedProblem::OtherLog { path, origin });
            return None;
        }
        let named = |key| NoteKey::new(origin, KeyType::Note, key).ok();
        let keys: Vec<NoteKey> = self
            .client
            .log_keys
            .iter()
            .copied()
            .filter_map(named)
            .collect();
        let opened = match note.open(&keys) {
            Ok(opened) => opened,
            Err(error) => {
                self.problem(PublishedProblem::Head { path, error });
                return None;
            }
        };
        match Checkpoint::read(&opened) {
            Ok(head) => {
                let signers = opened.signers().iter();
                let key_ids: Vec<String> = signers.map(|signer| key_id(signer.key.key())).collect();
                self.fact(PublishedFact::HeadIsSigned {
                    size: head.size(),
                    key_id: key_ids.join(", "),
                });
                Some((head, keys))
            }
            Err(error) => {
                self.problem(PublishedProblem::NoCheckpoint { path, error });
                None
            }
        }
    }

    /// The published policy tells other programs whom to trust: nobody but those that we do.
    async fn policy(&mut self, keys: &[NoteKey]) -> Result<(), VerifyError> {
        let path = format!("{}/{LOG}/{POLICY}", self.client.folder);
        let Some(bytes) = self.client.place.get(&path).await? else {
            return Ok(());
        };
        match String::from_utf8_lossy(&bytes).parse::<Policy>() {
            Ok(policy) if policy.logs().iter().all(|key| keys.contains(key)) => {}
            Ok(_) => self.problem(PublishedProblem::UntrustedKey { path }),
            Err(error) => self.problem(PublishedProblem::Policy { path, error }),
        }
        Ok(())
    }

    /// The entries amount to the head, and tell a whole story.
    fn story(&mut self, head: &Checkpoint, read: &ReadLog) {
        if read.report.root != *head.root() || read.report.size != head.size() {
            self.problem(PublishedProblem::OtherRoot { size: head.size() });
        } else {
            self.fact(PublishedFact::EntriesAreThere { size: head.size() });
        }
        for (index, problem) in &read.report.problems {
            self.findings.push(
                PublishedProblem::Entry {
                    index: *index,
                    problem: problem.to_string(),
                }
                .into(),
            );
        }
        if read.report.holds() {
            let counts = read.report.counts;
            self.fact(PublishedFact::StoryHolds { counts });
        }
        self.open_plans(&read.report);
    }

    /// A run that was left out or concealed stays behind as a plan without an end.
    fn open_plans(&mut self, report: &HistoryReport) {
        for open in &report.open_plans {
            let (index, run, at) = (open.index, open.run.clone(), open.recorded_at);
            let is_old = report
                .last
                .is_some_and(|last| last.duration_since(at) > LONGEST_RUN);
            if is_old {
                self.problem(PublishedProblem::LeftOpen { index, run, at });
            } else {
                self.fact(PublishedFact::Open { index, run, at });
            }
        }
        for index in &report.open_suspensions {
            self.fact(PublishedFact::Suspended { index: *index });
        }
    }

    /// The heads of this log that the caller kept from earlier.
    fn held<'b>(&'b self, head: &'b Checkpoint) -> impl Iterator<Item = &'b Checkpoint> {
        let of_this_log = |held: &&Checkpoint| held.origin() == head.origin();
        self.client.held.iter().filter(of_this_log)
    }

    /// The log has only been added to since a head that somebody kept.
    fn held_heads(&mut self, head: &Checkpoint, read: &ReadLog) {
        let held: Vec<Checkpoint> = self.held(head).cloned().collect();
        for held in held {
            let size = held.size();
            if size > head.size() {
                let now = head.size();
                self.problem(PublishedProblem::Shortened { held: size, now });
            } else if read.roots.get(&size) == Some(held.root()) {
                self.fact(PublishedFact::OnlyAddedTo { size });
            } else {
                self.problem(PublishedProblem::History { size });
            }
        }
    }

    /// Every certificate is in the log at its place, and every one of the log is published.
    fn certificates(&mut self, read: &ReadLog) {
        let mut published: BTreeSet<Hash> = BTreeSet::new();
        let mut in_log = 0;
        for found in self.client.certificates {
            let (Some(entry), Some(statement)) = (found.entry, &found.statement) else {
                continue;
            };
            published.insert(entry);
            let place = statement.predicate.log.as_ref();
            let index = place.and_then(|place| usize::try_from(place.index).ok());
            let stands = index.and_then(|index| read.hashes.get(index));
            if stands == Some(&entry) {
                in_log += 1;
            } else {
                let folder = found.folder.clone();
                self.findings
                    .push(PublishedProblem::NotInLog { folder }.into());
            }
        }
        let mut missing = 0;
        for (index, certificate) in &read.certificates {
            let hash = usize::try_from(*index)
                .ok()
                .and_then(|index| read.hashes.get(index));
            // One that does not hold has said so itself.
            let folder = format!("{}/{}", self.client.folder, client_folder(&certificate.run));
            let mut others = self.client.certificates.iter();
            let is_there = others.any(|found| found.folder == folder);
            if is_there || hash.is_some_and(|hash| published.contains(hash)) {
                continue;
            }
            missing += 1;
            self.findings.push(
                PublishedProblem::NotPublished {
                    index: *index,
                    certificate_id: certificate.certificate_id.clone(),
                }
                .into(),
            );
        }
        if missing == 0 {
            let certificates = read.certificates.len();
            self.fact(PublishedFact::AllPublished {
                certificates,
                in_log,
            });
        }
    }

    /// The proofs beside the certificates: the certificate, its proof, and the head it is under.
    async fn proofs(&mut self, keys: &[NoteKey]) -> Result<Vec<(String, Checkpoint)>, VerifyError> {
        let mut proven = Vec::new();
        for found in self
            .client
            .certificates
            .iter()
            .filter(|one| names_a_log(one))
        {
            let Some(entry) = found.entry else { continue };
            let path = format!("{}/{PROOF}", found.folder);
            let Some(bytes) = self.client.place.get(&path).await? else {
                self.findings
                    .push(PublishedProblem::NoProof { path }.into());
                continue;
            };
            let proof = String::from_utf8_lossy(&bytes).parse::<LogProof>();
            let checked = proof.and_then(|proof| {
                let (head, _) = proof.verify(&entry, keys)?;
                Ok(head)
            });
            match checked {
                Ok(head) => proven.push((path, head)),
                Err(error) => self
                    .findings
                    .push(PublishedProblem::Proof { path, error }.into()),
            }
        }
        Ok(proven)
    }

    /// The heads of the proofs are heads of this log.
    fn check_proofs(&mut self, proofs: &[(String, Checkpoint)], read: &ReadLog) {
        let mut holding = 0;
        for (path, head) in proofs {
            if read.roots.get(&head.size()) == Some(head.root()) {
                holding += 1;
                continue;
            }
            let path = path.clone();
            let size = head.size();
            self.problem(PublishedProblem::ProofOfOtherLog { path, size });
        }
        if holding > 0 && holding == proofs.len() {
            self.fact(PublishedFact::ProofsHold { proofs: holding });
        }
    }
}

/// Whether a certificate says that it is in a log.
fn names_a_log(found: &CertificateVerification) -> bool {
    let statement = found.statement.as_ref();
    statement.is_some_and(|statement| statement.predicate.log.is_some())
}
