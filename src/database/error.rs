//! What the errors of databases mean: one table for all engines.
//!
//! Databases quote values of rows in their messages. So a [`DatabaseError`] prints its own words and
//! the code alone; the driver's error goes along for the ledger, which holds no row of a store.

use std::fmt;
use std::sync::Arc;

use super::postgres::SessionError;

/// Whether trying again may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    Later,
    Never,
}

/// Why a database did not do what a statement asked of it.
#[derive(Debug)]
pub struct DatabaseError {
    /// What was to be done: `delete a batch of exam-history`.
    pub doing: Arc<str>,
    pub failure: Failure,
    /// SQLSTATE, result code, or the kind of the driver's error.
    pub code: String,
    /// What the driver said. May hold values of rows.
    pub driver: Option<sqlx::Error>,
}

/// What an error means, whichever engine said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The connection was lost, or there was none to be had.
    NoConnection(String),
    /// Sessions of this address do not keep what the safety of a removal rests on.
    UnsafeSession(String),
    /// The server refuses the user or the password.
    Credentials,
    NoDatabase,
    /// The file of the database does not exist.
    NoFile,
    /// The file is there and cannot be opened.
    CannotOpen,
    /// The file is damaged, or of something else.
    NotADatabase,
    TooManyConnections,
    /// The server takes no changes now; its primary will.
    Standby,
    /// The session may only read, as kigen wants it.
    ReadOnlySession,
    /// The file or its folder may only be read.
    ReadOnlyFile,
    /// The role lacks a right.
    NotPermitted,
    NoTable,
    NoColumn,
    /// The statement does not fit the schema.
    Misfit,
    /// Another transaction was preferred, or writes now.
    Conflict,
    /// A lock was not to be had in time.
    Locked,
    /// The statement took longer than it may, or was cancelled.
    Timeout,
    DiskFull,
    OutOfMemory,
    /// Another limit of the server.
    Exhausted,
    /// The file cannot be read or written.
    FileUnusable,
    StillReferenced,
    IsNull,
    NotUnique,
    CheckRefuses,
    TooLong,
    BadValue,
    TriggerRefuses,
    /// A value could not be read as the type that was expected.
    Unreadable,
    /// A statement of the transaction had failed before.
    Aborted,
    /// The values take more than these MiB.
    TooLarge(usize),
    /// The database lacks what kigen needs, in words.
    Unusable(String),
    /// The driver gave up for a reason of its own.
    Driver,
    Other,
}

