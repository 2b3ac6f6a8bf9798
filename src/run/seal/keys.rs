//! The public keys beside the certificates, in the forms that stock tools read.
//!
//! Each key has a file of its own name, which is never written twice; `allowed_signers` lists all of
//! them with the time in which they signed, and is replaced as a whole by one that lists no less.

use std::fs;
use std::fs::File;
use std::io;
use std::io::Write;
use std::path::Path;

use ed25519_dalek::VerifyingKey;

use crate::evidence::allowed_signers;
use crate::evidence::allowed_signers::AllowedSigner;
use crate::evidence::public_key;
use crate::keyring::KnownKey;

use super::client_folder::KEYS;
use super::context::SealContext;
use super::error::SealError;
use super::publish::make_folder;
use super::publish::publish_bytes;
use super::publish::sweep;
use super::publish::sync_folder;
use super::publish::unfinished;
use super::verify::VerifyError;

const ALLOWED_SIGNERS: &str = "allowed_signers";
const PREFIX: &str = "certificate-";
const SUFFIX: &str = ".pub.pem";
/// The only key of folders that were begun before keys had files of their own.
const ONLY_KEY: &str = "certificate.pub.pem";

/// The name of the file that holds `key`: `certificate-34750f98bd59fcfc.pub.pem`.
pub fn key_file(key: &VerifyingKey) -> String {
    format!("{PREFIX}{}{SUFFIX}", public_key::key_id(key))
}

/// The name under which an issuer with this origin signs.
pub fn principal(origin: &str) -> String {
    let host = origin.split('/').next().unwrap_or_default();
    format!("certificates@{host}")
}

/// Publishes every key that signs certificates, or did.
pub(super) fn publish_keys(context: &SealContext<'_>, run_id: &str) -> Result<(), SealError> {
    let folder = context.folder.join(KEYS);
    make_folder(&folder)?;
    sweep(&folder, run_id)?;
    let keys = context.keyring.certificate_keys();
    for known in &keys {
        let pem =
            public_key::to_pem(&known.key).map_err(|error| SealError::PublicKey(error.into()))?;
        publish_bytes(&folder.join(key_file(&known.key)), pem.as_bytes(), run_id)?;
        fail::fail_point!("seal.after-key");
    }
    publish_signers(&folder, &principal(context.origin), &keys, run_id)
}

/// Extends the list of signers; two runs that do it at once take turns.
fn publish_signers(
    folder: &Path,
    principal: &str,
    keys: &[KnownKey],
    run_id: &str,
) -> Result<(), SealError> {
    let path = folder.join(ALLOWED_SIGNERS);
    let signers: Result<Vec<AllowedSigner>, _> = keys
        .iter()
        .map(|known| AllowedSigner::new(principal, known.key, known.from, known.until))
        .collect();
    let signers = signers.map_err(SealError::AllowedSigners)?;
    let lock = || -> io::Result<File> {
        let lock = File::open(folder)?;
        lock.lock()?;
        Ok(lock)
    };
    let lock = lock().map_err(|error| SealError::folder("lock", folder, error))?;
    let published = match fs::read_to_string(&path) {
        Ok(published) => published,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(SealError::folder("read", &path, error)),
    };
    let extended = allowed_signers::extend(&published, &signers)
        .map_err(|_| SealError::Occupied { path: path.clone() })?;
    if extended != published {
        replace(&path, folder, extended.as_bytes(), run_id)?;
    }
    drop(lock);
    Ok(())
}

/// Puts `bytes` in the place of the file at `path`, whole or not at all.
fn replace(path: &Path, folder: &Path, bytes: &[u8], run_id: &str) -> Result<(), SealError> {
    let mut file = unfinished(folder, run_id)?;
    let write = || -> io::Result<()> {
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|error| SealError::folder("replace", path, error))?;
    sync_folder(folder)
}

/// The public keys that are published beside the certificates in `folder`.
///
/// They show that the certificates agree with each other; who does not trust the folder has the keys
/// by another way.
pub fn published_keys(folder: &Path) -> Result<Vec<VerifyingKey>, VerifyError> {
    let folder = folder.join(KEYS);
    let read_failed = |path: &Path, source| VerifyError::Read {
        path: path.to_owned(),
        source,
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).map_err(|source| read_failed(&folder, source))? {
        let entry = entry.map_err(|source| read_failed(&folder, source))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_key = name.starts_with(PREFIX) && name.ends_with(SUFFIX);
        if is_key || name == ONLY_KEY {
            names.push(name);
        }
    }
    names.sort();
    let mut keys = Vec::new();
    for name in names {
        let path = folder.join(name);
        let text = fs::read_to_string(&path).map_err(|source| read_failed(&path, source))?;
        let key =
            public_key::from_pem(&text).map_err(|source| VerifyError::Key { path, source })?;
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    if keys.is_empty() {
        let none = io::Error::new(io::ErrorKind::NotFound, "no public key of certificates");
        return Err(read_failed(&folder, none));
    }
    Ok(keys)
}
