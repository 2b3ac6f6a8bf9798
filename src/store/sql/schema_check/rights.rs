//! What the database role must be allowed to do, so that no night finds it out.

use std::collections::{BTreeMap, BTreeSet};

use super::Ground;
use super::touches::touches;
use crate::guard::{self, Guard};
use crate::job::{ClientSource, Job, OnDispose, Operation, TableName};
use crate::store::Fit;
use crate::store::inspection::{Right, Rights};
use crate::store::sql::columns::Tables;

/// What kigen does with its own tables (`migrations/README.md`).
const OWN_TABLES: [(&str, &[Right]); 5] = [
    ("fence", &[Right::Select, Right::Insert, Right::Update]),
    ("journal", &[Right::Select, Right::Insert]),
    ("intent", &[Right::Select, Right::Insert, Right::Delete]),
    ("marker", &[Right::Select, Right::Insert, Right::Delete]),
    ("published", &[Right::Select, Right::Insert]),
];

/// What a job needs of one table.
#[derive(Default)]
struct Needs<'a> {
    /// Columns that are read.
    select: BTreeSet<&'a str>,
    /// Columns that are set.
    update: BTreeSet<&'a str>,
    /// Whether rows are locked, which takes the right to update some column.
    locks: bool,
    deletes: bool,
    inserts: bool,
}

/// Names each right that a run needs and the role lacks, with its `grant`.
///
/// What can be read is needed by every command; the rest by those that remove.
pub(super) fn compare(ground: &Ground<'_>, fit: &mut Fit) {
    if !guard::stands(Guard::RightsAreThere) {
        return;
    }
    for (table, needs) in needs(ground.job, ground.tables) {
        let rights = ground.relation(table).and_then(|own| own.rights.as_ref());
        if let Some(rights) = rights {
            missing(rights, &needs, fit);
        }
    }
    own_tables(ground, fit);
}

fn needs<'a>(job: &'a Job, tables: &Tables) -> BTreeMap<&'a TableName, Needs<'a>> {
    let mut needs: BTreeMap<&TableName, Needs<'_>> = BTreeMap::new();
    let mut read = |table: &'a TableName, columns: &mut dyn Iterator<Item = &'a str>| {
        needs.entry(table).or_default().select.extend(columns);
    };
    read(&job.table, &mut own_columns(job).into_iter());
    for join in &job.joins {
        read(
            &join.table,
            &mut join.on.iter().map(|pair| pair.theirs.as_str()),
        );
        for pair in &join.on {
            if let Some(table) = Tables::table_of(job, &pair.ours) {
                read(table, &mut [pair.ours.column.as_str()].into_iter());
            }
        }
    }
    for source in job.stages.iter().flat_map(|stage| &stage.sources) {
        let condition = source.applies_when.as_ref().map(|when| &when.column);
        for column in [Some(&source.starts_at), condition].into_iter().flatten() {
            if let Some(table) = Tables::table_of(job, column) {
                read(table, &mut [column.column.as_str()].into_iter());
            }
        }
    }
    for reference in &job.references {
        let theirs = reference.on.iter().map(|pair| pair.theirs.as_str());
        read(
            &reference.table,
            &mut theirs.chain(key_of(&reference.on_dispose)),
        );
        let parent = reference.of.as_ref().unwrap_or(&job.table);
        let ours = reference.on.iter().map(|pair| pair.ours.column.as_str());
        read(parent, &mut { ours });
    }
    for link in &job.objects {
        let table = link.table.as_ref().unwrap_or(&job.table);
        read(table, &mut [link.key_column.as_str()].into_iter());
    }
    for leftover in &job.leftovers {
        read(&leftover.table, &mut [leftover.column.as_str()].into_iter());
    }
    for touch in touches(job) {
        let needs = needs.entry(touch.table).or_default();
        needs.update.extend(touch.columns.iter().copied());
        let deletes = touch.operation == Operation::Delete;
        needs.deletes |= deletes;
        needs.locks |= deletes || touch.table == &job.table;
    }
    // What a trigger writes, it writes with the role's own rights.
    for effect in &job.effects {
        if tables.get(&effect.table).is_none() {
            continue;
        }
        let needs = needs.entry(&effect.table).or_default();
        match effect.operation {
            Operation::Insert => needs.inserts = true,
            Operation::Update => needs.locks = true,
            Operation::Delete => needs.deletes = true,
        }
    }
    needs
}

