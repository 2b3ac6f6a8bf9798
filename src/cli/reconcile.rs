//! `kigen reconcile`: after a restore, what had been removed since the backup.

pub(super) mod text;

use jiff::Timestamp;

use super::failure::Failure;
use super::run::{log_stopped, signals, signals_end_at_once};
use super::{Global, load, output};
use crate::clock;
use crate::config::Config;
use crate::exit;
use crate::job::Job;
use crate::progress::Progress;
use crate::run::execute::Environment;
use crate::run::reconcile::{self, ReconcileRequest};

/// Options of `kigen reconcile`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The store of kigen.toml that was restored
    #[arg(long, value_name = "NAME")]
    store: String,
    /// When the backup was taken, or any time before it, with its zone: 2026-11-20T03:00:00+09:00
    #[arg(long, value_name = "TIME")]
    backup_time: String,
    /// Remove again what is back, and certify it; without it nothing is removed
    #[arg(long)]
    apply: bool,
}

/// Looks at the restored store; removes again what is back if asked to.
pub(super) async fn reconcile(global: &Global, arguments: &Arguments) -> Result<u8, Failure> {
    let backup_time = moment("--backup-time", &arguments.backup_time)?;
    let config = load::config(global)?;
    let progress = Progress::on_stderr();
    load::log(global, config.log_format, &progress)?;
    let jobs = load::jobs(&config)?;
    let selected = load::selected(global, &jobs)?;
    let of_store = of_store(&config, &arguments.store, &selected)?;
    let ledger = load::ledger(&config).await?;
    let mut keyring = load::keyring(&config).await?;
    let shutdown = if arguments.apply {
        signals()?
    } else {
        // Nothing is under way that would have to be ended in order.
        signals_end_at_once()?
    };
    let environment = Environment {
        config: &config,
        ledger: &*ledger,
        now: &clock::now,
        shutdown: &shutdown,
        progress: &progress,
    };
    let request = ReconcileRequest {
        store: &arguments.store,
        backup_time,
        jobs: &of_store,
        all_jobs: jobs.jobs(),
        day: load::day(global),
    };
    let found = if arguments.apply {
        reconcile::apply(&environment, &mut keyring, &request).await?
    } else {
        reconcile::look(&environment, &keyring, &request).await?
    };
    if let Some(applied) = &found.applied {
        log_stopped(&applied.jobs);
    }
    for (job, error) in &found.errors {
        tracing::error!(job.name = %job, code = error.code, "job `{job}` was not looked at: {}", error.message);
    }
    output::print(global.format, &found, text::reconciliation)?;
    ledger.close().await;
    Ok(found.exit())
}

/// A moment on the command line: with a zone, and not in the future.
pub(super) fn moment(option: &str, text: &str) -> Result<Timestamp, Failure> {
    let moment: Timestamp = text.parse().map_err(|_| {
        let message = format!(
            "`{option} {text}` is no moment\nhint: write day, time and zone: 2026-11-20T03:00:00+09:00, or 2026-11-19T18:00:00Z"
        );
        Failure::new(exit::USAGE, message)
    })?;
    if moment > clock::now() {
        let message = format!("`{option} {text}` lies in the future");
        return Err(Failure::new(exit::USAGE, message));
    }
    Ok(moment)
}

/// The jobs of the store.
fn of_store<'a>(
    config: &Config,
    store: &str,
    selected: &[&'a Job],
) -> Result<Vec<&'a Job>, Failure> {
    if config.objects.contains_key(store) {
        let message = format!(
            "`{store}` is an object store, whose objects are found through the rows that name them\nhint: reconcile the store of those rows; objects whose rows are gone cannot be found by `reconcile`"
        );
        return Err(Failure::new(exit::USAGE, message));
    }
    if !config.stores.contains_key(store) {
        let known: Vec<String> = config
            .stores
            .keys()
            .map(|name| format!("`{name}`"))
            .collect();
        let message = format!(
            "kigen.toml has no store `{store}`\nhint: it has {}",
            known.join(", ")
        );
        return Err(Failure::new(exit::USAGE, message));
    }
    let of_store = selected.iter().copied();
    let of_store: Vec<&Job> = of_store.filter(|job| job.store == store).collect();
    if of_store.is_empty() {
        let message = format!("no selected job keeps its records in the store `{store}`");
        return Err(Failure::new(exit::USAGE, message));
    }
    Ok(of_store)
}
