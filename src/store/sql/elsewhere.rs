//! Columns of other jobs that name objects where those of the pass lie.

use super::backend::Backend;
use super::catalog::ColumnFacts;
use super::columns::Tables;
use crate::database::session::SqlSession;
use crate::job::{Job, TableName};
use crate::store::error::StoreError;
use crate::store::{AlsoNamed, KeyChange};

/// A live column beside the job's own links whose rows may name an object of the job.
pub(crate) struct Elsewhere {
    /// The number by which addresses know the object store.
    pub store: usize,
    pub table: TableName,
    pub column: ColumnFacts,
    pub change: KeyChange,
}

/// Finds the columns of `also_named` that `job` does not ask for itself.
///
/// Fails if one of them does not exist: who cannot be asked may name every object.
pub(super) async fn find(
    backend: &dyn Backend,
    session: &mut dyn SqlSession,
    job: &Job,
    tables: &Tables,
    also_named: &[AlsoNamed],
) -> Result<Vec<Elsewhere>, StoreError> {
    let mut found: Vec<Elsewhere> = Vec::new();
    for also in also_named {
        let Some(store) = job.objects.iter().position(|link| link.store == also.store) else {
            continue;
        };
        let facts = backend.table(session, &also.table).await?;
        let column = facts.as_ref().and_then(|table| table.column(&also.column));
        let (Some(facts), Some(column)) = (&facts, column) else {
            return Err(StoreError::Unusable(format!(
                "job `{}` names objects in `{}` of `{}`, which does not exist: whether its rows name objects of \
                 `{}` cannot be asked\n\
                 hint: mend that job, or remove its file",
                also.job, also.column, also.table, job.cluster
            )));
        };
        let is_asked_already = job.objects.iter().any(|link| {
            let own = tables.get(link.table.as_ref().unwrap_or(&job.table));
            link.key_column == also.column && own.is_some_and(|own| own.name == facts.name)
        });
        if !is_asked_already {
            found.push(Elsewhere {
                store,
                table: also.table.clone(),
                column: column.clone(),
                change: also.change.clone(),
            });
        }
    }
    Ok(found)
}
