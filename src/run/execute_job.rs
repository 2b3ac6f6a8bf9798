//! The stages of one job: survey, approve, execute, look again.

use std::sync::Arc;
use std::time::Instant;

use jiff::civil::Date;

use super::control::JobControl;
use super::execute::Environment;
use super::outcome::{JobError, JobOutcome, StageOutcome};
use super::plan::planned;
use super::targets::Targets;
use crate::exit;
use crate::job::Job;
use crate::ledger::entry::{self, Entry, StageFinished, StageRefused, StageSurveyed};
use crate::plan::{self, ApprovedPlan, ApprovedStage};
use crate::store::error::StoreError;
use crate::store::{
    Disposer, Inventory, JobObjects, JobSurvey, PassOutcome, Recall, Remaining, RunContext,
    StageOrder, Survey, may_go_on,
};

/// How often a stage's table is walked, if each time something went: rows that moved or were locked
/// are met again, and so are those that nothing blocks any more.
const PASSES: u32 = 20;

/// What the stages of one job work with.
pub(super) struct JobRun<'a> {
    pub environment: &'a Environment<'a>,
    pub control: &'a JobControl<'a>,
    pub run: &'a RunContext,
    pub job: &'a Job,
    pub store: Arc<dyn Disposer>,
    pub objects: JobObjects,
    pub targets: &'a Targets,
    pub as_of: Date,
    /// What evidence says is back: it goes instead of what the rule says.
    pub again: Option<&'a JobAgain<'a>>,
}

/// How many records may still go in a job's stages together.
///
/// A record that an earlier stage of the run has disposed of takes no room a second time.
struct RecordBudget {
    left: u64,
    /// Records that are met again in the present stage.
    again: u64,
    /// Rows of all tables that may still go.
    rows: u64,
}

impl RecordBudget {
    fn of(approved: &ApprovedPlan<'_>) -> Self {
        Self {
            left: approved.max_records(),
            again: 0,
            rows: approved.max_rows(),
        }
    }

    /// The next stage begins, in which `records` are due that were due in an earlier one.
    fn meets_again(&mut self, records: u64) {
        self.again = records;
    }

    /// The most that may go in the present stage.
    fn records(&self) -> u64 {
        self.left.saturating_add(self.again)
    }

    fn take(&mut self, walked: &PassOutcome) {
        let records = walked.disposed;
        self.rows = self.rows.saturating_sub(walked.rows());
        let again = records.min(self.again);
        self.again -= again;
        self.left = self.left.saturating_sub(records - again);
    }
}

/// What is back of one cluster.
pub(super) struct JobAgain<'a> {
    /// Knows it again.
    pub(super) recall: &'a dyn Recall,
    /// For each stage of the job, what is back as if it were due.
    pub(super) surveys: Vec<Survey>,
}

fn stopped_before_the_first_removal() -> JobError {
    let message = "stopped on request before anything of it was removed; the next run does it";
    JobError::new(exit::TERMINATED, message)
}

