//! A plan: what one run would do with a cluster, as a value; and its approval. Pure.
//!
//! Only [`approve`] makes an [`ApprovedPlan`], and only an approved stage can be executed.

use std::fmt;

use jiff::civil::Date;
use serde::Serialize;

use crate::guard::{self, Guard};
use crate::job::{Job, Limit};

/// What is due in one stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagePlan {
    /// Index of the stage in the job.
    pub stage: usize,
    /// Records of the cluster.
    pub total: u64,
    pub records: u64,
    /// Persons (subjects) whom the due records are about.
    pub persons: u64,
    /// Rows of all tables that go: the records, those that the run itself frees, and what goes with them.
    pub rows: u64,
}

/// What is due in any stage of a job: a record that goes through two stages is one record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Together {
    pub records: u64,
    pub persons: u64,
}

/// What is due in every stage of a job, on one day.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// The job that was surveyed.
    pub job: &'a Job,
    pub as_of: Date,
    pub stages: Vec<StagePlan>,
    pub together: Together,
}

/// A plan that may be executed, under the standing approval of its job file.
#[derive(Debug)]
pub struct ApprovedPlan<'a> {
    plan: Plan<'a>,
    max_records: u64,
}

/// One stage of an approved plan: what a store can be told to execute.
#[derive(Clone, Copy, Debug)]
pub struct ApprovedStage<'a> {
    job: &'a Job,
    stage: usize,
    as_of: Date,
    max_records: u64,
    max_rows: u64,
}

impl<'a> ApprovedPlan<'a> {
    /// The plan that was approved.
    pub fn plan(&self) -> &Plan<'a> {
        &self.plan
    }

    /// The most records that may go in all stages together.
    pub fn max_records(&self) -> u64 {
        self.max_records
    }

    /// The approved stage with this index in the job; `None` if the plan does not have it.
    pub fn stage(&self, stage: usize) -> Option<ApprovedStage<'a>> {
        let planned = self.plan.stages.iter().any(|known| known.stage == stage);
        let exists = stage < self.plan.job.stages.len();
        (planned && exists).then_some(ApprovedStage {
            job: self.plan.job,
            stage,
            as_of: self.plan.as_of,
            max_records: self.max_records,
            max_rows: self.plan.job.limit.max_rows,
        })
    }

    /// The most rows of all tables that may go in all stages together.
    pub fn max_rows(&self) -> u64 {
        self.plan.job.limit.max_rows
    }
}

impl<'a> ApprovedStage<'a> {
    /// The job that the stage belongs to.
    pub fn job(&self) -> &'a Job {
        self.job
    }

    /// Index of the stage in the job.
    pub fn stage(&self) -> usize {
        self.stage
    }

    /// The day for which the plan was made, in the job's time zone.
    pub fn as_of(&self) -> Date {
        self.as_of
    }

    /// The most records that may go in all stages of the plan together.
    pub fn max_records(&self) -> u64 {
        self.max_records
    }

    /// The most rows of all tables that may go in all stages of the plan together.
    pub fn max_rows(&self) -> u64 {
        self.max_rows
    }
}

/// One limit that a plan would pass.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "limit", rename_all = "kebab-case")]
pub enum OverLimit {
    /// `limit.max-records`
    MaxRecords { due: u64, allowed: u64 },
    /// `limit.max-percent`, of the cluster's records
    MaxPercent { due: u64, total: u64, allowed: f64 },
    /// `limit.max-persons`
    MaxPersons { due: u64, allowed: u64 },
    /// `limit.max-rows`, of all tables
    MaxRows { due: u64, allowed: u64 },
}

impl fmt::Display for OverLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MaxRecords { due, allowed } => {
                write!(
                    f,
                    "{due} records are due and limit.max-records is {allowed}"
                )
            }
            Self::MaxPercent {
                due,
                total,
                allowed,
            } => write!(
                f,
                "{due} of {total} records are due and limit.max-percent is {allowed}"
            ),
            Self::MaxPersons { due, allowed } => {
                write!(
                    f,
                    "{due} persons are concerned and limit.max-persons is {allowed}"
                )
            }
            Self::MaxRows { due, allowed } => write!(
                f,
                "{due} rows of all tables would go and limit.max-rows is {allowed}"
            ),
        }
    }
}

/// Why a plan may not be executed: every limit that it would pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    pub cluster: String,
    pub over: Vec<OverLimit>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let over: Vec<String> = self.over.iter().map(ToString::to_string).collect();
        write!(
            f,
            "cluster `{}` is over its limit, nothing was removed: {}\nhint: look at `kigen plan`; if the plan is right, raise the limit in the job file for this run",
            self.cluster,
            over.join("; ")
        )
    }
}

impl std::error::Error for Refusal {}

/// Makes the plan of `job` out of what its stages were surveyed to hold.
pub fn plan(job: &Job, as_of: Date, stages: Vec<StagePlan>, together: Together) -> Plan<'_> {
    Plan {
        job,
        as_of,
        stages,
        together,
    }
}

