//! From a column's value to the day on which a period starts.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::dialect::StartType;
use crate::domain::rule::StartingPoint;
use crate::domain::value::Value;

/// Returns the day of `zone` on which `value` lies.
pub(crate) fn day_of(value: &Value, start: &StartType, zone: &TimeZone) -> StartingPoint {
    if value.is_null() {
        return StartingPoint::Missing;
    }
    let day = match start {
        StartType::Date => date(value),
        StartType::Instant => instant(value).map(|moment| moment.to_zoned(zone.clone()).date()),
        StartType::LocalTime(written_in) => local(value)
            .and_then(|local| local.to_zoned(written_in.clone()).ok())
            .map(|moment| moment.with_time_zone(zone.clone()).date()),
        StartType::UnixSeconds => match value {
            Value::Int(seconds) => Timestamp::from_second(*seconds)
                .ok()
                .map(|moment| moment.to_zoned(zone.clone()).date()),
            _ => None,
        },
    };
    day.map_or(StartingPoint::Unreadable, StartingPoint::On)
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) | Value::Local(text) => Some(text),
        _ => None,
    }
}

/// Exactly a day, `2024-02-29`, and nothing after it.
fn date(value: &Value) -> Option<Date> {
    let text = text(value)?;
    if text.len() != 10 {
        return None;
    }
    text.parse().ok()
}

/// A day and a time, with a blank or a `T` between.
fn local(value: &Value) -> Option<DateTime> {
    let text = text(value)?;
    if text.len() < 19 {
        return None;
    }
    text.get(..19)?.replace(' ', "T").parse().ok()
}

fn instant(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Instant(micros) => Timestamp::from_microsecond(*micros).ok(),
        // SQLite keeps moments as text in UTC.
        Value::Text(_) | Value::Local(_) => local(value)?
            .to_zoned(TimeZone::UTC)
            .ok()
            .map(|moment| moment.timestamp()),
        _ => None,
    }
}
