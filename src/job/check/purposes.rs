//! Purposes: periods, starting points and conditions.

use jiff::civil::Date;
use kigen_evidence::calendar::{FirstDay, Period};
use kigen_evidence::statement::StartingPointKind;

use super::findings::Findings;
use super::joins::Ground;
use super::{examples, header, names};
use crate::diagnostic::document::Path;
use crate::domain::rule::{EARLIEST_BELIEVED, Purpose};
use crate::guard::{self, Guard};
use crate::job::raw::{RawCondition, RawFirstDay, RawFormat, RawPurpose, RawStartingPoint};
use crate::job::{Condition, PurposeSource, StoredAs};

/// Checks one purpose: what the rule needs of it, and where its facts are.
///
/// `oldest_example` is the earliest day on which an example lets its period start.
pub(super) fn check(
    path: &Path,
    raw: &RawPurpose,
    oldest_example: Option<Date>,
    ground: &Ground,
    findings: &mut Findings,
) -> Option<(Purpose, PurposeSource)> {
    names::kebab(&path.key("name"), "purpose", &raw.name, findings);
    let period = period(path, raw, findings);
    let starts_at = ground.column(&path.key("starts-at"), &raw.starts_at, findings);
    let stored_as = stored_as(path, raw, findings);
    let earliest = earliest(path, raw, oldest_example, findings);
    let applies_when = match &raw.applies_when {
        Some(raw) => Some(condition(&path.key("applies-when"), raw, ground, findings)?),
        None => None,
    };
    let purpose = Purpose {
        name: raw.name.clone(),
        period: period?,
        first_day: first_day(raw.first_day),
        earliest: earliest?,
    };
    let source = PurposeSource {
        kind: kind(raw.starting_point),
        starts_at: starts_at?,
        stored_as: stored_as?,
        applies_when,
    };
    Some((purpose, source))
}

fn period(path: &Path, raw: &RawPurpose, findings: &mut Findings) -> Option<Period> {
    let period_path = path.key("period");
    let period: Period = match raw.period.parse() {
        Ok(period) => period,
        Err(error) => {
            let error: kigen_evidence::calendar::PeriodError = error;
            findings.say(&period_path, error.to_string());
            return None;
        }
    };
    if !period.is_zero() {
        if raw.at_once.is_some() {
            let message = format!("`at-once` contradicts the period `{}`", raw.period);
            findings.key(
                &path.key("at-once"),
                message,
                "it belongs to `P0D` only; leave it out",
            );
        }
        return Some(period);
    }
    if raw.period != "P0D" {
        let message = format!("`{}` is a period of zero", raw.period);
        let hint = "write `P0D` beside `at-once = true` if the record is due the next day";
        findings.hint(&period_path, message, hint);
        return None;
    }
    if raw.at_once != Some(true) {
        let hint = "write `at-once = true` beside it if the record is due the next day";
        findings.hint(&period_path, "`P0D` is a period of zero", hint);
    }
    if matches!(raw.first_day, Some(RawFirstDay::Counted)) {
        let message = "a period of zero has no first day that could be counted";
        findings.key(&path.key("first-day"), message, "leave it out");
    }
    Some(period)
}

fn stored_as(path: &Path, raw: &RawPurpose, findings: &mut Findings) -> Option<StoredAs> {
    let zone = match &raw.starts_at_zone {
        Some(name) => {
            let zone = header::time_zone(&path.key("starts-at-zone"), name, findings);
            Some(zone?)
        }
        None => None,
    };
    match (zone, raw.starts_at_format) {
        (None, None) => Some(StoredAs::Typed),
        (Some(zone), None) => Some(StoredAs::LocalTime(zone)),
        (None, Some(RawFormat::UnixSeconds)) => Some(StoredAs::UnixSeconds),
        (Some(_), Some(RawFormat::UnixSeconds)) => {
            let message = "`starts-at-zone` contradicts `starts-at-format`";
            let hint = "seconds since 1970 need no zone; leave it out";
            findings.key(&path.key("starts-at-zone"), message, hint);
            None
        }
    }
}

/// No column of seconds since 1970 is believed before this day: 0, -1, and numbers that count days,
/// minutes or the digits of a date fall into 1970.
const EARLIEST_OF_SECONDS: Date = Date::constant(1971, 1, 1);

/// The first day that is believed of the starting point: what the purpose says; else the usual day, or
/// the oldest example's if that is earlier, since its author has said that such days occur.
fn earliest(
    path: &Path,
    raw: &RawPurpose,
    oldest_example: Option<Date>,
    findings: &mut Findings,
) -> Option<Date> {
    if !guard::stands(Guard::BelievableDay) {
        return Some(Date::MIN);
    }
    let counts_seconds = matches!(raw.starts_at_format, Some(RawFormat::UnixSeconds));
    let Some(text) = &raw.earliest else {
        let stated = oldest_example.map_or(EARLIEST_BELIEVED, |day| day.min(EARLIEST_BELIEVED));
        return Some(if counts_seconds {
            stated.max(EARLIEST_OF_SECONDS)
        } else {
            stated
        });
    };
    let path = path.key("earliest");
    let day = examples::date(&path, text, findings)?;
    if counts_seconds && day < EARLIEST_OF_SECONDS {
        let message = format!("seconds since 1970 are not believed on {day}");
        let hint = format!(
            "0 and small numbers mean that nothing has happened; write {EARLIEST_OF_SECONDS} or later"
        );
        findings.hint(&path, message, hint);
    }
    Some(day)
}

fn condition(
    path: &Path,
    raw: &RawCondition,
    ground: &Ground,
    findings: &mut Findings,
) -> Option<Condition> {
    let column = ground.column(&path.key("column"), &raw.column, findings);
    let (values, negated) = match (&raw.one_of, &raw.none_of) {
        (Some(values), None) => (values, false),
        (None, Some(values)) => (values, true),
        (Some(_), Some(_)) | (None, None) => {
            findings.say(path, "a condition needs exactly one of `in` and `not-in`");
            return None;
        }
    };
    if values.is_empty() {
        let key = if negated { "not-in" } else { "in" };
        let message = "a condition without values decides nothing";
        findings.hint(
            &path.key(key),
            message,
            "name values, or leave out `applies-when`",
        );
    }
    Some(Condition {
        column: column?,
        values: values.clone(),
        negated,
    })
}

const fn first_day(raw: Option<RawFirstDay>) -> FirstDay {
    match raw {
        Some(RawFirstDay::Counted) => FirstDay::Counted,
        // Civil Code, art. 140: the rule, not a guess of ours.
        Some(RawFirstDay::NotCounted) | None => FirstDay::NotCounted,
    }
}

const fn kind(raw: RawStartingPoint) -> StartingPointKind {
    match raw {
        RawStartingPoint::Collection => StartingPointKind::Collection,
        RawStartingPoint::EndOfTransaction => StartingPointKind::EndOfTransaction,
        RawStartingPoint::EndOfRelationship => StartingPointKind::EndOfRelationship,
        RawStartingPoint::ReplyToRequest => StartingPointKind::ReplyToRequest,
        RawStartingPoint::RequestOfPerson => StartingPointKind::RequestOfPerson,
    }
}
