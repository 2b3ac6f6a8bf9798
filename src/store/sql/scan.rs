//! A pass over a table that remembers where it was and never asks for "the first n" again.

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::join_all;
use kigen_evidence::value::RecordKey;

use super::backend::Backend;
use super::batch_range::{self, Window, by_blocks};
use super::pass::Pass;
use super::worker::{Shared, Worker};
use crate::store::error::StoreError;
use crate::store::{PassOutcome, RunControl};

/// Disposes of what is due, batch by batch, with as many workers as the backend allows.
pub(crate) async fn walk(
    backend: &dyn Backend,
    pass: &Pass<'_>,
    blocks: u64,
    control: &dyn RunControl,
) -> PassOutcome {
    let shared = Shared::of(pass);
    let ground = Ground {
        pass,
        shared: &shared,
        blocks,
        next_block: AtomicU64::new(0),
        control,
    };
    let workers = if by_blocks(pass) {
        backend.workers().max(1)
    } else {
        1
    };
    let workers = (0..workers).map(|_| ground.work(backend));
    let mut outcome = PassOutcome::default();
    for part in join_all(workers).await {
        outcome.add(part);
    }
    outcome
}

/// What the workers of one walk go over.
struct Ground<'w, 'a> {
    pass: &'w Pass<'a>,
    shared: &'w Shared,
    blocks: u64,
    /// The first block that nobody has claimed.
    next_block: AtomicU64,
    control: &'w dyn RunControl,
}

impl Ground<'_, '_> {
    async fn work(&self, backend: &dyn Backend) -> PassOutcome {
        let opened = Worker::open(backend, self.pass, self.shared, self.blocks, self.control).await;
        let mut worker = match opened {
            Ok(worker) => worker,
            Err(error) => return self.shared.stopped(error),
        };
        let ended = if by_blocks(self.pass) {
            self.by_blocks(&mut worker).await
        } else {
            in_key_order(&mut worker).await
        };
        worker.end(ended)
    }

    async fn by_blocks(&self, worker: &mut Worker<'_, '_>) -> Result<(), StoreError> {
        while !worker.is_to_end().await {
            let step = worker.pace.blocks();
            let from = self.next_block.fetch_add(step, Ordering::Relaxed);
            if from >= self.blocks {
                break;
            }
            let to = from.saturating_add(step).min(self.blocks);
            worker.dispose(Window::Blocks(from, to)).await?;
        }
        Ok(())
    }
}

async fn in_key_order(worker: &mut Worker<'_, '_>) -> Result<(), StoreError> {
    let mut last: Option<RecordKey> = None;
    while !worker.is_to_end().await {
        let window = Window::After {
            key: last.clone(),
            limit: worker.pace.records(),
        };
        // In key order a window without records is the end.
        let Some(key) = worker.dispose(window).await? else {
            break;
        };
        batch_range::goes_on(worker.pass, last.as_ref(), Some(&key))?;
        last = Some(key);
    }
    Ok(())
}
