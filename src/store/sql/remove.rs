//! Removing the locked rows of a batch: delete, or rewrite and mark.

use super::dialect::quote;
use super::journal;
use super::pass::Pass;
use super::pass::PreparedChange;
use super::pass::own_table;
use super::pass::uses_marker_table;
use super::pass::value_at;
use super::session::Arg;
use super::session::Row;
use super::session::SqlSession;
use super::session::Statement;
use super::text::StageText;
use super::text::missing;
use super::undone;
use super::window::in_rows;
use super::window::key_args;
use crate::domain::value::RecordKey;
use crate::domain::value::Value;
use crate::job::Disposal;
use crate::job::Marker;
use crate::job::Operation;
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
            if uses_marker_table(pass.job()) {
                session.execute(&forget_markers(pass, &keys)).await?;
            }
            let deleted = session.execute(&delete_keys(pass, &keys)).await?;
            all_gone(pass, &keys, deleted)?;
            undone::check_deleted(session, pass, &keys).await
        }
        Disposal::Pseudonymize { marker, .. } => {
            if *marker == Marker::Table {
                if pass.recalled.is_some() {
                    // A table that was restored alone brings values back that are still marked.
                    session.execute(&forget_markers(pass, &keys)).await?;
                }
                session.execute(&set_markers(pass, &keys)).await?;
            }
            let changed = session
                .execute(&rewrite(pass, rows, &keys, marker)?)
                .await?;
            all_gone(pass, &keys, changed)?;
            undone::check_rewritten(session, pass, rows, &keys).await
        }
    }
}

/// What each row gets in the columns whose new value hangs on the present one, in their order.
pub(super) fn replacements(pass: &Pass<'_>, rows: &[Row]) -> Result<Vec<Vec<Value>>, StoreError> {
    let replace = |row: &Row| {
        let changing = pass.changes.iter().filter_map(|change| {
            let present = value_at(row, change.selected?);
            Some(change.replacement.replace(&change.column.name, &present))
        });
        changing.collect::<Result<Vec<_>, _>>()
    };
    rows.iter()
        .map(|row| replace(row).map_err(|error| StoreError::Unusable(error.to_string())))
        .collect()
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
    let sql = format!(
        "delete from {} as t where {}",
        own_table(pass.job()),
        in_rows(pass)
    );
    Statement::new(pass.doing("delete a batch"), sql, key_args(pass, keys))
        .writing(own_table(pass.job()), Operation::Delete)
}

fn marker_text(pass: &Pass<'_>) -> String {
    StageText {
        dialect: pass.dialect,
        job: pass.job(),
        stage: pass.stage(),
        tables: pass.tables,
    }
    .key_text()
}

fn forget_markers(pass: &Pass<'_>, keys: &[RecordKey]) -> Statement {
    let args = key_args(pass, keys);
    let sql = format!(
        "delete from {} where object = ${} and record_key in (select {} from {} as t where {})",
        pass.dialect.internal("marker"),
        args.len() + 1,
        marker_text(pass),
        own_table(pass.job()),
        in_rows(pass)
    );
    let args = args
        .into_iter()
        .chain([Arg::Text(pass.job().table.to_string())])
        .collect();
    Statement::new(pass.doing("drop the markers of a batch"), sql, args)
        .writing(pass.dialect.internal("marker"), Operation::Delete)
}

fn set_markers(pass: &Pass<'_>, keys: &[RecordKey]) -> Statement {
    let mut args = key_args(pass, keys);
    let first = args.len() + 1;
    let sql = format!(
        "insert into {} (object, stage, record_key, run_id, at) select ${first}, ${}, {}, ${}, {} from {} as t where {}",
        pass.dialect.internal("marker"),
        first + 1,
        marker_text(pass),
        first + 2,
        journal::now(pass),
        own_table(pass.job()),
        in_rows(pass)
    );
    args.push(Arg::Text(pass.job().table.to_string()));
    args.push(Arg::Text(pass.stage().name.clone()));
    args.push(Arg::Text(pass.order.run.run_id.clone()));
    Statement::new(pass.doing("mark a batch"), sql, args)
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
    let mut args = pass.dialect.row_args(&columns, &slices);
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
        set.push(constant(pass, change, &mut args));
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
        "update {} as t set {} from {} where {}",
        own_table(pass.job()),
        set.join(", "),
        pass.dialect.rows("u", &columns, 1),
        on.join(" and ")
    );
    Ok(
        Statement::new(pass.doing("pseudonymize a batch"), sql, args)
            .writing(own_table(pass.job()), Operation::Update),
    )
}

fn keys_width(pass: &Pass<'_>) -> usize {
    pass.key_columns.len()
}

fn constant(pass: &Pass<'_>, change: &PreparedChange<'_>, args: &mut Vec<Arg>) -> String {
    let name = quote(&change.column.name);
    let Some(text) = change
        .replacement
        .constant()
        .and_then(|value| value.store_text())
    else {
        return format!("{name} = null");
    };
    args.push(Arg::Text(text));
    let parameter = format!("${}", args.len());
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
