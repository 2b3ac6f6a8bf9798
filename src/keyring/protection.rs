//! How the keyring's file is protected at rest, beside its mode.
//!
//! The file itself says which form it has; a form other than the configured one is refused, so that
//! nobody takes an open file for a sealed one.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use age::secrecy::{ExposeSecret, SecretString};
use age::x25519;
use zeroize::Zeroizing;

use super::kms::{self, KmsKey, KmsSeal};
use super::{KeyringError, file};

/// The first line of every age file.
const AGE_FILE: &[u8] = b"age-encryption.org/v1\n";
/// How the second line of one under a passphrase begins.
const UNDER_PASSPHRASE: &[u8] = b"-> scrypt ";
/// The cost of a guess at the passphrase, as a power of two: 64 MiB and a fraction of a second, fixed
/// so that a small pod opens what a large machine closed.
#[cfg(not(test))]
const WORK_FACTOR: u8 = 16;
#[cfg(test)]
const WORK_FACTOR: u8 = 6;
/// The highest cost that is paid: 1 GiB. A file that asks for more was not made here.
const HIGHEST_WORK_FACTOR: u8 = 20;
const IDENTITY: &str = "AGE-SECRET-KEY-1";

/// What opens the keyring's file, as `kigen.toml` or the command line names it.
#[derive(Clone, Debug, Default)]
pub enum Access {
    /// The file's mode alone.
    #[default]
    Plain,
    /// A passphrase (age, scrypt).
    Passphrase(SecretString),
    /// The content of an age identity file.
    Identity(SecretString),
    /// A key of AWS KMS.
    Kms(KmsKey),
}

/// The form of a keyring's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtectionKind {
    Plain,
    Passphrase,
    Identity,
    Kms,
}

impl ProtectionKind {
    /// A stable word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Passphrase => "passphrase",
            Self::Identity => "identity",
            Self::Kms => "kms",
        }
    }

    /// The form of a file with this content.
    fn of(file: &[u8]) -> Self {
        if file.starts_with(kms::MAGIC.as_bytes()) {
            return Self::Kms;
        }
        match file.strip_prefix(AGE_FILE) {
            Some(header) if header.starts_with(UNDER_PASSPHRASE) => Self::Passphrase,
            Some(_) => Self::Identity,
            None => Self::Plain,
        }
    }
}

impl fmt::Display for ProtectionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "not encrypted",
            Self::Passphrase => "encrypted with a passphrase",
            Self::Identity => "encrypted to an age identity",
            Self::Kms => "encrypted under a key of AWS KMS",
        })
    }
}

impl Access {
    /// The age identity in the file at `path`, which nobody but its owner may reach.
    pub fn identity_file(path: &Path) -> Result<Self, KeyringError> {
        let what = match file::read(path) {
            Ok(content) => match std::str::from_utf8(&content) {
                Ok(text) => return Ok(Self::Identity(text.into())),
                Err(_) => "is no text".to_owned(),
            },
            Err(KeyringError::Missing { .. }) => "is not there".to_owned(),
            Err(KeyringError::TooOpen { mode, .. }) => format!(
                "can be reached by others than its owner (mode {mode:04o})\nhint: `chmod 600 {}`",
                path.display()
            ),
            Err(KeyringError::Io { error, .. }) => format!("cannot be read: {error}"),
            Err(other) => other.to_string(),
        };
        Err(KeyringError::IdentityFile {
            path: path.to_owned(),
            what,
        })
    }

    /// The form of the files that it opens.
    pub fn kind(&self) -> ProtectionKind {
        match self {
            Self::Plain => ProtectionKind::Plain,
            Self::Passphrase(_) => ProtectionKind::Passphrase,
            Self::Identity(_) => ProtectionKind::Identity,
            Self::Kms(_) => ProtectionKind::Kms,
        }
    }

    /// The protection of a new file.
    pub(super) async fn for_new_file(&self) -> Result<Protection, KeyringError> {
        match self {
            // Boxed: the client's future is large, and most keyrings never need it.
            Self::Kms(key) => Ok(Protection::Kms(Box::pin(KmsSeal::generate(key)).await?)),
            Self::Plain | Self::Passphrase(_) | Self::Identity(_) => self.without_kms(),
        }
    }

