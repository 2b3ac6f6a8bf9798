//! Counting: every record once, by the first reason that holds.

use jiff::civil::date;
use kigen::domain::rule::Decision;
use kigen::job::{Change, Disposal, Job, Join, Marker, OnDispose, Strategy};
use kigen::store::{Due, Inventory};
use kigen_evidence::statement::RetainReason;
use std::collections::BTreeMap;

use crate::support::{
    Run, TestStore, column, condition, job, joined, matches, on_every_engine, purpose, reference,
    stage, table,
};

on_every_engine!(
    a_survey_counts_every_record_once_by_the_first_reason_that_holds,
    an_empty_table_has_nothing_due,
    a_record_looked_up_by_its_key_is_decided_as_the_survey_counts_it,
    conditions_and_starting_points_may_stand_in_joined_tables,
    a_condition_reads_a_padded_text_as_the_database_compares_it,
);

pub(super) const AS_OF: jiff::civil::Date = date(2025, 4, 1);

fn pseudonymizing() -> Job {
    let mut job = job("record", &["id", "learner", "ended_on", "done_on"]);
    let disposal = Disposal::Pseudonymize {
        changes: vec![Change {
            column: "learner".to_owned(),
            strategy: Strategy::Text("-".to_owned()),
        }],
        marker: Marker::Column("done_on".to_owned()),
    };
    job.stages = vec![stage(
        "delete",
        vec![purpose("course", "P1Y", column("ended_on"))],
        disposal,
    )];
    job.references = vec![reference(
        "dispute",
        &[("record_id", "id")],
        OnDispose::Blocks,
    )];
    job
}

async fn fill(store: &TestStore) {
    store
        .execute(
            "create table record (id bigint primary key, learner text not null, ended_on date, done_on date);
             create table dispute (id bigint primary key, record_id bigint references record (id));
             create index dispute_record on dispute (record_id);
             insert into record values
                (1, 'a', '2024-03-31', null), (2, 'a', '2024-01-31', null), (3, 'b', '2024-03-30', null),
                (4, 'c', '2024-04-01', null), (5, 'c', null, null), (6, 'c', '2025-04-02', null),
                (7, 'd', '2020-01-01', '2024-01-01'), (8, 'e', '2020-01-01', null), (9, 'e', '2025-04-01', null);
             insert into dispute values (1, 8), (2, 4), (3, null)",
        )
        .await;
}

async fn a_survey_counts_every_record_once_by_the_first_reason_that_holds(store: &TestStore) {
    fill(store).await;
    let survey = store
        .open()
        .await
        .survey(&pseudonymizing(), 0, AS_OF)
        .await
        .unwrap();
    assert_eq!(survey.total, 9);
    assert_eq!(
        survey.due,
        Due {
            records: 3,
            subjects: 2
        }
    );
    let retained = BTreeMap::from([
        (RetainReason::AlreadyDisposed, 1),
        (RetainReason::Undatable, 1),
        (RetainReason::StartsInFuture, 1),
        (RetainReason::NotExpired, 2),
        (RetainReason::Referenced, 1),
    ]);
    assert_eq!(survey.retained, retained);
    // Started on 2024-01-31, so due since 2025-02-01.
    assert_eq!(survey.oldest_overdue_days, Some(59));
}

async fn an_empty_table_has_nothing_due(store: &TestStore) {
    fill(store).await;
    store
        .execute("delete from dispute; delete from record")
        .await;
    let opened = store.open().await;
    let survey = opened.survey(&pseudonymizing(), 0, AS_OF).await.unwrap();
    assert_eq!(survey, kigen::store::Survey::default());
    let outcome = Run::new("run")
        .disposed(&opened, &pseudonymizing(), 0, AS_OF)
        .await;
    assert_eq!(outcome.disposed, 0);
}

async fn a_record_looked_up_by_its_key_is_decided_as_the_survey_counts_it(store: &TestStore) {
    fill(store).await;
    let opened = store.open().await;
    let job = pseudonymizing();
    let mut counts: BTreeMap<RetainReason, u64> = BTreeMap::new();
    let mut due = 0;
    for id in 1..=9 {
        let found = opened.find(&job, &[id.to_string()]).await.unwrap().unwrap();
        match job.stages[0].rule.decide(&found.candidates[0], AS_OF) {
            Decision::Dispose { .. } => due += 1,
            Decision::Retain(reason) => *counts.entry(reason).or_default() += 1,
        }
    }
    let survey = opened.survey(&job, 0, AS_OF).await.unwrap();
    assert_eq!((due, counts), (survey.due.records, survey.retained));
    assert!(
        opened
            .find(&job, &["10".to_owned()])
            .await
            .unwrap()
            .is_none()
    );
    let error = opened.find(&job, &[]).await.unwrap_err();
    assert_eq!(error.to_string(), "the key of `record` has 1 columns: id");
}

