//! Ids of persons in other columns of the store, where no record of theirs is left in the cluster.

use super::backend::{Backend, tables_of};
use super::rule_sql::missing;
use crate::database::dialect::quote;
use crate::database::session::{Access, Row};
use crate::database::statement::Statement;
use crate::job::{Job, Leftover};
use crate::store::PersonSink;
use crate::store::error::StoreError;

/// Shows each of them once to `sink`.
pub(super) async fn leftovers(
    backend: &dyn Backend,
    job: &Job,
    leftover: &Leftover,
    sink: PersonSink<'_>,
) -> Result<(), StoreError> {
    let mut session = backend.session().await?;
    session.begin(Access::Read).await?;
    let tables = tables_of(backend, &mut *session, job).await?;
    tables.own(job)?;
    let facts = tables.column(&leftover.table, &leftover.column);
    let facts = facts.ok_or_else(|| missing(&leftover.table.to_string(), &leftover.column))?;
    let dialect = backend.dialect();
    let column = format!("l.{}", quote(&leftover.column));
    let sql = format!(
        "select distinct {} from {} as l where {column} is not null \
         and not exists (select 1 from {} as t where t.{} = {column})",
        dialect.readable(&column, facts),
        tables.sql(&leftover.table),
        tables.sql(&job.table),
        quote(&job.subject.column)
    );
    let doing = format!(
        "look for persons of `{}` in `{}`",
        job.cluster, leftover.table
    );
    let mut each = |row: Row| {
        let value = row.into_iter().next();
        value.map_or(Ok(()), |value| sink(dialect.adopt(value, facts)))
    };
    let statement = Statement::plain(doing, sql);
    session.stream(&statement, &mut each).await?;
    Ok(session.rollback().await?)
}
