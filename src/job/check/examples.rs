//! Examples: what the author states in dates, run through the rule itself.

use jiff::civil::Date;
use kigen_evidence::statement::RetainReason;

use super::findings::Findings;
use crate::diagnostic::document::Path;
use crate::diagnostic::near_miss;
use crate::domain::rule::{
    Applies, Candidate, Decision, Ends, PurposeState, StartingPoint, Undatable,
};
use crate::job::raw::{RawExample, RawExpectation, RawJob, RawReason};
use crate::job::{Example, Expectation, Stage};

/// Checks the examples of all stages, and that each stage has them on both sides of its border.
pub(super) fn check(
    raw: &RawJob,
    stages: &[Option<Stage>],
    findings: &mut Findings,
) -> Vec<Example> {
    let path = |index: usize| Path::of("example").at(index);
    for (index, example) in raw.example.iter().enumerate() {
        let known: Vec<&str> = raw.stage.iter().map(|stage| stage.name.as_str()).collect();
        if !known.contains(&example.stage.as_str()) {
            let message = format!("there is no stage `{}`", example.stage);
            let hint = near_miss::hint(&example.stage, known);
            findings.maybe_hint(&path(index).key("stage"), message, hint);
        }
    }
    let mut examples = Vec::new();
    for (stage_index, stage) in stages.iter().enumerate() {
        let Some(stage) = stage else {
            continue;
        };
        let before = findings.count();
        let own = raw.example.iter().enumerate();
        let own = own.filter(|(_, example)| example.stage == stage.name);
        let mut judged = Vec::new();
        for (index, example) in own {
            judged.extend(judge(&path(index), example, stage, findings));
        }
        // A broken example may be the very one that stands on the border.
        if findings.count() == before {
            border(&Path::of("stage").at(stage_index), stage, &judged, findings);
        }
        examples.extend(judged.into_iter().map(|judged| judged.example));
    }
    examples
}

/// An example and what the rule says of its record.
struct Judged {
    path: Path,
    example: Example,
    ends: Option<Ends>,
}

fn judge(path: &Path, raw: &RawExample, stage: &Stage, findings: &mut Findings) -> Option<Judged> {
    let as_of = date(&path.key("as-of"), &raw.as_of, findings);
    known_names(path, raw, stage, findings);
    let candidate = candidate(path, raw, stage, findings);
    let expect = expectation(path, raw, findings);
    let (as_of, candidate, expect) = (as_of?, candidate?, expect?);
    let ends = stage.rule.ends(&candidate);
    let decision = stage.rule.decide(&candidate, as_of);
    if !agrees(expect, decision) {
        let message = format!(
            "the example expects {}, but the rule decides {}",
            expected_in_words(expect),
            decided_in_words(decision)
        );
        findings.maybe_hint(
            &path.key("expect"),
            message,
            ends.map(|ends| days(stage, &ends))
                .or_else(|| not_believed(stage, &candidate)),
        );
    }
    let example = Example {
        stage: stage.name.clone(),
        as_of,
        candidate,
        expect,
    };
    Some(Judged {
        path: path.clone(),
        example,
        ends,
    })
}

/// The earliest day on which an example lets the period of `purpose` start.
///
/// An example of a record that is kept because its day is not believed does not count.
pub(super) fn oldest_start(raw: &RawJob, stage: &str, purpose: &str) -> Option<Date> {
    let own = raw.example.iter().filter(|example| {
        example.stage == stage && !matches!(example.reason, Some(RawReason::Undatable))
    });
    let starts = own.filter_map(|example| example.starts.get(purpose));
    starts.filter_map(|text| text.parse().ok()).min()
}

/// Reads a day as job files write it.
pub(super) fn date(path: &Path, text: &str, findings: &mut Findings) -> Option<Date> {
    let date: Option<Date> = text.parse().ok();
    // The parser also takes a date with a time behind it, which would say less than it seems.
    let date = date.filter(|date| date.to_string() == text);
    if date.is_none() {
        findings.hint(
            path,
            format!("`{text}` is no day of the calendar"),
            "write `2025-04-01`",
        );
    }
    date
}

