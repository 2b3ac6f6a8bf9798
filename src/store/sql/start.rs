//! From a column's value to the day on which a period starts.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::civil::DateTime;
use jiff::civil::Time;
use jiff::tz::TimeZone;

use super::dialect::StartType;
use crate::domain::rule::StartingPoint;
use crate::domain::value::Value;

/// Length of `2024-02-29`.
const DAY_LENGTH: usize = 10;

/// Length of `2024-02-29 12:00:00`.
const TIME_LENGTH: usize = 19;

/// The first day that a period may start on. Databases disagree about the days before, and a few
/// hours are left for time zones.
pub(crate) const FIRST_DAY: Date = Date::constant(1, 1, 2);

/// The first day after the last that a period may start on.
pub(crate) const AFTER_LAST_DAY: Date = Date::constant(9999, 12, 29);

/// Returns the first moment of `day` in `zone`.
///
/// The calendar's days all have one; a day beyond them begins with it.
pub(crate) fn start_of(day: Date, zone: &TimeZone) -> Timestamp {
    let day = day.clamp(FIRST_DAY, AFTER_LAST_DAY);
    day.to_zoned(zone.clone())
        .map_or(Timestamp::MIN, |moment| moment.timestamp())
}

/// Returns what clocks in `written_in` show at the first moment of `day` in `zone`.
pub(crate) fn local_start_of(day: Date, zone: &TimeZone, written_in: &TimeZone) -> DateTime {
    if zone == written_in {
        return day.to_datetime(Time::midnight());
    }
    start_of(day, zone).to_zoned(written_in.clone()).datetime()
}

/// Returns the day of `zone` on which `value` lies.
pub(crate) fn day_of(value: &Value, start: &StartType, zone: &TimeZone) -> StartingPoint {
    if value.is_null() {
        return StartingPoint::Missing;
    }
    let day = match start {
        StartType::Date => date(value),
        StartType::Instant => instant(value).map(|moment| moment.to_zoned(zone.clone()).date()),
        StartType::LocalTime(written_in) => {
            local(value).and_then(|local| day_of_local(local, zone, written_in))
        }
        StartType::UnixSeconds => match value {
            Value::Int(seconds) => Timestamp::from_second(*seconds)
                .ok()
                .map(|moment| moment.to_zoned(zone.clone()).date()),
            _ => None,
        },
    };
    day.filter(|day| (FIRST_DAY..AFTER_LAST_DAY).contains(day))
        .map_or(StartingPoint::Unreadable, StartingPoint::On)
}

/// The day of `zone` that begins last among those that begin before or at `local`.
///
/// Statements compare what clocks show, and so does this: in the nights when summer time begins or
/// ends that is not always the order of the moments.
fn day_of_local(local: DateTime, zone: &TimeZone, written_in: &TimeZone) -> Option<Date> {
    if zone == written_in {
        return Some(local.date());
    }
    let moment = local.to_zoned(written_in.clone()).ok()?;
    let day = moment.with_time_zone(zone.clone()).date();
    if local < local_start_of(day, zone, written_in) {
        return day.yesterday().ok();
    }
    let next = day.tomorrow().ok()?;
    if local_start_of(next, zone, written_in) <= local {
        return Some(next);
    }
    Some(day)
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
    let day: Date = text.get(..DAY_LENGTH)?.parse().ok()?;
    // The parser knows more ways to write a day; SQLite's functions know this one.
    (day.to_string() == text).then_some(day)
}

/// A day and a time, with a blank or a `T` between; perhaps with a fraction and the sign of UTC.
///
/// What follows the seconds is read as leniently as SQLite reads it.
fn local(value: &Value) -> Option<DateTime> {
    let text = text(value)?;
    let (time, rest) = text.split_at_checked(TIME_LENGTH)?;
    let rest = rest.split('\0').next().unwrap_or_default();
    let sign = match rest.strip_prefix('.') {
        Some(fraction) if fraction.starts_with(|digit: char| digit.is_ascii_digit()) => {
            fraction.trim_start_matches(|digit: char| digit.is_ascii_digit())
        }
        Some(_) | None => rest,
    };
    if !matches!(sign.trim(), "" | "Z" | "z" | "+00:00" | "-00:00") {
        return None;
    }
    let normal = time.replacen(' ', "T", 1);
    let local: DateTime = normal.parse().ok()?;
    (local.to_string() == normal).then_some(local)
}

fn instant(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Instant(micros) => Timestamp::from_microsecond(*micros).ok(),
        // SQLite keeps moments as text in UTC.
        Value::Text(_) | Value::Local(_) => TimeZone::UTC.to_timestamp(local(value)?).ok(),
        _ => None,
    }
}
