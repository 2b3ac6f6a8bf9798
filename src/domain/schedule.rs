//! When a job runs under `kigen daemon`: a cron expression, read on the wall clock of a time zone.

use std::str::FromStr;

use chrono::DateTime;
use cron::TimeUnitSpec;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// When a job runs: a cron expression on the wall clock of a time zone.
///
/// A time of day that summer time skips counts at the moment of the jump. One that comes twice
/// counts the first time only, unless the expression says `*` for the hour: every hour is every
/// hour.
#[derive(Clone, Debug)]
pub struct Schedule {
    cron: cron::Schedule,
    zone: TimeZone,
}

/// An expression that is not a schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    #[error("`{expression}` has no field for seconds")]
    NoSeconds { expression: String },
    #[error("`{expression}` is not a cron expression with seconds")]
    NotCron { expression: String },
    /// Programs count weekdays from 0 or 1, and from Sunday or Monday.
    #[error("`{expression}` gives a day of the week by number")]
    WeekdayByNumber { expression: String },
    #[error("`{expression}` never comes")]
    Never { expression: String },
}

impl ScheduleError {
    /// What can be done about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoSeconds { expression } => format!("write `0 {expression}`"),
            Self::NotCron { .. } => "second minute hour day-of-month month day-of-week: \
                `0 30 2 * * *` is 02:30 every night"
                .to_owned(),
            Self::WeekdayByNumber { .. } => "name it: `MON`, `SUN`, `MON-FRI`".to_owned(),
            Self::Never { .. } => "no month it names has such a day".to_owned(),
        }
    }
}

impl Schedule {
    /// Reads a cron expression of six fields (second, minute, hour, day of month, month, day of
    /// week; all must fit), a seventh for the year, or `@hourly` … `@yearly`.
    pub fn parse(expression: &str, zone: TimeZone) -> Result<Self, ScheduleError> {
        let expression = expression.trim();
        check_fields(expression)?;
        let named = || expression.to_owned();
        let cron = cron::Schedule::from_str(expression).map_err(|_| ScheduleError::NotCron {
            expression: named(),
        })?;
        let schedule = Self { cron, zone };
        // The crate knows the years from 1970 on.
        if schedule.wall_after(0).is_none() {
            return Err(ScheduleError::Never {
                expression: named(),
            });
        }
        Ok(schedule)
    }

    /// The first fire after the moment `after`, never `after` itself. `None`: there is no further
    /// one, because the expression names its years (or 2100 is over).
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let mut now = after;
        let mut wall = wall_second(now, &self.zone);
        // One turn per stretch of time in which the zone's offset stays the same.
        loop {
            let offset = i64::from(self.zone.to_offset(now).seconds());
            let candidate = self.wall_after(wall.max(self.seen_before(now)))?;
            let fire = Timestamp::from_second(candidate - offset).ok()?;
            let Some(change) = self.zone.following(now).next() else {
                return Some(fire);
            };
            if fire < change.timestamp() {
                return Some(fire);
            }
            let wall_after_change =
                change.timestamp().as_second() + i64::from(change.offset().seconds());
            if candidate < wall_after_change {
                return Some(change.timestamp());
            }
            now = change.timestamp();
            wall = wall_after_change - 1;
        }
    }

    /// The first wall-clock second after `wall` that fits the expression. Wall-clock seconds are
    /// those since 1970-01-01T00:00:00 on the wall clock.
    fn wall_after(&self, wall: i64) -> Option<i64> {
        // For chrono the wall clock is one in UTC: a clock without jumps.
        let wall = DateTime::from_timestamp(wall, 0)?;
        let next = self.cron.after(&wall).next()?;
        Some(next.timestamp())
    }

    /// Up to which wall-clock second everything was already there before the zone's last change:
    /// when the clock is set back, a time of day comes a second time, and does not count again.
    fn seen_before(&self, now: Timestamp) -> i64 {
        if self.cron.hours().is_all() {
            return i64::MIN;
        }
        let second = SignedDuration::from_secs(1);
        let Ok(just_after) = now.checked_add(second) else {
            return i64::MIN;
        };
        let Some(change) = self.zone.preceding(just_after).next() else {
            return i64::MIN;
        };
        match change.timestamp().checked_sub(second) {
            Ok(last) => wall_second(last, &self.zone),
            Err(_) => i64::MIN,
        }
    }
}

fn wall_second(at: Timestamp, zone: &TimeZone) -> i64 {
    at.as_second() + i64::from(zone.to_offset(at).seconds())
}

/// Finds what the parser would refuse without a reason, or take for something else than was meant.
fn check_fields(expression: &str) -> Result<(), ScheduleError> {
    let fields: Vec<&str> = expression.split_whitespace().collect();
    let named = || expression.to_owned();
    if fields.len() == 5 {
        return Err(ScheduleError::NoSeconds {
            expression: named(),
        });
    }
    let by_number = |days: &str| {
        days.split(',')
            .any(|day| day.starts_with(|first: char| first.is_ascii_digit()))
    };
    if fields.get(5).is_some_and(|days| by_number(days)) {
        return Err(ScheduleError::WeekdayByNumber {
            expression: named(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
