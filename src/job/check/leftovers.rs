//! Columns elsewhere in the store in which an audit looks for persons.

use super::findings::Findings;
use super::{may_be_one_table, names};
use crate::diagnostic::document::Path;
use crate::job::Leftover;
use crate::job::raw::RawJob;

/// Checks the names; whether table and column are there, the live schema says.
pub(super) fn check(raw: &RawJob, findings: &mut Findings) -> Vec<Leftover> {
    let mut leftovers: Vec<Leftover> = Vec::new();
    for (index, one) in raw.leftovers.iter().enumerate() {
        let path = Path::of("leftovers").at(index);
        names::not_empty(&path.key("column"), &one.column, findings);
        let Some(table) = names::table(&path.key("table"), &one.table, findings) else {
            continue;
        };
        // Whether it is a name at all is said where the table stands.
        let is_own = may_be_one_table(&names::unchecked_table(&raw.store.table), &table);
        if is_own && one.column == raw.subject.column {
            let message = "the column of [subject] is that of the records themselves";
            let hint = "name columns of other tables that hold the person's id";
            findings.hint(&path.key("column"), message, hint);
            continue;
        }
        let leftover = Leftover {
            table,
            column: one.column.clone(),
        };
        if leftovers.contains(&leftover) {
            let message = format!(
                "`{}` of `{}` is named twice",
                leftover.column, leftover.table
            );
            findings.say(&path.key("column"), message);
            continue;
        }
        leftovers.push(leftover);
    }
    leftovers
}
