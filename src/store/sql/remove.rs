//! Removing the locked rows of a batch: delete, or rewrite and mark.

use kigen_evidence::value::{RecordKey, Value};

use super::batch_range::in_rows;
use super::marks::Marks;
use super::pass::{Pass, PreparedChange, value_at};
use super::rule_sql::{StageText, missing};
use super::survey::count;
use super::{journal, trigger_check};
use crate::database::dialect::{literal, quote};
use crate::database::session::{Row, SqlSession};
use crate::database::statement::{Statement, Values};
use crate::guard::{self, Guard};
use crate::job::{Disposal, Marker, Operation};
use crate::store::error::StoreError;

/// Deletes or rewrites the locked rows, and keeps the marker table in step.
pub(crate) async fn remove(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    rows: &[Row],
) -> Result<(), StoreError> {
    let keys: Vec<RecordKey> = rows.iter().map(|row| pass.key_of(row)).collect();
    match &pass.stage().disposal {
        Disposal::Delete => {
            forget_marks(session, pass, &keys, true).await?;
            let deleted = session.execute(&delete_keys(pass, &keys)).await?;
            all_gone(pass, &keys, deleted)?;
            trigger_check::check_deleted(session, pass, &keys).await
        }
        Disposal::Pseudonymize { marker, .. } => {
            let changed = session
                .execute(&rewrite(pass, rows, &keys, marker)?)
                .await?;
            all_gone(pass, &keys, changed)?;
            if *marker == Marker::Table {
                // A table that was restored alone brings values back that are still marked.
                forget_marks(session, pass, &keys, pass.recalled.is_some()).await?;
                session.execute(&set_marks(pass, &keys)).await?;
            }
            trigger_check::check_rewritten(session, pass, rows, &keys).await
        }
    }
}

/// What each row gets in the columns whose new value hangs on the present one, in their order.
pub(super) fn replacements(pass: &Pass<'_>, rows: &[Row]) -> Result<Vec<Vec<Value>>, StoreError> {
    let replace = |row: &Row| {
        let changing = pass.changes.iter().filter_map(|change| {
            let present = value_at(row, change.selected?);
            Some(replacement(pass, row, change, present))
        });
        changing.collect::<Result<Vec<_>, _>>()
    };
    rows.iter().map(replace).collect()
}

/// What one column of a row gets. What the stage wrote there before stays: a token of a token would
/// cut the person's rows apart.
fn replacement(
    pass: &Pass<'_>,
    row: &Row,
    change: &PreparedChange<'_>,
    present: Value,
) -> Result<Value, StoreError> {
    let is_kept = change.kept.and_then(|at| count(&value_at(row, at))) == Some(1);
    if is_kept && guard::stands(Guard::TokenOfToken) {
        return Ok(present);
    }
    let is_token = change.replacement.is_text_token(&present) && !change.is_shared;
    if is_token && guard::stands(Guard::TokenOfToken) {
        return Err(StoreError::Unusable(token_of_token(
            &pass.job().table.to_string(),
            &change.column.name,
        )));
    }
    let replaced = change.replacement.replace(&change.column.name, &present);
    replaced.map_err(|error| StoreError::Unfit {
        doing: pass.doing("pseudonymize a batch"),
        reason: error.to_string(),
    })
}

/// What is said of values that look like tokens in records that bear no mark.
pub(super) fn token_of_token(table: &str, column: &str) -> String {
    format!(
        "records of `{table}` bear no mark and hold tokens in `{column}`: they were pseudonymized before, and a token of a token would cut the rows of a person apart\nhint: was the column, or table and cluster, renamed, or the marker table lost? jobs/README.md, \"A record is pseudonymized once\", says how the marks are set right"
    )
}

fn all_gone(pass: &Pass<'_>, keys: &[RecordKey], changed: u64) -> Result<(), StoreError> {
    let asked = u64::try_from(keys.len()).unwrap_or(u64::MAX);
    if changed == asked {
        return Ok(());
    }
    Err(StoreError::Vetoed {
        table: pass.job().table.to_string(),
        asked,
        kept: asked.abs_diff(changed),
    })
}

fn delete_keys(pass: &Pass<'_>, keys: &[RecordKey]) -> Statement {
    let mut values = Values::default();
    let sql = format!(
        "delete from {} as t where {}",
        pass.tables.sql(&pass.job().table),
        in_rows(pass, keys, &mut values)
    );
    Statement::new(pass.doing("delete a batch"), sql, values)
        .writing(pass.tables.sql(&pass.job().table), Operation::Delete)
}

fn text<'p>(pass: &'p Pass<'_>) -> StageText<'p> {
    StageText {
        dialect: pass.dialect,
        job: pass.job(),
        stage: pass.stage(),
        tables: pass.tables,
    }
}

