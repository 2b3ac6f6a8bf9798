//! The keyring: one file with every secret that kigen owns.
//!
//! It is made once, read by its owner only, and never overwritten: keys are added to it, and the
//! file is replaced as a whole or not at all. No secret leaves it in a message or in `Debug`.

mod file;
#[cfg(test)]
mod stock_tools;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use aes_gcm::Aes256Gcm;
use aes_gcm::KeyInit;
use aes_gcm::aead::Aead;
use aes_gcm::aead::Payload;
use ed25519_dalek::SigningKey;
use ed25519_dalek::VerifyingKey;
use jiff::civil::Date;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::evidence::leaf::RunKey;
use crate::evidence::public_key;
use crate::evidence::public_key::PublicKeyError;

/// The version of the file's format.
pub const VERSION: u32 = 1;

/// Ten years of quarters stand in a new keyring beside the present one.
pub const QUARTERS_AHEAD: u32 = 40;

const NONCE_LENGTH: usize = 12;

/// Bytes of a wrapped run key: nonce, key, tag.
pub const WRAPPED_LENGTH: usize = NONCE_LENGTH + 32 + 16;

/// A secret of 32 bytes, zeroized when it is dropped.
type Secret = Zeroizing<[u8; 32]>;

/// The keys of one installation.
pub struct Keyring {
    path: PathBuf,
    certificate_key: SigningKey,
    token_key: Secret,
    key_encryption_keys: BTreeMap<Quarter, Secret>,
}

/// A quarter of a calendar year: run keys of one quarter are wrapped by one key, and are lost
/// with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Quarter {
    year: i16,
    quarter: i8,
}

/// A run key under the key of its quarter, as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedRunKey {
    /// Which key of the keyring opens it: `kek-2026q4`.
    pub key_id: String,
    /// Nonce, ciphertext and tag of AES-256-GCM.
    pub bytes: [u8; WRAPPED_LENGTH],
}

/// Why the keyring cannot serve.
#[derive(Debug, Error)]
pub enum KeyringError {
    #[error("the keyring `{path}` exists already and is not overwritten")]
    Exists { path: PathBuf },
    #[error(
        "there is no keyring at `{path}`\nhint: check the keyring's path in `kigen.toml`; a keyring is made once and then kept, because what was wrapped under a lost one cannot be opened"
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
        "the keyring `{path}` has version {found}; this kigen reads version {VERSION}\nhint: use the kigen that wrote it, or a newer one"
    )]
    Version { path: PathBuf, found: u32 },
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
    #[error("the run key of run `{run_id}` cannot be wrapped")]
    Wrap { run_id: String },
    #[error(
        "the wrapped run key does not open as that of run `{run_id}` with `{key_id}`\nhint: it was altered, belongs to another run, or was wrapped under another keyring"
    )]
    Unwrap { run_id: String, key_id: String },
    #[error(transparent)]
    PublicKey(#[from] PublicKeyError),
}

impl Keyring {
    /// Makes a keyring with new keys at `path`, and key-encryption keys for the quarter of
    /// `today` and [`QUARTERS_AHEAD`] more: a keyring that is mounted read-only never gains one.
    ///
    /// A file that is there already stays as it is, and is an error.
    pub fn create(path: &Path, today: Date) -> Result<Self, KeyringError> {
        let mut key_encryption_keys = BTreeMap::new();
        let mut quarter = Quarter::of(today);
        for _ in 0..=QUARTERS_AHEAD {
            key_encryption_keys.insert(quarter, random()?);
            quarter = quarter.next();
        }
        let keyring = Self {
            path: path.to_owned(),
            certificate_key: SigningKey::from_bytes(&*random()?),
            token_key: random()?,
            key_encryption_keys,
        };
        file::create(&keyring)?;
        Ok(keyring)
    }

    /// Reads the keyring at `path`. Refuses a file that others than its owner can reach.
    pub fn load(path: &Path) -> Result<Self, KeyringError> {
        file::load(path)
    }

    /// Adds the key for `quarter` if there is none, in the file too. A key that is there stays.
    ///
    /// Safe beside other processes that do the same: all end with the same key.
    pub fn ensure_kek(&mut self, quarter: Quarter) -> Result<(), KeyringError> {
        if self.key_encryption_keys.contains_key(&quarter) {
            return Ok(());
        }
        let lock = file::lock(&self.path)?;
        let mut current = file::load(&self.path)?;
        if let std::collections::btree_map::Entry::Vacant(e) =
            current.key_encryption_keys.entry(quarter)
        {
            e.insert(random()?);
            file::replace(&current)?;
        }
        drop(lock);
        *self = current;
        Ok(())
    }

    /// Whether the keyring has the key for `quarter`.
    pub fn has_kek(&self, quarter: Quarter) -> bool {
        self.key_encryption_keys.contains_key(&quarter)
    }

