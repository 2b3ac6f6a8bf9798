//! A real process that is started, frozen, woken and killed.

use std::fmt;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Longer than any run of these tests on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

const POLL: Duration = Duration::from_millis(3);

/// `kill -9`, as Linux numbers it.
pub(crate) const SIGKILL: i32 = 9;
/// What an abort ends with.
#[cfg_attr(
    not(feature = "failpoints"),
    expect(dead_code, reason = "only failpoints abort")
)]
pub(crate) const SIGABRT: i32 = 6;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A running process; killed when it is dropped.
pub(crate) struct Worker {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

/// How a process ended, and what it said.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Worker {
    /// Starts `command`; what it says goes into files of `folder`, where no pipe can fill up.
    pub(crate) fn start(command: &mut Command, folder: &Path) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let stdout = folder.join(format!("{number}.stdout"));
        let stderr = folder.join(format!("{number}.stderr"));
        let child = command
            .stdin(Stdio::null())
            .stdout(File::create(&stdout).unwrap())
            .stderr(File::create(&stderr).unwrap())
            .spawn()
            .unwrap();
        Self {
            child,
            stdout,
            stderr,
        }
    }

    /// SIGKILL, and waits for the end. Whether it had not ended by itself before.
    pub(crate) fn kill(mut self) -> bool {
        self.child.kill().unwrap();
        self.child.wait().unwrap().signal() == Some(SIGKILL)
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Sends SIGCONT.
    #[cfg_attr(
        not(feature = "failpoints"),
        expect(dead_code, reason = "only failpoints freeze")
    )]
    pub(crate) fn wake(&self) {
        let words = format!("kill -CONT {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &words]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits until the process is frozen.
    #[cfg_attr(
        not(feature = "failpoints"),
        expect(dead_code, reason = "only failpoints freeze")
    )]
    pub(crate) async fn wait_until_frozen(&mut self) {
        let status = format!("/proc/{}/status", self.child.id());
        let begun = Instant::now();
        loop {
            let text = fs::read_to_string(&status).unwrap();
            if text.lines().any(|line| line.starts_with("State:\tT")) {
                return;
            }
            assert!(!self.has_ended(), "the worker ended: {}", self.said());
            assert!(begun.elapsed() < PATIENCE, "the worker does not freeze");
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits for the end.
    pub(crate) async fn wait(mut self) -> Ended {
        let begun = Instant::now();
        while !self.has_ended() {
            assert!(
                begun.elapsed() < PATIENCE,
                "the worker does not end: {}",
                self.said()
            );
            tokio::time::sleep(POLL).await;
        }
        Ended {
            status: self.child.wait().unwrap(),
            stdout: fs::read_to_string(&self.stdout).unwrap(),
            stderr: self.said(),
        }
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // A failed test leaves nothing running. One that has ended cannot be killed, which is fine.
        if self.child.kill().is_ok() {
            self.child.wait().ok();
        }
    }
}

impl Ended {
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    #[cfg_attr(
        not(feature = "failpoints"),
        expect(dead_code, reason = "only failpoints abort")
    )]
    pub(crate) fn signal(&self) -> Option<i32> {
        self.status.signal()
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}", self.status, self.stdout, self.stderr)
    }
}
