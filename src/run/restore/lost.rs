//! Evidence that cannot be looked up, and what it leaves open.

use std::collections::BTreeSet;

use serde::Serialize;

/// A run, or one of its certificates, whose removals cannot be known again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lost {
    pub run_id: String,
    /// None: the run has no certificates yet.
    pub certificate_id: Option<String>,
    /// None: it may concern every client of the clusters.
    pub client: Option<String>,
    /// The clusters that it may have removed from.
    pub clusters: BTreeSet<String>,
    pub why: Why,
}

/// Why evidence cannot be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// The run has not ended, or was killed: it is not certified.
    NotCertified,
    /// Certified, and its leaves are not at their place yet.
    NotPublished,
    /// Its leaves are no longer at their place.
    LeavesMissing,
    /// Its leaves are not those that the certificate is about.
    LeavesChanged,
    /// The key of the run, or the one that wraps it, was destroyed at its time.
    KeyDestroyed,
    /// The key of the run does not open.
    KeyUnusable,
    /// The store's journal does not have the run: nobody knows whose records it removed.
    JournalMissing,
    /// The job no longer has the stage, the table, the key or the store that the run removed from.
    JobChanged,
}

impl Why {
    /// The sentence for people.
    pub const fn says(self) -> &'static str {
        match self {
            Self::NotCertified => "the run is not certified yet: `kigen run` does it",
            Self::NotPublished => "its leaves are not published yet: `kigen run` does it",
            Self::LeavesMissing => "its `leaves.bin` is gone from the place of evidence",
            Self::LeavesChanged => {
                "its `leaves.bin` was changed: it is not the one that the certificate is about"
            }
            Self::KeyDestroyed => "the key of its quarter was destroyed at its time",
            Self::KeyUnusable => "the key of the run does not open with this keyring",
            Self::JournalMissing => {
                "the store's journal does not have its run, so its persons cannot be looked for"
            }
            Self::JobChanged => "the job no longer has its stage, its table, its key or its store",
        }
    }

    /// Whether somebody has changed or removed published evidence.
    pub const fn is_tampering(self) -> bool {
        match self {
            Self::LeavesChanged | Self::LeavesMissing => true,
            Self::NotCertified
            | Self::NotPublished
            | Self::KeyDestroyed
            | Self::KeyUnusable
            | Self::JournalMissing
            | Self::JobChanged => false,
        }
    }
}
