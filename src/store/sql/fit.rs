//! A job against the live schema: everything that does not fit, at once.
//!
//! One module for each duty; `compare` asks them all.

mod changes;
mod columns;
mod foreign_keys;
mod joins;
mod leftovers;
mod pairs;
mod references;
mod tokens;

use super::catalog::RelationKind;
use super::catalog::TableFacts;
use super::dialect::Dialect;
use super::resolved::Tables;
use crate::job::ColumnRef;
use crate::job::Job;
use crate::job::TableName;
use crate::store::Fit;

pub(crate) use tokens::tokens_in_use;

/// Compares `job` with the live tables.
pub(crate) fn compare(job: &Job, tables: &Tables, dialect: &dyn Dialect) -> Fit {
    let mut fit = Fit::default();
    let Some(own) = usable_table(&job.table, tables, &mut fit) else {
        return fit;
    };
    columns::own(job, own, &mut fit);
    columns::coverage(own, &job.columns, &mut fit);
    joins::compare(job, tables, &mut fit);
    references::compare(job, tables, &mut fit);
    foreign_keys::compare(job, tables, &mut fit);
    leftovers::compare(job, tables, &mut fit);
    for stage in &job.stages {
        for source in &stage.sources {
            if is_there("starting point", &source.starts_at, job, tables, &mut fit)
                && let Err(problem) = tables.start_type(job, source)
            {
                fit.problems.push(problem);
            }
            if let Some(condition) = &source.applies_when {
                is_there("condition", &condition.column, job, tables, &mut fit);
            }
        }
        changes::compare(job, stage, own, dialect, &mut fit);
    }
    fit
}

/// Whether a column that the rule reads exists; if not, a problem.
fn is_there(what: &str, column: &ColumnRef, job: &Job, tables: &Tables, fit: &mut Fit) -> bool {
    let Some(facts) = Tables::table_of(job, column).and_then(|name| tables.get(name)) else {
        // The missing table is a problem of its own.
        return false;
    };
    if facts.column(&column.column).is_some() {
        return true;
    }
    fit.problems.push(format!(
        "{what} column `{}` of `{}` does not exist{}",
        column.column,
        facts.name,
        columns::near(facts, &column.column)
    ));
    false
}

/// The facts of a table that may be removed from, or a problem.
fn usable_table<'a>(name: &TableName, tables: &'a Tables, fit: &mut Fit) -> Option<&'a TableFacts> {
    let Some(facts) = tables.get(name) else {
        fit.problems.push(format!(
            "table `{name}` does not exist\nhint: name its schema (`schema.table`), or check the search path and rights of the database role"
        ));
        return None;
    };
    match facts.kind {
        RelationKind::Table | RelationKind::PartitionedTable => Some(facts),
        RelationKind::View
        | RelationKind::MaterializedView
        | RelationKind::ForeignTable
        | RelationKind::VirtualTable
        | RelationKind::Other => {
            fit.problems.push(format!(
                "`{name}` is a {}, not a table\nhint: name the table whose rows are to go",
                facts.kind.name()
            ));
            None
        }
    }
}
