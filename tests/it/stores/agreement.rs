//! The statements and the pure rule agree, whatever stands in the rows.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use jiff::SignedDuration;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::civil::date;
use jiff::tz::TimeZone;
use kigen::domain::calendar::FirstDay;
use kigen::domain::rule::Candidate;
use kigen::domain::rule::Decision;
use kigen::domain::rule::Purpose;
use kigen::domain::rule::PurposeState;
use kigen::domain::rule::Rule;
use kigen::domain::rule::StartingPoint;
use kigen::job::Change;
use kigen::job::Condition;
use kigen::job::Disposal;
use kigen::job::Job;
use kigen::job::Marker;
use kigen::job::OnDispose;
use kigen::job::PurposeSource;
use kigen::job::StartingPointKind;
use kigen::job::StoredAs;
use kigen::job::Strategy as Replacing;
use kigen::store::Inventory;
use kigen::store::Survey;
use proptest::prelude::*;
use proptest::test_runner::Config;
use proptest::test_runner::TestError;
use proptest::test_runner::TestRunner;

use crate::support::Run;
use crate::support::TestStore;
use crate::support::column;
use crate::support::job;
use crate::support::on_every_engine;
use crate::support::reference;
use crate::support::stage;
use crate::support::texts;

on_every_engine!(
    statement_and_rule_agree_about_dates,
    statement_and_rule_agree_about_moments,
    statement_and_rule_agree_about_local_times,
    statement_and_rule_agree_about_unix_seconds,
);

const CASES: u32 = 40;

async fn statement_and_rule_agree_about_dates(store: &TestStore) {
    agree(store, Stored::Date).await;
}

async fn statement_and_rule_agree_about_moments(store: &TestStore) {
    agree(store, Stored::Moment).await;
}

async fn statement_and_rule_agree_about_local_times(store: &TestStore) {
    agree(store, Stored::LocalTime).await;
}

async fn statement_and_rule_agree_about_unix_seconds(store: &TestStore) {
    agree(store, Stored::UnixSeconds).await;
}

/// How the starting points of a case are stored.
#[derive(Clone, Copy, Debug)]
enum Stored {
    Date,
    Moment,
    LocalTime,
    UnixSeconds,
}

impl Stored {
    const fn type_name(self) -> &'static str {
        match self {
            Self::Date => "date",
            Self::Moment => "timestamptz",
            Self::LocalTime => "timestamp",
            Self::UnixSeconds => "bigint",
        }
    }
}

/// What stands in a starting point's column.
#[derive(Clone, Copy, Debug)]
enum Start {
    Null,
    /// No day of the calendar, where the type can hold one; else null.
    Garbage,
    /// Near the border of purpose 0, 1 or 2, or near the day of the decision.
    Near {
        border: usize,
        days: i8,
        seconds: i32,
    },
}

#[derive(Clone, Debug)]
struct RowPlan {
    starts: [Start; 3],
    kind: Option<u8>,
    grade: Option<u8>,
    marked: bool,
    disputed: bool,
}

#[derive(Clone, Debug)]
struct PurposePlan {
    period: &'static str,
    counted: bool,
    condition: Option<ConditionPlan>,
}

#[derive(Clone, Debug)]
struct ConditionPlan {
    on_grade: bool,
    values: Vec<u8>,
    negated: bool,
}

#[derive(Clone, Debug)]
struct Case {
    zone: &'static str,
    written_in: &'static str,
    as_of: Date,
    purposes: Vec<PurposePlan>,
    pseudonymizes: bool,
    rows: Vec<RowPlan>,
}

const ZONES: [&str; 3] = ["Asia/Tokyo", "UTC", "America/New_York"];
const COLUMNS: [&str; 3] = ["first_at", "second_at", "third_at"];

fn start() -> impl Strategy<Value = Start> {
    let seconds = prop::sample::select(vec![0, 0, -1, 1, 43_200, 3_600, -3_600]);
    prop_oneof![
        1 => Just(Start::Null),
        1 => Just(Start::Garbage),
        10 => (0..4_usize, -2..3_i8, seconds).prop_map(|(border, days, seconds)| Start::Near { border, days, seconds }),
    ]
}

fn row() -> impl Strategy<Value = RowPlan> {
    let code = || prop::option::weighted(0.8, 0..4_u8);
    let starts = [start(), start(), start()];
    (
        starts,
        code(),
        code(),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
    )
        .prop_map(|(starts, kind, grade, marked, disputed)| RowPlan {
            starts,
            kind,
            grade,
            marked,
            disputed,
        })
}

fn purpose_plan() -> impl Strategy<Value = PurposePlan> {
    let condition = (
        any::<bool>(),
        prop::collection::vec(0..4_u8, 1..3),
        any::<bool>(),
    )
        .prop_map(|(on_grade, values, negated)| ConditionPlan {
            on_grade,
            values,
            negated,
        });
    let periods = vec![
        "P0D", "P1D", "P2W", "P90D", "P1M", "P6M", "P1Y", "P1Y6M", "P3Y", "P10Y",
    ];
    (
        prop::sample::select(periods),
        any::<bool>(),
        prop::option::of(condition),
    )
        .prop_map(|(period, counted, condition)| PurposePlan {
            period,
            counted,
            condition,
        })
}

