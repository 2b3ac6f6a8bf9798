//! On whose behalf a cluster is kept: every client that has a record in it, due or not.

use std::collections::BTreeSet;

use super::dialect::Dialect;
use super::dialect::quote;
use super::pass::client_name;
use super::pass::own_table;
use super::resolved::Tables;
use super::session::SqlSession;
use super::session::Statement;
use super::text::missing;
use crate::job::ClientSource;
use crate::job::Job;
use crate::store::error::StoreError;

/// The clients of `job`. The session has a read transaction open.
pub(crate) async fn clients(
    session: &mut dyn SqlSession,
    dialect: &dyn Dialect,
    job: &Job,
    tables: &Tables,
) -> Result<BTreeSet<String>, StoreError> {
    let column = match &job.client {
        ClientSource::Fixed(name) => return Ok(BTreeSet::from([name.clone()])),
        ClientSource::Column(column) => column,
    };
    let facts = tables
        .column(&job.table, column)
        .ok_or_else(|| missing(&job.table.to_string(), column))?;
    let expression = dialect.readable(&format!("t.{}", quote(column)), facts);
    let sql = format!("select distinct {expression} from {} as t", own_table(job));
    let doing = format!("list the clients of `{}`", job.cluster);
    let rows = session
        .query(&Statement::new(doing, sql, Vec::new()))
        .await?;
    let values = rows.into_iter().filter_map(|row| row.into_iter().next());
    Ok(values
        .map(|value| client_name(&dialect.adopt(value, facts)).into_owned())
        .collect())
}
