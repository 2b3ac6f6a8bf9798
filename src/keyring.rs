//! The keyring: one file with every secret that kigen owns.
//!
//! It is made once, read by its owner only, and never overwritten: it is replaced as a whole or not
//! at all, by a file that has every public key it had. No secret leaves it in a message or in
//! `Debug`.
//!
//! Read in this order: this file is what a run needs, `signing` keeps keys that sign and those before
//! them, `quarter` names the keys with which `wrapping` hides run keys, `content` is the text of the file, `protection`
//! (with `kms`) its form at rest, `file` its place on the disk; `rotation` and `destruction` change it
//! together with the ledger; `witness` is the keyring of the other side.

mod content;
pub mod destruction;
mod error;
mod file;
mod kms;
mod protection;
mod quarter;
pub mod rotation;
mod signing;
#[cfg(test)]
mod stock_tools;
mod stored;
#[cfg(test)]
mod tests;
mod witness;
mod wrapping;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use ed25519_dalek::{SigningKey, VerifyingKey};
use jiff::Timestamp;
use jiff::civil::Date;
use zeroize::Zeroizing;

use kigen_evidence::log::vkey::{KeyType, NoteKey, NoteKeyError};
use kigen_evidence::public_key;

use content::Content;
use protection::Protection;
use signing::SigningKeys;

pub use error::KeyringError;
pub use kms::KmsKey;
pub use protection::{Access, ProtectionKind};
pub use quarter::{NotAQuarter, Quarter};
pub use signing::{KeyUse, KnownKey};
pub use stored::NoRunKey;
pub use witness::WitnessKeyring;
pub use wrapping::{WRAPPED_LENGTH, WrappedRunKey, new_run_key};

/// The newest version of the file's format; what is written has it.
pub const NEWEST_VERSION: u32 = 2;

/// Ten years of quarters stand in a new keyring beside the present one.
pub const QUARTERS_AHEAD: u32 = 40;

const NONCE_LENGTH: usize = 12;

/// A secret of 32 bytes, zeroized when it is dropped.
type Secret = Zeroizing<[u8; 32]>;

/// The keys of one installation.
pub struct Keyring {
    path: PathBuf,
    protection: Protection,
    /// Of the file that it was read from.
    version: u32,
    certificate: SigningKeys,
    /// `None` in a file of version 1 that was not upgraded.
    log: Option<SigningKeys>,
    token_key: Secret,
    quarters: BTreeMap<Quarter, QuarterKey>,
}

/// The key-encryption key of a quarter.
enum QuarterKey {
    Held(Secret),
    /// Its place is kept, so that it is never made anew.
    Destroyed(Timestamp),
}

impl Keyring {
    /// Makes a keyring with new keys at `path`, and key-encryption keys for the quarter of
    /// `today` and [`QUARTERS_AHEAD`] more: a keyring that is mounted read-only never gains one.
    ///
    /// A file that is there already stays as it is, and is an error.
    pub fn create(path: &Path, today: Date) -> Result<Self, KeyringError> {
        Self::create_under(path, today, Protection::Plain)
    }

    /// As [`Self::create`], protected as `access` says.
    pub async fn create_protected(
        path: &Path,
        today: Date,
        access: &Access,
    ) -> Result<Self, KeyringError> {
        Self::create_under(path, today, access.for_new_file().await?)
    }

    fn create_under(
        path: &Path,
        today: Date,
        protection: Protection,
    ) -> Result<Self, KeyringError> {
        let mut quarters = BTreeMap::new();
        let mut quarter = Quarter::of(today);
        for _ in 0..=QUARTERS_AHEAD {
            quarters.insert(quarter, QuarterKey::Held(random()?));
            quarter = quarter.next();
        }
        let keyring = Self {
            path: path.to_owned(),
            protection,
            version: NEWEST_VERSION,
            certificate: SigningKeys::new()?,
            log: Some(SigningKeys::new()?),
            token_key: random()?,
            quarters,
        };
        file::create(path, &keyring.closed()?)?;
        Ok(keyring)
    }

    /// Reads the keyring at `path`, which is not encrypted. Refuses a file that others than its
    /// owner can reach.
    pub fn load(path: &Path) -> Result<Self, KeyringError> {
        Self::read(path, &Protection::Plain)
    }

    /// Reads the keyring at `path`, which is protected as `access` says.
    pub async fn open(path: &Path, access: &Access) -> Result<Self, KeyringError> {
        let file = file::read(path)?;
        let protection = access.for_file(path, &file).await?;
        Self::parse(path, file, &protection)
    }

    /// Protects the file as `access` says from now on.
    pub async fn protect(&mut self, access: &Access) -> Result<(), KeyringError> {
        let protection = access.for_new_file().await?;
        self.change(|current| {
            current.protection = protection;
            Ok(true)
        })?;
        Ok(())
    }

    /// Writes the file in the newest version, with the keys that an older one has not. Returns
    /// whether there was something to do.
    pub fn upgrade(&mut self) -> Result<bool, KeyringError> {
        self.change(|current| Ok(current.version < NEWEST_VERSION))
    }

