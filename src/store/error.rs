//! What can go wrong with a store.
//!
//! Databases quote row values in their own messages, so none of their text is passed on: only the
//! SQLSTATE or result code and our own words for it.

use thiserror::Error;

use crate::database::error::{DatabaseError, Failure};

pub use crate::database::error::Retry;

/// Why a store did not do what was asked of it.
#[derive(Clone, Debug, Error)]
pub enum StoreError {
    #[error("reach store `{store}` at {address}: {reason}")]
    Unreachable {
        store: String,
        /// Scheme, host, port and database; never a user or a password.
        address: String,
        reason: String,
    },
    #[error(
        "log in to store `{store}` at {address}: the database refused the credentials\nhint: look at user and password in the URL of `[stores.{store}]`"
    )]
    Refused { store: String, address: String },
    /// Its sessions do not keep what the safety of a removal rests on.
    #[error(
        "use store `{store}` at {address}: {reason}\nhint: give kigen the address of the server itself, or of a pooler in session mode"
    )]
    UnsafeSession {
        store: String,
        address: String,
        reason: String,
    },
    #[error(
        "use the journal of store `{store}`: it is not migrated\nhint: run `kigen journal migrate --store {store}`"
    )]
    NotMigrated { store: String },
    #[error(
        "{doing}: the database role may not do that (code {code})\nhint: `migrations/README.md` has the grants that kigen needs"
    )]
    NotPermitted { doing: String, code: String },
    #[error(
        "{doing}: the table, or rows of it, are locked by another session for longer than `lock-timeout-ms` of the store"
    )]
    Locked { doing: String },
    #[error("{doing}: the database aborted the transaction in favour of another (SQLSTATE {code})")]
    Conflict { doing: String, code: String },
    #[error("{doing}: {meaning} (code {code})")]
    Failed {
        doing: String,
        meaning: &'static str,
        code: String,
    },
    #[error("{doing}: the connection was lost: {reason}")]
    ConnectionLost { doing: String, reason: String },
    #[error("the fence of run {run} is closed: another worker has sealed it")]
    FenceClosed { run: String },
    #[error(
        "the statement and the rule of cluster `{cluster}` disagree on {records} records; nothing of the batch was removed (this is a bug in kigen)"
    )]
    Disagreement { cluster: String, records: usize },
    #[error(
        "`{table}` kept {kept} of {asked} rows that the batch removes (a trigger, a rule or row-level security?); the batch was rolled back"
    )]
    Vetoed {
        table: String,
        asked: u64,
        kept: u64,
    },
    #[error(
        "`{table}` has {records} records as they were right after the batch removed them: a trigger or a rule of the table puts them back; the batch was rolled back\nhint: the trigger must let kigen's database role remove them"
    )]
    Undone { table: String, records: u64 },
    #[error(
        "cluster `{cluster}`: in the batch's transaction the database changed more, or less, than the job says: {effects}; the batch was rolled back\nhint: a trigger, a rule or a foreign key does it. Rows that hold personal data get a [[reference]]; what the owner of the database wants beside it is declared: [[effect]] with `table`, `operation` and `reason`"
    )]
    Unaccounted {
        cluster: String,
        /// Tables, operations and counts, in words.
        effects: String,
    },
    #[error(
        "{rows} rows of `{table}` still name a record that they were unlinked from (a trigger, a rule or row-level security?); the batch was rolled back"
    )]
    StillNamed { table: String, rows: u64 },
    #[error("{doing}: the values take more than {megabytes} MiB")]
    TooLarge { doing: String, megabytes: usize },
    #[error("{doing}: more rows than one transaction takes")]
    TooMany { doing: String },
    #[error("{doing}: {reason}")]
    Unfit { doing: String, reason: String },
    #[error(
        "cluster `{cluster}`: the batch has records of a client whose log does not announce this run; it was rolled back\nhint: the client is new since the run began; the next run announces itself to it"
    )]
    NotAnnounced { cluster: String },
    #[error(
        "cluster `{cluster}`: the next batch would pass the limit of {limit} {what}; it was rolled back\nhint: look at `kigen plan`; if what is due is right, raise `max-{what}` in the job file"
    )]
    OverLimit {
        cluster: String,
        /// `records` or `rows`.
        what: &'static str,
        limit: u64,
    },
    #[error("cluster `{cluster}`: {what}")]
    ObjectsAbsent {
        cluster: String,
        /// How many, and how the address may have been meant; no key.
        what: String,
    },
    #[error("{0}")]
    Unusable(String),
}

impl StoreError {
    /// Whether the same step may succeed when tried again later.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Unreachable { .. }
            | Self::Locked { .. }
            | Self::Conflict { .. }
            | Self::ConnectionLost { .. } => Retry::Later,
            Self::Refused { .. }
            | Self::UnsafeSession { .. }
            | Self::NotMigrated { .. }
            | Self::NotPermitted { .. }
            | Self::Failed { .. }
            | Self::FenceClosed { .. }
            | Self::Disagreement { .. }
            | Self::Vetoed { .. }
            | Self::Undone { .. }
            | Self::Unaccounted { .. }
            | Self::StillNamed { .. }
            | Self::TooLarge { .. }
            | Self::TooMany { .. }
            | Self::Unfit { .. }
            | Self::NotAnnounced { .. }
            | Self::OverLimit { .. }
            | Self::ObjectsAbsent { .. }
            | Self::Unusable(_) => Retry::Never,
        }
    }
}

/// What a database's error means for a store; the driver's own text is not passed on.
impl From<DatabaseError> for StoreError {
    fn from(error: DatabaseError) -> Self {
        let doing = error.doing.to_string();
        let code = error.code;
        match error.failure {
            Failure::NoConnection(reason) => Self::ConnectionLost { doing, reason },
            Failure::Standby => Self::ConnectionLost {
                doing,
                reason: Failure::Standby.meaning().to_owned(),
            },
            Failure::Conflict => Self::Conflict { doing, code },
            Failure::Locked => Self::Locked { doing },
            Failure::NotPermitted | Failure::ReadOnlySession | Failure::ReadOnlyFile => {
                Self::NotPermitted { doing, code }
            }
            Failure::TooLarge(megabytes) => Self::TooLarge { doing, megabytes },
            Failure::Unusable(reason) => Self::Unusable(reason),
            failure => Self::Failed {
                doing,
                meaning: failure.meaning(),
                code,
            },
        }
    }
}
