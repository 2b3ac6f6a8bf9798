//! Rows of other tables that stay when their record goes, and no longer name it.

use super::dialect::quote;
use super::dialect::table;
use super::goes_with::facts;
use super::goes_with::named_values;
use super::goes_with::naming;
use super::pass::Pass;
use super::session::Row;
use super::session::SqlSession;
use super::session::Statement;
use crate::domain::value::Value;
use crate::job::OnDispose;
use crate::job::Operation;
use crate::store::error::StoreError;

/// Sets the naming columns of unlinked rows to null.
pub(super) async fn unlink(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    rows: &[Row],
) -> Result<(), StoreError> {
    for reference in &pass.job().references {
        let unlinks = matches!(reference.on_dispose, OnDispose::Unlink);
        if !unlinks || !reference.stages.contains(&pass.stage().name) {
            continue;
        }
        let values = named_values(pass, rows, &[], reference)?;
        let named = reference
            .on
            .iter()
            .map(|pair| facts(pass, reference, &pair.theirs))
            .collect::<Result<Vec<_>, _>>()?;
        let set: Vec<String> = named
            .iter()
            .map(|column| format!("{} = null", quote(&column.name)))
            .collect();
        let sql = format!(
            "update {} as t set {} where {}",
            table(&reference.table),
            set.join(", "),
            naming(pass, &named)
        );
        let keys: Vec<&[Value]> = values.keys().map(Vec::as_slice).collect();
        let doing = pass.doing(&format!(
            "unlink rows of `{}` from a batch",
            reference.table
        ));
        let statement = Statement::new(doing, sql, pass.dialect.row_args(&named, &keys))
            .writing(table(&reference.table), Operation::Update);
        session.execute(&statement).await?;
    }
    Ok(())
}
