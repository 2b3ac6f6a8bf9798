//! Rows of other tables that name a record, and objects that belong to rows.

use std::collections::BTreeSet;

use super::columns::Classified;
use super::findings::Findings;
use super::joins;
use super::joins::Ground;
use super::may_be_one_table;
use super::names;
use crate::job::ColumnRef;
use crate::job::ObjectLink;
use crate::job::OnDispose;
use crate::job::Reference;
use crate::job::TableName;
use crate::job::raw::RawDisposal;
use crate::job::raw::RawOnDispose;
use crate::job::raw::RawReference;
use crate::problem::document::Path;
use crate::problem::near_miss;

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
    references
}

fn goes_with<'a>(ground: &Ground<'a>) -> impl Iterator<Item = (usize, &'a RawReference)> + use<'a> {
    let references = ground.raw.reference.iter().enumerate();
    references.filter(|(_, reference)| reference.on_dispose == RawOnDispose::GoesWith)
}

fn check_goes_with_tables(ground: &Ground, own_table: Option<&TableName>, findings: &mut Findings) {
    let path = |index: usize| Path::of("reference").at(index).key("table");
    let tables = goes_with(ground).map(|(index, raw)| (path(index), raw.table.as_str()));
    names::unique("goes-with table", tables, findings);
    for (index, raw) in goes_with(ground) {
        if own_table.is_some_and(|own| own.to_string() == raw.table) {
            let message = "rows of the own table cannot go with its records";
            let hint = "`unlink` or `blocks`: each record of the table is decided by its own dates";
            findings.hint(&path(index), message, hint);
        }
    }
}

/// Follows `of` from each goes-with table; all must end at the own table.
fn check_cycles(references: &[RawReference], findings: &mut Findings) {
    let parent_of = |table: &str| {
        let named = references.iter().find(|reference| reference.table == table);
        named.and_then(|reference| reference.of.as_deref())
    };
    let mut told: BTreeSet<&str> = BTreeSet::new();
    for (index, reference) in references.iter().enumerate() {
        let mut trail = vec![reference.table.as_str()];
        let mut here = reference.table.as_str();
        while let Some(parent) = parent_of(here) {
            let back_at_the_start = parent == reference.table;
            if trail.contains(&parent) && !back_at_the_start {
                break;
            }
            trail.push(parent);
            here = parent;
            if back_at_the_start {
                break;
            }
        }
        let is_cycle = trail.len() > 1 && trail.last() == trail.first();
        if is_cycle && !told.contains(reference.table.as_str()) {
            told.extend(&trail);
            let message = format!("the references form a cycle: {}", trail.join(" of "));
            let path = Path::of("reference").at(index).key("of");
            findings.hint(
                &path,
                message,
                "each chain of `of` must end at the own table",
            );
        }
    }
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
    let stages = stages(&path.key("stages"), raw, ground, findings);
    Some(Reference {
        of: match &raw.of {
            Some(of) => Some(names::table(&of_path, of, findings)?),
            None => None,
        },
        table: table?,
        on,
        on_dispose: on_dispose?,
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
    let found = goes_with(ground).find(|(_, reference)| reference.table == of);
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
    if own_table.is_some_and(|own| own.to_string() == of) {
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
        objects.push(ObjectLink {
            store: raw.store.clone(),
            table: named.filter(|_| !of_own),
            key_column: raw.key_column.clone(),
        });
    }
    objects
}
