//! Why a run could not begin or go on, and the exit code that says so.

use thiserror::Error;

use super::client_log::ClientLogError;
use super::outcome::JobError;
use super::recall::RecallError;
use super::recover::with_causes;
use super::seal::SealError;
use crate::exit;
use crate::keyring::KeyringError;
use crate::ledger::error::LedgerError;
use crate::ledger::error::LockError;
use crate::publish::PublishError;

/// Why a run could not begin, or could not be written down. Nothing was removed unless said.
#[derive(Debug, Error)]
pub enum RunError {
    #[error("{0}")]
    Busy(LockError),
    #[error("{0}")]
    Ledger(#[from] LedgerError),
    #[error("{0}")]
    Keyring(#[from] KeyringError),
    #[error("{}", .0.message)]
    Step(JobError),
    #[error("{}", with_causes(.0))]
    Log(#[from] ClientLogError),
    #[error("{}", with_causes(.0))]
    Place(#[from] PublishError),
    /// The public keys could not be published.
    #[error("{}", with_causes(.0))]
    Keys(#[from] SealError),
    #[error("{0}")]
    Recall(#[from] RecallError),
    #[error("the ledger's entries of run {run} {what}")]
    Damaged { run: String, what: String },
}

impl RunError {
    /// The documented exit code.
    pub fn exit(&self) -> u8 {
        match self {
            Self::Busy(_) => exit::BUSY,
            Self::Ledger(error) => of_ledger(error),
            Self::Keyring(_) => exit::CONFIG_INVALID,
            Self::Step(error) => error.exit,
            Self::Recall(error) => of_recall(error),
            Self::Log(error) => of_log(error),
            Self::Place(error) => of_place(error),
            Self::Keys(SealError::Publish(error)) => of_place(error),
            Self::Keys(SealError::Occupied { .. }) => exit::LOG_DIFFERS,
            Self::Keys(_) | Self::Damaged { .. } => exit::UNEXPECTED,
        }
    }
}

/// Where certificates go must be there before anything is removed.
fn of_place(error: &PublishError) -> u8 {
    match error {
        error if error.may_pass() => exit::STORE_UNREACHABLE,
        PublishError::NoRegion { .. }
        | PublishError::NoObjectLock { .. }
        | PublishError::NoSuchDay { .. } => exit::CONFIG_INVALID,
        PublishError::NotOurs { .. }
        | PublishError::NotReplaced { .. }
        | PublishError::Folder { .. }
        | PublishError::Server { .. }
        | PublishError::Denied { .. }
        | PublishError::Source { .. }
        | PublishError::ReadBack { .. }
        | PublishError::NotLocked { .. }
        | PublishError::TooLarge { .. }
        | PublishError::TooLong { .. }
        | PublishError::Vanished { .. } => exit::ACCESS_REFUSED,
    }
}

fn of_recall(error: &RecallError) -> u8 {
    match error {
        RecallError::Ledger(error) => of_ledger(error),
        RecallError::Store(error) => JobError::of_store(error).exit,
        RecallError::Place(error) => of_place(error),
        RecallError::Work { .. } | RecallError::Leaf(_) | RecallError::Certificate(_) => {
            exit::UNEXPECTED
        }
    }
}

fn of_log(error: &ClientLogError) -> u8 {
    match error {
        ClientLogError::Ledger(error) | ClientLogError::Lock(LockError::Ledger(error)) => {
            of_ledger(error)
        }
        ClientLogError::Publish(error) => of_place(error),
        ClientLogError::Lock(_) | ClientLogError::Moved { .. } => exit::BUSY,
        ClientLogError::Behind { .. }
        | ClientLogError::Differs { .. }
        | ClientLogError::ForeignHead { .. }
        | ClientLogError::Occupied { .. } => exit::LOG_DIFFERS,
        ClientLogError::Keyring(_)
        | ClientLogError::Origin { .. }
        | ClientLogError::KeyName { .. } => exit::CONFIG_INVALID,
        ClientLogError::Entry { .. }
        | ClientLogError::Sign { .. }
        | ClientLogError::Tile { .. } => exit::UNEXPECTED,
    }
}

/// A ledger that is of another version, or that nobody can find, is for a person to look at.
fn of_ledger(error: &LedgerError) -> u8 {
    match error {
        LedgerError::NotMigrated { .. } | LedgerError::NewerVersion { .. } => exit::NOT_MIGRATED,
        LedgerError::BadUrl { .. } | LedgerError::UnsafeSession { .. } => exit::CONFIG_INVALID,
        LedgerError::Unreachable { .. }
        | LedgerError::ReadOnly { .. }
        | LedgerError::Conflict { .. }
        | LedgerError::Damaged { .. }
        | LedgerError::Other { .. } => exit::LEDGER_UNAVAILABLE,
    }
}
