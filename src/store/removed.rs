//! The keys of what a run has removed, as long as the process lives: with them the store can be asked
//! again for just these rows.
//!
//! They are never written anywhere. After a crash nobody has them, and every present row is looked at.

use std::collections::BTreeMap;
use std::fmt;

use kigen_evidence::value::Value;

/// The most bytes that the keys take, of one worker's batches and of one job: about 3 million integers.
const MOST_BYTES: usize = 12 * 1024 * 1024;

/// The keys that one job has removed, by table. Where they become too many, it holds none.
///
/// May be personal data: its `Debug` shows nothing, and it cannot be serialized.
#[derive(Clone, Default)]
pub struct RemovedKeys {
    by_table: BTreeMap<RemovedTable, Vec<PackedKeys>>,
    bytes: usize,
    is_too_much: bool,
}

/// Which table of the job keys are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) enum RemovedTable {
    /// The cluster's own.
    Own,
    /// That of a reference whose rows go with the record, by its index among these.
    GoesWith(usize),
}

/// Some keys of one table, packed: a key of an integer takes as many bytes as the integer needs.
#[derive(Clone, Default)]
pub(in crate::store) struct PackedKeys {
    keys: u64,
    bytes: Vec<u8>,
}

impl fmt::Debug for RemovedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted keys>")
    }
}

impl RemovedKeys {
    /// How many keys it holds.
    pub fn all(&self) -> u64 {
        self.by_table.values().flatten().map(|part| part.keys).sum()
    }

    /// The tables of which it holds keys.
    pub(in crate::store) fn tables(&self) -> impl Iterator<Item = (RemovedTable, &[PackedKeys])> {
        let tables = self.by_table.iter();
        tables.map(|(table, parts)| (*table, parts.as_slice()))
    }

    /// Adds the keys of one batch, `width` columns each, one behind the other.
    pub(in crate::store) fn add<'v>(
        &mut self,
        table: RemovedTable,
        keys: impl Iterator<Item = &'v [Value]>,
    ) {
        if self.is_too_much {
            return;
        }
        let mut packed = PackedKeys::default();
        for key in keys {
            packed.push(key);
        }
        if packed.keys > 0 {
            packed.bytes.shrink_to_fit();
            self.take(table, packed);
        }
    }

    /// Adds what another batch or worker has removed.
    pub(crate) fn merge(&mut self, other: Self) {
        if other.is_too_much {
            self.give_up();
        }
        for (table, parts) in other.by_table {
            for part in parts {
                self.take(table, part);
            }
        }
    }

    fn take(&mut self, table: RemovedTable, packed: PackedKeys) {
        if self.is_too_much {
            return;
        }
        self.bytes += packed.bytes.len() + size_of::<PackedKeys>();
        if self.bytes > MOST_BYTES {
            self.give_up();
            return;
        }
        self.by_table.entry(table).or_default().push(packed);
    }

    fn give_up(&mut self) {
        *self = Self {
            is_too_much: true,
            ..Self::default()
        };
    }
}

/// What the first byte of a packed value says.
mod tag {
    pub(super) const NULL: u8 = 0;
    pub(super) const FALSE: u8 = 1;
    pub(super) const TRUE: u8 = 2;
    pub(super) const INT: u8 = 3;
    pub(super) const TEXT: u8 = 4;
    pub(super) const BYTES: u8 = 5;
    pub(super) const UUID: u8 = 6;
    pub(super) const INSTANT: u8 = 7;
    pub(super) const LOCAL: u8 = 8;
    pub(super) const DECIMAL: u8 = 9;
}

impl PackedKeys {
    /// How many keys they are.
    pub(in crate::store) fn keys(&self) -> u64 {
        self.keys
    }

