//! Rows that go with records, where no record is there that they name.

use super::columns::Tables;
use super::dependents::facts;
use super::evidence::gone_with;
use super::pass::Pass;
use super::present::RECORDS_AT_A_TIME;
use super::survey;
use crate::database::dialect::quote;
use crate::database::session::{Row, SqlSession};
use crate::database::statement::Statement;
use crate::job::{Job, OnDispose, Reference, TableName};
use crate::store::error::StoreError;
use crate::store::{PresentBatch, PresentSink};

/// Shows them to `sink`, some at a time.
pub(super) async fn find(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    sink: PresentSink<'_>,
) -> Result<(), StoreError> {
    let mut done: Vec<&TableName> = Vec::new();
    for (index, reference) in gone_with(pass.job()).enumerate() {
        let OnDispose::GoesWith { key, .. } = &reference.on_dispose else {
            continue;
        };
        if done.contains(&&reference.table) {
            continue;
        }
        done.push(&reference.table);
        let columns = key
            .iter()
            .map(|column| facts(pass, reference, column))
            .collect::<Result<Vec<_>, _>>()?;
        let list: Vec<String> = columns
            .iter()
            .map(|column| {
                let own = format!("r0.{}", quote(&column.name));
                pass.dialect.readable(&own, column)
            })
            .collect();
        let sql = format!(
            "select {} from {} as r0 where not ({})",
            list.join(", "),
            pass.tables.sql(&reference.table),
            leads_to_a_record(pass.job(), pass.tables, &reference.table, 0)
        );
        let doing = format!(
            "look for rows of `{}` without their records",
            reference.table
        );
        let mut batch = PresentBatch::default();
        let mut take = |row: Row| {
            let key = row.into_iter().zip(&columns);
            let key = key.map(|(value, column)| pass.dialect.adopt(value, column));
            batch.orphans.push((index, key.collect()));
            if batch.orphans.len() == RECORDS_AT_A_TIME as usize {
                return sink(std::mem::take(&mut batch));
            }
            Ok(())
        };
        let statement = Statement::plain(doing, sql);
        session.stream(&statement, &mut take).await?;
        if !batch.orphans.is_empty() {
            sink(batch)?;
        }
    }
    Ok(())
}

/// How many rows of `named` lead to no record.
pub(super) async fn count(
    session: &mut dyn SqlSession,
    job: &Job,
    tables: &Tables,
    named: &TableName,
) -> Result<u64, StoreError> {
    let sql = format!(
        "select count(*) from {} as r0 where not ({})",
        tables.sql(named),
        leads_to_a_record(job, tables, named, 0)
    );
    let doing = format!("count rows of `{named}` without their records");
    let rows = session.query(&Statement::plain(doing, sql)).await?;
    let first = rows.first().and_then(|row| row.first());
    Ok(first.and_then(survey::count).unwrap_or_default())
}

/// Whether the row `r{depth}` of `named` names a record, or a row that names one.
fn leads_to_a_record(job: &Job, tables: &Tables, named: &TableName, depth: usize) -> String {
    let ways: Vec<String> = gone_with(job)
        .filter(|reference| reference.table == *named)
        .map(|reference| way(job, tables, reference, depth))
        .collect();
    ways.join(" or ")
}

fn way(job: &Job, tables: &Tables, reference: &Reference, depth: usize) -> String {
    let next = depth + 1;
    let on: Vec<String> = reference
        .on
        .iter()
        .map(|pair| {
            let (ours, theirs) = (quote(&pair.ours.column), quote(&pair.theirs));
            format!("r{next}.{ours} = r{depth}.{theirs}")
        })
        .collect();
    let parent = reference.of.as_ref().unwrap_or(&job.table);
    let further = match &reference.of {
        None => String::new(),
        Some(parent) => format!(" and ({})", leads_to_a_record(job, tables, parent, next)),
    };
    format!(
        "exists (select 1 from {} as r{next} where {}{further})",
        tables.sql(parent),
        on.join(" and ")
    )
}
