//! Checks what is published: files and public keys, no ledger, no secret, no configuration.
//!
//! Everything in the place is looked at, and every file must belong to something: `keys` says whom
//! to trust, `layout` which file belongs where, `certificate` checks one run of one client, and
//! [`CLIENT_CHECKS`] are the checks that need all of a client's certificates together.

mod certificate;
mod clients;
mod finding;
mod keys;
mod layout;
mod log;
mod plain;
mod reader;

use std::sync::Arc;

use ed25519_dalek::VerifyingKey;
use kigen_evidence::log::checkpoint::Checkpoint;
use kigen_evidence::log::vkey::NoteKey;
use thiserror::Error;

use crate::archive::{Archive, PublishError, Versions};
use crate::progress::Progress;

pub use certificate::{CertificateVerification, verify_certificate};
pub use clients::{CLIENT_CHECKS, ClientCheck, PublishedClient};
pub use finding::{PublishedFact, PublishedFinding, PublishedProblem};
pub use keys::published_keys;
pub(crate) use log::{ReadLog, read_log};

use layout::Layout;
use plain::PlainFiles;

/// Whose signatures count.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Keys that were got by another way than the place.
    Given(Vec<VerifyingKey>),
    /// Those that lie in the place: they show that the certificates agree with each other.
    Published,
}

/// Against what a place is checked.
#[derive(Clone, Debug)]
pub struct Basis {
    /// The keys of certificates.
    pub certificates: Trust,
    /// The keys of heads of logs.
    pub logs: Trust,
    /// Heads of logs that were kept from earlier: each log must contain its own.
    pub held: Vec<Checkpoint>,
    /// Witnesses each of which must have cosigned every client's log.
    pub witnesses: Vec<NoteKey>,
}

impl From<Trust> for Basis {
    /// Certificates under these keys, logs under the published ones, and nothing kept.
    fn from(certificates: Trust) -> Self {
        Self {
            certificates,
            logs: Trust::Published,
            held: Vec::new(),
            witnesses: Vec::new(),
        }
    }
}

/// What a check of a whole place found.
#[derive(Debug)]
pub struct PlaceVerification {
    /// The place, as people write it.
    pub place: String,
    /// The keys under which signatures counted.
    pub keys: Vec<VerifyingKey>,
    /// The keys under which signatures of heads of logs counted.
    pub log_keys: Vec<VerifyingKey>,
    /// What is true of the place as a whole, and of files that belong to no client.
    pub findings: Vec<PublishedFinding>,
    /// In the order of their folders' names.
    pub clients: Vec<ClientVerification>,
}

/// What a check of everything of one client found.
#[derive(Debug)]
pub struct ClientVerification {
    /// The client's folder in the place.
    pub folder: String,
    /// What is true of the certificates together.
    pub findings: Vec<PublishedFinding>,
    /// In the order of their folders' names.
    pub certificates: Vec<CertificateVerification>,
}

impl PlaceVerification {
    /// Whether every check held.
    pub fn holds(&self) -> bool {
        self.findings.iter().all(PublishedFinding::holds)
            && self.clients.iter().all(ClientVerification::holds)
    }

    /// Every certificate of every client.
    pub fn certificates(&self) -> impl Iterator<Item = &CertificateVerification> {
        self.clients.iter().flat_map(|client| &client.certificates)
    }
}

impl ClientVerification {
    /// Whether every check held.
    pub fn holds(&self) -> bool {
        self.findings.iter().all(PublishedFinding::holds)
            && self.certificates.iter().all(CertificateVerification::holds)
    }
}

/// Why nothing could be checked.
#[derive(Debug, Error)]
pub enum VerifyError {
    #[error(transparent)]
    Place(#[from] PublishError),
    #[error("find the public keys of `{place}`: it has none in `keys`")]
    NoKeys { place: String },
    #[error("check the leaves: the work was broken off")]
    BrokenOff,
}

/// Checks everything that is published in `place`.
///
/// Finds what was altered, is incomplete, misplaced, foreign or hidden, and by the clients' logs what
/// was taken away. `progress` hears of each certificate. Memory does not grow with the leaves.
pub async fn verify_place(
    place: &Arc<dyn Archive>,
    basis: impl Into<Basis>,
    progress: &Progress,
) -> Result<PlaceVerification, VerifyError> {
    let basis = basis.into();
    let place: &Arc<dyn Archive> = &(Arc::new(PlainFiles(Arc::clone(place))) as _);
    let listing = place.list("").await?;
    let keys = match basis.certificates {
        Trust::Given(keys) => keys,
        Trust::Published => published_keys(&**place, &listing.files).await?,
    };
    let log_keys = match basis.logs {
        Trust::Given(keys) => keys,
        Trust::Published => keys::published_log_keys(&**place, &listing.files).await?,
    };
    let layout = Layout::of(listing.files);
    let mut findings = Vec::new();
    if let Some(note) = versions(listing.versions) {
        findings.push(note.into());
    }
    findings.extend(keys::check(&**place, &layout.keys, &keys, &log_keys).await?);
    findings.extend(layout.findings());
    findings.extend(log::hidden(place, &basis.held).await?);
    let mut clients = Vec::new();
    let runs = layout.clients.values().map(|files| files.runs.len() as u64);
    progress.step(runs.sum(), "verifying");
    for (folder, files) in &layout.clients {
        let mut certificates = Vec::new();
        for (run, files) in &files.runs {
            let run = format!("{folder}/{run}");
            let mut found = verify_certificate(place, &run, &keys).await?;
            found.check_place(&run);
            found
                .findings
                .extend(files.iter().flat_map(layout::of_file));
            certificates.push(found);
            progress.advance(1);
        }
        let client = PublishedClient {
            place,
            folder,
            log: &files.log,
            keys: &keys,
            log_keys: &log_keys,
            held: &basis.held,
            witnesses: &basis.witnesses,
            certificates: &certificates,
        };
        let mut findings = Vec::new();
        for check in CLIENT_CHECKS {
            findings.extend(check.check(&client).await?);
        }
        clients.push(ClientVerification {
            folder: folder.clone(),
            findings,
            certificates,
        });
    }
    progress.finish();
    Ok(PlaceVerification {
        place: place.locate(""),
        keys,
        log_keys,
        findings,
        clients,
    })
}

/// What the listing could not see.
fn versions(versions: Versions) -> Option<PublishedFact> {
    match versions {
        Versions::Seen => Some(PublishedFact::VersionsSeen),
        Versions::NotKept => None,
        Versions::NotAllowed => Some(PublishedFact::VersionsNotSeen),
    }
}
