//! What sealing is handed, and what it hands back.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use kigen_evidence::calendar::Period;

use crate::archive::Archive;
use crate::config::{Client, Issuer, ReadBack, Residual};
use crate::job::Job;
use crate::keyring::Keyring;
use crate::ledger::Ledger;
use crate::progress::Progress;
use crate::run::client_log::LogWriter;
use crate::store::{Disposer, RemovedKeys};

/// Everything that sealing needs beside the run's id.
pub struct SealContext<'a> {
    pub ledger: &'a dyn Ledger,
    /// The stores that hold journals, by their name in `kigen.toml`.
    pub stores: &'a BTreeMap<String, Arc<dyn Disposer>>,
    pub keyring: &'a Keyring,
    pub issuer: &'a Issuer,
    /// The organisations behind the clients' names. A client that is not listed has none.
    pub clients: &'a [Client],
    /// Places that keep copies for a while.
    pub residuals: &'a [Residual],
    /// How long evidence is kept from the end of its quarter; `None` if nothing says so.
    pub keep: Option<Period>,
    /// The issuer's name in checkpoints, without a scheme: `certs.example.com`.
    pub origin: &'a str,
    /// Where certificates are published.
    pub place: &'a dyn Archive,
    /// Where `leaves.bin` is made before it is published.
    pub work_folder: &'a Path,
    /// Whether the stores are asked again.
    pub read_back: ReadBack,
    /// The keys that this process has removed, by cluster: the stores are asked for these. All rows that
    /// are present are looked at where they are not known.
    pub removed: &'a BTreeMap<String, RemovedKeys>,
    /// Every job of the folder: they say where records lie.
    pub jobs: &'a [Job],
    /// What time it is.
    pub now: &'a (dyn Fn() -> Timestamp + Sync),
    /// Version of kigen.
    pub version: &'a str,
    pub progress: &'a Progress,
}

impl<'a> SealContext<'a> {
    /// What the clients' logs are kept with.
    pub(super) fn keeper(&self) -> LogWriter<'a> {
        LogWriter {
            ledger: self.ledger,
            place: self.place,
            keyring: self.keyring,
            origin: self.origin,
            clients: self.clients,
        }
    }
}

/// A run whose certificates all stand in the ledger and in their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedRun {
    pub run_id: String,
    /// One for each client, in the order of the clients' names; empty if nothing was removed.
    pub certificates: Vec<SealedCertificate>,
}

/// One published certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedCertificate {
    pub certificate_id: String,
    pub client: String,
    /// Relative to the place of certificates.
    pub folder: String,
    /// Record leaves.
    pub records: u64,
    /// Subject leaves.
    pub subjects: u64,
    /// Removals of a key that had been removed before in the same run; they have no second leaf.
    pub repeated: u64,
    /// What was removed and is there (again), by the look back before the certificate was made.
    pub remaining: u64,
    /// Targets of which the look back says nothing.
    pub unverifiable: u64,
}
