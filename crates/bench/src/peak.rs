//! The most memory that a child process has had.

use std::fs;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// The kernel keeps the peak itself; only what grew after the last look is missed.
const LOOK_EVERY: Duration = Duration::from_millis(5);
const KIB_PER_MIB: f64 = 1024.0;

/// Runs `command` to its end; returns its status, its peak resident memory in MiB, and its time.
pub(crate) fn of(command: &mut Command) -> Result<(ExitStatus, f64, Duration)> {
    let begun = Instant::now();
    let mut child = start(command)?;
    let mut peak = 0.0_f64;
    loop {
        peak = peak.max(resident_peak(&child).unwrap_or_default());
        if let Some(status) = child.try_wait()? {
            return Ok((status, peak, begun.elapsed()));
        }
        sleep(LOOK_EVERY);
    }
}

/// Runs `command` for `time` and ends it; returns its peak resident memory in MiB.
pub(crate) fn during(command: &mut Command, time: Duration) -> Result<f64> {
    let mut child = start(command)?;
    sleep(time);
    let peak = resident_peak(&child);
    let ended = child.try_wait()?;
    child.kill()?;
    child.wait()?;
    if let Some(status) = ended {
        anyhow::bail!("it should have gone on, but ended ({status})");
    }
    peak.context("the system does not say how much memory a process has; hint: it must be Linux")
}

fn start(command: &mut Command) -> Result<Child> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("`{}` cannot be started", command.get_program().display()))
}

/// `VmHWM` of a process that still runs, in MiB.
fn resident_peak(child: &Child) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u32 = line.split_whitespace().next()?.parse().ok()?;
    Some(f64::from(kib) / KIB_PER_MIB)
}
