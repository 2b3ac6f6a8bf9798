//! The dry run: the survey of every stage, by stores that can only be read.

use jiff::civil::Date;

use super::day::Day;
use super::objects;
use super::open::Inventories;
use super::outcome::DeclaredEffect;
use super::outcome::JobError;
use super::outcome::JobOutcome;
use super::outcome::PlanOutcome;
use super::outcome::StageOutcome;
use crate::config::Config;
use crate::exit;
use crate::guard;
use crate::guard::Guard;
use crate::job::Effect;
use crate::job::Job;
use crate::plan;
use crate::plan::StagePlan;
use crate::store::Inventory;

/// Surveys all stages of `jobs` on their day. Removes nothing and writes nothing.
///
/// What an earlier job of a run would free for a later one is not foreseen: a record that such a
/// job's rows still name is shown as `referenced`.
pub async fn plan(config: &Config, jobs: &[&Job], day: Day) -> PlanOutcome {
    let mut inventories = Inventories::default();
    let mut outcomes = Vec::new();
    for job in jobs {
        let mut outcome = JobOutcome::of(job, day);
        match inventories.rows(config, &job.store).await {
            Ok(store) => {
                outcome.error = survey_job(&*store, job, day.of(job), &mut outcome)
                    .await
                    .err();
                if outcome.error.is_none() {
                    outcome.error = look_for_objects(config, &mut inventories, &*store, job)
                        .await
                        .err();
                }
            }
            Err(error) => outcome.error = Some(JobError::of_store(&error)),
        }
        outcomes.push(outcome);
    }
    PlanOutcome {
        as_of: day.earliest(jobs),
        jobs: outcomes,
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
    as_of: Date,
    outcome: &mut JobOutcome,
) -> Result<(), JobError> {
    inspect(store, job).await?;
    let mut planned = Vec::new();
    for (index, stage) in job.stages.iter().enumerate() {
        let survey = store.survey(job, index, as_of).await;
        let survey = survey.map_err(|error| JobError::of_store(&error))?;
        planned.push(StagePlan {
            stage: index,
            total: survey.total,
            records: survey.due.records,
            persons: survey.due.subjects,
        });
        outcome.stages.push(StageOutcome::surveyed(
            &stage.name,
            stage.disposal.name(),
            &survey,
        ));
    }
    // The limit stops only what removes: a plan over it is shown whole, and says so.
    if let Err(refusal) = plan::approve(plan::plan(job, as_of, planned)) {
        outcome.over_limit = refusal.over;
    }
    Ok(())
}

/// Compares the job with the live schema; all that does not fit is one error.
pub(super) async fn inspect(store: &dyn Inventory, job: &Job) -> Result<(), JobError> {
    let fit = store.inspect(job).await;
    let fit = fit.map_err(|error| JobError::of_store(&error))?;
    for warning in &fit.warnings {
        tracing::warn!(job.name = %job.cluster, "{warning}");
    }
    if fit.problems.is_empty() || !guard::stands(Guard::SchemaIsCompared) {
        return Ok(());
    }
    Err(JobError::new(
        exit::SCHEMA_MISMATCH,
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
