//! Keys of every kind, and names of every spelling.

use jiff::civil::date;
use kigen::job::{Change, Disposal, Job, Marker, OnDispose, Strategy, TableName};
use kigen::store::{Disposer, Inventory};

use crate::support::{
    Run, TestStore, classified, column, condition, job, on_every_engine, purpose, reference, stage,
    texts,
};

on_every_engine!(
    records_are_removed_by_keys_of_every_kind,
    a_key_of_several_columns_names_one_record,
    a_table_may_lie_in_a_schema,
    names_may_have_capitals_blanks_quotes_and_japanese,
    a_record_without_a_key_is_left_alone,
);

const AS_OF: jiff::civil::Date = date(2025, 4, 1);

fn deleting(mut job: Job, key: &[&str]) -> Job {
    job.key = texts(key);
    job.stages = vec![stage(
        "delete",
        vec![purpose("course", "P1Y", column("ended_on"))],
        Disposal::Delete,
    )];
    job
}

/// Disposes in small batches, once by one statement a batch and once by key.
async fn assert_removed(store: &TestStore, job: &Job, name: &str, columns: &str, kept: &[&str]) {
    let opened = store.open().await;
    let fit = opened.inspect(job).await.unwrap();
    assert!(fit.problems.is_empty(), "{:?}", fit.problems);
    let table = match &job.table.schema {
        Some(schema) => format!("{schema}.{}", job.table.name),
        None => job.table.name.clone(),
    };
    store
        .execute(&format!("create table copy as select * from {table}"))
        .await;
    for by_key in [false, true] {
        let mut job = job.clone();
        job.limit.batch_size = 2;
        if by_key {
            store
                .execute(&format!(
                    "delete from {table}; insert into {table} select * from copy"
                ))
                .await;
            job.references = vec![reference(
                "naming",
                &[("named", &job.key[0])],
                OnDispose::Unlink,
            )];
        }
        let run = Run::new(&format!("{name}, by key: {by_key}"));
        let due = opened.survey(&job, 0, AS_OF).await.unwrap().due.records;
        let outcome = run.disposed(&opened, &job, 0, AS_OF).await;
        assert_eq!(outcome.disposed, due);
        let left = store
            .column(&format!("select {columns} from {table} order by 1"))
            .await;
        assert_eq!(left, kept, "{name}, by key: {by_key}");
        let records: u64 = run
            .journal(&opened)
            .await
            .iter()
            .map(|row| row.records)
            .sum();
        assert_eq!(records, due);
    }
    store.execute("drop table copy").await;
}