    fn push(&mut self, key: &[Value]) {
        self.keys += 1;
        for value in key {
            match value {
                Value::Null => self.bytes.push(tag::NULL),
                Value::Bool(false) => self.bytes.push(tag::FALSE),
                Value::Bool(true) => self.bytes.push(tag::TRUE),
                Value::Int(number) => self.number(tag::INT, *number),
                Value::Instant(micros) => self.number(tag::INSTANT, *micros),
                Value::Text(text) => self.text(tag::TEXT, text.as_bytes()),
                Value::Local(text) => self.text(tag::LOCAL, text.as_bytes()),
                Value::Decimal(text) => self.text(tag::DECIMAL, text.as_bytes()),
                Value::Bytes(bytes) => self.text(tag::BYTES, bytes),
                Value::Uuid(bytes) => {
                    self.bytes.push(tag::UUID);
                    self.bytes.extend_from_slice(bytes);
                }
            }
        }
    }

    /// Small numbers of either sign take few bytes.
    fn number(&mut self, tag: u8, number: i64) {
        self.bytes.push(tag);
        self.length((number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned());
    }

    fn text(&mut self, tag: u8, bytes: &[u8]) {
        self.bytes.push(tag);
        self.length(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    /// Seven bits in each byte, the lowest first.
    fn length(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.bytes.push(number.to_le_bytes()[0]);
    }

    /// The keys, of `width` columns each.
    pub(in crate::store) fn unpack(&self, width: usize) -> Vec<Vec<Value>> {
        let mut from = Unpacking(&self.bytes);
        let keys = (0..self.keys).map_while(|_| {
            let key = (0..width).map_while(|_| from.value()).collect::<Vec<_>>();
            (key.len() == width).then_some(key)
        });
        keys.collect()
    }
}

/// The bytes that are still to be read.
struct Unpacking<'a>(&'a [u8]);

impl Unpacking<'_> {
    fn value(&mut self) -> Option<Value> {
        Some(match self.byte()? {
            tag::NULL => Value::Null,
            tag::FALSE => Value::Bool(false),
            tag::TRUE => Value::Bool(true),
            tag::INT => Value::Int(self.number()?),
            tag::INSTANT => Value::Instant(self.number()?),
            tag::TEXT => Value::Text(self.text()?),
            tag::LOCAL => Value::Local(self.text()?),
            tag::DECIMAL => Value::Decimal(self.text()?),
            tag::BYTES => Value::Bytes(self.sized()?.to_vec()),
            tag::UUID => Value::Uuid(self.bytes(16)?.try_into().ok()?),
            _ => return None,
        })
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn bytes(&mut self, length: usize) -> Option<&[u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn sized(&mut self) -> Option<&[u8]> {
        let length = usize::try_from(self.length()?).ok()?;
        self.bytes(length)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.sized()?.to_vec()).ok()
    }

    fn number(&mut self) -> Option<i64> {
        let number = self.length()?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn length(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            any::<i64>().prop_map(Value::Instant),
            any::<String>().prop_map(Value::Text),
            any::<String>().prop_map(Value::Local),
            any::<String>().prop_map(Value::Decimal),
            any::<Vec<u8>>().prop_map(Value::Bytes),
            any::<[u8; 16]>().prop_map(Value::Uuid),
        ]
    }

    proptest! {
        #[test]
        fn keys_come_out_as_they_went_in(
            keys in prop::collection::vec(prop::collection::vec(value(), 3), 1..20)
        ) {
            let mut removed = RemovedKeys::default();
            removed.add(RemovedTable::Own, keys.iter().map(Vec::as_slice));
            let (table, parts) = removed.tables().next().unwrap();
            prop_assert_eq!(table, RemovedTable::Own);
            prop_assert_eq!(parts[0].unpack(3), keys);
        }
    }

    #[test]
    fn too_many_keys_are_none() {
        let long = vec![Value::Text("x".repeat(1024 * 1024))];
        let mut removed = RemovedKeys::default();
        for _ in 0..11 {
            removed.add(RemovedTable::GoesWith(0), [long.as_slice()].into_iter());
        }
        assert_eq!(removed.all(), 11);
        let mut others = RemovedKeys::default();
        others.merge(removed.clone());
        others.merge(removed);
        assert_eq!((others.all(), others.bytes), (0, 0));
        others.add(RemovedTable::Own, [long.as_slice()].into_iter());
        assert_eq!(others.all(), 0);
        assert_eq!(format!("{others:?}"), "<redacted keys>");
    }
}
