//! Why a run could not begin or go on, and the exit code that says so.

use jiff::Timestamp;
use jiff::civil::Date;
use thiserror::Error;

use super::certify::SealError;
use super::client_log::ClientLogError;
use super::outcome::JobError;
use super::recover::with_causes;
use super::restore::RestoreError;
use crate::archive::PublishError;
use crate::config::NoOrigin;
use crate::exit;
use crate::keyring::KeyringError;
use crate::ledger::error::{LedgerError, LockError};

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
    Recall(#[from] RestoreError),
    #[error("the ledger's entries of run {run} {what}")]
    Damaged { run: String, what: String },
    #[error("{0}")]
    NoOrigin(#[from] NoOrigin),
    #[error("stopped on request before anything was removed; the next run does it")]
    Stopped,
    #[error(
        "--as-of {day}: that day has not come, in {zone} of job `{job}` it is {today}; nothing was removed\nhint: a run is for today, or for a day before; `kigen plan --as-of {day}` shows what will be due"
    )]
    DayAhead {
        job: String,
        day: Date,
        today: Date,
        zone: String,
    },
    #[error(
        "this machine's clock says {now:.0}, and that of {whose} {theirs:.0}; nothing was removed or signed\nhint: what is due, and what a certificate says, rests on the clock: set the wrong one (NTP) and run again"
    )]
    ClockDiffers {
        now: Timestamp,
        whose: String,
        theirs: Timestamp,
    },
    #[error(
        "this machine's clock says {now:.0}, the ledger's last entry is of {last:.0}, and no other clock says which is right; nothing was removed or signed\nhint: set the clock; if it is right, say the day yourself, once: `--as-of {day}`"
    )]
    ClockLeaps {
        now: Timestamp,
        last: Timestamp,
        day: Date,
    },
}

impl RunError {
    /// The documented exit code.
    pub fn exit(&self) -> u8 {
        match self {
            Self::Busy(_) => exit::BUSY,
            Self::Ledger(error) => of_ledger(error),
            Self::Keyring(_) | Self::NoOrigin(_) => exit::CONFIG_INVALID,
            Self::Step(error) => error.exit,
            Self::Recall(error) => of_recall(error),
            Self::Log(error) => of_log(error),
            Self::Place(error) => of_place(error),
            Self::Keys(SealError::Publish(error)) => of_place(error),
            Self::Keys(SealError::Occupied { .. }) => exit::LOG_DIFFERS,
            Self::Keys(_) | Self::Damaged { .. } => exit::UNEXPECTED,
            Self::Stopped => exit::TERMINATED,
            Self::DayAhead { .. } => exit::USAGE,
            Self::ClockDiffers { .. } | Self::ClockLeaps { .. } => exit::CLOCK_DIFFERS,
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
        | PublishError::NotAFile { .. }
        | PublishError::Vanished { .. } => exit::ACCESS_REFUSED,
    }
}

fn of_recall(error: &RestoreError) -> u8 {
    match error {
        RestoreError::Ledger(error) => of_ledger(error),
        RestoreError::Store(error) => JobError::of_store(error).exit,
        RestoreError::Place(error) => of_place(error),
        RestoreError::Work { .. } | RestoreError::Leaf(_) | RestoreError::Certificate(_) => {
            exit::UNEXPECTED
        }
    }
}

fn of_log(error: &ClientLogError) -> u8 {
    match error {
        ClientLogError::Ledger(error) | ClientLogError::Lock(LockError::NotAsked(error)) => {
            of_ledger(error)
        }
        ClientLogError::Publish(error) => of_place(error),
        ClientLogError::Lock(_) | ClientLogError::Moved { .. } => exit::BUSY,
        ClientLogError::Behind { .. }
        | ClientLogError::Differs { .. }
        | ClientLogError::ForeignHead { .. }
        | ClientLogError::OtherName { .. }
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
