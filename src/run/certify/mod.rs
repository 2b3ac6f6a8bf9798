//! Seals a run: journal → one certificate for each client → signed → published.
//!
//! Everything comes from what is stored, nothing from memory, so sealing can be repeated after a
//! crash at any point and gives the same bytes. Read in this order: `context` is what sealing is
//! handed, `steps` the order of its steps, `journal` reads the evidence through a `sorter`,
//! `leaves` writes `leaves.bin` into the folder of `work`, `read_back` asks the stores again, `certificate` says what happened,
//! `closing` gives it its place in the client's log, `page` says it to people. Then the files go to
//! their place, beside the public keys of `keys`.

mod certificate;
mod close_plan;
mod context;
mod error;
mod facts;
mod journal;
mod keys;
mod leaves;
mod page;
mod read_back;
pub(super) mod sorter;
mod steps;
mod work;

#[cfg(test)]
mod tests;

pub use crate::archive::client_folder;
pub use context::{SealContext, SealedCertificate, SealedRun};
pub use error::SealError;
pub(super) use keys::publish_keys;
pub use keys::{key_file, principal};
pub use steps::seal;
