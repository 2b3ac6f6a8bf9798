//! The journal and its fence, inside the store's own database.

use std::collections::BTreeSet;

use kigen_evidence::value::Value;

use super::batch::BatchId;
use super::dialect::Dialect;
use super::evidence::{BatchEvidence, Group};
use super::pass::Pass;
use crate::database::error::Failure;
use crate::database::row::FromRow;
use crate::database::session::{Access, Row, SqlSession};
use crate::database::statement::{Arg, Statement, Values};
use crate::job::Operation;
use crate::store::error::StoreError;
use crate::store::{JournalRow, JournalSink};

/// Writes the journal rows of a batch, each only while the run's fence is open.
pub(crate) async fn insert(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    proof: &BatchEvidence<'_, '_>,
) -> Result<(), StoreError> {
    let rows = NewRows {
        dialect: pass.dialect,
        run_id: &pass.order.run.run_id,
        id: proof.id,
        groups: &proof.groups,
    };
    insert_rows(session, &pass.doing("journal a batch"), &rows).await
}

/// Whether the batch `id`, which has journalled `group` last, was committed; asked after its connection
/// was lost at the commit.
///
/// The same key is inserted once more, and rolled back. The database refuses it if the batch is there,
/// and waits while the lost transaction has not ended: a look alone would not see that one.
pub(crate) async fn has(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    id: BatchId,
    group: Option<&Group>,
) -> Result<bool, StoreError> {
    const DOING: &str = "ask the journal whether a batch was committed";
    let Some(group) = group else {
        return Ok(false);
    };
    let mut values = Values::default();
    let key = values.list([
        Arg::Text(pass.order.run.run_id.clone()),
        Arg::Int(id.slice),
        Arg::Int(id.batch),
        Arg::Int(i64::from(group.target)),
        Arg::Text(group.client.clone()),
        Arg::Int(i64::from(group.action.code())),
    ]);
    let nothing = values.bind(Arg::Bytes(Vec::new()));
    let nobody = values.bind("{}").to_string();
    let sql = format!(
        "insert into {} (run_id, slice, batch, target, client, action, records, leaves, refs, ended_by, at) \
         values ({key}, 0, {nothing}, {nothing}, {}, {})",
        pass.dialect.internal("journal"),
        pass.dialect.json(&nobody),
        pass.dialect.now()
    );
    let again = Statement::new(DOING, sql, values);
    session.begin(Access::Write).await?;
    let inserted = session.execute(&again).await;
    // If even this fails, the transaction ends with its connection.
    match session.rollback().await {
        Ok(()) | Err(_) => {}
    }
    match inserted {
        Ok(_) => Ok(false),
        Err(error) if error.failure == Failure::NotUnique => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Journal rows of one batch of a run.
pub(crate) struct NewRows<'r> {
    pub dialect: &'r dyn Dialect,
    pub run_id: &'r str,
    pub id: BatchId,
    pub groups: &'r [Group],
}

/// The fence is read and locked by the insert itself: sealing waits for running batches and stops
/// later ones (test `a_batch_behind_a_closed_fence_removes_nothing`).
pub(crate) async fn insert_rows(
    session: &mut dyn SqlSession,
    doing: &str,
    rows: &NewRows<'_>,
) -> Result<(), StoreError> {
    for group in rows.groups {
        let statement = insert_row(doing, rows, group)?
            .writing(rows.dialect.internal("journal"), Operation::Insert);
        if session.execute(&statement).await? != 1 {
            return Err(StoreError::FenceClosed {
                run: rows.run_id.to_owned(),
            });
        }
    }
    Ok(())
}

fn insert_row(doing: &str, rows: &NewRows<'_>, group: &Group) -> Result<Statement, StoreError> {
    let dialect = rows.dialect;
    let ended_by = serde_json::to_string(&group.ended_by)
        .map_err(|_| StoreError::Unusable("write the purposes of a batch".to_owned()))?;
    let mut values = Values::default();
    let run = values.bind(rows.run_id);
    let row = values.list([
        Arg::Int(rows.id.slice),
        Arg::Int(rows.id.batch),
        Arg::Int(i64::from(group.target)),
        Arg::Text(group.client.clone()),
        Arg::Int(i64::from(group.action.code())),
        Arg::Int(i64::try_from(group.records).unwrap_or(i64::MAX)),
        Arg::Bytes(group.leaves.clone()),
        Arg::Bytes(group.refs.clone()),
    ]);
    let ended_by = values.bind(ended_by).to_string();
    let sql = format!(
        "insert into {} (run_id, slice, batch, target, client, action, records, leaves, refs, ended_by, at) \
         select {run}, {row}, {}, {} from {} as f where f.run_id = {run} and f.state = 'open'{}",
        dialect.internal("journal"),
        dialect.json(&ended_by),
        dialect.now(),
        dialect.internal("fence"),
        dialect.lock_fence()
    );
    Ok(Statement::new(doing, sql, values))
}

/// The database's own time of the transaction: the journal says when the store did it.
pub(crate) fn now(pass: &Pass<'_>) -> &'static str {
    pass.dialect.now()
}

/// Opens the fence of a run; opening it twice is no error, opening a closed one is.
pub(crate) async fn open_fence(
    session: &mut dyn SqlSession,
    dialect: &dyn Dialect,
    run_id: &str,
) -> Result<(), StoreError> {
    let fence = dialect.internal("fence");
    let mut values = Values::default();
    let sql = format!(
        "insert into {fence} (run_id, state, opened_at) values ({}, 'open', {}){}",
        values.bind(run_id),
        dialect.now(),
        dialect.or_nothing("run_id")
    );
    let open = Statement::new(OPENING, sql, values);
    if session.execute(&open).await? == 1 {
        return Ok(());
    }
    let mut values = Values::default();
    let run = values.bind(run_id);
    let sql = format!("select 1 from {fence} where run_id = {run} and state = 'open'");
    let is_open = Statement::new(OPENING, sql, values);
    if session.query(&is_open).await?.is_empty() {
        return Err(StoreError::FenceClosed {
            run: run_id.to_owned(),
        });
    }
    Ok(())
}

/// Those of `run_ids` that have a fence.
pub(crate) async fn fences(
    session: &mut dyn SqlSession,
    dialect: &dyn Dialect,
    run_ids: &[String],
) -> Result<BTreeSet<String>, StoreError> {
    let mut known = BTreeSet::new();
    for run_ids in run_ids.chunks(FENCES_AT_ONCE) {
        let mut values = Values::default();
        let sql = format!(
            "select run_id from {} where run_id in ({})",
            dialect.internal("fence"),
            values.list(run_ids)
        );
        let statement = Statement::new("read the fences", sql, values);
        for row in session.query(&statement).await? {
            if let [Value::Text(run_id)] = row.as_slice() {
                known.insert(run_id.clone());
            }
        }
    }
    Ok(known)
}

/// How many fences one statement asks for.
const FENCES_AT_ONCE: usize = 500;

const OPENING: &str = "open the fence of a run";

/// Closes the fence of a run, also where it was never opened.
pub(crate) async fn close_fence(
    session: &mut dyn SqlSession,
    dialect: &dyn Dialect,
    run_id: &str,
) -> Result<(), StoreError> {
    let mut values = Values::default();
    let sql = format!(
        "insert into {} (run_id, state, opened_at) values ({}, 'closed', {}){}",
        dialect.internal("fence"),
        values.bind(run_id),
        dialect.now(),
        dialect.or_set("run_id", "state = 'closed'")
    );
    let close = Statement::new("close the fence of a run", sql, values);
    session.execute(&close).await?;
    Ok(())
}

/// Says that every certificate of the run is published, in a store in which its fence is closed.
pub(crate) async fn mark_published(
    session: &mut dyn SqlSession,
    dialect: &dyn Dialect,
    run_id: &str,
) -> Result<(), StoreError> {
    let mut values = Values::default();
    let sql = format!(
        "insert into {} (run_id, at) select f.run_id, {} from {} as f \
         where f.run_id = {} and f.state = 'closed'{}",
        dialect.internal("published"),
        dialect.now(),
        dialect.internal("fence"),
        values.bind(run_id),
        dialect.or_nothing("run_id")
    );
    let mark = Statement::new("mark a run as published", sql, values);
    session.execute(&mark).await?;
    Ok(())
}

/// Hands on the journal rows of a run, in the order of its batches.
pub(crate) async fn read(
    session: &mut dyn SqlSession,
    dialect: &dyn Dialect,
    run_id: &str,
    sink: JournalSink<'_>,
) -> Result<(), StoreError> {
    let mut values = Values::default();
    let sql = format!(
        "select target, client, action, records, leaves, refs, {}, at from {} where run_id = {} \
         order by slice, batch, target, client, action",
        dialect.text_of("ended_by"),
        dialect.internal("journal"),
        values.bind(run_id)
    );
    let statement = Statement::new("read the journal of a run", sql, values);
    let mut each = |row: Row| sink(journal_row(row).ok_or_else(damaged)?);
    session.stream(&statement, &mut each).await
}

fn damaged() -> StoreError {
    StoreError::Unusable("a journal row cannot be read: the journal was changed".to_owned())
}

fn journal_row(row: Row) -> Option<JournalRow> {
    type Columns = (
        i64,
        String,
        i64,
        i64,
        Vec<u8>,
        Vec<u8>,
        String,
        jiff::Timestamp,
    );
    let (target, client, action, records, leaves, refs, ended_by, at) = Columns::from_row(row)?;
    Some(JournalRow {
        target: u16::try_from(target).ok()?,
        client,
        action: u8::try_from(action).ok()?,
        records: u64::try_from(records).ok()?,
        leaves,
        refs,
        ended_by: serde_json::from_str(&ended_by).ok()?,
        at,
    })
}
