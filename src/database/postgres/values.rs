//! PostgreSQL's values, from their binary form.

use kigen_evidence::value::{JULIAN_EPOCH, Value, julian};
use sqlx::postgres::{PgRow, PgValueRef};
use sqlx::{Column, Row as _, ValueRef};

use crate::database::error::{DatabaseError, Failure};
use crate::database::session::Row;

/// Moments before 2000-01-01, PostgreSQL's epoch, in microseconds since 1970.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// Days between 1970-01-01 and 2000-01-01.
const EPOCH_DAYS: i32 = 10_957;

/// The values of a row, in the order of the select list.
pub(super) fn read(row: &PgRow, doing: &str) -> Result<Row, DatabaseError> {
    (0..row.columns().len())
        .map(|index| {
            let raw = row
                .try_get_raw(index)
                .map_err(|error| DatabaseError::of_driver(doing, error))?;
            decode(&raw).ok_or_else(|| DatabaseError {
                code: row.columns()[index].type_info().to_string(),
                ..DatabaseError::new(doing, Failure::Unreadable)
            })
        })
        .collect()
}

/// Reads the binary form of the types that kigen treats by themselves (PostgreSQL's `pg_type`).
fn decode(raw: &PgValueRef<'_>) -> Option<Value> {
    if raw.is_null() {
        return Some(Value::Null);
    }
    let bytes = raw.as_bytes().ok()?;
    let oid = raw.type_info().oid()?.0;
    Some(match oid {
        16 => Value::Bool(*bytes.first()? != 0),
        17 => Value::Bytes(bytes.to_vec()),
        20 => Value::Int(i64::from_be_bytes(bytes.try_into().ok()?)),
        21 => Value::Int(i16::from_be_bytes(bytes.try_into().ok()?).into()),
        23 => Value::Int(i32::from_be_bytes(bytes.try_into().ok()?).into()),
        26 => Value::Int(u32::from_be_bytes(bytes.try_into().ok()?).into()),
        18 | 19 | 25 | 1042 | 1043 => Value::Text(std::str::from_utf8(bytes).ok()?.to_owned()),
        1082 => Value::Local(day(i32::from_be_bytes(bytes.try_into().ok()?))),
        1114 => Value::Local(local_time(i64::from_be_bytes(bytes.try_into().ok()?))),
        1184 => {
            let micros = i64::from_be_bytes(bytes.try_into().ok()?);
            // The infinities stay what they are.
            Value::Instant(match micros {
                i64::MIN => i64::MIN,
                micros => micros.saturating_add(EPOCH_MICROS),
            })
        }
        2950 => Value::Uuid(bytes.try_into().ok()?),
        _ => return None,
    })
}

/// A day as ISO text; infinity as PostgreSQL calls it, and what lies outside the years 1 to 9999 by its
/// Julian number: two days are never one text, and PostgreSQL reads each of them.
fn day(days: i32) -> String {
    if let Some(infinity) = infinity(days == i32::MAX, days == i32::MIN) {
        return infinity.to_owned();
    }
    let days = i64::from(days) + i64::from(EPOCH_DAYS);
    let epoch = jiff::civil::date(1970, 1, 1);
    let day = epoch.checked_add(jiff::SignedDuration::from_hours(days.saturating_mul(24)));
    match day {
        Ok(day) if day.year() > 0 => day.to_string(),
        Ok(_) | Err(_) => format!("J{}", days + JULIAN_EPOCH),
    }
}

/// A date and time as ISO text, or like [`day`].
fn local_time(micros: i64) -> String {
    if let Some(infinity) = infinity(micros == i64::MAX, micros == i64::MIN) {
        return infinity.to_owned();
    }
    let micros = micros.saturating_add(EPOCH_MICROS);
    // A moment would end two days before the calendar does.
    let epoch = jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0);
    match epoch.checked_add(jiff::SignedDuration::from_micros(micros)) {
        Ok(local) if local.year() > 0 => local.to_string(),
        Ok(_) | Err(_) => julian(micros),
    }
}

fn infinity(after: bool, before: bool) -> Option<&'static str> {
    match (after, before) {
        (true, _) => Some("infinity"),
        (_, true) => Some("-infinity"),
        (false, false) => None,
    }
}
