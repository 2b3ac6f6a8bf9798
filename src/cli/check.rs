//! `kigen check`: configuration, jobs and their examples; with `--connect` also the live schema.

use kigen_evidence::digest::Sha256;
use serde::Serialize;

use super::failure::Failure;
use super::{Global, load, output};
use crate::config::Config;
use crate::exit;
use crate::job::{self, Job};
use crate::progress::Progress;
use crate::run;
use crate::run::open::{Inventories, Stores};
use crate::run::outcome::JobError;
use crate::store::inspection::Inspection;
use crate::store::{FrequentDay, Inventory};

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
    /// What an operator should know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    /// Digest of `inspection`, as plans and certificates name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    inspection_sha256: Option<Sha256>,
    /// What was looked at, and what could not be.
    #[serde(skip_serializing_if = "Option::is_none")]
    inspection: Option<Inspection>,
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
                    let mut problems = problems(&*store, job, jobs.jobs(), &mut line).await;
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
        warnings: Vec::new(),
        inspection_sha256: None,
        inspection: None,
        exit: exit::DONE,
    }
}

async fn problems(
    store: &dyn Inventory,
    job: &Job,
    all_jobs: &[Job],
    line: &mut CheckedJob,
) -> Vec<String> {
    match store.inspect(job).await {
        Ok(mut fit) => {
            fit.warn_of_copies(job, all_jobs);
            // Who checks wants to know what a run would meet.
            fit.unreadable.extend(fit.missing_rights);
            if !fit.problems.is_empty() {
                line.exit = exit::SCHEMA_MISMATCH;
            } else if !fit.unreadable.is_empty() {
                line.exit = exit::ACCESS_REFUSED;
            } else {
                match store.frequent_days(job).await {
                    Ok(days) => line.frequent_days = days,
                    Err(error) => tracing::warn!(job.name = %job.cluster, "{error}"),
                }
            }
            fit.problems.extend(fit.unreadable);
            line.warnings = fit.warnings;
            line.inspection_sha256 = Some(fit.inspection.sha256());
            line.inspection = Some(fit.inspection);
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

fn indented(text: &str) -> String {
    text.replace('\n', "\n  ")
}

/// The report in short: each relation in one line.
fn looked_at(inspection: &Inspection, sha256: &Sha256) -> Vec<String> {
    let mut lines = vec![format!("  looked at (inspection {sha256}):")];
    for relation in &inspection.relations {
        let used_as: Vec<&str> = relation.used_as.iter().copied().collect();
        let counted = [
            (relation.columns.len(), "columns"),
            (relation.unique_indexes.len(), "unique indexes"),
            (relation.checks.len(), "conditions"),
            (relation.foreign_keys.len(), "foreign keys"),
            (relation.referenced_by.len(), "foreign keys onto it"),
            (relation.parts.len(), "parts"),
            (relation.triggers.len(), "triggers and rules"),
            (
                relation
                    .row_security
                    .as_ref()
                    .map_or(0, |own| own.policies.len()),
                "policies",
            ),
            (relation.publications.len(), "publications"),
            (relation.materialized_views.len(), "materialized views"),
        ];
        let counted = counted.into_iter().filter(|(count, _)| *count > 0);
        let counted: Vec<String> = counted
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        lines.push(format!(
            "    {} ({}, {}): {}",
            relation.name,
            relation.kind.name(),
            used_as.join(", "),
            counted.join(", ")
        ));
    }
    lines.push(format!("  not seen: {}", inspection.not_seen.join("; ")));
    lines
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
        if let (Some(inspection), Some(sha256)) = (&job.inspection, &job.inspection_sha256) {
            lines.extend(looked_at(inspection, sha256));
        }
        let warnings = job.warnings.iter();
        lines.extend(warnings.map(|warning| format!("  warning: {}", indented(warning))));
        match &job.schema_problems {
            None => {}
            Some(problems) if problems.is_empty() => {
                lines.push("  the live schema fits".to_owned());
            }
            Some(problems) => lines.extend(
                problems
                    .iter()
                    .map(|problem| format!("  problem: {}", indented(problem))),
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
