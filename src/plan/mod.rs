//! A plan: what one run would do with a cluster, as a value; and its approval. Pure.
//!
//! Only [`approve`] makes an [`ApprovedPlan`], and only an approved stage can be executed.

use std::fmt;

use jiff::civil::Date;
use serde::Serialize;

use crate::job::Job;
use crate::job::Limit;

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
}

/// What is due in every stage of a job, on one day.
#[derive(Clone, Debug)]
pub struct Plan {
    pub cluster: String,
    /// Digest of the job file that was surveyed.
    pub rule_sha256: String,
    pub as_of: Date,
    pub stages: Vec<StagePlan>,
}

/// A plan that may be executed, under the standing approval of its job file.
#[derive(Debug)]
pub struct ApprovedPlan {
    plan: Plan,
    max_records: u64,
}

impl ApprovedPlan {
    /// The plan that was approved.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The most records that may go in all stages together.
    pub fn max_records(&self) -> u64 {
        self.max_records
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
pub fn plan(job: &Job, as_of: Date, stages: Vec<StagePlan>) -> Plan {
    Plan {
        cluster: job.cluster.clone(),
        rule_sha256: job.sha256.clone(),
        as_of,
        stages,
    }
}

/// Approves `plan` under a standing limit, or says which limits it would pass.
///
/// The stages of a plan share the limit. A record that is due in two stages counts twice: limits
/// err on the side of asking a person.
pub fn approve(plan: Plan, limit: &Limit) -> Result<ApprovedPlan, Refusal> {
    let over = over(&plan, limit);
    if over.is_empty() {
        return Ok(ApprovedPlan {
            max_records: limit.max_records,
            plan,
        });
    }
    Err(Refusal {
        cluster: plan.cluster,
        over,
    })
}

fn over(plan: &Plan, limit: &Limit) -> Vec<OverLimit> {
    let records: u64 = plan.stages.iter().map(|stage| stage.records).sum();
    let persons: u64 = plan.stages.iter().map(|stage| stage.persons).sum();
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

    fn two_stages(first: (u64, u64), second: (u64, u64), total: u64) -> Plan {
        let stage = |stage, (records, persons)| StagePlan {
            stage,
            total,
            records,
            persons,
        };
        Plan {
            cluster: "learner".to_owned(),
            rule_sha256: String::new(),
            as_of: date(2026, 4, 1),
            stages: vec![stage(0, first), stage(1, second)],
        }
    }

    fn limit(max_records: u64, max_percent: f64, max_persons: u64) -> Limit {
        Limit {
            max_records,
            max_percent,
            max_persons,
            batch_size: 1000,
        }
    }

    #[test]
    fn a_plan_at_its_limits_is_approved() {
        let plan = two_stages((50, 5), (50, 5), 1000);
        assert_eq!(
            approve(plan, &limit(100, 10.0, 10)).unwrap().max_records(),
            100
        );
    }

    #[test]
    fn every_limit_that_is_passed_is_named() {
        let refusal =
            approve(two_stages((51, 6), (50, 5), 1000), &limit(100, 10.0, 10)).unwrap_err();
        assert_eq!(refusal.over.len(), 3);
        let said = refusal.to_string();
        assert!(
            said.contains("101 records") && said.contains("11 persons"),
            "{said}"
        );
    }

    #[test]
    fn all_of_a_cluster_is_within_a_hundred_percent() {
        assert!(approve(two_stages((10, 1), (0, 0), 10), &limit(10, 100.0, 1)).is_ok());
    }

    #[test]
    fn an_empty_cluster_is_never_over_its_percentage() {
        assert!(approve(two_stages((0, 0), (0, 0), 0), &limit(1, 1.0, 1)).is_ok());
    }
}
