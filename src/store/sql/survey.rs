//! Counting what is due, and why the rest is kept: one pass in one snapshot.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::dialect::quote;
use super::session::Row;
use super::session::SqlSession;
use super::session::Statement;
use super::start::day_of;
use super::text::StageText;
use super::text::applies_of;
use super::text::expression;
use crate::domain::rule::Candidate;
use crate::domain::rule::PurposeState;
use crate::domain::rule::RetainReason;
use crate::domain::value::Value;
use crate::store::Due;
use crate::store::Survey;
use crate::store::error::StoreError;

/// Surveys one stage. The session has a read transaction open.
pub(crate) async fn survey(
    session: &mut dyn SqlSession,
    text: &StageText<'_>,
    as_of: Date,
) -> Result<Survey, StoreError> {
    let rows = session.query(&counts(text, as_of)?).await?;
    let mut survey = read_counts(rows.first())?;
    if survey.due.records > 0 {
        survey.oldest_overdue_days = oldest_overdue(session, text, as_of).await?;
    }
    Ok(survey)
}

fn counts(text: &StageText<'_>, as_of: Date) -> Result<Statement, StoreError> {
    let tomorrow = as_of.tomorrow().unwrap_or(Date::MAX);
    let mut arms = Vec::new();
    for reason in RetainReason::ALL {
        let condition = match reason {
            RetainReason::AlreadyDisposed => text.already_disposed(),
            RetainReason::Undatable => Some(text.undatable()?),
            RetainReason::StartsInFuture => Some(text.starts_from(tomorrow)?),
            RetainReason::NotExpired => Some(text.not_expired(as_of)?),
            RetainReason::Referenced => text.referenced(),
        };
        if let Some(condition) = condition {
            arms.push(format!("when {condition} then '{}'", reason.name()));
        }
    }
    let retained: Vec<String> = RetainReason::ALL
        .iter()
        .map(|reason| format!("count(*) filter (where r = '{}')", reason.name()))
        .collect();
    let sql = format!(
        "select count(*), count(*) filter (where r = 'due'), count(distinct s) filter (where r = 'due'), {} \
         from (select case {} else 'due' end as r, t.{} as s from {}{}) as x",
        retained.join(", "),
        arms.join(" "),
        quote(&text.job.subject.column),
        text.from(),
        text.dialect.once()
    );
    Ok(Statement::new(doing(text), sql, Vec::new()))
}

fn doing(text: &StageText<'_>) -> String {
    format!("survey `{}`, stage `{}`", text.job.cluster, text.stage.name)
}

fn read_counts(row: Option<&Row>) -> Result<Survey, StoreError> {
    let mut counts = row.into_iter().flatten().map(count);
    let mut next = || {
        counts
            .next()
            .flatten()
            .ok_or_else(|| StoreError::Unusable("the survey's answer has no counts".to_owned()))
    };
    let total = next()?;
    let due = Due {
        records: next()?,
        subjects: next()?,
    };
    let mut retained = BTreeMap::new();
    for reason in RetainReason::ALL {
        let records = next()?;
        if records > 0 {
            retained.insert(reason, records);
        }
    }
    Ok(Survey {
        total,
        due,
        retained,
        oldest_overdue_days: None,
    })
}

/// A count as the database gave it.
pub(crate) fn count(value: &Value) -> Option<u64> {
    match value {
        Value::Int(count) => u64::try_from(*count).ok(),
        _ => None,
    }
}

/// Finds the due record that should have gone first, by the pure rule over the distinct starting
/// points of the due records.
async fn oldest_overdue(
    session: &mut dyn SqlSession,
    text: &StageText<'_>,
    as_of: Date,
) -> Result<Option<i64>, StoreError> {
    let statement = starting_points(text, as_of)?;
    let mut oldest: Option<Date> = None;
    let mut sink = |row: Row| {
        if let Some(last_day_kept) = last_day_kept(text, &row)? {
            oldest = Some(oldest.map_or(last_day_kept, |so_far| so_far.min(last_day_kept)));
        }
        Ok(())
    };
    session.stream(&statement, &mut sink).await?;
    // Due since the day after the last day kept.
    Ok(oldest
        .and_then(|day| day.tomorrow().ok())
        .map(|due_since| i64::from((as_of - due_since).get_days())))
}

/// The least of a single starting point, else the distinct combinations with their flags.
fn starting_points(text: &StageText<'_>, as_of: Date) -> Result<Statement, StoreError> {
    let alone = text.stage.sources.len() == 1 && text.may_apply(0).is_none();
    let mut selected = Vec::new();
    for (index, source) in text.stage.sources.iter().enumerate() {
        let column = expression(&source.starts_at);
        if alone {
            selected.push(text.applies_code(index));
            selected.push(text.dialect.least(&column, &text.start_type(index)?));
            continue;
        }
        selected.push(text.applies_code(index));
        selected.push(column);
    }
    let distinct = if alone { "" } else { "distinct " };
    let sql = format!(
        "select {distinct}{} from {} where {}",
        selected.join(", "),
        text.from(),
        text.due(as_of)?
    );
    Ok(Statement::new(doing(text), sql, Vec::new()))
}

fn last_day_kept(text: &StageText<'_>, row: &Row) -> Result<Option<Date>, StoreError> {
    let mut purposes = Vec::new();
    for index in 0..text.stage.sources.len() {
        let start = text.start_type(index)?;
        purposes.push(PurposeState {
            applies: applies_of(row.get(2 * index)),
            start: row
                .get(2 * index + 1)
                .map_or(crate::domain::rule::StartingPoint::Missing, |value| {
                    day_of(value, &start, &text.job.time_zone)
                }),
        });
    }
    let candidate = Candidate {
        purposes,
        already_disposed: false,
        referenced: false,
    };
    Ok(text
        .stage
        .rule
        .ends(&candidate)
        .map(|ends| ends.last_day_kept))
}
