//! Why a client's log cannot be extended. Nothing was signed that contradicts what was published.

use kigen_evidence::log::checkpoint::CheckpointError;
use kigen_evidence::log::entry::EntryError;
use kigen_evidence::log::note::NoteError;
use kigen_evidence::log::tiles::TileError;
use kigen_evidence::log::vkey::NoteKeyError;
use thiserror::Error;

use crate::archive::PublishError;
use crate::keyring::KeyringError;
use crate::ledger::error::{LedgerError, LockError, Retry};

/// Why a log cannot be extended.
#[derive(Debug, Error)]
pub enum ClientLogError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The ledger has forgotten entries.
    #[error(
        "the published log of client `{client}` has {published} entries, and the ledger has {recorded} of them\nhint: was the ledger restored from a backup? nothing was removed or signed; bring a later backup of it back, or, if there is none, begin a new place of certificates under a new `origin` and tell the clients why"
    )]
    Behind {
        client: String,
        published: u64,
        recorded: u64,
    },
    /// The ledger tells another story.
    #[error(
        "the published log of client `{client}` is not the ledger's: their first {published} entries differ\nhint: was a ledger restored and used, or is this the place of another ledger? nothing was removed or signed; a person must find out which of the two is right"
    )]
    Differs { client: String, published: u64 },
    /// Somebody else signed the published head, or nobody.
    #[error(
        "`{path}` is not signed by the log's key: {what}\nhint: was the keyring replaced, or is this the place of another ledger? nothing was removed or signed"
    )]
    ForeignHead { path: String, what: String },
    /// The head that was published is that of a log of another name.
    #[error(
        "`{path}` is the head of the log `{published}`, and kigen.toml calls it `{named}`: a log keeps its name\nhint: `origin = \"{origin}\"` in `[certificates]`, as before, or a new place of certificates for the new name; nothing was removed or signed"
    )]
    OtherName {
        path: String,
        published: String,
        named: String,
        origin: String,
    },
    /// The lock was lost meanwhile.
    #[error("the log of client `{client}` was extended by somebody else\nhint: run it again")]
    Moved { client: String },
    #[error("the log of client `{client}` cannot be named: {error}")]
    Origin {
        client: String,
        error: CheckpointError,
    },
    #[error("the key of the log of client `{client}` cannot be named: {error}")]
    KeyName { client: String, error: NoteKeyError },
    #[error("an entry of the log of client `{client}` cannot be used: {error}")]
    Entry { client: String, error: EntryError },
    #[error("sign the head of the log of client `{client}`: {error}")]
    Sign { client: String, error: NoteError },
    #[error("publish the log of client `{client}`: {error}")]
    Tile { client: String, error: TileError },
    /// Published files are never overwritten.
    #[error(
        "publish `{path}`: another file stands there, and it was left as it is\nhint: find out who wrote it; moved away, it makes room for the right one"
    )]
    Occupied { path: String },
}

impl ClientLogError {
    /// Whether trying again may help.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Ledger(error) => error.retry(),
            Self::Lock(error) => error.retry(),
            Self::Publish(error) if error.may_pass() => Retry::Later,
            Self::Moved { .. } => Retry::Later,
            Self::Publish(_)
            | Self::Keyring(_)
            | Self::Behind { .. }
            | Self::Differs { .. }
            | Self::ForeignHead { .. }
            | Self::OtherName { .. }
            | Self::Origin { .. }
            | Self::KeyName { .. }
            | Self::Entry { .. }
            | Self::Sign { .. }
            | Self::Tile { .. }
            | Self::Occupied { .. } => Retry::Never,
        }
    }

    /// Whether the ledger and what was published contradict each other: a person must look.
    pub fn is_contradiction(&self) -> bool {
        match self {
            Self::Behind { .. }
            | Self::Differs { .. }
            | Self::ForeignHead { .. }
            | Self::OtherName { .. }
            | Self::Occupied { .. } => true,
            Self::Ledger(_)
            | Self::Lock(_)
            | Self::Keyring(_)
            | Self::Publish(_)
            | Self::Moved { .. }
            | Self::Origin { .. }
            | Self::KeyName { .. }
            | Self::Entry { .. }
            | Self::Sign { .. }
            | Self::Tile { .. } => false,
        }
    }
}
