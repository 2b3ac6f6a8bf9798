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
            Self::Instant(micros) => Some(instant_text(*micros)),
        }
    }
}

/// A moment as ISO text; the infinities, and what lies outside the years 1 to 9999, as PostgreSQL reads
/// them: two moments are never one text.
fn instant_text(micros: i64) -> String {
    match micros {
        i64::MAX => return "infinity".to_owned(),
        i64::MIN => return "-infinity".to_owned(),
        _ => {}
    }
    let instant = jiff::Timestamp::from_microsecond(micros);
    match instant {
        Ok(instant) if instant.to_zoned(jiff::tz::TimeZone::UTC).year() > 0 => instant.to_string(),
        Ok(_) | Err(_) => format!("{}+00", julian(micros)),
    }
}

/// The Julian number of 1970-01-01.
pub const JULIAN_EPOCH: i64 = 2_440_588;

const DAY_MICROS: i64 = 86_400_000_000;

/// Microseconds since 1970 as a Julian day and a time of it.
pub fn julian(micros: i64) -> String {
    let day = micros.div_euclid(DAY_MICROS) + JULIAN_EPOCH;
    let of_day = micros.rem_euclid(DAY_MICROS);
    let (seconds, fraction) = (of_day / 1_000_000, of_day % 1_000_000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("J{day} {hours:02}:{minutes:02}:{seconds:02}.{fraction:06}")
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
/// let key = kigen_evidence::value::RecordKey::new(vec![]);
/// println!("{key}");
/// ```
///
/// ```
/// let key = kigen_evidence::value::RecordKey::new(vec![]);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_outside_the_calendar_are_told_apart() {
        let text = |micros| Value::Instant(micros).store_text().unwrap();
        assert_eq!(text(0), "1970-01-01T00:00:00Z");
        assert_eq!(text(i64::MAX), "infinity");
        assert_eq!(text(i64::MIN), "-infinity");
        // 10000-12-31 and the moment before it, 4714-11-24 BC.
        let late = 253_433_836_800_000_000;
        assert_eq!(text(late), "J5373850 00:00:00.000000+00");
        assert_eq!(text(late - 1), "J5373849 23:59:59.999999+00");
        assert_eq!(text(-JULIAN_EPOCH * DAY_MICROS), "J0 00:00:00.000000+00");
    }
}
