//! Whether the table's own triggers undid a removal: asked in its transaction, right after it.
//!
//! A trigger that puts a value or a row back reports no error, and the statement counts the row as
//! changed. Tables without triggers and rules are not asked.

use kigen_evidence::value::{RecordKey, Value};

use super::batch_range::in_rows;
use super::pass::{Pass, value_at};
use super::remove::replacements;
use super::rule_sql::missing;
use super::survey::count;
use crate::database::dialect::quote;
use crate::database::session::{Row, SqlSession};
use crate::database::statement::{Statement, Values};
use crate::guard::{self, Guard};
use crate::job::Job;
use crate::store::error::StoreError;

/// Fails if a deleted record is there again.
pub(super) async fn check_deleted(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    keys: &[RecordKey],
) -> Result<(), StoreError> {
    if !has_triggers(pass)? {
        return Ok(());
    }
    let mut values = Values::default();
    let sql = format!(
        "select count(*) from {} as t where {}",
        pass.tables.sql(&pass.job().table),
        in_rows(pass, keys, &mut values)
    );
    let doing = pass.doing("look for deleted records");
    let statement = Statement::new(doing, sql, values);
    none(session, pass, &statement).await
}

/// Fails if a column of a pseudonymized record has the value that it had before, or if a day from which
/// a period runs has another: the next stage would begin anew.
pub(super) async fn check_rewritten(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    rows: &[Row],
    keys: &[RecordKey],
) -> Result<(), StoreError> {
    if !has_triggers(pass)? {
        return Ok(());
    }
    none(session, pass, &put_back(pass, rows, keys)?).await?;
    if !guard::stands(Guard::DaysStay) {
        return Ok(());
    }
    for column in days_of(pass.job()) {
        let Some(statement) = moved(pass, rows, keys, column)? else {
            continue;
        };
        let found = session.query(&statement).await?;
        let records = found.first().and_then(|row| count(row.first()?));
        if records != Some(0) {
            let table = &pass.job().table;
            return Err(StoreError::Unusable(format!(
                "a trigger or rule of `{table}` moves `{column}`, from which a period runs, when a record is pseudonymized; nothing of the batch was changed\nhint: start the period at a column that keeps its value, or let the trigger leave the change alone"
            )));
        }
    }
    Ok(())
}

/// Columns of the job's own table from which a period of any stage runs.
pub(super) fn days_of(job: &Job) -> impl Iterator<Item = &str> {
    let sources = job.stages.iter().flat_map(|stage| &stage.sources);
    let own = sources.filter(|source| source.starts_at.join.is_none());
    own.map(|source| source.starts_at.column.as_str())
}

/// Counts records in which `column` has another value than in `rows`; `None` if that was not read.
fn moved(
    pass: &Pass<'_>,
    rows: &[Row],
    keys: &[RecordKey],
    column: &str,
) -> Result<Option<Statement>, StoreError> {
    let Some(selected) = pass.selected(column) else {
        return Ok(None);
    };
    let facts = pass.tables.column(&pass.job().table, column);
    let facts = facts.ok_or_else(|| missing(&pass.job().table.to_string(), column))?;
    let mut columns = pass.key_columns.clone();
    columns.push(facts);
    let former: Vec<Vec<Value>> = rows
        .iter()
        .zip(keys)
        .map(|(row, key)| {
            let mut values = key.values().to_vec();
            values.push(value_at(row, selected));
            values
        })
        .collect();
    let slices: Vec<&[Value]> = former.iter().map(Vec::as_slice).collect();
    let mut on: Vec<String> = pass
        .job()
        .key
        .iter()
        .enumerate()
        .map(|(index, column)| format!("t.{} = u.c{index}", quote(column)))
        .collect();
    let (now, before) = (
        format!("t.{}", quote(column)),
        format!("u.c{}", pass.key_columns.len()),
    );
    on.push(format!(
        "({now} is null or {} <> {}) and {before} is not null",
        pass.dialect.text_of(&now),
        pass.dialect.text_of(&before)
    ));
    let mut values = Values::default();
    let sql = format!(
        "select count(*) from {} as t, {} where {}",
        pass.tables.sql(&pass.job().table),
        pass.dialect.rows("u", &columns, &slices, &mut values),
        on.join(" and ")
    );
    let doing = pass.doing("look at the days of pseudonymized records");
    Ok(Some(Statement::new(doing, sql, values)))
}

fn has_triggers(pass: &Pass<'_>) -> Result<bool, StoreError> {
    Ok(pass.tables.own(pass.job())?.has_triggers)
}

async fn none(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    statement: &Statement,
) -> Result<(), StoreError> {
    let found = session.query(statement).await?;
    let undone = found.first().and_then(|row| count(row.first()?));
    let undone = undone.unwrap_or(u64::MAX);
    if undone == 0 {
        return Ok(());
    }
    Err(StoreError::Undone {
        table: pass.job().table.to_string(),
        records: undone,
    })
}

/// Counts records in which a column has its former value again, or a fixed text or null has gone.
fn put_back(pass: &Pass<'_>, rows: &[Row], keys: &[RecordKey]) -> Result<Statement, StoreError> {
    let changing = pass.changes.iter().filter_map(|change| {
        let selected = change.selected?;
        Some((change, selected))
    });
    let changing: Vec<_> = changing.collect();
    let mut columns = pass.key_columns.clone();
    columns.extend(changing.iter().map(|(change, _)| change.column));
    let mut former: Vec<Vec<Value>> = Vec::with_capacity(rows.len());
    for ((row, key), replaced) in rows.iter().zip(keys).zip(replacements(pass, rows)?) {
        let mut values = key.values().to_vec();
        for ((_, selected), new) in changing.iter().zip(replaced) {
            let old = value_at(row, *selected);
            // A replacement may equal what stood there: that is not put back. Null equals nothing.
            values.push(if old == new { Value::Null } else { old });
        }
        former.push(values);
    }
    let slices: Vec<&[Value]> = former.iter().map(Vec::as_slice).collect();
    let on = pass.job().key.iter().enumerate();
    let on: Vec<String> = on
        .map(|(index, column)| format!("t.{} = u.c{index}", quote(column)))
        .collect();
    let mut values = Values::default();
    let sql = format!(
        "select count(*) from {} as t, {} where {} and ({})",
        pass.tables.sql(&pass.job().table),
        pass.dialect.rows("u", &columns, &slices, &mut values),
        on.join(" and "),
        signs(pass, &mut values).join(" or ")
    );
    let doing = pass.doing("look at pseudonymized records");
    Ok(Statement::new(doing, sql, values))
}

/// By what a record shows that a change of it was undone.
fn signs(pass: &Pass<'_>, values: &mut Values) -> Vec<String> {
    let text = |expression: &str| pass.dialect.text_of(expression);
    let mut place = pass.key_columns.len();
    let mut signs = Vec::new();
    for change in &pass.changes {
        let column = format!("t.{}", quote(&change.column.name));
        if change.selected.is_some() {
            signs.push(format!(
                "{} = {}",
                text(&column),
                text(&format!("u.c{place}"))
            ));
            place += 1;
            continue;
        }
        let constant = change.replacement.constant();
        match constant.and_then(|value| value.store_text()) {
            None => signs.push(format!("{column} is not null")),
            Some(constant) => {
                signs.push(format!("{} <> {}", text(&column), values.bind(constant)));
            }
        }
    }
    signs
}