async fn records_are_removed_by_keys_of_every_kind(store: &TestStore) {
    let kinds: &[(&str, [&str; 4])] = &[
        (
            "bigint",
            ["1", "-2", "9007199254740993", "9223372036854775807"],
        ),
        ("integer", ["1", "-2", "7", "2147483647"]),
        ("smallint", ["1", "-2", "7", "32767"]),
        ("text", ["'a'", "'A'", "'鍵 \"''\\'", "''"]),
        ("varchar(20)", ["'a'", "'A'", "'鍵'", "''"]),
        ("char(5)", ["'a'", "'A'", "'bc'", "'d'"]),
        (
            "uuid",
            [
                "'018f0000-0000-7000-8000-000000000001'",
                "'018f0000-0000-7000-8000-000000000002'",
                "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
                "'00000000-0000-0000-0000-000000000000'",
            ],
        ),
        (
            "date",
            [
                "'2024-02-29'",
                "'0001-01-01'",
                "'9999-12-31'",
                "'2000-01-01'",
            ],
        ),
        ("numeric(12, 3)", ["1", "-2.5", "100000.125", "0"]),
    ];
    let more: &[(&str, [&str; 4])] = store.either(
        &[
            ("blob", ["x'00'", "x''", "x'ff00'", "x'61'"]),
            ("real", ["1", "-2.5", "1e100", "0.1"]),
        ],
        &[
            ("bytea", ["'\\x00'", "'\\x'", "'\\xff00'", "'\\x61'"]),
            ("double precision", ["1", "-2.5", "1e100", "0.1"]),
            (
                "timestamptz",
                [
                    "'2024-01-01 00:00:00.000001+00'",
                    "'1970-01-01 00:00:00+00'",
                    "'1969-12-31 23:59:59.999999+00'",
                    "'2024-01-01 00:00:00+09'",
                ],
            ),
            (
                "timestamp",
                [
                    "'2024-01-01 00:00:00.000001'",
                    "'1970-01-01'",
                    "'1969-12-31 23:59:59.999999'",
                    "'9999-12-31'",
                ],
            ),
            (
                "inet",
                ["'10.0.0.1'", "'::1'", "'10.0.0.0/8'", "'192.0.2.1'"],
            ),
            ("oid", ["1", "2", "4294967295", "7"]),
            ("learner_kind", ["'new'", "'left'", "'old'", "'gone'"]),
        ],
    );
    store
        .execute("create table naming (id bigint primary key, named text)")
        .await;
    if store.is_postgres() {
        store
            .execute("create type learner_kind as enum ('new', 'left', 'old', 'gone')")
            .await;
    }
    for (kind, keys) in kinds.iter().chain(more) {
        store
            .execute(&format!(
                "drop table if exists naming; create table naming (id bigint primary key, named {kind});
                 drop table if exists record;
                 create table record (id {kind} primary key, learner text, ended_on date, no bigint);
                 insert into record values ({}, 'a', '2020-01-01', 1), ({}, 'b', '2020-01-01', 2),
                    ({}, 'b', '2025-01-01', 3), ({}, 'c', '2020-01-01', 4)",
                keys[0], keys[1], keys[2], keys[3]
            ))
            .await;
        let job = deleting(job("record", &["id", "learner", "ended_on", "no"]), &["id"]);
        assert_removed(store, &job, kind, "no", &["3"]).await;
    }
}

async fn a_key_of_several_columns_names_one_record(store: &TestStore) {
    store
        .execute(
            "create table naming (id bigint primary key, named text);
             create table record (module text, taken_on date, id bigint, learner text, ended_on date,
                primary key (module, taken_on, id));
             insert into record values ('A', '2020-01-01', 1, 'a', '2020-01-01'), ('A', '2020-01-01', 2, 'b', '2025-01-01'),
                ('A', '2020-01-02', 1, 'a', '2020-01-01'), ('B', '2020-01-01', 1, 'c', '2025-01-01'),
                ('B', '2020-01-01', 2, 'c', '2020-01-01'), ('A', '2019-01-01', 3, 'd', '2020-01-01'),
                ('a', '2020-01-01', 1, 'e', '2025-01-01')",
        )
        .await;
    let columns = ["module", "taken_on", "id", "learner", "ended_on"];
    let job = deleting(job("record", &columns), &["module", "taken_on", "id"]);
    let kept = ["A/2020-01-01/2", "B/2020-01-01/1", "a/2020-01-01/1"];
    assert_removed(
        store,
        &job,
        "key",
        "module || '/' || taken_on || '/' || id",
        &kept,
    )
    .await;
}

async fn a_table_may_lie_in_a_schema(store: &TestStore) {
    let schema = store.either("main", "exam");
    if store.is_postgres() {
        store
            .execute("create schema exam; create table record (id text)")
            .await;
    }
    store
        .execute(&format!(
            "create table naming (id bigint primary key, named bigint);
             create table {schema}.record (id bigint primary key, learner text, ended_on date);
             insert into {schema}.record values (1, 'a', '2020-01-01'), (2, 'b', '2025-01-01')"
        ))
        .await;
    let job = deleting(
        job(&format!("{schema}.record"), &["id", "learner", "ended_on"]),
        &["id"],
    );
    assert_removed(store, &job, "schema", "id", &["2"]).await;
}