impl JobRun<'_> {
    /// Executes the job's stages one after the other, each surveyed right before it runs.
    pub(super) async fn execute(&self, outcome: &mut JobOutcome) -> Result<(), JobError> {
        let surveyed = self.survey_all().await?;
        let approved = self.approve(&surveyed, outcome).await?;
        let mut room = RecordBudget::of(&approved);
        for (index, first) in surveyed.stages.into_iter().enumerate() {
            let Some(stage) = approved.stage(index) else {
                continue;
            };
            if !may_go_on(self.control).await {
                return Ok(());
            }
            room.meets_again(first.again);
            // An earlier stage may have changed what this one finds.
            let survey = if index == 0 {
                Some(first)
            } else {
                self.survey(index).await?
            };
            let Some(survey) = survey else {
                return Ok(());
            };
            let stage = self.stage(stage, survey, &mut room).await;
            let (done, error) = stage?;
            outcome.stages.push(done);
            if let Some(error) = error {
                return Err(JobError::of_store(&error));
            }
        }
        Ok(())
    }

    /// What is due in a stage; `None` if the process was asked to stop before that was counted.
    async fn survey(&self, stage: usize) -> Result<Option<Survey>, JobError> {
        if let Some(again) = self.again {
            let survey = again.surveys.get(stage).cloned();
            return Ok(Some(survey.unwrap_or_default()));
        }
        let store: &dyn Inventory = &*self.store;
        tokio::select! {
            biased;
            () = self.environment.shutdown.requested() => Ok(None),
            survey = store.survey(self.job, stage, self.as_of) => {
                let survey = survey.map_err(|error| JobError::of_store(&error))?;
                tracing::debug!(
                    job.name = %self.job.cluster,
                    stage = %self.job.stages[stage].name,
                    total = survey.total,
                    due = survey.due.records,
                    "surveyed"
                );
                Ok(Some(survey))
            }
        }
    }

    async fn survey_all(&self) -> Result<JobSurvey, JobError> {
        let Some(again) = self.again else {
            let store: &dyn Inventory = &*self.store;
            return tokio::select! {
                biased;
                () = self.environment.shutdown.requested() => {
                    Err(stopped_before_the_first_removal())
                }
                surveyed = store.survey_all(self.job, &[], self.as_of) => {
                    surveyed.map_err(|error| JobError::of_store(&error))
                }
            };
        };
        let mut surveyed = JobSurvey {
            stages: again.surveys.clone(),
            ..JobSurvey::default()
        };
        for stage in &again.surveys {
            surveyed.together.records += stage.due.records;
            surveyed.together.subjects += stage.due.subjects;
        }
        Ok(surveyed)
    }

    /// Approves all stages of the job together, before the first removal.
    async fn approve(
        &self,
        surveyed: &JobSurvey,
        outcome: &mut JobOutcome,
    ) -> Result<ApprovedPlan<'_>, JobError> {
        let refusal = match plan::approve(planned(self.job, self.as_of, surveyed)) {
            Ok(approved) => return Ok(approved),
            Err(refusal) => refusal,
        };
        for (stage, survey) in self.job.stages.iter().zip(&surveyed.stages) {
            outcome.stages.push(StageOutcome::surveyed(
                &stage.name,
                stage.disposal.name(),
                survey,
            ));
            self.append(Entry::StageSurveyed(self.surveyed(
                &stage.name,
                stage.disposal.name(),
                survey,
            )))
            .await?;
            self.append(Entry::StageRefused(StageRefused {
                job: self.job.cluster.clone(),
                stage: stage.name.clone(),
                code: "limit-exceeded".to_owned(),
                message: refusal.to_string(),
            }))
            .await?;
        }
        outcome.over_limit.clone_from(&refusal.over);
        Err(JobError::new(exit::NOT_APPROVED, refusal.to_string()))
    }

    fn surveyed(&self, stage: &str, disposal: &str, survey: &Survey) -> StageSurveyed {
        StageSurveyed {
            job: self.job.cluster.clone(),
            stage: stage.to_owned(),
            disposal: disposal.to_owned(),
            total_records: survey.total,
            due: entry::Due {
                records: survey.due.records,
                subjects: survey.due.subjects,
            },
            retained: survey
                .retained
                .iter()
                .map(|(reason, records)| (reason.name().to_owned(), *records))
                .collect(),
            oldest_overdue_days: survey.oldest_overdue_days,
            limit: entry::LimitEntry {
                max_records: self.job.limit.max_records,
                max_percent: self.job.limit.max_percent,
                max_persons: self.job.limit.max_persons,
            },
        }
    }

    async fn append(&self, entry: Entry) -> Result<(), JobError> {
        self.environment.append(&self.run.run_id, &entry).await
    }

    async fn stage(
        &self,
        approved: ApprovedStage<'_>,
        survey: Survey,
        room: &mut RecordBudget,
    ) -> Result<(StageOutcome, Option<StoreError>), JobError> {
        let index = approved.stage();
        let stage = &self.job.stages[index];
        let begun = Instant::now();
        let disposal = stage.disposal.name();
        self.append(Entry::StageSurveyed(self.surveyed(
            &stage.name,
            disposal,
            &survey,
        )))
        .await?;
        let mut outcome = StageOutcome::surveyed(&stage.name, disposal, &survey);
        let label = format!("{} {}", self.job.cluster, stage.name);
        self.environment.progress.start(survey.due.records, &label);
        let passed = self.passes(approved, &survey, room, &mut outcome).await;
        self.environment.progress.finish();
        let (left, error) = passed?;
        outcome.remaining_due = if error.is_some() || self.control.stopped().is_some() {
            survey.due.records.saturating_sub(outcome.disposed)
        } else {
            left.records
        };
        let overdue = if outcome.remaining_due == 0 {
            None
        } else {
            left.oldest_overdue_days
        };
        self.append(Entry::StageFinished(
            self.finished(&outcome, overdue, begun),
        ))
        .await?;
        Ok((outcome, error))
    }

    /// Walks the table until nothing moves any more. Returns what is then still due, and why it
    /// ended early if it did.
    async fn passes(
        &self,
        approved: ApprovedStage<'_>,
        survey: &Survey,
        room: &mut RecordBudget,
        outcome: &mut StageOutcome,
    ) -> Result<(Remaining, Option<StoreError>), JobError> {
        let index = approved.stage();
        let mut left = Remaining {
            records: survey.due.records,
            oldest_overdue_days: survey.oldest_overdue_days,
        };
        for pass in 0..PASSES {
            if left.records == 0 {
                break;
            }
            if room.records() == 0 {
                // An earlier pass, or stage, has taken all: what it unblocked is for another run.
                return Ok((left, Some(self.over_limit())));
            }
            let targets = self.targets.stage(&self.job.cluster, index);
            let order = StageOrder::new(approved, self.run, targets, survey.with_due(left.records))
                .at_most(room.records())
                .at_most_rows(room.rows)
                .after_passes(pass);
            let order = match self.again {
                Some(again) => order.again(again.recall),
                None => order,
            };
            let mut walked = self.walk(&order).await;
            room.take(&walked);
            let error = walked.stopped_by.take();
            tracing::debug!(
                job.name = %self.job.cluster,
                stage = index,
                pass,
                batches = walked.batches,
                disposed = walked.disposed,
                "walked the table"
            );
            let moved = walked.disposed > 0;
            outcome.add(walked);
            if error.is_some() {
                return Ok((left, error));
            }
            if !may_go_on(self.control).await {
                break;
            }
            // The last look: rows that moved past the pass, or were locked.
            let Some(looked) = self.remaining(index, survey, outcome).await? else {
                may_go_on(self.control).await;
                break;
            };
            left = looked;
            if !moved {
                break;
            }
        }
        Ok((left, None))
    }

    /// What is still due in a stage; `None` if the process was asked to stop before that was counted.
    async fn remaining(
        &self,
        stage: usize,
        survey: &Survey,
        outcome: &StageOutcome,
    ) -> Result<Option<Remaining>, JobError> {
        if self.again.is_some() {
            return Ok(Some(Remaining {
                records: survey.due.records.saturating_sub(outcome.disposed),
                oldest_overdue_days: survey.oldest_overdue_days,
            }));
        }
        let store: &dyn Inventory = &*self.store;
        tokio::select! {
            biased;
            () = self.environment.shutdown.requested() => Ok(None),
            left = store.remaining(self.job, stage, self.as_of) => {
                left.map(Some).map_err(|error| JobError::of_store(&error))
            }
        }
    }

    fn over_limit(&self) -> StoreError {
        StoreError::OverLimit {
            cluster: self.job.cluster.clone(),
            what: "records",
            limit: self.job.limit.max_records,
        }
    }

    async fn walk(&self, order: &StageOrder<'_>) -> PassOutcome {
        if order.has_objects() {
            return self
                .store
                .dispose_with_objects(order, &self.objects, self.control)
                .await;
        }
        self.store.dispose(order, self.control).await
    }

    fn finished(
        &self,
        outcome: &StageOutcome,
        overdue: Option<i64>,
        begun: Instant,
    ) -> StageFinished {
        StageFinished {
            job: self.job.cluster.clone(),
            stage: outcome.stage.clone(),
            disposal: outcome.disposal.to_owned(),
            disposed: outcome.disposed,
            absent: 0,
            no_longer_due: outcome.no_longer_due,
            failed: outcome.failed,
            unattempted: outcome.remaining_due.saturating_sub(outcome.failed),
            remaining_due: outcome.remaining_due,
            oldest_overdue_days: overdue,
            elapsed_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            ended_by: outcome.ended_by.clone(),
            by_client: outcome.by_client.clone(),
            effects: (!self.job.effects.is_empty()).then(|| outcome.effects.clone()),
        }
    }
}
