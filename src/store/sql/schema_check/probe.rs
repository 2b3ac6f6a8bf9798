//! The statements of a run, tried without being carried out: the database plans each of them, and refuses
//! here what it would refuse at night (rights, replica identity, row filters of publications).

use super::Ground;
use super::touches::touches;
use crate::database::dialect::quote;
use crate::database::session::{Access, SqlSession};
use crate::database::statement::Statement;
use crate::guard::{self, Guard};
use crate::job::Operation;
use crate::store::Fit;
use crate::store::error::StoreError;
use crate::store::sql::backend::Backend;

/// Has every delete and update of the job planned, each in a transaction of its own that is read-only.
pub(crate) async fn probe(
    backend: &dyn Backend,
    session: &mut dyn SqlSession,
    ground: &Ground<'_>,
    fit: &mut Fit,
) -> Result<(), StoreError> {
    if !guard::stands(Guard::StatementsAreTried) {
        return Ok(());
    }
    for touch in touches(ground.job) {
        let table = ground.tables.sql(touch.table);
        let what = match touch.operation {
            Operation::Delete => format!("delete from {table}"),
            Operation::Update => {
                let set = touch.columns.iter().map(|column| {
                    let column = quote(column);
                    format!("{column} = {column}")
                });
                format!("update {table} set {}", set.collect::<Vec<_>>().join(", "))
            }
            Operation::Insert => continue,
        };
        let Some(sql) = backend.dialect().only_plan(&what) else {
            continue;
        };
        let doing = format!("plan a statement that {} `{}`", touch.does(), touch.table);
        session.begin(Access::Read).await?;
        let planned = session.query(&Statement::plain(doing, sql)).await;
        session.rollback().await?;
        match planned.map_err(StoreError::from) {
            Ok(_) => {}
            Err(error @ StoreError::NotPermitted { .. }) => {
                fit.missing_rights.push(error.to_string());
            }
            Err(error @ StoreError::Failed { .. }) => fit.problems.push(format!(
                "{error}\nhint: the database refuses this statement whatever the rows are; try it there: {what}"
            )),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
