use jiff::Zoned;
use proptest::prelude::{ProptestConfig, Strategy};
use proptest::{prop_assert_eq, proptest};

use super::*;

fn schedule(expression: &str, zone: &str) -> Schedule {
    Schedule::parse(expression, TimeZone::get(zone).unwrap()).unwrap()
}

/// The next `n` fires after `after`, as local times with their offset.
fn fires(expression: &str, zone: &str, after: &str, n: usize) -> Vec<String> {
    let schedule = schedule(expression, zone);
    let start: Timestamp = after.parse().unwrap();
    std::iter::successors(schedule.next_after(start), |at| schedule.next_after(*at))
        .take(n)
        .map(|at| Zoned::new(at, schedule.zone.clone()))
        .map(|at| at.strftime("%Y-%m-%d %H:%M:%S %:z").to_string())
        .collect()
}

fn error(expression: &str) -> ScheduleError {
    Schedule::parse(expression, TimeZone::UTC).unwrap_err()
}

#[test]
fn a_job_fires_at_its_time_of_the_day_in_tokyo() {
    assert_eq!(
        fires("0 30 2 * * *", "Asia/Tokyo", "2025-03-30T17:29:59Z", 2),
        ["2025-03-31 02:30:00 +09:00", "2025-04-01 02:30:00 +09:00"]
    );
}

#[test]
fn the_moment_of_a_fire_is_not_after_itself() {
    assert_eq!(
        fires("0 30 2 * * *", "Asia/Tokyo", "2025-03-30T17:30:00Z", 1),
        ["2025-04-01 02:30:00 +09:00"]
    );
    assert_eq!(
        fires("* * * * * *", "Asia/Tokyo", "2025-03-30T17:30:00.5Z", 1),
        ["2025-03-31 02:30:01 +09:00"]
    );
}

#[test]
fn months_without_the_day_are_left_out() {
    assert_eq!(
        fires("0 0 3 31 * *", "Asia/Tokyo", "2025-01-31T00:00:00Z", 3),
        [
            "2025-03-31 03:00:00 +09:00",
            "2025-05-31 03:00:00 +09:00",
            "2025-07-31 03:00:00 +09:00"
        ]
    );
    assert_eq!(
        fires("0 0 3 29 2 *", "Asia/Tokyo", "2025-01-01T00:00:00Z", 1),
        ["2028-02-29 03:00:00 +09:00"]
    );
}

#[test]
fn the_last_second_of_a_year_is_followed_by_the_first_of_the_next() {
    assert_eq!(
        fires("59 59 23 31 12 *", "Asia/Tokyo", "2025-12-31T14:59:58Z", 2),
        ["2025-12-31 23:59:59 +09:00", "2026-12-31 23:59:59 +09:00"]
    );
    assert_eq!(
        fires("0 0 0 1 * *", "Asia/Tokyo", "2025-12-31T14:59:59Z", 1),
        ["2026-01-01 00:00:00 +09:00"]
    );
}

#[test]
fn weekdays_are_those_of_the_zone() {
    // Sunday 2025-03-30 in Tokyo begins on Saturday in UTC.
    assert_eq!(
        fires("0 0 5 * * SUN", "Asia/Tokyo", "2025-03-29T00:00:00Z", 2),
        ["2025-03-30 05:00:00 +09:00", "2025-04-06 05:00:00 +09:00"]
    );
}

#[test]
fn a_time_that_summer_time_skips_counts_at_the_jump() {
    assert_eq!(
        fires(
            "0 30 2 * * *",
            "America/New_York",
            "2025-03-08T12:00:00Z",
            2
        ),
        ["2025-03-09 03:00:00 -04:00", "2025-03-10 02:30:00 -04:00"]
    );
}

#[test]
fn times_that_summer_time_skips_and_the_time_of_the_jump_are_one_fire() {
    assert_eq!(
        fires(
            "0 */20 2-3 9 3 *",
            "America/New_York",
            "2025-03-09T00:00:00Z",
            3
        ),
        [
            "2025-03-09 03:00:00 -04:00",
            "2025-03-09 03:20:00 -04:00",
            "2025-03-09 03:40:00 -04:00"
        ]
    );
}

#[test]
fn a_time_that_comes_twice_counts_the_first_time() {
    assert_eq!(
        fires(
            "0 30 1 * * *",
            "America/New_York",
            "2025-11-01T12:00:00Z",
            2
        ),
        ["2025-11-02 01:30:00 -04:00", "2025-11-03 01:30:00 -05:00"]
    );
}

#[test]
fn a_daemon_started_in_the_repeated_hour_does_not_fire_again() {
    // 01:10, for the second time.
    assert_eq!(
        fires(
            "0 30 1 * * *",
            "America/New_York",
            "2025-11-02T06:10:00Z",
            1
        ),
        ["2025-11-03 01:30:00 -05:00"]
    );
    // The moment at which the clock is set back from 02:00 to 01:00.
    assert_eq!(
        fires(
            "0 0,30 1,2 * * *",
            "America/New_York",
            "2025-11-02T06:00:00Z",
            1
        ),
        ["2025-11-02 02:00:00 -05:00"]
    );
}

