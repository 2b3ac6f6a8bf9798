//! Seals a run: journal → one certificate for each client → signed → published.
//!
//! Everything comes from what is stored, nothing from memory, so sealing can be repeated after a
//! crash at any point and gives the same bytes. Read in this order: `context` is what sealing is
//! handed, `steps` the order of its steps, `journal` reads the evidence through a `sorter`,
//! `leaves` writes `leaves.bin`, `certificate` says what happened, `page` says it to people, `publish`
//! puts the files in their place, `verify` checks them there.

mod certificate;
mod client_folder;
mod context;
mod error;
mod facts;
mod journal;
mod leaves;
mod page;
mod publish;
mod sorter;
mod steps;
pub mod verify;

#[cfg(test)]
mod tests;

pub use client_folder::client_folder;
pub use context::SealContext;
pub use context::SealedCertificate;
pub use context::SealedRun;
pub use error::SealError;
pub use steps::seal;
pub use verify::FolderFinding;
pub use verify::FolderProblem;
pub use verify::FolderVerification;
pub use verify::VerifyError;
pub use verify::published_keys;
pub use verify::verify_all;
pub use verify::verify_folder;
