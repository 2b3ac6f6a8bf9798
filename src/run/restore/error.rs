//! What keeps evidence from being looked up.

use std::io;
use std::path::PathBuf;

use kigen_evidence::leaf::LeafError;
use thiserror::Error;

use crate::archive::PublishError;
use crate::ledger::error::LedgerError;
use crate::store::error::StoreError;

/// Why a look at what was removed could not be taken.
#[derive(Debug, Error)]
pub enum RestoreError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("read the evidence: {0}")]
    Place(#[from] PublishError),
    #[error("sort what was found in the folder `{folder}`: {source}")]
    Work { folder: PathBuf, source: io::Error },
    #[error("make the leaf of a record: {0}")]
    Leaf(#[from] LeafError),
    #[error("the ledger's certificate {0} cannot be read")]
    Certificate(String),
}