impl Failure {
    /// Our words for it.
    pub fn meaning(&self) -> &'static str {
        match self {
            Self::NoConnection(_) => "the connection was lost",
            Self::UnsafeSession(_) => "the session is not safe",
            Self::Credentials => "the database refused the credentials",
            Self::NoDatabase => "the database does not exist",
            Self::NoFile => "the database file does not exist",
            Self::CannotOpen => "the database file cannot be opened",
            Self::NotADatabase => "the database file is damaged or no database",
            Self::TooManyConnections => "the server has no connection left",
            Self::Standby => "the server is a standby and takes no changes",
            Self::ReadOnlySession => "the session may only read",
            Self::ReadOnlyFile => "the file or its folder is read-only",
            Self::NotPermitted => "the database role may not do that",
            Self::NoTable => "a table does not exist",
            Self::NoColumn => "a column does not exist",
            Self::Misfit => "the statement does not fit the schema",
            Self::Conflict => "another transaction was preferred",
            Self::Locked => "another session holds a lock on it",
            Self::Timeout => {
                "the statement took longer than `statement_timeout` allows, which is set by `statement-timeout-seconds` of the store, by the database role or by the server; or it was cancelled"
            }
            Self::DiskFull => "the disk is full",
            Self::OutOfMemory => "the server has no memory left",
            Self::Exhausted => "the server has reached a limit of its own",
            Self::FileUnusable => "the database file cannot be read or written",
            Self::StillReferenced => "a foreign key still points at a row of the batch",
            Self::IsNull => "a column does not take null",
            Self::NotUnique => "a unique key already has the value",
            Self::CheckRefuses => "a check constraint refuses the value",
            Self::TooLong => "a value is too long for its column",
            Self::BadValue => "a value does not fit its column's type",
            Self::TriggerRefuses => "a trigger refuses the change",
            Self::Unreadable => "a value could not be read as its column's type",
            Self::Aborted => "a statement of the transaction has failed",
            Self::TooLarge(_) => "the values take too much memory",
            Self::Unusable(_) => "the database cannot be used",
            Self::Driver => "the driver gave up",
            Self::Other => "the database refused the statement",
        }
    }

    /// Whether the same statement may succeed when it is tried again later.
    pub const fn retry(&self) -> Retry {
        match self {
            Self::NoConnection(_)
            | Self::TooManyConnections
            | Self::Standby
            | Self::Conflict
            | Self::Locked
            | Self::Timeout
            | Self::DiskFull
            | Self::OutOfMemory
            | Self::Exhausted
            | Self::FileUnusable => Retry::Later,
            Self::UnsafeSession(_)
            | Self::Credentials
            | Self::NoDatabase
            | Self::NoFile
            | Self::CannotOpen
            | Self::NotADatabase
            | Self::ReadOnlySession
            | Self::ReadOnlyFile
            | Self::NotPermitted
            | Self::NoTable
            | Self::NoColumn
            | Self::Misfit
            | Self::StillReferenced
            | Self::IsNull
            | Self::NotUnique
            | Self::CheckRefuses
            | Self::TooLong
            | Self::BadValue
            | Self::TriggerRefuses
            | Self::Unreadable
            | Self::Aborted
            | Self::TooLarge(_)
            | Self::Unusable(_)
            | Self::Driver
            | Self::Other => Retry::Never,
        }
    }

    /// Whether the database itself was not reached: by its address, its file, its user.
    pub const fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::NoConnection(_)
                | Self::Credentials
                | Self::NoDatabase
                | Self::NoFile
                | Self::CannotOpen
                | Self::NotADatabase
                | Self::TooManyConnections
        )
    }

    /// What a code means: five characters are an SQLSTATE (PostgreSQL, appendix A), fewer a result
    /// code of SQLite.
    fn of_code(code: &str) -> Self {
        if code.len() < 5 {
            return code.parse().map_or(Self::Other, Self::of_sqlite);
        }
        let lost = |reason: &str| Self::NoConnection(reason.to_owned());
        match code {
            "28000" | "28P01" => Self::Credentials,
            "3D000" => Self::NoDatabase,
            "53300" => Self::TooManyConnections,
            "25006" => Self::ReadOnlySession,
            "42501" => Self::NotPermitted,
            "42P01" => Self::NoTable,
            "42703" => Self::NoColumn,
            "55P03" => Self::Locked,
            "57014" => Self::Timeout,
            "53100" => Self::DiskFull,
            "53200" => Self::OutOfMemory,
            "23503" => Self::StillReferenced,
            "23502" => Self::IsNull,
            "23505" => Self::NotUnique,
            "23514" => Self::CheckRefuses,
            "22001" => Self::TooLong,
            "22P02" | "22007" | "22008" => Self::BadValue,
            "P0001" => Self::TriggerRefuses,
            "25P02" => Self::Aborted,
            // Ended by the server, as a session that kept its locks for too long.
            "25P03" | "25P04" | "57P05" => {
                lost("the server ended the session, which had waited for too long")
            }
            _ => match &code[..2] {
                "08" => lost("the server reports an error of the connection"),
                "40" => Self::Conflict,
                "53" => Self::Exhausted,
                "57" if code.starts_with("57P") => lost("the server is shutting down or starting"),
                _ => Self::Other,
            },
        }
    }

    fn of_sqlite(code: u32) -> Self {
        match code {
            787 => return Self::StillReferenced,
            1299 => return Self::IsNull,
            1555 | 2067 => return Self::NotUnique,
            275 => return Self::CheckRefuses,
            1811 => return Self::TriggerRefuses,
            _ => {}
        }
        // The low byte is the primary code.
        match code & 0xff {
            1 => Self::Misfit,
            3 | 8 => Self::ReadOnlyFile,
            5 => Self::Conflict,
            6 => Self::Locked,
            10 => Self::FileUnusable,
            11 | 26 => Self::NotADatabase,
            13 => Self::DiskFull,
            14 => Self::CannotOpen,
            _ => Self::Other,
        }
    }

    /// Whether nothing more comes over the connection on which the driver met this error.
    pub(super) fn is_end_of_connection(error: &sqlx::Error) -> bool {
        matches!(Self::of_driver(error).0, Self::NoConnection(_))
    }

    fn of_driver(error: &sqlx::Error) -> (Self, String) {
        let no_connection = |reason: &str| Self::NoConnection(reason.to_owned());
        let (failure, code) = match error {
            sqlx::Error::Database(database) => {
                let code = database.code().unwrap_or_default().into_owned();
                let failure = match Self::of_code(&code) {
                    Self::Misfit if database.message().starts_with("no such table") => {
                        Self::NoTable
                    }
                    failure => failure,
                };
                return (failure, code);
            }
            sqlx::Error::Io(io) => (Self::NoConnection(io.kind().to_string()), "io"),
            sqlx::Error::Tls(_) => (no_connection("the TLS handshake failed"), "tls"),
            sqlx::Error::PoolTimedOut => (no_connection("no answer within 10 seconds"), "pool"),
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
                (no_connection("no connection to be had"), "pool")
            }
            sqlx::Error::Configuration(cause) => match cause.downcast_ref::<SessionError>() {
                Some(cause) => (Self::UnsafeSession(cause.to_string()), "session"),
                None => (Self::Driver, "configuration"),
            },
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                (Self::Unreadable, "decode")
            }
            sqlx::Error::Protocol(_) => (Self::Driver, "protocol"),
            sqlx::Error::RowNotFound => (Self::Driver, "row-not-found"),
            sqlx::Error::Encode(_) => (Self::Driver, "encode"),
            _ => (Self::Driver, "driver"),
        };
        (failure, code.to_owned())
    }
}

