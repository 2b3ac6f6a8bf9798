//! What opens one leaf: the salt and what it hides. Given to the person concerned, and to no one else.

#[cfg(test)]
mod tests;

use std::fmt;

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::value::Value;

use super::encoder::{LEAF_TAG, SUBJECT_TAG, subject_leaf};
use super::{Action, Head, Kind, Leaf, SubjectRef};

/// The longest opening that is looked at. No record's key comes near it, and below 16 MiB the
/// bytes of a record and those of a person cannot be mistaken for each other.
pub const LONGEST_OPENING: usize = 1024 * 1024;

pub(super) const SALT_LENGTH: usize = 32;
const COUNT_LENGTH: usize = 8;

/// The salt and the content behind one leaf.
#[derive(Clone, PartialEq, Eq)]
pub struct Opening {
    salt: [u8; SALT_LENGTH],
    /// The bytes that were committed to: a record, or a person.
    encoded: Vec<u8>,
    disclosed: Disclosed,
}

/// What an opening tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disclosed {
    Record(DisclosedRecord),
    Subject(DisclosedSubject),
}

/// One record, by its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisclosedRecord {
    pub client: String,
    pub store: String,
    /// `schema.table`, or the bucket.
    pub object: String,
    /// The key columns in the order of their names, with their values.
    pub key: Vec<(String, Value)>,
    /// 0, and one more each time that the same key went again within one run.
    pub occurrence: u32,
}

/// One person, and how many records of theirs met the leaf's action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisclosedSubject {
    pub client: String,
    /// What the person is to the client: `learner`.
    pub kind: String,
    pub id: Value,
    pub count: u64,
}

/// The bytes open no leaf of this format.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the bytes are no salt followed by a record, or by a person and a count")]
pub struct OpeningError;

impl Opening {
    /// Reads `salt ‖ record` or `salt ‖ person ‖ count`, the count in 64 bits, big-endian.
    pub fn parse(bytes: &[u8]) -> Result<Self, OpeningError> {
        if bytes.len() > LONGEST_OPENING {
            return Err(OpeningError);
        }
        let (salt, content) = bytes.split_first_chunk().ok_or(OpeningError)?;
        if let Some(record) = record(content) {
            return Ok(Self {
                salt: *salt,
                encoded: content.to_vec(),
                disclosed: Disclosed::Record(record),
            });
        }
        let (encoded, count) = content
            .split_last_chunk::<COUNT_LENGTH>()
            .ok_or(OpeningError)?;
        let subject = subject(encoded, u64::from_be_bytes(*count)).ok_or(OpeningError)?;
        Ok(Self {
            salt: *salt,
            encoded: encoded.to_vec(),
            disclosed: Disclosed::Subject(subject),
        })
    }

    /// The bytes for the `extra` line of a receipt.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.salt.to_vec();
        bytes.extend_from_slice(&self.encoded);
        if let Disclosed::Subject(subject) = &self.disclosed {
            bytes.extend_from_slice(&subject.count.to_be_bytes());
        }
        bytes
    }

    /// What the opening tells.
    pub fn disclosed(&self) -> &Disclosed {
        &self.disclosed
    }

    /// What kind of leaf this opens.
    pub fn kind(&self) -> Kind {
        match self.disclosed {
            Disclosed::Record(_) => Kind::Record,
            Disclosed::Subject(_) => Kind::Subject,
        }
    }

    /// The leaf that this opens, if it is one of `action` and `target`.
    pub fn leaf(&self, action: Action, target: u16) -> Leaf {
        match &self.disclosed {
            Disclosed::Record(_) => self.record_leaf(action, target),
            Disclosed::Subject(subject) => {
                let reference = Sha256::new_with_prefix(SUBJECT_TAG)
                    .chain_update(self.salt)
                    .chain_update(&self.encoded)
                    .finalize();
                let reference = SubjectRef::from_bytes(reference.into());
                subject_leaf(action, target, &reference, subject.count)
            }
        }
    }

    fn record_leaf(&self, action: Action, target: u16) -> Leaf {
        let head = Head {
            kind: Kind::Record,
            action,
            target,
        }
        .to_bytes();
        let commitment = Sha256::new_with_prefix(LEAF_TAG)
            .chain_update(head)
            .chain_update(self.salt)
            .chain_update(&self.encoded)
            .finalize();
        Leaf::new(head, commitment.into())
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted opening>")
    }
}

fn record(bytes: &[u8]) -> Option<DisclosedRecord> {
    let mut reader = Reader(bytes);
    let client = reader.text()?;
    let store = reader.text()?;
    let object = reader.text()?;
    let number = u16::from_be_bytes(reader.array()?);
    let mut key: Vec<(String, Value)> = Vec::new();
    for _ in 0..number {
        let name = reader.text()?;
        let is_ascending = key.last().is_none_or(|(last, _)| *last < name);
        key.push((name, reader.value()?));
        if !is_ascending {
            return None;
        }
    }
    let occurrence = u32::from_be_bytes(reader.array()?);
    reader.0.is_empty().then_some(DisclosedRecord {
        client,
        store,
        object,
        key,
        occurrence,
    })
}

fn subject(bytes: &[u8], count: u64) -> Option<DisclosedSubject> {
    let mut reader = Reader(bytes);
    let subject = DisclosedSubject {
        client: reader.text()?,
        kind: reader.text()?,
        id: reader.value()?,
        count,
    };
    reader.0.is_empty().then_some(subject)
}

/// Reads what the encoders write, and nothing else.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    /// Bytes behind their length.
    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(u32::from_be_bytes(self.array()?)).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    fn value(&mut self) -> Option<Value> {
        let [kind] = self.array()?;
        let bytes = self.bytes()?;
        let text = || String::from_utf8(bytes.to_vec()).ok();
        match (kind, bytes) {
            (0x00, []) => Some(Value::Null),
            (0x01, [0]) => Some(Value::Bool(false)),
            (0x01, [1]) => Some(Value::Bool(true)),
            (0x02, _) => decimal(bytes).map(Value::Int),
            (0x03, _) => text().map(Value::Text),
            (0x04, _) => Some(Value::Bytes(bytes.to_vec())),
            (0x05, _) => bytes.try_into().ok().map(Value::Uuid),
            (0x06, _) => decimal(bytes).map(Value::Instant),
            (0x07, _) => text().map(Value::Local),
            (0x08, _) => text().map(Value::Decimal),
            _ => None,
        }
    }
}

/// A number in decimal digits, in one way of writing only.
fn decimal(bytes: &[u8]) -> Option<i64> {
    let text = str::from_utf8(bytes).ok()?;
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}
