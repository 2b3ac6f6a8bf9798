use jiff::civil::{Date, date};
use proptest::prelude::*;

use super::{FirstDay, Period, PeriodError};

/// start, period, last day kept: first day not counted.
const DATED: &[(&str, &str, &str)] = &[
    // Days and weeks.
    ("2024-03-01", "P0D", "2024-03-01"),
    ("2024-03-01", "P1D", "2024-03-02"),
    ("2024-02-28", "P1D", "2024-02-29"),
    ("2023-02-28", "P1D", "2023-03-01"),
    ("2024-12-31", "P1D", "2025-01-01"),
    ("2024-01-01", "P90D", "2024-03-31"),
    ("2023-01-01", "P90D", "2023-04-01"),
    ("2024-01-01", "P1W", "2024-01-08"),
    ("2024-02-26", "P1W", "2024-03-04"),
    ("2024-12-30", "P2W", "2025-01-13"),
    ("2023-06-15", "P365D", "2024-06-14"),
    ("2024-06-15", "P365D", "2025-06-15"),
    // Months: the day before the corresponding day of the day after the start.
    ("2025-04-30", "P1M", "2025-05-31"),
    ("2025-04-15", "P1M", "2025-05-15"),
    ("2025-01-31", "P1M", "2025-02-28"),
    ("2024-01-31", "P1M", "2024-02-29"),
    ("2025-01-30", "P1M", "2025-02-28"),
    ("2025-01-29", "P1M", "2025-02-28"),
    ("2025-01-28", "P1M", "2025-02-28"),
    ("2025-01-27", "P1M", "2025-02-27"),
    ("2024-01-28", "P1M", "2024-02-28"),
    ("2024-01-29", "P1M", "2024-02-29"),
    ("2024-01-30", "P1M", "2024-02-29"),
    ("2025-02-28", "P1M", "2025-03-31"),
    ("2024-02-28", "P1M", "2024-03-28"),
    ("2024-02-29", "P1M", "2024-03-31"),
    ("2025-03-30", "P1M", "2025-04-30"),
    ("2025-03-31", "P1M", "2025-04-30"),
    ("2025-05-30", "P1M", "2025-06-30"),
    ("2025-05-31", "P1M", "2025-06-30"),
    ("2025-12-31", "P1M", "2026-01-31"),
    ("2025-11-30", "P3M", "2026-02-28"),
    ("2023-11-30", "P3M", "2024-02-29"),
    ("2025-08-31", "P6M", "2026-02-28"),
    ("2025-08-30", "P6M", "2026-02-28"),
    ("2025-08-29", "P6M", "2026-02-28"),
    ("2025-08-27", "P6M", "2026-02-27"),
    ("2024-08-31", "P6M", "2025-02-28"),
    ("2025-03-31", "P6M", "2025-09-30"),
    ("2024-09-30", "P5M", "2025-02-28"),
    ("2024-01-15", "P18M", "2025-07-15"),
    ("2024-01-15", "P1Y6M", "2025-07-15"),
    // Years.
    ("2024-02-28", "P1Y", "2025-02-28"),
    ("2024-02-29", "P1Y", "2025-02-28"),
    ("2024-02-29", "P2Y", "2026-02-28"),
    ("2024-02-29", "P4Y", "2028-02-29"),
    ("2024-02-28", "P4Y", "2028-02-28"),
    ("2023-02-28", "P1Y", "2024-02-29"),
    ("2023-02-27", "P1Y", "2024-02-27"),
    ("2023-03-31", "P1Y", "2024-03-31"),
    ("2018-03-31", "P7Y", "2025-03-31"),
    ("2018-04-01", "P7Y", "2025-04-01"),
    ("2023-12-31", "P1Y", "2024-12-31"),
    ("2024-01-01", "P1Y", "2025-01-01"),
    ("2013-10-27", "P1Y", "2014-10-27"),
    ("1970-01-01", "P5Y", "1975-01-01"),
    ("1999-12-31", "P1Y", "2000-12-31"),
    ("2000-02-28", "P1Y", "2001-02-28"),
    ("2096-02-29", "P4Y", "2100-02-28"),
    ("2099-02-28", "P1Y", "2100-02-28"),
    ("2099-12-31", "P1Y", "2100-12-31"),
    ("2100-02-28", "P10Y", "2110-02-28"),
    ("2024-04-01", "P100Y", "2124-04-01"),
];

