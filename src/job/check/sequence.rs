//! Stages taken together: is each one reached, and does it still find what it needs?

use kigen_evidence::calendar::{FirstDay, Period};

use super::findings::Findings;
use super::joins::Ground;
use crate::diagnostic::document::Path;
use crate::job::raw::RawDisposal;
use crate::job::{ColumnRef, Disposal, Stage};

/// Checks the order of the stages.
pub(super) fn check(ground: &Ground, stages: &[Option<Stage>], findings: &mut Findings) {
    ends_with_delete(ground, findings);
    never_reached(stages, findings);
    for (index, stage) in stages.iter().enumerate() {
        let Some(stage) = stage else {
            continue;
        };
        for (later_index, later) in stages.iter().enumerate().skip(index + 1) {
            if let Some(later) = later {
                still_readable(stage, (later_index, later), ground, findings);
            }
        }
        references_still_match(stage, stages, ground, findings);
    }
}

/// Pseudonymized data is still personal data, so each such stage needs a later one that deletes.
fn ends_with_delete(ground: &Ground, findings: &mut Findings) {
    let stages = &ground.raw.stage;
    for (index, stage) in stages.iter().enumerate() {
        let mut later = stages.iter().skip(index + 1);
        let is_deleted_later = later.any(|later| later.disposal == RawDisposal::Delete);
        if stage.disposal == RawDisposal::Pseudonymize && !is_deleted_later {
            let name = &stage.name;
            let message = format!("no stage deletes what `{name}` pseudonymized");
            let hint = "pseudonymized data is still personal data: add a later stage that deletes";
            findings.hint(&Path::of("stage").at(index), message, hint);
        }
    }
}

/// A stage is never reached if another always deletes the record by the time it is due.
fn never_reached(stages: &[Option<Stage>], findings: &mut Findings) {
    for (index, stage) in stages.iter().enumerate() {
        let Some(stage) = stage else {
            continue;
        };
        let deletes_first = stages.iter().enumerate().find_map(|(other_index, other)| {
            let other = other
                .as_ref()
                .filter(|other| other.disposal == Disposal::Delete)?;
            // Of two equal stages only the later one is told.
            let comes_first = other_index < index || !always_due_by(stage, other);
            let is_another = other_index != index;
            (is_another && comes_first && always_due_by(other, stage)).then_some(other)
        });
        if let Some(other) = deletes_first {
            let (name, other) = (&stage.name, &other.name);
            let message = format!(
                "stage `{name}` is never reached: `{other}` has always deleted the record by then"
            );
            let hint = "compare the periods of purposes with the same `starts-at`";
            findings.hint(&Path::of("stage").at(index), message, hint);
        }
        let deleted_at_the_same_time = stages.iter().skip(index + 1).flatten().find(|later| {
            later.disposal == Disposal::Delete
                && always_due_by(later, stage)
                && always_due_by(stage, later)
                && stage.disposal != Disposal::Delete
        });
        if let Some(later) = deleted_at_the_same_time {
            let (name, later) = (&stage.name, &later.name);
            let message = format!("stage `{name}` is in vain: `{later}` is due on the same day");
            findings.say(&Path::of("stage").at(index), message);
        }
    }
}

/// Whether every record that is due in `late` is due in `early` on the same day or before.
///
/// Certain only if each purpose of `early` has one in `late` that is read and applies alike and
/// goes on at least as long.
fn always_due_by(early: &Stage, late: &Stage) -> bool {
    let purposes = |stage: &'_ Stage| -> Vec<_> {
        let purposes = stage.rule.purposes.iter().cloned();
        purposes.zip(stage.sources.iter().cloned()).collect()
    };
    let of_late = purposes(late);
    purposes(early).iter().all(|(purpose, source)| {
        of_late.iter().any(|(other, other_source)| {
            let covers = other_source.applies_when.is_none()
                || other_source.applies_when == source.applies_when;
            let same_start = source.starts_at == other_source.starts_at
                && source.stored_as == other_source.stored_as;
            let same_count =
                purpose.first_day == other.first_day || purpose.first_day == FirstDay::Counted;
            covers && same_start && same_count && is_never_longer(purpose.period, other.period)
        })
    })
}

