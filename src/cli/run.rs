//! `kigen run`: disposes of what is due, under the standing limits of the job files.

use std::time::Duration;

use clap::ValueEnum;

use super::failure::Failure;
use super::{Global, load, output, render};
use crate::clock;
use crate::config::Config;
use crate::exit;
use crate::guard::{self, Guard};
use crate::job::{Job, JobSet};
use crate::ledger::{Ledger, entry};
use crate::progress::Progress;
use crate::run::execute::Environment;
use crate::run::outcome::JobOutcome;
use crate::run::{self, FinishedRun, RunRequest};
use crate::shutdown::Shutdown;

/// Options of `kigen run`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What starts the run, for the ledger
    #[arg(long, value_enum, default_value_t = Trigger::Hand)]
    trigger: Trigger,
}

/// What starts a run.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Trigger {
    /// A person
    Hand,
    /// A scheduler such as a Kubernetes CronJob
    Cron,
}

/// Runs the selected jobs once.
pub(super) async fn run(global: &Global, arguments: &Arguments) -> Result<u8, Failure> {
    let config = load::config(global)?;
    let progress = Progress::on_stderr();
    load::log(global, config.log_format, &progress)?;
    let jobs = load::jobs(&config)?;
    let selected = load::selected(global, &jobs)?;
    let ledger = load::ledger(&config).await?;
    let trigger = match arguments.trigger {
        Trigger::Hand => entry::Trigger::Hand,
        Trigger::Cron => entry::Trigger::Cron,
    };
    let shutdown = signals()?;
    let with = With {
        config: &config,
        ledger: &*ledger,
        shutdown: &shutdown,
        progress: &progress,
    };
    let finished = once(global, &with, &jobs, &selected, trigger).await?;
    output::print(global.format, &finished, render::run)?;
    ledger.close().await;
    Ok(finished.exit())
}

/// What a run needs besides its jobs.
pub(super) struct With<'a> {
    pub(super) config: &'a Config,
    pub(super) ledger: &'a dyn Ledger,
    pub(super) shutdown: &'a Shutdown,
    pub(super) progress: &'a Progress,
}

/// How long a run may take to come to the border of a batch and to write down where it stopped.
const GRACE: Duration = Duration::from_secs(8);

/// SIGTERM and SIGINT end at the border of a batch.
pub(super) fn signals() -> Result<Shutdown, Failure> {
    listen(grace())
}

fn grace() -> Duration {
    fail::fail_point!("signals.grace", |milliseconds| {
        let milliseconds = milliseconds.and_then(|text| text.parse().ok());
        milliseconds.map_or(GRACE, Duration::from_millis)
    });
    GRACE
}

/// SIGTERM and SIGINT end a command that has nothing to bring in order, also as the first process of a
/// container, which the system lets ignore them.
pub(super) fn signals_end_at_once() -> Result<Shutdown, Failure> {
    listen(Duration::ZERO)
}

fn listen(grace: Duration) -> Result<Shutdown, Failure> {
    let grace = if guard::stands(Guard::EndsWithinGrace) {
        grace
    } else {
        Duration::MAX
    };
    Shutdown::on_signals(grace, |code| std::process::exit(code))
        .map_err(|error| Failure::new(exit::UNEXPECTED, format!("listen for signals: {error}")))
}

/// One run of `selected`.
pub(super) async fn once(
    global: &Global,
    with: &With<'_>,
    jobs: &JobSet,
    selected: &[&Job],
    trigger: entry::Trigger,
) -> Result<FinishedRun, Failure> {
    let mut keyring = load::keyring(with.config).await?;
    let environment = Environment {
        config: with.config,
        ledger: with.ledger,
        now: &clock::now,
        shutdown: with.shutdown,
        progress: with.progress,
    };
    let request = RunRequest {
        jobs: selected,
        all_jobs: jobs.jobs(),
        day: load::day(global),
        trigger,
    };
    let finished = run::run(&environment, &mut keyring, &request).await?;
    log_stopped(&finished.jobs);
    Ok(finished)
}

/// Says on stderr, once for each, why jobs stopped.
pub(super) fn log_stopped(jobs: &[JobOutcome]) {
    for outcome in jobs {
        if let Some(error) = &outcome.error {
            tracing::error!(job.name = %outcome.job, code = error.code, "job `{}` stopped: {}", outcome.job, error.message);
        }
    }
}
