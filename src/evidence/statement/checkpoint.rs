//! The head of a run's tree: three lines, after C2SP tlog-checkpoint v1.0.0.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde::de::Error as _;
use thiserror::Error;

use crate::evidence::merkle::Hash;

/// Origin, size and root of a run's tree, written as `origin\nsize\nroot\n`.
///
/// Each run has an origin of its own: two trees under one origin would contradict each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunCheckpoint {
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

impl RunCheckpoint {
    /// The head of the tree of the certificate `certificate_id`, below the issuer's `origin`
    /// (a name such as `certs.example.com/client-7f3a`, without a scheme).
    pub fn new(
        origin: &str,
        certificate_id: &str,
        size: u64,
        root: Hash,
    ) -> Result<Self, CheckpointError> {
        if origin.is_empty() || certificate_id.is_empty() {
            return Err(CheckpointError::Origin);
        }
        let origin = format!("{origin}/run/{certificate_id}");
        if origin.contains(char::is_control) {
            return Err(CheckpointError::Origin);
        }
        Ok(Self { origin, size, root })
    }

    /// Whether this is the head of the tree of the certificate `certificate_id`.
    pub fn belongs_to(&self, certificate_id: &str) -> bool {
        self.origin
            .rsplit_once("/run/")
            .is_some_and(|(_, id)| id == certificate_id)
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

impl fmt::Display for RunCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.origin)?;
        writeln!(f, "{}", self.size)?;
        writeln!(f, "{}", STANDARD.encode(self.root))
    }
}

impl FromStr for RunCheckpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.lines();
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Form);
        };
        if origin.is_empty() || origin.contains(char::is_control) {
            return Err(CheckpointError::Origin);
        }
        let root = STANDARD.decode(root).map_err(|_| CheckpointError::Form)?;
        let checkpoint = Self {
            origin: origin.to_owned(),
            size: size.parse().map_err(|_| CheckpointError::Form)?,
            root: root.try_into().map_err(|_| CheckpointError::Form)?,
        };
        // One way of writing only: no leading zero, no fourth line, no missing last line end.
        if checkpoint.to_string() != text {
            return Err(CheckpointError::Form);
        }
        Ok(checkpoint)
    }
}

impl Serialize for RunCheckpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RunCheckpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}
