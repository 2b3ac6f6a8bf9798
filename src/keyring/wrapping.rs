//! Run keys under the key of their quarter.

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit};
use zeroize::Zeroizing;

use kigen_evidence::leaf::RunKey;

use super::{Keyring, KeyringError, NONCE_LENGTH, Quarter, random};

/// Bytes of a wrapped run key: nonce, key, tag.
pub const WRAPPED_LENGTH: usize = NONCE_LENGTH + 32 + 16;

/// A run key under the key of its quarter, as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedRunKey {
    /// Which key of the keyring opens it: `kek-2026q4`.
    pub key_id: String,
    /// Nonce, ciphertext and tag of AES-256-GCM.
    pub bytes: [u8; WRAPPED_LENGTH],
}

impl Keyring {
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

    fn cipher(&self, quarter: Quarter) -> Result<Aes256Gcm, KeyringError> {
        let secret: &[u8; 32] = self.kek(quarter)?;
        Ok(Aes256Gcm::new(secret.into()))
    }
}

/// Makes the key of a new run.
pub fn new_run_key() -> Result<RunKey, KeyringError> {
    Ok(RunKey::from_bytes(*random()?))
}
