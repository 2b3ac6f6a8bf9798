//! A client's log as a run extends it: one entry after the other, each head signed and published.
//!
//! Whoever extends a log holds its lock, and has compared it with what was published before: a
//! ledger that was restored from a backup is noticed before anything is written or signed.

mod error;
mod head;
mod keys;
mod notices;
mod plans;
mod publish;

use std::time::Duration;

use jiff::Timestamp;
use kigen_evidence::digest::Sha256;
use kigen_evidence::log::checkpoint::Checkpoint;
use kigen_evidence::log::entry::Entry;
use kigen_evidence::log::note::Note;
use kigen_evidence::log::proof::LogProof;
use kigen_evidence::merkle::{self, Hash, ProofError, inclusion_proof, leaf_hash};
use kigen_evidence::statement::{EntryPlace, LogPlace};

use crate::archive::{Archive, client_folder, log_origin};
use crate::config::Client;
use crate::keyring::Keyring;
use crate::ledger::error::LockError;
use crate::ledger::log::{Appended, LogEntry, LogRole, NewLogEntry};
use crate::ledger::{Ledger, LedgerLock, NewCertificate};

pub use error::ClientLogError;
pub(super) use head::PublishedHead;
pub(super) use keys::log_key_file;
pub(super) use plans::with_targets;

/// How often the lock of a log is asked for again, and how long in between: other jobs' runs hold
/// it while they publish.
const LOCK_TRIES: u32 = 600;
const LOCK_WAIT: Duration = Duration::from_millis(500);

/// What a log is kept with.
#[derive(Clone, Copy)]
pub(super) struct LogWriter<'a> {
    pub(super) ledger: &'a dyn Ledger,
    /// Where the log is published.
    pub(super) place: &'a dyn Archive,
    pub(super) keyring: &'a Keyring,
    /// The issuer's name in checkpoints, without a scheme: `certs.example.com`.
    pub(super) origin: &'a str,
    /// The organisations behind the clients' names, with their witnesses.
    pub(super) clients: &'a [Client],
}

/// The log of one client: `certs.example.com/client-7f3a`.
pub(super) struct ClientLog<'a> {
    keeper: LogWriter<'a>,
    client: &'a str,
    origin: String,
}

/// A log that nobody else can extend now, and that is what was published.
pub(super) struct OpenLog<'a> {
    log: ClientLog<'a>,
    lock: LedgerLock,
    hashes: Vec<Hash>,
    /// The time of the last entry: no later one is older.
    last_at: Option<Timestamp>,
    published: Option<PublishedHead>,
}

/// An entry's bytes, and the certificate that they are if they are one.
pub(super) struct NewPayload {
    pub(super) payload: Vec<u8>,
    pub(super) certificate: Option<CertificateMark>,
}

/// What the ledger keeps of a certificate beside its bytes.
pub(super) struct CertificateMark {
    pub(super) certificate_id: String,
    pub(super) leaves_sha256: String,
}

/// What an entry is, before it has its place.
pub(super) struct EntryHeader<'a> {
    pub(super) role: LogRole,
    /// None for notices.
    pub(super) run_id: Option<&'a str>,
    /// The plan that the entry closes.
    pub(super) plan: Option<EntryPlace>,
    /// When it is written; later if the log's last entry is.
    pub(super) at: Timestamp,
}

impl<'a> ClientLog<'a> {
    /// The log of `client` below the issuer's origin.
    pub(super) fn new(keeper: LogWriter<'a>, client: &'a str) -> Self {
        Self {
            keeper,
            client,
            origin: log_origin(keeper.origin, client),
        }
    }

    /// Compares the ledger's log with the published one, and writes nothing.
    pub(super) async fn check(&self) -> Result<(), ClientLogError> {
        let hashes = self.keeper.ledger.log_hashes(self.client).await?;
        self.published_head(&hashes).await?;
        Ok(())
    }

    /// Takes the log's lock, and compares the log with the published one.
    pub(super) async fn open(self) -> Result<OpenLog<'a>, ClientLogError> {
        let lock = self.lock().await?;
        let ledger = self.keeper.ledger;
        let hashes = ledger.log_hashes(self.client).await?;
        let published = self.published_head(&hashes).await?;
        let size = size_of(&hashes);
        let from = size.saturating_sub(1);
        let last = ledger.log_entries(self.client, from, size).await?;
        let last_at = match last.last() {
            Some(entry) => Some(self.read(&entry.payload)?.at()),
            None => None,
        };
        Ok(OpenLog {
            log: self,
            lock,
            hashes,
            last_at,
            published,
        })
    }

    async fn lock(&self) -> Result<LedgerLock, ClientLogError> {
        let name = format!("log:{}", self.client);
        for _ in 0..LOCK_TRIES {
            match self.keeper.ledger.lock(std::slice::from_ref(&name)).await {
                Err(LockError::Busy { .. }) => tokio::time::sleep(LOCK_WAIT).await,
                taken => return Ok(taken?),
            }
        }
        Err(LockError::Busy { name }.into())
    }

    /// The head over `hashes`, not signed.
    fn checkpoint(&self, hashes: &[Hash]) -> Result<Checkpoint, ClientLogError> {
        let root = merkle::root_of(hashes);
        Checkpoint::new(&self.origin, size_of(hashes), root).map_err(|error| {
            ClientLogError::Origin {
                client: self.client.to_owned(),
                error,
            }
        })
    }

    fn read(&self, payload: &[u8]) -> Result<Entry, ClientLogError> {
        Entry::read(payload).map_err(|error| ClientLogError::Entry {
            client: self.client.to_owned(),
            error,
        })
    }

    /// The path of a file of the log in the place.
    fn path(&self, file: &str) -> String {
        format!(
            "{}/{}/{file}",
            client_folder(self.client),
            crate::archive::LOG
        )
    }
}

