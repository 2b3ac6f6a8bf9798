//! What can go wrong with a store.
//!
//! Databases quote row values in their own messages, so none of their text is passed on: only the
//! SQLSTATE or result code and our own words for it.

use thiserror::Error;

/// Whether trying again may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    Later,
    Never,
}

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

    /// Says what a driver's error means, without passing on its text.
    pub(crate) fn from_driver(doing: &str, error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(database) => {
                let code = database.code().unwrap_or_default().into_owned();
                Self::from_code(doing, code)
            }
            sqlx::Error::Io(io) => Self::ConnectionLost {
                doing: doing.to_owned(),
                reason: io.kind().to_string(),
            },
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
                Self::ConnectionLost {
                    doing: doing.to_owned(),
                    reason: "no connection to be had".to_owned(),
                }
            }
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Self::Failed {
                doing: doing.to_owned(),
                meaning: "a value could not be read as its column's type",
                code: "decode".to_owned(),
            },
            other => Self::Failed {
                doing: doing.to_owned(),
                meaning: "the driver gave up",
                code: driver_kind(other).to_owned(),
            },
        }
    }

    fn from_code(doing: &str, code: String) -> Self {
        let doing = doing.to_owned();
        match code.as_str() {
            "40001" | "40P01" | "5" | "261" | "517" => Self::Conflict { doing, code },
            "55P03" | "6" => Self::Locked { doing },
            // Ended by the server, as a session that kept its locks for too long.
            "25P03" | "25P04" | "57P05" => Self::ConnectionLost {
                doing,
                reason: "the server ended the session, which had waited for too long".to_owned(),
            },
            "42501" | "25006" | "8" | "264" | "520" | "776" | "1032" => {
                Self::NotPermitted { doing, code }
            }
            "57P01" | "57P02" | "57P03" => Self::ConnectionLost {
                doing,
                reason: "the server is shutting down or starting".to_owned(),
            },
            _ => Self::Failed {
                doing,
                meaning: meaning_of(&code),
                code,
            },
        }
    }
}

/// Our words for the codes an operator meets (PostgreSQL appendix A; SQLite result codes).
fn meaning_of(code: &str) -> &'static str {
    match code {
        "23503" | "787" => "a foreign key still points at a row of the batch",
        "23502" | "1299" => "a column does not take null",
        "23505" | "1555" | "2067" => "a unique key already has the value",
        "23514" | "275" => "a check constraint refuses the value",
        "22001" => "a value is too long for its column",
        "22P02" | "22007" | "22008" => "a value does not fit its column's type",
        "42P01" => "a table does not exist",
        "42703" => "a column does not exist",
        "P0001" | "1811" => "a trigger refuses the change",
        "53100" | "13" => "the disk is full",
        "57014" => {
            "the statement took longer than `statement_timeout` allows, which is set by `statement-timeout-seconds` of the store, by the database role or by the server; or it was cancelled"
        }
        "11" | "26" => "the database file is damaged or no database",
        "14" => "the database file cannot be opened",
        "1" => "the statement does not fit the schema",
        _ => "the database refused the statement",
    }
}

fn driver_kind(error: &sqlx::Error) -> &'static str {
    match error {
        sqlx::Error::Configuration(_) => "configuration",
        sqlx::Error::Tls(_) => "tls",
        sqlx::Error::Protocol(_) => "protocol",
        sqlx::Error::RowNotFound => "row-not-found",
        sqlx::Error::Encode(_) => "encode",
        _ => "driver",
    }
}
