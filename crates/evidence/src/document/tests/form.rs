//! Numbers, days, times and periods.

use jiff::tz::TimeZone;

use crate::document::Language::{En, Ja};
use crate::document::form;

#[test]
fn numbers_are_grouped_by_three() {
    for (number, text) in [
        (0, "0"),
        (999, "999"),
        (1000, "1,000"),
        (1_234_567, "1,234,567"),
        (u64::MAX, "18,446,744,073,709,551,615"),
    ] {
        assert_eq!(form::number(number), text);
    }
}

#[test]
fn periods_are_spelled_out() {
    for (iso, ja, en) in [
        ("P1Y", "1年", "1 year"),
        ("P1Y6M", "1年6か月", "1 year 6 months"),
        ("P6M", "6か月", "6 months"),
        ("P35D", "35日", "35 days"),
        ("P2W", "14日", "14 days"),
        ("P0D", "直ちに", "at once"),
        ("for ever", "for ever", "for ever"),
    ] {
        assert_eq!(form::period(iso, Ja), ja);
        assert_eq!(form::period(iso, En), en);
    }
}

#[test]
fn times_stand_in_the_zone_of_the_run_with_their_distance_from_utc() {
    let time = "2026-11-22T15:02:03.5Z".parse().unwrap();
    let tokyo = TimeZone::get("Asia/Tokyo").unwrap();
    assert_eq!(
        form::time(time, &tokyo, Ja),
        "2026年11月23日 00:02:03（UTC+09:00）"
    );
    assert_eq!(
        form::time(time, &TimeZone::UTC, En),
        "2026-11-22 15:02:03 (UTC+00:00)"
    );
}

#[test]
fn what_could_turn_hide_or_break_a_text_is_spelled_out() {
    assert_eq!(form::shown("𠮷野家 髙﨑"), "𠮷野家 髙﨑");
    assert_eq!(
        form::shown("a\u{202e}b\nc\u{0}"),
        "a[U+202E]b[U+000A]c[U+0000]"
    );
    assert_eq!(form::shown("\u{200b}\u{feff}"), "[U+200B][U+FEFF]");
}
