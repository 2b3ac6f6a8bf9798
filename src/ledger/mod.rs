//! kigen's own memory: runs, keys, certificates. Append-only.
//!
//! Nothing in it is changed or deleted, except that a run's key is destroyed when its evidence
//! period ends. Triggers refuse the rest in every engine (`migrations/README.md`).
//!
//! It is written once, over [`Database`](crate::database::Database); [`open()`] decides by the URL
//! which engine that is. What the ledger does is split by what it is about: each trait stands in a
//! file with its statements. One contract suite holds every engine to the same behaviour.

pub mod certificates;
pub mod entries;
pub mod entry;
pub mod error;
pub mod fold;
pub mod log;
pub mod runs;
pub mod suspension;
pub mod upkeep;

mod open;
mod record;

#[cfg(test)]
mod contract;

pub use certificates::Certificates;
pub use entries::Entries;
pub use log::LogEntries;
pub use open::open;
pub use record::{
    CertificateFilter, CertificateMatch, CertificateSummary, Clocks, Envelope, LedgerLock,
    NewCertificate, RunKey, Stored, StoredCertificate,
};
pub use runs::Runs;
pub use suspension::Suspensions;
pub use upkeep::Upkeep;

/// All that a ledger does.
pub trait Ledger: Entries + Runs + Certificates + LogEntries + Suspensions + Upkeep {}

impl<L: Entries + Runs + Certificates + LogEntries + Suspensions + Upkeep + ?Sized> Ledger for L {}