impl DatabaseError {
    /// An error that kigen itself found.
    pub fn new(doing: impl Into<Arc<str>>, failure: Failure) -> Self {
        Self {
            doing: doing.into(),
            failure,
            code: "kigen".to_owned(),
            driver: None,
        }
    }

    /// Says what a driver's error means.
    pub fn of_driver(doing: impl Into<Arc<str>>, error: sqlx::Error) -> Self {
        let (failure, code) = Failure::of_driver(&error);
        Self {
            doing: doing.into(),
            failure,
            code,
            driver: Some(error),
        }
    }

    /// Says why no session could be had.
    pub fn of_session(doing: impl Into<Arc<str>>, error: SessionError) -> Self {
        match error {
            SessionError::Driver(error) => Self::of_driver(doing, error),
            SessionError::Pooler
            | SessionError::NotKept { .. }
            | SessionError::ReplicationRole { .. } => {
                Self::new(doing, Failure::UnsafeSession(error.to_string()))
            }
        }
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.failure.meaning())?;
        match &self.failure {
            Failure::NoConnection(reason)
            | Failure::UnsafeSession(reason)
            | Failure::Unusable(reason) => write!(f, ": {reason}"),
            _ => write!(f, " (code {})", self.code),
        }
    }
}

/// The driver's error is no source: its text may hold values of rows.
impl std::error::Error for DatabaseError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_of_an_engine_has_one_meaning() {
        for (code, failure, retry) in [
            ("40001", Failure::Conflict, Retry::Later),
            ("40P01", Failure::Conflict, Retry::Later),
            ("5", Failure::Conflict, Retry::Later),
            ("517", Failure::Conflict, Retry::Later),
            ("55P03", Failure::Locked, Retry::Later),
            ("6", Failure::Locked, Retry::Later),
            ("13", Failure::DiskFull, Retry::Later),
            ("53100", Failure::DiskFull, Retry::Later),
            ("53400", Failure::Exhausted, Retry::Later),
            ("57014", Failure::Timeout, Retry::Later),
            ("42501", Failure::NotPermitted, Retry::Never),
            ("1032", Failure::ReadOnlyFile, Retry::Never),
            ("787", Failure::StillReferenced, Retry::Never),
            ("23503", Failure::StillReferenced, Retry::Never),
            ("14", Failure::CannotOpen, Retry::Never),
            ("28P01", Failure::Credentials, Retry::Never),
            ("XX000", Failure::Other, Retry::Never),
            ("", Failure::Other, Retry::Never),
        ] {
            assert_eq!(Failure::of_code(code), failure, "{code}");
            assert_eq!(failure.retry(), retry, "{code}");
        }
        for code in ["08006", "57P01", "57P03", "25P03"] {
            let lost = Failure::of_code(code);
            assert!(matches!(lost, Failure::NoConnection(_)), "{code}");
        }
    }
}