/// Whether `a` is no longer than `b` from any starting point.
fn is_never_longer(a: Period, b: Period) -> bool {
    match (a, b) {
        (Period::Months(a), Period::Months(b)) | (Period::Days(a), Period::Days(b)) => a <= b,
        (Period::Months(months), Period::Days(days)) => months * LONGEST_MONTH <= days,
        (Period::Days(days), Period::Months(months)) => days <= months * SHORTEST_MONTH,
    }
}

const SHORTEST_MONTH: i32 = 28;
const LONGEST_MONTH: i32 = 31;

fn changed_columns(stage: &Stage) -> Vec<&str> {
    match &stage.disposal {
        Disposal::Delete => Vec::new(),
        Disposal::Pseudonymize { changes, marker: _ } => changes
            .iter()
            .map(|change| change.column.as_str())
            .collect(),
    }
}

/// What a stage changes, no later stage may need for its dates and conditions.
fn still_readable(
    stage: &Stage,
    (later_index, later): (usize, &Stage),
    ground: &Ground,
    findings: &mut Findings,
) {
    let changed = changed_columns(stage);
    for (index, source) in later.sources.iter().enumerate() {
        let path = Path::of("stage").at(later_index).key("purpose").at(index);
        let condition = source.applies_when.as_ref();
        let condition = condition.map(|condition| ("applies-when", &condition.column));
        for (key, column) in [("starts-at", &source.starts_at)]
            .into_iter()
            .chain(condition)
        {
            let needed = own_columns_behind(column, ground);
            let lost = needed
                .iter()
                .find(|needed| changed.contains(&needed.as_str()));
            if let Some(lost) = lost {
                let (later, stage) = (&later.name, &stage.name);
                let message = format!(
                    "stage `{later}` reads `{column}` by way of `{lost}`, which stage `{stage}` \
                     has changed by then"
                );
                let hint = "start from a column that keeps its value, or copy the date before";
                findings.hint(&path.key(key), message, hint);
            }
        }
    }
}

/// The columns of the own table that must be intact for `column` to be read.
fn own_columns_behind(column: &ColumnRef, ground: &Ground) -> Vec<String> {
    let mut needed = Vec::new();
    let mut waiting = vec![column.clone()];
    while let Some(column) = waiting.pop() {
        let Some(join) = &column.join else {
            needed.push(column.column);
            continue;
        };
        // A join is matched only with earlier ones, so this ends.
        let join = ground
            .joins
            .iter()
            .find(|candidate| candidate.name == *join);
        waiting.extend(
            join.into_iter()
                .flat_map(|join| &join.on)
                .map(|on| on.ours.clone()),
        );
    }
    needed
}

/// What a stage changes, no reference of a later stage may be matched by: rows that block would
/// no longer be found, and the record would go.
fn references_still_match(
    stage: &Stage,
    stages: &[Option<Stage>],
    ground: &Ground,
    findings: &mut Findings,
) {
    let changed = changed_columns(stage);
    if changed.is_empty() {
        return;
    }
    let position = |name: &str| stages.iter().flatten().position(|stage| stage.name == name);
    for (index, reference) in ground.raw.reference.iter().enumerate() {
        if reference.of.is_some() {
            continue;
        }
        let takes_part_later = match &reference.stages {
            Some(names) => names
                .iter()
                .any(|name| position(name) > position(&stage.name)),
            None => true,
        };
        for (theirs, ours) in &reference.on {
            // That a key column cannot be changed is told with the change.
            let is_lost = changed.contains(&ours.as_str()) && !ground.raw.store.key.contains(ours);
            if takes_part_later && is_lost {
                let (table, stage) = (&reference.table, &stage.name);
                let message = format!(
                    "rows of `{table}` are found by `{ours}`, which stage `{stage}` has changed \
                     by the time of a later stage"
                );
                let path = Path::of("reference").at(index).key("on").key(theirs);
                findings.hint(&path, message, "match them by the record's key");
            }
        }
    }
}
