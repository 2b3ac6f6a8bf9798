//! Named points at which a crash test kills or freezes the process. Only with the feature
//! `failpoints`.

use std::io;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::guard::Guard;

/// Arms the points that the environment names.
///
/// `KIGEN_KILL_AT=batch.before-commit` kills at the first time, `batch.before-commit:7` at the
/// seventh. An abort: nothing is flushed, nothing is dropped, as with `kill -9`.
/// `KIGEN_STOP_AT` freezes the process instead, until somebody sends it SIGCONT.
/// `KIGEN_WITHOUT_GUARD=join-is-unique` switches a guard off; several are separated by commas.
/// `KIGEN_UNANSWERED_COMMIT=2` carries the second commit in a PostgreSQL store out, and loses the answer.
/// `KIGEN_CLOCK_DAYS_AHEAD=366` puts the clock wrong by so many days.
/// `KIGEN_BLOCK_AT=seal.after-fence` keeps a thread busy there for a minute, and
/// `KIGEN_GRACE_MS=300` is how long a process may take to end that was asked to.
pub fn arm() {
    switch_guards_off();
    lose_an_answer();
    set("KIGEN_CLOCK_DAYS_AHEAD", "clock.days-ahead");
    set("KIGEN_GRACE_MS", "signals.grace");
    arm_one("KIGEN_BLOCK_AT", || {
        std::thread::sleep(Duration::from_mins(1));
    });
    arm_one("KIGEN_KILL_AT", || std::process::abort());
    arm_one("KIGEN_STOP_AT", || {
        if let Err(error) = freeze() {
            tracing::error!(%error, "freeze at the failpoint");
        }
    });
}

fn arm_one(variable: &str, act: impl Fn() + Send + Sync + 'static) {
    let Some(place) = crate::config::environment(variable) else {
        return;
    };
    let (name, times) = place.rsplit_once(':').unwrap_or((&place, "1"));
    let times: u64 = times.parse().unwrap_or(1);
    let seen = AtomicU64::new(0);
    let armed = fail::cfg_callback(name, move || {
        if seen.fetch_add(1, Ordering::SeqCst) + 1 == times {
            act();
        }
    });
    if let Err(error) = armed {
        tracing::error!(%error, "arm the failpoint");
    }
}

fn switch_guards_off() {
    let names = crate::config::environment("KIGEN_WITHOUT_GUARD").unwrap_or_default();
    for name in names.split(',').filter(|name| !name.is_empty()) {
        let known = Guard::ALL.iter().any(|guard| guard.name() == name);
        let done = fail::cfg(format!("guard.{name}"), "return");
        if !known || done.is_err() {
            tracing::error!(name, "switch a guard off that does not exist");
            std::process::abort();
        }
    }
}

fn lose_an_answer() {
    let number = crate::config::environment("KIGEN_UNANSWERED_COMMIT");
    let Some(number) = number.and_then(|number| number.parse::<u32>().ok()) else {
        return;
    };
    let before = number.saturating_sub(1);
    let actions = format!("{before}*off->1*return->off");
    if let Err(error) = fail::cfg("session.commit-unanswered", &actions) {
        tracing::error!(%error, "set the failpoint");
    }
}

/// Hands the value of an environment variable to a failpoint.
fn set(variable: &str, name: &str) {
    let Some(value) = crate::config::environment(variable) else {
        return;
    };
    if let Err(error) = fail::cfg(name, &format!("return({value})")) {
        tracing::error!(%error, "set the failpoint");
    }
}

/// Has a shell send SIGSTOP to its parent: this process.
fn freeze() -> io::Result<()> {
    Command::new("sh")
        .args(["-c", "kill -STOP $PPID"])
        .stdin(Stdio::null())
        .status()
        .map(|_| ())
}
