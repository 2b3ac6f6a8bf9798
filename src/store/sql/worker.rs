//! Works windows of a table off: each as one batch if it can be, else in parts. A record that cannot
//! go fails alone.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kigen_evidence::value::RecordKey;

use super::backend::Backend;
use super::batch::{self, Batch, BatchId, Bounds, RecordBudget};
use super::batch_range::{Window, keys_window};
use super::evidence::EvidenceWriter;
use super::failed;
use super::pace::Pace;
use super::pass::Pass;
use crate::database::session::{Access, SqlSession};
use crate::guard::{self, Guard};
use crate::store::error::StoreError;
use crate::store::{PassOutcome, RunControl, add_counts, may_go_on};

/// How often a window is tried when another session is in the way; a part of one, less often.
const TRIES: u32 = 6;
const TRIES_OF_A_PART: u32 = 2;

/// The pause before the second try; doubled for each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// How often a window is tried whose connection is lost, and the pause before the second try; doubled
/// for each further one. A try waits up to ten seconds for a server that starts again.
const TRIES_WHEN_LOST: u32 = 4;
const FIRST_PAUSE_WHEN_LOST: Duration = Duration::from_millis(250);

/// When so many records have failed one after the other and none has gone, it is not the records.
const MOST_FAILED: u64 = 1000;

/// What the workers of one pass share.
pub(super) struct Shared {
    room: RecordBudget,
    /// Set when one worker fails, so that the others end at their next border.
    failed: AtomicBool,
    batches: AtomicU64,
}

impl Shared {
    pub(super) fn of(pass: &Pass<'_>) -> Self {
        Self {
            room: RecordBudget::of(pass.order),
            failed: AtomicBool::new(false),
            batches: AtomicU64::new(0),
        }
    }

    /// Has the other workers end, too.
    pub(super) fn stopped(&self, error: StoreError) -> PassOutcome {
        self.failed.store(true, Ordering::Relaxed);
        PassOutcome {
            stopped_by: Some(error),
            ..PassOutcome::default()
        }
    }

    pub(super) fn next_batch(&self, pass: &Pass<'_>) -> BatchId {
        BatchId {
            slice: i64::from(pass.order.pass),
            batch: i64::try_from(self.batches.fetch_add(1, Ordering::Relaxed)).unwrap_or(i64::MAX),
        }
    }
}

/// One session of a pass.
pub(super) struct Worker<'w, 'a> {
    pub(super) session: Box<dyn SqlSession>,
    pub(super) pass: &'w Pass<'a>,
    pub(super) shared: &'w Shared,
    pub(super) evidence: EvidenceWriter<'a>,
    pub(super) pace: Pace,
    control: &'w dyn RunControl,
    outcome: PassOutcome,
    /// Records that failed since the last one went.
    failed_in_a_row: u64,
}

impl<'w, 'a> Worker<'w, 'a> {
    pub(super) async fn open(
        backend: &dyn Backend,
        pass: &'w Pass<'a>,
        shared: &'w Shared,
        blocks: u64,
        control: &'w dyn RunControl,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            session: backend.session().await?,
            pass,
            shared,
            evidence: EvidenceWriter::new(pass.order),
            pace: Pace::new(pass, blocks),
            control,
            outcome: PassOutcome::default(),
            failed_in_a_row: 0,
        })
    }

    /// What it did, and why it ended early if it did.
    pub(super) fn end(mut self, ended: Result<(), StoreError>) -> PassOutcome {
        if let Err(error) = ended {
            self.outcome.add(self.shared.stopped(error));
        }
        self.outcome
    }
}

impl Worker<'_, '_> {
    pub(super) async fn is_to_end(&mut self) -> bool {
        self.shared.failed.load(Ordering::Relaxed) || !may_go_on(self.control).await
    }

    /// Disposes of what is due in `window`. Returns its last key where it goes in key order; none if
    /// it was empty.
    pub(super) async fn dispose(
        &mut self,
        window: Window,
    ) -> Result<Option<RecordKey>, StoreError> {
        let mut last_key = None;
        let mut left = vec![window];
        let mut tries = TRIES;
        let mut goes_on = false;
        while let Some(window) = left.pop() {
            let begun = Instant::now();
            let error = match self.try_batch(&window, tries, goes_on).await {
                Ok(done) => {
                    self.pace.saw(&window, &done, begun.elapsed());
                    if let (Window::After { .. }, false) = (&window, done.is_part) {
                        last_key.clone_from(&done.last_key);
                    }
                    goes_on = done.is_part;
                    if done.is_part {
                        left.push(window);
                    }
                    self.add(done);
                    if !left.is_empty() && self.is_to_end().await {
                        break;
                    }
                    continue;
                }
                Err(error) => error,
            };
            let is_alone = failed::is_about_records(&error) && !self.waits_for_the_database(&error);
            if !is_alone || !guard::stands(Guard::FailsAlone) {
                return Err(error);
            }
            (tries, goes_on) = (TRIES_OF_A_PART, false);
            let parts = match self.split(&window, &error).await? {
                Split::Parts(parts) => parts,
                Split::One(key) => {
                    self.fail_alone(&key, error)?;
                    continue;
                }
            };
            if let (Window::After { .. }, Some(Window::Keys(keys))) = (&window, parts.last()) {
                last_key = keys.last().cloned();
            }
            left.extend(parts.into_iter().rev());
            if self.is_to_end().await {
                break;
            }
        }
        Ok(last_key)
    }