fn own_columns(job: &Job) -> Vec<&str> {
    let mut columns: Vec<&str> = job.key.iter().map(String::as_str).collect();
    columns.push(&job.subject.column);
    if let ClientSource::Column(column) = &job.client {
        columns.push(column);
    }
    let updates = touches(job).into_iter();
    let updates = updates.filter(|touch| touch.table == &job.table);
    columns.extend(updates.flat_map(|touch| touch.columns));
    columns
}

fn key_of(on_dispose: &OnDispose) -> impl Iterator<Item = &str> {
    let key: &[String] = match on_dispose {
        OnDispose::GoesWith { key, .. } => key,
        OnDispose::Unlink | OnDispose::Blocks => &[],
    };
    key.iter().map(String::as_str)
}

fn missing(rights: &Rights, needs: &Needs<'_>, fit: &mut Fit) {
    let Rights {
        role,
        quoted,
        quoted_schema,
        ..
    } = rights;
    if !rights.schema {
        fit.unreadable.push(format!(
            "the database role {role} may not use the schema of {quoted}\nhint: grant usage on schema {quoted_schema} to {role}"
        ));
    }
    let lacks = |right: Right, columns: &BTreeSet<&str>| {
        let held = rights.columns.get(&right);
        let may = |column: &&&str| held.is_some_and(|held| held.iter().any(|own| own == **column));
        !rights.table.contains(&right) && !columns.iter().all(|column| may(&column))
    };
    let message = |right: Right| {
        let right = right.name();
        format!(
            "the database role {role} may not {right} {}{quoted}\nhint: grant {right} on {quoted} to {role}",
            match right {
                "select" => "all that the job reads of ",
                "insert" => "into ",
                "delete" => "from ",
                _ => "",
            }
        )
    };
    if lacks(Right::Select, &needs.select) {
        fit.unreadable.push(message(Right::Select));
    }
    let no_column = rights.columns.get(&Right::Update).is_none_or(Vec::is_empty);
    let cannot_lock = needs.locks && no_column && !rights.table.contains(&Right::Update);
    if cannot_lock || lacks(Right::Update, &needs.update) {
        fit.missing_rights.push(message(Right::Update));
    }
    for (needed, right) in [
        (needs.deletes, Right::Delete),
        (needs.inserts, Right::Insert),
    ] {
        if needed && !rights.table.contains(&right) {
            fit.missing_rights.push(message(right));
        }
    }
}

/// kigen's own tables, where the store has rights at all.
fn own_tables(ground: &Ground<'_>, fit: &mut Fit) {
    let relations = &ground.inspection.relations;
    let Some(rights) = relations.iter().find_map(|own| own.rights.as_ref()) else {
        return;
    };
    for (name, needed) in OWN_TABLES {
        // A table that is not there is told as a migration that is missing.
        let Some(held) = ground.inspection.own_tables.get(name) else {
            continue;
        };
        let lacking: Vec<&str> = needed
            .iter()
            .filter(|right| !held.contains(right))
            .map(|right| right.name())
            .collect();
        if !lacking.is_empty() {
            let (table, role) = (ground.dialect.internal(name), &rights.role);
            let lacking = lacking.join(", ");
            fit.missing_rights.push(format!(
                "the database role {role} may not {lacking} kigen's own table {table}\nhint: grant {lacking} on {table} to {role}"
            ));
        }
    }
}
