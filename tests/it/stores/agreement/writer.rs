//! A case as rows and as a job, and what the rule should see of it.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use kigen::domain::rule::{
    Applies, Candidate, EARLIEST_BELIEVED, Purpose, PurposeState, Rule, StartingPoint,
};
use kigen::job::{
    Change, Condition, Disposal, Job, Marker, OnDispose, PurposeSource, StoredAs,
    Strategy as Replacing,
};
use kigen_evidence::calendar::FirstDay;
use kigen_evidence::statement::StartingPointKind;

use super::cases::{Case, RowPlan, Start, Stored};
use crate::support::{column, job, reference, stage, texts};

const COLUMNS: [&str; 3] = ["first_at", "second_at", "third_at"];

/// A row as it is stored, and as the rule should see it.
pub(super) struct Written {
    pub(super) sql: String,
    pub(super) candidate: Candidate,
}

/// Writes a case, and says what the rule should see.
pub(super) struct Writer<'a> {
    pub(super) case: &'a Case,
    pub(super) stored: Stored,
    pub(super) zone: TimeZone,
    pub(super) written_in: TimeZone,
    pub(super) rule: Rule,
    pub(super) conditions: Vec<Option<Condition>>,
    pub(super) postgres: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(case: &'a Case, stored: Stored, postgres: bool) -> Self {
        let purposes = case
            .purposes
            .iter()
            .enumerate()
            .map(|(index, plan)| Purpose {
                name: format!("purpose-{index}"),
                period: plan.period.parse().unwrap(),
                first_day: if plan.counted {
                    FirstDay::Counted
                } else {
                    FirstDay::NotCounted
                },
                earliest: EARLIEST_BELIEVED,
            });
        let conditions = case.purposes.iter().map(|plan| {
            plan.condition.as_ref().map(|condition| Condition {
                column: column(if condition.on_grade { "grade" } else { "kind" }),
                values: condition
                    .values
                    .iter()
                    .map(|code| code_text(*code, condition.on_grade))
                    .collect(),
                negated: condition.negated,
            })
        });
        Self {
            case,
            stored,
            zone: TimeZone::get(case.zone).unwrap(),
            written_in: TimeZone::get(case.written_in).unwrap(),
            rule: Rule {
                purposes: purposes.collect(),
            },
            conditions: conditions.collect(),
            postgres,
        }
    }

    pub(super) fn job(&self) -> Job {
        let mut job = job(
            "record",
            &["id", "learner", "kind", "grade", "done_on", "note"],
        );
        job.time_zone = self.zone.clone();
        let stored_as = match self.stored {
            Stored::Date | Stored::Moment => StoredAs::Typed,
            Stored::LocalTime => StoredAs::LocalTime(self.written_in.clone()),
            Stored::UnixSeconds => StoredAs::UnixSeconds,
        };
        let sources = self
            .conditions
            .iter()
            .enumerate()
            .map(|(index, condition)| PurposeSource {
                kind: StartingPointKind::Collection,
                starts_at: column(COLUMNS[index]),
                stored_as: stored_as.clone(),
                applies_when: condition.clone(),
            });
        let disposal = if self.case.pseudonymizes {
            Disposal::Pseudonymize {
                changes: vec![Change {
                    column: "note".to_owned(),
                    strategy: Replacing::Null,
                }],
                marker: Marker::Column("done_on".to_owned()),
            }
        } else {
            Disposal::Delete
        };
        let purposes = self.rule.purposes.iter().cloned().zip(sources).collect();
        job.stages = vec![stage("delete", purposes, disposal)];
        job.references = vec![reference(
            "dispute",
            &[("record_id", "id")],
            OnDispose::Blocks,
        )];
        job.limit.batch_size = 7;
        job
    }

    pub(super) fn row(&self, id: usize, plan: &RowPlan) -> Written {
        let starts: Vec<(String, StartingPoint)> =
            plan.starts.iter().map(|start| self.start(*start)).collect();
        let text = |code: Option<u8>, grade| code.map(|code| code_text(code, grade));
        let kind = text(plan.kind, false);
        let grade = text(plan.grade, true);
        let purposes = self
            .conditions
            .iter()
            .zip(&starts)
            .map(|(condition, (_, start))| PurposeState {
                applies: condition.as_ref().map_or(Applies::Yes, |condition| {
                    let value = if condition.column.column == "grade" {
                        &grade
                    } else {
                        &kind
                    };
                    condition.holds(value.as_deref())
                }),
                start: *start,
            });
        let candidate = Candidate {
            purposes: purposes.collect(),
            already_disposed: plan.marked && self.case.pseudonymizes,
            referenced: plan.disputed,
        };
        let quoted = |text: Option<String>| {
            text.map_or_else(|| "null".to_owned(), |text| format!("'{text}'"))
        };
        let columns: Vec<&str> = starts.iter().map(|(sql, _)| sql.as_str()).collect();
        let sql = format!(
            "({id}, 'learner-{}', {}, {}, {}, {}, 'note')",
            id % 5,
            columns.join(", "),
            quoted(kind),
            grade.unwrap_or_else(|| "null".to_owned()),
            if plan.marked { "'2020-01-01'" } else { "null" }
        );
        Written { sql, candidate }
    }

    fn start(&self, start: Start) -> (String, StartingPoint) {
        match start {
            Start::Null => ("null".to_owned(), StartingPoint::Missing),
            Start::Garbage => self.garbage(),
            Start::Old { days, seconds } => {
                let day = jiff::civil::date(1994, 12, 30) + jiff::Span::new().days(days);
                let moment = day.to_zoned(self.zone.clone()).unwrap().timestamp()
                    + SignedDuration::from_secs(seconds.into());
                self.written(day, moment)
            }
            Start::Near {
                border,
                days,
                seconds,
            } => {
                let mut borders = self.rule.cutoffs(self.case.as_of);
                borders.push(self.case.as_of.tomorrow().unwrap());
                let day =
                    borders[border % borders.len()].saturating_add(jiff::Span::new().days(days));
                let moment = day.to_zoned(self.zone.clone()).unwrap().timestamp()
                    + SignedDuration::from_secs(seconds.into());
                self.written(day, moment)
            }
        }
    }

    fn garbage(&self) -> (String, StartingPoint) {
        let sql = match (self.stored, self.postgres) {
            (Stored::UnixSeconds, true) => "null",
            (_, true) => "'infinity'",
            (Stored::Date, false) => "'2024-02-30'",
            (Stored::Moment | Stored::LocalTime, false) => "'2024-02-30 12:00:00'",
            (Stored::UnixSeconds, false) => "'soon'",
        };
        let start = if sql == "null" {
            StartingPoint::Missing
        } else {
            StartingPoint::Unreadable
        };
        (sql.to_owned(), start)
    }

    fn written(&self, day: Date, moment: Timestamp) -> (String, StartingPoint) {
        let day_of =
            |moment: Timestamp| StartingPoint::On(moment.to_zoned(self.zone.clone()).date());
        match self.stored {
            Stored::Date => (format!("'{day}'"), StartingPoint::On(day)),
            Stored::Moment => {
                let offset = if self.postgres { "+00" } else { "" };
                let text = moment.strftime("%Y-%m-%d %H:%M:%S");
                (format!("'{text}{offset}'"), day_of(moment))
            }
            Stored::LocalTime => {
                let local = moment.to_zoned(self.written_in.clone()).datetime();
                // Of the two times of an autumn night, the earlier is meant.
                let meant = local.to_zoned(self.written_in.clone()).unwrap().timestamp();
                (
                    format!("'{}'", local.strftime("%Y-%m-%d %H:%M:%S")),
                    day_of(meant),
                )
            }
            Stored::UnixSeconds => (moment.as_second().to_string(), day_of(moment)),
        }
    }
}

fn code_text(code: u8, grade: bool) -> String {
    if grade {
        code.to_string()
    } else {
        texts(&["Pass", "Fail", "Withdrawn", "合格"])[usize::from(code)].clone()
    }
}
