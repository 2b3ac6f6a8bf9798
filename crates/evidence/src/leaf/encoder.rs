//! Records and persons to leaves. The hot path: one pass, one buffer, nothing allocated per record.

use sha2::{Digest, Sha256};

use hmac::Mac;

use crate::value::Value;

use super::{
    Action, HEAD_LENGTH, Head, HmacSha256, Kind, Leaf, LeafError, Opening, RunKey, SubjectRef,
};

const SALT_TAG: &[u8] = b"kigen/salt/v1\0";
pub(super) const LEAF_TAG: &[u8] = b"kigen/leaf/v1\0";
const SUBJECT_SALT_TAG: &[u8] = b"kigen/subject-salt/v1\0";
pub(super) const SUBJECT_TAG: &[u8] = b"kigen/subject/v1\0";
const SUBJECT_LEAF_TAG: &[u8] = b"kigen/subject-leaf/v1\0";

/// Longest text of a 64-bit integer: a sign and 19 digits.
const INTEGER_LENGTH: usize = 20;

/// Where the records of one target lie, and on whose behalf they are kept.
#[derive(Clone, Copy, Debug)]
pub struct RecordPlace<'a> {
    /// The client (委託元).
    pub client: &'a str,
    /// Name of the store in `kigen.toml`.
    pub store: &'a str,
    /// `schema.table`, or the bucket.
    pub object: &'a str,
}

/// Makes the leaves of one target and client. Built once, then fed record by record.
pub struct RecordEncoder {
    /// Keyed and fed with its tag; cloned for each record.
    salt: HmacSha256,
    /// Fed with its tag; cloned for each record.
    commitment: Sha256,
    target: u16,
    columns: Vec<Column>,
    /// Holds the part that all records share, and behind it the record at hand.
    buffer: Vec<u8>,
    shared_length: usize,
}

/// A key column: its encoded name, and where its value stands in the job's order.
struct Column {
    name: Vec<u8>,
    position: usize,
}

impl RecordEncoder {
    /// Prepares for records whose key consists of `columns`, in the job's order.
    ///
    /// Objects have the columns `key` and `version_id` (text; `null` for the null version).
    pub fn new(
        run_key: &RunKey,
        place: RecordPlace<'_>,
        columns: &[&str],
        target: u16,
    ) -> Result<Self, LeafError> {
        let mut buffer = Vec::with_capacity(256);
        put_bytes(&mut buffer, place.client.as_bytes())?;
        put_bytes(&mut buffer, place.store.as_bytes())?;
        put_bytes(&mut buffer, place.object.as_bytes())?;
        let number =
            u16::try_from(columns.len()).map_err(|_| LeafError::TooManyColumns(columns.len()))?;
        buffer.extend_from_slice(&number.to_be_bytes());
        Ok(Self {
            salt: run_key.mac(SALT_TAG),
            commitment: Sha256::new_with_prefix(LEAF_TAG),
            target,
            columns: sorted_columns(columns)?,
            shared_length: buffer.len(),
            buffer,
        })
    }

    /// The leaf of one record.
    ///
    /// `key` has the values as read back from the row, in the job's order of the columns.
    /// `occurrence` is 0, and one more each time that the same key goes again within one run.
    pub fn leaf(
        &mut self,
        action: Action,
        key: &[Value],
        occurrence: u32,
    ) -> Result<Leaf, LeafError> {
        self.encode(key, occurrence)?;
        let head = self.head(action);
        let salt = self.salt(head);
        let mut commitment = self.commitment.clone();
        commitment.update(head);
        commitment.update(salt);
        commitment.update(&self.buffer);
        Ok(Leaf::new(head, commitment.finalize().into()))
    }

    /// What opens the leaf that [`leaf`](Self::leaf) makes of the same record.
    pub fn open(
        &mut self,
        action: Action,
        key: &[Value],
        occurrence: u32,
    ) -> Result<Opening, LeafError> {
        self.encode(key, occurrence)?;
        let mut bytes = self.salt(self.head(action)).to_vec();
        bytes.extend_from_slice(&self.buffer);
        Opening::parse(&bytes).map_err(LeafError::Opening)
    }

    fn head(&self, action: Action) -> [u8; HEAD_LENGTH] {
        let head = Head {
            kind: Kind::Record,
            action,
            target: self.target,
        };
        head.to_bytes()
    }

    /// The salt of the record in the buffer.
    fn salt(&self, head: [u8; HEAD_LENGTH]) -> [u8; 32] {
        let mut salt = self.salt.clone();
        salt.update(&head);
        salt.update(&self.buffer);
        salt.finalize().into_bytes().into()
    }

    /// The encoded record that its leaf commits to: what a receipt discloses to the person.
    pub fn encode(&mut self, key: &[Value], occurrence: u32) -> Result<&[u8], LeafError> {
        if key.len() != self.columns.len() {
            return Err(LeafError::KeyLength {
                expected: self.columns.len(),
                found: key.len(),
            });
        }
        self.buffer.truncate(self.shared_length);
        for column in &self.columns {
            self.buffer.extend_from_slice(&column.name);
            put_value(&mut self.buffer, &key[column.position])?;
        }
        self.buffer.extend_from_slice(&occurrence.to_be_bytes());
        Ok(&self.buffer)
    }
}

