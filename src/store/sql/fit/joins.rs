//! The tables whose row is looked up for each record.

use super::columns::near;
use crate::guard;
use crate::guard::Guard;
use crate::job::Job;
use crate::store::Fit;
use crate::store::sql::resolved::Tables;

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
            if tables.resolve(job, &pair.ours).is_none() {
                fit.problems.push(format!(
                    "join `{}`: column `{}` does not exist",
                    join.name, pair.ours
                ));
            }
        }
        let theirs: Vec<&str> = join.on.iter().map(|pair| pair.theirs.as_str()).collect();
        if guard::stands(Guard::JoinIsUnique) && !facts.is_unique(&theirs) {
            fit.problems.push(format!(
                "join `{}`: ({}) is no unique key of `{}`, so a record could be joined with several rows",
                join.name,
                theirs.join(", "),
                join.table
            ));
        }
    }
}
