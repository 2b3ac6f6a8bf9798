//! The clients' logs in the ledger: entries, one after the other, and the checkpoints signed over
//! them.
//!
//! An entry is fixed once it has its index: nothing can be put before it, and no index is left
//! out. Each run has one plan and one closing entry in a client's log at most.

use async_trait::async_trait;
use jiff::Timestamp;
use kigen_evidence::merkle;
use kigen_evidence::merkle::Hash;

use super::entry::RecordedEntry;
use super::error::LedgerError;
use super::record::NewCertificate;
use super::record::Stored;

/// What an entry is to its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogRole {
    /// It says what the run is about to do.
    Plan,
    /// It says what the run did: a certificate, with removals or without, or an abort.
    Closing,
    /// It belongs to no run: a suspension, a change of keys.
    Notice,
}

/// An entry on its way into a client's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLogEntry {
    pub client: String,
    /// The place that the payload names as its own.
    pub index: u64,
    pub role: LogRole,
    /// None for notices.
    pub run_id: Option<String>,
    /// The exact bytes that are the leaf.
    pub payload: Vec<u8>,
    pub at: Timestamp,
}

/// An entry of a client's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    pub index: u64,
    pub role: LogRole,
    pub run_id: Option<String>,
    pub payload: Vec<u8>,
}

/// What became of a new entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    New,
    /// The run has its entry of this role already: this one.
    AlreadyThere(LogEntry),
    /// The log has another size than the entry's index: it has to be made again.
    Moved,
}

/// A signed head of a client's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogCheckpoint {
    pub client: String,
    /// Entries that it covers.
    pub size: u64,
    /// The signed note.
    pub note: String,
}

/// The clients' logs.
#[async_trait]
pub trait LogLedger: Send + Sync {
    /// The clients that have a log, in the order of their names.
    async fn log_clients(&self) -> Result<Vec<String>, LedgerError>;

    /// The leaf hashes of a client's log, in the order of their indexes; empty if there is none.
    async fn log_hashes(&self, client: &str) -> Result<Vec<Hash>, LedgerError>;

    /// The entries of a run in all logs: each client with its entries, in the order of the clients.
    async fn log_of_run(&self, run_id: &str) -> Result<Vec<(String, LogEntry)>, LedgerError>;

    /// The entry of this role that a run has in a client's log.
    async fn log_entry(
        &self,
        client: &str,
        run_id: &str,
        role: LogRole,
    ) -> Result<Option<LogEntry>, LedgerError>;

    /// The entries of a client's log from `from` (included) until `until` (excluded).
    async fn log_entries(
        &self,
        client: &str,
        from: u64,
        until: u64,
    ) -> Result<Vec<LogEntry>, LedgerError>;

    /// The notices of a client's log, in their order.
    async fn log_notices(&self, client: &str) -> Result<Vec<LogEntry>, LedgerError>;

    /// The entries that suspend and resume jobs, in their order: see
    /// [`suspended`](super::suspension::suspended).
    async fn suspension_entries(&self) -> Result<Vec<RecordedEntry>, LedgerError>;

    /// Appends an entry, and stores the certificate that it is, in one transaction; durable on
    /// return.
    ///
    /// Nothing is written unless the answer is [`Appended::New`].
    async fn append_to_log(
        &self,
        new: &NewLogEntry,
        certificate: Option<&NewCertificate>,
    ) -> Result<Appended, LedgerError>;

    /// Stores the head that is about to be published.
    ///
    /// The same note for the same size is [`Stored::AlreadyThere`]. Another note for that size, or
    /// a size below the last one, is a [`LedgerError::Conflict`]: a log never signs two stories.
    async fn store_checkpoint(
        &self,
        checkpoint: &LogCheckpoint,
        at: Timestamp,
    ) -> Result<Stored, LedgerError>;

    /// The last signed head of a client's log.
    async fn last_checkpoint(&self, client: &str) -> Result<Option<LogCheckpoint>, LedgerError>;
}

/// `log_index, role, run_id, payload, leaf_hash`.
pub(super) type LogRow = (i64, String, Option<String>, Vec<u8>, Vec<u8>);

/// A client, and a [`LogRow`].
pub(super) type OfRunRow = (String, i64, String, Option<String>, Vec<u8>, Vec<u8>);

pub(super) fn of_client(row: OfRunRow) -> Result<(String, LogEntry), LedgerError> {
    let (client, index, role, run_id, payload, hash) = row;
    Ok((client, entry((index, role, run_id, payload, hash))?))
}

impl LogRole {
    /// As the ledger writes it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Closing => "closing",
            Self::Notice => "notice",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Plan, Self::Closing, Self::Notice]
            .into_iter()
            .find(|role| role.name() == name)
    }
}

/// The hash of `payload` as the leaf that it is.
pub(super) fn hash_of(payload: &[u8]) -> Vec<u8> {
    merkle::leaf_hash(payload).to_vec()
}

pub(super) fn number(index: u64) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}

/// Puts an entry together, after proving that its payload is what was hashed.
pub(super) fn entry(row: LogRow) -> Result<LogEntry, LedgerError> {
    let (index, role, run_id, payload, hash) = row;
    let index = u64::try_from(index).map_err(|_| damaged("with a negative index"))?;
    if hash_of(&payload) != hash {
        return Err(damaged("whose payload does not match its hash"));
    }
    Ok(LogEntry {
        index,
        role: LogRole::from_name(&role).ok_or_else(|| damaged("of an unknown role"))?,
        run_id,
        payload,
    })
}

/// The leaf hashes out of `(log_index, leaf_hash)`, after proving that no index is left out.
pub(super) fn hashes(rows: Vec<(i64, Vec<u8>)>) -> Result<Vec<Hash>, LedgerError> {
    let mut hashes = Vec::with_capacity(rows.len());
    for (place, (index, hash)) in (0..).zip(rows) {
        if index != place {
            return Err(damaged("that is missing"));
        }
        hashes.push(hash.try_into().map_err(|_| damaged("without its hash"))?);
    }
    Ok(hashes)
}

pub(super) fn checkpoint(client: &str, row: (i64, String)) -> Result<LogCheckpoint, LedgerError> {
    let (size, note) = row;
    Ok(LogCheckpoint {
        client: client.to_owned(),
        size: u64::try_from(size).map_err(|_| damaged("with a negative index"))?,
        note,
    })
}

/// Whether `new` may follow the last signed head; `Some` if it stands there already.
pub(super) fn follows(
    last: Option<&LogCheckpoint>,
    new: &LogCheckpoint,
) -> Result<Option<Stored>, LedgerError> {
    let Some(last) = last.filter(|last| last.size >= new.size) else {
        return Ok(None);
    };
    if last == new {
        return Ok(Some(Stored::AlreadyThere));
    }
    Err(LedgerError::Conflict {
        action: "sign a checkpoint",
        found: format!(
            "the log of client `{}` has a signed checkpoint of size {}",
            last.client, last.size
        ),
    })
}

fn damaged(what: &str) -> LedgerError {
    LedgerError::Damaged {
        action: "read a log",
        found: format!("an entry of a log {what}"),
    }
}
