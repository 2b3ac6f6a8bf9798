//! What can go wrong with the ledger.

use thiserror::Error;

/// Whether trying again may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    Later,
    Never,
}

/// Why the ledger did not do what it was asked.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// It could not be opened, or the connection was lost.
    #[error("reach the ledger to {action}")]
    Unreachable {
        action: &'static str,
        retry: Retry,
        #[source]
        source: sqlx::Error,
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
        action: &'static str,
        #[source]
        source: Option<sqlx::Error>,
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
        action: &'static str,
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
    Damaged { action: &'static str, found: String },
    /// Anything else that the database said.
    #[error("{action} in the ledger{}", reason(.source))]
    Other {
        action: &'static str,
        retry: Retry,
        #[source]
        source: sqlx::Error,
    },
}

/// Our words for the codes that an operator meets; nothing for the others.
fn reason(error: &sqlx::Error) -> &'static str {
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    let code = code.as_deref().unwrap_or_default();
    match code {
        "53100" => return ": the disk is full\nhint: make room, and run again",
        "53200" => return ": the server has no memory left",
        "55P03" => return ": another session holds a lock on it",
        "57014" => return ": the statement took longer than `statement_timeout` allows",
        _ => {}
    }
    // The low byte of a result code of SQLite is the primary code.
    let sqlite = Some(code).filter(|code| code.len() < 5);
    match sqlite
        .and_then(|code| code.parse::<u32>().ok())
        .map(|code| code & 0xff)
    {
        Some(13) => ": the disk is full\nhint: make room, and run again",
        Some(10) => {
            ": its file cannot be read or written; the disk is perhaps full\nhint: make room, and run again"
        }
        Some(5 | 6) => ": another process holds a lock on it",
        _ => "",
    }
}

impl LedgerError {
    /// Whether trying again may help.
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Unreachable { retry, .. } | Self::Other { retry, .. } => *retry,
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

/// Why a lock was not taken.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another process, or another task of this one, holds it.
    #[error("take the lock `{name}`: another run holds it")]
    Busy { name: String },
    /// The folder of the lock files cannot be used.
    #[error("take the lock `{name}`: its file cannot be used")]
    File {
        name: String,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl LockError {
    /// Whether trying again may help.
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Busy { .. } => Retry::Later,
            Self::File { .. } => Retry::Never,
            Self::Ledger(error) => error.retry(),
        }
    }
}