#[test]
fn every_hour_is_every_hour_also_when_the_clock_changes() {
    assert_eq!(
        fires(
            "0 30 * * * *",
            "America/New_York",
            "2025-11-02T04:45:00Z",
            3
        ),
        [
            "2025-11-02 01:30:00 -04:00",
            "2025-11-02 01:30:00 -05:00",
            "2025-11-02 02:30:00 -05:00"
        ]
    );
}

#[test]
fn a_schedule_that_names_its_years_ends_with_them() {
    assert_eq!(
        fires(
            "0 0 0 1 4 * 2025-2026",
            "Asia/Tokyo",
            "2025-01-01T00:00:00Z",
            9
        ),
        ["2025-04-01 00:00:00 +09:00", "2026-04-01 00:00:00 +09:00"]
    );
}

#[test]
fn an_expression_without_seconds_is_refused_with_the_one_that_was_meant() {
    let error = error("30 2 * * *");
    assert_eq!(error.to_string(), "`30 2 * * *` has no field for seconds");
    assert_eq!(error.hint(), "write `0 30 2 * * *`");
}

#[test]
fn what_is_no_expression_is_refused_with_the_order_of_the_fields() {
    for expression in [
        "",
        "every night",
        "0 61 2 * * *",
        "0 30 2 * * * * *",
        "0 0 25 * * *",
    ] {
        let error = error(expression);
        assert_eq!(
            error.to_string(),
            format!("`{expression}` is not a cron expression with seconds")
        );
        assert_eq!(
            error.hint(),
            "second minute hour day-of-month month day-of-week: `0 30 2 * * *` is 02:30 every night"
        );
    }
}

#[test]
fn a_weekday_by_number_is_refused_because_programs_count_differently() {
    for expression in ["0 0 3 * * 1", "0 0 3 * * MON,5", "0 0 3 ? * 2-6"] {
        let error = error(expression);
        assert_eq!(
            error.to_string(),
            format!("`{expression}` gives a day of the week by number")
        );
        assert_eq!(error.hint(), "name it: `MON`, `SUN`, `MON-FRI`");
    }
    assert!(Schedule::parse("0 0 3 ? * MON-FRI", TimeZone::UTC).is_ok());
    assert!(Schedule::parse("@daily", TimeZone::UTC).is_ok());
}

#[test]
fn a_day_that_no_year_has_is_refused() {
    let error = error("0 0 0 30 2 *");
    assert_eq!(error.to_string(), "`0 0 0 30 2 *` never comes");
    assert_eq!(error.hint(), "no month it names has such a day");
}

/// Expressions that fire at whole minutes.
fn expressions() -> impl Strategy<Value = String> {
    let minute = proptest::sample::select(vec!["0", "30", "*/15", "7,41", "59"]);
    let hour = proptest::sample::select(vec!["*", "0", "1", "2", "1-3", "3", "*/6", "23"]);
    let day = proptest::sample::select(vec!["*", "1", "9", "28-31", "2,8"]);
    let weekday = proptest::sample::select(vec!["*", "SUN", "MON-FRI", "SAT,SUN"]);
    (minute, hour, day, weekday)
        .prop_map(|(minute, hour, day, weekday)| format!("0 {minute} {hour} {day} * {weekday}"))
}

/// Moments within a day and a half of the changes of 2025 in New York.
fn near_a_change() -> impl Strategy<Value = i64> {
    let spring = 1_741_503_600;
    let autumn = 1_762_063_200;
    let change = proptest::sample::select(vec![spring, autumn]);
    (change, -129_600..129_600_i64).prop_map(|(change, distance)| change + distance)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// In a zone without summer time: the first minute, counted one by one, that fits.
    #[test]
    fn the_next_fire_is_the_first_minute_that_fits(
        expression in expressions(),
        start in 1_735_689_600_i64..1_767_225_600,
    ) {
        let schedule = schedule(&expression, "Asia/Tokyo");
        let first_minute = (start / 60 + 1) * 60;
        let fits = |second: &i64| {
            let wall = DateTime::from_timestamp(second + 9 * 3600, 0).unwrap();
            schedule.cron.includes(wall)
        };
        let expected = (first_minute..).step_by(60).take(60 * 24 * 80).find(fits);

        let next = schedule.next_after(Timestamp::from_second(start).unwrap());

        if expected.is_some() {
            prop_assert_eq!(next.map(Timestamp::as_second), expected);
        }
    }

    /// In a zone with summer time: whatever lies between a moment and its next fire has the same
    /// next fire, so that a daemon may start or wake at any time.
    #[test]
    fn every_moment_before_a_fire_waits_for_the_same_fire(
        expression in expressions(),
        start in near_a_change(),
        part in 0.0..1.0_f64,
    ) {
        let schedule = schedule(&expression, "America/New_York");
        let start = Timestamp::from_second(start).unwrap();
        let next = schedule.next_after(start).unwrap();
        let wait = next.duration_since(start);
        let between = start + wait.mul_f64(part) - SignedDuration::from_nanos(1);

        prop_assert_eq!(schedule.next_after(between.max(start)), Some(next));
    }
}
