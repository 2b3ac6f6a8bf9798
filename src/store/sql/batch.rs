//! One batch: lock, decide again, remove, write the evidence; one transaction.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use kigen_evidence::value::RecordKey;

use super::batch_range::{Window, delete_window, find_window, lock_window, read_window};
use super::dependents::{self, Look, Share};
use super::evidence::{BatchEvidence, EvidenceWriter};
use super::pass::Pass;
use super::remove::remove;
use super::{effects, journal};
use crate::database::session::{MEGABYTE, Row, SqlSession, bytes_of, collect};
use crate::domain::rule::Decision;
use crate::guard::{self, Guard};
use crate::store::RemovedKeys;
use crate::store::error::StoreError;
use crate::store::order::StageWork;

/// What one committed batch did.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub disposed: u64,
    pub ended_by: BTreeMap<String, u64>,
    pub by_client: BTreeMap<String, u64>,
    /// Rows of other tables that went, by table.
    pub gone_with: BTreeMap<String, u64>,
    /// Declared effects of the database, by `Effect::key`.
    pub effects: BTreeMap<String, u64>,
    /// Rows of other tables that were unlinked, by table.
    pub unlinked: BTreeMap<String, u64>,
    /// Locked, and no longer due when it was asked again.
    pub no_longer_due: u64,
    /// The keys of the rows that it removed or rewrote.
    pub removed: RemovedKeys,
    /// What its records took in memory.
    pub bytes: usize,
    /// The last key seen, where the pass goes in key order.
    pub last_key: Option<RecordKey>,
    /// Whether more rows go with the one record than one transaction takes: it stays until they are
    /// gone.
    pub is_part: bool,
}

impl Batch {
    /// Rows of all tables that went.
    pub(crate) fn rows(&self) -> u64 {
        self.disposed + self.gone_with.values().sum::<u64>()
    }
}

/// Numbers a batch within its run: the journal's key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchId {
    pub slice: i64,
    pub batch: i64,
}

/// What may still go: shared by the workers of a pass.
pub(crate) struct RecordBudget {
    records: AtomicU64,
    rows: AtomicU64,
}

impl RecordBudget {
    pub(crate) fn of(order: &StageWork<'_>) -> Self {
        Self {
            records: AtomicU64::new(order.max_records),
            rows: AtomicU64::new(order.max_rows),
        }
    }

    /// Takes room for a batch before it is committed, so that two workers cannot both take the last.
    fn take(&self, batch: &Batch, order: &StageWork<'_>) -> Result<(), StoreError> {
        let over = |what, limit| StoreError::OverLimit {
            cluster: order.job.cluster.clone(),
            what,
            limit,
        };
        if !take(&self.records, batch.disposed) {
            return Err(over("records", order.max_records));
        }
        if !take(&self.rows, batch.rows()) && guard::stands(Guard::RowsAreLimited) {
            self.records.fetch_add(batch.disposed, Ordering::Relaxed);
            return Err(over("rows", order.max_rows));
        }
        Ok(())
    }

    /// Rows that may still go.
    fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    fn has(&self, rows: u64, order: &StageWork<'_>) -> Result<(), StoreError> {
        if rows <= self.rows() || !guard::stands(Guard::RowsAreLimited) {
            return Ok(());
        }
        Err(StoreError::OverLimit {
            cluster: order.job.cluster.clone(),
            what: "rows",
            limit: order.max_rows,
        })
    }

    fn give_back(&self, batch: &Batch) {
        self.records.fetch_add(batch.disposed, Ordering::Relaxed);
        self.rows.fetch_add(batch.rows(), Ordering::Relaxed);
    }
}

fn take(left: &AtomicU64, amount: u64) -> bool {
    let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
        left.checked_sub(amount)
    });
    taken.is_ok()
}

/// How much one batch takes.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    /// Rows of all tables.
    pub rows: usize,
    /// Bytes of memory for what it reads of one table.
    pub bytes: usize,
    /// Passes over rows that others have locked, instead of waiting for them.
    pub around_locks: bool,
    /// Whether rows of the one record went before: it was counted then how many there are.
    pub goes_on: bool,
}

/// What a batch reads of one table takes at most this much memory. It is held a few times: as read,
/// as replaced, and as the arguments of a statement.
pub(crate) const MOST_BYTES: usize = 8 * MEGABYTE;

/// One record may take more: it cannot be made smaller.
const MOST_BYTES_OF_A_RECORD: usize = 32 * MEGABYTE;

