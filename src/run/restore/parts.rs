//! Work for many records on several threads.

use std::thread;

use crate::store::error::StoreError;

use super::error::RestoreError;

/// Fewer records than this are not worth another thread.
const WORTH_A_THREAD: usize = 256;

/// The most threads that make leaves at the same time.
const MOST_THREADS: usize = 8;

/// Does `work` for parts of `0..length`, each on a thread of its own, and joins the results.
pub(super) fn in_parts<T: Send>(
    length: usize,
    work: impl Fn(usize, usize) -> Result<Vec<T>, RestoreError> + Sync,
) -> Result<Vec<T>, RestoreError> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let threads = threads.min(MOST_THREADS).min(length / WORTH_A_THREAD);
    if threads < 2 {
        return work(0, length);
    }
    let part = length.div_ceil(threads);
    let work = &work;
    thread::scope(|scope| {
        let borders = (0..length).step_by(part);
        let running: Vec<_> = borders
            .map(|from| scope.spawn(move || work(from, (from + part).min(length))))
            .collect();
        let mut joined = Vec::with_capacity(length);
        for thread in running {
            let done = thread.join().map_err(|_| {
                let broken = StoreError::Unusable("look records up".to_owned());
                RestoreError::Store(broken)
            })?;
            joined.extend(done?);
        }
        Ok(joined)
    })
}
