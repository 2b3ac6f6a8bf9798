//! Rows of other tables that name a record, and objects that belong to rows.

use std::collections::BTreeSet;

use super::columns::Classified;
use super::findings::Findings;
use super::joins::{self, Ground};
use super::{may_be_one_table, names};
use crate::diagnostic::document::Path;
use crate::diagnostic::near_miss;
use crate::job::raw::{RawDisposal, RawOnDispose, RawReference};
use crate::job::{ColumnRef, MAX_ABSENT_PERCENT, ObjectLink, OnDispose, Reference, TableName};

/// Checks the references.
pub(super) fn check(
    ground: &Ground,
    own_table: Option<&TableName>,
    findings: &mut Findings,
) -> Vec<Reference> {
    check_goes_with_tables(ground, own_table, findings);
    check_cycles(&ground.raw.reference, findings);
    let mut references = Vec::new();
    for (index, raw) in ground.raw.reference.iter().enumerate() {
        let path = Path::of("reference").at(index);
        references.extend(reference(&path, raw, ground, own_table, findings));
    }
    parents_first(references)
}

fn goes_with<'a>(ground: &Ground<'a>) -> impl Iterator<Item = (usize, &'a RawReference)> + use<'a> {
    let references = ground.raw.reference.iter().enumerate();
    references.filter(|(_, reference)| reference.on_dispose == RawOnDispose::GoesWith)
}

fn check_goes_with_tables(ground: &Ground, own_table: Option<&TableName>, findings: &mut Findings) {
    let path = |index: usize| Path::of("reference").at(index).key("table");
    for (index, raw) in goes_with(ground) {
        let table = names::unchecked_table(&raw.table);
        // Rows may name records in two ways, as a sender and a receiver: they are one table's rows.
        let earlier = goes_with(ground).take_while(|(earlier, _)| *earlier < index);
        let mut earlier =
            earlier.filter(|(_, other)| names::unchecked_table(&other.table) == table);
        if let Some((first, other)) = earlier.next() {
            same_rows(index, raw, first, other, findings);
        }
        if own_table == Some(&table) {
            let message = "rows of the own table cannot go with its records";
            let hint = "`unlink` or `blocks`: each record of the table is decided by its own dates";
            findings.hint(&path(index), message, hint);
        }
    }
}

/// Checks that two references describe the rows of one table alike.
fn same_rows(
    index: usize,
    raw: &RawReference,
    first: usize,
    other: &RawReference,
    findings: &mut Findings,
) {
    let path = Path::of("reference").at(index);
    let hint = "both say what the same rows are";
    if raw.on == other.on && raw.of == other.of {
        let message = format!("the reference is already named at `reference[{first}]`");
        findings.say(&path.key("on"), message);
    }
    if raw.key != other.key {
        let message = format!("`key` differs from that of `reference[{first}]`, of the same table");
        findings.hint(&path.key("key"), message, hint);
    }
    if raw.columns != other.columns {
        let message =
            format!("`columns` differ from those of `reference[{first}]`, of the same table");
        findings.hint(&path.key("columns"), message, hint);
    }
}

/// Follows `of` from each table; every way must end at the own table.
fn check_cycles(references: &[RawReference], findings: &mut Findings) {
    let mut told: BTreeSet<&str> = BTreeSet::new();
    for (index, reference) in references.iter().enumerate() {
        let start = reference.table.as_str();
        if told.contains(start) {
            continue;
        }
        let Some(mut trail) = way_back(references, start, start, &mut BTreeSet::new()) else {
            continue;
        };
        told.extend(&trail);
        trail.push(start);
        let message = format!("the references form a cycle: {}", trail.join(" of "));
        let path = Path::of("reference").at(index).key("of");
        let hint = "each chain of `of` must end at the own table";
        findings.hint(&path, message, hint);
    }
}

/// The tables on a way along `of` from `here` back to `start`.
fn way_back<'r>(
    references: &'r [RawReference],
    here: &'r str,
    start: &str,
    seen: &mut BTreeSet<&'r str>,
) -> Option<Vec<&'r str>> {
    if !seen.insert(here) {
        return None;
    }
    let of_table = references.iter().filter(|other| other.table == here);
    for parent in of_table.filter_map(|reference| reference.of.as_deref()) {
        if parent == start {
            return Some(vec![here]);
        }
        if let Some(mut trail) = way_back(references, parent, start, seen) {
            trail.insert(0, here);
            return Some(trail);
        }
    }
    None
}

