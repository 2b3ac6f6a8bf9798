//! Stamps for the heads of logs, published beside them.
//!
//! What is stamped is the head as the log signed it, without the lines of witnesses, which may come
//! later. It is kept in a file of its own, so that the stamp still fits when the head has moved on.

use jiff::Timestamp;
use kigen_evidence::log::checkpoint::{Checkpoint, CheckpointError};
use kigen_evidence::log::note::{Note, NoteError};
use kigen_evidence::log::vkey::NoteKeyError;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::authority::{AskError, Authority};
use super::wire::{AnswerError, NONCE_LENGTH, Question, Stamp};
use crate::archive::{Archive, Content, KEYS, LOG, PublishError, Put, client_folder, log_origin};
use crate::config::TimestampConfig;
use crate::keyring::Keyring;

/// The name of the authority's root among the public keys.
const ROOT: &str = "tsa-root.pem";

/// Stamps the heads of an installation's logs.
pub struct Stamper<'a> {
    pub config: &'a TimestampConfig,
    pub authority: &'a Authority,
    pub keyring: &'a Keyring,
    pub place: &'a dyn Archive,
    /// The issuer's name in checkpoints.
    pub origin: &'a str,
}

/// What became of the present head of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamped {
    /// Nothing was published yet.
    NoHead,
    /// It was stamped before.
    Before { size: u64 },
    /// It is stamped now.
    Now { size: u64, at: Timestamp },
}

/// Why a head stays without a stamp until the next attempt.
#[derive(Debug, Error)]
pub enum StampError {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Answer(#[from] AnswerError),
    #[error(transparent)]
    Place(#[from] PublishError),
    #[error(transparent)]
    Key(#[from] NoteKeyError),
    #[error("the head of the log does not hold: {0}")]
    Note(#[from] NoteError),
    #[error("the head of the log is no checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    #[error("the request cannot be written: {0}")]
    Request(String),
    #[error("`{path}` is there already, with another content")]
    Occupied { path: String },
}

impl Stamper<'_> {
    /// Has the present head of the log of `client` stamped, unless it is. To be called whenever a
    /// head was published; what could not be done is done by the next call.
    pub async fn stamp(&self, client: &str) -> Result<Stamped, StampError> {
        let folder = format!("{}/{LOG}", client_folder(client));
        let path = |name: &str| format!("{folder}/{name}");
        let Some(bytes) = self.place.get(&path("checkpoint")).await? else {
            return Ok(Stamped::NoHead);
        };
        let (head, size) = self.head(client, bytes)?;
        let answer = path(&format!("stamped/{size}.tsr"));
        if self.place.get(&answer).await?.is_some() {
            return Ok(Stamped::Before { size });
        }
        let question = Question {
            imprint: Sha256::digest(&head).into(),
            policy: self.config.policy,
            nonce: nonce()?,
        };
        let (token, stamp) = self.ask(&question).await?;
        self.publish_root().await?;
        let stamped = path(&format!("stamped/{size}.checkpoint"));
        match self
            .place
            .put_new(&stamped, Content::Bytes(head.as_bytes()))
            .await?
        {
            Put::Created | Put::AlreadyEqual => {}
            Put::Conflict { .. } => {
                let path = self.place.locate(&stamped);
                return Err(StampError::Occupied { path });
            }
        }
        match self.place.put_new(&answer, Content::Bytes(&token)).await? {
            Put::Created | Put::AlreadyEqual => {}
            // Somebody else was quicker, and theirs is as good.
            Put::Conflict { .. } => return Ok(Stamped::Before { size }),
        }
        self.place.put_head(&path("checkpoint.tsr"), &token).await?;
        Ok(Stamped::Now { size, at: stamp.at })
    }

    /// The head with the signature of the log alone, and its size.
    fn head(&self, client: &str, bytes: Vec<u8>) -> Result<(String, u64), StampError> {
        let origin = log_origin(self.origin, client);
        let keys = self.keyring.log_keys_of(&origin)?;
        let text = String::from_utf8(bytes).map_err(|_| NoteError::Text)?;
        let note = text.parse::<Note>()?.by(&keys);
        let checkpoint = Checkpoint::read(&note.open(&keys)?)?;
        Ok((note.to_string(), checkpoint.size()))
    }

    async fn ask(&self, question: &Question) -> Result<(Vec<u8>, Stamp), StampError> {
        let request = question
            .to_der()
            .map_err(|error| StampError::Request(error.to_string()))?;
        let answer = self.authority.ask(&request).await?;
        let stamp = Stamp::read(&answer)?;
        question.check(&stamp)?;
        Ok((answer, stamp))
    }

    /// The root lies beside the public keys; who must not trust the place gets it by another way.
    async fn publish_root(&self) -> Result<(), PublishError> {
        let path = format!("{KEYS}/{ROOT}");
        let root = self.config.root_pem.as_bytes();
        if self.place.get(&path).await?.as_deref() == Some(root) {
            return Ok(());
        }
        self.place.put_head(&path, root).await
    }
}

fn nonce() -> Result<[u8; NONCE_LENGTH], StampError> {
    let mut nonce = [0; NONCE_LENGTH];
    getrandom::fill(&mut nonce).map_err(|error| StampError::Request(error.to_string()))?;
    Ok(nonce)
}
