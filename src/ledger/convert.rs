//! Between rows and values, the same for both engines.

use jiff::Timestamp;
use sha2::Digest;
use sha2::Sha256;

use super::entry::Entry;
use super::entry::RecordedEntry;
use super::error::LedgerError;
use super::error::Retry;
use super::migrator::MigrationError;
use super::record::CertificateSummary;
use super::record::Clocks;
use super::record::Envelope;
use super::record::NewCertificate;
use super::record::RunKey;
use super::record::StoredCertificate;
use crate::database::postgres::SessionError;

/// `entry_id, run_id, at, body`.
pub(super) type EntryRow = (i64, Option<String>, String, String);

/// `certificate_id, run_id, client, payload_sha256, leaves_sha256, created_at, payload,
/// envelope, sshsig`.
pub(super) type CertificateRow = (
    String,
    String,
    String,
    String,
    String,
    String,
    Vec<u8>,
    Option<Vec<u8>>,
    Option<String>,
);

/// `certificate_id, run_id, client, payload_sha256, leaves_sha256, created_at, signed`.
pub(super) type SummaryRow = (String, String, String, String, String, String, bool);

/// A moment as text of one width, to the microsecond, so that text order is time order.
pub(super) fn moment(at: Timestamp) -> String {
    format!("{at:.6}")
}

pub(super) fn body(action: &'static str, entry: &Entry) -> Result<String, LedgerError> {
    serde_json::to_string(entry).map_err(|error| LedgerError::Damaged {
        action,
        found: format!("no room for `{}`: {error}", entry.kind()),
    })
}

pub(super) fn recorded(row: EntryRow) -> Result<RecordedEntry, LedgerError> {
    let (entry_id, run_id, at, body) = row;
    let entry = serde_json::from_str(&body).map_err(|_| unreadable(entry_id, &body))?;
    Ok(RecordedEntry {
        entry_id,
        run_id,
        at: parse_moment(&at)?,
        entry,
    })
}

/// A newer kigen may write kinds that this one does not know; anything else is damage.
fn unreadable(entry_id: i64, body: &str) -> LedgerError {
    let kind = serde_json::from_str::<serde_json::Value>(body)
        .ok()
        .and_then(|value| value.get("kind")?.as_str().map(str::to_owned));
    match kind {
        Some(kind) if !Entry::KINDS.contains(&kind.as_str()) => LedgerError::NewerVersion {
            found: format!("entry {entry_id} of kind `{kind}`"),
        },
        Some(_) | None => LedgerError::Damaged {
            action: "read entries",
            found: format!("an entry, {entry_id}, that cannot be read"),
        },
    }
}

fn parse_moment(text: &str) -> Result<Timestamp, LedgerError> {
    text.parse().map_err(|_| LedgerError::Damaged {
        action: "read a moment",
        found: "a moment that cannot be read".to_owned(),
    })
}

pub(super) fn clocks(
    server: Option<&str>,
    last_written: Option<&str>,
) -> Result<Clocks, LedgerError> {
    Ok(Clocks {
        server: server.map(parse_moment).transpose()?,
        last_written: last_written.map(parse_moment).transpose()?,
    })
}

pub(super) fn summary(row: SummaryRow) -> Result<CertificateSummary, LedgerError> {
    let (certificate_id, run_id, client, payload_sha256, leaves_sha256, created_at, signed) = row;
    Ok(CertificateSummary {
        certificate_id,
        run_id,
        client,
        payload_sha256,
        leaves_sha256,
        created_at: parse_moment(&created_at)?,
        signed,
    })
}

/// Puts a certificate together, after proving that its payload is what was stored.
pub(super) fn stored(row: CertificateRow) -> Result<StoredCertificate, LedgerError> {
    let (id, run_id, client, sha256, leaves_sha256, created_at, payload, envelope, sshsig) = row;
    if payload_sha256(&payload) != sha256 {
        return Err(LedgerError::Damaged {
            action: "read a certificate",
            found: format!("certificate `{id}` with a payload that does not match its digest"),
        });
    }
    let envelope = envelope
        .zip(sshsig)
        .map(|(envelope, sshsig)| Envelope { envelope, sshsig });
    let signed = envelope.is_some();
    Ok(StoredCertificate {
        summary: summary((
            id,
            run_id,
            client,
            sha256,
            leaves_sha256,
            created_at,
            signed,
        ))?,
        payload,
        envelope,
    })
}

pub(super) fn payload_sha256(payload: &[u8]) -> String {
    hex::encode(Sha256::digest(payload))
}

/// `certificate_id, run_id, client, payload, leaves_sha256` of what stands where a certificate is
/// to be stored.
pub(super) type StandingRow = (String, String, String, Vec<u8>, String);

/// Whether `standing` is `new`, byte for byte. The moment of storing may differ.
pub(super) fn same_certificate(
    standing: StandingRow,
    new: &NewCertificate,
) -> Result<(), LedgerError> {
    let (certificate_id, run_id, client, payload, leaves_sha256) = standing;
    let same = certificate_id == new.certificate_id
        && run_id == new.run_id
        && client == new.client
        && payload == new.payload
        && leaves_sha256 == new.leaves_sha256;
    if same {
        return Ok(());
    }
    Err(LedgerError::Conflict {
        action: "store a certificate",
        found: format!(
            "run `{run_id}` already has certificate `{certificate_id}` for client `{client}`, \
             with other content"
        ),
    })
}

