//! Shows the rows that go with records in any stage, one by one: there may be any number of them.

use std::collections::HashSet;

use kigen_evidence::value::Value;

use super::{Parents, key_columns};
use crate::database::dialect::quote;
use crate::database::session::{Row, SqlSession};
use crate::database::statement::{Statement, Values};
use crate::job::{Reference, TableName};
use crate::store::PresentRow;
use crate::store::error::StoreError;
use crate::store::removed::PackedKeys;
use crate::store::sql::evidence::gone_with;
use crate::store::sql::pass::Pass;
use crate::store::sql::survey;

/// References that lead from a table to the cluster's own, one after the other.
type Way<'a> = Vec<(usize, &'a Reference)>;

/// Hands the rows that go with the records in `rows` to `sink`.
pub(in crate::store::sql) async fn show(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    rows: &[Row],
    sink: &mut (dyn FnMut(PresentRow) -> Result<(), StoreError> + Send),
) -> Result<(), StoreError> {
    let ways = ways(pass);
    for way in &ways {
        let Some((index, reference)) = way.first().copied() else {
            continue;
        };
        let of_table = ways
            .iter()
            .filter(|other| leads_from(other, &reference.table));
        // A row to which several ways lead is shown once.
        let mut known = (of_table.count() > 1).then(HashSet::<Vec<Value>>::new);
        let width = key_columns(reference).len();
        let columns = super::needed(pass, reference)?;
        let parents = Parents::own(pass, rows);
        let statement = statement(pass, way, &columns[..width], &parents);
        let mut take = |mut row: Row| {
            let owner = row.pop().and_then(|number| parents.owner(&number));
            let typed = row.into_iter().zip(&columns);
            let key: Vec<Value> = typed
                .map(|(value, column)| pass.dialect.adopt(value, column))
                .collect();
            let is_new = known.as_mut().is_none_or(|known| known.insert(key.clone()));
            match owner {
                Some(owner) if is_new => sink(PresentRow {
                    reference: index,
                    key,
                    owner,
                }),
                Some(_) | None => Ok(()),
            }
        };
        session.stream(&statement, &mut take).await?;
    }
    Ok(())
}

/// Whether a row has one of `keys`, which are of the reference with this index.
pub(in crate::store::sql) async fn is_any_there(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    index: usize,
    keys: &PackedKeys,
) -> Result<bool, StoreError> {
    let Some(reference) = gone_with(pass.job()).nth(index) else {
        return Ok(true);
    };
    let names = key_columns(reference);
    let columns = names.iter().map(|name| super::facts(pass, reference, name));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let keys = keys.unpack(columns.len());
    let keys: Vec<&[Value]> = keys.iter().map(Vec::as_slice).collect();
    let own: Vec<String> = names
        .iter()
        .map(|name| format!("r.{}", quote(name)))
        .collect();
    let asked: Vec<String> = (0..names.len()).map(|at| format!("c{at}")).collect();
    let mut values = Values::default();
    let sql = format!(
        "select count(*) from {} as r where ({}) in (select {} from {})",
        pass.tables.sql(&reference.table),
        own.join(", "),
        asked.join(", "),
        pass.dialect.rows("u", &columns, &keys, &mut values)
    );
    let doing = format!("look for removed rows of `{}`", reference.table);
    let statement = Statement::new(doing, sql, values);
    let rows = session.query(&statement).await?;
    let first = rows.first().and_then(|row| row.first());
    Ok(first.and_then(survey::count) != Some(0))
}

/// How many rows go with the records in `rows` in the stage; of many more than `most`, some more.
pub(in crate::store::sql) async fn count(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    rows: &[Row],
    most: u64,
) -> Result<u64, StoreError> {
    let parents = Parents::own(pass, rows);
    let mut counted = 0;
    let stage = &pass.stage().name;
    for way in ways(pass) {
        if !way
            .iter()
            .all(|(_, reference)| reference.stages.contains(stage))
        {
            continue;
        }
        let limit = most.saturating_add(1).min(MOST_COUNTED);
        let mut values = Values::default();
        let (from, on) = joined(pass, &way, &parents, &mut values);
        let sql =
            format!("select count(*) from (select 1 from {from} where {on} limit {limit}) as n");
        let doing = pass.doing("count the rows that go with a record");
        let statement = Statement::new(doing, sql, values);
        let rows = session.query(&statement).await?;
        let rows = rows.first().and_then(|row| survey::count(row.first()?));
        counted += rows.unwrap_or(u64::MAX / 2);
    }
    Ok(counted)
}

/// The most that databases take as a limit, and some less.
const MOST_COUNTED: u64 = 1 << 62;

fn leads_from(way: &Way<'_>, table: &TableName) -> bool {
    way.first()
        .is_some_and(|(_, reference)| reference.table == *table)
}

/// Every way from a goes-with table to the own one.
fn ways<'a>(pass: &Pass<'a>) -> Vec<Way<'a>> {
    let mut ways: Vec<Way<'a>> = Vec::new();
    // Parents stand first.
    for (index, reference) in gone_with(pass.job()).enumerate() {
        let Some(parent) = &reference.of else {
            ways.push(vec![(index, reference)]);
            continue;
        };
        let further: Vec<Way<'a>> = ways
            .iter()
            .filter(|way| leads_from(way, parent))
            .map(|way| {
                std::iter::once((index, reference))
                    .chain(way.iter().copied())
                    .collect()
            })
            .collect();
        ways.extend(further);
    }
    ways
}

fn statement(
    pass: &Pass<'_>,
    way: &Way<'_>,
    key: &[&crate::store::sql::catalog::ColumnFacts],
    parents: &Parents<'_, '_>,
) -> Statement {
    let list = key.iter().map(|column| {
        pass.dialect
            .readable(&format!("r0.{}", quote(&column.name)), column)
    });
    let list: Vec<String> = list.chain(["u.o".to_owned()]).collect();
    let mut values = Values::default();
    let (from, on) = joined(pass, way, parents, &mut values);
    let sql = format!("select {} from {from} where {on}", list.join(", "));
    let doing = pass.doing("show rows that go with records");
    Statement::new(doing, sql, values)
}

/// The tables of `way` and how their rows name each other: `r0` is the first, `u` numbers the records.
fn joined(
    pass: &Pass<'_>,
    way: &Way<'_>,
    parents: &Parents<'_, '_>,
    values: &mut Values,
) -> (String, String) {
    let mut from = parents.from(pass, values);
    let mut on = vec![parents.is_parent()];
    for (step, (_, reference)) in way.iter().enumerate() {
        from.push_str(&format!(
            ", {} as r{step}",
            pass.tables.sql(&reference.table)
        ));
        let next = if step + 1 == way.len() {
            "p".to_owned()
        } else {
            format!("r{}", step + 1)
        };
        on.extend(reference.on.iter().map(|pair| {
            let (theirs, ours) = (quote(&pair.theirs), quote(&pair.ours.column));
            format!("{next}.{ours} = r{step}.{theirs}")
        }));
    }
    (from, on.join(" and "))
}