/// Puts each reference behind all those of the table that it is `of`: rows are found from the records
/// downwards. What does not end at the own table keeps its place; it is told.
fn parents_first(references: Vec<Reference>) -> Vec<Reference> {
    let mut waiting = references;
    let mut ordered: Vec<Reference> = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let is_free = |reference: &Reference| {
            let of = reference.of.as_ref();
            !waiting.iter().any(|other| {
                Some(&other.table) == of && matches!(other.on_dispose, OnDispose::GoesWith { .. })
            })
        };
        let Some(next) = waiting.iter().position(is_free) else {
            break;
        };
        ordered.push(waiting.remove(next));
    }
    ordered.extend(waiting);
    ordered
}

fn reference(
    path: &Path,
    raw: &RawReference,
    ground: &Ground,
    own_table: Option<&TableName>,
    findings: &mut Findings,
) -> Option<Reference> {
    let table = names::table(&path.key("table"), &raw.table, findings);
    let of_path = path.key("of");
    let parent = parent(&of_path, raw.of.as_deref(), ground, own_table, findings);
    let on = joins::matches(
        &path.key("on"),
        &raw.on,
        findings,
        |path, ours, findings| {
            match &parent {
                Parent::Own => ground.own.need(path, ours, findings),
                Parent::Reference(columns) => columns.need(path, ours, findings),
                Parent::Unknown => {}
            }
            Some(ColumnRef {
                join: None,
                column: ours.to_owned(),
            })
        },
    );
    let on_dispose = on_dispose(path, raw, findings);
    let clear = clear(path, raw, ground, findings);
    let stages = stages(&path.key("stages"), raw, ground, findings);
    Some(Reference {
        of: match &raw.of {
            Some(of) => Some(names::table(&of_path, of, findings)?),
            None => None,
        },
        table: table?,
        on,
        on_dispose: on_dispose?,
        clear,
        stages,
    })
}

/// Whose rows a reference names.
enum Parent {
    Own,
    Reference(Classified),
    /// Already told.
    Unknown,
}

fn parent(
    path: &Path,
    of: Option<&str>,
    ground: &Ground,
    own_table: Option<&TableName>,
    findings: &mut Findings,
) -> Parent {
    let Some(of) = of else {
        return Parent::Own;
    };
    let named = names::unchecked_table(of);
    let found =
        goes_with(ground).find(|(_, reference)| names::unchecked_table(&reference.table) == named);
    if let Some((index, reference)) = found {
        let Some(columns) = &reference.columns else {
            return Parent::Unknown;
        };
        let path = Path::of("reference").at(index).key("columns");
        // Its own check tells what is wrong with the lists; here they are only looked up.
        let before = findings.count();
        let columns = Classified::read(columns, &path, list_name(&reference.table), findings);
        findings.forget_since(before);
        return Parent::Reference(columns);
    }
    if own_table == Some(&names::unchecked_table(of)) {
        findings.hint(path, "`of` names the own table", "leave `of` out");
        return Parent::Unknown;
    }
    let known = goes_with(ground).map(|(_, reference)| reference.table.as_str());
    let hint = near_miss::hint(of, known);
    findings.maybe_hint(
        path,
        format!("`{of}` is no goes-with reference of this job"),
        hint,
    );
    Parent::Unknown
}

fn list_name(table: &str) -> String {
    format!("[reference.columns] of `{table}`")
}

fn on_dispose(path: &Path, raw: &RawReference, findings: &mut Findings) -> Option<OnDispose> {
    let other = match raw.on_dispose {
        RawOnDispose::GoesWith => return rows_that_go_with(path, raw, findings),
        RawOnDispose::Unlink => OnDispose::Unlink,
        RawOnDispose::Blocks => OnDispose::Blocks,
    };
    for (key, is_there) in [
        ("key", raw.key.is_some()),
        ("columns", raw.columns.is_some()),
    ] {
        if is_there {
            let message = format!("`{key}` belongs to `goes-with` only");
            findings.key(
                &path.key(key),
                message,
                "its rows stay, so nothing is recorded of them",
            );
        }
    }
    Some(other)
}

