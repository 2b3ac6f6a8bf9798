//! The tour, step by step: prepare, dry run, run, report, verification, and a look past kigen itself.

use std::path::PathBuf;

use anyhow::Context;
use clap::ValueEnum;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use kigen::config::{self, LogFormat};
use kigen::progress::Progress;
use kigen::telemetry::{self, LogFilter};
use kigen::{clock, exit};
use serde::Serialize;
use serde_json::Value;

use crate::company::{DEFAULT_AS_OF, Sizes};
use crate::failure::Failure;
use crate::look::{Findings, Picture};
use crate::place::Place;
use crate::prepare::{self, Generated};
use crate::program::{Form, Kigen};
use crate::{output, text};

/// The time zone of the demonstration's company.
const TIME_ZONE: &str = "Asia/Tokyo";

/// Generates sample data and shows a whole run of kigen on it.
#[derive(Debug, clap::Parser)]
#[command(name = "kigen-demo", version)]
pub(crate) struct Arguments {
    /// The folder for everything that the demonstration makes
    #[arg(long, default_value = "target/demo", value_name = "FOLDER")]
    pub(crate) dir: PathBuf,
    /// A PostgreSQL server in which databases may be created; SQLite if left out
    #[arg(long, value_name = "URL")]
    pub(crate) store_url: Option<String>,
    /// An S3 server in which a bucket may be created; a folder if left out
    #[arg(long, value_name = "URL")]
    pub(crate) s3_endpoint: Option<String>,
    /// The job files to run
    #[arg(long = "jobs", default_value = "jobs", value_name = "FOLDER")]
    pub(crate) jobs_folder: PathBuf,
    /// How many learners to generate
    #[arg(long, default_value_t = Sizes::default().learners, value_name = "N")]
    learners: u32,
    /// How many exam attempts to generate
    #[arg(long, default_value_t = Sizes::default().attempts, value_name = "N")]
    attempts: u32,
    /// How many disclosure requests to generate
    #[arg(long, default_value_t = Sizes::default().requests, value_name = "N")]
    requests: u32,
    /// The day of the demonstration
    #[arg(long, default_value_t = DEFAULT_AS_OF, value_name = "YYYY-MM-DD")]
    as_of: Date,
    /// How to print the result
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Which log lines to write to stderr, as for `kigen --log`
    #[arg(long, default_value = "info", value_name = "FILTER")]
    log: String,
    /// The program `kigen`; the one beside this program if left out
    #[arg(long, value_name = "FILE")]
    kigen: Option<PathBuf>,
}

/// The form of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// One JSON document
    Json,
}

impl Arguments {
    pub(crate) const fn sizes(&self) -> Sizes {
        Sizes {
            learners: self.learners,
            attempts: self.attempts,
            requests: self.requests,
        }
    }
}

/// What `--format json` prints.
#[derive(Serialize)]
struct Demonstrated {
    as_of: Date,
    config: PathBuf,
    certificates_folder: PathBuf,
    report_text: PathBuf,
    report_json: PathBuf,
    generated: Generated,
    /// As `kigen plan` prints it.
    plan: Value,
    /// As `kigen run` prints it.
    run: Option<Value>,
    /// As `kigen certificate verify` prints them.
    certificates: Option<Value>,
    findings: Findings,
    /// What is not as it should be; empty if all is well.
    problems: Vec<String>,
}

/// Shows a whole run on generated data; returns the exit code.
pub(crate) async fn tour(arguments: &Arguments) -> Result<u8, Failure> {
    let progress = Progress::on_stderr();
    start_log(arguments, &progress)?;
    let place = Place::of(arguments)?;
    let as_of = arguments.as_of;
    let kigen = Kigen {
        program: arguments.kigen.clone().unwrap_or_else(Kigen::beside_us),
        config: place.config_file(),
        as_of,
        log: arguments.log.clone(),
    };
    let screen = Screen {
        format: arguments.format,
        progress: &progress,
    };
    screen.heading("1  data, configuration, keys");
    let prepared = prepare::prepare(&kigen, arguments, &place, as_of, &progress).await?;
    screen.say(&text::prepared(prepared.generated, &place));
    let before = Picture::take(
        &prepared.data,
        &prepared.scans,
        as_of,
        &progress,
        "before: look at",
    )
    .await?;
    let done = dispose(&kigen, &screen, &place).await?;
    screen.heading("5  what plain SQL says, past kigen's own code");
    let after = Picture::take(
        &prepared.data,
        &prepared.scans,
        as_of,
        &progress,
        "after: look at",
    )
    .await?;
    let findings = before.compare(&after, &prepared.data).await?;
    screen.say(&text::findings(&findings));
    prepared.data.close().await;
    let mut problems = findings.problems();
    problems.extend(done.problems(&findings));
    let shown = Demonstrated {
        as_of,
        config: place.config_file(),
        certificates_folder: place.certificates(),
        report_text: place.folder.join("report.txt"),
        report_json: place.folder.join("report.json"),
        generated: prepared.generated,
        plan: done.plan,
        run: done.run,
        certificates: done.certificates,
        findings,
        problems,
    };
    finish(&screen, &place, &kigen, &shown, done.exit)
}

/// The same lines as kigen's own.
fn start_log(arguments: &Arguments, progress: &Progress) -> Result<(), Failure> {
    let usage = |error: telemetry::TelemetryError| Failure {
        code: exit::USAGE,
        message: error.to_string(),
    };
    let filter = LogFilter::parse(&arguments.log).map_err(usage)?;
    let colours = config::environment("NO_COLOR").is_none_or(|value| value.is_empty());
    telemetry::start(LogFormat::Human, &filter, colours, progress).map_err(usage)
}

