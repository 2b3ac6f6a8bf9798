//! Intents that nobody may finish any more.

use std::collections::{BTreeMap, BTreeSet};

use super::{ObjectTarget, RunContext};

/// What evidence needs to release the intents that a run left open.
///
/// A release removes nothing: it certifies what is gone of the objects, and drops the intents. It works
/// without the job, because the job may have changed, or be gone.
pub struct Release<'a> {
    pub run: &'a RunContext,
    /// By cluster, stage and object store: where the run's leaves number its objects.
    pub places: BTreeMap<(String, String, String), ObjectTarget>,
    /// By cluster: what kind of person its records are about.
    pub subject_kinds: BTreeMap<String, String>,
    /// Clusters whose intents stay open.
    pub waiting: BTreeSet<String>,
}

/// What was released of one cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Released {
    /// Records whose intents were dropped; their rows stay.
    pub records: u64,
    /// Those of them of which something was gone.
    pub half_gone: u64,
    /// Versions, delete markers and uploads that were gone, and are certified.
    pub parts: u64,
}
