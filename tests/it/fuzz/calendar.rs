//! The calendar of the oracle, written without kigen's: the Civil Code, arts. 139 to 143, first day not
//! counted.

use jiff::ToSpan;
use jiff::civil::{Date, date};

/// A period as the oracle counts it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Period {
    /// As the job writes it.
    pub(super) text: &'static str,
    months: i32,
    days: i32,
}

/// From short to long.
pub(super) const PERIODS: [Period; 6] = [
    Period::of("P30D", 0, 30),
    Period::of("P1M", 1, 0),
    Period::of("P90D", 0, 90),
    Period::of("P6M", 6, 0),
    Period::of("P1Y", 12, 0),
    Period::of("P3Y", 36, 0),
];

impl Period {
    const fn of(text: &'static str, months: i32, days: i32) -> Self {
        Self { text, months, days }
    }

    /// The last day on which a record that starts on `start` is kept.
    pub(super) fn last_day(self, start: Date) -> Date {
        if self.months == 0 {
            return start + self.days.days();
        }
        // Counted from the next day on, up to the day before the corresponding one.
        let first = start + 1.day();
        let months = i32::from(first.year()) * 12 + i32::from(first.month()) - 1 + self.months;
        let year = i16::try_from(months.div_euclid(12)).unwrap();
        let month = i8::try_from(months.rem_euclid(12)).unwrap() + 1;
        let begins = date(year, month, 1);
        if first.day() > begins.days_in_month() {
            return begins.last_of_month();
        }
        begins.with().day(first.day()).build().unwrap() - 1.day()
    }

    /// A start whose record is due for the first time on `day`, or a day or so beside it.
    pub(super) fn start_for(self, day: Date) -> Date {
        let mut start = day - self.months.months() - self.days.days();
        for _ in 0..5 {
            if self.last_day(start) < day {
                return start;
            }
            start -= 1.day();
        }
        start
    }
}
