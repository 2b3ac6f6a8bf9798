//! `kigen keyring destroy`.

use std::io::IsTerminal;

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::cli::failure::Failure;
use crate::cli::{Global, load, output};
use crate::clock;
use crate::exit;
use crate::keyring::Quarter;
use crate::keyring::destruction::{self, Destroyable, DestructionError};
use crate::progress::Progress;

#[derive(Serialize)]
struct Destroyed {
    quarter: String,
    key_id: String,
    at: String,
    runs: usize,
    was_gone: bool,
}

/// Destroys the key of `quarter` after it was asked for by name, or with `--yes`.
///
/// The day is that of the clock: `--as-of` is for decisions, not for what cannot be undone.
pub(super) async fn destroy(global: &Global, quarter: Quarter, yes: bool) -> Result<u8, Failure> {
    if global.as_of.is_some() {
        let message = "keyring destroy goes by the clock: `--as-of` does not change the day";
        return Err(Failure::new(exit::USAGE, message));
    }
    let config = load::config(global)?;
    load::log(global, config.log_format, &Progress::on_stderr())?;
    let Some(keep) = config.evidence_keep else {
        let message = "kigen.toml does not say how long evidence is kept, so no key of it is destroyed\nhint: `keep = \"P5Y\"` in `[evidence]`, as your contracts and your published rules say";
        return Err(Failure::new(exit::CONFIG_INVALID, message));
    };
    let ledger = load::ledger(&config).await?;
    ledger.check_migrated().await?;
    ledger.probe_writable().await?;
    let mut keyring = load::keyring(&config).await?;
    let today = clock::today(&TimeZone::UTC);
    let destroyable = destruction::examine(&keyring, &*ledger, quarter, keep, today)
        .await
        .map_err(failed)?;
    if !yes {
        confirm(quarter, &destroyable)?;
    }
    let done = destruction::destroy(&mut keyring, &*ledger, destroyable, clock::now()).await;
    let done = done.map_err(failed)?;
    ledger.close().await;
    let destroyed = Destroyed {
        quarter: quarter.to_string(),
        key_id: done.key_id,
        at: done.at.to_string(),
        runs: done.runs,
        was_gone: done.was_gone,
    };
    output::print(global.format, &destroyed, render)?;
    Ok(exit::DONE)
}

fn render(destroyed: &Destroyed) -> String {
    let key_id = &destroyed.key_id;
    let first = if destroyed.was_gone {
        format!("key {key_id} was destroyed at {} already", destroyed.at)
    } else {
        format!("key {key_id} is destroyed")
    };
    format!(
        "{first}; {} wrapped run keys were removed from the ledger\ndestroy the copies of the keyring that still hold it; issued certificates and receipts go on verifying",
        destroyed.runs
    )
}

/// A person types the quarter; nothing else destroys it.
fn confirm(quarter: Quarter, destroyable: &Destroyable) -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() {
        let message = "a key is destroyed only after a person has typed the quarter at a terminal\nhint: `--yes` where nobody can";
        return Err(Failure::new(exit::USAGE, message));
    }
    output::note(&format!(
        "evidence of {quarter} was kept until {}; {} runs can be opened with its key, and no leaf of them ever after\ntype {quarter} to destroy it:",
        destroyable.last_day_kept(),
        destroyable.runs()
    ));
    let mut typed = String::new();
    std::io::stdin()
        .read_line(&mut typed)
        .map_err(|error| Failure::new(exit::USAGE, format!("read what was typed: {error}")))?;
    if typed.trim() == quarter.to_string() {
        return Ok(());
    }
    Err(Failure::new(
        exit::NOT_APPROVED,
        format!("{quarter} was not typed; nothing was destroyed"),
    ))
}

fn failed(error: DestructionError) -> Failure {
    let code = match error {
        DestructionError::Ledger(error) => return error.into(),
        DestructionError::NoSuchQuarter { .. }
        | DestructionError::TooEarly { .. }
        | DestructionError::ForEver { .. } => exit::USAGE,
        DestructionError::Unpublished { .. } => exit::NOT_CERTIFIED,
        DestructionError::Keyring(_) => exit::CONFIG_INVALID,
    };
    Failure::new(code, error.to_string())
}
