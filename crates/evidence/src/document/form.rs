//! Numbers, days, times, periods and names, as people read them.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::calendar::Period;

use super::language::Language;
use super::words;

/// 1234567 as `1,234,567`.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `2026年11月22日` or `2026-11-22`.
pub(super) fn day(day: Date, language: Language) -> String {
    match language {
        Language::Ja => format!("{}年{}月{}日", day.year(), day.month(), day.day()),
        Language::En => day.to_string(),
    }
}

/// The time in the zone `zone`, to the second, with its distance from UTC.
pub(super) fn time(time: Timestamp, zone: &TimeZone, language: Language) -> String {
    let local = time.to_zoned(zone.clone());
    let clock = local.strftime("%H:%M:%S");
    let distance = local.strftime("%:z");
    match language {
        Language::Ja => format!("{} {clock}（UTC{distance}）", day(local.date(), language)),
        Language::En => format!("{} {clock} (UTC{distance})", day(local.date(), language)),
    }
}

/// `P1Y6M` as `1年6か月`; what is no period of ours stays as it is.
pub(super) fn period(iso: &str, language: Language) -> String {
    let Ok(period) = iso.parse::<Period>() else {
        return shown(iso);
    };
    if period.is_zero() {
        return words::AT_ONCE.of(language).to_owned();
    }
    match (period, language) {
        (Period::Days(days), Language::Ja) => format!("{days}日"),
        (Period::Days(days), Language::En) => counted(days, "day"),
        (Period::Months(months), _) => years_and_months(months, language),
    }
}

fn years_and_months(months: i32, language: Language) -> String {
    let (years, months) = (months / 12, months % 12);
    let parts = match language {
        Language::Ja => [
            (years, format!("{years}年")),
            (months, format!("{months}か月")),
        ],
        Language::En => [
            (years, counted(years, "year")),
            (months, counted(months, "month")),
        ],
    };
    let separator = match language {
        Language::Ja => "",
        Language::En => " ",
    };
    let parts = parts.into_iter().filter(|(number, _)| *number != 0);
    let parts: Vec<String> = parts.map(|(_, text)| text).collect();
    parts.join(separator)
}

fn counted(number: i32, word: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {word}{plural}")
}

/// A name of somebody else's making: what could turn, hide or break the text around it is spelled
/// out.
pub(super) fn shown(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for character in name.chars() {
        if is_unseen(character) {
            text.push_str(&format!("[U+{:04X}]", u32::from(character)));
        } else {
            text.push(character);
        }
    }
    text
}

/// Controls, marks of direction, and what has no width.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{00AD}'
                | '\u{061C}'
                | '\u{180E}'
                | '\u{200B}'..='\u{200F}'
                | '\u{2028}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}'
                | '\u{FEFF}'
                | '\u{FFF9}'..='\u{FFFC}'
                | '\u{E0000}'..='\u{E007F}'
        )
}
