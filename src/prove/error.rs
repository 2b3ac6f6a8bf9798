//! Why nothing could be looked for.

use std::io;
use std::path::PathBuf;

use kigen_evidence::log::note::NoteError;
use kigen_evidence::log::vkey::NoteKeyError;
use kigen_evidence::receipt::SearchError;
use thiserror::Error;

use crate::archive::PublishError;
use crate::keyring::KeyringError;
use crate::ledger::error::LedgerError;

/// Why the search was broken off. None of the messages names what was looked for.
#[derive(Debug, Error)]
pub enum ProveError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Place(#[from] PublishError),
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    #[error("no certificate begins with `{0}`")]
    NoSuchCertificate(String),
    #[error("several certificates begin with `{prefix}`: {}", ids.join(", "))]
    SeveralCertificates { prefix: String, ids: Vec<String> },
    #[error("the ledger's certificate {certificate_id} cannot be read")]
    Damaged { certificate_id: String },
    #[error("keep leaves in `{folder}` while they are searched: {source}")]
    Work { folder: PathBuf, source: io::Error },
    #[error("search the leaves of certificate {certificate_id}: {source}")]
    Search {
        certificate_id: String,
        source: SearchError,
    },
    #[error("sign the head of the tree of certificate {certificate_id}: {why}")]
    Sign { certificate_id: String, why: String },
}

impl ProveError {
    pub(super) fn of_key(certificate_id: &str, error: &NoteKeyError) -> Self {
        Self::Sign {
            certificate_id: certificate_id.to_owned(),
            why: error.to_string(),
        }
    }

    pub(super) fn of_note(certificate_id: &str, error: &NoteError) -> Self {
        Self::Sign {
            certificate_id: certificate_id.to_owned(),
            why: error.to_string(),
        }
    }
}
