//! Quarters: run keys of one quarter are wrapped by one key, and are lost with it.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use thiserror::Error;

use kigen_evidence::calendar::{FirstDay, Period};

/// A quarter of a calendar year (UTC), written `2026Q4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Quarter {
    year: i16,
    quarter: i8,
}

/// The text is no quarter.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no quarter such as `2026Q4`")]
pub struct NotAQuarter(String);

impl Quarter {
    /// The quarter of the calendar year in which `day` lies.
    pub fn of(day: Date) -> Self {
        Self {
            year: day.year(),
            quarter: (day.month() - 1) / 3 + 1,
        }
    }

    /// The quarter after this one.
    #[must_use]
    pub fn next(self) -> Self {
        if self.quarter == 4 {
            return Self {
                year: self.year + 1,
                quarter: 1,
            };
        }
        Self {
            quarter: self.quarter + 1,
            ..self
        }
    }

    /// The last day of the quarter; `None` outside the calendar.
    pub fn last_day(self) -> Option<Date> {
        let Self { year, quarter } = self.next();
        Date::new(year, (quarter - 1) * 3 + 1, 1)
            .ok()?
            .yesterday()
            .ok()
    }

    /// The last day on which evidence of this quarter can be opened, if it is kept for `keep` from
    /// the quarter's end (Civil Code, arts. 140 and 143); its key may be destroyed after that day.
    pub fn last_day_kept(self, keep: Period) -> Option<Date> {
        keep.last_day_kept(self.last_day()?, FirstDay::NotCounted)
    }

    /// The name of this quarter's key: `kek-2026q4`.
    pub fn key_id(self) -> String {
        format!("kek-{:04}q{}", self.year, self.quarter)
    }

    /// The quarter whose key has this name.
    pub fn from_key_id(id: &str) -> Option<Self> {
        let (year, quarter) = id.strip_prefix("kek-")?.split_once('q')?;
        let found = Self {
            year: year.parse().ok()?,
            quarter: quarter.parse().ok()?,
        };
        // One way of writing only.
        let is_quarter = (1..=4).contains(&found.quarter) && (0..=9998).contains(&found.year);
        (is_quarter && found.key_id() == id).then_some(found)
    }
}

impl fmt::Display for Quarter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}Q{}", self.year, self.quarter)
    }
}

impl FromStr for Quarter {
    type Err = NotAQuarter;

    fn from_str(text: &str) -> Result<Self, NotAQuarter> {
        let id = format!("kek-{}", text.to_ascii_lowercase());
        Self::from_key_id(&id).ok_or_else(|| NotAQuarter(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::{Date, date};
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::Quarter;

    #[test]
    fn quarters_are_those_of_the_calendar_year() {
        let ids = [
            (date(2026, 1, 1), "kek-2026q1"),
            (date(2026, 3, 31), "kek-2026q1"),
            (date(2026, 4, 1), "kek-2026q2"),
            (date(2026, 9, 30), "kek-2026q3"),
            (date(2026, 10, 1), "kek-2026q4"),
            (date(2026, 12, 31), "kek-2026q4"),
        ];
        for (day, id) in ids {
            assert_eq!(Quarter::of(day).key_id(), id);
        }
    }

    #[test]
    fn evidence_of_a_quarter_is_kept_by_the_civil_code_from_the_quarters_end() {
        let kept = |quarter: &str, keep: &str| -> Option<Date> {
            let quarter: Quarter = quarter.parse().unwrap();
            quarter.last_day_kept(keep.parse().unwrap())
        };
        assert_eq!(kept("2026Q4", "P5Y"), Some(date(2031, 12, 31)));
        assert_eq!(kept("2026q1", "P1M"), Some(date(2026, 4, 30)));
        // Counted from April 1, so to the day before the corresponding day.
        assert_eq!(kept("2027Q1", "P11M"), Some(date(2028, 2, 29)));
        assert_eq!(kept("2026Q2", "P0D"), Some(date(2026, 6, 30)));
        assert_eq!(kept("2026Q3", "P10D"), Some(date(2026, 10, 10)));
        assert_eq!(kept("9998Q4", "P5Y"), None);
    }

    #[test]
    fn only_one_way_of_writing_names_a_quarter() {
        for text in [
            "2026Q5", "2026Q0", "26Q4", "02026Q4", "2026", "Q4", "", "2026Q+4", "-026Q1",
        ] {
            assert!(text.parse::<Quarter>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_quarter_comes_back_from_its_names_and_ends_before_the_next(
            year in 0_i16..9998, month in 1_i8..=12, day in 1_i8..=28,
        ) {
            let day = date(year, month, day);
            let quarter = Quarter::of(day);
            prop_assert_eq!(Quarter::from_key_id(&quarter.key_id()), Some(quarter));
            prop_assert_eq!(quarter.to_string().parse(), Ok(quarter));
            let last = quarter.last_day().unwrap();
            prop_assert!(day <= last);
            prop_assert_eq!(Quarter::of(last), quarter);
            prop_assert_eq!(Quarter::of(last.tomorrow().unwrap()), quarter.next());
            prop_assert!(quarter < quarter.next());
        }
    }
}
