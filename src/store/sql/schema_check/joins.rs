//! The tables whose row is looked up for each record.

use super::columns::near;
use super::pairs::Pair;
use crate::guard::{self, Guard};
use crate::job::{Job, Join};
use crate::store::Fit;
use crate::store::sql::catalog::{RelationKind, TableFacts};
use crate::store::sql::columns::Tables;

/// Whether each join is there and finds at most one row for a record.
pub(super) fn compare(job: &Job, tables: &Tables, fit: &mut Fit) {
    for join in &job.joins {
        let Some(facts) = tables.get(&join.table) else {
            fit.problems
                .push(format!("joined table `{}` does not exist", join.table));
            continue;
        };
        for pair in &join.on {
            if facts.column(&pair.theirs).is_none() {
                fit.problems.push(format!(
                    "join `{}`: column `{}` of `{}` does not exist{}",
                    join.name,
                    pair.theirs,
                    join.table,
                    near(facts, &pair.theirs)
                ));
            }
            let ours = tables.resolve(job, &pair.ours);
            if ours.is_none() {
                fit.problems.push(format!(
                    "join `{}`: column `{}` does not exist",
                    join.name, pair.ours
                ));
            }
            let ours = Tables::table_of(job, &pair.ours).zip(ours);
            let theirs = facts.column(&pair.theirs);
            if let Some((ours, theirs)) = ours.zip(theirs) {
                let pair = Pair {
                    theirs: (&join.table, theirs),
                    ours,
                };
                let problem = pair.problem();
                fit.problems
                    .extend(problem.map(|problem| format!("join `{}`: {problem}", join.name)));
            }
        }
        if guard::stands(Guard::JoinIsUnique) {
            fit.problems.extend(several_rows(join, facts));
        }
    }
}

/// Why a record could be joined with several rows.
fn several_rows(join: &Join, facts: &TableFacts) -> Option<String> {
    match facts.kind {
        RelationKind::Table | RelationKind::PartitionedTable => {}
        RelationKind::View
        | RelationKind::MaterializedView
        | RelationKind::ForeignTable
        | RelationKind::VirtualTable
        | RelationKind::Other => {
            return Some(format!(
                "join `{}`: `{}` is a {}, of which no key is unique, so a record could be joined with several rows\nhint: join the table itself, by its key",
                join.name,
                join.table,
                facts.kind.name()
            ));
        }
    }
    let theirs: Vec<&str> = join.on.iter().map(|pair| pair.theirs.as_str()).collect();
    (!facts.is_unique(&theirs)).then(|| {
        format!(
            "join `{}`: ({}) is no unique key of `{}`, so a record could be joined with several rows\nhint: it needs a primary key or a unique index over these not-null columns alone: whole, valid, not deferrable, under the columns' own collation, and with no rows in child tables",
            join.name,
            theirs.join(", "),
            join.table
        )
    })
}
