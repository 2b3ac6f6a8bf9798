//! kigen's own memory: runs, keys, certificates. Append-only.
//!
//! Nothing in it is changed or deleted, except that a run's key is destroyed when its evidence
//! period ends. Triggers refuse the rest in both engines (`migrations/README.md`).
//!
//! [`open()`] decides by the URL: PostgreSQL, or the embedded SQLite. One contract suite holds both
//! to the same behaviour.

pub mod entry;
pub mod error;
pub mod fold;
pub mod log;
pub mod migrator;
pub mod suspension;

mod convert;
mod files;
mod open;
mod postgres;
mod record;
mod sqlite;

#[cfg(test)]
mod contract;

use async_trait::async_trait;
use jiff::Timestamp;

use entry::Entry;
use entry::RecordedEntry;
use error::LedgerError;
use error::LockError;
use fold::RunRecord;
use log::LogLedger;

pub use open::open;
pub use record::CertificateFilter;
pub use record::CertificateMatch;
pub use record::CertificateSummary;
pub use record::Clocks;
pub use record::Envelope;
pub use record::LedgerLock;
pub use record::NewCertificate;
pub use record::RunKey;
pub use record::Stored;
pub use record::StoredCertificate;

/// What a run needs of the ledger, beside the clients' logs.
#[async_trait]
pub trait Ledger: LogLedger {
    /// Creates or extends the ledger's tables; does nothing if they are there.
    ///
    /// Returns the names of the migrations that were applied. `at` is remembered with each.
    async fn migrate(&self, at: Timestamp) -> Result<Vec<String>, LedgerError>;

    /// Proves that the tables are those that this version of kigen knows. Writes nothing.
    async fn check_migrated(&self) -> Result<(), LedgerError>;

    /// Proves that an entry could be written, without leaving one.
    async fn probe_writable(&self) -> Result<(), LedgerError>;

    /// What time it is by the ledger's own clock, and when it was written last.
    async fn clocks(&self) -> Result<Clocks, LedgerError>;

    /// Writes one entry, durable on return. Returns its place.
    async fn append(
        &self,
        run_id: Option<&str>,
        at: Timestamp,
        entry: &Entry,
    ) -> Result<i64, LedgerError>;

    /// Writes a run's first entry and its key in one transaction.
    ///
    /// A run that has already started is a [`LedgerError::Conflict`].
    async fn start_run(
        &self,
        run_id: &str,
        at: Timestamp,
        entry: &Entry,
        key: &RunKey,
    ) -> Result<(), LedgerError>;

    /// The entries from `from` (inclusive) until `until` (exclusive), in their order.
    async fn entries(
        &self,
        from: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<Vec<RecordedEntry>, LedgerError>;

    /// The entries of one run, in their order; empty if there is no such run.
    async fn entries_of(&self, run_id: &str) -> Result<Vec<RecordedEntry>, LedgerError>;

    /// The runs that were started and whose certificates are not all published, oldest first.
    ///
    /// One of them may be in work right now: only who holds the lock of its name knows.
    async fn unfinished_runs(&self) -> Result<Vec<RunRecord>, LedgerError>;

    /// The run's wrapped key, or `None` if there is none or it was destroyed.
    async fn run_key(&self, run_id: &str) -> Result<Option<RunKey>, LedgerError>;

    /// The runs whose keys are wrapped by the key-encryption key `kek_id`, in order.
    async fn runs_under(&self, kek_id: &str) -> Result<Vec<String>, LedgerError>;

    /// Destroys the run's key. Returns whether there was one.
    async fn destroy_run_key(&self, run_id: &str) -> Result<bool, LedgerError>;

    /// Stores a certificate's exact payload bytes.
    ///
    /// Repeatable: the same payload under the same id is [`Stored::AlreadyThere`]. Anything else
    /// for the same id, or for the same run and client, is a [`LedgerError::Conflict`].
    async fn store_certificate(&self, certificate: &NewCertificate) -> Result<Stored, LedgerError>;

    /// Stores the signed envelope of a stored certificate; repeatable like its payload.
    async fn store_envelope(
        &self,
        certificate_id: &str,
        envelope: &Envelope,
    ) -> Result<Stored, LedgerError>;

    /// The certificates that `filter` lets through, oldest first, without their payloads.
    async fn certificates(
        &self,
        filter: &CertificateFilter,
    ) -> Result<Vec<CertificateSummary>, LedgerError>;

    /// Looks a certificate up by its id or by the beginning of its id.
    async fn certificate(&self, id_or_prefix: &str) -> Result<CertificateMatch, LedgerError>;

    /// Takes all of `names` for this process, or none: `job:exam-history`, `run:<id>`.
    ///
    /// Never waits. The lock ends with [`LedgerLock::release`], when the value is dropped, and
    /// when the process dies.
    async fn lock(&self, names: &[String]) -> Result<LedgerLock, LockError>;

    /// Closes the connections; what was written is durable with or without.
    async fn close(&self);
}
