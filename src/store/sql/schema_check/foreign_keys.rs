//! Foreign keys onto rows that are to be deleted, or whose columns are to be set.
//!
//! Tables are compared by their identity in the database, never by name: a table of the same name in
//! another schema is another table, and a key onto a partition is one onto rows of the whole.

use std::collections::BTreeSet;

use super::Ground;
use super::touches::{Touch, touches};
use crate::guard::{self, Guard};
use crate::job::{Operation, Reference};
use crate::store::Fit;
use crate::store::inspection::{ForeignKey, KeyAction, Relation};

/// Every foreign key onto a row that is to be deleted is named in the job for each stage that deletes
/// it, and has an index.
pub(super) fn compare(ground: &Ground<'_>, fit: &mut Fit) {
    let mut told = BTreeSet::new();
    for touch in touches(ground.job) {
        let Some(relation) = ground.relation(touch.table) else {
            continue;
        };
        for key in &relation.referenced_by {
            match touch.operation {
                Operation::Delete => deleted(ground, &touch, relation, key, fit),
                // What a stage rewrites in the own table is said of each change.
                Operation::Update if touch.table != &ground.job.table => set(&touch, key, fit),
                Operation::Update | Operation::Insert => {}
            }
            // Several stages delete from one table.
            if touch.operation == Operation::Delete
                && !key.indexed
                && told.insert((&key.table, &key.name, &key.columns, touch.table))
            {
                let (table, columns) = (&key.table, key.columns.join(", "));
                fit.problems.push(format!(
                    "the foreign key of `{table}` ({columns}) onto `{}` has no index: each batch would scan the whole table\nhint: create index on {table} ({columns})",
                    touch.table
                ));
            }
        }
    }
}

fn deleted(
    ground: &Ground<'_>,
    touch: &Touch<'_>,
    relation: &Relation,
    key: &ForeignKey,
    fit: &mut Fit,
) {
    if !guard::stands(Guard::ForeignKeysAreNamed) {
        return;
    }
    let named: Vec<&Reference> = ground
        .job
        .references
        .iter()
        .filter(|reference| reference.of.as_ref() == touch.goes_with)
        .filter(|reference| {
            let table = ground.tables.get(&reference.table);
            table.is_some_and(|table| key.table_ids.contains(&table.id))
                && same_columns(reference, key)
        })
        .collect();
    let Some(first) = named.first() else {
        if is_declared(ground, key) {
            let said = unnamed(ground, touch, relation, key);
            let said = said
                .split_once('\n')
                .map_or(said.as_str(), |(said, _)| said);
            let warning = format!("{said}; its effect is declared, and each batch counts it");
            if !fit.warnings.contains(&warning) {
                fit.warnings.push(warning);
            }
            return;
        }
        let problem = unnamed(ground, touch, relation, key);
        if !fit.problems.contains(&problem) {
            fit.problems.push(problem);
        }
        return;
    };
    for stage in &touch.stages {
        let takes_part = |reference: &&Reference| reference.stages.iter().any(|own| own == stage);
        if !named.iter().any(takes_part) {
            fit.problems.push(format!(
                "the reference `{}` takes no part in stage `{stage}`, which deletes rows of `{}`: {}\nhint: add \"{stage}\" to its `stages`, or leave `stages` out for all stages that delete",
                first.table,
                touch.table,
                consequence(key)
            ));
        }
    }
}

/// Whether the owner has declared what the database does by itself.
fn is_declared(ground: &Ground<'_>, key: &ForeignKey) -> bool {
    let operation = match key.on_delete {
        KeyAction::NoAction => return false,
        KeyAction::Cascade => Operation::Delete,
        KeyAction::SetNull | KeyAction::SetDefault => Operation::Update,
    };
    ground.job.effects.iter().any(|effect| {
        let table = ground.tables.get(&effect.table);
        effect.operation == operation
            && table.is_some_and(|table| key.table_ids.contains(&table.id))
    })
}

/// What the database does with rows that the job says nothing about.
fn consequence(key: &ForeignKey) -> String {
    match key.on_delete.would(&key.table) {
        Some(would) => format!(
            "the database would {would} where its foreign key ({}) names one, without evidence",
            key.columns.join(", ")
        ),
        None => format!(
            "its foreign key ({}) would stop each batch",
            key.columns.join(", ")
        ),
    }
}

fn unnamed(
    ground: &Ground<'_>,
    touch: &Touch<'_>,
    relation: &Relation,
    key: &ForeignKey,
) -> String {
    let columns = key.columns.join(", ");
    let target = if key.points_at == relation.name {
        format!("`{}`", touch.table)
    } else {
        format!(
            "`{}`, which shares its rows with `{}`,",
            key.points_at, touch.table
        )
    };
    let would = key
        .on_delete
        .would(&key.table)
        .map_or(String::new(), |would| {
            format!(": the database would {would}, without evidence")
        });
    let said = format!(
        "a foreign key of `{}` ({columns}) points at {target} and the job does not name it{would}",
        key.table
    );
    let own = ground.relation(&ground.job.table);
    let is_of_own = own.is_some_and(|own| key.table_ids.contains(&own.id));
    let hint = match (touch.goes_with, is_of_own) {
        (Some(table), true) => format!(
            "the records name rows that go with them, so neither can go first; drop the foreign key, or give `{table}` a job of its own"
        ),
        (Some(table), false) if key.table_ids.contains(&relation.id) => format!(
            "rows that name each other cannot go with a record; drop the foreign key, or give `{table}` a job of its own"
        ),
        (None, true) => format!(
            "add a [[reference]] with table = \"{}\" and on-dispose = \"unlink\" or \"blocks\"",
            key.table
        ),
        (Some(table), false) => format!(
            "add a [[reference]] with table = \"{}\", of = \"{table}\" and on-dispose = \"goes-with\", \"unlink\" or \"blocks\"",
            key.table
        ),
        (None, false) => format!(
            "add a [[reference]] with table = \"{}\" and on-dispose = \"goes-with\", \"unlink\" or \"blocks\"",
            key.table
        ),
    };
    format!("{said}\nhint: {hint}")
}

/// A column that is set although others name it.
fn set(touch: &Touch<'_>, key: &ForeignKey, fit: &mut Fit) {
    let set = touch.columns.iter();
    let mut set = set.filter(|column| key.their_columns.iter().any(|theirs| theirs == *column));
    if let Some(column) = set.next() {
        let problem = format!(
            "column `{column}` of `{}` is to be set, and a foreign key of `{}` ({}) points at it",
            touch.table,
            key.table,
            key.columns.join(", ")
        );
        if !fit.problems.contains(&problem) {
            fit.problems.push(problem);
        }
    }
}

fn same_columns(reference: &Reference, key: &ForeignKey) -> bool {
    let pairs = || key.columns.iter().zip(&key.their_columns);
    let is_pair = |theirs: &str, ours: &str| {
        pairs().any(|(column, their)| {
            column.eq_ignore_ascii_case(theirs) && their.eq_ignore_ascii_case(ours)
        })
    };
    reference.on.len() == key.columns.len()
        && reference
            .on
            .iter()
            .all(|pair| is_pair(&pair.theirs, &pair.ours.column))
}
