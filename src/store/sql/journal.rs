//! The journal and its fence, inside the store's own database.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use kigen_evidence::value::Value;

use super::batch::BatchId;
use super::dialect::Dialect;
use super::evidence::BatchEvidence;
use super::evidence::Group;
use super::pass::Pass;
use super::session::Access;
use super::session::Arg;
use super::session::Row;
use super::session::SqlSession;
use super::session::Statement;
use crate::job::Operation;
use crate::store::JournalRow;
use crate::store::JournalSink;
use crate::store::error::StoreError;

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
    let sql = format!(
        "insert into {} (run_id, slice, batch, target, client, action, records, leaves, refs, ended_by, at) \
         values ($1, $2, $3, $4, $5, $6, 0, $7, $7, {}, {})",
        pass.dialect.internal("journal"),
        pass.dialect.json("$8"),
        pass.dialect.now()
    );
    let args = vec![
        Arg::Text(pass.order.run.run_id.clone()),
        Arg::Int(id.slice),
        Arg::Int(id.batch),
        Arg::Int(i64::from(group.target)),
        Arg::Text(group.client.clone()),
        Arg::Int(i64::from(group.action.code())),
        Arg::Bytes(Vec::new()),
        Arg::Text("{}".to_owned()),
    ];
    session.begin(Access::Write).await?;
    let inserted = session.execute(&Statement::new(DOING, sql, args)).await;
    // If even this fails, the transaction ends with its connection.
    match session.rollback().await {
        Ok(()) | Err(_) => {}
    }
    match inserted {
        Ok(_) => Ok(false),
        Err(StoreError::Failed { code, .. }) if UNIQUE.contains(&code.as_str()) => Ok(true),
        Err(error) => Err(error),
    }
}

/// A unique key already has the value: PostgreSQL, and SQLite for a primary key and a unique one.
const UNIQUE: [&str; 3] = ["23505", "1555", "2067"];

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
    let dialect = rows.dialect;
    let sql = format!(
        "insert into {} (run_id, slice, batch, target, client, action, records, leaves, refs, ended_by, at) \
         select $1, $2, $3, $4, $5, $6, $7, $8, $9, {}, {} from {} as f where f.run_id = $1 and f.state = 'open'{}",
        dialect.internal("journal"),
        dialect.json("$10"),
        dialect.now(),
        dialect.internal("fence"),
        dialect.lock_fence()
    );
    for group in rows.groups {
        let args = row_args(rows.run_id, rows.id, group)?;
        let statement = Statement::new(doing, sql.clone(), args)
            .writing(dialect.internal("journal"), Operation::Insert);
        if session.execute(&statement).await? != 1 {
            return Err(StoreError::FenceClosed {
                run: rows.run_id.to_owned(),
            });
        }
    }
    Ok(())
}

fn row_args(run_id: &str, id: BatchId, group: &Group) -> Result<Vec<Arg>, StoreError> {
    let ended_by = serde_json::to_string(&group.ended_by)
        .map_err(|_| StoreError::Unusable("write the purposes of a batch".to_owned()))?;
    Ok(vec![
        Arg::Text(run_id.to_owned()),
        Arg::Int(id.slice),
        Arg::Int(id.batch),
        Arg::Int(i64::from(group.target)),
        Arg::Text(group.client.clone()),
        Arg::Int(i64::from(group.action.code())),
        Arg::Int(i64::try_from(group.records).unwrap_or(i64::MAX)),
        Arg::Bytes(group.leaves.clone()),
        Arg::Bytes(group.refs.clone()),
        Arg::Text(ended_by),
    ])
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
    let sql = format!(
        "insert into {} (run_id, state, opened_at) values ($1, 'open', {}) on conflict (run_id) do nothing",
        dialect.internal("fence"),
        dialect.now()
    );
    let run = || vec![Arg::Text(run_id.to_owned())];
    let opened = session
        .execute(&Statement::new(OPENING, sql, run()))
        .await?;
    if opened == 1 {
        return Ok(());
    }
    let sql = format!(
        "select 1 from {} where run_id = $1 and state = 'open'",
        dialect.internal("fence")
    );
    if session
        .query(&Statement::new(OPENING, sql, run()))
        .await?
        .is_empty()
    {
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
        let places: Vec<String> = (1..=run_ids.len()).map(|n| format!("${n}")).collect();
        let sql = format!(
            "select run_id from {} where run_id in ({})",
            dialect.internal("fence"),
            places.join(", ")
        );
        let args = run_ids.iter().cloned().map(Arg::Text).collect();
        let statement = Statement::new("read the fences", sql, args);
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
    let fence = dialect.internal("fence");
    let sql = format!(
        "insert into {fence} (run_id, state, opened_at) values ($1, 'closed', {}) \
         on conflict (run_id) do update set state = 'closed'",
        dialect.now()
    );
    session
        .execute(&Statement::new(
            "close the fence of a run",
            sql,
            vec![Arg::Text(run_id.to_owned())],
        ))
        .await
        .map(|_| ())
}

/// Says that every certificate of the run is published, in a store in which its fence is closed.
pub(crate) async fn mark_published(
    session: &mut dyn SqlSession,
    dialect: &dyn Dialect,
    run_id: &str,
) -> Result<(), StoreError> {
    let sql = format!(
        "insert into {} (run_id, at) select f.run_id, {} from {} as f \
         where f.run_id = $1 and f.state = 'closed' on conflict (run_id) do nothing",
        dialect.internal("published"),
        dialect.now(),
        dialect.internal("fence")
    );
    let run = vec![Arg::Text(run_id.to_owned())];
    let statement = Statement::new("mark a run as published", sql, run);
    session.execute(&statement).await.map(|_| ())
}

/// Hands on the journal rows of a run, in the order of its batches.
pub(crate) async fn read(
    session: &mut dyn SqlSession,
    dialect: &dyn Dialect,
    run_id: &str,
    sink: JournalSink<'_>,
) -> Result<(), StoreError> {
    let sql = format!(
        "select target, client, action, records, leaves, refs, {}, {} from {} where run_id = $1 \
         order by slice, batch, target, client, action",
        dialect.text_of("ended_by"),
        dialect.instant("at"),
        dialect.internal("journal")
    );
    let statement = Statement::new(
        "read the journal of a run",
        sql,
        vec![Arg::Text(run_id.to_owned())],
    );
    let mut each = |row: Row| sink(journal_row(row).ok_or_else(damaged)?);
    session.stream(&statement, &mut each).await
}

fn damaged() -> StoreError {
    StoreError::Unusable("a journal row cannot be read: the journal was changed".to_owned())
}

fn journal_row(row: Row) -> Option<JournalRow> {
    let mut values = row.into_iter();
    let mut next = || values.next();
    let target = u16::try_from(integer(&next()?)?).ok()?;
    let client = next()?.store_text()?;
    let action = u8::try_from(integer(&next()?)?).ok()?;
    let records = u64::try_from(integer(&next()?)?).ok()?;
    let leaves = bytes(next()?)?;
    let refs = bytes(next()?)?;
    let ended_by: BTreeMap<String, u64> = serde_json::from_str(&next()?.store_text()?).ok()?;
    let at = instant(&next()?)?;
    Some(JournalRow {
        target,
        client,
        action,
        records,
        leaves,
        refs,
        ended_by,
        at,
    })
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Int(integer) => Some(*integer),
        _ => None,
    }
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

fn instant(value: &Value) -> Option<jiff::Timestamp> {
    match value {
        Value::Instant(micros) => jiff::Timestamp::from_microsecond(*micros).ok(),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}
