//! What pseudonymization changes, and whether that is enough to call it so.

use super::columns::class_name;
use super::findings::Findings;
use super::joins::Ground;
use super::names;
use crate::diagnostic::document::Path;
use crate::job::raw::{RawChange, RawGeneralize, RawStage, RawStrategy};
use crate::job::{Change, ClassifiedColumn, ColumnClass, Generalize, Strategy};

/// Fewest values that integer tokens may take.
///
/// Tokens are pseudo-random: among a million persons and 2^40 values two share a token with odds
/// below one half (n²/2m = 0.45 pairs expected); each halving doubles that.
const LEAST_TOKENS: i128 = 1 << 40;

/// Checks the changes of one stage, each alone and then as a claim.
pub(super) fn check(
    path: &Path,
    raw: &RawStage,
    ground: &Ground,
    findings: &mut Findings,
) -> Option<Vec<Change>> {
    let path_of = |index: usize| path.key("change").at(index);
    let named = raw.change.iter().enumerate();
    let named = named.map(|(index, change)| (path_of(index).key("column"), change.column.as_str()));
    names::unique("change of a column", named, findings);
    if raw.change.is_empty() {
        let message = "a stage that pseudonymizes needs at least one change";
        findings.hint(
            path,
            message,
            "add `[[stage.change]]` with `column` and `strategy`",
        );
        return None;
    }
    let mut changes = Vec::new();
    for (index, change) in raw.change.iter().enumerate() {
        let path = path_of(index);
        may_be_changed(&path.key("column"), &change.column, raw, ground, findings);
        let strategy = strategy(&path, change, findings);
        changes.push(strategy.map(|strategy| Change {
            column: change.column.clone(),
            strategy,
        }));
    }
    honest_claim(path, raw, &changes, ground, findings);
    changes.into_iter().collect()
}

fn may_be_changed(
    path: &Path,
    column: &str,
    stage: &RawStage,
    ground: &Ground,
    findings: &mut Findings,
) {
    ground.own.need(path, column, findings);
    let raw = ground.raw;
    let in_use = if raw.store.key.iter().any(|key| key == column) {
        "is a key column: a record could not be found again"
    } else if stage.marker_column.as_deref() == Some(column) {
        "is the marker of this stage"
    } else if raw.client.column.as_deref() == Some(column) {
        "names the client, whose certificates would lose the record"
    } else if raw
        .object
        .iter()
        .any(|object| object.table.is_none() && object.key_column == column)
    {
        "holds the key of an object, which could not be found again"
    } else {
        return;
    };
    findings.say(
        path,
        format!("`{column}` {in_use}, so it cannot be changed"),
    );
}

fn strategy(path: &Path, raw: &RawChange, findings: &mut Findings) -> Option<Strategy> {
    only_own_options(path, raw, findings);
    match raw.strategy {
        RawStrategy::Null => Some(Strategy::Null),
        RawStrategy::Text => {
            let text = needed(path, raw, "text", raw.text.as_ref(), findings)?;
            Some(Strategy::Text(text.clone()))
        }
        RawStrategy::Token => token(path, raw, findings),
        RawStrategy::Truncate => {
            let characters = *needed(path, raw, "characters", raw.characters.as_ref(), findings)?;
            Some(Strategy::Truncate { characters })
        }
        RawStrategy::Generalize => {
            let to = *needed(path, raw, "to", raw.to.as_ref(), findings)?;
            generalize(path, raw, to, findings).map(Strategy::Generalize)
        }
    }
}

fn needed<'v, T>(
    path: &Path,
    raw: &RawChange,
    key: &str,
    value: Option<&'v T>,
    findings: &mut Findings,
) -> Option<&'v T> {
    if value.is_none() {
        let strategy = name(raw.strategy);
        findings.say(
            &path.key(key),
            format!("the strategy `{strategy}` needs `{key}` here"),
        );
    }
    value
}

/// Each option that stands there but means nothing is a slip of the pen.
fn only_own_options(path: &Path, raw: &RawChange, findings: &mut Findings) {
    let given = [
        ("text", raw.text.is_some()),
        ("context", raw.context.is_some()),
        ("range-min", raw.range_min.is_some()),
        ("range-max", raw.range_max.is_some()),
        ("to", raw.to.is_some()),
        ("characters", raw.characters.is_some()),
        ("width", raw.width.is_some()),
    ];
    let own: &[&str] = match (raw.strategy, raw.to) {
        (RawStrategy::Null, _) => &[],
        (RawStrategy::Text, _) => &["text"],
        (RawStrategy::Token, _) => &["context", "range-min", "range-max"],
        (RawStrategy::Truncate, _) => &["characters"],
        (RawStrategy::Generalize, None) => &["to", "characters", "width"],
        (RawStrategy::Generalize, Some(RawGeneralize::PostalPrefix)) => &["to", "characters"],
        (RawStrategy::Generalize, Some(RawGeneralize::Band)) => &["to", "width"],
        (
            RawStrategy::Generalize,
            Some(
                RawGeneralize::Month
                | RawGeneralize::Year
                | RawGeneralize::FiscalYear
                | RawGeneralize::Prefecture,
            ),
        ) => &["to"],
    };
    for (key, is_given) in given {
        if is_given && !own.contains(&key) {
            let strategy = name(raw.strategy);
            let message = format!("`{key}` does not belong to the strategy `{strategy}` here");
            findings.key(&path.key(key), message, "leave it out");
        }
    }
}

