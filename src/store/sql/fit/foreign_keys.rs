//! Foreign keys onto rows that are to be deleted.

use crate::job::Disposal;
use crate::job::Job;
use crate::job::OnDispose;
use crate::job::Reference;
use crate::job::TableName;
use crate::store::Fit;
use crate::store::sql::resolved::Tables;

/// Every foreign key onto a row that is to be deleted is named in the job, and has an index.
pub(super) fn compare(job: &Job, tables: &Tables, fit: &mut Fit) {
    let deletes = job
        .stages
        .iter()
        .any(|stage| matches!(stage.disposal, Disposal::Delete));
    if !deletes {
        return;
    }
    let mut removed: Vec<(&TableName, Option<&TableName>)> = vec![(&job.table, None)];
    for reference in &job.references {
        if matches!(reference.on_dispose, OnDispose::GoesWith { .. }) {
            removed.push((&reference.table, Some(&reference.table)));
        }
    }
    for (name, of) in removed {
        let Some(facts) = tables.get(name) else {
            continue;
        };
        for key in &facts.referenced_by {
            let named = job.references.iter().any(|reference| {
                reference.of.as_ref() == of
                    && same_table(&reference.table, &key.table)
                    && same_columns(reference, &key.columns)
            });
            let columns: Vec<&str> = key
                .columns
                .iter()
                .map(|(column, _)| column.as_str())
                .collect();
            if !named {
                fit.problems.push(format!(
                    "a foreign key of `{}` ({}) points at `{name}` and the job does not name it\nhint: add a [[reference]] with table = \"{}\" and on-dispose = \"goes-with\", \"unlink\" or \"blocks\"",
                    key.table,
                    columns.join(", "),
                    key.table
                ));
            }
            if !key.indexed {
                fit.problems.push(format!(
                    "the foreign key of `{}` ({}) onto `{name}` has no index: each batch would scan the whole table\nhint: create index on {} ({})",
                    key.table,
                    columns.join(", "),
                    key.table,
                    columns.join(", ")
                ));
            }
        }
    }
}

/// The catalog names schemas that the job may leave out.
fn same_table(written: &TableName, live: &TableName) -> bool {
    written.name == live.name && (written.schema.is_none() || written.schema == live.schema)
}

fn same_columns(reference: &Reference, columns: &[(String, String)]) -> bool {
    reference.on.len() == columns.len()
        && reference.on.iter().all(|pair| {
            columns
                .iter()
                .any(|(theirs, ours)| *theirs == pair.theirs && *ours == pair.ours.column)
        })
}
