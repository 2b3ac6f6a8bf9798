//! The head of a tree in three lines: C2SP tlog-checkpoint v1.0.0, without extension lines.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::SigningKey;
use thiserror::Error;

use crate::merkle::Hash;

use super::note::{Note, NoteError, OpenedNote};
use super::vkey::NoteKey;

/// Origin, size and root of a tree, written as `origin\nsize\nroot\n`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    size: u64,
    root: Hash,
}

/// The text is no checkpoint.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum CheckpointError {
    #[error("the origin of a checkpoint is one line of text, and not empty")]
    Origin,
    #[error("a checkpoint has three lines: origin, size and root in base64")]
    Form,
}

impl Checkpoint {
    /// The head of the tree that `origin` names (`certs.example.com/client-7f3a`, without a scheme).
    pub fn new(origin: &str, size: u64, root: Hash) -> Result<Self, CheckpointError> {
        if origin.is_empty() || origin.contains(char::is_control) {
            return Err(CheckpointError::Origin);
        }
        Ok(Self {
            origin: origin.to_owned(),
            size,
            root,
        })
    }

    /// Reads a checkpoint out of a text that somebody known has signed.
    pub fn read(note: &OpenedNote) -> Result<Self, CheckpointError> {
        note.text().parse()
    }

    /// The checkpoint as a note under a log's key.
    pub fn sign(&self, key: &NoteKey, secret: &SigningKey) -> Result<Note, NoteError> {
        Note::sign(&self.to_string(), key, secret)
    }

    /// Which tree it is.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree.
    pub fn root(&self) -> &Hash {
        &self.root
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.origin)?;
        writeln!(f, "{}", self.size)?;
        writeln!(f, "{}", STANDARD.encode(self.root))
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.lines();
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Form);
        };
        let root = STANDARD.decode(root).map_err(|_| CheckpointError::Form)?;
        let checkpoint = Self::new(
            origin,
            size.parse().map_err(|_| CheckpointError::Form)?,
            root.try_into().map_err(|_| CheckpointError::Form)?,
        )?;
        // One way of writing only: no leading zero, no fourth line, no missing last line end.
        if checkpoint.to_string() != text {
            return Err(CheckpointError::Form);
        }
        Ok(checkpoint)
    }
}
