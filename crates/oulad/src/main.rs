//! The main job on real input: the Open University Learning Analytics Dataset.
//!
//! Loads the published files into a fresh database and runs the built `kigen` on it, date by date.
//! Standard output is one document of `kigen run --format json` per line and date, nothing else.
//! `crates/oulad/README.md` tells the rules, the source of the data and its licence.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it shows people what it does"
)]

mod fill;
mod folder;
mod schema;
mod source;
mod tables;
mod worker;

use std::env::VarError;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser};
use jiff::civil::Date;

use crate::folder::Folder;
use crate::schema::Store;
use crate::source::Source;
use crate::tables::Tables;
use crate::worker::Worker;

/// Environment variable with the URL of a PostgreSQL server on which databases may be created.
const SERVER_ENV: &str = "KIGEN_TEST_POSTGRES_URL";
/// Environment variable with the path of the program, where it is not beside this one.
const PROGRAM_ENV: &str = "KIGEN_BIN";

/// kigen on the Open University Learning Analytics Dataset.
#[derive(Parser)]
#[command(name = "kigen-oulad")]
enum Cli {
    /// Loads a fresh database and runs every date in turn.
    Run(Run),
}

#[derive(Args)]
struct Run {
    /// Folder with the dataset's files (`*.csv.gz`).
    #[arg(long)]
    data: PathBuf,
    /// Where the tables are kept.
    #[arg(long, value_enum, default_value_t = Store::Sqlite)]
    store: Store,
    /// Folder for database, ledger, keyring and certificates.
    #[arg(long, default_value = "target/oulad")]
    dir: PathBuf,
    /// Folder with the jobs.
    #[arg(long, default_value = "crates/oulad/jobs")]
    jobs: PathBuf,
    /// Days of decision, in order.
    #[arg(long, required = true, num_args = 1.., value_name = "DATE")]
    as_of: Vec<Date>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Cli::Run(arguments) = Cli::parse();
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("oulad: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Run) -> Result<()> {
    let program = worker::program(environment_path(PROGRAM_ENV))?;
    eprintln!("oulad: reading {}", arguments.data.display());
    let tables = Tables::build(&Source::read(&arguments.data)?)?;
    let folder = Folder::fresh(&arguments.dir)?;
    let store_url = load(arguments, &folder, &tables).await?;
    drop(tables);

    let worker = Worker {
        program,
        config: folder.config(),
        store_url,
    };
    worker.prepare()?;
    for day in &arguments.as_of {
        eprintln!("oulad: kigen run as of {day}");
        let result = worker.run(*day)?;
        if !result.line.is_empty() {
            println!("{}", result.line);
        }
        if let Some(failure) = result.failure {
            bail!(failure);
        }
    }
    eprintln!("oulad: all of it lies in {}", arguments.dir.display());
    Ok(())
}

/// Fills the store and writes `kigen.toml`; returns the store's URL if that may be in no file.
async fn load(arguments: &Run, folder: &Folder, tables: &Tables) -> Result<Option<String>> {
    match arguments.store {
        Store::Sqlite => {
            fill::sqlite(&folder.database(), tables).await?;
            folder.configure_sqlite(&arguments.jobs)?;
            Ok(None)
        }
        Store::Postgres => {
            let server = server_url()?;
            let url = fill::postgres(&server, tables).await?;
            folder.configure_postgres(&arguments.jobs)?;
            Ok(Some(url))
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "an example is its own edge")]
fn server_url() -> Result<String> {
    match std::env::var(SERVER_ENV) {
        Ok(url) => Ok(url),
        Err(VarError::NotPresent) => bail!(
            "`{SERVER_ENV}` names no PostgreSQL server; \
             hint: `make oulad STORE=postgres` starts one"
        ),
        Err(error) => Err(error).context(SERVER_ENV),
    }
}

#[expect(clippy::disallowed_methods, reason = "an example is its own edge")]
fn environment_path(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}
