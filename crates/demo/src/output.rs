//! The only place that prints.

use std::io::{IsTerminal, Write};

use anyhow::Context;
use serde::Serialize;

/// Writes text to stdout, with a line end. A reader that went away is no error.
pub(crate) fn text(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let written = stdout
        .write_all(text.trim_end_matches('\n').as_bytes())
        .and_then(|()| stdout.write_all(b"\n"))
        .and_then(|()| stdout.flush());
    drop(written);
}

/// Writes one JSON document to stdout: pretty on a terminal, on one line for programs.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let made = if std::io::stdout().is_terminal() {
        serde_json::to_string_pretty(value)
    } else {
        serde_json::to_string(value)
    };
    text(&made.context("write the result as JSON")?);
    Ok(())
}

/// Writes a note for people to stderr.
pub(crate) fn note(text: &str) {
    let written = writeln!(std::io::stderr().lock(), "{text}");
    drop(written);
}
