//! The dry run: the survey of every stage, by stores that can only be read.

use jiff::civil::Date;

use super::control::Suspensions;
use super::day::Day;
use super::objects;
use super::open::Inventories;
use super::outcome::{DeclaredEffect, JobError, JobOutcome, PlanOutcome, SchemaSeen, StageOutcome};
use crate::config::Config;
use crate::exit;
use crate::guard::{self, Guard};
use crate::job::{Effect, Job};
use crate::plan::{self, Plan, StagePlan, Together};
use crate::store::{Fit, Inventory, JobSurvey};

/// Surveys all stages of `jobs` on their day, as a run of them would find them: with what earlier
/// jobs will have removed. Removes nothing and writes nothing.
///
/// `suspensions` is what the ledger says, or why it does not; `all_jobs` says whose rows lie where.
pub async fn plan(
    config: &Config,
    jobs: &[&Job],
    all_jobs: &[Job],
    day: Day,
    suspensions: Result<Suspensions, String>,
) -> PlanOutcome {
    let mut inventories = Inventories::default();
    let mut outcomes = Vec::new();
    // Those that a run would execute.
    let mut earlier: Vec<&Job> = Vec::new();
    for job in jobs {
        let mut outcome = JobOutcome::of(job, day);
        outcome.suspended = suspensions
            .as_ref()
            .ok()
            .and_then(|suspensions| suspensions.stopping(job, all_jobs));
        match inventories.rows(config, &job.store).await {
            Ok(store) => {
                let in_store = earlier.iter().filter(|other| other.store == job.store);
                let earlier: Vec<(&Job, Date)> =
                    in_store.map(|other| (*other, day.of(other))).collect();
                let surveyed =
                    survey_job(&*store, job, all_jobs, &earlier, day.of(job), &mut outcome).await;
                outcome.error = surveyed.err();
                if outcome.error.is_none() {
                    outcome.error = look_for_objects(config, &mut inventories, &*store, job)
                        .await
                        .err();
                }
            }
            Err(error) => outcome.error = Some(JobError::of_store(&error)),
        }
        let goes_on = outcome.error.is_none() && outcome.over_limit.is_empty();
        if goes_on && outcome.suspended.is_none() {
            earlier.push(job);
        }
        outcomes.push(outcome);
    }
    PlanOutcome {
        as_of: day.earliest(jobs),
        jobs: outcomes,
        suspensions_unknown: suspensions.err(),
    }
}

/// Refuses a job as its run would whose objects are not where its rows say.
async fn look_for_objects(
    config: &Config,
    inventories: &mut Inventories,
    store: &dyn Inventory,
    job: &Job,
) -> Result<(), JobError> {
    if job.objects.is_empty() {
        return Ok(());
    }
    let stores = inventories.objects(config, job).await;
    let stores = stores.map_err(|error| JobError::of_store(&error))?;
    objects::refuse_wrong_addresses(store, job, &stores).await
}

async fn survey_job(
    store: &dyn Inventory,
    job: &Job,
    all_jobs: &[Job],
    earlier: &[(&Job, Date)],
    as_of: Date,
    outcome: &mut JobOutcome,
) -> Result<(), JobError> {
    let fit = inspect(store, job, all_jobs, Wants::ToRead).await?;
    outcome.schema = Some(SchemaSeen::of(&fit));
    outcome.warnings = fit.warnings;
    let surveyed = store.survey_all(job, earlier, as_of).await;
    let surveyed = surveyed.map_err(|error| JobError::of_store(&error))?;
    for (stage, survey) in job.stages.iter().zip(&surveyed.stages) {
        outcome.stages.push(StageOutcome::surveyed(
            &stage.name,
            stage.disposal.name(),
            survey,
        ));
    }
    let days = store.frequent_days(job).await;
    outcome.frequent_days = days.map_err(|error| JobError::of_store(&error))?;
    // The limit stops only what removes: a plan over it is shown whole, and says so.
    if let Err(refusal) = plan::approve(planned(job, as_of, &surveyed)) {
        outcome.over_limit = refusal.over;
    }
    Ok(())
}

/// The plan of `job` out of what was surveyed, for its approval.
pub(super) fn planned<'a>(job: &'a Job, as_of: Date, surveyed: &JobSurvey) -> Plan<'a> {
    let stages = surveyed.stages.iter().enumerate();
    let stages = stages.map(|(stage, survey)| StagePlan {
        stage,
        total: survey.total,
        records: survey.due.records,
        persons: survey.due.subjects,
        rows: survey.rows(),
    });
    let together = Together {
        records: surveyed.together.records,
        persons: surveyed.together.subjects,
    };
    plan::plan(job, as_of, stages.collect(), together)
}

/// What a comparison with the live schema is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    ToRead,
    ToRemove,
}

/// Compares the job with the live schema; all that does not fit is one error. `all_jobs` says which other
/// tables have a rule.
pub(super) async fn inspect(
    store: &dyn Inventory,
    job: &Job,
    all_jobs: &[Job],
    wants: Wants,
) -> Result<Fit, JobError> {
    let fit = store.inspect(job).await;
    let mut fit = fit.map_err(|error| JobError::of_store(&error))?;
    fit.warn_of_copies(job, all_jobs);
    let missing = std::mem::take(&mut fit.missing_rights);
    match wants {
        Wants::ToRead => fit.warnings.extend(missing),
        Wants::ToRemove => fit.unreadable.extend(missing),
    }
    for warning in &fit.warnings {
        tracing::warn!(job.name = %job.cluster, "{warning}");
    }
    let fits = fit.problems.is_empty() && fit.unreadable.is_empty();
    if fits || !guard::stands(Guard::SchemaIsCompared) {
        return Ok(fit);
    }
    let exit = if fit.problems.is_empty() {
        exit::ACCESS_REFUSED
    } else {
        exit::SCHEMA_MISMATCH
    };
    fit.problems.extend(fit.unreadable);
    Err(JobError::new(
        exit,
        format!(
            "`{}` does not fit its store, nothing was removed:\n{}",
            job.cluster,
            fit.problems.join("\n")
        ),
    ))
}

impl JobOutcome {
    /// A job of which nothing is known yet.
    pub fn of(job: &Job, day: Day) -> Self {
        Self {
            job: job.cluster.clone(),
            as_of: day.of(job),
            title: [("ja", job.title.ja.clone()), ("en", job.title.en.clone())].into(),
            stages: Vec::new(),
            over_limit: Vec::new(),
            frequent_days: Vec::new(),
            schema: None,
            warnings: Vec::new(),
            error: None,
            suspended: None,
            effects: job.effects.iter().map(declared).collect(),
        }
    }
}

fn declared(effect: &Effect) -> DeclaredEffect {
    DeclaredEffect {
        table: effect.table.to_string(),
        operation: effect.operation.name(),
        reason: effect.reason.clone(),
    }
}