/// Drops the marks of the records: of this stage, or of all stages.
async fn forget_marks(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    keys: &[RecordKey],
    all_stages: bool,
) -> Result<(), StoreError> {
    let mut values = Values::default();
    let records = format!(
        "from {} as t where {}",
        pass.tables.sql(&pass.job().table),
        in_rows(pass, keys, &mut values)
    );
    let Some(marks) = text(pass).marks_of(all_stages, &records) else {
        return Ok(());
    };
    let marker = pass.dialect.internal("marker");
    let sql = format!("delete from {marker} where {marks}");
    let doing = pass.doing("drop the marks of a batch");
    let statement = Statement::new(doing, sql, values);
    session
        .execute(&statement.writing(marker, Operation::Delete))
        .await?;
    Ok(())
}

/// Marks the records as they stand now, after the stage has written into them.
fn set_marks(pass: &Pass<'_>, keys: &[RecordKey]) -> Statement {
    let text = text(pass);
    let mut values = Values::default();
    let own = pass.tables.marks().map_or("", Marks::own);
    let sql = format!(
        "insert into {} (object, stage, record_key, run_id, at, cluster, content) \
         select {}, {}, {}, {}, {}, {}, {} from {} as t where {}",
        pass.dialect.internal("marker"),
        literal(own),
        literal(&pass.stage().name),
        text.key_text(),
        literal(&pass.order.run.run_id),
        journal::now(pass),
        literal(&pass.job().cluster),
        text.content(),
        pass.tables.sql(&pass.job().table),
        in_rows(pass, keys, &mut values)
    );
    Statement::new(pass.doing("mark a batch"), sql, values)
        .writing(pass.dialect.internal("marker"), Operation::Insert)
}

/// One `update … from rows` that writes every replacement of the batch.
fn rewrite(
    pass: &Pass<'_>,
    rows: &[Row],
    keys: &[RecordKey],
    marker: &Marker,
) -> Result<Statement, StoreError> {
    let changing: Vec<_> = pass
        .changes
        .iter()
        .filter(|change| change.selected.is_some())
        .collect();
    let mut columns = pass.key_columns.clone();
    columns.extend(changing.iter().map(|change| change.column));
    let mut replaced: Vec<Vec<Value>> = Vec::with_capacity(rows.len());
    for (key, new) in keys.iter().zip(replacements(pass, rows)?) {
        replaced.push(key.values().iter().cloned().chain(new).collect());
    }
    let slices: Vec<&[Value]> = replaced.iter().map(Vec::as_slice).collect();
    let mut values = Values::default();
    let rows = pass.dialect.rows("u", &columns, &slices, &mut values);
    let mut set: Vec<String> = changing
        .iter()
        .enumerate()
        .map(|(index, change)| {
            format!(
                "{} = u.c{}",
                quote(&change.column.name),
                keys_width(pass) + index
            )
        })
        .collect();
    for change in pass
        .changes
        .iter()
        .filter(|change| change.selected.is_none())
    {
        set.push(constant(pass, change, &mut values));
    }
    if let Marker::Column(column) = marker {
        set.push(marked(pass, column)?);
    }
    let on: Vec<String> = pass
        .job()
        .key
        .iter()
        .enumerate()
        .map(|(index, column)| format!("t.{} = u.c{index}", quote(column)))
        .collect();
    let sql = format!(
        "update {} as t set {} from {rows} where {}",
        pass.tables.sql(&pass.job().table),
        set.join(", "),
        on.join(" and ")
    );
    Ok(
        Statement::new(pass.doing("pseudonymize a batch"), sql, values)
            .writing(pass.tables.sql(&pass.job().table), Operation::Update),
    )
}

fn keys_width(pass: &Pass<'_>) -> usize {
    pass.key_columns.len()
}

fn constant(pass: &Pass<'_>, change: &PreparedChange<'_>, values: &mut Values) -> String {
    let name = quote(&change.column.name);
    let Some(text) = change
        .replacement
        .constant()
        .and_then(|value| value.store_text())
    else {
        return format!("{name} = null");
    };
    let parameter = values.bind(text).to_string();
    format!(
        "{name} = {}",
        pass.dialect.cast_text(&parameter, change.column)
    )
}

fn marked(pass: &Pass<'_>, column: &str) -> Result<String, StoreError> {
    let facts = pass
        .tables
        .column(&pass.job().table, column)
        .ok_or_else(|| missing(&pass.job().table.to_string(), column))?;
    let literal =
        pass.dialect
            .marker_literal(facts, pass.order.run.started_at, &pass.job().time_zone);
    Ok(format!("{} = {literal}", quote(column)))
}