fn case() -> impl Strategy<Value = Case> {
    // Month ends, leap days, and the days of summer time in New York.
    let days = vec![
        date(2025, 4, 1),
        date(2025, 3, 1),
        date(2024, 2, 29),
        date(2024, 3, 1),
        date(2025, 3, 31),
        date(2024, 3, 10),
        date(2024, 3, 11),
        date(2024, 11, 3),
        date(2024, 11, 4),
        date(2026, 1, 1),
    ];
    let zone = || prop::sample::select(ZONES.to_vec());
    let purposes = prop::collection::vec(purpose_plan(), 1..4);
    let rows = prop::collection::vec(row(), 1..50);
    (
        zone(),
        zone(),
        prop::sample::select(days),
        purposes,
        any::<bool>(),
        rows,
    )
        .prop_map(
            |(zone, written_in, as_of, purposes, pseudonymizes, rows)| Case {
                zone,
                written_in,
                as_of,
                purposes,
                pseudonymizes,
                rows,
            },
        )
}

/// A row as it is stored, and as the rule should see it.
struct Written {
    sql: String,
    candidate: Candidate,
}

/// Writes a case, and says what the rule should see.
struct Writer<'a> {
    case: &'a Case,
    stored: Stored,
    zone: TimeZone,
    written_in: TimeZone,
    rule: Rule,
    conditions: Vec<Option<Condition>>,
    postgres: bool,
}

impl<'a> Writer<'a> {
    fn new(case: &'a Case, stored: Stored, postgres: bool) -> Self {
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

    fn job(&self) -> Job {
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

    fn row(&self, id: usize, plan: &RowPlan) -> Written {
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
                applies: condition.as_ref().is_none_or(|condition| {
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

/// What the pure rule says about all rows.
fn expected(writer: &Writer<'_>, rows: &[Written]) -> (Survey, BTreeSet<usize>) {
    let as_of = writer.case.as_of;
    let mut survey = Survey {
        total: rows.len() as u64,
        ..Survey::default()
    };
    let mut due = BTreeSet::new();
    let mut subjects = BTreeSet::new();
    for (id, row) in rows.iter().enumerate() {
        match writer.rule.decide(&row.candidate, as_of) {
            Decision::Dispose { expired_after, .. } => {
                due.insert(id);
                subjects.insert(id % 5);
                let days = i64::from((as_of - expired_after).get_days()) - 1;
                survey.oldest_overdue_days = survey.oldest_overdue_days.max(Some(days));
            }
            Decision::Retain(reason) => *survey.retained.entry(reason).or_default() += 1,
        }
    }
    survey.due.records = due.len() as u64;
    survey.due.subjects = subjects.len() as u64;
    (survey, due)
}

async fn agree(store: &TestStore, stored: Stored) {
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let opened = store.open().await;
    create(store, stored).await;
    let runs = std::cell::Cell::new(0);
    let checked = TestRunner::new(config).run(&case(), |case| {
        runs.set(runs.get() + 1);
        let run = Run::new(&format!("run-{}", runs.get()));
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(check(store, &opened, &run, &case, stored))
        })
    });
    if let Err(TestError::Fail(reason, case)) = checked {
        panic!("{reason}\nleast case: {case:#?}");
    }
}

async fn create(store: &TestStore, stored: Stored) {
    let at = stored.type_name();
    store
        .execute(&format!(
            "create table record (id bigint primary key, learner text not null, first_at {at}, second_at {at},
                third_at {at}, kind text, grade integer, done_on date, note text);
             create table dispute (id bigint primary key, record_id bigint)"
        ))
        .await;
}

async fn check(
    store: &TestStore,
    opened: &kigen::store::sql::SqlStore,
    run: &Run,
    case: &Case,
    stored: Stored,
) -> Result<(), TestCaseError> {
    let writer = Writer::new(case, stored, store.is_postgres());
    let rows: Vec<Written> = case
        .rows
        .iter()
        .enumerate()
        .map(|(id, plan)| writer.row(id, plan))
        .collect();
    let values: Vec<&str> = rows.iter().map(|row| row.sql.as_str()).collect();
    let disputes: String = (0..rows.len())
        .filter(|id| case.rows[*id].disputed)
        .map(|id| format!("insert into dispute values ({id}, {id});"))
        .collect();
    store
        .execute(&format!(
            "delete from dispute; delete from record; insert into record values {}; {disputes}",
            values.join(", ")
        ))
        .await;
    let job = writer.job();
    let (survey, due) = expected(&writer, &rows);
    prop_assert_eq!(opened.survey(&job, 0, case.as_of).await.unwrap(), survey);

    let outcome = run.dispose(opened, &job, 0, case.as_of).await;
    prop_assert!(outcome.stopped_by.is_none(), "{:?}", outcome.stopped_by);
    prop_assert_eq!(outcome.disposed, due.len() as u64);
    let ended_by: u64 = outcome.ended_by.values().sum();
    prop_assert_eq!(ended_by, outcome.disposed);
    let kept = store
        .column("select id from record where note is not null order by id")
        .await;
    let kept: BTreeSet<usize> = kept.iter().map(|id| id.parse().unwrap()).collect();
    let expected: BTreeSet<usize> = (0..rows.len()).filter(|id| !due.contains(id)).collect();
    prop_assert_eq!(kept, expected);
    let after = opened.survey(&job, 0, case.as_of).await.unwrap();
    prop_assert_eq!(after.due.records, 0);
    let added: BTreeMap<_, u64> = after.retained;
    prop_assert_eq!(added.values().sum::<u64>(), after.total);
    Ok(())
}
