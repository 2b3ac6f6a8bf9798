//! Knowing records again by their leaves: what was removed, and is there (again).
//!
//! A run leaves nothing of a record but leaves under a key of its own. Who holds that key makes of
//! each present record the leaf that its removal would have had, and looks it up. A key alone is
//! not enough: it may belong to another person by now. So the person must fit too, by the leaf that
//! says how many records of theirs the run removed.
//!
//! Memory holds a filter over all leaves and a few thousand records, whatever the size of the tables.

mod encoders;
mod error;
mod filter;
mod judge;
mod known;
mod look;
mod lost;
mod parts;
mod persons;
mod removed;
mod shelf;
mod source;
#[cfg(test)]
mod tests;

pub use error::RecallError;
pub(super) use known::{ClusterIndex, Knowledge};
pub use look::{ClusterLook, RowLook};
pub(super) use look::{Looked, everything, look};
pub use lost::{Lost, Why};
pub(super) use removed::RemovedPersons;
pub(super) use shelf::LeafIndex;
pub(super) use source::{
    CertificateSource, Collected, Source, SourceTarget, Wanted, collect, run_key,
};
