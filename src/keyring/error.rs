//! Why the keyring cannot serve. No message holds a secret.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use thiserror::Error;

use kigen_evidence::public_key::PublicKeyError;

use super::NEWEST_VERSION;
use super::protection::ProtectionKind;
use super::signing::KeyUse;

/// Why the keyring cannot serve.
#[derive(Debug, Error)]
pub enum KeyringError {
    #[error("the keyring `{path}` exists already and is not overwritten")]
    Exists { path: PathBuf },
    #[error(
        "there is no keyring at `{path}`\nhint: `kigen keyring init` makes one; if there was one, bring it back from its safe copy instead: what was wrapped under a lost keyring cannot be opened"
    )]
    Missing { path: PathBuf },
    #[error(
        "the keyring `{path}` can be reached by others than its owner (mode {mode:04o})\nhint: `chmod 600 {path}`"
    )]
    TooOpen { path: PathBuf, mode: u32 },
    #[error("the keyring `{path}` is no regular file")]
    NotAFile { path: PathBuf },
    #[error(
        "the keyring `{path}` is damaged: {what}\nhint: bring it back from its safe copy; nothing was changed"
    )]
    Damaged { path: PathBuf, what: String },
    #[error(
        "the keyring `{path}` has version {found}; this kigen reads versions 1 to {NEWEST_VERSION}\nhint: use the kigen that wrote it, or a newer one"
    )]
    Version { path: PathBuf, found: u32 },
    #[error(
        "the keyring `{path}` is {found}, and `kigen.toml` says that it is {wanted}\nhint: `kigen keyring protect` converts it; the `[keyring]` section must say how it is protected now"
    )]
    OtherProtection {
        path: PathBuf,
        found: ProtectionKind,
        wanted: ProtectionKind,
    },
    #[error(
        "the keyring `{path}` does not open: {why}\nhint: was it protected with another passphrase, identity or key, or altered?"
    )]
    DoesNotOpen { path: PathBuf, why: String },
    #[error("protect the keyring `{path}`: {why}")]
    DoesNotClose { path: PathBuf, why: String },
    #[error(
        "the identity file holds no age identity that can be read\nhint: make one with `age-keygen`; a line begins with `AGE-SECRET-KEY-1`"
    )]
    NoIdentity,
    #[error("the keyring's identity file `{path}` {what}")]
    IdentityFile { path: PathBuf, what: String },
    #[error("the passphrase of the keyring is empty")]
    EmptyPassphrase,
    #[error("AWS KMS: {action} with the key `{key_id}`: {why}\nhint: {hint}")]
    Kms {
        action: &'static str,
        key_id: String,
        why: String,
        hint: &'static str,
    },
    #[error("the keyring `{path}` holds {found}, not {wanted}")]
    OtherKind {
        path: PathBuf,
        found: &'static str,
        wanted: &'static str,
    },
    #[error("cannot {action} the keyring `{path}`: {error}")]
    Io {
        action: &'static str,
        path: PathBuf,
        error: io::Error,
    },
    #[error("the system gives no random bytes: {0}")]
    NoRandomBytes(getrandom::Error),
    #[error("the keyring has no key `{0}`")]
    NoSuchKey(String),
    #[error(
        "the keyring `{path}` is of version 1 and has no log key\nhint: `kigen keyring init --upgrade` adds it and keeps every key that is there"
    )]
    NoLogKey { path: PathBuf },
    #[error("the key `{key_id}` was destroyed at {at}, and nothing opens what it wrapped")]
    Destroyed { key_id: String, at: Timestamp },
    #[error(
        "the {key} key was made at {from}, which is not before now\nhint: is the clock right? a key is not replaced in the second in which it was made"
    )]
    TooSoon { key: KeyUse, from: Timestamp },
    #[error("the run key of run `{run_id}` cannot be wrapped")]
    Wrap { run_id: String },
    #[error(
        "the wrapped run key does not open as that of run `{run_id}` with `{key_id}`\nhint: it was altered, belongs to another run, or was wrapped under another keyring"
    )]
    Unwrap { run_id: String, key_id: String },
    #[error(transparent)]
    PublicKey(#[from] PublicKeyError),
}

impl KeyringError {
    pub(super) fn io(action: &'static str, path: &Path, error: io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            error,
        }
    }

    pub(super) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            what: what.into(),
        }
    }
}