    /// Adds the key for `quarter` if there is none, in the file too. A key that is there stays, and
    /// one that was destroyed is not made again.
    ///
    /// Safe beside other processes that do the same: all end with the same key.
    pub fn ensure_kek(&mut self, quarter: Quarter) -> Result<(), KeyringError> {
        if self.quarters.contains_key(&quarter) {
            return self.kek(quarter).map(|_| ());
        }
        self.change(|current| {
            if current.quarters.contains_key(&quarter) {
                return Ok(false);
            }
            let key = QuarterKey::Held(random()?);
            current.quarters.insert(quarter, key);
            Ok(true)
        })?;
        self.kek(quarter).map(|_| ())
    }

    /// Whether the keyring has the key for `quarter`.
    pub fn has_kek(&self, quarter: Quarter) -> bool {
        self.kek(quarter).is_ok()
    }

    /// The quarters for which there is a key, or was one, with the moment of its destruction.
    pub fn quarters(&self) -> impl Iterator<Item = (Quarter, Option<Timestamp>)> {
        self.quarters.iter().map(|(quarter, key)| match key {
            QuarterKey::Held(_) => (*quarter, None),
            QuarterKey::Destroyed(at) => (*quarter, Some(*at)),
        })
    }

    /// The key that signs certificates now.
    pub fn signing_key(&self) -> &SigningKey {
        &self.certificate.present
    }

    /// The key that signs what was sealed at the moment `at`: a former one as long as it is needed
    /// for that, so that a signature that a crash prevented is made as it would have been.
    pub fn signing_key_at(&self, at: Timestamp) -> &SigningKey {
        self.certificate.at(at)
    }

    /// The public half of the key that signs certificates now.
    pub fn verifying_key(&self) -> VerifyingKey {
        self.certificate.present.verifying_key()
    }

    /// The keys of certificates, oldest first; the last one is in use.
    pub fn certificate_keys(&self) -> Vec<KnownKey> {
        self.certificate.known()
    }

    /// The key that signs heads of the log now.
    pub fn log_key(&self) -> Result<&SigningKey, KeyringError> {
        match &self.log {
            Some(keys) => Ok(&keys.present),
            None => Err(KeyringError::NoLogKey {
                path: self.path.clone(),
            }),
        }
    }

    /// The keys of the log, oldest first; empty in a file of version 1 that was not upgraded.
    pub fn log_keys(&self) -> Vec<KnownKey> {
        self.log.as_ref().map_or_else(Vec::new, SigningKeys::known)
    }

    /// The keys of the log with this name, oldest first.
    pub fn log_keys_of(&self, origin: &str) -> Result<Vec<NoteKey>, NoteKeyError> {
        let named = |known: &KnownKey| NoteKey::new(origin, KeyType::Note, known.key);
        self.log_keys().iter().map(named).collect()
    }

    /// The key of the pseudonyms (HMAC-SHA-256).
    pub fn token_key(&self) -> &[u8; 32] {
        &self.token_key
    }

    /// The version of the file that it was read from.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// How its file is protected.
    pub fn protection(&self) -> ProtectionKind {
        self.protection.kind()
    }

    /// The name of the key that signs certificates: see [`public_key::key_id`].
    pub fn certificate_key_id(&self) -> String {
        public_key::key_id(&self.verifying_key())
    }

    /// The public half in PEM, to be handed to the holders of certificates.
    pub fn public_pem(&self) -> Result<String, KeyringError> {
        Ok(public_key::to_pem(&self.verifying_key())?)
    }

    fn read(path: &Path, protection: &Protection) -> Result<Self, KeyringError> {
        Self::parse(path, file::read(path)?, protection)
    }

    fn parse(
        path: &Path,
        file: Zeroizing<Vec<u8>>,
        protection: &Protection,
    ) -> Result<Self, KeyringError> {
        let text = protection.open(path, file)?;
        match content::parse(path, &text, protection)? {
            Content::Installation(keyring) => Ok(*keyring),
            Content::Witness(_) => Err(KeyringError::OtherKind {
                path: path.to_owned(),
                found: "the key of a witness",
                wanted: "the keys of an installation",
            }),
        }
    }

    /// Alters the keyring as its file is now, and replaces the file if `alter` says that something
    /// changed. Returns whether it did.
    fn change(
        &mut self,
        alter: impl FnOnce(&mut Self) -> Result<bool, KeyringError>,
    ) -> Result<bool, KeyringError> {
        let lock = file::lock(&self.path)?;
        let mut current = Self::read(&self.path, &self.protection)?;
        let changed = alter(&mut current)?;
        if changed {
            // What is written is of the newest version, and that one has a log key.
            if current.log.is_none() {
                current.log = Some(SigningKeys::new()?);
            }
            current.version = NEWEST_VERSION;
            file::replace(&self.path, &current.closed()?)?;
        }
        drop(lock);
        *self = current;
        Ok(changed)
    }

    /// The content of its file.
    fn closed(&self) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
        self.protection
            .close(&self.path, content::render(self).as_bytes())
    }

    fn kek(&self, quarter: Quarter) -> Result<&Secret, KeyringError> {
        match self.quarters.get(&quarter) {
            Some(QuarterKey::Held(secret)) => Ok(secret),
            Some(QuarterKey::Destroyed(at)) => Err(KeyringError::Destroyed {
                key_id: quarter.key_id(),
                at: *at,
            }),
            None => Err(KeyringError::NoSuchKey(quarter.key_id())),
        }
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

/// Takes random bytes from the operating system.
fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, KeyringError> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(bytes.as_mut_slice()).map_err(KeyringError::NoRandomBytes)?;
    Ok(bytes)
}
