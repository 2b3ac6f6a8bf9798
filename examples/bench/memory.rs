//! Peak memory of the built `kigen`, for a table and for one with ten times the rows.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use url::Url;

use crate::engine;
use crate::engine::Case;
use crate::engine::DELETE;
use crate::engine::PSEUDONYMIZE;
use crate::figures::Figure;
use crate::figures::Goal;
use crate::figures::Unit;
use crate::peak;
use crate::say;
use crate::server::Copy;
use crate::server::Server;

/// Environment variable that carries the store's URL to the program, so that no file does.
const STORE_URL_ENV: &str = "KIGEN_BENCH_URL";
/// What a run may take above an idle worker, in MiB.
const ABOVE_IDLE_GOAL: Goal = Goal::AtMost(64.0);
/// What ten times the rows may take more, in MiB: allocators are not exact.
const GROWTH_GOAL: Goal = Goal::AtMost(8.0);
const TIMES: u32 = 10;
/// Long enough for a daemon to have loaded everything and to wait for its next run.
const IDLE: Duration = Duration::from_secs(3);

/// Finds the program: the one named, or the one beside the folder of built examples.
pub(crate) fn program(named: Option<OsString>) -> Result<PathBuf> {
    let program = if let Some(path) = named {
        PathBuf::from(path)
    } else {
        let example = std::env::current_exe()?;
        let built = example
            .ancestors()
            .nth(2)
            .context("this program lies in no folder")?;
        built.join(format!("kigen{}", std::env::consts::EXE_SUFFIX))
    };
    ensure!(
        program.is_file(),
        "there is no `{}`; hint: `cargo build --release --bin kigen`, or name the program in `KIGEN_BIN`",
        program.display(),
    );
    Ok(program)
}

/// Measures both disposals.
pub(crate) async fn measure(server: &mut Server, program: &Path, rows: u32) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for case in [&DELETE, &PSEUDONYMIZE] {
        figures.extend(of_case(server, program, case, rows).await?);
    }
    Ok(figures)
}

async fn of_case(
    server: &mut Server,
    program: &Path,
    case: &Case,
    rows: u32,
) -> Result<Vec<Figure>> {
    let few = rows / TIMES;
    let mut copy = server.copy().await?;
    copy.shrink(few).await?;
    let small = Worker::prepare(program, case, &copy)?;
    let idle = small.idle()?;
    let of_few = small.run(&mut copy).await?;
    let mut copy = server.copy().await?;
    let of_many = Worker::prepare(program, case, &copy)?
        .run(&mut copy)
        .await?;
    say(&format!(
        "{}: idle {idle:.1} MiB, {few} rows {of_few:.1} MiB, {rows} rows {of_many:.1} MiB",
        case.name
    ));
    let figure = |name: String, base: f64, kigen: f64, goal| Figure {
        name: format!("{}: peak memory, {name}", case.name),
        base,
        kigen,
        unit: Unit::Mebibytes,
        value: kigen - base,
        each: vec![kigen - base],
        goal: Some(goal),
    };
    Ok(vec![
        figure(
            format!("{few} rows above idle"),
            idle,
            of_few,
            ABOVE_IDLE_GOAL,
        ),
        figure(
            format!("{rows} rows above idle"),
            idle,
            of_many,
            ABOVE_IDLE_GOAL,
        ),
        figure(
            format!("{rows} rows above {few}"),
            of_few,
            of_many,
            GROWTH_GOAL,
        ),
    ])
}

/// The program with everything it needs, in a temporary folder.
struct Worker<'a> {
    program: &'a Path,
    folder: tempfile::TempDir,
    store: Url,
}

impl<'a> Worker<'a> {
    fn prepare(program: &'a Path, case: &Case, copy: &Copy) -> Result<Self> {
        let worker = Self {
            program,
            folder: tempfile::tempdir()?,
            store: copy.url.clone(),
        };
        let jobs = worker.folder.path().join("jobs");
        fs::create_dir(&jobs)?;
        fs::write(jobs.join(format!("{}.toml", case.name)), case.job)?;
        fs::write(worker.config(), include_str!("kigen.toml"))?;
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
    fn idle(&self) -> Result<f64> {
        peak::during(&mut self.command(&["daemon"]), IDLE).context("`kigen daemon`")
    }

    /// Peak memory of a whole run, from the survey to the certificate.
    async fn run(&self, copy: &mut Copy) -> Result<f64> {
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
        Ok(peak)
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
