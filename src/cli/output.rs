//! The only place that prints.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::Format;
use super::failure::Failure;
use crate::exit;

/// Writes text to stdout, with a line end.
///
/// A reader that went away (`kigen plan | head`) is no error.
pub(super) fn text(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let written = stdout
        .write_all(text.trim_end_matches('\n').as_bytes())
        .and_then(|()| stdout.write_all(b"\n"))
        .and_then(|()| stdout.flush());
    drop(written);
}

/// Writes one JSON document to stdout: pretty on a terminal, on one line for programs.
pub(super) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let made = if std::io::stdout().is_terminal() {
        serde_json::to_string_pretty(value)
    } else {
        serde_json::to_string(value)
    };
    let made = made.map_err(|_| Failure::new(exit::UNEXPECTED, "write the result as JSON"))?;
    text(&made);
    Ok(())
}

/// Prints `value` in the form that was asked for.
pub(super) fn print<T: Serialize>(
    format: Format,
    value: &T,
    render: impl FnOnce(&T) -> String,
) -> Result<(), Failure> {
    match format {
        Format::Json => json(value),
        Format::Text | Format::Html | Format::Pdf => {
            text(&render(value));
            Ok(())
        }
    }
}

/// Prints an answer that is no data to people: JSON to stdout, words to stderr.
pub(super) fn answer<T: Serialize>(
    format: Format,
    value: &T,
    render: impl FnOnce() -> String,
) -> Result<(), Failure> {
    match format {
        Format::Json => json(value),
        Format::Text | Format::Html | Format::Pdf => {
            note(&render());
            Ok(())
        }
    }
}

/// Writes a note for people to stderr.
pub(super) fn note(text: &str) {
    let written = writeln!(std::io::stderr().lock(), "{text}");
    drop(written);
}

/// Says on stderr why a command failed; with JSON, stdout has a document that says it too.
pub(super) fn failure(failure: &Failure, format: Format) {
    note(&format!("error: {}", failure.message.trim_end()));
    if format != Format::Json {
        return;
    }
    let document = serde_json::json!({
        "error": {
            "code": failure.code(),
            "exit": failure.exit,
            "message": failure.message,
            "problems": failure.problems,
        }
    });
    text(&document.to_string());
}

/// Help, version, or what is wrong with the command line, which asked for `format`.
pub(super) fn usage(error: &clap::Error, format: Format) -> ExitCode {
    if !error.use_stderr() {
        let printed = error.print();
        drop(printed);
        return exit::status(exit::DONE);
    }
    let said = error.to_string();
    let message = said.strip_prefix("error: ").unwrap_or(&said);
    failure(&Failure::new(exit::USAGE, message.trim_end()), format);
    exit::status(exit::USAGE)
}

/// The format that a command line asks for which cannot be read as a whole.
pub(super) fn format_asked_for(words: impl Iterator<Item = OsString>) -> Format {
    let words: Vec<OsString> = words.collect();
    let is_json = words
        .windows(2)
        .any(|pair| pair[0] == "--format" && pair[1] == "json")
        || words.iter().any(|word| word == "--format=json");
    if is_json { Format::Json } else { Format::Text }
}
