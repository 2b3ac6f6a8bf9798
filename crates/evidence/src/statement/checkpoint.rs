//! The head of a run's tree, as the certificate names it.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::log::checkpoint::Checkpoint;
use crate::merkle::Hash;

pub use crate::log::checkpoint::CheckpointError;

/// Origin, size and root of a run's tree, written as `origin\nsize\nroot\n`.
///
/// Each run has an origin of its own: two trees under one origin would contradict each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunCheckpoint(Checkpoint);

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
        Checkpoint::new(&format!("{origin}/run/{certificate_id}"), size, root).map(Self)
    }

    /// Whether this is the head of the tree of the certificate `certificate_id`.
    pub fn belongs_to(&self, certificate_id: &str) -> bool {
        self.0
            .origin()
            .rsplit_once("/run/")
            .is_some_and(|(_, id)| id == certificate_id)
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.0.size()
    }

    /// The root of the tree.
    pub fn root(&self) -> &Hash {
        self.0.root()
    }

    /// The checkpoint, to be signed for receipts.
    pub fn as_checkpoint(&self) -> &Checkpoint {
        &self.0
    }
}

impl fmt::Display for RunCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RunCheckpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        text.parse().map(Self)
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
