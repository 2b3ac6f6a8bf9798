//! Periods and the days they end on, by Japan's Civil Code, arts. 139 to 143.

use std::fmt;
use std::str::FromStr;

use jiff::Span;
use jiff::civil::Date;
use thiserror::Error;

/// The longest period a rule may name, in years. Longer ones are slips of the pen.
pub const LONGEST_PERIOD_YEARS: i32 = 1000;

/// A retention period, counted in calendar months or in days.
///
/// Written in ISO 8601: `P2Y`, `P6M`, `P1Y6M`, `P2W`, `P90D`, `P0D` (at once).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Period {
    /// Years and months, by the calendar (Civil Code, art. 143).
    Months(i32),
    /// Weeks and days.
    Days(i32),
}

/// Whether the day of the starting point belongs to the period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum FirstDay {
    /// Civil Code, art. 140: the first day is not counted.
    #[default]
    NotCounted,
    /// Art. 140, proviso: the period begins at 0:00 of the day, so the day counts.
    Counted,
}

impl Period {
    /// Whether the period ends with the day of the starting point.
    pub fn is_zero(self) -> bool {
        matches!(self, Self::Months(0) | Self::Days(0))
    }

    /// Returns the last day of a period that starts on `start`, or `None` outside the calendar.
    ///
    /// The period ends with the day before the corresponding day; where the last month has no
    /// corresponding day, with the last day of that month (art. 143, para. 2).
    pub fn last_day_kept(self, start: Date, first_day: FirstDay) -> Option<Date> {
        let counted_from = match first_day {
            FirstDay::NotCounted => start.tomorrow().ok()?,
            FirstDay::Counted => start,
        };
        match self {
            Self::Days(days) => counted_from.checked_add(Span::new().days(days - 1)).ok(),
            Self::Months(months) => {
                let corresponding = counted_from.checked_add(Span::new().months(months)).ok()?;
                if corresponding.day() < counted_from.day() {
                    return Some(corresponding);
                }
                corresponding.yesterday().ok()
            }
        }
    }

    /// Returns the cutoff of `as_of`: a period that started before this day has ended by `as_of`.
    ///
    /// Being due is monotonic in the starting point, so one day says it for all records: the first
    /// day whose period has not ended. Property `cutoff_agrees_with_last_day_kept` guards it.
    pub fn cutoff(self, as_of: Date, first_day: FirstDay) -> Date {
        let back = match self {
            Self::Days(days) => Span::new().days(-days),
            Self::Months(months) => Span::new().months(-months),
        };
        let guess = as_of.checked_add(back).unwrap_or(Date::MIN);
        let mut day = guess
            .checked_sub(Span::new().days(CUTOFF_SEARCH_DAYS))
            .unwrap_or(Date::MIN);
        while self.has_ended(day, first_day, as_of) {
            let Ok(next) = day.tomorrow() else {
                return day;
            };
            day = next;
        }
        day
    }

    fn has_ended(self, start: Date, first_day: FirstDay, as_of: Date) -> bool {
        self.last_day_kept(start, first_day)
            .is_some_and(|last| last < as_of)
    }
}

/// How far before "as of minus the period" the search for the cutoff begins. Month ends move a
/// day by at most three.
const CUTOFF_SEARCH_DAYS: i32 = 5;

/// Why a text is no period.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PeriodError {
    #[error("`{0}` is not an ISO 8601 period such as `P2Y`, `P6M`, `P1Y6M`, `P2W` or `P90D`")]
    NotAPeriod(String),
    #[error("`{0}` is negative; a retention period runs forward from its starting point")]
    Negative(String),
    #[error("`{0}` mixes months or years with weeks or days; use one of the two")]
    Mixed(String),
    #[error("`{0}` is longer than {LONGEST_PERIOD_YEARS} years")]
    TooLong(String),
}

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        let not_a_period = || PeriodError::NotAPeriod(text.to_owned());
        if text.contains('-') {
            return Err(PeriodError::Negative(text.to_owned()));
        }
        if !text.starts_with('P') || text.contains('T') || text.len() < 3 {
            return Err(not_a_period());
        }
        let span: Span = text.parse().map_err(|_| not_a_period())?;
        let calendar = text.contains(['Y', 'M']);
        let by_day = text.contains(['W', 'D']);
        if calendar && by_day {
            return Err(PeriodError::Mixed(text.to_owned()));
        }
        let too_long = || PeriodError::TooLong(text.to_owned());
        if calendar {
            let months = i32::from(span.get_years()) * 12 + span.get_months();
            if months > LONGEST_PERIOD_YEARS * 12 {
                return Err(too_long());
            }
            return Ok(Self::Months(months));
        }
        let days = span.get_weeks() * 7 + span.get_days();
        if days > LONGEST_PERIOD_YEARS * 366 {
            return Err(too_long());
        }
        Ok(Self::Days(days))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Days(days) => write!(f, "P{days}D"),
            Self::Months(months) => match (months / 12, months % 12) {
                (0, months) => write!(f, "P{months}M"),
                (years, 0) => write!(f, "P{years}Y"),
                (years, months) => write!(f, "P{years}Y{months}M"),
            },
        }
    }
}

#[cfg(test)]
mod tests;
