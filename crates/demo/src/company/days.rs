//! Days and moments of generated rows, counted from the day of the demonstration.

use jiff::Span;
use jiff::civil::Date;

use super::random::Random;

/// How far the company's records go back, in days: 14 years.
pub(super) const HISTORY_DAYS: u32 = 14 * 365;

/// How many days to either side of a rule's border the rows placed there lie.
const BORDER_DAYS: i32 = 2;

const DAY_SECONDS: u32 = 24 * 60 * 60;

/// Japan is nine hours ahead of UTC all year.
const JAPAN_OFFSET_SECONDS: u32 = 9 * 60 * 60;

/// Returns the day `days` before `day` (after it, if negative), held within the calendar.
pub(super) fn days_before(day: Date, days: i32) -> Date {
    day.saturating_sub(Span::new().days(days))
}

/// Returns how many days lie between two days; negative if `to` is the earlier one.
pub(super) fn days_between(from: Date, to: Date) -> i32 {
    (to - from).get_days()
}

/// Draws a starting point whose period of `months` ends around `as_of`: some are due on that day,
/// some are kept for the last time, some are days away on either side.
pub(super) fn near_border(random: &mut Random, as_of: Date, months: i32) -> Date {
    // A period that is due on `as_of` for the first time started the day before its corresponding
    // day.
    let first_due = as_of.saturating_sub(Span::new().months(months).days(1));
    days_before(first_due, random.between(-BORDER_DAYS, BORDER_DAYS))
}

/// A moment on `day` in Japan, drawn by the second, as ISO 8601 text in UTC.
pub(super) fn moment_on(random: &mut Random, day: Date) -> String {
    let second = random.below(DAY_SECONDS);
    moment(day, second)
}

/// The first or the last second of `day` in Japan: the two that a wrong time zone gets wrong.
pub(super) fn edge_of(random: &mut Random, day: Date) -> String {
    if random.happens(500) {
        return moment(day, 0);
    }
    moment(day, DAY_SECONDS - 1)
}

fn moment(day: Date, second_in_japan: u32) -> String {
    if second_in_japan >= JAPAN_OFFSET_SECONDS {
        return moment_text(day, second_in_japan - JAPAN_OFFSET_SECONDS);
    }
    let second = second_in_japan + DAY_SECONDS - JAPAN_OFFSET_SECONDS;
    moment_text(days_before(day, 1), second)
}

fn moment_text(day: Date, second: u32) -> String {
    let (hours, minutes, seconds) = (second / 3600, second / 60 % 60, second % 60);
    format!("{day}T{hours:02}:{minutes:02}:{seconds:02}Z")
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_day_in_japan_begins_at_three_in_the_afternoon_before() {
        assert_eq!(moment(date(2026, 3, 1), 0), "2026-02-28T15:00:00Z");
        assert_eq!(
            moment(date(2026, 3, 1), DAY_SECONDS - 1),
            "2026-03-01T14:59:59Z"
        );
    }
}
