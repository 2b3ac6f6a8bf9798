//! A job against the live schema: everything that does not fit, at once.
//!
//! One module for each duty; `compare` asks them all.

mod changes;
mod columns;
mod constraints;
mod copies;
mod foreign_keys;
mod hidden;
mod joins;
mod keys;
mod leftovers;
mod look;
mod pairs;
mod parts;
mod probe;
mod references;
mod rights;
mod rows;
mod tokens;
mod touches;
mod triggers;

use super::catalog::{RelationKind, TableFacts};
use super::columns::Tables;
use super::dialect::Dialect;
use crate::job::{ColumnRef, Job, TableName};
use crate::store::Fit;
use crate::store::inspection::{Inspection, Relation};

pub(crate) use copies::leave_out_empty;
pub(crate) use keys::try_keys;
pub(crate) use look::look;
pub(crate) use probe::probe;
pub(crate) use rows::ask_rows;

/// What a job is compared with.
pub(crate) struct Ground<'a> {
    pub job: &'a Job,
    pub tables: &'a Tables,
    pub inspection: &'a Inspection,
    pub dialect: &'a dyn Dialect,
}

impl<'a> Ground<'a> {
    /// The relation that the job calls `name`, with what surrounds it.
    fn relation(&self, name: &TableName) -> Option<&'a Relation> {
        self.inspection.of(self.tables.get(name)?.id)
    }
}

/// Compares `job` with the live tables and what surrounds them.
pub(crate) fn compare(ground: &Ground<'_>) -> Fit {
    let (job, tables) = (ground.job, ground.tables);
    let mut fit = Fit {
        inspection: ground.inspection.clone(),
        ..Fit::default()
    };
    let Some(own) = usable_table(&job.table, tables, &mut fit) else {
        return fit;
    };
    columns::own(job, own, &mut fit);
    columns::coverage(own, &job.columns, &mut fit);
    joins::compare(job, tables, &mut fit);
    references::compare(job, tables, &mut fit);
    foreign_keys::compare(ground, &mut fit);
    hidden::compare(ground, &mut fit);
    parts::compare(ground, &mut fit);
    triggers::compare(ground, &mut fit);
    copies::compare(ground, &mut fit);
    rights::compare(ground, &mut fit);
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
        changes::compare(ground, stage, own, &mut fit);
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
