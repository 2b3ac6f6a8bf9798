//! Some records of a cluster and the objects that they name: whether they are where they say.

use std::collections::BTreeMap;

use kigen_evidence::value::Value;

use super::catalog::ColumnFacts;
use super::columns::Tables;
use super::dialect::Dialect;
use super::intent::key_in;
use super::key_values::columns;
use crate::database::dialect::quote;
use crate::database::session::SqlSession;
use crate::database::statement::Statement;
use crate::job::{Job, OnDispose, Reference};
use crate::store::NamedObjects;
use crate::store::error::StoreError;

/// Rows at each end of the table: old and new ones may be written in other ways.
const ROWS: u32 = 50;

/// Records at both ends of the table of link `link` of `job`, with the keys that each names. The rows
/// of a goes-with table are one record if they name the same one.
pub(super) async fn sample(
    session: &mut dyn SqlSession,
    dialect: &dyn Dialect,
    job: &Job,
    tables: &Tables,
    link: usize,
) -> Result<Vec<NamedObjects>, StoreError> {
    let Some(link) = job.objects.get(link) else {
        return Ok(Vec::new());
    };
    let named = link.table.as_ref().unwrap_or(&job.table);
    let (record, order) = match link.table.as_ref().and_then(|_| reference(job, named)) {
        Some((reference, key)) => {
            let on = reference.on.iter().map(|pair| pair.theirs.clone());
            (on.collect::<Vec<_>>(), key)
        }
        None => (job.key.clone(), job.key.as_slice()),
    };
    let mut selected = columns(tables, named, &record)?;
    selected.extend(columns(
        tables,
        named,
        std::slice::from_ref(&link.key_column),
    )?);
    let mut found: BTreeMap<Vec<Value>, NamedObjects> = BTreeMap::new();
    for direction in ["asc", "desc"] {
        let sql = statement(dialect, &tables.sql(named), &selected, order, direction);
        let doing = format!("read which objects rows of `{named}` name");
        for row in session.query(&Statement::plain(doing, sql)).await? {
            let mut row: Vec<Value> = row
                .into_iter()
                .zip(&selected)
                .map(|(value, facts)| dialect.adopt(value, facts))
                .collect();
            let key = row.pop().zip(selected.last());
            let key = key.and_then(|(value, facts)| key_in(&value, facts));
            let objects = found.entry(row).or_default();
            // Small tables are read from both ends.
            if let Some(key) = key.filter(|key| !objects.contains(key)) {
                objects.push(key);
            }
        }
    }
    Ok(found
        .into_values()
        .filter(|keys| !keys.is_empty())
        .collect())
}

fn statement(
    dialect: &dyn Dialect,
    from: &str,
    selected: &[&ColumnFacts],
    order: &[String],
    direction: &str,
) -> String {
    let own = |name: &str| format!("t.{}", quote(name));
    let list: Vec<String> = selected
        .iter()
        .map(|facts| dialect.readable(&own(&facts.name), facts))
        .collect();
    let order: Vec<String> = order
        .iter()
        .map(|column| format!("{} {direction}", own(column)))
        .collect();
    let key = selected
        .last()
        .map_or(String::new(), |facts| own(&facts.name));
    format!(
        "select {} from {from} as t where {key} is not null order by {} limit {ROWS}",
        list.join(", "),
        order.join(", ")
    )
}

/// The goes-with reference to `table`, and the key of its rows.
fn reference<'j>(
    job: &'j Job,
    table: &crate::job::TableName,
) -> Option<(&'j Reference, &'j [String])> {
    job.references
        .iter()
        .find_map(|reference| match &reference.on_dispose {
            OnDispose::GoesWith { key, .. } if reference.table == *table => {
                Some((reference, key.as_slice()))
            }
            OnDispose::GoesWith { .. } | OnDispose::Unlink | OnDispose::Blocks => None,
        })
}