/// Makes the references of one client's persons. Built once, then fed person by person.
pub struct SubjectEncoder {
    salt: HmacSha256,
    reference: Sha256,
    buffer: Vec<u8>,
    shared_length: usize,
}

impl SubjectEncoder {
    /// Prepares for persons of one kind (`learner`) of one client.
    pub fn new(run_key: &RunKey, client: &str, kind: &str) -> Result<Self, LeafError> {
        let mut buffer = Vec::with_capacity(128);
        put_bytes(&mut buffer, client.as_bytes())?;
        put_bytes(&mut buffer, kind.as_bytes())?;
        Ok(Self {
            salt: run_key.mac(SUBJECT_SALT_TAG),
            reference: Sha256::new_with_prefix(SUBJECT_TAG),
            shared_length: buffer.len(),
            buffer,
        })
    }

    /// The reference of the person with this id, as read back from the row.
    ///
    /// A null id is encoded like any value; it is the caller who knows that it names nobody.
    pub fn reference(&mut self, id: &Value) -> Result<SubjectRef, LeafError> {
        let salt = self.encode(id)?;
        let mut reference = self.reference.clone();
        reference.update(salt);
        reference.update(&self.buffer);
        Ok(SubjectRef(reference.finalize().into()))
    }

    /// What opens the leaf that says that `count` records of the person with this id met an action.
    pub fn open(&mut self, id: &Value, count: u64) -> Result<Opening, LeafError> {
        let mut bytes = self.encode(id)?.to_vec();
        bytes.extend_from_slice(&self.buffer);
        bytes.extend_from_slice(&count.to_be_bytes());
        Opening::parse(&bytes).map_err(LeafError::Opening)
    }

    /// Puts the person into the buffer and returns the salt.
    fn encode(&mut self, id: &Value) -> Result<[u8; 32], LeafError> {
        self.buffer.truncate(self.shared_length);
        put_value(&mut self.buffer, id)?;
        let mut salt = self.salt.clone();
        salt.update(&self.buffer);
        Ok(salt.finalize().into_bytes().into())
    }
}

/// The leaf that says how many records of one person met `action` in `target`.
///
/// After the removal nobody knows the record keys any more; this leaf opens with the person's id.
pub fn subject_leaf(action: Action, target: u16, subject: &SubjectRef, count: u64) -> Leaf {
    let head = Head {
        kind: Kind::Subject,
        action,
        target,
    }
    .to_bytes();
    let commitment = Sha256::new_with_prefix(SUBJECT_LEAF_TAG)
        .chain_update(head)
        .chain_update(subject.as_bytes())
        .chain_update(count.to_be_bytes())
        .finalize();
    Leaf::new(head, commitment.into())
}

/// The columns in the order of their names' bytes, which no store and no locale can change.
fn sorted_columns(columns: &[&str]) -> Result<Vec<Column>, LeafError> {
    let mut named: Vec<(usize, &str)> = columns.iter().copied().enumerate().collect();
    named.sort_unstable_by_key(|(_, name)| *name);
    if let Some(twice) = named.windows(2).find(|pair| pair[0].1 == pair[1].1) {
        return Err(LeafError::ColumnTwice(twice[0].1.to_owned()));
    }
    named
        .into_iter()
        .map(|(position, column)| {
            let mut name = Vec::with_capacity(column.len() + HEAD_LENGTH);
            put_bytes(&mut name, column.as_bytes())?;
            Ok(Column { name, position })
        })
        .collect()
}

/// Appends a length in 32 bits, big-endian, and the bytes.
fn put_bytes(buffer: &mut Vec<u8>, bytes: &[u8]) -> Result<(), LeafError> {
    let length = u32::try_from(bytes.len()).map_err(|_| LeafError::TooLong)?;
    buffer.extend_from_slice(&length.to_be_bytes());
    buffer.extend_from_slice(bytes);
    Ok(())
}

/// Appends a value: its type, its length, its bytes exactly as the store gave them.
fn put_value(buffer: &mut Vec<u8>, value: &Value) -> Result<(), LeafError> {
    let mut digits = [0; INTEGER_LENGTH];
    let (kind, bytes): (u8, &[u8]) = match value {
        Value::Null => (0x00, &[]),
        Value::Bool(false) => (0x01, &[0]),
        Value::Bool(true) => (0x01, &[1]),
        Value::Int(number) => (0x02, decimal(*number, &mut digits)),
        Value::Text(text) => (0x03, text.as_bytes()),
        Value::Bytes(bytes) => (0x04, bytes),
        Value::Uuid(bytes) => (0x05, bytes),
        Value::Instant(micros) => (0x06, decimal(*micros, &mut digits)),
        Value::Local(text) => (0x07, text.as_bytes()),
        Value::Decimal(text) => (0x08, text.as_bytes()),
    };
    buffer.push(kind);
    put_bytes(buffer, bytes)
}

/// Writes `number` in decimal digits to the end of `digits`, without allocating.
fn decimal(number: i64, digits: &mut [u8; INTEGER_LENGTH]) -> &[u8] {
    let mut rest = number.unsigned_abs();
    let mut start = INTEGER_LENGTH;
    loop {
        start -= 1;
        // A remainder of ten is one digit, so nothing is cut off.
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        start -= 1;
        digits[start] = b'-';
    }
    &digits[start..]
}
