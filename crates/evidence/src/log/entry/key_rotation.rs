//! A change of keys, so that who checks later knows which key signed when.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::log::vkey::NoteKey;
use crate::statement::{Controller, Issuer, LogPlace, utc};

use super::{EntryType, NamedArtifact, Predicate};

/// Keys that are retired and introduced.
///
/// The entry announces; it does not make a key trusted: keys reach the holders of certificates
/// outside of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct KeyRotation {
    pub log: LogPlace,
    pub issuer: Issuer,
    pub controller: Controller,
    pub keys: Vec<RotatedKey>,
    /// From when on the new keys sign, and the old ones do not.
    #[serde(with = "utc")]
    pub valid_from: Timestamp,
    #[serde(with = "utc")]
    pub recorded_at: Timestamp,
}

/// One key and what takes its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotatedKey {
    pub role: KeyRole,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired: Option<NoteKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introduced: Option<NoteKey>,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyRole {
    Certificate,
    Log,
    Witness,
}

impl Predicate for KeyRotation {
    const TYPE: EntryType = EntryType::KeyRotation;

    /// Every key that is named, in its text form.
    fn artifacts(&self) -> Vec<NamedArtifact> {
        let keys = self.keys.iter();
        keys.flat_map(|key| key.retired.iter().chain(&key.introduced))
            .map(|key| NamedArtifact::new(key.name(), Sha256::of(key.to_string().as_bytes())))
            .collect()
    }
}
