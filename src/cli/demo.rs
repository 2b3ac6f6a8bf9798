//! `kigen demo`: the whole job on generated data, and a look at the result past kigen itself.

mod clusters;
mod data;
mod look;
mod place;
mod prepare;
mod scans;
mod snapshot;
mod text;

use std::path::PathBuf;

use anyhow::Context;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use self::look::Findings;
use self::look::Picture;
use self::place::Place;
use self::prepare::Generated;
use self::prepare::Prepared;
use super::Format;
use super::Global;
use super::certificate;
use super::failure::Failure;
use super::load;
use super::output;
use super::render;
use super::report;
use super::run;
use super::verify;
use super::verify::Verified;
use crate::clock;
use crate::config::LogFormat;
use crate::demo::DEFAULT_AS_OF;
use crate::demo::Sizes;
use crate::exit;
use crate::ledger::Ledger;
use crate::ledger::entry::Trigger;
use crate::progress::Progress;
use crate::report::Report;
use crate::report::ReportPeriod;
use crate::report::render_text;
use crate::run::Day;
use crate::run::FinishedRun;
use crate::run::outcome::PlanOutcome;
use crate::run::plan;

/// The time zone of the demonstration's company.
const TIME_ZONE: &str = "Asia/Tokyo";

/// Options of `kigen demo`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The folder for everything that the demonstration makes
    #[arg(long, default_value = "target/demo", value_name = "FOLDER")]
    dir: PathBuf,
    /// A PostgreSQL server in which databases may be created; SQLite if left out
    #[arg(long, value_name = "URL")]
    store_url: Option<String>,
    /// An S3 server in which a bucket may be created; a folder if left out
    #[arg(long, value_name = "URL")]
    s3_endpoint: Option<String>,
    /// The job files to run
    #[arg(long = "jobs", default_value = "jobs", value_name = "FOLDER")]
    jobs_folder: PathBuf,
    /// How many learners to generate
    #[arg(long, default_value_t = Sizes::default().learners, value_name = "N")]
    learners: u32,
    /// How many exam attempts to generate
    #[arg(long, default_value_t = Sizes::default().attempts, value_name = "N")]
    attempts: u32,
    /// How many disclosure requests to generate
    #[arg(long, default_value_t = Sizes::default().requests, value_name = "N")]
    requests: u32,
}

impl Arguments {
    const fn sizes(&self) -> Sizes {
        Sizes {
            learners: self.learners,
            attempts: self.attempts,
            requests: self.requests,
        }
    }
}

/// What `kigen demo --format json` prints.
#[derive(Serialize)]
struct Demonstrated {
    as_of: Date,
    config: PathBuf,
    certificates_folder: PathBuf,
    report_text: PathBuf,
    report_json: PathBuf,
    generated: Generated,
    plan: PlanOutcome,
    run: FinishedRun,
    certificates: Vec<Verified>,
    findings: Findings,
    /// What is not as it should be; empty if all is well.
    problems: Vec<String>,
}

/// Shows a whole run on generated data.
pub(super) async fn demo(global: &Global, arguments: &Arguments) -> Result<u8, Failure> {
    let progress = Progress::on_stderr();
    load::log(global, Some(LogFormat::Human), &progress)?;
    let place = Place::of(arguments)?;
    let as_of = global.as_of.unwrap_or(DEFAULT_AS_OF);
    let global = Global {
        config: place.config_file(),
        as_of: Some(as_of),
        jobs: Vec::new(),
        ..global.clone()
    };
    let screen = Screen {
        format: global.format,
        progress: &progress,
    };
    screen.heading("1  data, configuration, keys");
    let prepared = prepare::prepare(&global, arguments, &place, as_of, &progress).await?;
    screen.say(&text::prepared(prepared.generated, &place));
    let before = Picture::take(
        &prepared.data,
        &prepared.scans,
        as_of,
        &progress,
        "before: look at",
    )
    .await?;
    let done = dispose(&global, &screen, &place, &prepared, as_of).await?;
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
    finish(&screen, &place, &shown)
}

