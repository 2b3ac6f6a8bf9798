//! PostgreSQL's values, from their binary form.

use sqlx::Column;
use sqlx::Row as _;
use sqlx::ValueRef;
use sqlx::postgres::PgRow;
use sqlx::postgres::PgValueRef;

use super::session::Row;
use crate::domain::value::Value;
use crate::store::error::StoreError;

/// Moments before 2000-01-01, PostgreSQL's epoch, in microseconds since 1970.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// Days between 1970-01-01 and 2000-01-01.
const EPOCH_DAYS: i32 = 10_957;

/// The values of a row, in the order of the select list.
pub(super) fn read(row: &PgRow, doing: &str) -> Result<Row, StoreError> {
    (0..row.columns().len())
        .map(|index| {
            let raw = row
                .try_get_raw(index)
                .map_err(|error| StoreError::from_driver(doing, &error))?;
            decode(&raw).ok_or_else(|| StoreError::Failed {
                doing: doing.to_owned(),
                meaning: "a value could not be read as its column's type",
                code: row.columns()[index].type_info().to_string(),
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
            Value::Instant(i64::from_be_bytes(bytes.try_into().ok()?).saturating_add(EPOCH_MICROS))
        }
        2950 => Value::Uuid(bytes.try_into().ok()?),
        _ => return None,
    })
}

/// A day as ISO text; what lies outside the calendar (infinity) as PostgreSQL calls it.
fn day(days: i32) -> String {
    let epoch = jiff::civil::date(1970, 1, 1);
    days.checked_add(EPOCH_DAYS)
        .and_then(|days| {
            epoch
                .checked_add(jiff::SignedDuration::from_hours(i64::from(days) * 24))
                .ok()
        })
        .map_or_else(|| outside(days < 0), |day| day.to_string())
}

/// A date and time as ISO text. A moment would end two days before the calendar does.
fn local_time(micros: i64) -> String {
    let epoch = jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0);
    micros
        .checked_add(EPOCH_MICROS)
        .and_then(|micros| {
            epoch
                .checked_add(jiff::SignedDuration::from_micros(micros))
                .ok()
        })
        .map_or_else(|| outside(micros < 0), |local| local.to_string())
}

fn outside(before: bool) -> String {
    if before {
        "-infinity".to_owned()
    } else {
        "infinity".to_owned()
    }
}
