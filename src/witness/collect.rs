//! The worker's side: a head that a witness has cosigned goes beside the published one.

use kigen_evidence::log::checkpoint::{Checkpoint, CheckpointError};
use kigen_evidence::log::note::{Note, NoteError};
use kigen_evidence::log::vkey::{NoteKey, NoteKeyError};
use kigen_evidence::merkle;
use thiserror::Error;

use crate::archive::{Archive, Content, LOG, PublishError, Put, client_folder, log_origin};
use crate::keyring::Keyring;
use crate::ledger::error::{LedgerError, LockError};
use crate::ledger::{Ledger, LedgerLock};

/// What cosigned heads of one client are collected with.
pub struct Collector<'a> {
    pub ledger: &'a dyn Ledger,
    pub keyring: &'a Keyring,
    pub place: &'a dyn Archive,
    /// The issuer's name in checkpoints.
    pub origin: &'a str,
    pub client: &'a str,
    /// The witnesses that count.
    pub witnesses: &'a [NoteKey],
}

/// What was done with a cosigned head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collected {
    /// Entries that the head covers.
    pub size: u64,
    /// The witness's name.
    pub witness: String,
    /// When it saw the head, in seconds since 1970-01-01T00:00:00Z.
    pub time: u64,
    /// The file that keeps it, relative to the place.
    pub path: String,
    /// Whether the log's present head has the line now; it does not where the log has grown since.
    pub is_head: bool,
}

/// Why a cosigned head is not taken.
#[derive(Debug, Error)]
pub enum CollectError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("{0}")]
    Busy(LockError),
    #[error(transparent)]
    Place(#[from] PublishError),
    #[error(transparent)]
    Key(#[from] NoteKeyError),
    #[error("the file is no cosigned head: {0}")]
    Note(#[from] NoteError),
    #[error("the file is no cosigned head: {0}")]
    Checkpoint(#[from] CheckpointError),
    #[error("the log of client `{client}` has not signed this head")]
    NotOurs { client: String },
    #[error("the head is about `{origin}`, and not about the log of client `{client}`")]
    OtherLog { origin: String, client: String },
    #[error(
        "no known witness has cosigned this head\nhint: `witness = [\"name+id+key\"]` of the client in kigen.toml, or `--witness-key`"
    )]
    NoWitness,
    #[error("the ledger's log has no such head of {size} entries: the witness saw another log")]
    OtherTree { size: u64 },
    #[error("`{path}` is there already, with another content")]
    Occupied { path: String },
}

impl Collector<'_> {
    /// Publishes the head in `file` beside the log, and adds its line to the log's head if that has
    /// not grown since. Safe to be repeated, and beside runs.
    pub async fn collect(&self, file: &str) -> Result<Vec<Collected>, CollectError> {
        let name = format!("log:{}", self.client);
        let lock: LedgerLock = self
            .ledger
            .lock(std::slice::from_ref(&name))
            .await
            .map_err(CollectError::Busy)?;
        let collected = self.collect_locked(file).await;
        lock.release().await?;
        collected
    }

    async fn collect_locked(&self, file: &str) -> Result<Vec<Collected>, CollectError> {
        let note: Note = file.parse()?;
        let origin = log_origin(self.origin, self.client);
        let log_keys = self.keyring.log_keys_of(&origin)?;
        let ours = note.open(&log_keys).map_err(|_| CollectError::NotOurs {
            client: self.client.to_owned(),
        })?;
        let head = Checkpoint::read(&ours)?;
        if log_keys.iter().all(|key| key.name() != head.origin()) {
            return Err(CollectError::OtherLog {
                origin: head.origin().to_owned(),
                client: self.client.to_owned(),
            });
        }
        self.is_in_ledger(&head).await?;
        let mut collected = Vec::new();
        for witness in self.witnesses {
            let cosigned = note.by(&[log_keys.as_slice(), std::slice::from_ref(witness)].concat());
            let opened = match cosigned.open(std::slice::from_ref(witness)) {
                Ok(opened) => opened,
                Err(NoteError::NobodyKnown) => continue,
                Err(error) => return Err(error.into()),
            };
            let time = opened.signers().first().and_then(|signer| signer.time);
            let path = self.keep(&head, witness, &cosigned).await?;
            collected.push(Collected {
                size: head.size(),
                witness: witness.name().to_owned(),
                time: time.unwrap_or_default(),
                path,
                is_head: self.add_to_head(&head, witness, &cosigned).await?,
            });
        }
        if collected.is_empty() {
            return Err(CollectError::NoWitness);
        }
        Ok(collected)
    }

    /// The head is one that this log has had.
    async fn is_in_ledger(&self, head: &Checkpoint) -> Result<(), CollectError> {
        let hashes = self.ledger.log_hashes(self.client).await?;
        let size = usize::try_from(head.size()).ok();
        let covered = size.and_then(|size| hashes.get(..size));
        if covered.is_some_and(|covered| merkle::root_of(covered) == *head.root()) {
            return Ok(());
        }
        Err(CollectError::OtherTree { size: head.size() })
    }

    /// The file is named after the head's size and the witness's key, and written once.
    async fn keep(
        &self,
        head: &Checkpoint,
        witness: &NoteKey,
        cosigned: &Note,
    ) -> Result<String, CollectError> {
        let folder = client_folder(self.client);
        let path = format!("{folder}/{LOG}/cosigned/{}-{}", head.size(), witness.id());
        let text = cosigned.to_string();
        match self
            .place
            .put_new(&path, Content::Bytes(text.as_bytes()))
            .await?
        {
            Put::Created | Put::AlreadyEqual => Ok(path),
            // The witness looked at the same head twice: the first time is the one that counts.
            Put::Conflict { .. } => match self.place.get(&path).await? {
                Some(standing) if is_same_head(&standing, cosigned) => Ok(path),
                Some(_) | None => Err(CollectError::Occupied {
                    path: self.place.locate(&path),
                }),
            },
        }
    }

    async fn add_to_head(
        &self,
        head: &Checkpoint,
        witness: &NoteKey,
        cosigned: &Note,
    ) -> Result<bool, CollectError> {
        let path = format!("{}/{LOG}/checkpoint", client_folder(self.client));
        let published = self.place.get(&path).await?.unwrap_or_default();
        let published: Result<Note, _> = String::from_utf8_lossy(&published).parse();
        let Some(mut published) = published
            .ok()
            .filter(|note| note.text() == head.to_string())
        else {
            return Ok(false);
        };
        let of_witness = |id, name: &str| id == witness.id() && name == witness.name();
        let mut standing = published.signatures().iter();
        if standing.any(|line| of_witness(line.id(), line.name())) {
            return Ok(true);
        }
        for line in cosigned.signatures() {
            if of_witness(line.id(), line.name()) {
                published.add(line.clone())?;
            }
        }
        let text = published.to_string();
        self.place.put_head(&path, text.as_bytes()).await?;
        Ok(true)
    }
}

fn is_same_head(standing: &[u8], cosigned: &Note) -> bool {
    let standing: Result<Note, _> = String::from_utf8_lossy(standing).parse();
    standing.is_ok_and(|standing| standing.text() == cosigned.text())
}
