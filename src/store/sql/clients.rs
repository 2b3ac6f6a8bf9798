//! On whose behalf a cluster is kept: every client that has a record in it, due or not.

use std::collections::{BTreeMap, BTreeSet};

use super::columns::Tables;
use super::dialect::Dialect;
use super::pass::client_name;
use super::rule_sql::missing;
use crate::database::dialect::quote;
use crate::database::session::SqlSession;
use crate::database::statement::Statement;
use crate::guard::{self, Guard};
use crate::job::spelling::folded;
use crate::job::{ClientSource, Job};
use crate::store::error::StoreError;

/// Clients whose names differ only in what a person does not see, each pair as a problem.
pub(crate) fn spellings(clients: &BTreeSet<String>) -> Vec<String> {
    if !guard::stands(Guard::ClientIsSpeltOnce) {
        return Vec::new();
    }
    let mut known: BTreeMap<String, &str> = BTreeMap::new();
    let mut problems = Vec::new();
    for client in clients {
        if let Some(other) = known.insert(folded(client), client) {
            problems.push(format!(
                "clients `{other}` and `{client}` differ only in case, width or blanks: each would get certificates of its own\nhint: write the client in one way in all rows"
            ));
        }
    }
    problems
}

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
    let sql = format!(
        "select distinct {expression} from {} as t",
        tables.sql(&job.table)
    );
    let doing = format!("list the clients of `{}`", job.cluster);
    let rows = session.query(&Statement::plain(doing, sql)).await?;
    let values = rows.into_iter().filter_map(|row| row.into_iter().next());
    Ok(values
        .map(|value| client_name(&dialect.adopt(value, facts)).into_owned())
        .collect())
}