fn known_names(path: &Path, raw: &RawExample, stage: &Stage, findings: &mut Findings) {
    for name in raw.starts.keys() {
        let known = stage
            .rule
            .purposes
            .iter()
            .map(|purpose| purpose.name.as_str());
        if !known.clone().any(|known| known == name) {
            let message = format!("stage `{}` has no purpose `{name}`", stage.name);
            let hint = near_miss::hint(name, known);
            findings.maybe_hint(&path.key("starts").key(name), message, hint);
        }
    }
    let conditions = stage
        .sources
        .iter()
        .filter_map(|source| source.applies_when.as_ref());
    let columns: Vec<String> = conditions
        .map(|condition| condition.column.to_string())
        .collect();
    for name in raw.values.keys() {
        if !columns.contains(name) {
            let message = format!("no condition of stage `{}` reads `{name}`", stage.name);
            let hint = near_miss::hint(name, columns.iter().map(String::as_str));
            findings.maybe_hint(&path.key("values").key(name), message, hint);
        }
    }
}

fn candidate(
    path: &Path,
    raw: &RawExample,
    stage: &Stage,
    findings: &mut Findings,
) -> Option<Candidate> {
    let mut purposes = Vec::new();
    for (purpose, source) in stage.rule.purposes.iter().zip(&stage.sources) {
        let start = match raw.starts.get(&purpose.name) {
            Some(text) => {
                let path = path.key("starts").key(&purpose.name);
                date(&path, text, findings).map(StartingPoint::On)
            }
            None => Some(StartingPoint::Missing),
        };
        let applies = source
            .applies_when
            .as_ref()
            .map_or(Applies::Yes, |condition| {
                let value = raw.values.get(&condition.column.to_string());
                condition.holds(value.map(String::as_str))
            });
        purposes.push(start.map(|start| PurposeState { applies, start }));
    }
    Some(Candidate {
        purposes: purposes.into_iter().collect::<Option<Vec<_>>>()?,
        already_disposed: false,
        referenced: false,
    })
}

fn expectation(path: &Path, raw: &RawExample, findings: &mut Findings) -> Option<Expectation> {
    match (raw.expect, raw.reason) {
        (RawExpectation::Dispose, None) => Some(Expectation::Dispose),
        (RawExpectation::Dispose, Some(_)) => {
            let message = "`reason` says why a record is kept, but `dispose` is expected";
            findings.key(&path.key("reason"), message, "leave it out");
            None
        }
        (RawExpectation::Retain, None) => Some(Expectation::Retain(None)),
        (RawExpectation::Retain, Some(reason)) => Some(Expectation::Retain(Some(match reason {
            RawReason::NotExpired => RetainReason::NotExpired,
            RawReason::Undatable => RetainReason::Undatable,
            RawReason::StartsInFuture => RetainReason::StartsInFuture,
        }))),
    }
}

fn agrees(expect: Expectation, decision: Decision) -> bool {
    match (expect, decision) {
        (Expectation::Dispose, Decision::Dispose { .. })
        | (Expectation::Retain(None), Decision::Retain(_)) => true,
        (Expectation::Retain(Some(expected)), Decision::Retain(decided)) => expected == decided,
        (Expectation::Dispose, Decision::Retain(_))
        | (Expectation::Retain(_), Decision::Dispose { .. }) => false,
    }
}

fn expected_in_words(expect: Expectation) -> String {
    match expect {
        Expectation::Dispose => "`dispose`".to_owned(),
        Expectation::Retain(None) => "`retain`".to_owned(),
        Expectation::Retain(Some(reason)) => format!("`retain` (`{reason}`)"),
    }
}

