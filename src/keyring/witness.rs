//! A witness's keyring: one key, and nothing of an installation.

use std::fmt;
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;

use super::content::{self, Content};
use super::protection::Access;
use super::{KeyringError, file, random};

/// The key of a witness: who runs `kigen witness` on the other side holds this and no more.
pub struct WitnessKeyring {
    path: PathBuf,
    key: SigningKey,
}

impl WitnessKeyring {
    /// Makes a keyring with a new witness key at `path`, protected as `access` says.
    ///
    /// A file that is there already stays as it is, and is an error.
    pub async fn create(path: &Path, access: &Access) -> Result<Self, KeyringError> {
        let protection = access.for_new_file().await?;
        let key = SigningKey::from_bytes(&*random()?);
        let text = content::render_witness(&key);
        file::create(path, &protection.close(path, text.as_bytes())?)?;
        Ok(Self {
            path: path.to_owned(),
            key,
        })
    }

    /// Reads the witness's keyring at `path`.
    pub async fn open(path: &Path, access: &Access) -> Result<Self, KeyringError> {
        let file = file::read(path)?;
        let protection = access.for_file(path, &file).await?;
        let text = protection.open(path, file)?;
        match content::parse(path, &text, &protection)? {
            Content::Witness(key) => Ok(Self {
                path: path.to_owned(),
                key: *key,
            }),
            Content::Installation(_) => Err(KeyringError::OtherKind {
                path: path.to_owned(),
                found: "the keys of an installation",
                wanted: "the key of a witness",
            }),
        }
    }

    /// The key that cosigns.
    pub fn signing_key(&self) -> &SigningKey {
        &self.key
    }
}

impl fmt::Debug for WitnessKeyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WitnessKeyring")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