    /// The protection of the file at `path` with the content `file`.
    pub(super) async fn for_file(
        &self,
        path: &Path,
        file: &[u8],
    ) -> Result<Protection, KeyringError> {
        let found = ProtectionKind::of(file);
        if found != self.kind() {
            return Err(KeyringError::OtherProtection {
                path: path.to_owned(),
                found,
                wanted: self.kind(),
            });
        }
        match self {
            Self::Kms(key) => Ok(Protection::Kms(
                Box::pin(KmsSeal::of_file(key, path, file)).await?,
            )),
            Self::Plain | Self::Passphrase(_) | Self::Identity(_) => self.without_kms(),
        }
    }

    fn without_kms(&self) -> Result<Protection, KeyringError> {
        match self {
            Self::Plain | Self::Kms(_) => Ok(Protection::Plain),
            Self::Passphrase(passphrase) if passphrase.expose_secret().is_empty() => {
                Err(KeyringError::EmptyPassphrase)
            }
            Self::Passphrase(passphrase) => Ok(Protection::Passphrase(passphrase.clone())),
            Self::Identity(text) => identity(text.expose_secret()).map(Protection::Identity),
        }
    }
}

fn identity(text: &str) -> Result<x25519::Identity, KeyringError> {
    let mut lines = text.lines().map(str::trim);
    let line = lines.find(|line| line.starts_with(IDENTITY));
    // The library's own error says no more.
    line.and_then(|line| x25519::Identity::from_str(line).ok())
        .ok_or(KeyringError::NoIdentity)
}

/// What opens and closes the file, in memory: with it the file can be replaced without a person
/// and without a network.
#[derive(Clone)]
pub(super) enum Protection {
    Plain,
    Passphrase(SecretString),
    Identity(x25519::Identity),
    Kms(KmsSeal),
}

impl Protection {
    pub(super) fn kind(&self) -> ProtectionKind {
        match self {
            Self::Plain => ProtectionKind::Plain,
            Self::Passphrase(_) => ProtectionKind::Passphrase,
            Self::Identity(_) => ProtectionKind::Identity,
            Self::Kms(_) => ProtectionKind::Kms,
        }
    }

    /// The text in the file at `path` with the content `file`.
    pub(super) fn open(
        &self,
        path: &Path,
        file: Zeroizing<Vec<u8>>,
    ) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
        let found = ProtectionKind::of(&file);
        if found != self.kind() {
            return Err(KeyringError::OtherProtection {
                path: path.to_owned(),
                found,
                wanted: self.kind(),
            });
        }
        let opened = match self {
            Self::Plain => return Ok(file),
            Self::Passphrase(passphrase) => {
                let mut identity = age::scrypt::Identity::new(passphrase.clone());
                identity.set_max_work_factor(HIGHEST_WORK_FACTOR);
                age::decrypt(&identity, &file)
            }
            Self::Identity(identity) => age::decrypt(identity, &file),
            Self::Kms(seal) => return seal.open(path, &file),
        };
        opened
            .map(Zeroizing::new)
            .map_err(|error| KeyringError::DoesNotOpen {
                path: path.to_owned(),
                why: error.to_string(),
            })
    }

    /// The content of the file at `path` that holds `text`.
    pub(super) fn close(
        &self,
        path: &Path,
        text: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
        let closed = match self {
            Self::Plain => return Ok(Zeroizing::new(text.to_vec())),
            Self::Passphrase(passphrase) => {
                let mut recipient = age::scrypt::Recipient::new(passphrase.clone());
                recipient.set_work_factor(WORK_FACTOR);
                age::encrypt(&recipient, text)
            }
            Self::Identity(identity) => age::encrypt(&identity.to_public(), text),
            Self::Kms(seal) => return seal.close(path, text),
        };
        closed
            .map(Zeroizing::new)
            .map_err(|error| KeyringError::DoesNotClose {
                path: path.to_owned(),
                why: error.to_string(),
            })
    }
}