/// The last words, and the exit code.
fn finish(screen: &Screen<'_>, place: &Place, shown: &Demonstrated) -> Result<u8, Failure> {
    let mut stages = shown.run.jobs.iter().flat_map(|job| &job.stages);
    let all_is_well = if stages.all(|stage| stage.disposed == 0) {
        "nothing was due (any more), and nothing was touched"
    } else {
        "what was due is gone or pseudonymized, all else is as it was, and the certificates hold"
    };
    if shown.problems.is_empty() {
        screen.say(&format!("\n{all_is_well}"));
    }
    screen.heading("what to look at next");
    let program = std::env::args()
        .next()
        .unwrap_or_else(|| "kigen".to_owned());
    screen.say(&text::look_next(
        place,
        &shown.findings,
        shown.as_of,
        &program,
    ));
    if screen.format == Format::Json {
        output::json(shown)?;
    }
    for problem in &shown.problems {
        output::note(&format!("error: {problem}"));
    }
    let code = shown.run.exit();
    if code == exit::DONE && !shown.problems.is_empty() {
        return Ok(exit::UNEXPECTED);
    }
    Ok(code)
}

/// What kigen itself did and said.
struct Done {
    plan: PlanOutcome,
    run: FinishedRun,
    certificates: Vec<Verified>,
    /// Whether everything that was published holds.
    holds: bool,
}

/// Steps 2 to 4: dry run, run, report, verification.
async fn dispose(
    global: &Global,
    screen: &Screen<'_>,
    place: &Place,
    prepared: &Prepared,
    as_of: Date,
) -> Result<Done, Failure> {
    let config = &prepared.config;
    let jobs = load::jobs(config)?;
    let selected = load::selected(global, &jobs)?;
    screen.heading("2  dry run: kigen plan");
    let suspensions = load::suspensions(config).await;
    let day = Day::Given(as_of);
    let plan = plan::plan(config, &selected, jobs.jobs(), day, suspensions).await;
    screen.say(&render::plan(&plan));
    screen.heading("3  kigen run");
    let ledger = load::ledger(config).await?;
    let shutdown = run::signals()?;
    let with = run::With {
        config,
        ledger: &*ledger,
        shutdown: &shutdown,
        progress: screen.progress,
    };
    let finished = run::once(global, &with, &jobs, &selected, Trigger::Hand).await?;
    screen.progress.finish();
    screen.say(&render::run(&finished));
    write_report(place, &*ledger, screen).await?;
    ledger.close().await;
    screen.heading("4  kigen certificate verify");
    let (certificates, holds) =
        certificate::check_folder(&place.certificates(), &[], screen.progress).await?;
    screen.say(&verify::render_certificates(&certificates, true));
    Ok(Done {
        plan,
        run: finished,
        certificates,
        holds,
    })
}

impl Done {
    /// Sentences about what does not fit together; empty if all is well.
    fn problems(&self, findings: &Findings) -> Vec<String> {
        let mut problems = Vec::new();
        if self.run.exit() != exit::DONE {
            problems.push("the run did not do all that it should".to_owned());
        }
        if !self.holds {
            problems.push("what was published does not hold".to_owned());
        }
        for found in &findings.clusters {
            let jobs = self.plan.jobs.iter().filter(|job| job.job == found.cluster);
            for stage in jobs.flat_map(|job| &job.stages) {
                problems.extend(found.disagrees_with(stage.disposal, stage.due.records));
            }
        }
        problems
    }
}

/// Writes the report of this year up to today beside the certificates.
async fn write_report(
    place: &Place,
    ledger: &dyn Ledger,
    screen: &Screen<'_>,
) -> Result<(), Failure> {
    let zone = TimeZone::get(TIME_ZONE).context("find the time zone of Japan")?;
    let today = clock::today(&zone);
    let period = ReportPeriod {
        from: today.first_of_year(),
        to: today,
        time_zone: zone.clone(),
        time_zone_name: TIME_ZONE.to_owned(),
    };
    let report: Report = report::build(ledger, &period).await?;
    let folder = &place.folder;
    let json = serde_json::to_string_pretty(&report).context("write the report as JSON")?;
    let text = render_text(&report, &zone);
    for (name, content) in [("report.txt", text), ("report.json", json)] {
        let file = folder.join(name);
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
}
