//! Locks beside a file: the operating system's file locks, which end with the process.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::database::lock::{Lock, LockError};

/// Characters of a name that are kept in its file's name, for people.
const READABLE: usize = 40;

/// Locks one file for each of `names` in the folder `<database file>.locks`.
///
/// The files stay when the lock ends: removing one would let two processes lock two files of one
/// name.
pub(super) fn take(database: &Path, names: &[String]) -> Result<Lock, LockError> {
    let mut folder = database.as_os_str().to_owned();
    folder.push(".locks");
    let folder = PathBuf::from(folder);
    let mut names: Vec<&String> = names.iter().collect();
    names.sort();
    names.dedup();
    let mut files = Vec::with_capacity(names.len());
    for name in names {
        files.push(lock_file(&folder, name)?);
    }
    Ok(Lock::of_files(files))
}

fn lock_file(folder: &Path, name: &str) -> Result<File, LockError> {
    let unusable = |source| LockError::File {
        name: name.to_owned(),
        source,
    };
    std::fs::create_dir_all(folder).map_err(unusable)?;
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join(file_name(name)))
        .map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LockError::Busy {
            name: name.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(unusable(source)),
    }
}

/// A readable beginning and a digest, so that no two names share a file.
fn file_name(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let readable: String = name
        .chars()
        .map(|c| if is_plain(c) { c } else { '_' })
        .take(READABLE)
        .collect();
    let digest = hex::encode(&Sha256::digest(name)[..8]);
    format!("{readable}.{digest}.lock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_names_never_share_a_lock_file() {
        let names = ["job:a", "job_a", "job:A", "run:a", "../job:a", "", "試験"];
        let files: std::collections::BTreeSet<_> = names.into_iter().map(file_name).collect();
        assert_eq!(files.len(), names.len());
        assert!(
            files
                .iter()
                .all(|file| !file.contains('/') && file.len() < 80)
        );
    }
}
