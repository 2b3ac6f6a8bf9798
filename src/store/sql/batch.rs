//! One batch: lock, decide again, remove, write the evidence; one transaction.

use std::collections::BTreeMap;

use super::evidence::BatchEvidence;
use super::evidence::EvidenceWriter;
use super::goes_with;
use super::journal;
use super::pass::Pass;
use super::remove::remove;
use super::session::Access;
use super::session::Row;
use super::session::SqlSession;
use super::window::Window;
use super::window::delete_window;
use super::window::lock_window;
use crate::domain::rule::Decision;
use crate::domain::value::RecordKey;
use crate::store::error::StoreError;

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
    let statement = if direct { delete_window(pass, window) } else { lock_window(pass, window) };
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