/// Whether the standing envelope is the new one, byte for byte.
pub(super) fn same_envelope(
    certificate_id: &str,
    standing: (Vec<u8>, String),
    new: &Envelope,
) -> Result<(), LedgerError> {
    if standing.0 == new.envelope && standing.1 == new.sshsig {
        return Ok(());
    }
    Err(LedgerError::Conflict {
        action: "store an envelope",
        found: format!("certificate `{certificate_id}` already has another envelope"),
    })
}

pub(super) fn no_such_certificate(certificate_id: &str) -> LedgerError {
    LedgerError::Conflict {
        action: "store an envelope",
        found: format!("there is no certificate `{certificate_id}`"),
    }
}

pub(super) fn already_started(run_id: &str) -> LedgerError {
    LedgerError::Conflict {
        action: "start a run",
        found: format!("run `{run_id}` has started already"),
    }
}

pub(super) fn run_key(row: (String, Vec<u8>)) -> RunKey {
    let (kek_id, wrapped) = row;
    RunKey { kek_id, wrapped }
}

pub(super) fn migration_error(
    error: MigrationError,
    classify: fn(&'static str, sqlx::Error) -> LedgerError,
) -> LedgerError {
    match error {
        MigrationError::Newer { version, .. } => LedgerError::NewerVersion {
            found: format!("migration {version}"),
        },
        MigrationError::Altered { version, .. } => LedgerError::Damaged {
            action: "check its migrations",
            found: format!("migration {version} with another text than this kigen's"),
        },
        MigrationError::Database { source, .. } => classify("migrate it", source),
    }
}

pub(super) fn not_migrated(pending: &[String]) -> Result<(), LedgerError> {
    if pending.is_empty() {
        return Ok(());
    }
    Err(LedgerError::NotMigrated {
        missing: format!("it lacks `{}`", pending.join("`, `")),
    })
}

/// What PostgreSQL's error means for the ledger.
pub(super) fn postgres_error(action: &'static str, source: sqlx::Error) -> LedgerError {
    if let sqlx::Error::Configuration(cause) = &source
        && let Some(cause) = cause.downcast_ref::<SessionError>()
    {
        let reason = cause.to_string();
        return LedgerError::UnsafeSession { reason };
    }
    let code = code_of(&source);
    let code = code.as_deref().unwrap_or_default();
    // A standby, or an address that has moved to one: the primary will be there again.
    if is_connection_lost(&source) || code == "25006" {
        return LedgerError::Unreachable {
            action,
            retry: Retry::Later,
            source,
        };
    }
    match code {
        // insufficient_privilege
        "42501" => LedgerError::ReadOnly {
            action,
            source: Some(source),
        },
        // undefined_table, undefined_column
        "42P01" | "42703" => LedgerError::NotMigrated {
            missing: "a table of it is missing".to_owned(),
        },
        // Wrong credentials and a missing database do not mend themselves.
        "28000" | "28P01" | "3D000" => LedgerError::Unreachable {
            action,
            retry: Retry::Never,
            source,
        },
        // connection exceptions, too many connections, shutdown, start-up
        _ if code.starts_with("08") || code.starts_with("57P") || code == "53300" => {
            LedgerError::Unreachable {
                action,
                retry: Retry::Later,
                source,
            }
        }
        // serialization failure and deadlock, out of disk or memory, lock and statement timeouts
        _ if code.starts_with("40")
            || code.starts_with("53")
            || code == "55P03"
            || code == "57014" =>
        {
            LedgerError::Other {
                action,
                retry: Retry::Later,
                source,
            }
        }
        _ => LedgerError::Other {
            action,
            retry: Retry::Never,
            source,
        },
    }
}

/// What SQLite's error means for the ledger.
pub(super) fn sqlite_error(action: &'static str, source: sqlx::Error) -> LedgerError {
    if is_connection_lost(&source) {
        return LedgerError::Unreachable {
            action,
            retry: Retry::Later,
            source,
        };
    }
    let code = code_of(&source).and_then(|code| code.parse::<u32>().ok());
    let says_no_table = source
        .as_database_error()
        .is_some_and(|error| error.message().starts_with("no such table: kigen_"));
    if says_no_table {
        return LedgerError::NotMigrated {
            missing: "a table of it is missing".to_owned(),
        };
    }
    // The low byte is the primary code.
    match code.map(|code| code & 0xff) {
        // SQLITE_READONLY, SQLITE_PERM
        Some(8 | 3) => LedgerError::ReadOnly {
            action,
            source: Some(source),
        },
        // SQLITE_BUSY, SQLITE_LOCKED, SQLITE_IOERR, SQLITE_FULL
        Some(5 | 6 | 10 | 13) => LedgerError::Other {
            action,
            retry: Retry::Later,
            source,
        },
        // SQLITE_CANTOPEN, SQLITE_NOTADB
        Some(14 | 26) => LedgerError::Unreachable {
            action,
            retry: Retry::Never,
            source,
        },
        Some(_) | None => LedgerError::Other {
            action,
            retry: Retry::Never,
            source,
        },
    }
}

fn code_of(error: &sqlx::Error) -> Option<String> {
    error
        .as_database_error()?
        .code()
        .map(std::borrow::Cow::into_owned)
}

fn is_connection_lost(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
    )
}
