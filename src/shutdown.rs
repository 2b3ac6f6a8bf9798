//! The wish to stop: SIGTERM (Kubernetes ends a pod) or SIGINT (Ctrl-C at a terminal).
//!
//! The first signal is a request: work ends after the current batch. The second one is for a person
//! who will not wait: the process ends at once, and the next run goes on from what the stores and
//! the ledger hold, as after a power cut.

use std::io;

use tokio::signal::unix::Signal;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::sync::watch;

/// Whether the worker has been asked to stop. All clones tell the same; it is never taken back.
#[derive(Clone, Debug)]
pub struct Shutdown {
    requested: watch::Sender<bool>,
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
            requested: watch::Sender::new(false),
        }
    }

    /// Is requested by the first SIGTERM or SIGINT. The second one of either kind calls `abort`,
    /// which should end the process at once, with the exit code it is given: 143 after SIGTERM,
    /// 130 after SIGINT (128 + number of the signal, as shells count).
    ///
    /// Must be called inside a tokio runtime. Fails if the system refuses a signal handler.
    pub fn on_signals(abort: impl FnOnce(i32) + Send + 'static) -> io::Result<Self> {
        let shutdown = Self::new();
        let signals = Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        };
        tokio::spawn(listen(signals, shutdown.clone(), abort));
        Ok(shutdown)
    }

    /// Asks the worker to stop.
    pub fn request(&self) {
        self.requested.send_replace(true);
    }

    /// Whether the worker has been asked to stop. Cheap: to be asked before every batch.
    pub fn is_requested(&self) -> bool {
        *self.requested.borrow()
    }

    /// Waits until the worker is asked to stop; at once if it was before.
    pub async fn requested(&self) {
        let mut requested = self.requested.subscribe();
        while !*requested.borrow_and_update() {
            if requested.changed().await.is_err() {
                // No sender is left, so nobody can ask. `self` holds one: this is never reached.
                return;
            }
        }
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Waits for the next signal, and returns its kind.
    async fn next(&mut self) -> SignalKind {
        tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.interrupt.recv() => SignalKind::interrupt(),
        }
    }
}

async fn listen(mut signals: Signals, shutdown: Shutdown, abort: impl FnOnce(i32)) {
    let first = signals.next().await;
    tracing::info!(
        signal = first.as_raw_value(),
        "asked to stop: ending after the current batch"
    );
    shutdown.request();

    let second = signals.next().await;
    tracing::warn!(
        signal = second.as_raw_value(),
        "asked to stop a second time: ending at once"
    );
    abort(128 + second.as_raw_value());
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
        let shutdown = Shutdown::on_signals(|code| aborted.send(code).unwrap()).unwrap();

        send("TERM");
        shutdown.requested().await;
        assert!(shutdown.is_requested());

        send("INT");
        assert_eq!(exit_code.await.unwrap(), 130);
    }
}
