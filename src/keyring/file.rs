//! The keyring's file on the disk: read by its owner only, replaced as a whole or not at all.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use super::KeyringError;

/// Far more than a century of quarters needs.
const LONGEST_FILE: u64 = 1024 * 1024;
const PERMISSIONS: u32 = 0o7777;
const GROUP_AND_OTHERS: u32 = 0o077;
/// What Kubernetes makes of a Secret mounted 0400 for a pod with an `fsGroup`: the group is the
/// pod's own.
const MOUNTED_SECRET: u32 = 0o440;

/// Writes a new file. One that is there stays as it is.
pub(super) fn create(path: &Path, content: &[u8]) -> Result<(), KeyringError> {
    let lock = lock_folder(path).map_err(|error| KeyringError::io("write", path, error))?;
    sweep(path)?;
    let file = write_beside(path, content)?;
    file.persist_noclobber(path)
        .map_err(|refused| match refused.error.kind() {
            io::ErrorKind::AlreadyExists => KeyringError::Exists {
                path: path.to_owned(),
            },
            _ => KeyringError::io("create", path, refused.error),
        })?;
    drop(lock);
    sync_folder(path)
}

/// Replaces the file by one with other keys. The caller holds the [`lock`].
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<(), KeyringError> {
    let path = real_path(path)?;
    sweep(&path)?;
    let file = write_beside(&path, content)?;
    fail::fail_point!("keyring.before-replace");
    let replace = || -> io::Result<()> {
        // The file stays its owner's, also if somebody else (root) added a key.
        let owner = fs::metadata(&path)?;
        fchown(file.as_file(), Some(owner.uid()), Some(owner.gid()))?;
        file.persist(&path)?;
        Ok(())
    };
    replace().map_err(|error| KeyringError::io("replace", &path, error))?;
    fail::fail_point!("keyring.after-replace");
    sync_folder(&path)
}

/// Waits until no other process changes the keyring, and keeps others waiting until dropped.
pub(super) fn lock(path: &Path) -> Result<File, KeyringError> {
    let path = real_path(path)?;
    lock_folder(&path).map_err(|error| KeyringError::io("lock", &path, error))
}

/// The folder, because the file itself is replaced.
fn lock_folder(path: &Path) -> io::Result<File> {
    let folder = File::open(folder_of(path))?;
    folder.lock()?;
    Ok(folder)
}

/// Removes what a killed process left unfinished: it holds secrets. The caller holds the lock.
fn sweep(path: &Path) -> Result<(), KeyringError> {
    let prefix = unfinished_prefix(path);
    let sweep = || -> io::Result<()> {
        for entry in fs::read_dir(folder_of(path))? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    };
    sweep().map_err(|error| KeyringError::io("tidy up beside", path, error))
}

fn unfinished_prefix(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    format!(".unfinished-{}-", name.to_string_lossy())
}

/// Reads the file, if it is its owner's alone.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => KeyringError::Missing {
            path: path.to_owned(),
        },
        _ => KeyringError::io("read", path, error),
    };
    let file = File::open(path).map_err(unreadable)?;
    // Asked of the open file: what is checked is what is read.
    let about = file.metadata().map_err(unreadable)?;
    if !about.is_file() {
        return Err(KeyringError::NotAFile {
            path: path.to_owned(),
        });
    }
    let mode = about.mode() & PERMISSIONS;
    if mode & GROUP_AND_OTHERS != 0 && mode != MOUNTED_SECRET {
        return Err(KeyringError::TooOpen {
            path: path.to_owned(),
            mode,
        });
    }
    // Room for the whole at once: a buffer that grows leaves copies of its content behind.
    let room = usize::try_from(about.len().min(LONGEST_FILE)).unwrap_or_default();
    let mut content = Zeroizing::new(Vec::with_capacity(room + 1));
    file.take(LONGEST_FILE)
        .read_to_end(&mut content)
        .map_err(unreadable)?;
    Ok(content)
}

/// Writes `content` to a new file in the folder of `path`, down to the disk.
fn write_beside(path: &Path, content: &[u8]) -> Result<NamedTempFile, KeyringError> {
    let write = || -> io::Result<NamedTempFile> {
        // A temporary file has mode 0600 from its first moment.
        let mut file = NamedTempFile::with_prefix_in(unfinished_prefix(path), folder_of(path))?;
        fail::fail_point!("keyring.before-write");
        file.write_all(content)?;
        file.as_file().sync_all()?;
        Ok(file)
    };
    write().map_err(|error| KeyringError::io("write", path, error))
}

fn real_path(path: &Path) -> Result<PathBuf, KeyringError> {
    fs::canonicalize(path).map_err(|error| KeyringError::io("find", path, error))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}

/// Makes a new name in the folder of `path` last.
fn sync_folder(path: &Path) -> Result<(), KeyringError> {
    File::open(folder_of(path))
        .and_then(|folder| folder.sync_all())
        .map_err(|error| KeyringError::io("sync the folder of", path, error))
}