/// Approves `plan` under the standing limit of its job, or says which limits it would pass.
///
/// The stages of a plan share the limit: a record that is due in two of them goes through both, and
/// counts once.
pub fn approve(plan: Plan<'_>) -> Result<ApprovedPlan<'_>, Refusal> {
    let limit = &plan.job.limit;
    let over = over(&plan, limit);
    if over.is_empty() {
        return Ok(ApprovedPlan {
            max_records: limit.max_records,
            plan,
        });
    }
    Err(Refusal {
        cluster: plan.job.cluster.clone(),
        over,
    })
}

fn over(plan: &Plan<'_>, limit: &Limit) -> Vec<OverLimit> {
    let Together { records, persons } = plan.together;
    let total = plan
        .stages
        .iter()
        .map(|stage| stage.total)
        .max()
        .unwrap_or(0);
    let mut over = Vec::new();
    if records > limit.max_records {
        over.push(OverLimit::MaxRecords {
            due: records,
            allowed: limit.max_records,
        });
    }
    if exceeds_percent(records, total, limit.max_percent) {
        over.push(OverLimit::MaxPercent {
            due: records,
            total,
            allowed: limit.max_percent,
        });
    }
    if persons > limit.max_persons {
        over.push(OverLimit::MaxPersons {
            due: persons,
            allowed: limit.max_persons,
        });
    }
    // A stage that meets a record again takes its rows again.
    let rows = plan.stages.iter().map(|stage| stage.rows);
    let rows = rows.fold(0, u64::saturating_add);
    if rows > limit.max_rows && guard::stands(Guard::RowsAreForeseen) {
        over.push(OverLimit::MaxRows {
            due: rows,
            allowed: limit.max_rows,
        });
    }
    over
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a share of more than 2^53 records needs no more digits"
)]
fn exceeds_percent(records: u64, total: u64, percent: f64) -> bool {
    records as f64 * 100.0 > total as f64 * percent
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn job(max_records: u64, max_percent: f64, max_persons: u64) -> Job {
        let text = include_str!("../../jobs/exam-history.toml");
        let mut job = crate::job::parse("jobs/exam-history.toml", text).unwrap();
        job.limit = Limit {
            max_records,
            max_percent,
            max_persons,
            max_rows: 100 * max_records,
            batch_size: 1000,
        };
        job
    }

    fn two_stages(job: &Job, first: (u64, u64), second: (u64, u64), total: u64) -> Plan<'_> {
        let stage = |stage, (records, persons)| StagePlan {
            stage,
            total,
            records,
            persons,
            rows: records,
        };
        let together = Together {
            records: first.0 + second.0,
            persons: first.1 + second.1,
        };
        let stages = vec![stage(0, first), stage(1, second)];
        plan(job, date(2026, 4, 1), stages, together)
    }

    #[test]
    fn a_plan_at_its_limits_is_approved() {
        let job = job(100, 10.0, 10);
        let approved = approve(two_stages(&job, (50, 5), (50, 5), 1000)).unwrap();
        assert_eq!(approved.max_records(), 100);
    }

    #[test]
    fn every_limit_that_is_passed_is_named() {
        let job = job(100, 10.0, 10);
        let refusal = approve(two_stages(&job, (51, 6), (50, 5), 1000)).unwrap_err();
        assert_eq!(refusal.over.len(), 3);
        let said = refusal.to_string();
        assert!(
            said.contains("101 records") && said.contains("11 persons"),
            "{said}"
        );
    }

    #[test]
    fn a_record_that_is_due_in_two_stages_counts_once() {
        let job = job(20, 100.0, 20);
        let mut plan = two_stages(&job, (20, 20), (10, 10), 20);
        plan.together = Together {
            records: 20,
            persons: 20,
        };
        assert!(approve(plan).is_ok());
    }

    #[test]
    fn rows_of_all_tables_and_stages_count_against_their_limit() {
        let job = job(10, 100.0, 10);
        let mut plan = two_stages(&job, (1, 1), (1, 1), 10);
        plan.stages[0].rows = 400;
        plan.stages[1].rows = 600;
        assert!(approve(plan.clone()).is_ok());
        plan.stages[1].rows = 601;
        let refusal = approve(plan).unwrap_err();
        let over = OverLimit::MaxRows {
            due: 1001,
            allowed: 1000,
        };
        assert_eq!(refusal.over, [over]);
        assert!(refusal.to_string().contains("1001 rows of all tables"));
    }

    #[test]
    fn all_of_a_cluster_is_within_a_hundred_percent() {
        let job = job(10, 100.0, 1);
        assert!(approve(two_stages(&job, (10, 1), (0, 0), 10)).is_ok());
    }

    #[test]
    fn an_empty_cluster_is_never_over_its_percentage() {
        let job = job(1, 1.0, 1);
        assert!(approve(two_stages(&job, (0, 0), (0, 0), 0)).is_ok());
    }

    #[test]
    fn only_a_stage_of_the_plan_is_approved() {
        let job = job(10, 100.0, 10);
        let mut plan = two_stages(&job, (1, 1), (1, 1), 10);
        plan.stages.remove(1);
        let approved = approve(plan).unwrap();
        let first = approved.stage(0).unwrap();
        assert_eq!((first.stage(), first.as_of()), (0, date(2026, 4, 1)));
        assert!(approved.stage(1).is_none());
    }

    #[test]
    fn a_stage_that_the_job_does_not_have_is_not_approved() {
        let job = job(10, 100.0, 10);
        let mut plan = two_stages(&job, (1, 1), (1, 1), 10);
        plan.stages[1].stage = 7;
        assert!(approve(plan).unwrap().stage(7).is_none());
    }
}
