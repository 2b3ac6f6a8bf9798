//! `kigen check`: configuration, jobs and their examples; with `--connect` also the live schema.

use serde::Serialize;

use super::Global;
use super::failure::Failure;
use super::load;
use super::output;
use crate::config::Config;
use crate::exit;
use crate::job;
use crate::job::Job;
use crate::progress::Progress;
use crate::run;
use crate::run::open::Inventories;
use crate::run::open::Stores;
use crate::run::outcome::JobError;
use crate::store::FrequentDay;
use crate::store::Inventory;

/// Options of `kigen check`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Compare the jobs with the live schema of their stores as well
    #[arg(long)]
    connect: bool,
}

/// What was checked.
#[derive(Serialize)]
struct Checked {
    jobs: Vec<CheckedJob>,
}

#[derive(Serialize)]
struct CheckedJob {
    job: String,
    file: String,
    sha256: String,
    examples: usize,
    /// The rule in words.
    rule: String,
    /// What does not fit the live schema; none if it was not looked at.
    schema_problems: Option<Vec<String>>,
    /// How many of some records have their objects; empty if nobody looked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    objects: Vec<String>,
    /// Days on which an improbable share of the records start.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    frequent_days: Vec<FrequentDay>,
    exit: u8,
}

/// Checks everything that can be checked without removing anything.
pub(super) async fn check(global: &Global, arguments: &Arguments) -> Result<u8, Failure> {
    let config = load::config(global)?;
    load::log(global, config.log_format, &Progress::on_stderr())?;
    let jobs = load::jobs(&config)?;
    if let Err(missing) = config.certificates.origin() {
        tracing::warn!("a run would be refused: {missing}");
    }
    let mut inventories = Inventories::default();
    let mut checked = Vec::new();
    for job in load::selected(global, &jobs)? {
        let mut line = offline(job);
        if arguments.connect {
            let problems = match inventories.rows(&config, &job.store).await {
                Ok(store) => {
                    let mut problems = problems(&*store, job, &mut line).await;
                    if line.exit == exit::DONE {
                        let found = objects(&config, &*store, job, &mut line).await;
                        problems.extend(found);
                    }
                    problems
                }
                Err(error) => {
                    line.exit = JobError::of_store(&error).exit;
                    vec![error.to_string()]
                }
            };
            line.schema_problems = Some(problems);
        }
        checked.push(line);
    }
    let code = checked
        .iter()
        .map(|job| job.exit)
        .max()
        .unwrap_or(exit::DONE);
    output::print(global.format, &Checked { jobs: checked }, render)?;
    Ok(code)
}

fn offline(job: &Job) -> CheckedJob {
    CheckedJob {
        job: job.cluster.clone(),
        file: job.file.display().to_string(),
        sha256: job.sha256.clone(),
        examples: job.examples.len(),
        rule: job::explain(job),
        schema_problems: None,
        objects: Vec::new(),
        frequent_days: Vec::new(),
        exit: exit::DONE,
    }
}

async fn problems(store: &dyn Inventory, job: &Job, line: &mut CheckedJob) -> Vec<String> {
    match store.inspect(job).await {
        Ok(fit) => {
            if !fit.problems.is_empty() {
                line.exit = exit::SCHEMA_MISMATCH;
                return fit.problems;
            }
            match store.frequent_days(job).await {
                Ok(days) => line.frequent_days = days,
                Err(error) => tracing::warn!(job.name = %job.cluster, "{error}"),
            }
            fit.problems
        }
        Err(error) => {
            line.exit = JobError::of_store(&error).exit;
            vec![error.to_string()]
        }
    }
}

/// What is wrong with the job's objects: calls that the store refuses, addresses where nothing is.
async fn objects(
    config: &Config,
    store: &dyn Inventory,
    job: &Job,
    line: &mut CheckedJob,
) -> Vec<String> {
    match probe_objects(config, store, job, line).await {
        Ok(problems) => {
            if !problems.is_empty() {
                line.exit = exit::SCHEMA_MISMATCH;
            }
            problems
        }
        Err(error) => {
            line.exit = error.exit;
            vec![error.message]
        }
    }
}

async fn probe_objects(
    config: &Config,
    store: &dyn Inventory,
    job: &Job,
    line: &mut CheckedJob,
) -> Result<Vec<String>, JobError> {
    let objects = Stores::default().objects(config, job).await;
    let objects = objects.map_err(|error| JobError::of_store(&error))?;
    run::objects::try_calls(job, &objects.stores).await?;
    let mut problems = Vec::new();
    for probed in run::objects::probe(store, job, &objects.to_read()).await? {
        line.objects.push(probed.said);
        problems.extend(probed.problem);
    }
    Ok(problems)
}

fn render(checked: &Checked) -> String {
    let mut lines = Vec::new();
    for job in &checked.jobs {
        lines.push(format!(
            "{}  {}  ({} examples hold)",
            job.job, job.file, job.examples
        ));
        lines.extend(job.rule.lines().map(|line| format!("  {line}")));
        lines.extend(job.objects.iter().map(|said| format!("  {said}")));
        match &job.schema_problems {
            None => {}
            Some(problems) if problems.is_empty() => {
                lines.push("  the live schema fits".to_owned());
            }
            Some(problems) => lines.extend(
                problems
                    .iter()
                    .map(|problem| format!("  problem: {}", problem.replace('\n', "\n  "))),
            ),
        }
        let days = job.frequent_days.iter();
        lines.extend(days.map(|day| format!("  look: {day}")));
        lines.push(String::new());
    }
    let problems: usize = checked
        .jobs
        .iter()
        .filter_map(|job| job.schema_problems.as_ref())
        .map(Vec::len)
        .sum();
    lines.push(match problems {
        0 => format!("{} jobs checked, no problem", checked.jobs.len()),
        problems => format!(
            "{} jobs checked, {problems} problems with the live schema",
            checked.jobs.len()
        ),
    });
    lines.join("\n")
}
