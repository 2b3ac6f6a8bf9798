//! Row-level security: no row that the job asks for may be hidden from the worker.

use super::Ground;
use crate::guard::{self, Guard};
use crate::store::Fit;

/// Whether row-level security hides rows of a table that the job reads.
pub(super) fn compare(ground: &Ground<'_>, fit: &mut Fit) {
    if !guard::stands(Guard::NoRowIsHidden) {
        return;
    }
    for relation in &ground.inspection.relations {
        let Some(security) = &relation.row_security else {
            continue;
        };
        if !security.applies {
            continue;
        }
        let hint = if security.is_owner {
            format!("alter table {} no force row level security", relation.name)
        } else {
            format!("alter role {} bypassrls", security.role)
        };
        fit.problems.push(format!(
            "row-level security of `{}` hides rows from the database role {}: a due record would be passed over, a blocking row not seen, or a row removed by a foreign key without evidence\nhint: {hint}",
            relation.name, security.role
        ));
    }
}
