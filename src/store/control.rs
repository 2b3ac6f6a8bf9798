//! What a pass asks at each border of a batch: may the next one begin?

use std::time::Duration;

use async_trait::async_trait;

/// The answer at the border of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// The next batch may begin.
    Continue,
    /// It may not begin yet: ask again after a pause.
    Wait(Wait),
    /// Nothing more of this job goes in this run. Other jobs go on.
    StopJob(StopReason),
    /// Nothing more goes in this run.
    StopRun(StopReason),
}

/// Why a batch may not begin yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The ledger does not answer whether the job is suspended.
    LedgerUnavailable { ask_after: Duration },
}

/// Why nothing more goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The process was asked to stop (SIGTERM, SIGINT).
    Signal,
    /// The job is suspended, or one whose rows it would remove or change.
    Suspended,
    /// The ledger did not say whether the job is suspended, however often it was asked.
    LedgerUnavailable,
}

impl Wait {
    fn ask_after(&self) -> Duration {
        match self {
            Self::LedgerUnavailable { ask_after } => *ask_after,
        }
    }
}

/// Governs the work of one job in one run.
#[async_trait]
pub trait RunControl: Send + Sync {
    /// Asked before each batch. Once it has said stop, it says so again.
    async fn ask(&self) -> Control;

    /// Takes note of records just disposed of, after their commit.
    fn advanced(&self, records: u64);
}

/// Whether the next batch may begin; waits while `control` says so.
pub async fn may_go_on(control: &dyn RunControl) -> bool {
    loop {
        match control.ask().await {
            Control::Continue => return true,
            Control::Wait(wait) => tokio::time::sleep(wait.ask_after()).await,
            Control::StopJob(_) | Control::StopRun(_) => return false,
        }
    }
}
