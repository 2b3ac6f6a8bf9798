//! What a store is told to do: an approved stage, or what a killed run had announced.
//!
//! Both are made here only. Nothing can be disposed of that was not approved.

use jiff::civil::Date;

use super::{Recall, RunContext, StageTargets, Survey};
use crate::job::Job;
use crate::plan::ApprovedStage;

/// One stage of one run, prepared; the same for orders and resumptions.
pub(in crate::store) struct StageWork<'a> {
    pub job: &'a Job,
    /// Index of the stage in the job.
    pub stage: usize,
    pub as_of: Date,
    pub run: &'a RunContext,
    pub targets: StageTargets,
    /// The most records that may go, whatever the survey said.
    pub max_records: u64,
    /// The most rows of all tables that may go: the records and what goes with them.
    pub max_rows: u64,
    /// Records of the cluster and how many are due, to size the batches.
    pub surveyed: Survey,
    /// How many earlier passes of this run have walked the table; numbers the batches.
    pub pass: u32,
    /// Knows what evidence says was removed: then it says what goes, and no rule does.
    pub recall: Option<&'a dyn Recall>,
}

/// One approved stage, to be executed.
///
/// It is made of an [`ApprovedStage`] only, and that by approval only:
///
/// ```
/// use kigen::plan::ApprovedStage;
/// use kigen::store::{RunContext, StageOrder, StageTargets, Survey};
/// fn order<'a>(approved: ApprovedStage<'a>, run: &'a RunContext) -> StageOrder<'a> {
///     StageOrder::new(approved, run, StageTargets::default(), Survey::default())
/// }
/// ```
///
/// ```compile_fail
/// use kigen::plan::ApprovedStage;
/// use kigen::store::{RunContext, StageOrder, StageTargets, Survey};
/// fn order<'a>(job: &'a kigen::job::Job, run: &'a RunContext) -> StageOrder<'a> {
///     let approved = ApprovedStage { job, stage: 0, as_of: jiff::civil::date(2026, 4, 1), max_records: 1, max_rows: 1 };
///     StageOrder::new(approved, run, StageTargets::default(), Survey::default())
/// }
/// ```
pub struct StageOrder<'a>(StageWork<'a>);

impl<'a> StageOrder<'a> {
    /// An order for the whole of an approved stage, on its first pass.
    ///
    /// `surveyed` has the records of the cluster and how many are due now.
    pub fn new(
        approved: ApprovedStage<'a>,
        run: &'a RunContext,
        targets: StageTargets,
        surveyed: Survey,
    ) -> Self {
        Self(StageWork {
            job: approved.job(),
            stage: approved.stage(),
            as_of: approved.as_of(),
            run,
            targets,
            max_records: approved.max_records(),
            max_rows: approved.max_rows(),
            surveyed,
            pass: 0,
            recall: None,
        })
    }

    /// The same for at most `records`, if that is less than what was approved.
    #[must_use]
    pub fn at_most(mut self, records: u64) -> Self {
        self.0.max_records = self.0.max_records.min(records);
        self
    }

    /// The same for at most so many `rows` of all tables, if that is less than what was approved.
    #[must_use]
    pub fn at_most_rows(mut self, rows: u64) -> Self {
        self.0.max_rows = self.0.max_rows.min(rows);
        self
    }

    /// The same after `pass` passes of the same run over the stage.
    #[must_use]
    pub fn after_passes(mut self, pass: u32) -> Self {
        self.0.pass = pass;
        self
    }

    /// The same for what was removed before and is there again, by what `recall` knows of it.
    #[must_use]
    pub fn again(mut self, recall: &'a dyn Recall) -> Self {
        self.0.recall = Some(recall);
        self
    }

    /// How many records of the cluster there are, and how many are due.
    pub fn surveyed(&self) -> &Survey {
        &self.0.surveyed
    }

    /// Whether objects go with the records.
    pub fn has_objects(&self) -> bool {
        !self.0.targets.objects.is_empty()
    }

    pub(in crate::store) fn work(&self) -> &StageWork<'a> {
        &self.0
    }
}

/// What a killed run had announced in one stage: only its open intents can be finished with it.
pub struct Resumption<'a>(StageWork<'a>);

impl<'a> Resumption<'a> {
    /// Stage `stage` of `job` as the run `run` had it, on its own day and with its own targets.
    pub fn new(
        job: &'a Job,
        stage: usize,
        as_of: Date,
        run: &'a RunContext,
        targets: StageTargets,
    ) -> Self {
        Self(StageWork {
            job,
            stage,
            as_of,
            run,
            targets,
            max_records: job.limit.max_records,
            max_rows: job.limit.max_rows,
            surveyed: Survey::default(),
            pass: 0,
            recall: None,
        })
    }

    pub(in crate::store) fn work(&self) -> &StageWork<'a> {
        &self.0
    }
}
