//! Rows as the types that a caller expects.

use jiff::Timestamp;
use kigen_evidence::value::Value;

use super::session::Row;

/// What a value of a row can be read as.
pub trait FromValue: Sized {
    /// `None` if the value is something else.
    fn from_value(value: Value) -> Option<Self>;
}

/// What a whole row can be read as.
pub trait FromRow: Sized {
    /// `None` if the row has other values.
    fn from_row(row: Row) -> Option<Self>;
}

impl FromValue for i64 {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Int(value) => Some(value),
            _ => None,
        }
    }
}

/// An engine without truth values has numbers in their place.
impl FromValue for bool {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Bool(value) => Some(value),
            Value::Int(value) => Some(value != 0),
            _ => None,
        }
    }
}

impl FromValue for String {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

/// An engine without moments has ISO 8601 texts in their place.
impl FromValue for Timestamp {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Instant(micros) => Self::from_microsecond(micros).ok(),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value) -> Option<Self> {
        if value.is_null() {
            return Some(None);
        }
        T::from_value(value).map(Some)
    }
}

macro_rules! tuples {
    ($(($($column:ident),+))+) => {
        $(impl<$($column: FromValue),+> FromRow for ($($column,)+) {
            fn from_row(row: Row) -> Option<Self> {
                let mut values = row.into_iter();
                let read = ($($column::from_value(values.next()?)?,)+);
                values.next().is_none().then_some(read)
            }
        })+
    };
}

tuples! {
    (A)
    (A, B)
    (A, B, C)
    (A, B, C, D)
    (A, B, C, D, E)
    (A, B, C, D, E, F)
    (A, B, C, D, E, F, G)
    (A, B, C, D, E, F, G, H)
    (A, B, C, D, E, F, G, H, I)
}