fn token(path: &Path, raw: &RawChange, findings: &mut Findings) -> Option<Strategy> {
    let context = needed(path, raw, "context", raw.context.as_ref(), findings)?.clone();
    names::kebab(&path.key("context"), "context", &context, findings);
    let range = match (raw.range_min, raw.range_max) {
        (None, None) => None,
        (Some(min), Some(max)) => {
            check_range(path, min, max, findings);
            Some((min, max))
        }
        (Some(_), None) | (None, Some(_)) => {
            let message = "tokens for an integer column need both `range-min` and `range-max`";
            findings.say(path, message);
            return None;
        }
    };
    Some(Strategy::Token { context, range })
}

fn check_range(path: &Path, min: i64, max: i64, findings: &mut Findings) {
    let path = path.key("range-max");
    if min >= max {
        findings.say(&path, "`range-max` must be greater than `range-min`");
        return;
    }
    let tokens = i128::from(max) - i128::from(min) + 1;
    if tokens < LEAST_TOKENS {
        let message = format!(
            "{tokens} tokens are too few: two persons would get the same one; {LEAST_TOKENS} \
             (2^40) keep a million persons apart at better than even odds"
        );
        let hint = "widen the range; a 32-bit column is too narrow for tokens: use `null` there";
        findings.hint(&path, message, hint);
    }
}

fn generalize(
    path: &Path,
    raw: &RawChange,
    to: RawGeneralize,
    findings: &mut Findings,
) -> Option<Generalize> {
    match to {
        RawGeneralize::Month => Some(Generalize::Month),
        RawGeneralize::Year => Some(Generalize::Year),
        RawGeneralize::FiscalYear => Some(Generalize::FiscalYear),
        RawGeneralize::Prefecture => Some(Generalize::Prefecture),
        RawGeneralize::PostalPrefix => {
            let characters = *needed(path, raw, "characters", raw.characters.as_ref(), findings)?;
            Some(Generalize::PostalPrefix { characters })
        }
        RawGeneralize::Band => {
            let width = *needed(path, raw, "width", raw.width.as_ref(), findings)?;
            Some(Generalize::Band { width })
        }
    }
}

/// Refuses the word pseudonymization while something that must go is still readable.
///
/// APPI Enforcement Rules, art. 31: descriptions that identify a person, identification codes,
/// and details whose misuse could cause loss of property.
fn honest_claim(
    path: &Path,
    raw: &RawStage,
    changes: &[Option<Change>],
    ground: &Ground,
    findings: &mut Findings,
) {
    for classified in ground.own.columns() {
        let Some(enough) = enough_for(classified.class) else {
            continue;
        };
        let position = raw
            .change
            .iter()
            .position(|change| change.column == classified.column);
        let Some(index) = position else {
            unchanged(path, raw, classified, enough, ground, findings);
            continue;
        };
        let Some(Some(change)) = changes.get(index) else {
            continue;
        };
        if !removes(&change.strategy, classified.class) {
            let path = path.key("change").at(index).key("strategy");
            let column = &classified.column;
            let class = class_name(classified.class);
            let strategy = name(
                raw.change
                    .get(index)
                    .map_or(RawStrategy::Null, |raw| raw.strategy),
            );
            let message = format!(
                "`{strategy}` keeps a part of `{column}` ({class}): that is no pseudonymization"
            );
            findings.hint(&path, message, enough);
        }
    }
}

fn unchanged(
    path: &Path,
    raw: &RawStage,
    classified: &ClassifiedColumn,
    enough: &str,
    ground: &Ground,
    findings: &mut Findings,
) {
    let column = &classified.column;
    let class = class_name(classified.class);
    let stage = &raw.name;
    let message = format!(
        "stage `{stage}` leaves `{column}` ({class}) as it is: that is no pseudonymization"
    );
    if ground.raw.store.key.contains(column) {
        let hint = "a key column cannot be changed; choose a key that identifies nobody, or delete";
        findings.hint(path, message, hint);
        return;
    }
    findings.hint(path, message, format!("add a change: {enough}"));
}

/// What would be enough for a column of this class; `None` if it may stay.
const fn enough_for(class: ColumnClass) -> Option<&'static str> {
    match class {
        ColumnClass::DirectIdentifier
        | ColumnClass::IdentificationCode
        | ColumnClass::Financial => Some("`null`, `text` or `token` replace it"),
        ColumnClass::FreeText => Some("`null` or `text` replace it"),
        ColumnClass::QuasiIdentifier | ColumnClass::Sensitive | ColumnClass::NotPersonal => None,
    }
}

/// Whether nothing of a value of this class can be read after the change.
const fn removes(strategy: &Strategy, class: ColumnClass) -> bool {
    match strategy {
        Strategy::Null | Strategy::Text(_) => true,
        Strategy::Token { .. } => !matches!(class, ColumnClass::FreeText),
        Strategy::Generalize(_) | Strategy::Truncate { .. } => false,
    }
}

const fn name(strategy: RawStrategy) -> &'static str {
    match strategy {
        RawStrategy::Null => "null",
        RawStrategy::Text => "text",
        RawStrategy::Token => "token",
        RawStrategy::Generalize => "generalize",
        RawStrategy::Truncate => "truncate",
    }
}
