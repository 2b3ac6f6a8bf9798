//! The folder in which `leaves.bin` is made before it is published.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::{Builder, NamedTempFile};

use crate::archive::make_folder;

use super::error::SealError;

/// A folder may take the file over as it is, and certificates are made to be read by others.
const MODE: u32 = 0o644;

/// Makes the folder ready, and removes what a killed sealing of `run` left in it.
pub(super) fn begin(folder: &Path, run: &str) -> Result<(), SealError> {
    make_folder(folder)?;
    let prefix = unfinished_prefix(run);
    let sweep = || -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    };
    sweep().map_err(|error| SealError::folder("tidy up the folder", folder, error))
}

/// A new file in `folder`, for something that `run` will publish.
pub(super) fn unfinished(folder: &Path, run: &str) -> Result<NamedTempFile, SealError> {
    Builder::new()
        .prefix(&unfinished_prefix(run))
        .permissions(Permissions::from_mode(MODE))
        .tempfile_in(folder)
        .map_err(|error| SealError::folder("write into the folder", folder, error))
}

fn unfinished_prefix(run: &str) -> String {
    format!(".unfinished-{run}-")
}
