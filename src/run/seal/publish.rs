//! Puts files in their place: whole or not at all, durable, and never over another one.

use std::fs;
use std::fs::File;
use std::fs::Permissions;
use std::io;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::Builder;
use tempfile::NamedTempFile;
use tempfile::TempPath;

use super::error::SealError;

/// Certificates are made to be read by others.
const MODE: u32 = 0o644;

const COMPARED_AT_ONCE: usize = 64 * 1024;

/// Makes the folder at `path`, and those above it, where they are missing; durable on return.
pub(super) fn make_folder(path: &Path) -> Result<(), SealError> {
    if path.is_dir() {
        return Ok(());
    }
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    if let Some(above) = above {
        make_folder(above)?;
    }
    match fs::create_dir(path) {
        Ok(()) => {}
        // Another run of the same client was quicker.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        Err(error) => return Err(SealError::folder("make the folder", path, error)),
    }
    sync_folder(above.unwrap_or(Path::new(".")))
}

/// A new file in `folder`, for something that `run` will publish.
pub(super) fn unfinished(folder: &Path, run: &str) -> Result<NamedTempFile, SealError> {
    Builder::new()
        .prefix(&unfinished_prefix(run))
        .permissions(Permissions::from_mode(MODE))
        .tempfile_in(folder)
        .map_err(|error| SealError::folder("write into the folder", folder, error))
}

/// Removes what a killed sealing of `run` left unfinished in `folder`.
pub(super) fn sweep(folder: &Path, run: &str) -> Result<(), SealError> {
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

/// Publishes `bytes` at `path`; `run` names the unfinished file beside it.
pub(super) fn publish_bytes(path: &Path, bytes: &[u8], run: &str) -> Result<(), SealError> {
    let folder = folder_of(path);
    let mut file = unfinished(folder, run)?;
    let write = |file: &mut NamedTempFile| -> io::Result<()> {
        file.write_all(bytes)?;
        file.as_file().sync_all()
    };
    write(&mut file).map_err(|error| SealError::folder("write", path, error))?;
    publish_file(file.into_temp_path(), path)
}

/// Publishes `bytes` at `path` unless a file stands there, whatever is in it: for what people read,
/// which another version of kigen may have set in another way before it was stopped.
pub(super) fn publish_once(path: &Path, bytes: &[u8], run: &str) -> Result<(), SealError> {
    if path.is_file() {
        return sync_folder(folder_of(path));
    }
    publish_bytes(path, bytes, run)
}

/// Publishes a file that is already durable at `path`, on the same file system.
///
/// An equal file that stands there is left, and is as good; a different one is an error.
pub(super) fn publish_file(file: TempPath, path: &Path) -> Result<(), SealError> {
    if let Err(refused) = file.persist_noclobber(path) {
        if refused.error.kind() != io::ErrorKind::AlreadyExists {
            return Err(SealError::folder("publish", path, refused.error));
        }
        let equal = are_equal(&refused.path, path)
            .map_err(|error| SealError::folder("compare with what stands at", path, error))?;
        if !equal {
            return Err(SealError::Occupied {
                path: path.to_owned(),
            });
        }
    }
    sync_folder(folder_of(path))
}

fn unfinished_prefix(run: &str) -> String {
    format!(".unfinished-{run}-")
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

/// A new name is durable once its folder is.
fn sync_folder(path: &Path) -> Result<(), SealError> {
    let sync = || File::open(path)?.sync_all();
    sync().map_err(|error| SealError::folder("make durable the folder", path, error))
}

fn are_equal(one: &Path, two: &Path) -> io::Result<bool> {
    let (one, two) = (File::open(one)?, File::open(two)?);
    if !two.metadata()?.is_file() || one.metadata()?.len() != two.metadata()?.len() {
        return Ok(false);
    }
    let mut one = BufReader::new(one);
    let mut two = BufReader::new(two);
    let mut left = vec![0; COMPARED_AT_ONCE];
    let mut right = vec![0; COMPARED_AT_ONCE];
    loop {
        let read = one.read(&mut left)?;
        if read == 0 {
            return Ok(two.read(&mut right)? == 0);
        }
        match two.read_exact(&mut right[..read]) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        }
        if left[..read] != right[..read] {
            return Ok(false);
        }
    }
}
