//! A client's log as a run extends it: the next place, made again as often as others were quicker.

use jiff::Timestamp;
use thiserror::Error;

use super::seal::client_folder;
use crate::evidence::log::checkpoint::Checkpoint;
use crate::evidence::log::checkpoint::CheckpointError;
use crate::evidence::log::entry::Entry;
use crate::evidence::log::entry::EntryError;
use crate::evidence::merkle::Hash;
use crate::evidence::merkle::RootBuilder;
use crate::evidence::statement::EntryPlace;
use crate::evidence::statement::LogPlace;
use crate::ledger::Ledger;
use crate::ledger::error::LedgerError;
use crate::ledger::log::LogEntry;

/// The log of one client: `certs.example.com/client-7f3a`.
pub(super) struct ClientLog<'a> {
    pub(super) ledger: &'a dyn Ledger,
    pub(super) client: &'a str,
    origin: String,
}

/// The end of a log at one moment.
pub(super) struct LogEnd {
    pub(super) hashes: Vec<Hash>,
    head: Checkpoint,
    /// The time of the last entry: no later one is older.
    pub(super) last_at: Option<Timestamp>,
}

/// Why a log cannot be extended.
#[derive(Debug, Error)]
pub enum ClientLogError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("the log of client `{client}` cannot be named: {error}")]
    Origin {
        client: String,
        error: CheckpointError,
    },
    #[error("an entry of the log of client `{client}` cannot be used: {error}")]
    Entry { client: String, error: EntryError },
}

impl<'a> ClientLog<'a> {
    /// The log of `client` below the issuer's origin.
    pub(super) fn new(ledger: &'a dyn Ledger, issuer_origin: &str, client: &'a str) -> Self {
        Self {
            ledger,
            client,
            origin: log_origin(issuer_origin, client),
        }
    }

    /// The name of the log, which is that of its key too.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// Reads where the log ends now.
    pub(super) async fn end(&self) -> Result<LogEnd, ClientLogError> {
        let hashes = self.ledger.log_hashes(self.client).await?;
        let size = size_of(&hashes);
        let last = self
            .ledger
            .log_entries(self.client, size.saturating_sub(1), size)
            .await?;
        let last_at = match last.last() {
            Some(entry) => Some(self.read(&entry.payload)?.at()),
            None => None,
        };
        Ok(LogEnd {
            head: self.checkpoint(&hashes)?,
            hashes,
            last_at,
        })
    }

    /// The head over `hashes`, not signed.
    pub(super) fn checkpoint(&self, hashes: &[Hash]) -> Result<Checkpoint, ClientLogError> {
        let mut tree = RootBuilder::new();
        for hash in hashes {
            tree.push_hash(*hash);
        }
        Checkpoint::new(&self.origin, tree.size(), tree.finish()).map_err(|error| {
            ClientLogError::Origin {
                client: self.client.to_owned(),
                error,
            }
        })
    }

    fn read(&self, payload: &[u8]) -> Result<Entry, ClientLogError> {
        Entry::read(payload).map_err(|error| self.unusable(error))
    }

    pub(super) fn unusable(&self, error: EntryError) -> ClientLogError {
        ClientLogError::Entry {
            client: self.client.to_owned(),
            error,
        }
    }
}

impl LogEnd {
    /// The index of the next entry.
    pub(super) fn index(&self) -> u64 {
        size_of(&self.hashes)
    }

    /// The place of the next entry, which closes `plan` if it closes one.
    pub(super) fn place(&self, plan: Option<EntryPlace>) -> LogPlace {
        LogPlace {
            origin: self.head.origin().to_owned(),
            index: self.index(),
            previous_checkpoint: self.head.to_string(),
            plan,
        }
    }

    /// `now`, or the time of the last entry if a clock was set back meanwhile.
    pub(super) fn time(&self, now: Timestamp) -> Timestamp {
        self.last_at.map_or(now, |last| last.max(now))
    }
}

/// The place of an entry that stands in the log.
pub(super) fn place_of(entry: &LogEntry) -> EntryPlace {
    EntryPlace {
        index: entry.index,
        payload_sha256: crate::evidence::digest::Sha256::of(&entry.payload),
    }
}

/// The name of the log of `client`.
pub(super) fn log_origin(issuer_origin: &str, client: &str) -> String {
    format!("{issuer_origin}/{}", client_folder(client))
}

fn size_of(hashes: &[Hash]) -> u64 {
    u64::try_from(hashes.len()).unwrap_or(u64::MAX)
}
