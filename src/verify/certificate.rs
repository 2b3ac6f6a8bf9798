//! Checks one certificate where it is published.

use std::sync::Arc;

use ed25519_dalek::VerifyingKey;
use kigen_evidence::dsse::{self, LONGEST_ENVELOPE, Verified};
use kigen_evidence::merkle::{Hash, leaf_hash};
use kigen_evidence::public_key::key_id;
use kigen_evidence::statement::Statement;
use kigen_evidence::{sshsig, verify};
use tokio::runtime::Handle;
use tokio::task;

use crate::archive::{Archive, PublishError, client_folder};

use super::VerifyError;
use super::finding::{PublishedFact, PublishedFinding, PublishedProblem};
use super::reader::RangeReader;

const LEAVES: &str = "leaves.bin";
const STATEMENT: &str = "statement.json";
const SSH_SIGNATURE: &str = "statement.json.sig";
const ENVELOPE: &str = "cert.dsse.json";

/// What a check of one published certificate found.
#[derive(Debug)]
pub struct CertificateVerification {
    /// Where the certificate lies in its place.
    pub folder: String,
    /// What holds and what does not, in the order of the checks.
    pub findings: Vec<PublishedFinding>,
    /// What the certificate says; `None` unless its signature holds.
    pub statement: Option<Statement>,
    /// The leaf hash (RFC 6962) of the signed bytes: the certificate's entry in a log.
    pub entry: Option<Hash>,
}

impl CertificateVerification {
    /// Whether every check held.
    pub fn holds(&self) -> bool {
        !self.findings.is_empty() && self.findings.iter().all(PublishedFinding::holds)
    }

    /// Whether the certificate lies where its client and run belong, which is not in `folder`
    /// otherwise.
    pub(super) fn check_place(&mut self, folder: &str) {
        let Some(statement) = &self.statement else {
            return;
        };
        let predicate = &statement.predicate;
        let client = client_folder(&predicate.controller.client);
        let belongs = format!("{client}/{}", client_folder(&predicate.run.id));
        if folder != belongs {
            let problem = PublishedProblem::Misplaced { belongs };
            self.findings.push(problem.into());
        }
    }
}

/// Checks the certificate in `folder` of `place`, wherever it belongs.
pub async fn verify_certificate(
    place: &Arc<dyn Archive>,
    folder: &str,
    keys: &[VerifyingKey],
) -> Result<CertificateVerification, VerifyError> {
    let mut check = Check {
        place,
        folder,
        keys,
        findings: Vec::new(),
        statement: None,
        entry: None,
    };
    if let Err(stop) = check.run().await {
        match stop {
            Stop::Problem(problem) => check.findings.push((*problem).into()),
            Stop::Failed(error) => return Err(error),
        }
    }
    Ok(CertificateVerification {
        folder: folder.to_owned(),
        findings: check.findings,
        statement: check.statement,
        entry: check.entry,
    })
}

/// Why the checks of a certificate do not go on.
enum Stop {
    Problem(Box<PublishedProblem>),
    Failed(VerifyError),
}

impl From<PublishedProblem> for Stop {
    fn from(problem: PublishedProblem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

/// The checks of one certificate, on their way.
struct Check<'a> {
    place: &'a Arc<dyn Archive>,
    folder: &'a str,
    keys: &'a [VerifyingKey],
    findings: Vec<PublishedFinding>,
    statement: Option<Statement>,
    entry: Option<Hash>,
}

impl Check<'_> {
    async fn run(&mut self) -> Result<(), Stop> {
        let envelope = self.read(ENVELOPE).await?;
        self.leaves(&envelope).await?;
        let statement = self.read(STATEMENT).await?;
        // A signature that does not hold is among the findings already.
        let signed = dsse::verify(&envelope, self.keys).ok();
        self.entry = signed.as_ref().map(|signed| leaf_hash(signed.payload()));
        self.statement_is_signed(signed.as_ref(), &statement);
        let payload = signed
            .as_ref()
            .map_or(statement.as_slice(), Verified::payload);
        let signature = self.read(SSH_SIGNATURE).await?;
        self.findings
            .push(match sshsig::verify(&signature, payload, self.keys) {
                Ok(key) => {
                    let key_id = key_id(&key);
                    PublishedFact::SshSignatureHolds { key_id }.into()
                }
                Err(error) => PublishedProblem::SshSignature(error).into(),
            });
        Ok(())
    }

    /// Signature, leaves, counts and root.
    async fn leaves(&mut self, envelope: &[u8]) -> Result<(), Stop> {
        let path = self.path(LEAVES);
        let first = self.place.get_range(&path, 0..1).await;
        if in_place(LEAVES, first)?.is_none() {
            return Err(PublishedProblem::Missing { file: LEAVES }.into());
        }
        let reader = RangeReader::new(Arc::clone(self.place), path, Handle::current());
        let (envelope, keys) = (envelope.to_vec(), self.keys.to_vec());
        // Hashing keeps a thread busy, and the reader waits for the place.
        let folding = task::spawn_blocking(move || verify::verify(&envelope, reader, &keys));
        let found = folding
            .await
            .map_err(|_| Stop::Failed(VerifyError::BrokenOff))?;
        let found =
            found.map_err(|error| RangeReader::cause(error, self.place.locate(&self.path(LEAVES))));
        let found = in_place(LEAVES, found)?;
        let findings = found.findings.into_iter().map(PublishedFinding::from);
        self.findings.extend(findings);
        self.statement = found.statement;
        Ok(())
    }

    fn statement_is_signed(&mut self, signed: Option<&Verified>, statement: &[u8]) {
        let Some(signed) = signed else {
            return;
        };
        self.findings.push(if signed.payload() == statement {
            PublishedFact::StatementIsSigned.into()
        } else {
            PublishedProblem::OtherStatement.into()
        });
    }

    fn path(&self, file: &str) -> String {
        if self.folder.is_empty() {
            return file.to_owned();
        }
        format!("{}/{file}", self.folder)
    }

    /// A small file; one that is longer than any that can be right is cut, and then does not hold.
    async fn read(&self, file: &'static str) -> Result<Vec<u8>, Stop> {
        let range = 0..LONGEST_ENVELOPE as u64 + 1;
        let read = self.place.get_range(&self.path(file), range).await;
        let found = in_place(file, read)?;
        found.ok_or_else(|| PublishedProblem::Missing { file }.into())
    }
}

/// An outage of the place is no finding about the certificate; a file that cannot be read is.
fn in_place<T>(file: &'static str, read: Result<T, PublishError>) -> Result<T, Stop> {
    read.map_err(|error| match error {
        PublishError::Folder { .. }
        | PublishError::Denied { .. }
        | PublishError::NotAFile { .. } => PublishedProblem::Unreadable { file, error }.into(),
        error => Stop::Failed(error.into()),
    })
}
