//! From a column's value to the day on which a period starts.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use kigen_evidence::value::Value;

use super::dialect::StartType;
use crate::domain::rule::StartingPoint;

/// Length of `2024-02-29`.
const DAY_LENGTH: usize = 10;

/// Length of `2024-02-29 12:00:00`.
const TIME_LENGTH: usize = 19;

/// The first day that databases and the rule agree about; a few hours are left for time zones.
pub(crate) const FIRST_DAY: Date = Date::constant(1, 1, 2);

/// The last day that has a first moment in every time zone.
const LAST_WHOLE_DAY: Date = Date::constant(9999, 12, 29);

/// 10000-01-01T00:00:00Z in seconds since 1970: what lies there or beyond is no day of the calendar.
pub(crate) const END_OF_CALENDAR: i64 = 253_402_300_800;

/// A starting point as statements read it.
pub(crate) struct StartColumn<'a> {
    pub expression: String,
    pub stored: StartType,
    /// Whose days count.
    pub zone: &'a TimeZone,
    /// The first day that is believed.
    pub earliest: Date,
}

impl StartColumn<'_> {
    /// The same, on which every day of the calendar is believed.
    pub(crate) fn of_any_day(&self) -> Self {
        Self {
            expression: self.expression.clone(),
            stored: self.stored.clone(),
            zone: self.zone,
            earliest: FIRST_DAY,
        }
    }
}

/// Returns the first moment of `day` in `zone`.
///
/// The calendar's days all have one; a day beyond them begins with it.
pub(crate) fn start_of(day: Date, zone: &TimeZone) -> Timestamp {
    let day = day.clamp(FIRST_DAY, LAST_WHOLE_DAY);
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

/// By how many seconds clocks in `zone` are ahead of UTC, without summer time.
pub(crate) fn offset_seconds(zone: &TimeZone) -> i32 {
    let winter = start_of(Date::constant(2020, 1, 1), zone);
    zone.to_offset(winter).seconds()
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
            written(value).and_then(|written| match written.offset {
                // The job says the zone of those times that do not say theirs.
                None => day_of_local(written.local, zone, written_in),
                Some(_) => Some(written.moment().to_zoned(zone.clone()).date()),
            })
        }
        StartType::UnixSeconds => match value {
            Value::Int(seconds) => within_calendar(*seconds, 1, Timestamp::from_second)
                .map(|moment| moment.to_zoned(zone.clone()).date()),
            _ => None,
        },
    };
    day.filter(|day| *day >= FIRST_DAY)
        .map_or(StartingPoint::Unreadable, StartingPoint::On)
}

/// The moment that is `count` units after 1970, of which a second has `in_a_second`.
///
/// The library's moments end a day before the calendar does: those last hours are read as its last
/// moment. "Until 9999-12-31" is a day in the future, not garbage.
fn within_calendar(
    count: i64,
    in_a_second: i64,
    moment: impl Fn(i64) -> Result<Timestamp, jiff::Error>,
) -> Option<Timestamp> {
    if count >= END_OF_CALENDAR * in_a_second {
        return None;
    }
    let last = Timestamp::MAX.as_second() * in_a_second;
    moment(count.min(last)).ok()
}

/// The day of `zone` that begins last among those that begin before or at `local`.
///
/// Statements compare what clocks show, and so does this: in the nights when summer time begins or
/// ends that is not always the order of the moments.
fn day_of_local(local: DateTime, zone: &TimeZone, written_in: &TimeZone) -> Option<Date> {
    if zone == written_in {
        return Some(local.date());
    }
    let Ok(moment) = local.to_zoned(written_in.clone()) else {
        // The last hours of the calendar.
        return Some(local.date());
    };
    let day = moment.with_time_zone(zone.clone()).date();
    if local < local_start_of(day, zone, written_in) {
        return day.yesterday().ok();
    }
    match day.tomorrow() {
        Ok(next) if next <= LAST_WHOLE_DAY && local_start_of(next, zone, written_in) <= local => {
            Some(next)
        }
        Ok(_) | Err(_) => Some(day),
    }
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

/// A day and a time, as a text holds them.
struct Written {
    local: DateTime,
    /// How far the clock that shows it is ahead of UTC, if the text says so.
    offset: Option<Offset>,
}

impl Written {
    /// The moment; UTC's where the text does not say whose. In the last hours of the calendar, which
    /// the library's moments do not reach, its last one.
    fn moment(&self) -> Timestamp {
        let offset = self.offset.unwrap_or(Offset::UTC);
        offset.to_timestamp(self.local).unwrap_or(Timestamp::MAX)
    }
}

/// A day and a time, with a blank or a `T` between; perhaps with a fraction, and with an offset.
///
/// Where SQLite's functions end a text, it ends here.
fn written(value: &Value) -> Option<Written> {
    let text = text(value)?;
    let (time, rest) = text.split_at_checked(TIME_LENGTH)?;
    let rest = rest.split('\0').next().unwrap_or_default();
    let sign = match rest.strip_prefix('.') {
        Some(fraction) if fraction.starts_with(|digit: char| digit.is_ascii_digit()) => {
            fraction.trim_start_matches(|digit: char| digit.is_ascii_digit())
        }
        Some(_) | None => rest,
    };
    let offset = match sign {
        "" => None,
        "Z" | "z" => Some(Offset::UTC),
        sign => Some(offset(sign)?),
    };
    let normal = time.replacen(' ', "T", 1);
    let local: DateTime = normal.parse().ok()?;
    (local.to_string() == normal).then_some(Written { local, offset })
}

/// `+09:00`, of at most 14 hours and 59 minutes, as SQLite reads it.
fn offset(sign: &str) -> Option<Offset> {
    let (direction, digits) = sign.split_at_checked(1)?;
    let (hours, minutes) = digits.split_once(':')?;
    let number = |digits: &str, most: i32| {
        let two = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
        let number: i32 = digits.parse().ok().filter(|_| two)?;
        (number <= most).then_some(number)
    };
    let seconds = (number(hours, 14)? * 60 + number(minutes, 59)?) * 60;
    match direction {
        "+" => Offset::from_seconds(seconds).ok(),
        "-" => Offset::from_seconds(-seconds).ok(),
        _ => None,
    }
}

fn instant(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Instant(micros) => within_calendar(*micros, 1_000_000, Timestamp::from_microsecond),
        // SQLite keeps moments as text, in UTC where it does not say otherwise.
        Value::Text(_) | Value::Local(_) => written(value).map(|written| written.moment()),
        _ => None,
    }
}
