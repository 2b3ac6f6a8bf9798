//! What can go wrong with the ledger.

use std::error::Error as StdError;

use thiserror::Error;

use crate::database::error::{DatabaseError, Failure};
use crate::database::lock;
use crate::database::migrate::MigrationError;

pub use crate::database::error::Retry;

/// What the driver said, or kigen in its place.
type Source = Box<dyn StdError + Send + Sync>;

/// Why the ledger did not do what it was asked.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// It could not be opened, or the connection was lost.
    #[error("reach the ledger to {action}")]
    Unreachable {
        action: String,
        retry: Retry,
        #[source]
        source: Source,
    },
    /// Its sessions do not keep what the safety of a run rests on.
    #[error(
        "use the ledger: {reason}\nhint: give kigen the address of the server itself, or of a \
         pooler in session mode"
    )]
    UnsafeSession { reason: String },
    /// It may be read but not written.
    #[error(
        "{action}: the ledger is read-only\nhint: give kigen's role the right to insert, or make \
         the ledger's file and its folder writable"
    )]
    ReadOnly {
        action: String,
        #[source]
        source: Option<Source>,
    },
    /// Its tables are missing or older than this version of kigen.
    #[error("use a ledger that is not migrated ({missing})\nhint: run `kigen ledger migrate`")]
    NotMigrated {
        /// What is missing, in words.
        missing: String,
    },
    /// Its tables or entries were written by a newer kigen.
    #[error("use a ledger that a newer kigen has written ({found})\nhint: update this kigen")]
    NewerVersion {
        /// What this version does not know.
        found: String,
    },
    /// Something else stands where this was to be written.
    #[error("{action}: {found}")]
    Conflict {
        action: String,
        /// What is there already, without personal data.
        found: String,
    },
    /// The URL names no ledger that kigen knows.
    #[error(
        "open the ledger: its URL {problem}\nhint: write `sqlite:kigen-ledger.db` or \
         `postgres://host/database`"
    )]
    BadUrl { problem: &'static str },
    /// The ledger holds something that kigen has not written in this form.
    #[error("{action}: the ledger holds {found}")]
    Damaged { action: String, found: String },
    /// Anything else that the database said.
    #[error("{action} in the ledger{}", reason(.failure))]
    Other {
        action: String,
        failure: Failure,
        #[source]
        source: Source,
    },
}

/// Our words for the failures that an operator meets; nothing for the others.
fn reason(failure: &Failure) -> &'static str {
    match failure {
        Failure::DiskFull => ": the disk is full\nhint: make room, and run again",
        Failure::FileUnusable => {
            ": its file cannot be read or written; the disk is perhaps full\nhint: make room, and run again"
        }
        Failure::OutOfMemory => ": the server has no memory left",
        Failure::Locked => ": another session holds a lock on it",
        Failure::Conflict => ": another process holds a lock on it",
        Failure::Timeout => ": the statement took longer than `statement_timeout` allows",
        _ => "",
    }
}

impl From<DatabaseError> for LedgerError {
    fn from(error: DatabaseError) -> Self {
        let action = error.doing.to_string();
        let failure = error.failure.clone();
        let source: Source = match error.driver {
            Some(driver) => Box::new(driver),
            None => Box::new(error),
        };
        match failure {
            Failure::NoFile => Self::NotMigrated {
                missing: "its file does not exist".to_owned(),
            },
            failure if failure.is_unreachable() || failure == Failure::Standby => {
                // Wrong credentials and a missing database do not mend themselves.
                let retry = failure.retry();
                Self::Unreachable {
                    action,
                    retry,
                    source,
                }
            }
            Failure::UnsafeSession(reason) => Self::UnsafeSession { reason },
            Failure::NotPermitted | Failure::ReadOnlySession | Failure::ReadOnlyFile => {
                Self::ReadOnly {
                    action,
                    source: Some(source),
                }
            }
            Failure::NoTable | Failure::NoColumn => Self::NotMigrated {
                missing: "a table of it is missing".to_owned(),
            },
            Failure::Unreadable => Self::Damaged {
                action,
                found: "a row that cannot be read".to_owned(),
            },
            failure => Self::Other {
                action,
                failure,
                source,
            },
        }
    }
}

impl From<MigrationError> for LedgerError {
    fn from(error: MigrationError) -> Self {
        match error {
            MigrationError::Newer { version, .. } => Self::NewerVersion {
                found: format!("migration {version}"),
            },
            MigrationError::Altered { version, .. } => Self::Damaged {
                action: "check its migrations".to_owned(),
                found: format!("migration {version} with another text than this kigen's"),
            },
            MigrationError::Database(error) => error.into(),
        }
    }
}

impl From<lock::LockError> for LockError {
    fn from(error: lock::LockError) -> Self {
        match error {
            lock::LockError::Busy { name } => Self::Busy { name },
            lock::LockError::File { name, source } => Self::File { name, source },
            lock::LockError::NotAsked(error) => Self::NotAsked(error.into()),
        }
    }
}

impl LedgerError {
    /// Whether trying again may help.
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Unreachable { retry, .. } => *retry,
            Self::Other { failure, .. } => failure.retry(),
            Self::ReadOnly { .. }
            | Self::NotMigrated { .. }
            | Self::UnsafeSession { .. }
            | Self::NewerVersion { .. }
            | Self::Conflict { .. }
            | Self::BadUrl { .. }
            | Self::Damaged { .. } => Retry::Never,
        }
    }
}

/// Why a lock of the ledger was not taken.
pub type LockError = lock::LockError<LedgerError>;

impl LockError {
    /// Whether trying again may help.
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Busy { .. } => Retry::Later,
            Self::File { .. } => Retry::Never,
            Self::NotAsked(error) => error.retry(),
        }
    }
}
