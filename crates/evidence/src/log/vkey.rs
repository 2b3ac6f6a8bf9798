//! A public key that signs notes, in the text form of C2SP signed-note v1.0.0.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::VerifyingKey;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::digest::Sha256;

/// What a key signs. The numbers are those of the signature types of C2SP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum KeyType {
    /// The text of a note: a log's key.
    Note = 0x01,
    /// A checkpoint and the time at which it was seen: a witness's key.
    Cosignature = 0x04,
}

impl KeyType {
    fn from_code(code: u8) -> Option<Self> {
        [Self::Note, Self::Cosignature]
            .into_iter()
            .find(|kind| *kind as u8 == code)
    }
}

/// The first bytes of a digest over name, type and key: tells keys apart, and proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 4]);

impl KeyId {
    /// The id as it stands in a signature.
    pub const fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    /// The id's bytes.
    pub const fn as_bytes(&self) -> &[u8; 4] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// A public key with its name, written as `name+id+key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteKey {
    name: String,
    id: KeyId,
    key_type: KeyType,
    key: VerifyingKey,
}

/// Why a text is no key.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NoteKeyError {
    #[error(
        "`{0}` cannot be the name of a key\nhint: a name such as `certs.example.com/client-7f3a`, without spaces, `+` and control characters"
    )]
    Name(String),
    #[error("a key is written as `name+id+key`, the id in 8 hexadecimal digits, the key in base64")]
    Form,
    #[error("the key is of type {0}; kigen knows 1 (Ed25519) and 4 (Ed25519 of a witness)")]
    Type(u8),
    #[error("the key's bytes are no Ed25519 public key")]
    Key,
    #[error("the id `{found}` does not belong to the key, whose id is `{expected}`")]
    Id { expected: KeyId, found: String },
}

impl NoteKey {
    /// Names a key.
    pub fn new(name: &str, key_type: KeyType, key: VerifyingKey) -> Result<Self, NoteKeyError> {
        if !is_key_name(name) {
            return Err(NoteKeyError::Name(name.to_owned()));
        }
        let mut hashed = name.as_bytes().to_vec();
        hashed.push(b'\n');
        hashed.push(key_type as u8);
        hashed.extend_from_slice(key.as_bytes());
        let [a, b, c, d, ..] = *Sha256::of(&hashed).as_bytes();
        Ok(Self {
            name: name.to_owned(),
            id: KeyId([a, b, c, d]),
            key_type,
            key,
        })
    }

    /// The name that stands in the key's signatures.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id that stands in the key's signatures.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What the key signs.
    pub fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// The key itself.
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }
}

/// Whether a key may have this name: not empty, no space of Unicode, no `+`, no control character.
pub(super) fn is_key_name(name: &str) -> bool {
    let unfit = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    !name.is_empty() && !name.contains(unfit)
}

impl fmt::Display for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![self.key_type as u8];
        bytes.extend_from_slice(self.key.as_bytes());
        write!(f, "{}+{}+{}", self.name, self.id, STANDARD.encode(bytes))
    }
}

impl FromStr for NoteKey {
    type Err = NoteKeyError;

    fn from_str(text: &str) -> Result<Self, NoteKeyError> {
        // Base64 may hold a `+`, a name and an id may not.
        let (name, rest) = text.split_once('+').ok_or(NoteKeyError::Form)?;
        let (id, key) = rest.split_once('+').ok_or(NoteKeyError::Form)?;
        let bytes = STANDARD.decode(key).map_err(|_| NoteKeyError::Form)?;
        let (code, key) = bytes.split_first().ok_or(NoteKeyError::Form)?;
        let key_type = KeyType::from_code(*code).ok_or(NoteKeyError::Type(*code))?;
        let key = key.try_into().map_err(|_| NoteKeyError::Key)?;
        let key = VerifyingKey::from_bytes(key).map_err(|_| NoteKeyError::Key)?;
        let read = Self::new(name, key_type, key)?;
        if id != read.id.to_string() {
            return Err(NoteKeyError::Id {
                expected: read.id,
                found: id.to_owned(),
            });
        }
        Ok(read)
    }
}

impl Serialize for NoteKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NoteKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::{KeyType, NoteKey, NoteKeyError};

    /// From the documentation of Go's `golang.org/x/mod/sumdb/note`.
    const OF_GO: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    fn key(key_type: KeyType) -> NoteKey {
        let key = SigningKey::from_bytes(&[3; 32]).verifying_key();
        NoteKey::new("certs.example.com/own", key_type, key).unwrap()
    }

    #[test]
    fn a_key_of_another_implementation_is_read_and_written() {
        let key: NoteKey = OF_GO.parse().unwrap();
        assert_eq!(key.name(), "PeterNeumann");
        assert_eq!(key.key_type(), KeyType::Note);
        assert_eq!(key.to_string(), OF_GO);
    }

    #[test]
    fn the_same_key_has_another_id_for_another_use() {
        let (log, witness) = (key(KeyType::Note), key(KeyType::Cosignature));
        assert_ne!(log.id(), witness.id());
        for key in [log, witness] {
            assert_eq!(key.to_string().parse::<NoteKey>().unwrap(), key);
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for (text, refusal) in [
            ("", NoteKeyError::Form),
            ("PeterNeumann", NoteKeyError::Form),
            ("PeterNeumann+c74f20a3", NoteKeyError::Form),
            ("PeterNeumann+c74f20a3+", NoteKeyError::Form),
            ("PeterNeumann+c74f20a3+ARpc2Qc", NoteKeyError::Form),
            ("PeterNeumann+c74f20a3+AR==", NoteKeyError::Form),
            ("PeterNeumann+c74f20a3+ARpc", NoteKeyError::Key),
            ("PeterNeumann+c74f20a3+Bhpc", NoteKeyError::Type(6)),
        ] {
            assert_eq!(text.parse::<NoteKey>().unwrap_err(), refusal, "{text}");
        }
        for name in ["", "a b", "a\u{3000}b", "a\tb", "a\nb"] {
            let text = OF_GO.replace("PeterNeumann", name);
            let error = text.parse::<NoteKey>().unwrap_err();
            assert_eq!(error, NoteKeyError::Name(name.to_owned()));
        }
        for (from, to) in [("Peter", "Petra"), ("c74f20a3", "C74F20A3"), ("c7", "c8")] {
            let error = OF_GO.replacen(from, to, 1).parse::<NoteKey>().unwrap_err();
            assert!(matches!(error, NoteKeyError::Id { .. }), "{error}");
        }
    }
}
