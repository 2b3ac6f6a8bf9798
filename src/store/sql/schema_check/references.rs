//! The rows of other tables that the job names, and what becomes of them.

use super::columns::{coverage, near};
use super::pairs::Pair;
use super::usable_table;
use crate::job::{Job, OnDispose, Reference};
use crate::store::Fit;
use crate::store::sql::catalog::TableFacts;
use crate::store::sql::columns::Tables;

/// Whether each reference is there and can be carried out.
pub(super) fn compare(job: &Job, tables: &Tables, fit: &mut Fit) {
    for reference in &job.references {
        let Some(facts) = usable_table(&reference.table, tables, fit) else {
            continue;
        };
        let parent_name = reference.of.as_ref().unwrap_or(&job.table);
        let parent = tables.get(parent_name);
        for pair in &reference.on {
            if facts.column(&pair.theirs).is_none() {
                fit.problems.push(format!(
                    "reference `{}`: its column `{}` does not exist{}",
                    reference.table,
                    pair.theirs,
                    near(facts, &pair.theirs)
                ));
            }
            if parent.is_some_and(|parent| parent.column(&pair.ours.column).is_none()) {
                fit.problems.push(format!(
                    "reference `{}`: column `{}` of `{parent_name}` does not exist",
                    reference.table, pair.ours.column
                ));
            }
            let ours = parent.and_then(|parent| parent.column(&pair.ours.column));
            if let Some((theirs, ours)) = facts.column(&pair.theirs).zip(ours) {
                let pair = Pair {
                    theirs: (&reference.table, theirs),
                    ours: (parent_name, ours),
                };
                let problem = pair.problem();
                fit.problems.extend(
                    problem.map(|problem| format!("reference `{}`: {problem}", reference.table)),
                );
            }
        }
        if let OnDispose::Unlink = reference.on_dispose {
            unlinked(reference, facts, fit);
        }
        if let OnDispose::GoesWith { key, columns } = &reference.on_dispose {
            goes_with(reference, facts, parent, key, fit);
            coverage(facts, columns, fit);
        }
    }
    for link in &job.objects {
        let Some(table) = &link.table else { continue };
        if tables
            .get(table)
            .is_some_and(|facts| facts.column(&link.key_column).is_none())
        {
            fit.problems.push(format!(
                "object key column `{}` of `{table}` does not exist",
                link.key_column
            ));
        }
    }
}

/// What is set to null must take it.
fn unlinked(reference: &Reference, facts: &TableFacts, fit: &mut Fit) {
    for name in &reference.clear {
        if facts.column(name).is_some_and(|column| !column.nullable) {
            fit.problems.push(format!(
                "reference `{}`: its column `{name}` does not take null, so its rows cannot be unlinked\nhint: alter table {} alter column {name} drop not null, or `goes-with` or `blocks`",
                reference.table, facts.relation
            ));
        }
    }
}

fn goes_with(
    reference: &Reference,
    facts: &TableFacts,
    parent: Option<&TableFacts>,
    key: &[String],
    fit: &mut Fit,
) {
    let key: Vec<&str> = key.iter().map(String::as_str).collect();
    if !facts.is_unique(&key) {
        fit.problems.push(format!(
            "reference `{}`: key ({}) is not unique",
            reference.table,
            key.join(", ")
        ));
    }
    let ours: Vec<&str> = reference
        .on
        .iter()
        .map(|pair| pair.ours.column.as_str())
        .collect();
    if parent.is_some_and(|parent| !parent.is_unique(&ours)) {
        fit.problems.push(format!(
            "reference `{}`: ({}) is no unique key of the table it names, so a row could go with several records",
            reference.table,
            ours.join(", ")
        ));
    }
}
