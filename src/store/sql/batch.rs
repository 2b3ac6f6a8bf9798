//! One batch: lock, decide again, remove, write the evidence; one transaction.

use std::collections::BTreeMap;

use super::dialect::WalkKind;
use super::dialect::quote;
use super::evidence::BatchEvidence;
use super::evidence::EvidenceWriter;
use super::goes_with;
use super::journal;
use super::pass::Pass;
use super::pass::own_table;
use super::pass::uses_marker_table;
use super::pass::value_at;
use super::session::Access;
use super::session::Arg;
use super::session::Row;
use super::session::SqlSession;
use super::session::Statement;
use super::text::StageText;
use crate::domain::rule::Decision;
use crate::domain::value::RecordKey;
use crate::domain::value::Value;
use crate::job::Disposal;
use crate::job::Marker;
use crate::store::error::StoreError;

/// The part of the table that one batch looks at.
#[derive(Clone, Debug)]
pub(crate) enum Window {
    /// Blocks from the first (included) to the second (excluded).
    Blocks(u64, u64),
    /// The next records in key order.
    After {
        key: Option<RecordKey>,
        limit: u32,
    },
    /// These records, wherever they lie.
    Keys(Vec<RecordKey>),
}

/// What one committed batch did.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub disposed: u64,
    pub ended_by: BTreeMap<String, u64>,
    pub by_client: BTreeMap<String, u64>,
    pub gone_with: BTreeMap<String, u64>,
    /// The last key seen, where the pass goes in key order.
    pub last_key: Option<RecordKey>,
}

/// Numbers a batch within its run: the journal's key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchId {
    pub slice: i64,
    pub batch: i64,
}

/// Disposes of what is due in `window`. On an error nothing of it was done.
///
/// `around_locks` passes over rows that others have locked, instead of waiting for them.
pub(crate) async fn dispose(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    evidence: &mut EvidenceWriter<'_>,
    window: &Window,
    id: BatchId,
    room: u64,
    around_locks: bool,
) -> Result<Batch, StoreError> {
    let direct = pass.direct && !around_locks;
    session.begin(Access::Write).await?;
    match in_transaction(session, pass, evidence, window, id, room, direct).await {
        Ok(batch) => {
            fail::fail_point!("batch.before-commit");
            session.commit().await?;
            fail::fail_point!("batch.after-commit");
            Ok(batch)
        }
        Err(error) => {
            // The transaction is dropped with the connection if even this fails.
            session.rollback().await?;
            Err(error)
        }
    }
}

async fn in_transaction(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    evidence: &mut EvidenceWriter<'_>,
    window: &Window,
    id: BatchId,
    room: u64,
    direct: bool,
) -> Result<Batch, StoreError> {
    let statement = if direct { delete_window(pass, window) } else { find_window(pass, window, true) };
    let rows = session.query(&statement).await?;
    if rows.is_empty() {
        return Ok(Batch::default());
    }
    fail::fail_point!("batch.after-lock");
    let rows: Vec<Row> = rows
        .into_iter()
        .map(|row| pass.selection.adopt(pass.dialect, row))
        .collect();
    let ended_by = decide(pass, &rows)?;
    let records = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    if records > room {
        return Err(StoreError::OverLimit {
            cluster: pass.job().cluster.clone(),
            limit: pass.order.max_records,
        });
    }
    let mut proof = evidence.batch(id);
    let mut batch = Batch {
        disposed: records,
        last_key: rows.last().map(|row| pass.key_of(row)),
        ..Batch::default()
    };
    if !direct {
        batch.gone_with = goes_with::remove(session, pass, &rows, &mut proof).await?;
        remove(session, pass, &rows).await?;
    }
    fail::fail_point!("batch.after-removal");
    add_records(pass, &rows, &ended_by, &mut proof, &mut batch)?;
    journal::insert(session, pass, &proof).await?;
    Ok(batch)
}

/// Decides each row again; all of them must be due, or the statement is wrong.
pub(super) fn decide(pass: &Pass<'_>, rows: &[Row]) -> Result<Vec<usize>, StoreError> {
    let mut ended_by = Vec::with_capacity(rows.len());
    for row in rows {
        if let Decision::Dispose { last_purpose, .. } = pass.decide(row) {
            ended_by.push(last_purpose);
        }
    }
    if ended_by.len() == rows.len() {
        return Ok(ended_by);
    }
    Err(StoreError::Disagreement {
        cluster: pass.job().cluster.clone(),
        records: rows.len() - ended_by.len(),
    })
}