/// The columns that `unlink` sets to null: what ties the row to the person, and to nobody else.
fn clear(path: &Path, raw: &RawReference, ground: &Ground, findings: &mut Findings) -> Vec<String> {
    let unlinks = raw.on_dispose == RawOnDispose::Unlink;
    let path = path.key("clear");
    let Some(clear) = &raw.clear else {
        if !unlinks {
            return Vec::new();
        }
        let client = ground.raw.client.column.as_ref();
        let of_person = raw.on.iter().filter(|(_, ours)| Some(*ours) != client);
        let of_person: Vec<String> = of_person.map(|(theirs, _)| theirs.clone()).collect();
        // Which of several columns is the person's, only the author of the rule can say.
        if of_person.len() != 1 && !raw.on.is_empty() {
            let message = format!(
                "the reference names its record by {} columns: say which of them `unlink` clears",
                raw.on.len()
            );
            let hint =
                "`clear = [\"…\"]` with the columns that name the person; the row keeps the others";
            findings.hint(&path, message, hint);
        }
        return of_person;
    };
    if !unlinks {
        findings.key(
            &path,
            "`clear` belongs to `unlink` only",
            "other rows keep their columns, or go",
        );
    } else if clear.is_empty() {
        findings.hint(
            &path,
            "`clear` names no column",
            "the row would go on naming its record; name a column of `on`",
        );
    }
    for (index, column) in clear.iter().enumerate() {
        if !raw.on.contains_key(column) {
            let hint = near_miss::hint(column, raw.on.keys().map(String::as_str));
            let message = format!("`{column}` is no column of `on`");
            findings.maybe_hint(&path.at(index), message, hint);
        }
    }
    clear.clone()
}

fn rows_that_go_with(
    path: &Path,
    raw: &RawReference,
    findings: &mut Findings,
) -> Option<OnDispose> {
    if raw.key.as_ref().is_none_or(Vec::is_empty) {
        let message = "a goes-with reference needs its `key`";
        findings.hint(
            &path.key("key"),
            message,
            "each of its rows gets its own place in evidence",
        );
    }
    let Some(columns) = &raw.columns else {
        let message = "a goes-with reference needs its `[reference.columns]`";
        findings.hint(
            &path.key("columns"),
            message,
            "every column of the table, by class",
        );
        return None;
    };
    let list = list_name(&raw.table);
    let columns = Classified::read(columns, &path.key("columns"), list, findings);
    let key = raw.key.clone()?;
    columns.need_all(&path.key("key"), &key, findings);
    for theirs in raw.on.keys() {
        columns.need(&path.key("on").key(theirs), theirs, findings);
    }
    Some(OnDispose::GoesWith {
        key,
        columns: columns.into_columns(),
    })
}

fn stages(
    path: &Path,
    raw: &RawReference,
    ground: &Ground,
    findings: &mut Findings,
) -> Vec<String> {
    let Some(stages) = &raw.stages else {
        let deleting = ground.raw.stage.iter();
        let deleting = deleting.filter(|stage| stage.disposal == RawDisposal::Delete);
        return deleting.map(|stage| stage.name.clone()).collect();
    };
    if stages.is_empty() {
        findings.hint(
            path,
            "the reference takes part in no stage",
            "leave it out, or name stages",
        );
    }
    for (index, name) in stages.iter().enumerate() {
        let known: Vec<&str> = ground
            .raw
            .stage
            .iter()
            .map(|stage| stage.name.as_str())
            .collect();
        if !known.contains(&name.as_str()) {
            let message = format!("there is no stage `{name}`");
            findings.maybe_hint(&path.at(index), message, near_miss::hint(name, known));
        }
    }
    stages.clone()
}

/// Checks the links to objects.
pub(super) fn objects(
    ground: &Ground,
    own_table: Option<&TableName>,
    findings: &mut Findings,
) -> Vec<ObjectLink> {
    let mut objects = Vec::new();
    for (index, raw) in ground.raw.object.iter().enumerate() {
        let path = Path::of("object").at(index);
        names::not_empty(&path.key("store"), &raw.store, findings);
        let key_path = path.key("key-column");
        let table_path = path.key("table");
        let named = match &raw.table {
            Some(table) => names::table(&table_path, table, findings),
            None => None,
        };
        let of_own = named
            .as_ref()
            .is_none_or(|table| own_table.is_some_and(|own| may_be_one_table(own, table)));
        let of = raw.table.as_deref().filter(|_| !of_own);
        match parent(&table_path, of, ground, own_table, findings) {
            Parent::Own => ground.own.need(&key_path, &raw.key_column, findings),
            Parent::Reference(columns) => columns.need(&key_path, &raw.key_column, findings),
            Parent::Unknown => {}
        }
        let max_absent_percent = raw.max_absent_percent.unwrap_or(MAX_ABSENT_PERCENT);
        if max_absent_percent > 100 {
            findings.hint(
                &path.key("max-absent-percent"),
                "a share lies between 0 and 100 percent",
                "100 says that all objects may be absent",
            );
        }
        objects.push(ObjectLink {
            max_absent_percent,
            store: raw.store.clone(),
            table: named.filter(|_| !of_own),
            key_column: raw.key_column.clone(),
        });
    }
    objects
}
