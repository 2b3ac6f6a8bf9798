//! The built `kigen` as an operator runs it, on a copy of the table.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use url::Url;

use crate::engine::{self, Case};
use crate::server::Copy;
use crate::{peak, say};

/// Environment variable that carries the store's URL to the program, so that no file does.
const STORE_URL_ENV: &str = "KIGEN_BENCH_URL";

/// What one `kigen run` took.
pub(crate) struct Ran {
    /// Peak memory in MiB.
    pub(crate) peak: f64,
    pub(crate) took: Duration,
    pub(crate) records: u64,
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
        "there is no `{}`; hint: `cargo build --release --bin kigen`, or name the program in `KIGEN_BIN`",
        program.display(),
    );
    Ok(program)
}

/// The program with everything it needs, in a temporary folder.
pub(crate) struct Worker<'a> {
    program: &'a Path,
    folder: tempfile::TempDir,
    store: Url,
}

impl<'a> Worker<'a> {
    pub(crate) fn prepare(program: &'a Path, case: &Case, copy: &Copy) -> Result<Self> {
        let worker = Self {
            program,
            folder: tempfile::tempdir()?,
            store: copy.url.clone(),
        };
        let jobs = worker.folder.path().join("jobs");
        fs::create_dir(&jobs)?;
        fs::write(jobs.join(format!("{}.toml", case.name)), case.job)?;
        fs::write(worker.config(), include_str!("../kigen.toml"))?;
        for words in [
            ["ledger", "migrate"],
            ["journal", "migrate"],
            ["keyring", "init"],
        ] {
            let output = worker.command(&words).output()?;
            ensure!(
                output.status.success(),
                "`kigen {}` failed ({}): {}",
                words.join(" "),
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(worker)
    }

    /// Peak memory of a worker that waits for its next run.
    pub(crate) fn idle(&self, time: Duration) -> Result<f64> {
        peak::during(&mut self.command(&["daemon"]), time).context("`kigen daemon`")
    }

    /// A whole run, from its lock to its certificates.
    pub(crate) async fn run(&self, copy: &mut Copy) -> Result<Ran> {
        let day = engine::AS_OF.to_string();
        let words = ["--as-of", &day, "--format", "json", "run"];
        let (status, peak, took) = peak::of(&mut self.command(&words))?;
        ensure!(status.success(), "`kigen run` failed ({status})");
        let records = copy
            .number("select coalesce(sum(records), 0)::bigint from kigen.journal")
            .await?;
        ensure!(records > 0, "`kigen run` disposed of nothing");
        say(&format!(
            "`kigen run` took {:.1} s for {records} records",
            took.as_secs_f64()
        ));
        Ok(Ran {
            peak,
            took,
            records: u64::try_from(records)?,
        })
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.program);
        command
            .arg("--config")
            .arg(self.config())
            .args(words)
            .env(STORE_URL_ENV, self.store.as_str());
        command
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("kigen.toml")
    }
}
