//! One record by its key, as every stage of its job sees it.

use kigen_evidence::value::RecordKey;

use super::columns::Tables;
use super::dialect::Dialect;
use super::key_values;
use super::rule_sql::{StageText, applies_of, expression};
use super::starting_point::day_of;
use super::survey::count;
use crate::database::dialect::quote;
use crate::database::session::{Row, SqlSession};
use crate::database::statement::{Statement, Values};
use crate::domain::rule::{Candidate, PurposeState, StartingPoint};
use crate::job::Job;
use crate::store::error::StoreError;
use crate::store::{Found, KeySink};

/// Looks a record up by the text of its key columns, in the job's order.
pub(crate) async fn find(
    session: &mut dyn SqlSession,
    dialect: &dyn Dialect,
    job: &Job,
    tables: &Tables,
    key: &[String],
) -> Result<Option<Found>, StoreError> {
    let mut candidates = Vec::new();
    for stage in &job.stages {
        let text = StageText {
            dialect,
            job,
            stage,
            tables,
        };
        let rows = session.query(&statement(&text, key)?).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let mut candidate = candidate(&text, row)?;
        if rows.len() > 1 {
            // A join gives several rows for the record: none of them decides it.
            for purpose in &mut candidate.purposes {
                purpose.start = StartingPoint::Unreadable;
            }
        }
        candidates.push(candidate);
    }
    Ok(Some(Found { candidates }))
}

/// Hands on the key of every record.
pub(crate) async fn keys(
    session: &mut dyn SqlSession,
    dialect: &dyn Dialect,
    job: &Job,
    tables: &Tables,
    sink: KeySink<'_>,
) -> Result<(), StoreError> {
    let columns = key_values::columns(tables, &job.table, &job.key)?;
    let list = columns.iter();
    let list = list.map(|column| dialect.readable(&format!("t.{}", quote(&column.name)), column));
    let sql = format!(
        "select {} from {} as t",
        list.collect::<Vec<_>>().join(", "),
        tables.sql(&job.table)
    );
    let doing = format!("read the keys of `{}`", job.cluster);
    let mut take = |row: Row| {
        let typed = row.into_iter().zip(&columns);
        let typed = typed.map(|(value, column)| dialect.adopt(value, column));
        sink(RecordKey::new(typed.collect()))
    };
    let statement = Statement::plain(doing, sql);
    session.stream(&statement, &mut take).await
}

fn statement(text: &StageText<'_>, key: &[String]) -> Result<Statement, StoreError> {
    if key.len() != text.job.key.len() {
        return Err(StoreError::Unusable(format!(
            "the key of `{}` has {} columns: {}",
            text.job.cluster,
            text.job.key.len(),
            text.job.key.join(", ")
        )));
    }
    let flag = |condition: Option<String>| match condition {
        Some(condition) => format!("case when {condition} then 1 else 0 end"),
        None => "0".to_owned(),
    };
    let mut selected = vec![flag(text.already_disposed()), flag(text.referenced())];
    for (index, source) in text.stage.sources.iter().enumerate() {
        selected.push(text.applies_code(index));
        selected.push(expression(&source.starts_at));
    }
    let mut values = Values::default();
    let mut on = Vec::new();
    for (column, value) in text.job.key.iter().zip(key) {
        let facts = text.own_column(column)?;
        let value = values.bind(value).to_string();
        let parameter = text.dialect.cast_text(&value, facts);
        on.push(format!("t.{} = {parameter}", quote(column)));
    }
    let sql = format!(
        "select {} from {} where {}",
        selected.join(", "),
        text.from(),
        on.join(" and ")
    );
    Ok(Statement::new(
        format!("look up a record of `{}`", text.job.cluster),
        sql,
        values,
    ))
}

fn candidate(text: &StageText<'_>, row: &Row) -> Result<Candidate, StoreError> {
    let is_set = |index: usize| row.get(index).and_then(count) == Some(1);
    let mut purposes = Vec::new();
    for index in 0..text.stage.sources.len() {
        let start = text.start_type(index)?;
        let value = row.get(3 + 2 * index);
        purposes.push(PurposeState {
            applies: applies_of(row.get(2 + 2 * index)),
            start: value.map_or(StartingPoint::Missing, |value| {
                day_of(value, &start, &text.job.time_zone)
            }),
        });
    }
    Ok(Candidate {
        purposes,
        already_disposed: is_set(0),
        referenced: is_set(1),
    })
}
