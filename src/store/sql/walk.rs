//! A pass over a table that remembers where it was and never asks for "the first n" again.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use futures_util::future::join_all;

use super::backend::Backend;
use super::batch;
use super::batch::Batch;
use super::batch::BatchId;
use super::batch::Room;
use super::evidence::EvidenceWriter;
use super::pass::Pass;
use super::session::SqlSession;
use super::window::Window;
use super::window::by_blocks;
use crate::domain::value::RecordKey;
use crate::store::PassOutcome;
use crate::store::RunControl;
use crate::store::add_counts;
use crate::store::error::Retry;
use crate::store::error::StoreError;
use crate::store::may_go_on;

/// How often one batch is tried when another session is in the way.
const TRIES: u32 = 6;

/// The pause before the second try; doubled for each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// A batch that takes longer than this is followed by a smaller one: others wait for its locks.
const LONGEST_BATCH: Duration = Duration::from_millis(250);

/// A slow batch is never followed by one smaller than this: below it the commit takes the time,
/// not the records, and a busy disk would bring the pass to a stand.
const SMALLEST_BATCH: u32 = 250;

/// What the workers of one pass share.
struct Shared {
    /// The first block that nobody has claimed.
    next_block: AtomicU64,
    room: Room,
    /// Set when one worker fails, so that the others end at their next border.
    failed: AtomicBool,
    batches: AtomicU64,
}

/// Disposes of what is due, batch by batch, with as many workers as the backend allows.
pub(crate) async fn walk(
    backend: &dyn Backend,
    pass: &Pass<'_>,
    blocks: u64,
    control: &dyn RunControl,
) -> PassOutcome {
    let shared = Shared {
        next_block: AtomicU64::new(0),
        room: Room::new(pass.order.max_records),
        failed: AtomicBool::new(false),
        batches: AtomicU64::new(0),
    };
    if !by_blocks(pass) {
        return worker(backend, pass, &shared, Position::Keys(None), control).await;
    }
    let step = blocks_per_window(pass, blocks);
    let workers = (0..backend.workers().max(1)).map(|_| {
        let position = Position::Blocks { step, end: blocks };
        worker(backend, pass, &shared, position, control)
    });
    let mut outcome = PassOutcome::default();
    for part in join_all(workers).await {
        outcome.add(part);
    }
    outcome
}

/// Where a worker goes on.
enum Position {
    Blocks { step: u64, end: u64 },
    Keys(Option<RecordKey>),
}

async fn worker(
    backend: &dyn Backend,
    pass: &Pass<'_>,
    shared: &Shared,
    mut position: Position,
    control: &dyn RunControl,
) -> PassOutcome {
    let mut outcome = PassOutcome::default();
    let ended = run_batches(backend, pass, shared, &mut position, control, &mut outcome).await;
    if let Err(error) = ended {
        shared.failed.store(true, Ordering::Relaxed);
        outcome.stopped_by = Some(error);
    }
    outcome
}

async fn run_batches(
    backend: &dyn Backend,
    pass: &Pass<'_>,
    shared: &Shared,
    position: &mut Position,
    control: &dyn RunControl,
    outcome: &mut PassOutcome,
) -> Result<(), StoreError> {
    let mut session = backend.session().await?;
    let mut evidence = EvidenceWriter::new(pass.order);
    let mut size = pass.job().limit.batch_size;
    loop {
        if shared.failed.load(Ordering::Relaxed) || !may_go_on(control).await {
            return Ok(());
        }
        let Some(window) = next_window(shared, position, size) else {
            return Ok(());
        };
        let begun = Instant::now();
        let done = try_batch(&mut *session, pass, shared, &mut evidence, &window).await?;
        size = next_size(size, pass.job().limit.batch_size, begun.elapsed());
        if let Position::Keys(last) = position {
            // In key order a batch without records is the end.
            let Some(key) = done.last_key.clone() else {
                return Ok(());
            };
            *last = Some(key);
        }
        control.advanced(done.disposed);
        add(outcome, done);
    }
}

fn next_window(shared: &Shared, position: &Position, size: u32) -> Option<Window> {
    match position {
        Position::Blocks { step, end } => {
            let from = shared.next_block.fetch_add(*step, Ordering::Relaxed);
            (from < *end).then(|| Window::Blocks(from, (from + step).min(*end)))
        }
        Position::Keys(after) => Some(Window::After {
            key: after.clone(),
            limit: size,
        }),
    }
}

/// Halves the batch when it was slow, and lets it grow again to what the job allows.
fn next_size(size: u32, greatest: u32, took: Duration) -> u32 {
    if took > LONGEST_BATCH {
        return (size / 2).max(SMALLEST_BATCH.min(greatest));
    }
    size.saturating_add(size / 4 + 1).min(greatest)
}

/// Tries one window; when others are in the way again after a pause, for locked rows around them.
async fn try_batch(
    session: &mut dyn SqlSession,
    pass: &Pass<'_>,
    shared: &Shared,
    evidence: &mut EvidenceWriter<'_>,
    window: &Window,
) -> Result<Batch, StoreError> {
    let mut pause = FIRST_PAUSE;
    let mut attempt = 1;
    loop {
        let id = BatchId {
            slice: i64::from(pass.order.pass),
            batch: i64::try_from(shared.batches.fetch_add(1, Ordering::Relaxed))
                .unwrap_or(i64::MAX),
        };
        let around_locks = attempt > 1;
        let room = &shared.room;
        let tried = batch::dispose(session, pass, evidence, window, id, room, around_locks).await;
        match tried {
            Ok(done) => return Ok(done),
            Err(StoreError::Locked { .. } | StoreError::Conflict { .. }) if attempt < TRIES => {
                tokio::time::sleep(pause).await;
                pause *= 2;
                attempt += 1;
            }
            Err(error) => {
                debug_assert!(attempt <= TRIES || error.retry() == Retry::Later);
                return Err(error);
            }
        }
    }
}

fn add(outcome: &mut PassOutcome, done: Batch) {
    outcome.disposed += done.disposed;
    outcome.batches += 1;
    add_counts(&mut outcome.ended_by, done.ended_by);
    add_counts(&mut outcome.by_client, done.by_client);
    add_counts(&mut outcome.gone_with, done.gone_with);
    add_counts(&mut outcome.effects, done.effects);
}

/// How many blocks hold about one batch of due records, by the survey.
///
/// Never so many that a stretch of blocks full of due records would outgrow four batches.
fn blocks_per_window(pass: &Pass<'_>, blocks: u64) -> u64 {
    let total = pass.order.surveyed.total.max(1);
    let due = pass.order.surveyed.due.records.max(1);
    let batch = u64::from(pass.job().limit.batch_size.max(1));
    let by_share = batch.saturating_mul(blocks) / due;
    let by_fullness = (4 * batch).saturating_mul(blocks) / total;
    by_share.min(by_fullness).max(1)
}