fn decided_in_words(decision: Decision) -> String {
    match decision {
        Decision::Dispose { .. } => "`dispose`".to_owned(),
        Decision::Retain(reason) => format!("`retain` (`{reason}`)"),
    }
}

/// Says which starting point is a day that is not believed.
fn not_believed(stage: &Stage, candidate: &Candidate) -> Option<String> {
    let purposes = stage.rule.purposes.iter().zip(&candidate.purposes);
    let mut purposes = purposes.filter(|(_, state)| state.applies != Applies::No);
    let (purpose, _) = purposes
        .find(|(purpose, state)| purpose.undatable(state.start) == Some(Undatable::NotBelieved))?;
    let (name, earliest) = (&purpose.name, purpose.earliest);
    Some(format!(
        "days before {earliest} are not believed; if purpose `{name}` has older records say so: `earliest = \"…\"`"
    ))
}

fn days(stage: &Stage, ends: &Ends) -> String {
    let purpose = stage.rule.purposes.get(ends.last_purpose);
    let purpose = purpose
        .map(|purpose| purpose.name.as_str())
        .unwrap_or_default();
    let last = ends.last_day_kept;
    match last.tomorrow() {
        Ok(first) => format!(
            "purpose `{purpose}` ends last: {last} is the last day kept, {first} the first day due"
        ),
        Err(_) => format!("purpose `{purpose}` never ends"),
    }
}

/// Checks that the stage has an example on its last day kept and one on its first day due.
fn border(path: &Path, stage: &Stage, judged: &[Judged], findings: &mut Findings) {
    let on_first_day_due = |judged: &Judged| {
        let first = judged
            .ends
            .and_then(|ends| ends.last_day_kept.tomorrow().ok());
        first == Some(judged.example.as_of)
    };
    let on_last_day_kept =
        |judged: &Judged| judged.ends.map(|ends| ends.last_day_kept) == Some(judged.example.as_of);
    let disposes = |judged: &&Judged| judged.example.expect == Expectation::Dispose;
    let name = &stage.name;
    let mut side = |word: &str, day: &str, mut all: Box<dyn Iterator<Item = bool> + '_>| {
        let Some(first) = all.next() else {
            let message = format!("stage `{name}` has no example that expects `{word}`");
            findings.hint(path, message, border_hint(stage, judged));
            return;
        };
        if !first && !all.any(|on_border| on_border) {
            let message = format!("no `{word}` example of stage `{name}` is as of the {day}");
            findings.hint(path, message, border_hint(stage, judged));
        }
    };
    let disposing = judged.iter().filter(disposes).map(on_first_day_due);
    side("dispose", "first day due", Box::new(disposing));
    let retaining = judged
        .iter()
        .filter(|judged| !disposes(judged))
        .map(on_last_day_kept);
    side("retain", "last day kept", Box::new(retaining));
}

/// Names both days of the border, for a record of the file or else for one made up.
fn border_hint(stage: &Stage, judged: &[Judged]) -> String {
    let of_the_file = judged.iter().find_map(|judged| {
        judged
            .ends
            .map(|ends| (format!("the starting points of `{}`", judged.path), ends))
    });
    let made_up = || {
        let start = jiff::civil::date(2024, 2, 28);
        let state = PurposeState {
            applies: Applies::Yes,
            start: StartingPoint::On(start),
        };
        let candidate = Candidate {
            purposes: vec![state; stage.rule.purposes.len()],
            already_disposed: false,
            referenced: false,
        };
        let ends = stage.rule.ends(&candidate)?;
        Some((format!("all starting points on {start}"), ends))
    };
    let Some((record, ends)) = of_the_file.or_else(made_up) else {
        return "add one example on the last day kept and one on the day after".to_owned();
    };
    let last = ends.last_day_kept;
    let first = last.tomorrow().unwrap_or(Date::MAX);
    format!("with {record}: `retain` as of {last}, `dispose` as of {first}")
}
