//! The command line: one file for each command, and what people see.
//!
//! Data goes to stdout, everything else to stderr. With `--format json` stdout is one document.

mod audit;
mod certificate;
mod check;
mod core_dump;
mod daemon;
mod environment;
mod explain;
mod failure;
mod keyring;
mod load;
mod migrate;
mod note_key;
mod output;
mod plan;
mod reconcile;
mod rehearse;
mod render;
mod report;
mod run;
mod schema;
mod suspend;
mod timestamp;
mod verify;
mod witness;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use jiff::civil::Date;

use crate::exit;
pub use core_dump::forbid_core_dumps;
pub use environment::without_drivers_variables;
use failure::Failure;

/// Carries out data-retention rules: deletes or pseudonymizes what is due, and issues certificates
/// that prove it. 期限の過ぎた個人データを消去・仮名加工し、証明書を発行します。
#[derive(Debug, Parser)]
#[command(name = "kigen", version, propagate_version = true)]
pub struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, clap::Args)]
pub struct Global {
    /// The configuration file
    #[arg(long, global = true, default_value = "kigen.toml", value_name = "FILE")]
    config: PathBuf,
    /// The day to decide for, in the past or the future; today if left out
    #[arg(long, global = true, value_name = "YYYY-MM-DD")]
    as_of: Option<Date>,
    /// Only this job; may be repeated
    #[arg(long = "job", global = true, value_name = "NAME")]
    jobs: Vec<String>,
    /// How to print the result
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Which log lines to write to stderr: off, error, warn, info, debug or trace, also for a module of kigen: info,kigen::store=debug
    #[arg(long, global = true, default_value = "info", value_name = "FILTER")]
    log: String,
}

/// The form of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// One stable, documented JSON document
    Json,
    /// `certificate show`, `certificate prove`: a page for people, with the signed data in it
    Html,
    /// `certificate show`, `certificate prove`: the same as PDF/A-3
    Pdf,
}

impl Format {
    /// Whether this is a page that a person is handed.
    fn is_page(self) -> bool {
        match self {
            Self::Text | Self::Json => false,
            Self::Html | Self::Pdf => true,
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Checks kigen.toml and every file in jobs/ and runs their examples
    Check(check::Arguments),
    /// Shows what a run would do (dry run); can only read
    Plan,
    /// Runs the jobs of a store on a copy of it, and compares the whole copy before and after
    Rehearse(rehearse::Arguments),
    /// Disposes of what is due and certifies it
    Run(run::Arguments),
    /// Suspends jobs: nothing of theirs is disposed of until `kigen resume`
    Suspend(suspend::SuspendArguments),
    /// Lets suspended jobs run again
    Resume(suspend::ResumeArguments),
    /// Says why one record is due or kept
    Explain(explain::Arguments),
    /// Lists, shows and verifies certificates
    #[command(subcommand)]
    Certificate(certificate::Command),
    /// Verifies everything that is published, in a folder or a bucket
    Verify(verify::Arguments),
    /// Looks again whether what was certified is gone, and for leftovers of the persons
    Audit(audit::Arguments),
    /// Finds what a restored backup has brought back, and removes it again (`--apply`)
    Reconcile(reconcile::Arguments),
    /// Reports what was disposed of, what is overdue and why
    Report(report::Arguments),
    /// kigen's own database
    #[command(subcommand)]
    Ledger(migrate::LedgerCommand),
    /// kigen's tables in the stores' databases
    #[command(subcommand)]
    Journal(migrate::JournalCommand),
    /// The file with kigen's keys
    #[command(subcommand)]
    Keyring(keyring::Command),
    /// Watches over a published log from the other side, and cosigns its heads
    #[command(subcommand)]
    Witness(witness::Command),
    /// Asks the time-stamping authority for the stamps that are pending
    Timestamp,
    /// Runs the jobs by their schedules until SIGTERM
    Daemon,
    /// Prints the JSON Schema of job files or of kigen.toml, for editors
    Schema(schema::Arguments),
}

impl Command {
    /// Whether it listens to SIGTERM itself, because something is to be brought in order first.
    fn ends_in_order(&self) -> bool {
        matches!(self, Self::Run(_) | Self::Daemon | Self::Reconcile(_))
    }

    fn makes_pages(&self) -> bool {
        use certificate::Command::{Prove, Show};
        matches!(self, Self::Certificate(Show { .. } | Prove(_)))
    }
}

/// Reads the command line, does what it says, and returns the documented exit status.
pub async fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return output::usage(&error, output::format_asked_for(std::env::args_os())),
    };
    let global = arguments.global;
    // Boxed: the commands together are large.
    match Box::pin(dispatch(&global, arguments.command)).await {
        Ok(code) => exit::status(code),
        Err(failure) => {
            output::failure(&failure, global.format);
            exit::status(failure.exit)
        }
    }
}

async fn dispatch(global: &Global, command: Command) -> Result<u8, Failure> {
    if global.format.is_page() && !command.makes_pages() {
        let message = "`--format html` and `--format pdf` belong to `kigen certificate show` and `kigen certificate prove`";
        return Err(Failure::new(exit::USAGE, message));
    }
    if !command.ends_in_order() {
        run::signals_end_at_once()?;
    }
    match command {
        Command::Check(arguments) => check::check(global, &arguments).await,
        Command::Plan => plan::plan(global).await,
        Command::Rehearse(arguments) => Box::pin(rehearse::rehearse(global, &arguments)).await,
        Command::Run(arguments) => run::run(global, &arguments).await,
        Command::Suspend(arguments) => suspend::suspend(global, &arguments).await,
        Command::Resume(arguments) => suspend::resume(global, &arguments).await,
        Command::Explain(arguments) => explain::explain(global, &arguments).await,
        Command::Certificate(command) => certificate::certificate(global, &command).await,
        Command::Verify(arguments) => verify::verify(global, &arguments).await,
        Command::Audit(arguments) => Box::pin(audit::audit(global, &arguments)).await,
        Command::Reconcile(arguments) => Box::pin(reconcile::reconcile(global, &arguments)).await,
        Command::Report(arguments) => report::report(global, &arguments).await,
        Command::Ledger(command) => migrate::ledger(global, &command).await,
        Command::Journal(command) => migrate::journal(global, &command).await,
        Command::Keyring(command) => keyring::keyring(global, command).await,
        Command::Witness(command) => Box::pin(witness::witness(global, &command)).await,
        Command::Timestamp => timestamp::timestamp(global).await,
        Command::Daemon => Box::pin(daemon::daemon(global)).await,
        Command::Schema(arguments) => schema::schema(&arguments),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
