//! Replaces a signing key, together with the ledger.
//!
//! In this order, each step durable before the next: the new key stands in the file, with the public
//! half of the former one beside it; the ledger says so; the former private half goes, unless a run
//! may still have to be signed with it. After a crash in between the same command goes on.

use jiff::Timestamp;
use kigen_evidence::public_key;
use thiserror::Error;

use crate::ledger::entry::{Entry, KeyRotated};
use crate::ledger::error::{LedgerError, LockError};
use crate::ledger::{Ledger, LedgerLock};

use super::signing::SigningKeys;
use super::{KeyUse, Keyring, KeyringError, KnownKey};

/// What a rotation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Name of the key that signs now.
    pub key_id: String,
    /// Name of the key before it; `None` if there never was one.
    pub former_key_id: Option<String>,
    /// Whether a new key was made, and not an earlier rotation finished.
    pub is_new: bool,
    /// Whether former private halves stay, because a run still has to be signed.
    pub keeps_former: bool,
}

/// Why a key was not replaced.
#[derive(Debug, Error)]
pub enum RotationError {
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(
        "run {run_id} is under way, and signs with the key that it has read\nhint: rotate when it has ended"
    )]
    UnderWay { run_id: String },
    #[error("look at run {run_id}")]
    Lock {
        run_id: String,
        #[source]
        source: LockError,
    },
}

/// Puts a new key in the place of the present one at `now`, or goes on with a rotation that was cut
/// off. Refuses while a run is under way.
pub async fn rotate(
    keyring: &mut Keyring,
    ledger: &dyn Ledger,
    key: KeyUse,
    now: Timestamp,
) -> Result<Rotation, RotationError> {
    let unfinished = hold_unfinished(ledger).await?;
    let is_cut_off = !is_recorded(ledger, keyring, key).await?;
    if !is_cut_off {
        keyring.change(|current| {
            current.keys_mut(key)?.rotate(key, now)?;
            Ok(true)
        })?;
        fail::fail_point!("rotate.after-key");
    }
    record(ledger, keyring, key, now).await?;
    fail::fail_point!("rotate.after-entry");
    finish(keyring, key, !is_cut_off, unfinished).await
}

/// Removes former private halves, once no run needs them. Makes no key.
pub async fn finish_rotation(
    keyring: &mut Keyring,
    ledger: &dyn Ledger,
    key: KeyUse,
    now: Timestamp,
) -> Result<Rotation, RotationError> {
    let unfinished = hold_unfinished(ledger).await?;
    if !is_recorded(ledger, keyring, key).await? {
        record(ledger, keyring, key, now).await?;
    }
    finish(keyring, key, false, unfinished).await
}

async fn finish(
    keyring: &mut Keyring,
    key: KeyUse,
    is_new: bool,
    unfinished: Vec<LedgerLock>,
) -> Result<Rotation, RotationError> {
    if unfinished.is_empty() {
        keyring.change(|current| Ok(current.keys_mut(key)?.drop_former_private()))?;
        fail::fail_point!("rotate.after-drop");
    }
    for lock in unfinished {
        lock.release().await?;
    }
    let keeps_former = keyring.keys_mut(key)?.has_former_private();
    let known = keyring.keys_mut(key)?.known();
    let id = |known: &KnownKey| public_key::key_id(&known.key);
    let mut latest = known.iter().rev().map(id);
    Ok(Rotation {
        key_id: latest.next().unwrap_or_default(),
        former_key_id: latest.next(),
        is_new,
        keeps_former,
    })
}

/// The locks of the runs that are still to be certified, so that nobody takes them up meanwhile.
async fn hold_unfinished(ledger: &dyn Ledger) -> Result<Vec<LedgerLock>, RotationError> {
    let mut held = Vec::new();
    for run in ledger.unfinished_runs().await? {
        let run_id = run.run_id;
        match ledger.lock(&[format!("run:{run_id}")]).await {
            Ok(lock) => held.push(lock),
            Err(LockError::Busy { .. }) => return Err(RotationError::UnderWay { run_id }),
            Err(LockError::NotAsked(error)) => return Err(error.into()),
            Err(source @ LockError::File { .. }) => {
                return Err(RotationError::Lock { run_id, source });
            }
        }
    }
    Ok(held)
}

/// Whether the ledger has heard of the present key, or it is the first one.
async fn is_recorded(
    ledger: &dyn Ledger,
    keyring: &mut Keyring,
    key: KeyUse,
) -> Result<bool, RotationError> {
    let keys = keyring.keys_mut(key)?;
    if keys.from.is_none() {
        return Ok(true);
    }
    let present = public_key::key_id(&keys.present.verifying_key());
    let entries = ledger.entries(None, None).await?;
    Ok(entries.iter().any(|recorded| {
        matches!(&recorded.entry, Entry::KeyRotated(rotated)
            if rotated.key == key.name() && rotated.key_id == present)
    }))
}

async fn record(
    ledger: &dyn Ledger,
    keyring: &mut Keyring,
    key: KeyUse,
    now: Timestamp,
) -> Result<(), RotationError> {
    let keys = keyring.keys_mut(key)?;
    let (Some(from), Some(former)) = (keys.from, keys.former.last()) else {
        return Ok(());
    };
    let entry = Entry::KeyRotated(KeyRotated {
        key: key.name().to_owned(),
        key_id: public_key::key_id(&keys.present.verifying_key()),
        public: hex::encode(keys.present.verifying_key().as_bytes()),
        from,
        former_key_id: public_key::key_id(&former.public),
        former_public: hex::encode(former.public.as_bytes()),
    });
    ledger.append(None, now, &entry).await?;
    Ok(())
}

impl Keyring {
    fn keys_mut(&mut self, key: KeyUse) -> Result<&mut SigningKeys, KeyringError> {
        match (key, &mut self.log) {
            (KeyUse::Certificate, _) => Ok(&mut self.certificate),
            (KeyUse::Log, Some(keys)) => Ok(keys),
            (KeyUse::Log, None) => Err(KeyringError::NoLogKey {
                path: self.path.clone(),
            }),
            // A log knows its witness by this one key: another witness has another keyring.
            (KeyUse::Witness, _) => Err(KeyringError::OtherKind {
                path: self.path.clone(),
                found: "the keys of an installation",
                wanted: "the key of a witness",
            }),
        }
    }
}
