//! The statements and the pure rule agree, whatever stands in the rows.

mod cases;
mod writer;

use std::collections::{BTreeMap, BTreeSet};

use kigen::domain::rule::Decision;
use kigen::store::sql::SqlStore;
use kigen::store::{Inventory, Survey};
use kigen_evidence::statement::RetainReason;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};

use crate::support::{Run, TestStore, on_every_engine};
use cases::{Case, Stored, case};
use writer::{Writer, Written};

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
            Decision::Retain(reason) => {
                *survey.retained.entry(reason).or_default() += 1;
                if reason == RetainReason::Undatable {
                    let why = writer.rule.undatable(&row.candidate).unwrap();
                    *survey.undatable.entry(why).or_default() += 1;
                }
            }
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
    opened: &SqlStore,
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