/// The last words, and the exit code.
fn finish(
    screen: &Screen<'_>,
    place: &Place,
    kigen: &Kigen,
    shown: &Demonstrated,
    exit_of_run: u8,
) -> Result<u8, Failure> {
    let mut clusters = shown.findings.clusters.iter();
    let is_quiet = clusters.all(|found| found.compared.deleted + found.compared.pseudonymized == 0);
    let all_is_well = if is_quiet {
        "nothing was due (any more), and nothing was touched"
    } else {
        "what was due is gone or pseudonymized, all else is as it was, and the certificates hold"
    };
    if shown.problems.is_empty() {
        screen.say(&format!("\n{all_is_well}"));
    }
    screen.heading("what to look at next");
    screen.say(&text::look_next(
        place,
        &shown.findings,
        shown.as_of,
        &kigen.program.display().to_string(),
    ));
    if screen.format == Format::Json {
        output::json(shown)?;
    }
    for problem in &shown.problems {
        output::note(&format!("error: {problem}"));
    }
    if exit_of_run == exit::DONE && !shown.problems.is_empty() {
        return Ok(exit::UNEXPECTED);
    }
    Ok(exit_of_run)
}

/// What kigen itself did and said.
struct Done {
    plan: Value,
    /// `None` where it was printed as text.
    run: Option<Value>,
    /// `None` where they were printed as text.
    certificates: Option<Value>,
    /// The exit code of `kigen run`.
    exit: u8,
    /// Whether everything that was published holds.
    holds: bool,
}

/// Steps 2 to 4: dry run, run, report, verification.
async fn dispose(kigen: &Kigen, screen: &Screen<'_>, place: &Place) -> Result<Done, Failure> {
    screen.heading("2  dry run: kigen plan");
    screen.show(kigen, &["plan"]).await?;
    // Again for us: its figures are compared with plain SQL.
    let (_, plan) = kigen.document(&["plan"]).await?;
    screen.heading("3  kigen run");
    let (exit, run) = screen.show(kigen, &["run"]).await?;
    write_report(kigen, place, screen).await?;
    screen.heading("4  kigen certificate verify");
    let folder = place.certificates();
    let folder = folder.to_str().context("name the folder of certificates")?;
    let words = ["certificate", "verify", folder];
    let (code, certificates) = screen.show(kigen, &words).await?;
    Ok(Done {
        plan,
        run,
        certificates,
        exit,
        holds: code == exit::DONE,
    })
}

impl Done {
    /// Sentences about what does not fit together; empty if all is well.
    fn problems(&self, findings: &Findings) -> Vec<String> {
        let mut problems = Vec::new();
        if self.exit != exit::DONE {
            problems.push("the run did not do all that it should".to_owned());
        }
        if !self.holds {
            problems.push("what was published does not hold".to_owned());
        }
        for (job, stage) in stages(&self.plan) {
            let planned = stage["due"]["records"].as_u64();
            let disposal = stage["disposal"].as_str();
            let found = findings.clusters.iter().find(|found| found.cluster == job);
            let (Some(planned), Some(disposal), Some(found)) = (planned, disposal, found) else {
                problems.push(format!("{job}: the plan's figures cannot be read"));
                continue;
            };
            problems.extend(found.disagrees_with(disposal, planned));
        }
        problems
    }
}

/// The stages of a plan as `kigen plan --format json` prints it, each with its job.
fn stages(plan: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let jobs = plan["jobs"].as_array().into_iter().flatten();
    jobs.flat_map(|job| {
        let name = job["job"].as_str().unwrap_or_default();
        let stages = job["stages"].as_array().into_iter().flatten();
        stages.map(move |stage| (name, stage))
    })
}

/// Writes the report of this year up to today beside the certificates.
async fn write_report(kigen: &Kigen, place: &Place, screen: &Screen<'_>) -> Result<(), Failure> {
    let zone = TimeZone::get(TIME_ZONE).context("find the time zone of Japan")?;
    let today = clock::today(&zone);
    let (from, to) = (today.first_of_year().to_string(), today.to_string());
    let words = [
        "report",
        "--from",
        &from,
        "--to",
        &to,
        "--time-zone",
        TIME_ZONE,
    ];
    let (_, report) = kigen.document(&words).await?;
    let json = serde_json::to_string_pretty(&report).context("write the report as JSON")?;
    let text = kigen.call(Form::Text, &words).await?.text;
    for (name, content) in [("report.txt", text), ("report.json", json)] {
        let file = place.folder.join(name);
        let written = std::fs::write(&file, format!("{}\n", content.trim_end()));
        written.with_context(|| format!("write `{}`", file.display()))?;
        screen.say(&format!("report {}", file.display()));
    }
    screen.say(&format!("certificates {}", place.certificates().display()));
    Ok(())
}

/// Stdout while the demonstration goes on. With JSON it stays empty until the end.
struct Screen<'a> {
    format: Format,
    progress: &'a Progress,
}

impl Screen<'_> {
    fn heading(&self, title: &str) {
        self.say(&format!(
            "\n── {title} {}",
            "─".repeat(90_usize.saturating_sub(title.len()))
        ));
    }

    fn say(&self, text: &str) {
        if self.format != Format::Json {
            self.progress.above(|| output::text(text));
        }
    }

    /// Calls kigen and shows what it says; with JSON the document is kept instead.
    async fn show(&self, kigen: &Kigen, words: &[&str]) -> Result<(u8, Option<Value>), Failure> {
        if self.format == Format::Json {
            let (code, document) = kigen.document(words).await?;
            return Ok((code, Some(document)));
        }
        let answer = kigen.call(Form::Text, words).await?;
        if !answer.text.is_empty() {
            self.say(&answer.text);
        }
        Ok((answer.code, None))
    }
}
