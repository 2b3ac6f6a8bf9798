//! What is to be set: read, and verified before anything of it is shown.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use ed25519_dalek::VerifyingKey;
use kigen_evidence::document::{
    Certificate, ENVELOPE_NAME, OtherCertificate, PageError, ReceiptView,
};
use kigen_evidence::public_key::{self, PublicKeyError};
use kigen_evidence::receipt::{self, Heads, ReceiptError};
use kigen_evidence::verify::verify;
use thiserror::Error;

/// Why nothing is set.
#[derive(Debug, Error)]
pub enum SourceError {
    #[error("read `{path}`: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("read the public key `{path}`: {source}")]
    Key {
        path: PathBuf,
        source: PublicKeyError,
    },
    #[error(transparent)]
    Certificate(#[from] PageError),
    #[error("not proven: {0}")]
    Receipt(#[from] ReceiptError),
    #[error(transparent)]
    OtherCertificate(#[from] OtherCertificate),
    #[error("the certificate in `{folder}` does not hold: {why}")]
    DoesNotHold { folder: PathBuf, why: String },
}

/// Reads a public key from PEM.
pub fn read_key(path: &Path) -> Result<VerifyingKey, SourceError> {
    let text = fs::read_to_string(path).map_err(|source| unreadable(path, source))?;
    public_key::from_pem(&text).map_err(|source| SourceError::Key {
        path: path.to_owned(),
        source,
    })
}

/// The certificate in `envelope`, if it is signed under `key`.
pub fn from_envelope(envelope: &[u8], key: VerifyingKey) -> Result<Certificate, SourceError> {
    Ok(Certificate::read(envelope, &[key])?)
}

/// The certificate in a published folder, if it is signed under `key` and its leaves are those that
/// were certified.
pub fn from_folder(folder: &Path, key: VerifyingKey) -> Result<Certificate, SourceError> {
    let path = folder.join(ENVELOPE_NAME);
    let envelope = fs::read(&path).map_err(|source| unreadable(&path, source))?;
    let certificate = from_envelope(&envelope, key)?;
    let path = folder.join("leaves.bin");
    let failed = |source| unreadable(&path, source);
    let leaves = File::open(&path).map_err(failed)?;
    let found = verify(&envelope, leaves, &[key]).map_err(failed)?;
    let problems = found.findings.iter().filter(|finding| !finding.holds());
    let problems: Vec<String> = problems.map(ToString::to_string).collect();
    if !problems.is_empty() {
        return Err(SourceError::DoesNotHold {
            folder: folder.to_owned(),
            why: problems.join("; "),
        });
    }
    Ok(certificate)
}

/// The receipt in `path`, if the log signed it with the key in `log_key` and it belongs to `certificate`.
pub fn receipt(
    certificate: &Certificate,
    path: &Path,
    log_key: &Path,
) -> Result<ReceiptView, SourceError> {
    let key = read_key(log_key)?;
    let file = fs::read_to_string(path).map_err(|source| unreadable(path, source))?;
    let keys = receipt::named(&file, &key)?;
    let targets = certificate.statement().predicate.targets.iter();
    let most = targets.map(|target| target.index).max().unwrap_or_default();
    let proven = receipt::verify(&file, &keys, Heads::Below(most.saturating_add(1)))?;
    Ok(ReceiptView::new(&proven, certificate, &file)?)
}

fn unreadable(path: &Path, source: io::Error) -> SourceError {
    SourceError::Read {
        path: path.to_owned(),
        source,
    }
}
