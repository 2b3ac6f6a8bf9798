//! Times and named numbers, as a certificate writes them.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Numbers by name, in the order of the names. A name that stands there twice does not load.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Numbers(BTreeMap<String, u64>);

impl Numbers {
    /// The names and their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, number)| (name.as_str(), *number))
    }

    /// The sum of all numbers, or `None` beyond 64 bits.
    pub fn total(&self) -> Option<u64> {
        self.0
            .values()
            .try_fold(0_u64, |sum, number| sum.checked_add(*number))
    }
}

impl FromIterator<(String, u64)> for Numbers {
    /// Numbers of the same name are added up.
    fn from_iter<I: IntoIterator<Item = (String, u64)>>(numbers: I) -> Self {
        let mut sums = BTreeMap::new();
        for (name, number) in numbers {
            *sums.entry(name).or_default() += number;
        }
        Self(sums)
    }
}

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(NumbersVisitor)
    }
}

struct NumbersVisitor;

impl<'de> Visitor<'de> for NumbersVisitor {
    type Value = Numbers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("numbers by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Numbers, A::Error> {
        let mut numbers = BTreeMap::new();
        while let Some((name, number)) = access.next_entry::<String, u64>()? {
            if numbers.contains_key(&name) {
                return Err(A::Error::custom(format_args!(
                    "`{name}` stands there twice"
                )));
            }
            numbers.insert(name, number);
        }
        Ok(Numbers(numbers))
    }
}

/// RFC 3339 in UTC, to the second or the microsecond, and in one way only.
pub(crate) mod utc {
    use jiff::Timestamp;
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        time: &Timestamp,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let micros = to_micros(*time).map_err(S::Error::custom)?;
        serializer.collect_str(&micros)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time: Timestamp = text.parse().map_err(D::Error::custom)?;
        let micros = to_micros(time).map_err(D::Error::custom)?;
        if micros.to_string() != text {
            return Err(D::Error::custom(format_args!(
                "the time `{text}` is not in UTC, in RFC 3339, to the microsecond"
            )));
        }
        Ok(micros)
    }

    fn to_micros(time: Timestamp) -> Result<Timestamp, jiff::Error> {
        Timestamp::from_microsecond(time.as_microsecond())
    }
}
