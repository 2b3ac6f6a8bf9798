//! `kigen-demo`: generated sample data, and kigen's whole work on it.
//!
//! `company` makes the data, `tour` shows the steps: kigen itself is called as a program (`kigen`),
//! and what became of the data is looked up past it, by plain SQL (`data`, `clusters`, `snapshot`,
//! `look`) and by listing the objects (`scans`).
#![cfg_attr(
    test,
    allow(
        clippy::pedantic,
        clippy::disallowed_methods,
        unreachable_pub,
        reason = "tests may be short"
    )
)]

mod clusters;
mod company;
mod data;
mod failure;
mod look;
mod output;
mod place;
mod prepare;
mod program;
mod scans;
mod snapshot;
mod text;
mod tour;

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = tour::Arguments::parse();
    match Box::pin(tour::tour(&arguments)).await {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            output::note(&format!("error: {}", failure.message));
            ExitCode::from(failure.code)
        }
    }
}
