//! Keys that sign: the one in use and those before it, whose signatures go on holding.

use std::fmt;

use ed25519_dalek::{SigningKey, VerifyingKey};
use jiff::Timestamp;

use super::{KeyringError, random};

/// What an Ed25519 key is for. No key is used for two things, so that a signature cannot be taken
/// for one of the other kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyUse {
    /// Signs certificates.
    Certificate,
    /// Signs the heads of the log.
    Log,
    /// Signs, on the other side, the heads of a log that it has found consistent.
    Witness,
}

impl KeyUse {
    /// The word for it in the keyring's file, in the ledger and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Log => "log",
            Self::Witness => "witness",
        }
    }

    /// The use with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Certificate, Self::Log, Self::Witness]
            .into_iter()
            .find(|key_use| key_use.name() == name)
    }
}

impl fmt::Display for KeyUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A public key of the keyring and when it signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownKey {
    pub key: VerifyingKey,
    /// Since when it has signed; `None` for the first one.
    pub from: Option<Timestamp>,
    /// Until when it signed; `None` for the one in use.
    pub until: Option<Timestamp>,
    /// Whether its private half is still in the keyring.
    pub can_sign: bool,
}

/// The keys of one use, in the order in which they were made.
#[derive(Clone)]
pub(super) struct SigningKeys {
    pub(super) former: Vec<FormerKey>,
    pub(super) present: SigningKey,
    pub(super) from: Option<Timestamp>,
}

/// A key that was replaced.
#[derive(Clone)]
pub(super) struct FormerKey {
    pub(super) public: VerifyingKey,
    pub(super) from: Option<Timestamp>,
    pub(super) until: Timestamp,
    /// Kept while something may still have to be signed with it.
    pub(super) private: Option<SigningKey>,
}

impl SigningKeys {
    /// The first key.
    pub(super) fn new() -> Result<Self, KeyringError> {
        Ok(Self {
            former: Vec::new(),
            present: SigningKey::from_bytes(&*random()?),
            from: None,
        })
    }

    /// Puts a new key in the place of the present one, from `now` on, to the second.
    ///
    /// The present key becomes a former one and keeps its private half.
    pub(super) fn rotate(&mut self, key: KeyUse, now: Timestamp) -> Result<(), KeyringError> {
        let now = whole_second(now);
        if let Some(from) = self.from.filter(|from| *from >= now) {
            return Err(KeyringError::TooSoon { key, from });
        }
        let next = SigningKey::from_bytes(&*random()?);
        let former = std::mem::replace(&mut self.present, next);
        self.former.push(FormerKey {
            public: former.verifying_key(),
            from: self.from,
            until: now,
            private: Some(former),
        });
        self.from = Some(now);
        Ok(())
    }

    /// Removes the private halves of former keys. Returns whether there was one.
    pub(super) fn drop_former_private(&mut self) -> bool {
        let mut dropped = false;
        for former in &mut self.former {
            dropped |= former.private.take().is_some();
        }
        dropped
    }

    /// Whether a former key could still sign.
    pub(super) fn has_former_private(&self) -> bool {
        self.former.iter().any(|former| former.private.is_some())
    }

    /// The key that signed at the moment `at`, if its private half is still there; otherwise the
    /// present one.
    pub(super) fn at(&self, at: Timestamp) -> &SigningKey {
        self.former
            .iter()
            .find(|former| at < former.until)
            .and_then(|former| former.private.as_ref())
            .unwrap_or(&self.present)
    }

    /// All of them, oldest first.
    pub(super) fn known(&self) -> Vec<KnownKey> {
        let former = self.former.iter().map(|former| KnownKey {
            key: former.public,
            from: former.from,
            until: Some(former.until),
            can_sign: former.private.is_some(),
        });
        let present = KnownKey {
            key: self.present.verifying_key(),
            from: self.from,
            until: None,
            can_sign: true,
        };
        former.chain([present]).collect()
    }
}

/// The beginning of the second in which `at` lies: what `ssh-keygen` can compare with.
fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}