impl Bounds {
    pub(crate) fn of(pass: &Pass<'_>, window: &Window) -> Self {
        let rows = usize::try_from(pass.job().limit.batch_size.max(1)).unwrap_or(usize::MAX);
        let alone = matches!(window, Window::Keys(keys) if keys.len() == 1);
        let bytes = if alone {
            MOST_BYTES_OF_A_RECORD
        } else {
            MOST_BYTES
        };
        Self {
            rows: bound(rows, Guard::BatchSizeHolds),
            bytes: bound(bytes, Guard::BatchIsBoundedInBytes),
            around_locks: false,
            goes_on: false,
        }
    }
}

fn bound(most: usize, guard: Guard) -> usize {
    if guard::stands(guard) {
        most
    } else {
        usize::MAX
    }
}

/// Disposes of what is due in `window`. On an error nothing of it was done.
pub(crate) async fn dispose(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    evidence: &mut EvidenceWriter<'_>,
    window: &Window,
    id: BatchId,
    room: &RecordBudget,
    bounds: Bounds,
) -> Result<Batch, StoreError> {
    effects::begin(session).await?;
    let mut proof = evidence.batch(id);
    let batch = match accounted(session, pass, &mut proof, window, room, bounds).await {
        Ok(batch) => batch,
        // If even this fails, the transaction ends with its connection; the cause comes first.
        Err(error) => match session.rollback().await {
            Ok(()) | Err(_) => return Err(error),
        },
    };
    fail::fail_point!("batch.before-commit");
    if let Err(error) = commit(session, pass, &proof).await {
        match error {
            NotCommitted::Undone(error) => {
                room.give_back(&batch);
                return Err(error);
            }
            // Its rows may be gone: they keep the room that they took.
            NotCommitted::Unclear(error) => return Err(error),
        }
    }
    fail::fail_point!("batch.after-commit");
    Ok(batch)
}

/// Why a batch is not known to be committed.
enum NotCommitted {
    /// Nothing of it was done.
    Undone(StoreError),
    /// It is not known whether the database has committed it.
    Unclear(StoreError),
}

/// Commits. Where the connection is lost before the answer, the journal says what became of it.
async fn commit(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    proof: &BatchEvidence<'_, '_>,
) -> Result<(), NotCommitted> {
    let Err(error) = session.commit().await.map_err(StoreError::from) else {
        return Ok(());
    };
    if !matches!(error, StoreError::ConnectionLost { .. }) {
        return Err(NotCommitted::Undone(error));
    }
    match journal::has(session, pass, proof.id, proof.groups.last()).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(NotCommitted::Undone(error)),
        Err(_) => Err(NotCommitted::Unclear(error)),
    }
}

/// What the batch did, if that is all that the database has changed, and no more than may go.
async fn accounted(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    proof: &mut BatchEvidence<'_, '_>,
    window: &Window,
    room: &RecordBudget,
    bounds: Bounds,
) -> Result<Batch, StoreError> {
    let mut batch = in_transaction(session, pass, proof, window, room, bounds).await?;
    batch.effects = effects::settle(session, pass).await?;
    room.take(&batch, pass.order)?;
    Ok(batch)
}

async fn in_transaction(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    proof: &mut BatchEvidence<'_, '_>,
    window: &Window,
    room: &RecordBudget,
    bounds: Bounds,
) -> Result<Batch, StoreError> {
    let direct = pass.direct && !bounds.around_locks;
    let locked = if direct {
        let rows = collect(session, &delete_window(pass, window), bounds.bytes).await?;
        Locked::all(adopt(pass, rows), pass)
    } else {
        lock_due(session, pass, window, bounds.bytes).await?
    };
    let mut batch = Batch {
        no_longer_due: locked.no_longer_due,
        last_key: locked.last_key,
        ..Batch::default()
    };
    if locked.rows.is_empty() {
        return Ok(batch);
    }
    if locked.rows.len() > bounds.rows {
        return Err(too_many(pass));
    }
    batch.bytes = bytes_of(&locked.rows);
    let (rows, ended_by) = (&locked.rows, decide(pass, &locked.rows)?);
    if !direct {
        remove_others(session, pass, rows, proof, bounds, &mut batch).await?;
        if batch.is_part {
            if !bounds.goes_on {
                // All that goes with the record, or nothing.
                let rows = dependents::count(session, pass, rows, room.rows()).await?;
                room.has(rows, pass.order)?;
            }
            certify_rows(session, pass, proof).await?;
            batch.removed = std::mem::take(&mut proof.removed);
            return Ok(batch);
        }
        remove(session, pass, rows).await?;
    }
    fail::fail_point!("batch.after-removal");
    batch.disposed = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    let counts = proof.add_own(pass, rows, &ended_by).await?;
    all_are_announced(pass, counts.by_client.keys())?;
    batch.ended_by = counts.ended_by;
    batch.by_client = counts.by_client;
    journal::insert(session, pass, proof).await?;
    batch.removed = std::mem::take(&mut proof.removed);
    Ok(batch)
}

