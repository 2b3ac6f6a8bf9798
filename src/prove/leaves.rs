//! The certified leaves, brought here and compared with the certificate.

use std::fs;
use std::fs::File;
use std::io;
use std::io::Write;
use std::path::Path;

use sha2::Digest;

use crate::evidence::digest::Sha256;
use crate::publish::EvidencePlace;

use super::error::ProveError;

/// Bytes that are asked for at a time.
const RANGE: u64 = 4 * 1024 * 1024;

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
    place: &dyn EvidencePlace,
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
    let mut at = 0;
    loop {
        let Some(part) = place.get_range(path, at..at + RANGE).await? else {
            return Ok(if at == 0 {
                Fetched::Missing
            } else {
                Fetched::Altered
            });
        };
        if part.is_empty() {
            break;
        }
        digest.update(&part);
        copy.write_all(&part).map_err(failed)?;
        at += part.len() as u64;
    }
    if Sha256::from_bytes(digest.finalize().into()) != certified {
        return Ok(Fetched::Altered);
    }
    Ok(Fetched::Certified(copy))
}
