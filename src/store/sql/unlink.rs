//! Rows of other tables that stay when their record goes, and no longer name it.

use std::collections::BTreeMap;

use super::dependents::Parents;
use super::pass::Pass;
use super::survey::count;
use crate::database::dialect::quote;
use crate::database::session::SqlSession;
use crate::database::statement::{Statement, Values};
use crate::guard::{self, Guard};
use crate::job::{OnDispose, Operation, Reference};
use crate::store::error::StoreError;

/// Clears what names `parents` in the rows that are unlinked from them. Counts by table.
pub(super) async fn unlink(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    parents: &Parents<'_, '_>,
    counts: &mut BTreeMap<String, u64>,
) -> Result<(), StoreError> {
    for reference in &pass.job().references {
        let unlinks = matches!(reference.on_dispose, OnDispose::Unlink);
        let takes_part = reference.stages.contains(&pass.stage().name);
        if !unlinks || !takes_part || reference.of.as_ref() != parents.of {
            continue;
        }
        let unlinked = session.execute(&clear(pass, parents, reference)).await?;
        if unlinked > 0 {
            *counts.entry(reference.table.to_string()).or_default() += unlinked;
        }
        if guard::stands(Guard::UnlinkIsReadBack) {
            none_is_left(session, pass, parents, reference).await?;
        }
    }
    Ok(())
}

fn clear(pass: &Pass<'_>, parents: &Parents<'_, '_>, reference: &Reference) -> Statement {
    let set = reference.clear.iter();
    let set: Vec<String> = set
        .map(|column| format!("{} = null", quote(column)))
        .collect();
    let mut values = Values::default();
    let sql = format!(
        "update {} as t set {} from {} where {}",
        pass.tables.sql(&reference.table),
        set.join(", "),
        parents.from(pass, &mut values),
        parents.named_by(reference)
    );
    let doing = pass.doing(&format!(
        "unlink rows of `{}` from a batch",
        reference.table
    ));
    Statement::new(doing, sql, values).writing(pass.tables.sql(&reference.table), Operation::Update)
}

/// A trigger or a rule may swallow the update; the deletion would then take the row along, or fail.
async fn none_is_left(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    parents: &Parents<'_, '_>,
    reference: &Reference,
) -> Result<(), StoreError> {
    let mut values = Values::default();
    let sql = format!(
        "select count(*) from {}, {} as t where {}",
        parents.from(pass, &mut values),
        pass.tables.sql(&reference.table),
        parents.named_by(reference)
    );
    let doing = pass.doing(&format!("look for rows of `{}`", reference.table));
    let statement = Statement::new(doing, sql, values);
    let found = session.query(&statement).await?;
    let rows = found.first().and_then(|row| count(row.first()?));
    match rows {
        Some(0) => Ok(()),
        Some(rows) => Err(StoreError::StillNamed {
            table: reference.table.to_string(),
            rows,
        }),
        None => Err(StoreError::Unusable(
            "the store counts in no numbers".to_owned(),
        )),
    }
}
