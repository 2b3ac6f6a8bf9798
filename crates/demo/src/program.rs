//! The program `kigen`, called as an operator calls it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;
use jiff::civil::Date;
use rustix::process::{Pid, Signal};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failure;

/// The program with the demonstration's configuration and day.
pub(crate) struct Kigen {
    pub(crate) program: PathBuf,
    pub(crate) config: PathBuf,
    pub(crate) as_of: Date,
    pub(crate) log: String,
}

/// What a call of the program gave.
pub(crate) struct Answer {
    /// Its exit code.
    pub(crate) code: u8,
    /// What it wrote to its standard output.
    pub(crate) text: String,
}

/// In which form the program answers.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    Text,
    Json,
}

impl Kigen {
    /// The program beside the one that runs: both are built into one folder.
    pub(crate) fn beside_us() -> PathBuf {
        let ours = std::env::args_os().next().unwrap_or_default();
        Path::new(&ours).with_file_name("kigen")
    }

    /// Calls the program. Its standard error is ours.
    ///
    /// A request to stop is passed on: the program ends in its own order, and then we do.
    pub(crate) async fn call(&self, form: Form, words: &[&str]) -> Result<Answer, Failure> {
        let called = format!("{} {}", self.program.display(), words.join(" "));
        let mut command = Command::new(&self.program);
        command
            .arg("--config")
            .arg(&self.config)
            .args(["--as-of", &self.as_of.to_string(), "--log", &self.log])
            .args(match form {
                Form::Text => ["--format", "text"],
                Form::Json => ["--format", "json"],
            })
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut terminate =
            signal(SignalKind::terminate()).context("listen for a request to stop")?;
        // A terminal sends it to the program too.
        let mut interrupt =
            signal(SignalKind::interrupt()).context("listen for a request to stop")?;
        let child = command.spawn().with_context(|| {
            format!("call `{called}`: `cargo build --bin kigen` builds it, `--kigen` names another")
        })?;
        let pid = Pid::from_child(&child);
        let ended = tokio::task::spawn_blocking(move || child.wait_with_output());
        tokio::pin!(ended);
        let mut stopped = false;
        let output = loop {
            tokio::select! {
                output = &mut ended => break output,
                _ = terminate.recv() => {
                    stopped = true;
                    rustix::process::kill_process(pid, Signal::TERM).context("stop kigen")?;
                }
                _ = interrupt.recv() => stopped = true,
            }
        };
        let output = output
            .context("wait for kigen")?
            .with_context(|| format!("wait for `{called}`"))?;
        let code = output
            .status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(kigen::exit::UNEXPECTED);
        if stopped {
            return Err(Failure::of_kigen(code, format!("`{called}` was stopped")));
        }
        let text = String::from_utf8(output.stdout).context("read what kigen says")?;
        Ok(Answer { code, text })
    }

    /// Calls the program for what has to succeed, and whose answer is of no further use.
    pub(crate) async fn must(&self, words: &[&str]) -> Result<(), Failure> {
        let answer = self.call(Form::Json, words).await?;
        if answer.code == kigen::exit::DONE {
            return Ok(());
        }
        let failed = format!("`kigen {}` failed", words.join(" "));
        Err(Failure::of_kigen(answer.code, failed))
    }

    /// Calls the program for one JSON document, whatever its exit code is.
    pub(crate) async fn document(&self, words: &[&str]) -> Result<(u8, Value), Failure> {
        let answer = self.call(Form::Json, words).await?;
        let failed = || format!("`kigen {}` failed", words.join(" "));
        let document: Value = match serde_json::from_str(&answer.text) {
            Ok(document) => document,
            Err(_) => return Err(Failure::of_kigen(answer.code, failed())),
        };
        if document.get("error").is_some_and(|error| !error.is_null()) {
            return Err(Failure::of_kigen(answer.code, failed()));
        }
        Ok((answer.code, document))
    }
}
