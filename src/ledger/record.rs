//! What goes into the ledger and comes out of it, beside entries.

use std::fmt;

use jiff::Timestamp;

use super::error::LedgerError;
use crate::database::lock::Lock;

/// A run's evidence key, wrapped by the key-encryption key `kek_id`.
#[derive(Clone, PartialEq, Eq)]
pub struct RunKey {
    pub kek_id: String,
    /// Useless without the key-encryption key, which never stands in the ledger.
    pub wrapped: Vec<u8>,
}

impl fmt::Debug for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "RunKey {{ kek_id: {:?}, wrapped: <redacted> }}",
            self.kek_id
        )
    }
}

/// A certificate on its way into the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCertificate {
    pub certificate_id: String,
    pub run_id: String,
    /// On whose behalf the records were kept.
    pub client: String,
    /// The exact bytes that are signed.
    pub payload: Vec<u8>,
    /// SHA-256 of the leaves file, in hex.
    pub leaves_sha256: String,
    pub created_at: Timestamp,
}

/// A certificate as the ledger holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCertificate {
    pub summary: CertificateSummary,
    /// The exact bytes that are signed.
    pub payload: Vec<u8>,
    /// `None` until it was signed.
    pub envelope: Option<Envelope>,
}

/// A certificate without its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateSummary {
    pub certificate_id: String,
    pub run_id: String,
    pub client: String,
    /// SHA-256 of the payload, in hex; computed by the ledger when it was stored.
    pub payload_sha256: String,
    /// SHA-256 of the leaves file, in hex.
    pub leaves_sha256: String,
    pub created_at: Timestamp,
    /// Whether its envelope is stored.
    pub signed: bool,
}

/// A certificate's signatures. Both follow from the payload and the key alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The DSSE envelope, as published.
    pub envelope: Vec<u8>,
    /// The detached SSH signature, as published.
    pub sshsig: String,
}

/// Which certificates to list; all if every field is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateFilter {
    pub run_id: Option<String>,
    pub client: Option<String>,
    /// Created at this moment or later.
    pub from: Option<Timestamp>,
    /// Created before this moment.
    pub until: Option<Timestamp>,
}

/// The certificates that an id or the beginning of an id names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateMatch {
    None,
    One(Box<StoredCertificate>),
    /// Their ids, in order; at most [`CertificateMatch::MOST_NAMED`].
    Several(Vec<String>),
}

impl CertificateMatch {
    /// How many ids an ambiguous prefix is answered with.
    pub const MOST_NAMED: i64 = 10;

    /// Chooses among the ids that begin with `id_or_prefix`, of which an exact match stands
    /// first: the one that is meant, or else the answer.
    pub(super) fn choose(id_or_prefix: &str, mut ids: Vec<String>) -> Result<String, Self> {
        let is_exact = ids.first().is_some_and(|id| id == id_or_prefix);
        if ids.len() > 1 && !is_exact {
            return Err(Self::Several(ids));
        }
        ids.truncate(1);
        ids.pop().ok_or(Self::None)
    }
}

/// Whether something was written or stood there already, byte for byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    New,
    AlreadyThere,
}

/// Names that this process holds until the value is released or dropped, or the process dies.
#[derive(Debug)]
#[must_use = "dropping it releases the lock"]
pub struct LedgerLock(Lock);

impl LedgerLock {
    pub(super) const fn new(lock: Lock) -> Self {
        Self(lock)
    }

    /// Proves that the lock is still held: see [`Lock::check`].
    pub async fn check(&mut self) -> Result<(), LedgerError> {
        Ok(self.0.check().await?)
    }

    /// Releases the lock; on return others can take it.
    pub async fn release(self) -> Result<(), LedgerError> {
        Ok(self.0.release().await?)
    }
}

/// What a ledger knows of the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clocks {
    /// By the server's clock; none where the ledger is a file of this machine.
    pub server: Option<Timestamp>,
    /// When the last entry was written, or the tables were made, by the clock of whoever did it.
    pub last_written: Option<Timestamp>,
}
