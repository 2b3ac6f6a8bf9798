//! `kigen suspend` and `kigen resume`: jobs that are left alone for a while, and why.

use clap::ValueEnum;
use jiff::civil::Date;
use kigen_evidence::log::entry::SuspensionReason;
use serde::Serialize;

use super::failure::Failure;
use super::{Global, load, output};
use crate::clock;
use crate::config::Config;
use crate::exit;
use crate::job::{Job, JobSet};
use crate::progress::Progress;
use crate::run::execute::Environment;
use crate::run::suspend::{self, SuspendedClients, Why};
use crate::shutdown::Shutdown;

/// Options of `kigen suspend`.
#[derive(Debug, clap::Args)]
pub(super) struct SuspendArguments {
    /// Why; certificates' logs repeat it
    #[arg(long, value_enum)]
    reason: Reason,
    /// When somebody looks again whether the reason still holds
    #[arg(long, value_name = "YYYY-MM-DD")]
    review_on: Option<Date>,
    /// Every job of the folder
    #[arg(long)]
    all: bool,
}

/// Options of `kigen resume`.
#[derive(Debug, clap::Args)]
pub(super) struct ResumeArguments {
    /// Every job of the folder
    #[arg(long)]
    all: bool,
}

/// Why disposal is suspended.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Reason {
    /// A dispute or an authority asks for the data (訴訟・当局の要請)
    LegalHold,
    /// The client (委託元) asked for it
    RequestOfClient,
    /// Something went wrong, and is looked into
    Incident,
    Maintenance,
    /// The contract with a client is over, or not yet in force
    Contract,
}

/// What the commands print.
#[derive(Serialize)]
struct Printed {
    jobs: Vec<PrintedJob>,
}

#[derive(Serialize)]
struct PrintedJob {
    job: String,
    /// Clients whose logs say so.
    clients: Vec<String>,
}

/// Suspends jobs.
pub(super) async fn suspend(global: &Global, arguments: &SuspendArguments) -> Result<u8, Failure> {
    let (config, jobs) = read(global)?;
    let chosen = chosen(global, &jobs, arguments.all, "suspend")?;
    let why = Why {
        reason: arguments.reason.into(),
        review_on: arguments.review_on,
    };
    let noted = with(&config, async |environment, keyring| {
        suspend::suspend(environment, keyring, &chosen, why).await
    });
    print(global, noted.await?, |job| {
        let clients = job.clients.len();
        format!(
            "job `{}` is suspended; the logs of {clients} clients say so",
            job.job
        )
    })
}

/// Resumes jobs.
pub(super) async fn resume(global: &Global, arguments: &ResumeArguments) -> Result<u8, Failure> {
    let (config, jobs) = read(global)?;
    let chosen = chosen(global, &jobs, arguments.all, "resume")?;
    let noted = with(&config, async |environment, keyring| {
        suspend::resume(environment, keyring, &chosen).await
    });
    print(global, noted.await?, |job| {
        let clients = job.clients.len();
        format!(
            "job `{}` is not suspended any more; the logs of {clients} clients say so now",
            job.job
        )
    })
}

fn read(global: &Global) -> Result<(Config, JobSet), Failure> {
    let config = load::config(global)?;
    load::log(global, config.log_format, &Progress::on_stderr())?;
    let jobs = load::jobs(&config)?;
    Ok((config, jobs))
}

/// Nobody suspends everything by leaving an option out.
fn chosen<'a>(
    global: &Global,
    jobs: &'a JobSet,
    all: bool,
    verb: &str,
) -> Result<Vec<&'a Job>, Failure> {
    if all == global.jobs.is_empty() {
        return load::selected(global, jobs);
    }
    let message = format!("name the jobs to {verb} with `--job`, or all of them with `--all`");
    Err(Failure::new(exit::USAGE, message))
}

/// Opens what the commands work with.
async fn with(
    config: &Config,
    work: impl AsyncFnOnce(
        &Environment<'_>,
        &crate::keyring::Keyring,
    ) -> Result<Vec<SuspendedClients>, crate::run::RunError>,
) -> Result<Vec<SuspendedClients>, Failure> {
    let ledger = load::ledger(config).await?;
    ledger.check_migrated().await?;
    let keyring = load::keyring(config).await?;
    let progress = Progress::on_stderr();
    let environment = Environment {
        config,
        ledger: &*ledger,
        now: &clock::now,
        shutdown: &Shutdown::new(),
        progress: &progress,
    };
    let noted = work(&environment, &keyring).await?;
    ledger.close().await;
    Ok(noted)
}

fn print(
    global: &Global,
    noted: Vec<SuspendedClients>,
    line: impl Fn(&PrintedJob) -> String,
) -> Result<u8, Failure> {
    let jobs = noted.into_iter().map(|noted| PrintedJob {
        job: noted.job,
        clients: noted.clients,
    });
    let printed = Printed {
        jobs: jobs.collect(),
    };
    output::print(global.format, &printed, |printed| {
        let lines: Vec<String> = printed.jobs.iter().map(&line).collect();
        lines.join("\n")
    })?;
    Ok(exit::DONE)
}

impl From<Reason> for SuspensionReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::LegalHold => Self::LegalHold,
            Reason::RequestOfClient => Self::RequestOfClient,
            Reason::Incident => Self::Incident,
            Reason::Maintenance => Self::Maintenance,
            Reason::Contract => Self::Contract,
        }
    }
}
