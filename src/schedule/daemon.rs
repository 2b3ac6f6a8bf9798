//! The loop of `kigen daemon`: waits for the next fire, runs what is due, and stops when asked.

use std::time::Duration;

use jiff::Timestamp;

use super::timetable::{Fire, Timetable};
use crate::domain::schedule::Schedule;
use crate::shutdown::Shutdown;

/// The longest sleep. The system's clock may be set while the daemon sleeps, and a sleep does not
/// notice: so it looks at the clock at least this often.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

/// Why the daemon ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DaemonEnd {
    /// It was asked to stop.
    ShutDown,
    /// No job has a fire to come: there are none, or their schedules have come to their end.
    NothingScheduled,
}

/// Runs every job when its schedule says so, until `shutdown` is requested.
///
/// `run` is called with the names of all jobs that are due, one call at a time: jobs never overlap.
///
/// - Jobs due at the same moment run in one call, in the order of `jobs`.
/// - A fire that finds its own job still running is skipped, and logged when the job has ended.
/// - A job whose time came while others ran, or while the machine slept, runs once as soon as it
///   can, however many of its fires have passed.
/// - A request to stop ends the sleep at once; a call that is under way is waited for.
pub async fn run_daemon(
    jobs: Vec<(String, Schedule)>,
    clock: impl Fn() -> Timestamp,
    sleep: impl AsyncFn(Duration),
    shutdown: &Shutdown,
    mut run: impl AsyncFnMut(Vec<String>),
) -> DaemonEnd {
    let mut timetable = Timetable::new(jobs, clock());
    while !shutdown.is_requested() {
        let Some(fire) = timetable.next_fire() else {
            return DaemonEnd::NothingScheduled;
        };
        let now = clock();
        if now < fire {
            sleep_or_stop(fire, now, &sleep, shutdown).await;
            continue;
        }
        let due = timetable.take_due(now);
        log_start(&due, now);
        run(due.iter().map(|fire| fire.job.clone()).collect()).await;
        log_skipped(&timetable.take_skipped(&due, clock()));
    }
    DaemonEnd::ShutDown
}

/// Sleeps until `fire` or [`LONGEST_SLEEP`], whichever is first, or until asked to stop.
async fn sleep_or_stop(
    fire: Timestamp,
    now: Timestamp,
    sleep: &impl AsyncFn(Duration),
    shutdown: &Shutdown,
) {
    let left = Duration::try_from(fire.duration_since(now)).unwrap_or_default();
    tokio::select! {
        biased;
        () = shutdown.requested() => {}
        () = sleep(left.min(LONGEST_SLEEP)) => {}
    }
}

fn log_start(due: &[Fire], now: Timestamp) {
    for fire in due {
        tracing::info!(
            job.name = fire.job,
            fire = %fire.at,
            late_seconds = now.duration_since(fire.at).as_secs(),
            "job is due by its schedule"
        );
    }
}

fn log_skipped(skipped: &[Fire]) {
    for fire in skipped {
        tracing::warn!(
            job.name = fire.job,
            fire = %fire.at,
            "skipped by the schedule: the job was still running"
        );
    }
}

#[cfg(test)]
mod tests;