impl OpenLog<'_> {
    /// Appends the entry that `make` makes for its place and time, in one transaction with the
    /// certificate that it is. One that the run has in this role already stays, and is returned.
    pub(super) async fn append<E: From<ClientLogError>>(
        &mut self,
        mark: &EntryHeader<'_>,
        make: impl FnOnce(LogPlace, Timestamp) -> Result<NewPayload, E>,
    ) -> Result<LogEntry, E> {
        if let Some(standing) = self.standing(mark).await? {
            return Ok(standing);
        }
        // A clock that was set back meanwhile does not write before the last entry.
        let at = self.last_at.map_or(mark.at, |last| last.max(mark.at));
        let index = size_of(&self.hashes);
        let place = LogPlace {
            origin: self.log.origin.clone(),
            index,
            previous_checkpoint: self.log.checkpoint(&self.hashes)?.to_string(),
            plan: mark.plan,
        };
        let new = make(place, at)?;
        let entry = NewLogEntry {
            client: self.log.client.to_owned(),
            index,
            role: mark.role,
            run_id: mark.run_id.map(str::to_owned),
            payload: new.payload,
            at,
        };
        let appended = self.store(entry, new.certificate).await?;
        Ok(appended)
    }

    async fn standing(&self, mark: &EntryHeader<'_>) -> Result<Option<LogEntry>, ClientLogError> {
        let Some(run_id) = mark.run_id else {
            return Ok(None);
        };
        let log = &self.log;
        let ledger = log.keeper.ledger;
        Ok(ledger.log_entry(log.client, run_id, mark.role).await?)
    }

    async fn store(
        &mut self,
        entry: NewLogEntry,
        mark: Option<CertificateMark>,
    ) -> Result<LogEntry, ClientLogError> {
        let certificate = mark.map(|mark| NewCertificate {
            certificate_id: mark.certificate_id,
            run_id: entry.run_id.clone().unwrap_or_default(),
            client: entry.client.clone(),
            payload: entry.payload.clone(),
            leaves_sha256: mark.leaves_sha256,
            created_at: entry.at,
        });
        let ledger = self.log.keeper.ledger;
        let appended = ledger.append_to_log(&entry, certificate.as_ref()).await?;
        match appended {
            Appended::New => {}
            Appended::AlreadyThere(_) | Appended::Moved => {
                let client = self.log.client.to_owned();
                return Err(ClientLogError::Moved { client });
            }
        }
        self.last_at = Some(self.log.read(&entry.payload)?.at());
        self.hashes.push(leaf_hash(&entry.payload));
        Ok(LogEntry {
            index: entry.index,
            role: entry.role,
            run_id: entry.run_id,
            payload: entry.payload,
        })
    }

    /// Signs and publishes the log's head, after everything that it covers. Returns the head.
    pub(super) async fn publish(&mut self, now: Timestamp) -> Result<Note, ClientLogError> {
        let covered = self
            .published
            .as_ref()
            .filter(|head| head.size == size_of(&self.hashes));
        if let Some(head) = covered {
            return Ok(head.note.clone());
        }
        let from = self.published.as_ref().map_or(0, |head| head.size);
        let note = self.log.publish(&self.hashes, from, now).await?;
        self.published = Some(PublishedHead {
            size: size_of(&self.hashes),
            note: note.clone(),
        });
        Ok(note)
    }

    /// Proves that the entry at `index` is under the published head.
    pub(super) fn prove(&self, index: u64) -> Result<LogProof, ProofError> {
        let size = size_of(&self.hashes);
        let head = self.published.as_ref().filter(|head| index < head.size);
        let head = head.ok_or(ProofError::NoSuchLeaf { index, size })?;
        let covered = usize::try_from(head.size).unwrap_or(usize::MAX);
        let covered = self.hashes.get(..covered).unwrap_or(&self.hashes);
        Ok(LogProof {
            extra: None,
            index,
            path: inclusion_proof(covered, index)?,
            checkpoint: head.note.clone(),
        })
    }

    /// Lets others extend the log.
    pub(super) async fn close(self) {
        if let Err(error) = self.lock.release().await {
            // The lock ends with the process at the latest.
            tracing::warn!(error = %error, "the lock of a log could not be released");
        }
    }
}

/// The place of an entry that stands in the log.
pub(super) fn place_of(entry: &LogEntry) -> EntryPlace {
    EntryPlace {
        index: entry.index,
        payload_sha256: Sha256::of(&entry.payload),
    }
}

fn size_of(hashes: &[Hash]) -> u64 {
    u64::try_from(hashes.len()).unwrap_or(u64::MAX)
}
