//! The tables of the keyring's file.

use std::fmt;

use ed25519_dalek::{SigningKey, VerifyingKey};
use jiff::Timestamp;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::keyring::Secret;
use crate::keyring::signing::{FormerKey, KeyUse, SigningKeys};

/// The certificate key of version 1: Ed25519.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyPair {
    seed: HexKey,
    /// Follows from the seed; written so that a damaged seed is noticed.
    public: HexKey,
}

/// Ed25519, with the private half or without.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SigningKeyPart {
    #[serde(rename = "use")]
    key_use: String,
    from: Option<Timestamp>,
    /// A key that was replaced has one.
    until: Option<Timestamp>,
    public: HexKey,
    seed: Option<HexKey>,
}

/// HMAC-SHA-256.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SecretPart {
    pub(super) secret: HexKey,
}

/// AES-256-GCM, or what is left of such a key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct QuarterKeyPart {
    pub(super) id: String,
    pub(super) secret: Option<HexKey>,
    pub(super) destroyed_at: Option<Timestamp>,
}

/// 32 bytes in hexadecimal digits.
pub(super) struct HexKey(pub(super) Secret);

impl KeyPair {
    /// The key, if its halves belong together.
    pub(super) fn check(&self, key_use: KeyUse) -> Result<SigningKey, String> {
        pair(&self.seed, &self.public, key_use)
    }
}

fn pair(seed: &HexKey, public: &HexKey, key_use: KeyUse) -> Result<SigningKey, String> {
    let key = SigningKey::from_bytes(&seed.0);
    if key.verifying_key().as_bytes() != &*public.0 {
        return Err(format!(
            "the two halves of a {key_use} key do not belong together"
        ));
    }
    Ok(key)
}

/// The keys of one use among `parts`, which stand in the order in which they were made; `None` if
/// there are none.
pub(super) fn signing_keys(
    parts: &[SigningKeyPart],
    wanted: KeyUse,
) -> Result<Option<SigningKeys>, String> {
    let mut former = Vec::new();
    let mut present = None;
    for part in parts {
        let key_use = KeyUse::from_name(&part.key_use)
            .ok_or_else(|| format!("`{}` is no use of a key", part.key_use))?;
        if key_use != wanted {
            continue;
        }
        if present.is_some() {
            return Err(format!("there is a {wanted} key after the one in use"));
        }
        match (part.until, &part.seed) {
            (Some(until), seed) => former.push(part.former(wanted, until, seed.as_ref())?),
            (None, Some(seed)) => present = Some((pair(seed, &part.public, wanted)?, part.from)),
            (None, None) => {
                return Err(format!("the {wanted} key in use has no private half"));
            }
        }
    }
    match present {
        Some((present, from)) => Ok(Some(SigningKeys {
            former,
            present,
            from,
        })),
        None if former.is_empty() => Ok(None),
        None => Err(format!("none of the {wanted} keys is in use")),
    }
}

impl SigningKeyPart {
    fn former(
        &self,
        key_use: KeyUse,
        until: Timestamp,
        seed: Option<&HexKey>,
    ) -> Result<FormerKey, String> {
        let public = VerifyingKey::from_bytes(&self.public.0)
            .map_err(|_| format!("a former {key_use} key is none"))?;
        let private = match seed {
            Some(seed) => Some(pair(seed, &self.public, key_use)?),
            None => None,
        };
        Ok(FormerKey {
            public,
            from: self.from,
            until,
            private,
        })
    }
}

impl<'de> Deserialize<'de> for HexKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(HexKeyVisitor)
    }
}

struct HexKeyVisitor;

impl Visitor<'_> for HexKeyVisitor {
    type Value = HexKey;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("64 hexadecimal digits")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<HexKey, E> {
        let mut key = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text, key.as_mut_slice())
            .map_err(|_| E::custom("64 hexadecimal digits are expected"))?;
        Ok(HexKey(key))
    }
}
