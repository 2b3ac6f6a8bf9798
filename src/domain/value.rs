//! A column's value as a store holds it.

use std::fmt;

/// One column's value, typed as the evidence encodes it (`kigen:leaf:v1`).
///
/// May be personal data: its `Debug` is redacted, and it has neither `Display` nor `Serialize`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Value {
    Null,
    Bool(bool),
    /// Any integer column.
    Int(i64),
    /// Text exactly as stored: no normalization, no case folding, no trimming.
    Text(String),
    Bytes(Vec<u8>),
    /// 16 bytes, network order.
    Uuid([u8; 16]),
    /// A moment: microseconds since 1970-01-01T00:00:00Z.
    Instant(i64),
    /// A date or a date and time without a zone, as ISO 8601 text.
    Local(String),
    /// A decimal number as the database writes it, scale kept.
    Decimal(String),
}

impl Value {
    /// Whether the column held nothing.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text that the store itself would cast to this value, or `None` for null.
    ///
    /// For binding to a statement and for transformations; never for output.
    pub fn store_text(&self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Bool(value) => Some(value.to_string()),
            Self::Int(value) => Some(value.to_string()),
            Self::Text(text) | Self::Local(text) | Self::Decimal(text) => Some(text.clone()),
            Self::Bytes(bytes) => Some(format!("\\x{}", hex::encode(bytes))),
            Self::Uuid(bytes) => Some(uuid::Uuid::from_bytes(*bytes).to_string()),
            Self::Instant(micros) => jiff::Timestamp::from_microsecond(*micros)
                .ok()
                .map(|instant| instant.to_string()),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// The key of one record: the values of the cluster's key columns, in the job's order.
///
/// May be personal data, so it cannot be printed or serialized.
///
/// ```compile_fail
/// let key = kigen::domain::value::RecordKey::new(vec![]);
/// println!("{key}");
/// ```
///
/// ```
/// let key = kigen::domain::value::RecordKey::new(vec![]);
/// assert_eq!(format!("{key:?}"), "<redacted key>");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordKey(Vec<Value>);

impl RecordKey {
    /// Makes a key of its column values, in the job's order.
    pub fn new(values: Vec<Value>) -> Self {
        Self(values)
    }

    /// The column values, in the job's order.
    pub fn values(&self) -> &[Value] {
        &self.0
    }
}

impl fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted key>")
    }
}
