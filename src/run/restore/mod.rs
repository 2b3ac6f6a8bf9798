//! Knowing records again by their leaves: what was removed, and is there (again).
//!
//! A run leaves nothing of a record but leaves under a key of its own. Who holds that key makes of
//! each present record the leaf that its removal would have had, and looks it up. A key alone is
//! not enough: it may belong to another person by now. So the person must fit too, by the leaf that
//! says how many records of theirs the run removed.
//!
//! Memory holds a filter over all leaves and a few thousand records, whatever the size of the tables.

mod cluster_index;
mod encoders;
mod error;
mod filter;
mod judge;
mod leaf_index;
mod look;
mod lost;
mod parts;
mod persons;
mod removed;
mod source;
#[cfg(test)]
mod tests;

pub(super) use cluster_index::{ClusterIndex, Knowledge};
pub use error::RestoreError;
pub(super) use leaf_index::LeafIndex;
pub use look::{ClusterLook, RowLook};
pub(super) use look::{Looked, everything, look};
pub use lost::{Lost, Why};
pub(super) use removed::RemovedPersons;
pub(super) use source::{
    CertificateSource, Collected, Source, SourceTarget, Wanted, collect, run_key,
};