pub(super) fn add_records(
    pass: &Pass<'_>,
    rows: &[Row],
    ended_by: &[usize],
    proof: &mut BatchEvidence<'_, '_>,
    batch: &mut Batch,
) -> Result<(), StoreError> {
    let stage = pass.stage();
    for (row, purpose) in rows.iter().zip(ended_by) {
        let client = pass.client_of(row);
        // The key's columns stand first in the select list.
        let key = &row[..pass.key_columns.len()];
        let subject = &row[pass.selection.subject];
        let purpose = &stage.rule.purposes[*purpose].name;
        proof.add_own(&client, key, subject, purpose)?;
        count(&mut batch.ended_by, purpose);
        count(&mut batch.by_client, &client);
    }
    Ok(())
}

fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    if let Some(count) = counts.get_mut(name) {
        *count += 1;
        return;
    }
    counts.insert(name.to_owned(), 1);
}

fn delete_window(pass: &Pass<'_>, window: &Window) -> Statement {
    let (condition, args) = window_condition(pass, window);
    let sql = format!(
        "delete from {} as t where {condition} and {} returning {}",
        own_table(pass.job()),
        pass.due,
        pass.selection.list()
    );
    Statement::new(pass.doing("delete a batch"), sql, args)
}

/// Finds the due records of the window, and locks them if asked to.
pub(super) fn find_window(pass: &Pass<'_>, window: &Window, lock: bool) -> Statement {
    let (condition, args) = window_condition(pass, window);
    let mut sql = format!(
        "select {} from {} where {condition} and {}",
        pass.selection.list(),
        pass.from,
        pass.due
    );
    if let Window::After { limit, .. } = window {
        let key: Vec<String> = pass.job().key.iter().map(|column| format!("t.{}", quote(column))).collect();
        sql.push_str(&format!(" order by {} limit {limit}", key.join(", ")));
    }
    if lock {
        sql.push_str(pass.dialect.lock_rows());
    }
    Statement::new(pass.doing("lock a batch"), sql, args)
}

fn window_condition(pass: &Pass<'_>, window: &Window) -> (String, Vec<Arg>) {
    let key: Vec<String> = pass.job().key.iter().map(|column| format!("t.{}", quote(column))).collect();
    match window {
        Window::Blocks(from, to) => (
            "t.ctid >= $1::tid and t.ctid < $2::tid".to_owned(),
            vec![Arg::Text(format!("({from},0)")), Arg::Text(format!("({to},0)"))],
        ),
        Window::After { key: None, .. } => ("1 = 1".to_owned(), Vec::new()),
        Window::After { key: Some(after), .. } => {
            let parameters: Vec<String> = (1..=key.len()).map(|index| format!("${index}")).collect();
            let args = after.values().iter().map(key_arg).collect();
            let condition = format!("({}) > ({})", key.join(", "), parameters.join(", "));
            (condition, args)
        }
        Window::Keys(keys) => {
            let rows: Vec<&[Value]> = keys.iter().map(RecordKey::values).collect();
            (in_rows(pass, &key, 1), pass.dialect.row_args(&pass.key_columns, &rows))
        }
    }
}

fn key_arg(value: &Value) -> Arg {
    match value {
        Value::Int(value) => Arg::Int(*value),
        Value::Bytes(bytes) => Arg::Bytes(bytes.clone()),
        other => Arg::Text(other.store_text().unwrap_or_default()),
    }
}

/// `(t.k1, t.k2) in (select c0, c1 from …)`
fn in_rows(pass: &Pass<'_>, key: &[String], first: usize) -> String {
    let names: Vec<String> = (0..key.len()).map(|index| format!("c{index}")).collect();
    format!(
        "({}) in (select {} from {})",
        key.join(", "),
        names.join(", "),
        pass.dialect.rows("u", &pass.key_columns, first)
    )
}

