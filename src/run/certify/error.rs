//! What can keep a run from being sealed. It then stays finished and uncertified, and sealing can
//! be repeated.

use std::io;
use std::path::{Path, PathBuf};

use kigen_evidence::allowed_signers::AllowedSignersError;
use kigen_evidence::document::PageError;
use kigen_evidence::dsse::EnvelopeError;
use kigen_evidence::log::entry::EntryError;
use kigen_evidence::merkle::ProofError;
use kigen_evidence::statement::{CheckpointError, StatementError};
use thiserror::Error;

use crate::archive::PublishError;
use crate::keyring::KeyringError;
use crate::ledger::error::{LedgerError, Retry};
use crate::run::client_log::ClientLogError;
use crate::store::error::{self, StoreError};

/// Why a run was not sealed.
#[derive(Debug, Error)]
pub enum SealError {
    #[error("seal run `{run}`: the ledger knows no such run")]
    NoSuchRun { run: String },
    /// Closing the fence of a running run would stop it.
    #[error("seal run `{run}`: it has not ended\nhint: a run that died is taken up by `kigen run`")]
    NotFinished { run: String },
    #[error(
        "seal run `{run}`: it removed from the store `{store}`, which `kigen.toml` does not have\nhint: bring the store back into `kigen.toml` until the run is sealed"
    )]
    UnknownStore { run: String, store: String },
    #[error("{doing} of store `{store}`")]
    Store {
        doing: &'static str,
        store: String,
        #[source]
        source: StoreError,
    },
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The journal holds something that no batch writes.
    #[error("read the journal of store `{store}`: a row of target {target} {what}")]
    DamagedJournal {
        store: String,
        target: u16,
        what: &'static str,
    },
    /// The entries of the run contradict each other.
    #[error("seal run `{run}`: its entries in the ledger {what}")]
    DamagedRun { run: String, what: String },
    /// Evidence that was certified is no longer there, or has become more.
    #[error(
        "seal again certificate `{certificate_id}`: the journal no longer gives the leaves that it is about\nhint: was a store restored from a backup? the certificate stands in the ledger"
    )]
    JournalChanged { certificate_id: String },
    #[error(
        "seal run `{run}`: the journal holds removals for a client whose certificate was not among those that were sealed"
    )]
    MoreThanSealed { run: String },
    /// Removals that no plan announced.
    #[error(
        "seal run `{run}`: its journals hold removals for a client in whose log it has no plan"
    )]
    NotAnnounced { run: String },
    #[error(transparent)]
    Log(#[from] ClientLogError),
    #[error("write the end of run `{run}` into a client's log")]
    Entry {
        run: String,
        #[source]
        source: EntryError,
    },
    #[error("prove that certificate `{certificate_id}` is in its log")]
    Proof {
        certificate_id: String,
        #[source]
        source: ProofError,
    },
    #[error("sort and write the leaves of run `{run}` in `{folder}`")]
    Sort {
        run: String,
        folder: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("make the leaves of run `{run}`: they are not in order, or not of this format")]
    Disorder { run: String },
    #[error("write the statement of certificate `{certificate_id}`")]
    Statement {
        certificate_id: String,
        #[source]
        source: StatementError,
    },
    #[error("name the checkpoint of certificate `{certificate_id}`")]
    Checkpoint {
        certificate_id: String,
        #[source]
        source: CheckpointError,
    },
    #[error("sign certificate `{certificate_id}`")]
    Sign {
        certificate_id: String,
        #[source]
        source: EnvelopeError,
    },
    #[error("set the page of certificate `{certificate_id}`")]
    Page {
        certificate_id: String,
        #[source]
        source: PageError,
    },
    #[error("write out the public key")]
    PublicKey(#[source] KeyringError),
    #[error("list the public key for `ssh-keygen`")]
    AllowedSigners(#[source] AllowedSignersError),
    #[error("{doing} `{path}`")]
    Folder {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// Published files are never overwritten.
    #[error(
        "publish `{path}`: another file stands there, and it was left as it is\nhint: find out who wrote it; moved away, it makes room for the right one"
    )]
    Occupied { path: String },
}

impl SealError {
    /// Whether trying again may help.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Ledger(source) => source.retry(),
            Self::Store { source, .. } => match source.retry() {
                error::Retry::Later => Retry::Later,
                error::Retry::Never => Retry::Never,
            },
            Self::Publish(source) if source.may_pass() => Retry::Later,
            Self::Log(source) => source.retry(),
            // A full disk may have room again.
            Self::Sort { .. } | Self::Folder { .. } => Retry::Later,
            Self::NoSuchRun { .. }
            | Self::NotFinished { .. }
            | Self::UnknownStore { .. }
            | Self::DamagedJournal { .. }
            | Self::DamagedRun { .. }
            | Self::JournalChanged { .. }
            | Self::MoreThanSealed { .. }
            | Self::NotAnnounced { .. }
            | Self::Entry { .. }
            | Self::Proof { .. }
            | Self::Disorder { .. }
            | Self::Statement { .. }
            | Self::Checkpoint { .. }
            | Self::Sign { .. }
            | Self::Page { .. }
            | Self::PublicKey(_)
            | Self::AllowedSigners(_)
            | Self::Publish(_)
            | Self::Occupied { .. } => Retry::Never,
        }
    }

    /// The error of `doing` something with the file or folder at `path`.
    pub(super) fn folder(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Folder {
            doing,
            path: path.to_owned(),
            source,
        }
    }
}