async fn conditions_and_starting_points_may_stand_in_joined_tables(store: &TestStore) {
    store
        .execute(
            "create table record (id bigint primary key, learner text, module text);
             create table enrolment (learner text, module text, result text, ended_on date, primary key (learner, module));
             create table learner (learner text primary key, left_on date);
             insert into learner values ('a', '2021-02-01'), ('b', '2024-12-31'), ('c', null);
             insert into enrolment values ('a', 'M', 'Fail', '2023-01-01'), ('b', 'M', 'Fail', '2023-01-01'),
                ('b', 'N', 'Pass', '2023-01-01'), ('c', 'M', null, '2023-01-01'), ('c', 'N', 'Pass', '2025-01-01');
             insert into record values (1, 'a', 'M'), (2, 'b', 'M'), (3, 'b', 'N'), (4, 'c', 'M'), (5, 'c', 'N'), (6, 'd', 'M')",
        )
        .await;
    let mut job = job("record", &["id", "learner", "module"]);
    job.joins = vec![
        Join {
            name: "enrolment".to_owned(),
            table: table("enrolment"),
            on: matches(&[("learner", "learner"), ("module", "module")]),
        },
        Join {
            name: "person".to_owned(),
            table: table("learner"),
            on: vec![kigen::job::Match {
                theirs: "learner".to_owned(),
                ours: joined("enrolment", "learner"),
            }],
        },
    ];
    let course = purpose("course", "P1Y", joined("enrolment", "ended_on"));
    let (screening, mut source) = purpose("screening", "P3Y", joined("person", "left_on"));
    source.applies_when = Some(condition(
        joined("enrolment", "result"),
        &["Fail", "Withdrawn"],
    ));
    job.stages = vec![stage(
        "delete",
        vec![course, (screening, source)],
        Disposal::Delete,
    )];
    let opened = store.open().await;
    assert!(opened.inspect(&job).await.unwrap().problems.is_empty());
    let survey = opened.survey(&job, 0, AS_OF).await.unwrap();
    assert_eq!(
        survey.due,
        Due {
            records: 2,
            subjects: 2
        },
        "{survey:?}"
    );
    assert_eq!(
        survey.retained[&RetainReason::Undatable],
        2,
        "no enrolment; unknown result and no end"
    );
    assert_eq!(survey.retained[&RetainReason::NotExpired], 2);
    let outcome = Run::new("run").disposed(&opened, &job, 0, AS_OF).await;
    assert_eq!(
        outcome.ended_by,
        BTreeMap::from([("course".to_owned(), 1), ("screening".to_owned(), 1)])
    );
    assert_eq!(
        store.column("select id from record order by id").await,
        ["2", "4", "5", "6"]
    );
}

async fn a_condition_reads_a_padded_text_as_the_database_compares_it(store: &TestStore) {
    store
        .execute(
            "create table record (id bigint primary key, learner text, at date, kind char(5), open boolean);
             insert into record values (1, 'a', '2020-01-01', 'ab', true), (2, 'a', '2020-01-01', 'cd', true),
                (3, 'a', '2020-01-01', 'ab', false)",
        )
        .await;
    let mut job = job("record", &["id", "learner", "at", "kind", "open"]);
    let course = |name: &str, at: &str, values: &[&str]| {
        let (purpose, mut source) = purpose(name, "P1Y", column("at"));
        source.applies_when = Some(condition(column(at), values));
        (purpose, source)
    };
    let open = store.either("1", "true");
    let kind = course("kind", "kind", &["ab"]);
    job.stages = vec![stage(
        "delete",
        vec![kind, course("open", "open", &[open])],
        Disposal::Delete,
    )];
    let outcome = Run::new("run")
        .disposed(&store.open().await, &job, 0, AS_OF)
        .await;
    assert_eq!(outcome.disposed, 3);
    assert_eq!(
        outcome.ended_by,
        BTreeMap::from([("kind".to_owned(), 2), ("open".to_owned(), 1)])
    );
}
