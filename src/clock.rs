//! The clock. Nothing else in the crate reads it: everywhere else the time is a parameter, so that
//! every decision can be repeated and tested.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use uuid::{NoContext, Uuid};

/// The present moment, by the system's clock.
pub fn now() -> Timestamp {
    fail::fail_point!("clock.days-ahead", ahead);
    real()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the clock"
)]
fn real() -> Timestamp {
    Timestamp::now()
}

/// A clock that is wrong by so many days, for the tests of faults.
#[cfg(feature = "failpoints")]
fn ahead(days: Option<String>) -> Timestamp {
    let days: i64 = days.and_then(|days| days.parse().ok()).unwrap_or_default();
    let wrong = real().checked_add(jiff::SignedDuration::from_hours(24 * days));
    wrong.unwrap_or_else(|_| real())
}

/// The present day in `zone`.
pub fn today(zone: &TimeZone) -> Date {
    day_of(now(), zone)
}

/// The day of `zone` on which the moment `at` lies.
pub fn day_of(at: Timestamp, zone: &TimeZone) -> Date {
    zone.to_datetime(at).date()
}

/// A new version 7 UUID (RFC 9562, section 5.7) that carries the moment `at`, to the millisecond.
///
/// Later moments sort later; identifiers of the same millisecond differ by their random bits. A
/// moment before 1970, which the format cannot hold, is written as 1970-01-01T00:00:00Z.
pub fn uuid_at(at: Timestamp) -> Uuid {
    let at = at.max(Timestamp::UNIX_EPOCH);
    let seconds = at.as_second().unsigned_abs();
    let nanoseconds = at.subsec_nanosecond().unsigned_abs();
    Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, nanoseconds))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn one_moment_lies_on_different_days_of_different_zones() {
        let moment = at("2025-03-31T15:00:00Z");
        let tokyo = TimeZone::get("Asia/Tokyo").unwrap();

        assert_eq!(day_of(moment, &tokyo), date(2025, 4, 1));
        assert_eq!(day_of(moment, &TimeZone::UTC), date(2025, 3, 31));
    }

    #[test]
    fn an_identifier_carries_its_moment_to_the_millisecond() {
        let id = uuid_at(at("2025-04-01T00:00:00.123456Z"));

        assert_eq!(id.get_version_num(), 7);
        assert_eq!(
            id.get_timestamp().unwrap().to_unix(),
            (1_743_465_600, 123_000_000)
        );
    }

    #[test]
    fn identifiers_sort_by_their_moment_and_differ_within_one() {
        let earlier = uuid_at(at("2025-04-01T00:00:00Z"));
        let same = uuid_at(at("2025-04-01T00:00:00Z"));
        let later = uuid_at(at("2025-04-01T00:00:00.001Z"));

        assert_ne!(earlier, same);
        assert!(earlier < later && same < later);
    }

    #[test]
    fn a_moment_before_1970_is_written_as_the_beginning_of_1970() {
        let id = uuid_at(at("1969-12-31T23:59:59.5Z"));

        assert_eq!(id.get_timestamp().unwrap().to_unix(), (0, 0));
    }
}
