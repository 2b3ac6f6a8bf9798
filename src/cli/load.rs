//! What most commands start with: configuration, jobs, day, ledger, keyring, log.

use std::path::Path;

use super::Global;
use super::failure::Failure;
use crate::clock;
use crate::config::{self, Config, KeyringProtection, LogFormat};
use crate::exit;
use crate::job::{self, Job, JobSet};
use crate::keyring::{Access, Keyring, KmsKey};
use crate::ledger::{self, Ledger};
use crate::progress::Progress;
use crate::run::{Day, Suspensions};
use crate::telemetry::{self, LogFilter, TelemetryError};

/// Reads kigen.toml.
pub(super) fn config(global: &Global) -> Result<Config, Failure> {
    Config::load(&global.config, &config::environment)
        .map_err(|problems| Failure::of_files(exit::CONFIG_INVALID, problems))
}

/// Reads every job file, and compares them with kigen.toml.
pub(super) fn jobs(config: &Config) -> Result<JobSet, Failure> {
    let invalid = |problems| Failure::of_files(exit::JOBS_INVALID, problems);
    let jobs = job::load_folder(&config.jobs_folder).map_err(invalid)?;
    config.check_jobs(&jobs).map_err(invalid)?;
    Ok(jobs)
}

/// The jobs that `--job` names, in run order; all if it names none.
pub(super) fn selected<'a>(global: &Global, jobs: &'a JobSet) -> Result<Vec<&'a Job>, Failure> {
    jobs.select(&global.jobs)
        .map_err(|unknown| Failure::new(exit::USAGE, unknown.to_string()))
}

/// The day to decide for: `--as-of`, or today in the time zone of each job.
pub(super) fn day(global: &Global) -> Day {
    global
        .as_of
        .map_or_else(|| Day::At(clock::now()), Day::Given)
}

/// Opens kigen's own database.
pub(super) async fn ledger(config: &Config) -> Result<Box<dyn Ledger>, Failure> {
    Ok(ledger::open(config.ledger.expose()).await?)
}

/// Asks the ledger which jobs are suspended, or says why it does not answer: a plan is shown also then.
pub(super) async fn suspensions(config: &Config) -> Result<Suspensions, String> {
    let opened = ledger::open(config.ledger.expose()).await;
    let ledger = opened.map_err(|error| error.to_string())?;
    let standing = Suspensions::now(&*ledger).await;
    ledger.close().await;
    standing.map_err(|error| error.to_string())
}

/// Reads the keys.
pub(super) async fn keyring(config: &Config) -> Result<Keyring, Failure> {
    let access = access(&config.keyring.protection)?;
    let keyring = Keyring::open(&config.keyring.path, &access).await;
    keyring.map_err(|error| Failure::new(exit::CONFIG_INVALID, error.to_string()))
}

/// What opens the keyring's file: fetched where `protection` says that it is.
pub(super) fn access(protection: &KeyringProtection) -> Result<Access, Failure> {
    match protection {
        KeyringProtection::Plain => Ok(Access::Plain),
        KeyringProtection::PassphraseEnv(variable) => match config::environment(variable) {
            Some(passphrase) => Ok(Access::Passphrase(passphrase.into())),
            None => Err(Failure::new(
                exit::CONFIG_INVALID,
                format!(
                    "the environment variable `{variable}`, which holds the keyring's passphrase, is not set"
                ),
            )),
        },
        KeyringProtection::IdentityFile(file) => Access::identity_file(file)
            .map_err(|error| Failure::new(exit::CONFIG_INVALID, error.to_string())),
        KeyringProtection::Kms {
            key_id,
            region,
            endpoint,
        } => Ok(Access::Kms(KmsKey {
            key_id: key_id.clone(),
            region: region.clone(),
            endpoint: endpoint.clone(),
        })),
    }
}

/// Starts the log; lines go above the progress bar.
pub(super) fn log(
    global: &Global,
    format: Option<LogFormat>,
    progress: &Progress,
) -> Result<(), Failure> {
    let wrong = |error: TelemetryError| Failure::new(exit::USAGE, error.to_string());
    let filter = LogFilter::parse(&global.log).map_err(wrong)?;
    let colours = config::environment("NO_COLOR").is_none_or(|value| value.is_empty());
    telemetry::start(
        format.unwrap_or(LogFormat::Human),
        &filter,
        colours,
        progress,
    )
    .map_err(wrong)?;
    super::environment::warn_of_what_was_left_out();
    Ok(())
}

/// Makes the folder that a file will stand in.
pub(super) fn make_parent(file: &Path) -> Result<(), Failure> {
    let Some(parent) = file.parent() else {
        return Ok(());
    };
    std::fs::create_dir_all(parent).map_err(|error| {
        Failure::new(
            exit::CONFIG_INVALID,
            format!("make folder `{}`: {error}", parent.display()),
        )
    })
}