/// Removes what goes with the locked rows, or a part of it where that is too much for one
/// transaction: the record stays until the rest is gone, in further ones.
async fn remove_others(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    rows: &[Row],
    proof: &mut BatchEvidence<'_, '_>,
    bounds: Bounds,
    batch: &mut Batch,
) -> Result<(), StoreError> {
    let look = Look::Locked {
        most: bounds.rows,
        bytes: bounds.bytes,
    };
    let found = dependents::find_all(session, pass, rows, look).await?;
    let others = match dependents::share(rows.len(), found, bounds.rows) {
        Share::TooMuch => return Err(too_many(pass)),
        Share::Whole(found) => dependents::remove_found(session, pass, rows, &found, proof).await?,
        Share::Rows(found) => {
            batch.is_part = true;
            dependents::remove_alone(session, pass, rows, &found, proof).await?
        }
    };
    batch.gone_with = others.gone;
    batch.unlinked = others.unlinked;
    Ok(())
}

fn too_many(pass: &Pass<'_>) -> StoreError {
    StoreError::TooMany {
        doing: pass.doing("remove a batch"),
    }
}

/// Locks the due records of `window`, and reads those that are due under the lock.
///
/// A statement that waits for a lock goes on with the snapshot from before: a blocking row, or a
/// joined one, that was committed meanwhile is invisible to it. So what is due is asked again, by a
/// second statement. Who takes the lock of a record after us cannot add to it any more.
pub(super) async fn lock_due(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    window: &Window,
    bytes: usize,
) -> Result<Locked, StoreError> {
    let locked = lock_and_read(session, pass, window, bytes).await?;
    Ok(Locked {
        rows: pass.keep(locked.rows)?,
        ..locked
    })
}

/// Rows under their locks.
pub(super) struct Locked {
    pub rows: Vec<Row>,
    /// The last key of the window.
    pub last_key: Option<RecordKey>,
    /// Records that were due before their lock, and are not under it.
    pub no_longer_due: u64,
}

impl Locked {
    fn all(rows: Vec<Row>, pass: &Pass<'_>) -> Self {
        Self {
            last_key: rows.last().map(|row| pass.key_of(row)),
            no_longer_due: 0,
            rows,
        }
    }
}

/// The same, whatever evidence says of the records.
pub(super) async fn lock_and_read(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    window: &Window,
    bytes: usize,
) -> Result<Locked, StoreError> {
    if pass.dialect.lock_rows().is_empty() {
        // The whole database was locked before the first statement looked at it.
        let rows = collect(session, &find_window(pass, window), bytes).await?;
        fail::fail_point!("batch.after-lock");
        return Ok(Locked::all(adopt(pass, rows), pass));
    }
    let locked = collect(session, &lock_window(pass, window), bytes).await?;
    if locked.is_empty() {
        return Ok(Locked::all(Vec::new(), pass));
    }
    fail::fail_point!("batch.after-lock");
    let keys: Vec<RecordKey> = locked
        .into_iter()
        .map(|row| pass.key_as_read(row))
        .collect();
    let (asked, last_key) = (keys.len(), keys.last().cloned());
    let locked = Window::Keys(keys);
    let again = if guard::stands(Guard::AskedAgainUnderLock) {
        find_window(pass, &locked)
    } else {
        read_window(pass, &locked)
    };
    let rows = adopt(pass, collect(session, &again, bytes).await?);
    Ok(Locked {
        last_key,
        no_longer_due: u64::try_from(asked.saturating_sub(rows.len())).unwrap_or(0),
        rows,
    })
}

/// Types the values of rows as their columns.
pub(super) fn adopt(pass: &Pass<'_>, rows: Vec<Row>) -> Vec<Row> {
    rows.into_iter()
        .map(|row| pass.selection.adopt(pass.dialect, row))
        .collect()
}

/// Writes the evidence of rows that went while their records stay.
pub(super) async fn certify_rows(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    proof: &BatchEvidence<'_, '_>,
) -> Result<(), StoreError> {
    all_are_announced(pass, proof.groups.iter().map(|group| &group.client))?;
    journal::insert(session, pass, proof).await
}

/// Nothing goes before its client's log says that it may: a client may be new since the run began.
pub(super) fn all_are_announced<'c>(
    pass: &Pass<'_>,
    mut clients: impl Iterator<Item = &'c String>,
) -> Result<(), StoreError> {
    let announced = &pass.order.run.announced;
    if clients.all(|client| announced.includes(client)) {
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
