//! Where an audit looks for persons, against the live schema.

use std::mem::discriminant;

use super::columns::near;
use crate::job::Job;
use crate::store::Fit;
use crate::store::sql::catalog::ColumnFacts;
use crate::store::sql::columns::Tables;

/// Whether each column is there and may hold the ids of the job's persons.
pub(super) fn compare(job: &Job, tables: &Tables, fit: &mut Fit) {
    let subject = tables.column(&job.table, &job.subject.column);
    for leftover in &job.leftovers {
        let Some(facts) = tables.get(&leftover.table) else {
            fit.problems.push(format!(
                "leftovers: table `{}` does not exist",
                leftover.table
            ));
            continue;
        };
        let Some(column) = facts.column(&leftover.column) else {
            fit.problems.push(format!(
                "leftovers: column `{}` of `{}` does not exist{}",
                leftover.column,
                leftover.table,
                near(facts, &leftover.column)
            ));
            continue;
        };
        if let Some(subject) = subject
            && !may_be_equal(subject, column)
        {
            fit.problems.push(format!(
                "leftovers: column `{}` of `{}` has type `{}` and the subject `{}` has `{}`: they never hold the same id",
                leftover.column,
                leftover.table,
                column.type_name,
                job.subject.column,
                subject.type_name
            ));
        }
    }
}

/// Evidence knows an id by its kind of value: `7` and `'7'` are two persons.
fn may_be_equal(subject: &ColumnFacts, column: &ColumnFacts) -> bool {
    discriminant(&subject.column_type) == discriminant(&column.column_type)
}