    /// Wraps a run key under the key of `quarter`. It opens for the same `run_id` only.
    pub fn wrap(
        &self,
        quarter: Quarter,
        run_id: &str,
        run_key: &RunKey,
    ) -> Result<WrappedRunKey, KeyringError> {
        let nonce = random::<NONCE_LENGTH>()?;
        let payload = Payload {
            msg: run_key.expose(),
            aad: run_id.as_bytes(),
        };
        let failed = || KeyringError::Wrap {
            run_id: run_id.to_owned(),
        };
        let sealed = self
            .cipher(quarter)?
            .encrypt((&*nonce).into(), payload)
            .map_err(|_| failed())?;
        let bytes = [nonce.as_slice(), &sealed].concat();
        Ok(WrappedRunKey {
            key_id: quarter.key_id(),
            bytes: bytes.try_into().map_err(|_| failed())?,
        })
    }

    /// Opens the wrapped run key of the run `run_id`.
    pub fn unwrap(&self, run_id: &str, wrapped: &WrappedRunKey) -> Result<RunKey, KeyringError> {
        let quarter = Quarter::from_key_id(&wrapped.key_id)
            .ok_or_else(|| KeyringError::NoSuchKey(wrapped.key_id.clone()))?;
        let failed = || KeyringError::Unwrap {
            run_id: run_id.to_owned(),
            key_id: wrapped.key_id.clone(),
        };
        let (nonce, sealed) = wrapped
            .bytes
            .split_first_chunk::<NONCE_LENGTH>()
            .ok_or_else(failed)?;
        let payload = Payload {
            msg: sealed,
            aad: run_id.as_bytes(),
        };
        let opened = self
            .cipher(quarter)?
            .decrypt(nonce.into(), payload)
            .map_err(|_| failed())?;
        let opened = Zeroizing::new(opened);
        let bytes = <&[u8; 32]>::try_from(opened.as_slice()).map_err(|_| failed())?;
        Ok(RunKey::from_bytes(*bytes))
    }

    /// The key that signs certificates.
    pub fn signing_key(&self) -> &SigningKey {
        &self.certificate_key
    }

    /// The public half of the key that signs certificates.
    pub fn verifying_key(&self) -> VerifyingKey {
        self.certificate_key.verifying_key()
    }

    /// The key of the pseudonyms (HMAC-SHA-256).
    pub fn token_key(&self) -> &[u8; 32] {
        &self.token_key
    }

    /// The name of the key that signs certificates: see [`public_key::key_id`].
    pub fn certificate_key_id(&self) -> String {
        public_key::key_id(&self.verifying_key())
    }

    /// The public half in PEM, to be handed to the holders of certificates.
    pub fn public_pem(&self) -> Result<String, KeyringError> {
        Ok(public_key::to_pem(&self.verifying_key())?)
    }

    /// The line of an `allowed_signers` file; see [`public_key::allowed_signers_line`].
    pub fn allowed_signers_line(&self, principal: &str) -> Result<String, KeyringError> {
        Ok(public_key::allowed_signers_line(
            &self.verifying_key(),
            principal,
        )?)
    }

    fn cipher(&self, quarter: Quarter) -> Result<Aes256Gcm, KeyringError> {
        let secret: &[u8; 32] = self
            .key_encryption_keys
            .get(&quarter)
            .ok_or_else(|| KeyringError::NoSuchKey(quarter.key_id()))?;
        Ok(Aes256Gcm::new(secret.into()))
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring")
            .field("path", &self.path)
            .field("certificate_key_id", &self.certificate_key_id())
            .finish_non_exhaustive()
    }
}

impl Quarter {
    /// The quarter of the calendar year in which `day` lies.
    pub fn of(day: Date) -> Self {
        Self {
            year: day.year(),
            quarter: (day.month() - 1) / 3 + 1,
        }
    }

    /// The quarter after this one.
    #[must_use]
    pub fn next(self) -> Self {
        if self.quarter == 4 {
            return Self {
                year: self.year + 1,
                quarter: 1,
            };
        }
        Self {
            quarter: self.quarter + 1,
            ..self
        }
    }

    /// The name of this quarter's key: `kek-2026q4`.
    pub fn key_id(self) -> String {
        format!("kek-{:04}q{}", self.year, self.quarter)
    }

    /// The quarter whose key has this name.
    fn from_key_id(id: &str) -> Option<Self> {
        let (year, quarter) = id.strip_prefix("kek-")?.split_once('q')?;
        let found = Self {
            year: year.parse().ok()?,
            quarter: quarter.parse().ok()?,
        };
        // One way of writing only.
        (found.key_id() == id && (1..=4).contains(&found.quarter)).then_some(found)
    }
}

/// Makes the key of a new run.
pub fn new_run_key() -> Result<RunKey, KeyringError> {
    Ok(RunKey::from_bytes(*random()?))
}

/// Takes random bytes from the operating system.
fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, KeyringError> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut_slice()).map_err(KeyringError::NoRandomBytes)?;
    Ok(bytes)
}