async fn names_may_have_capitals_blanks_quotes_and_japanese(store: &TestStore) {
    store
        .execute(
            r#"create table "Exam ""履歴"" -- x" ("Id Nr." bigint, "select" text, "受講者" text, "終了日; drop" date,
                "備考'" text, "Done At" date, primary key ("Id Nr.", "select"));
             create table "子 表" ("Kind ""Nr""" bigint primary key, "親 Id" bigint, "from" text);
             insert into "Exam ""履歴"" -- x" values (1, 'x', 'a', '2020-01-01', 'n', null), (2, 'x', 'a', '2025-01-01', 'n', null);
             insert into "子 表" values (1, 1, 'x'), (2, 2, 'x')"#,
        )
        .await;
    let columns = [
        "Id Nr.",
        "select",
        "受講者",
        "終了日; drop",
        "備考'",
        "Done At",
    ];
    let mut job = job("unused", &columns);
    job.table = TableName {
        schema: None,
        name: "Exam \"履歴\" -- x".to_owned(),
    };
    job.key = texts(&["Id Nr.", "select"]);
    job.subject.column = "受講者".to_owned();
    let mut children = reference(
        "子 表",
        &[("親 Id", "Id Nr."), ("from", "select")],
        OnDispose::GoesWith {
            key: texts(&["Kind \"Nr\""]),
            columns: classified(&["Kind \"Nr\"", "親 Id", "from"]),
        },
    );
    children.stages = texts(&["消去's"]);
    job.references = vec![children];
    let purposes = || vec![purpose("course", "P1Y", column("終了日; drop"))];
    let change = Change {
        column: "備考'".to_owned(),
        strategy: Strategy::Null,
    };
    let mut pseudonymize = stage(
        "仮名's",
        purposes(),
        Disposal::Pseudonymize {
            changes: vec![change],
            marker: Marker::Column("Done At".to_owned()),
        },
    );
    pseudonymize.sources[0].applies_when = Some(condition(column("備考'"), &["n", "o'clock"]));
    job.stages = vec![pseudonymize, stage("消去's", purposes(), Disposal::Delete)];
    let opened = store.open().await;
    let fit = opened.inspect(&job).await.unwrap();
    assert!(fit.problems.is_empty(), "{:?}", fit.problems);
    let run = Run::new("実行 'run'");
    assert_eq!(run.disposed(&opened, &job, 0, AS_OF).await.disposed, 1);
    let notes = store
        .column("select \"備考'\" from \"Exam \"\"履歴\"\" -- x\" order by 1")
        .await;
    assert_eq!(notes.iter().filter(|note| *note == "NULL").count(), 1);
    let outcome = Run::new("run 2").disposed(&opened, &job, 1, AS_OF).await;
    assert_eq!((outcome.disposed, outcome.gone_with["子 表"]), (1, 1));
    assert_eq!(
        store
            .column("select \"Kind \"\"Nr\"\"\" from \"子 表\"")
            .await,
        ["2"]
    );
    opened.close_fence("実行 'run'").await.unwrap();
}

async fn a_record_without_a_key_is_left_alone(store: &TestStore) {
    // SQLite lets a text primary key be null.
    let key = store.either("text primary key", "text unique");
    store
        .execute(&format!(
            "create table record (id {key}, learner text, ended_on date);
             insert into record values (null, 'a', '2020-01-01'), ('x', 'a', '2020-01-01'), (null, 'b', '2020-01-01')"
        ))
        .await;
    let job = deleting(job("record", &["id", "learner", "ended_on"]), &["id"]);
    let opened = store.open().await;
    if store.is_postgres() {
        let fit = opened.inspect(&job).await.unwrap();
        assert!(
            fit.problems[0].starts_with("key (id) of `record` is not unique"),
            "{:?}",
            fit.problems
        );
        return;
    }
    let outcome = Run::new("run").disposed(&opened, &job, 0, AS_OF).await;
    assert_eq!(outcome.disposed, 1);
    assert_eq!(
        store.column("select learner from record order by 1").await,
        ["a", "b"]
    );
}
