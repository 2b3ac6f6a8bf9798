//! The certified leaves, brought here and compared with the certificate.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use kigen_evidence::digest::Sha256;
use sha2::Digest;

use crate::archive::{Archive, read_through};

use super::error::ProveError;

/// What came of fetching a file of leaves.
pub(super) enum Fetched {
    /// The certified file. It has no name, and is gone when it is closed.
    Certified(File),
    /// There is no such file.
    Missing,
    /// It is another one than was certified.
    Altered,
}

/// Copies `path` of `place` into `folder`, if it is the file with the digest `certified`.
///
/// What is searched is the copy that was compared; nobody can exchange it in between.
pub(super) async fn fetch(
    place: &dyn Archive,
    path: &str,
    certified: Sha256,
    folder: &Path,
) -> Result<Fetched, ProveError> {
    let failed = |source: io::Error| ProveError::Work {
        folder: folder.to_owned(),
        source,
    };
    fs::create_dir_all(folder).map_err(failed)?;
    let mut copy = tempfile::tempfile_in(folder).map_err(failed)?;
    let mut digest = sha2::Sha256::new();
    let is_there = read_through(place, path, |part| {
        digest.update(part);
        copy.write_all(part).map_err(failed)
    });
    if !is_there.await? {
        return Ok(Fetched::Missing);
    }
    if Sha256::from_bytes(digest.finalize().into()) != certified {
        return Ok(Fetched::Altered);
    }
    Ok(Fetched::Certified(copy))
}
