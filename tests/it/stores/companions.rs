//! Rows of other tables: gone with a record, unlinked from it, or keeping it.

use std::collections::BTreeMap;

use jiff::civil::{Date, date};
use kigen::job::{Disposal, Job, OnDispose, Reference};
use kigen::store::Inventory;
use kigen_evidence::statement::RetainReason;

use crate::support::{
    Run, TestStore, column, goes_with, job, on_every_engine, purpose, reference, stage, table,
    texts,
};

on_every_engine!(
    rows_of_rows_go_with_the_record_they_name_and_are_counted,
    composite_keys_lead_from_row_to_row,
    unlinked_rows_stay_and_name_nobody,
    a_blocking_row_keeps_its_record_and_is_reported,
    a_row_that_two_records_name_goes_once,
    rows_of_another_stage_stay,
);

const AS_OF: Date = date(2025, 4, 1);

fn deleting(mut job: Job, references: Vec<Reference>) -> Job {
    job.stages = vec![stage(
        "delete",
        vec![purpose("course", "P1Y", column("ended_on"))],
        Disposal::Delete,
    )];
    job.references = references;
    job.limit.batch_size = 2;
    job
}

fn counts(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
    pairs
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

async fn assert_fits(store: &TestStore, job: &Job) {
    let fit = store.open().await.inspect(job).await.unwrap();
    assert!(fit.problems.is_empty(), "{:?}", fit.problems);
}

async fn rows_of_rows_go_with_the_record_they_name_and_are_counted(store: &TestStore) {
    store
        .execute(
            "create table record (id bigint primary key, learner text, ended_on date);
             create table answer (no text primary key, record_id bigint not null references record (id), body text);
             create index answer_record on answer (record_id);
             create table remark (id bigint primary key, answer_no text references answer (no));
             create index remark_answer on remark (answer_no);
             insert into record values (1, 'a', '2020-01-01'), (2, 'b', '2020-01-01'), (3, 'c', '2025-01-01'), (4, 'd', '2020-01-01');
             insert into answer values ('1a', 1, 'x'), ('1b', 1, 'x'), ('2a', 2, 'x'), ('3a', 3, 'x');
             insert into remark values (1, '1a'), (2, '1a'), (3, '1b'), (4, '3a'), (5, null)",
        )
        .await;
    let answers = reference(
        "answer",
        &[("record_id", "id")],
        goes_with(&["no"], &["no", "record_id", "body"]),
    );
    let mut remarks = reference(
        "remark",
        &[("answer_no", "no")],
        goes_with(&["id"], &["id", "answer_no"]),
    );
    remarks.of = Some(table("answer"));
    let job = deleting(
        job("record", &["id", "learner", "ended_on"]),
        vec![answers, remarks],
    );
    assert_fits(store, &job).await;
    let opened = store.open().await;
    let run = Run::new("run");
    let outcome = run.disposed(&opened, &job, 0, AS_OF).await;
    assert_eq!(outcome.disposed, 3);
    assert_eq!(outcome.gone_with, counts(&[("answer", 3), ("remark", 3)]));
    assert_eq!(store.column("select id from record").await, ["3"]);
    assert_eq!(store.column("select no from answer").await, ["3a"]);
    assert_eq!(
        store.column("select id from remark order by id").await,
        ["4", "5"]
    );
    let mut by_target: BTreeMap<u16, u64> = BTreeMap::new();
    for row in run.journal(&opened).await {
        *by_target.entry(row.target).or_default() += row.records;
        assert_eq!(
            row.ended_by.is_empty(),
            row.target != 0,
            "only the record itself has purposes"
        );
    }
    assert_eq!(by_target, BTreeMap::from([(0, 3), (1, 3), (2, 3)]));
}

async fn composite_keys_lead_from_row_to_row(store: &TestStore) {
    store
        .execute(
            "create table record (module text, no integer, learner text, ended_on date, primary key (module, no));
             create table answer (module text, no bigint, question integer, primary key (module, no, question));
             create table remark (id bigint primary key, question integer, no integer, module varchar(9));
             insert into record values ('A', 1, 'a', '2020-01-01'), ('A', 2, 'b', '2025-01-01'), ('B', 1, 'c', '2025-01-01'), ('B', 2, 'd', '2020-01-01');
             insert into answer values ('A', 1, 1), ('A', 1, 2), ('A', 2, 1), ('B', 1, 1), ('B', 2, 2), ('C', 1, 1);
             insert into remark values (1, 1, 1, 'A'), (2, 2, 1, 'A'), (3, 1, 2, 'A'), (4, 1, 1, 'B'), (5, 2, 2, 'B'), (6, 9, 2, 'B')",
        )
        .await;
    let answers = reference(
        "answer",
        &[("module", "module"), ("no", "no")],
        goes_with(&["module", "no", "question"], &["module", "no", "question"]),
    );
    let mut remarks = reference(
        "remark",
        &[("no", "no"), ("module", "module"), ("question", "question")],
        goes_with(&["id"], &["id", "question", "no", "module"]),
    );
    remarks.of = Some(table("answer"));
    let mut job = deleting(
        job("record", &["module", "no", "learner", "ended_on"]),
        vec![answers, remarks],
    );
    job.key = texts(&["module", "no"]);
    assert_fits(store, &job).await;
    let outcome = Run::new("run")
        .disposed(&store.open().await, &job, 0, AS_OF)
        .await;
    assert_eq!(outcome.gone_with, counts(&[("answer", 3), ("remark", 3)]));
    let answers = store
        .column("select module || no || question from answer order by 1")
        .await;
    assert_eq!(answers, ["A21", "B11", "C11"]);
    assert_eq!(
        store.column("select id from remark order by id").await,
        ["3", "4", "6"]
    );
}

async fn unlinked_rows_stay_and_name_nobody(store: &TestStore) {
    store
        .execute(
            "create table record (id bigint primary key, learner text, ended_on date);
             create table invoice (id bigint primary key, record_id bigint references record (id), amount integer);
             create index invoice_record on invoice (record_id);
             insert into record values (1, 'a', '2020-01-01'), (2, 'b', '2025-01-01'), (3, 'a', '2020-01-01'), (4, 'a', '2020-01-01');
             insert into invoice values (1, 1, 10), (2, 2, 20), (3, 3, 30), (4, 1, 40), (5, null, 50)",
        )
        .await;
    let invoices = reference("invoice", &[("record_id", "id")], OnDispose::Unlink);
    let job = deleting(
        job("record", &["id", "learner", "ended_on"]),
        vec![invoices],
    );
    assert_fits(store, &job).await;
    let outcome = Run::new("run")
        .disposed(&store.open().await, &job, 0, AS_OF)
        .await;
    assert_eq!((outcome.disposed, outcome.gone_with.len()), (3, 0));
    let linked = store
        .column("select record_id from invoice order by id")
        .await;
    assert_eq!(linked, ["NULL", "2", "NULL", "NULL", "NULL"]);
    assert_eq!(
        store.column("select sum(amount) from invoice").await,
        ["150"]
    );
}

async fn a_blocking_row_keeps_its_record_and_is_reported(store: &TestStore) {
    store
        .execute(
            "create table record (id bigint primary key, learner text, ended_on date);
             create table dispute (id bigint primary key, record_id bigint);
             create table answer (id bigint primary key, record_id bigint);
             insert into record values (1, 'a', '2020-01-01'), (2, 'b', '2020-01-01'), (3, 'c', '2025-01-01');
             insert into dispute values (1, 2), (2, 2), (3, 3), (4, null);
             insert into answer values (1, 1), (2, 2)",
        )
        .await;
    let disputes = reference("dispute", &[("record_id", "id")], OnDispose::Blocks);
    let answers = reference(
        "answer",
        &[("record_id", "id")],
        goes_with(&["id"], &["id", "record_id"]),
    );
    for references in [vec![disputes.clone(), answers], vec![disputes]] {
        let job = deleting(job("record", &["id", "learner", "ended_on"]), references);
        let opened = store.open().await;
        let survey = opened.survey(&job, 0, AS_OF).await.unwrap();
        assert_eq!(survey.retained[&RetainReason::Referenced], 1);
        let name = format!("run with {}", job.references.len());
        let disposed = Run::new(&name)
            .disposed(&opened, &job, 0, AS_OF)
            .await
            .disposed;
        assert_eq!(disposed, u64::from(job.references.len() == 2));
        assert_eq!(
            store.column("select id from record order by id").await,
            ["2", "3"]
        );
        assert_eq!(store.column("select id from answer").await, ["2"]);
    }
}

async fn a_row_that_two_records_name_goes_once(store: &TestStore) {
    store
        .execute(
            "create table record (id bigint primary key, learner text, ended_on date);
             create table pair (id bigint primary key, one bigint, other bigint);
             insert into record values (1, 'a', '2020-01-01'), (2, 'b', '2020-01-01'), (3, 'c', '2025-01-01');
             insert into pair values (1, 1, 2), (2, 2, 1), (3, 1, 1), (4, 3, 2), (5, 3, 3)",
        )
        .await;
    let columns = ["id", "one", "other"];
    let references = ["one", "other"]
        .map(|named| reference("pair", &[(named, "id")], goes_with(&["id"], &columns)));
    let job = deleting(
        job("record", &["id", "learner", "ended_on"]),
        references.to_vec(),
    );
    let opened = store.open().await;
    let run = Run::new("run");
    let outcome = run.disposed(&opened, &job, 0, AS_OF).await;
    assert_eq!(outcome.gone_with, counts(&[("pair", 4)]));
    assert_eq!(store.column("select id from pair").await, ["5"]);
    let gone: u64 = run
        .journal(&opened)
        .await
        .iter()
        .filter(|row| row.target > 0)
        .map(|row| row.records)
        .sum();
    assert_eq!(gone, 4);
}

async fn rows_of_another_stage_stay(store: &TestStore) {
    store
        .execute(
            "create table record (id bigint primary key, learner text, ended_on date);
             create table answer (id bigint primary key, record_id bigint);
             insert into record values (1, 'a', '2020-01-01');
             insert into answer values (1, 1)",
        )
        .await;
    let mut answers = reference(
        "answer",
        &[("record_id", "id")],
        goes_with(&["id"], &["id", "record_id"]),
    );
    answers.stages = texts(&["another"]);
    let job = deleting(job("record", &["id", "learner", "ended_on"]), vec![answers]);
    let outcome = Run::new("run")
        .disposed(&store.open().await, &job, 0, AS_OF)
        .await;
    assert_eq!((outcome.disposed, outcome.gone_with.len()), (1, 0));
    assert_eq!(store.column("select id from answer").await, ["1"]);
}