/// Deletes or rewrites the locked rows, and keeps the marker table in step.
pub(super) async fn remove(
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
            all_gone(pass, &keys, deleted)
        }
        Disposal::Pseudonymize { marker, .. } => {
            if *marker == Marker::Table {
                session.execute(&set_markers(pass, &keys)).await?;
            }
            let changed = session.execute(&rewrite(pass, rows, &keys, marker)?).await?;
            all_gone(pass, &keys, changed)
        }
    }
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

fn key_args(pass: &Pass<'_>, keys: &[RecordKey]) -> Vec<Arg> {
    let rows: Vec<&[Value]> = keys.iter().map(RecordKey::values).collect();
    pass.dialect.row_args(&pass.key_columns, &rows)
}

pub(super) fn own_key(pass: &Pass<'_>) -> Vec<String> {
    pass.job().key.iter().map(|column| format!("t.{}", quote(column))).collect()
}

fn delete_keys(pass: &Pass<'_>, keys: &[RecordKey]) -> Statement {
    let sql = format!(
        "delete from {} as t where {}",
        own_table(pass.job()),
        in_rows(pass, &own_key(pass), 1)
    );
    Statement::new(pass.doing("delete a batch"), sql, key_args(pass, keys))
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
        in_rows(pass, &own_key(pass), 1)
    );
    let args = args.into_iter().chain([Arg::Text(pass.job().table.to_string())]).collect();
    Statement::new(pass.doing("drop the markers of a batch"), sql, args)
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
        in_rows(pass, &own_key(pass), 1)
    );
    args.push(Arg::Text(pass.job().table.to_string()));
    args.push(Arg::Text(pass.stage().name.clone()));
    args.push(Arg::Text(pass.order.run.run_id.clone()));
    Statement::new(pass.doing("mark a batch"), sql, args)
}

/// One `update … from rows` that writes every replacement of the batch.
fn rewrite(
    pass: &Pass<'_>,
    rows: &[Row],
    keys: &[RecordKey],
    marker: &Marker,
) -> Result<Statement, StoreError> {
    let changing: Vec<_> = pass.changes.iter().filter(|change| change.selected.is_some()).collect();
    let mut columns = pass.key_columns.clone();
    columns.extend(changing.iter().map(|change| change.column));
    let mut replaced: Vec<Vec<Value>> = Vec::with_capacity(rows.len());
    for (row, key) in rows.iter().zip(keys) {
        let mut values = key.values().to_vec();
        for change in &changing {
            let present = value_at(row, change.selected.unwrap_or_default());
            let value = change
                .replacement
                .replace(&change.column.name, &present)
                .map_err(|error| StoreError::Unusable(error.to_string()))?;
            values.push(value);
        }
        replaced.push(values);
    }
    let slices: Vec<&[Value]> = replaced.iter().map(Vec::as_slice).collect();
    let mut args = pass.dialect.row_args(&columns, &slices);
    let mut set: Vec<String> = changing
        .iter()
        .enumerate()
        .map(|(index, change)| format!("{} = u.c{}", quote(&change.column.name), keys_width(pass) + index))
        .collect();
    for change in pass.changes.iter().filter(|change| change.selected.is_none()) {
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
    Ok(Statement::new(pass.doing("pseudonymize a batch"), sql, args))
}

fn keys_width(pass: &Pass<'_>) -> usize {
    pass.key_columns.len()
}

fn constant(pass: &Pass<'_>, change: &super::pass::PreparedChange<'_>, args: &mut Vec<Arg>) -> String {
    let name = quote(&change.column.name);
    let Some(text) = change.replacement.constant().and_then(|value| value.store_text()) else {
        return format!("{name} = null");
    };
    args.push(Arg::Text(text));
    let parameter = format!("${}", args.len());
    format!("{name} = {}", pass.dialect.cast_text(&parameter, change.column))
}

fn marked(pass: &Pass<'_>, column: &str) -> Result<String, StoreError> {
    let facts = pass
        .tables
        .column(&pass.job().table, column)
        .ok_or_else(|| super::text::missing(&pass.job().table.to_string(), column))?;
    let literal = pass
        .dialect
        .marker_literal(facts, pass.order.run.started_at, &pass.job().time_zone);
    Ok(format!("{} = {literal}", quote(column)))
}

/// Whether a pass of this dialect goes by blocks.
pub(crate) fn by_blocks(pass: &Pass<'_>) -> bool {
    pass.dialect.walk() == WalkKind::Blocks
}
