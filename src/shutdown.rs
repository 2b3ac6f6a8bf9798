//! The wish to stop: SIGTERM (Kubernetes ends a pod) or SIGINT (Ctrl-C at a terminal).
//!
//! The first signal is a request: work ends after the current batch. What has not ended when its
//! grace is over, or when a second signal comes, is ended at once; the next run goes on from what the
//! stores and the ledger hold, as after a power cut.

use std::io;
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Whether the worker has been asked to stop. All clones tell the same; it is never taken back.
#[derive(Clone, Debug)]
pub struct Shutdown {
    /// When it was asked for.
    requested: watch::Sender<Option<Instant>>,
}

/// The wish of this process, once it listens to signals. Signals are sent to a process, so what waits for
/// a network need not be handed the wish: every call obeys it.
static OF_PROCESS: OnceLock<Shutdown> = OnceLock::new();

/// Whether this process was asked by a signal to stop.
pub fn process_is_to_stop() -> bool {
    OF_PROCESS.get().is_some_and(Shutdown::is_requested)
}

/// Waits until this process was asked by a signal to stop so long ago; for ever where nobody listens to
/// signals.
pub async fn process_must_stop(grace: Duration) {
    match OF_PROCESS.get() {
        Some(shutdown) => shutdown.requested_since(grace).await,
        None => std::future::pending().await,
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// Not requested yet, and deaf to signals: only [`Shutdown::request`] changes it.
    pub fn new() -> Self {
        Self {
            requested: watch::Sender::new(None),
        }
    }

    /// Is requested by the first SIGTERM or SIGINT. When `grace` is over, or a second one of either
    /// kind comes, `abort` is called, which should end the process at once with the exit code that it
    /// is given: 143 after SIGTERM, 130 after SIGINT (128 + number of the signal, as shells count).
    ///
    /// Fails if the system refuses a signal handler.
    pub fn on_signals(
        grace: Duration,
        abort: impl FnOnce(i32) + Send + 'static,
    ) -> io::Result<Self> {
        let shutdown = Self::new();
        let clone = shutdown.clone();
        let (ready, is_ready) = mpsc::sync_channel(1);
        // A thread of its own: no work that computes, or that waits for somebody, holds a signal up.
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || listen_on_this_thread(clone, grace, abort, &ready))?;
        is_ready
            .recv()
            .unwrap_or_else(|_| Err(io::Error::other("the thread for signals has ended")))?;
        // A second listener of one process hears the same signals.
        OF_PROCESS.get_or_init(|| shutdown.clone());
        Ok(shutdown)
    }

    /// Asks the worker to stop.
    pub fn request(&self) {
        self.requested.send_if_modified(|requested| {
            let is_first = requested.is_none();
            requested.get_or_insert_with(Instant::now);
            is_first
        });
    }

    /// Whether the worker has been asked to stop. Cheap: to be asked before every batch.
    pub fn is_requested(&self) -> bool {
        self.requested.borrow().is_some()
    }

    /// Waits until the worker is asked to stop; at once if it was before.
    pub async fn requested(&self) {
        self.requested_since(Duration::ZERO).await;
    }

    /// Waits until the worker was asked to stop so long ago.
    pub async fn requested_since(&self, grace: Duration) {
        let mut requested = self.requested.subscribe();
        let at = loop {
            if let Some(at) = *requested.borrow_and_update() {
                break at;
            }
            if requested.changed().await.is_err() {
                // No sender is left, so nobody can ask. `self` holds one: this is never reached.
                return;
            }
        };
        tokio::time::sleep(grace.saturating_sub(at.elapsed())).await;
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next signal, and returns its kind.
    async fn next(&mut self) -> SignalKind {
        tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.interrupt.recv() => SignalKind::interrupt(),
        }
    }
}

/// Says by `ready` whether it listens, and listens.
fn listen_on_this_thread(
    shutdown: Shutdown,
    grace: Duration,
    abort: impl FnOnce(i32),
    ready: &mpsc::SyncSender<io::Result<()>>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let listening = runtime.and_then(|runtime| {
        let signals = runtime.block_on(async { Signals::new() })?;
        Ok((runtime, signals))
    });
    match listening {
        Ok((runtime, signals)) => {
            if ready.send(Ok(())).is_ok() {
                runtime.block_on(listen(signals, shutdown, grace, abort));
            }
        }
        Err(error) => drop(ready.send(Err(error))),
    }
}

async fn listen(
    mut signals: Signals,
    shutdown: Shutdown,
    grace: Duration,
    abort: impl FnOnce(i32),
) {
    let first = signals.next().await;
    if !grace.is_zero() {
        tracing::info!(
            signal = first.as_raw_value(),
            "asked to stop: ending after the current batch"
        );
    }
    shutdown.request();

    let last = tokio::select! {
        second = signals.next() => {
            tracing::warn!(
                signal = second.as_raw_value(),
                "asked to stop a second time: ending at once"
            );
            second
        }
        () = tokio::time::sleep(grace) => {
            if !grace.is_zero() {
                tracing::warn!(
                    signal = first.as_raw_value(),
                    "something that is waited for has not ended {} s after the request to stop: ending at once, as after a power cut; the next run goes on",
                    grace.as_secs()
                );
            }
            first
        }
    };
    abort(128 + last.as_raw_value());
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use tokio::sync::oneshot;

    use super::*;

    fn send(signal: &str) {
        let pid = std::process::id();
        let status = Command::new("sh")
            .args(["-c", &format!("kill -s {signal} {pid}")])
            .status()
            .unwrap();
        assert!(status.success());
    }

    #[tokio::test]
    async fn a_request_reaches_every_clone_and_everyone_who_waits() {
        let shutdown = Shutdown::new();
        let clone = shutdown.clone();
        let waiting = tokio::spawn(async move { clone.requested().await });
        assert!(!shutdown.is_requested());

        shutdown.request();

        waiting.await.unwrap();
        assert!(shutdown.is_requested());
    }

    #[tokio::test]
    async fn a_request_made_before_somebody_waits_is_not_lost() {
        let shutdown = Shutdown::new();
        shutdown.clone().request();

        shutdown.requested().await;

        assert!(shutdown.is_requested());
    }

    #[tokio::test]
    async fn the_first_signal_asks_and_the_second_aborts_with_its_exit_code() {
        let (aborted, exit_code) = oneshot::channel();
        let day = Duration::from_hours(24);
        let shutdown = Shutdown::on_signals(day, |code| aborted.send(code).unwrap()).unwrap();

        send("TERM");
        shutdown.requested().await;
        assert!(shutdown.is_requested());

        send("INT");
        assert_eq!(exit_code.await.unwrap(), 130);
    }

    #[tokio::test]
    async fn what_has_not_ended_when_its_grace_is_over_is_ended() {
        let (aborted, exit_code) = oneshot::channel();
        let grace = Duration::from_millis(50);
        let shutdown = Shutdown::on_signals(grace, |code| aborted.send(code).unwrap()).unwrap();

        send("TERM");
        shutdown.requested_since(Duration::from_millis(10)).await;
        assert_eq!(exit_code.await.unwrap(), 143);
    }
}
