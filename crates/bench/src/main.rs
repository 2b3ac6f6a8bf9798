//! How fast kigen is on PostgreSQL, against one plain statement on a fresh copy of the same table.
//!
//! Every figure is a ratio within one run. `docs/PERFORMANCE.md` explains them. The program ends
//! with 1 if a goal is missed, and with 2 if it could not measure.

mod cpu;
mod engine;
mod figures;
mod machine;
mod memory;
mod peak;
mod rounds;
mod server;
mod show;
mod worker;

use std::env::VarError;
use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};

use crate::figures::Report;
use crate::machine::Machine;
use crate::server::Server;

/// Environment variables with the URL of a PostgreSQL superuser, the quickest way first.
const SERVER_ENV: [&str; 2] = ["KIGEN_TEST_POSTGRES_SOCKET_URL", "KIGEN_TEST_POSTGRES_URL"];
/// Environment variable with the path of the program, where it is not beside this one.
const PROGRAM_ENV: &str = "KIGEN_BIN";

const GOAL_MISSED: u8 = 1;
const NOT_MEASURED: u8 = 2;

/// Measures kigen on PostgreSQL against plain statements.
#[derive(Parser)]
#[command(name = "kigen-bench")]
struct Cli {
    /// Rows of the table; half of them are due.
    #[arg(long, default_value_t = 2_000_000, value_parser = clap::value_parser!(u32).range(20_000..))]
    rows: u32,
    /// How often each figure is measured; the median counts.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Connections of the store, that is batches at the same time; the default is kigen's own.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// The form of the report on standard output.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The parts to measure.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Part::Delete, Part::Pseudonymize, Part::Whole, Part::Flat, Part::Memory])]
    part: Vec<Part>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// What can be measured on its own.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Rows deleted per second, against a plain `delete`.
    Delete,
    /// Rows pseudonymized per second, against a plain `update`.
    Pseudonymize,
    /// Rows that a whole `kigen run` deletes per second, against a plain `delete`.
    Whole,
    /// Whether batches stay as quick as they begin.
    Flat,
    /// The peak memory of the program.
    Memory,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Cli::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(GOAL_MISSED),
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::from(NOT_MEASURED)
        }
    }
}

/// Measures and shows; returns whether every goal is met.
async fn run(cli: &Cli) -> Result<bool> {
    let with_program = [Part::Memory, Part::Whole];
    let program = if with_program.iter().any(|part| cli.part.contains(part)) {
        Some(worker::program(environment(PROGRAM_ENV))?)
    } else {
        None
    };
    let mut server = Server::connect(&server_url()?).await?;
    let machine = Machine::look(&mut server).await?;
    say(&format!("{machine}"));
    say(&format!("filling a table of {} rows", cli.rows));
    server.fill_master(cli.rows).await?;

    let mut figures = Vec::new();
    if cli.part.contains(&Part::Delete) {
        figures.extend(rounds::delete(&mut server, cli.connections, cli.runs).await?);
    }
    if cli.part.contains(&Part::Pseudonymize) {
        figures.extend(rounds::pseudonymize(&mut server, cli.connections, cli.runs).await?);
    }
    if let (Some(program), true) = (&program, cli.part.contains(&Part::Whole)) {
        figures.extend(rounds::whole(&mut server, program, cli.runs).await?);
    }
    if cli.part.contains(&Part::Flat) {
        figures.extend(rounds::flatness(&mut server, cli.runs).await?);
    }
    if let (Some(program), true) = (&program, cli.part.contains(&Part::Memory)) {
        figures.extend(memory::measure(&mut server, program, cli.rows).await?);
    }
    server.clear().await?;

    let report = Report {
        machine,
        rows: cli.rows,
        runs: cli.runs,
        met: figures.iter().all(figures::Figure::is_met),
        figures,
    };
    print(&match cli.format {
        Format::Text => show::text(&report),
        Format::Json => show::json(&report)?,
    });
    Ok(report.met)
}

fn server_url() -> Result<String> {
    for name in SERVER_ENV {
        if let Some(url) = variable(name)? {
            return Ok(url);
        }
    }
    bail!("no PostgreSQL server is named; hint: `make bench` starts one")
}

#[expect(clippy::disallowed_methods, reason = "an example is its own edge")]
fn variable(name: &str) -> Result<Option<String>> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(VarError::NotPresent) => Ok(None),
        Err(error) => Err(error).context(name.to_owned()),
    }
}

#[expect(clippy::disallowed_methods, reason = "an example is its own edge")]
fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

#[expect(clippy::print_stderr, reason = "progress is for the person who waits")]
fn say(line: &str) {
    eprintln!("bench: {line}");
}

#[expect(clippy::print_stdout, reason = "the report is what the program is for")]
fn print(report: &str) {
    println!("{report}");
}
