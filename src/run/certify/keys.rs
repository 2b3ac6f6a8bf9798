//! The public keys beside the certificates, in the forms that stock tools read.
//!
//! Each key has a file of its own name, which is never written twice; `allowed_signers` lists all of
//! them with the time in which they signed, and is replaced as a whole by one that lists no less.

use ed25519_dalek::VerifyingKey;
use kigen_evidence::allowed_signers::{self, AllowedSigner};
use kigen_evidence::public_key;

use crate::archive::{Archive, Content, KEYS};
use crate::keyring::KnownKey;
use crate::run::client_log::{LogWriter, log_key_file};

use super::error::SealError;
use super::steps::put;

const ALLOWED_SIGNERS: &str = "allowed_signers";
const PREFIX: &str = "certificate-";
const SUFFIX: &str = ".pub.pem";

/// Two runs may extend the list at once: each looks again until what it has to say stands there.
const TRIES: u32 = 5;

/// The name of the file that holds `key`: `certificate-34750f98bd59fcfc.pub.pem`.
pub fn key_file(key: &VerifyingKey) -> String {
    format!("{PREFIX}{}{SUFFIX}", public_key::key_id(key))
}

/// The name under which an issuer with this origin signs.
pub fn principal(origin: &str) -> String {
    let host = origin.split('/').next().unwrap_or_default();
    format!("certificates@{host}")
}

/// Publishes every key that signs certificates or heads of logs, or did.
pub(crate) async fn publish_keys(keeper: LogWriter<'_>) -> Result<(), SealError> {
    let place = keeper.place;
    let keys = keeper.keyring.certificate_keys();
    for known in &keys {
        publish_key(place, &key_file(&known.key), &known.key).await?;
    }
    for known in keeper.keyring.log_keys() {
        publish_key(place, &log_key_file(&known.key), &known.key).await?;
    }
    publish_signers(place, &principal(keeper.origin), &keys).await
}

async fn publish_key(place: &dyn Archive, file: &str, key: &VerifyingKey) -> Result<(), SealError> {
    let pem = public_key::to_pem(key).map_err(|error| SealError::PublicKey(error.into()))?;
    let path = format!("{KEYS}/{file}");
    put(place, &path, Content::Bytes(pem.as_bytes())).await?;
    fail::fail_point!("seal.after-key");
    Ok(())
}

/// Extends the list of signers.
async fn publish_signers(
    place: &dyn Archive,
    principal: &str,
    keys: &[KnownKey],
) -> Result<(), SealError> {
    let path = format!("{KEYS}/{ALLOWED_SIGNERS}");
    let signers: Result<Vec<AllowedSigner>, _> = keys
        .iter()
        .map(|known| AllowedSigner::new(principal, known.key, known.from, known.until))
        .collect();
    let signers = signers.map_err(SealError::AllowedSigners)?;
    let occupied = || SealError::Occupied {
        path: place.locate(&path),
    };
    for _ in 0..TRIES {
        let published = place.get(&path).await?.unwrap_or_default();
        let published = String::from_utf8(published).map_err(|_| occupied())?;
        let extended = allowed_signers::extend(&published, &signers).map_err(|_| occupied())?;
        if extended == published {
            return Ok(());
        }
        place.put_head(&path, extended.as_bytes()).await?;
    }
    Err(occupied())
}
