//! One batch: lock, decide again, remove, write the evidence; one transaction.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use super::effects;
use super::evidence::BatchEvidence;
use super::evidence::EvidenceWriter;
use super::goes_with;
use super::journal;
use super::pass::Pass;
use super::remove::remove;
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
    /// Declared effects of the database, by `Effect::key`.
    pub effects: BTreeMap<String, u64>,
    /// The last key seen, where the pass goes in key order.
    pub last_key: Option<RecordKey>,
}

/// Numbers a batch within its run: the journal's key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchId {
    pub slice: i64,
    pub batch: i64,
}

/// How many records may still go: shared by the workers of a pass.
pub(crate) struct Room {
    left: AtomicU64,
    limit: u64,
}

impl Room {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            left: AtomicU64::new(limit),
            limit,
        }
    }

    /// Takes room for a batch before it is committed, so that two workers cannot both take the last.
    fn take(&self, records: u64) -> bool {
        let taken = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(records)
            });
        taken.is_ok()
    }

    fn give_back(&self, records: u64) {
        self.left.fetch_add(records, Ordering::Relaxed);
    }
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
    room: &Room,
    around_locks: bool,
) -> Result<Batch, StoreError> {
    let direct = pass.direct && !around_locks;
    effects::begin(session).await?;
    let mut done = in_transaction(session, pass, evidence, window, id, room, direct).await;
    if let Ok(batch) = &mut done {
        match effects::settle(session, pass).await {
            Ok(effects) => batch.effects = effects,
            Err(error) => {
                room.give_back(batch.disposed);
                done = Err(error);
            }
        }
    }
    match done {
        Ok(batch) => {
            fail::fail_point!("batch.before-commit");
            session.commit().await?;
            fail::fail_point!("batch.after-commit");
            Ok(batch)
        }
        Err(error) => {
            // If even this fails, the transaction ends with its connection; the cause comes first.
            match session.rollback().await {
                Ok(()) | Err(_) => Err(error),
            }
        }
    }
}

async fn in_transaction(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    evidence: &mut EvidenceWriter<'_>,
    window: &Window,
    id: BatchId,
    room: &Room,
    direct: bool,
) -> Result<Batch, StoreError> {
    let statement = if direct {
        delete_window(pass, window)
    } else {
        lock_window(pass, window)
    };
    let rows = session.query(&statement).await?;
    if rows.is_empty() {
        return Ok(Batch::default());
    }
    fail::fail_point!("batch.after-lock");
    let rows: Vec<Row> = rows
        .into_iter()
        .map(|row| pass.selection.adopt(pass.dialect, row))
        .collect();
    let rows = pass.keep(rows)?;
    if rows.is_empty() {
        return Ok(Batch::default());
    }
    let ended_by = decide(pass, &rows)?;
    let records = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    if !room.take(records) {
        return Err(StoreError::OverLimit {
            cluster: pass.job().cluster.clone(),
            limit: room.limit,
        });
    }
    let removed = remove_rows(session, pass, evidence.batch(id), &rows, &ended_by, direct).await;
    if removed.is_err() {
        room.give_back(records);
    }
    removed
}

/// Removes the locked rows with what hangs on them, unless they are gone already, and writes the
/// evidence.
async fn remove_rows(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    mut proof: BatchEvidence<'_, '_>,
    rows: &[Row],
    ended_by: &[usize],
    gone: bool,
) -> Result<Batch, StoreError> {
    let mut batch = Batch {
        disposed: u64::try_from(rows.len()).unwrap_or(u64::MAX),
        last_key: rows.last().map(|row| pass.key_of(row)),
        ..Batch::default()
    };
    if !gone {
        batch.gone_with = goes_with::remove(session, pass, rows, &mut proof).await?;
        remove(session, pass, rows).await?;
    }
    fail::fail_point!("batch.after-removal");
    let counts = proof.add_own(pass, rows, ended_by).await?;
    all_are_announced(pass, &counts.by_client)?;
    batch.ended_by = counts.ended_by;
    batch.by_client = counts.by_client;
    journal::insert(session, pass, &proof).await?;
    Ok(batch)
}

/// Nothing goes before its client's log says that it may: a client may be new since the run began.
pub(super) fn all_are_announced(
    pass: &Pass<'_>,
    by_client: &BTreeMap<String, u64>,
) -> Result<(), StoreError> {
    let announced = &pass.order.run.announced;
    if by_client.keys().all(|client| announced.includes(client)) {
        return Ok(());
    }
    Err(StoreError::NotAnnounced {
        cluster: pass.job().cluster.clone(),
    })
}

/// Decides each row again; all of them must be due, or the statement is wrong.
///
/// What evidence has picked was decided by the rule before: no purpose ends a second time.
pub(super) fn decide(pass: &Pass<'_>, rows: &[Row]) -> Result<Vec<usize>, StoreError> {
    if pass.recalled.is_some() {
        return Ok(vec![pass.stage().rule.purposes.len(); rows.len()]);
    }
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
