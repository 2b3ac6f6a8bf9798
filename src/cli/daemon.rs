//! `kigen daemon`: runs the jobs by their schedules until SIGTERM.

use super::failure::Failure;
use super::{Global, load, run};
use crate::clock;
use crate::domain::schedule::Schedule;
use crate::exit;
use crate::ledger::entry;
use crate::progress::Progress;
use crate::schedule;
use crate::schedule::daemon::DaemonEnd;

/// Runs until it is asked to stop; ends after the current batch.
pub(super) async fn daemon(global: &Global) -> Result<u8, Failure> {
    let config = load::config(global)?;
    let progress = Progress::in_log();
    load::log(global, config.log_format, &progress)?;
    let jobs = load::jobs(&config)?;
    let ledger = load::ledger(&config).await?;
    ledger.check_migrated().await?;
    drop(load::keyring(&config).await?);
    let mut schedules = Vec::new();
    for job in load::selected(global, &jobs)? {
        let Some(expression) = &job.schedule else {
            tracing::info!(job.name = %job.cluster, "job `{}` has no schedule; the daemon leaves it out", job.cluster);
            continue;
        };
        let schedule = Schedule::parse(expression, job.time_zone.clone());
        let schedule = schedule.map_err(|error| {
            Failure::new(
                exit::JOBS_INVALID,
                format!("job `{}`: {error}\nhint: {}", job.cluster, error.hint()),
            )
        })?;
        schedules.push((job.cluster.clone(), schedule));
    }
    if schedules.is_empty() {
        return Err(Failure::new(
            exit::JOBS_INVALID,
            "no job has a schedule\nhint: add `schedule = \"0 30 2 * * *\"` to a job file",
        ));
    }
    let shutdown = run::signals()?;
    let with = run::With {
        config: &config,
        ledger: &*ledger,
        shutdown: &shutdown,
        progress: &progress,
    };
    let due = async |names: Vec<String>| {
        let selected = match jobs.select(&names) {
            Ok(selected) => selected,
            Err(unknown) => return tracing::error!("{unknown}"),
        };
        match run::once(global, &with, &jobs, &selected, entry::Trigger::Daemon).await {
            Ok(finished) => tracing::info!(
                run.id = finished.run_id.as_deref().unwrap_or("none"),
                exit = finished.exit(),
                "ran {}",
                names.join(", ")
            ),
            Err(failure) => tracing::error!(
                code = failure.code(),
                "run of {}: {}",
                names.join(", "),
                failure.message
            ),
        }
    };
    let end =
        schedule::daemon::run_daemon(schedules, clock::now, tokio::time::sleep, &shutdown, due)
            .await;
    tracing::info!(?end, "the daemon ends");
    ledger.close().await;
    Ok(match end {
        DaemonEnd::ShutDown => exit::TERMINATED,
        DaemonEnd::NothingScheduled => exit::DONE,
    })
}