    /// Where there are no locks of rows, another session has locked everything.
    fn waits_for_the_database(&self, error: &StoreError) -> bool {
        let locked = matches!(
            error,
            StoreError::Locked { .. } | StoreError::Conflict { .. }
        );
        locked && self.pass.dialect.lock_rows().is_empty()
    }

    /// Tries one window; when others are in the way again after a pause, for locked rows around them.
    ///
    /// When the connection is lost, again with another one: what went has its evidence in the same
    /// transaction, so that the same window holds what did not go, and nothing else.
    async fn try_batch(
        &mut self,
        window: &Window,
        tries: u32,
        goes_on: bool,
    ) -> Result<Batch, StoreError> {
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        let mut lost = Lost::new();
        loop {
            let bounds = Bounds {
                around_locks: attempt > 1,
                goes_on,
                ..Bounds::of(self.pass, window)
            };
            let tried = batch::dispose(
                &mut *self.session,
                self.pass,
                &mut self.evidence,
                window,
                self.shared.next_batch(self.pass),
                &self.shared.room,
                bounds,
            );
            match tried.await {
                Err(StoreError::Locked { .. } | StoreError::Conflict { .. }) if attempt < tries => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                    attempt += 1;
                }
                Err(error @ StoreError::ConnectionLost { .. })
                    if guard::stands(Guard::LostBatchesAreRepeated) && !self.is_to_end().await =>
                {
                    lost.wait_after(error).await?;
                }
                tried => return tried,
            }
        }
    }

    /// The parts of a window that cannot be disposed of at once.
    async fn split(&mut self, window: &Window, error: &StoreError) -> Result<Split, StoreError> {
        let too_much = matches!(
            error,
            StoreError::TooMany { .. } | StoreError::TooLarge { .. }
        );
        if too_much {
            self.pace.overflowed(window);
        }
        let keys = match window {
            Window::Keys(keys) => match keys.as_slice() {
                [key] => return Ok(Split::One(key.clone())),
                keys => keys.to_vec(),
            },
            Window::Blocks(from, to) if to - from > 1 => {
                let middle = from + (to - from) / 2;
                let halves = [(*from, middle), (middle, *to)];
                let halves = halves.map(|(from, to)| Window::Blocks(from, to));
                return Ok(Split::Parts(halves.into()));
            }
            Window::Blocks(..) | Window::After { .. } => self.keys_of(window).await?,
        };
        let mut size = keys.len().div_ceil(2);
        if too_much {
            size = size.min(usize::try_from(self.pace.records()).unwrap_or(usize::MAX));
        }
        let parts = keys.chunks(size.max(1));
        Ok(Split::Parts(
            parts.map(|keys| Window::Keys(keys.to_vec())).collect(),
        ))
    }

    /// The keys of the due records of a window, in its order.
    async fn keys_of(&mut self, window: &Window) -> Result<Vec<RecordKey>, StoreError> {
        self.session.begin(Access::Read).await?;
        let rows = self.session.query(&keys_window(self.pass, window)).await;
        self.session.rollback().await?;
        let keys = rows?.into_iter().map(|row| self.pass.key_as_read(row));
        Ok(keys.collect())
    }

    fn fail_alone(&mut self, key: &RecordKey, error: StoreError) -> Result<(), StoreError> {
        self.failed_in_a_row += 1;
        if self.failed_in_a_row >= MOST_FAILED || failed::would_take_long(&error) {
            return Err(error);
        }
        failed::count(self.pass, &mut self.outcome, key, error.to_string());
        Ok(())
    }

    pub(super) fn add(&mut self, done: Batch) {
        self.control.advanced(done.disposed);
        let outcome = &mut self.outcome;
        if done.rows() > 0 {
            self.failed_in_a_row = 0;
            outcome.batches += 1;
        }
        outcome.disposed += done.disposed;
        outcome.no_longer_due += done.no_longer_due;
        add_counts(&mut outcome.ended_by, done.ended_by);
        add_counts(&mut outcome.by_client, done.by_client);
        add_counts(&mut outcome.gone_with, done.gone_with);
        add_counts(&mut outcome.effects, done.effects);
        outcome.removed.merge(done.removed);
    }
}

/// Counts how often the connection was lost in one step, and waits between the tries.
pub(super) struct Lost {
    tried: u32,
    pause: Duration,
}

impl Lost {
    pub(super) fn new() -> Self {
        Self {
            tried: 1,
            pause: FIRST_PAUSE_WHEN_LOST,
        }
    }

    /// Waits before another try, or gives `error` back if the step was tried often enough.
    pub(super) async fn wait_after(&mut self, error: StoreError) -> Result<(), StoreError> {
        if self.tried >= TRIES_WHEN_LOST {
            return Err(error);
        }
        tracing::info!(error = %error, "the connection was lost: the batch is repeated");
        tokio::time::sleep(self.pause).await;
        self.pause *= 2;
        self.tried += 1;
        Ok(())
    }
}

enum Split {
    Parts(Vec<Window>),
    /// It has one record only.
    One(RecordKey),
}
