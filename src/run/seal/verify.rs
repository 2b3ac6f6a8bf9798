//! Checks certificates where they are published: files and public keys, no ledger, no secret.

use std::fs;
use std::fs::File;
use std::io;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;

use ed25519_dalek::VerifyingKey;
use thiserror::Error;

use crate::evidence::dsse;
use crate::evidence::dsse::LONGEST_ENVELOPE;
use crate::evidence::public_key::PublicKeyError;
use crate::evidence::statement::Statement;
use crate::evidence::verify::Finding;
use crate::evidence::verify::verify;

use super::client_folder::KEYS;
use super::client_folder::client_folder;
use super::steps::ENVELOPE;
use super::steps::LEAVES;
use super::steps::SSH_SIGNATURE;
use super::steps::STATEMENT;

/// What a check of one published certificate found.
#[derive(Debug)]
pub struct FolderVerification {
    /// Where the certificate lies.
    pub folder: PathBuf,
    /// What holds and what does not, in the order of the checks.
    pub findings: Vec<FolderFinding>,
    /// What the certificate says; `None` unless its signature holds.
    pub statement: Option<Statement>,
}

impl FolderVerification {
    /// Whether every check held.
    pub fn holds(&self) -> bool {
        !self.findings.is_empty() && self.findings.iter().all(FolderFinding::holds)
    }
}

/// One result of a check.
#[derive(Debug, Error)]
pub enum FolderFinding {
    /// About the certificate and its leaves.
    #[error("{0}")]
    Evidence(Finding),
    /// About the files around them.
    #[error("{0}")]
    Problem(#[from] FolderProblem),
}

impl FolderFinding {
    /// Whether the check held.
    pub fn holds(&self) -> bool {
        match self {
            Self::Evidence(finding) => finding.holds(),
            Self::Problem(_) => false,
        }
    }
}

/// What is wrong with the files of a certificate.
#[derive(Debug, Error)]
pub enum FolderProblem {
    #[error("`{file}` is missing")]
    Missing { file: &'static str },
    #[error("`{file}` cannot be read: {error}")]
    Unreadable {
        file: &'static str,
        error: io::Error,
    },
    #[error("`{STATEMENT}` is not what was signed")]
    OtherStatement,
    /// Somebody moved or copied it.
    #[error("the certificate belongs into `{belongs}`")]
    Misplaced { belongs: String },
}

/// Why nothing could be checked.
#[derive(Debug, Error)]
pub enum VerifyError {
    #[error("read `{path}`")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("read the public key `{path}`")]
    Key {
        path: PathBuf,
        #[source]
        source: PublicKeyError,
    },
}

/// Checks every certificate that is published in `folder`, in the order of the folders' names.
///
/// Finds altered, incomplete and misplaced ones. That one was taken away as a whole, only the
/// ledger or a log can tell.
pub fn verify_all(
    folder: &Path,
    keys: &[VerifyingKey],
) -> Result<Vec<FolderVerification>, VerifyError> {
    let mut verifications = Vec::new();
    for client in folders_in(folder)? {
        if client.ends_with(KEYS) {
            continue;
        }
        for run in folders_in(&client)? {
            let mut verification = verify_folder(&run, keys);
            verification.check_place(folder);
            verifications.push(verification);
        }
    }
    Ok(verifications)
}

/// Checks the certificate in one folder, wherever that lies.
pub fn verify_folder(folder: &Path, keys: &[VerifyingKey]) -> FolderVerification {
    let mut verification = FolderVerification {
        folder: folder.to_owned(),
        findings: Vec::new(),
        statement: None,
    };
    if let Err(problem) = verification.check(keys) {
        verification.findings.push(problem.into());
    }
    verification
}

impl FolderVerification {
    fn check(&mut self, keys: &[VerifyingKey]) -> Result<(), FolderProblem> {
        let envelope = self.read(ENVELOPE)?;
        let path = self.folder.join(LEAVES);
        let leaves = File::open(path).map_err(|error| unreadable(LEAVES, error))?;
        let found = verify(&envelope, leaves, keys).map_err(|error| unreadable(LEAVES, error))?;
        let evidence = found.findings.into_iter().map(FolderFinding::Evidence);
        self.findings.extend(evidence);
        self.statement = found.statement;
        let statement = self.read(STATEMENT)?;
        // A signature that does not hold is among the findings already.
        let signed = dsse::verify(&envelope, keys).ok();
        if signed.is_some_and(|signed| signed.payload() != statement) {
            return Err(FolderProblem::OtherStatement);
        }
        self.read(SSH_SIGNATURE).map(|_| ())
    }

    /// Whether the certificate lies where its client and run belong below `root`.
    fn check_place(&mut self, root: &Path) {
        let Some(statement) = &self.statement else {
            return;
        };
        let predicate = &statement.predicate;
        let client = client_folder(&predicate.controller.client);
        let belongs = format!("{client}/{}", client_folder(&predicate.run.id));
        if self.folder != root.join(&belongs) {
            self.findings
                .push(FolderProblem::Misplaced { belongs }.into());
        }
    }

    /// A small file, up to one byte more than the longest that can be right.
    fn read(&self, file: &'static str) -> Result<Vec<u8>, FolderProblem> {
        let mut bytes = Vec::new();
        File::open(self.folder.join(file))
            .and_then(|open| {
                open.take(LONGEST_ENVELOPE as u64 + 1)
                    .read_to_end(&mut bytes)
            })
            .map_err(|error| unreadable(file, error))?;
        Ok(bytes)
    }
}

fn unreadable(file: &'static str, error: io::Error) -> FolderProblem {
    if error.kind() == io::ErrorKind::NotFound {
        return FolderProblem::Missing { file };
    }
    FolderProblem::Unreadable { file, error }
}

/// The folders in `folder`, by name; what is hidden is not published.
fn folders_in(folder: &Path) -> Result<Vec<PathBuf>, VerifyError> {
    let read = || -> io::Result<Vec<PathBuf>> {
        let mut folders = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if !is_hidden && entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
        }
        folders.sort();
        Ok(folders)
    };
    read().map_err(|source| VerifyError::Read {
        path: folder.to_owned(),
        source,
    })
}
