//! The text in the keyring's file: TOML, version 2; version 1 is read too.

mod parts;
mod render;

use std::collections::BTreeMap;
use std::path::Path;

use ed25519_dalek::SigningKey;
use serde::Deserialize;

use super::protection::Protection;
use super::signing::{KeyUse, SigningKeys};
use super::{Keyring, KeyringError, NEWEST_VERSION, Quarter, QuarterKey};

use parts::{KeyPair, QuarterKeyPart, SecretPart, SigningKeyPart, signing_keys};

pub(super) use render::{render, render_witness};

/// A file of version 1: one signing key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ContentV1 {
    #[serde(rename = "version")]
    _version: u32,
    /// How many keys of quarters follow, so that a file cut off between two of them is noticed.
    key_encryption_keys: usize,
    certificate_key: KeyPair,
    token_key: SecretPart,
    #[serde(default)]
    key_encryption_key: Vec<QuarterKeyPart>,
}

/// A file of version 2.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ContentV2 {
    #[serde(rename = "version")]
    _version: u32,
    /// How many keys follow, so that a file cut off between two of them is noticed.
    signing_keys: usize,
    key_encryption_keys: usize,
    #[serde(default)]
    signing_key: Vec<SigningKeyPart>,
    /// Everything but a witness's keyring has one.
    token_key: Option<SecretPart>,
    #[serde(default)]
    key_encryption_key: Vec<QuarterKeyPart>,
}

/// The one field that every version of the file has.
#[derive(Deserialize)]
struct AnyVersion {
    version: u32,
}

/// What a keyring's file may hold.
pub(super) enum Content {
    Installation(Box<Keyring>),
    Witness(Box<SigningKey>),
}

/// Reads the text of the file at `path`.
pub(super) fn parse(
    path: &Path,
    text: &[u8],
    protection: &Protection,
) -> Result<Content, KeyringError> {
    let text = std::str::from_utf8(text)
        .map_err(|_| KeyringError::damaged(path, "it is no text of a keyring"))?;
    let damaged = |error: toml::de::Error| KeyringError::damaged(path, place_of(&error, text));
    let any: AnyVersion = toml::from_str(text).map_err(damaged)?;
    let content = match any.version {
        1 => check_v1(toml::from_str(text).map_err(damaged)?, path, protection),
        2 => check_v2(toml::from_str(text).map_err(damaged)?, path, protection),
        found => {
            return Err(KeyringError::Version {
                path: path.to_owned(),
                found,
            });
        }
    };
    content.map_err(|what| KeyringError::damaged(path, what))
}

/// Where a TOML error lies. Its own text is left out, because it quotes the line with its secret.
fn place_of(error: &toml::de::Error, text: &str) -> String {
    let Some(span) = error.span() else {
        return "something is missing".to_owned();
    };
    let before = text.bytes().take(span.start);
    let line = before.filter(|byte| *byte == b'\n').count() + 1;
    format!("line {line} cannot be read")
}

fn check_v1(content: ContentV1, path: &Path, protection: &Protection) -> Result<Content, String> {
    let certificate = content.certificate_key.check(KeyUse::Certificate)?;
    Ok(Content::Installation(Box::new(Keyring {
        path: path.to_owned(),
        protection: protection.clone(),
        version: 1,
        certificate: SigningKeys {
            former: Vec::new(),
            present: certificate,
            from: None,
        },
        log: None,
        token_key: content.token_key.secret.0,
        quarters: quarters(content.key_encryption_keys, content.key_encryption_key)?,
    })))
}

fn check_v2(content: ContentV2, path: &Path, protection: &Protection) -> Result<Content, String> {
    let (stated, found) = (content.signing_keys, content.signing_key.len());
    if stated != found {
        return Err(format!(
            "it should have {stated} signing keys and has {found}"
        ));
    }
    let keys = content.signing_key;
    let witness = signing_keys(&keys, KeyUse::Witness)?;
    let certificate = signing_keys(&keys, KeyUse::Certificate)?;
    let log = signing_keys(&keys, KeyUse::Log)?;
    let Some(token_key) = content.token_key else {
        let is_witness = certificate.is_none() && log.is_none();
        return match witness.filter(|_| is_witness && content.key_encryption_keys == 0) {
            Some(witness) => Ok(Content::Witness(Box::new(witness.present))),
            None => Err("it has no token key".to_owned()),
        };
    };
    if witness.is_some() {
        return Err("a witness key does not stand beside other keys".to_owned());
    }
    Ok(Content::Installation(Box::new(Keyring {
        path: path.to_owned(),
        protection: protection.clone(),
        version: NEWEST_VERSION,
        certificate: certificate.ok_or("it has no certificate key")?,
        log: Some(log.ok_or("it has no log key")?),
        token_key: token_key.secret.0,
        quarters: quarters(content.key_encryption_keys, content.key_encryption_key)?,
    })))
}

fn quarters(
    stated: usize,
    keys: Vec<QuarterKeyPart>,
) -> Result<BTreeMap<Quarter, QuarterKey>, String> {
    let found = keys.len();
    if stated != found {
        return Err(format!(
            "it should have {stated} key-encryption keys and has {found}"
        ));
    }
    let mut quarters = BTreeMap::new();
    for part in keys {
        let quarter = Quarter::from_key_id(&part.id)
            .ok_or_else(|| format!("`{}` is no name of a quarter's key", part.id))?;
        let key = match (part.secret, part.destroyed_at) {
            (Some(secret), None) => QuarterKey::Held(secret.0),
            (None, Some(at)) => QuarterKey::Destroyed(at),
            (Some(_), Some(_)) | (None, None) => {
                return Err(format!(
                    "the key `{}` is neither there nor destroyed",
                    part.id
                ));
            }
        };
        if quarters.insert(quarter, key).is_some() {
            return Err(format!("the key `{}` stands there twice", part.id));
        }
    }
    Ok(quarters)
}
