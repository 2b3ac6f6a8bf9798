//! Runs the built `kigen` as a user would.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, ensure};
use jiff::civil::Date;
use serde_json::Value;

use crate::folder::STORE_URL_ENV;

/// The program, its config, and the store's URL if it is not in the config.
pub(crate) struct Worker {
    pub program: PathBuf,
    pub config: PathBuf,
    pub store_url: Option<String>,
}

/// What `kigen run` said about one date.
pub(crate) struct RunResult {
    /// Its document, on one line; empty if it gave none.
    pub line: String,
    /// Whether it ended well, and if not what it returned.
    pub failure: Option<String>,
}

/// Finds the program: the one named, or the one beside this program.
pub(crate) fn program(named: Option<OsString>) -> Result<PathBuf> {
    let program = if let Some(path) = named {
        PathBuf::from(path)
    } else {
        std::env::current_exe()?.with_file_name(format!("kigen{}", std::env::consts::EXE_SUFFIX))
    };
    ensure!(
        program.is_file(),
        "there is no `{}`; hint: run `cargo build`, or name the program in `KIGEN_BIN`",
        program.display(),
    );
    Ok(program)
}

impl Worker {
    /// Prepares ledger, journal and keyring.
    pub(crate) fn prepare(&self) -> Result<()> {
        for command in [
            ["ledger", "migrate"],
            ["journal", "migrate"],
            ["keyring", "init"],
        ] {
            let words = command.join(" ");
            let output = Self::output(self.command().args(command), &words)?;
            eprint!("{}", String::from_utf8_lossy(&output.stdout));
            ensure!(
                output.status.success(),
                "`kigen {words}` failed ({})",
                output.status
            );
        }
        Ok(())
    }

    /// Runs all jobs as of `day`.
    pub(crate) fn run(&self, day: Date) -> Result<RunResult> {
        let mut command = self.command();
        command.args(["--as-of", &day.to_string(), "--format", "json", "run"]);
        let output = Self::output(&mut command, "run")?;
        let failed = !output.status.success();
        let line = if failed && output.stdout.is_empty() {
            String::new()
        } else {
            let document: Value = serde_json::from_slice(&output.stdout)
                .context("`kigen run` printed something else than one JSON document")?;
            document.to_string()
        };
        let failure = failed.then(|| format!("`kigen run` as of {day} failed ({})", output.status));
        Ok(RunResult { line, failure })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(&self.config);
        if let Some(url) = &self.store_url {
            command.env(STORE_URL_ENV, url);
        }
        command
    }

    fn output(command: &mut Command, words: &str) -> Result<Output> {
        command
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("`kigen {words}` cannot be started"))
    }
}
