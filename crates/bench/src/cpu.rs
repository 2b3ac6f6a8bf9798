//! Processor time of this program and of the server's sessions, where both run on one Linux.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::server::Copy;

/// Processor time that was spent so far.
#[derive(Clone, Copy, Default)]
pub(crate) struct Spent {
    pub(crate) client: Duration,
    pub(crate) server: Duration,
}

impl Spent {
    /// What this process and kigen's sessions on `copy` have spent. The sessions must still be open.
    pub(crate) async fn so_far(copy: &mut Copy) -> Result<Self> {
        let sessions = copy.sessions().await?;
        let of_session = |pid: &i32| threads(Path::new(&format!("/proc/{pid}/task")));
        Ok(Self {
            client: threads(Path::new("/proc/self/task")),
            server: sessions.iter().map(of_session).sum(),
        })
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            client: self.client.saturating_sub(before.client),
            server: self.server.saturating_sub(before.server),
        }
    }
}

/// The time of all threads of a process; zero where the system does not say.
fn threads(folder: &Path) -> Duration {
    let Ok(threads) = fs::read_dir(folder) else {
        return Duration::ZERO;
    };
    threads
        .flatten()
        .filter_map(|thread| thread_time(&thread.path()))
        .sum()
}

fn thread_time(thread: &Path) -> Option<Duration> {
    let text = fs::read_to_string(thread.join("schedstat")).ok()?;
    let nanoseconds = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}