/// The same where the first day is counted: a contract that begins at 0:00 (art. 140, proviso).
const DATED_FIRST_DAY_COUNTED: &[(&str, &str, &str)] = &[
    ("2024-04-01", "P1Y", "2025-03-31"),
    ("2024-04-01", "P1M", "2024-04-30"),
    ("2024-03-01", "P1M", "2024-03-31"),
    ("2024-02-29", "P1Y", "2025-02-28"),
    ("2024-01-31", "P1M", "2024-02-29"),
    ("2024-04-01", "P7D", "2024-04-07"),
    ("2024-04-01", "P1D", "2024-04-01"),
];

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

#[test]
fn periods_end_as_the_civil_code_says() {
    for &(start, period, expected) in DATED {
        let last = period
            .parse::<Period>()
            .unwrap()
            .last_day_kept(day(start), FirstDay::NotCounted);
        assert_eq!(last, Some(day(expected)), "{period} from {start}");
    }
}

#[test]
fn a_period_that_begins_at_midnight_counts_its_first_day() {
    for &(start, period, expected) in DATED_FIRST_DAY_COUNTED {
        let last = period
            .parse::<Period>()
            .unwrap()
            .last_day_kept(day(start), FirstDay::Counted);
        assert_eq!(last, Some(day(expected)), "{period} from {start}");
    }
}

#[test]
fn a_text_that_is_no_period_is_refused_with_its_reason() {
    let refused = |text: &str| text.parse::<Period>().unwrap_err();
    for text in [
        "",
        "P",
        "2Y",
        "P2",
        "PT5H",
        "P1YT5H",
        "two years",
        "P1.5Y",
        "P2Yx",
    ] {
        assert_eq!(
            refused(text),
            PeriodError::NotAPeriod(text.to_owned()),
            "{text}"
        );
    }
    assert_eq!(refused("-P1Y"), PeriodError::Negative("-P1Y".to_owned()));
    assert_eq!(refused("P-1Y"), PeriodError::Negative("P-1Y".to_owned()));
    assert_eq!(refused("P1Y10D"), PeriodError::Mixed("P1Y10D".to_owned()));
    assert_eq!(refused("P1001Y"), PeriodError::TooLong("P1001Y".to_owned()));
}

#[test]
fn a_period_prints_as_it_is_written() {
    for text in ["P2Y", "P6M", "P1Y6M", "P90D", "P0D"] {
        assert_eq!(text.parse::<Period>().unwrap().to_string(), text);
    }
}

fn any_day() -> impl Strategy<Value = Date> {
    (0..47_847_i32).prop_map(|days| {
        date(1970, 1, 1)
            .checked_add(jiff::Span::new().days(days))
            .unwrap()
    })
}

fn any_period() -> impl Strategy<Value = Period> {
    prop_oneof![
        (0..=240_i32).prop_map(Period::Months),
        (0..=4_000_i32).prop_map(Period::Days),
    ]
}

fn any_first_day() -> impl Strategy<Value = FirstDay> {
    prop_oneof![Just(FirstDay::NotCounted), Just(FirstDay::Counted)]
}

proptest! {
    #[test]
    fn being_due_is_monotonic_in_the_starting_point(
        start in any_day(), later in 0..400_i32, period in any_period(), first in any_first_day(),
    ) {
        let later = start.checked_add(jiff::Span::new().days(later)).unwrap();
        prop_assert!(period.last_day_kept(start, first) <= period.last_day_kept(later, first));
    }

    #[test]
    fn cutoff_agrees_with_last_day_kept(
        as_of in any_day(), period in any_period(), first in any_first_day(), offset in -40..40_i32,
    ) {
        let cutoff = period.cutoff(as_of, first);
        let start = cutoff.checked_add(jiff::Span::new().days(offset)).unwrap();
        let ended = period.last_day_kept(start, first).unwrap() < as_of;
        prop_assert_eq!(start < cutoff, ended);
    }
}
