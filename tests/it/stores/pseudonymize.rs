//! Pseudonymization: what is written, and that it is written once.

use jiff::civil::{Date, date};
use kigen::job::{Change, Disposal, Generalize, Job, Marker, Strategy};
use kigen::pseudonym::token::{TokenShape, Tokenizer};
use kigen::store::Inventory;
use kigen_evidence::value::Value;

use crate::support::{Run, TestStore, column, job, on_every_engine, purpose, stage, texts};

on_every_engine!(
    every_strategy_writes_what_it_says_and_null_stays_null,
    equal_values_get_equal_tokens_in_every_table,
    a_pass_in_small_batches_rewrites_every_due_record_once,
);

pub(super) const AS_OF: Date = date(2025, 4, 1);

pub(super) fn change(name: &str, strategy: Strategy) -> Change {
    Change {
        column: name.to_owned(),
        strategy,
    }
}

pub(super) fn token(context: &str, range: Option<(i64, i64)>) -> Strategy {
    Strategy::Token {
        context: context.to_owned(),
        range,
    }
}

fn text(text: &str) -> Strategy {
    Strategy::Text(text.to_owned())
}

/// Stage `pseudonymize` after one year, stage `delete` after ten.
pub(super) fn two_stages(mut job: Job, changes: Vec<Change>, marker: Marker) -> Job {
    let disposal = Disposal::Pseudonymize { changes, marker };
    job.stages = vec![
        stage(
            "pseudonymize",
            vec![purpose("course", "P1Y", column("ended_on"))],
            disposal,
        ),
        stage(
            "delete",
            vec![purpose("statistics", "P10Y", column("ended_on"))],
            Disposal::Delete,
        ),
    ];
    job
}

pub(super) async fn assert_fits(store: &TestStore, job: &Job) {
    let fit = store.open().await.inspect(job).await.unwrap();
    assert!(fit.problems.is_empty(), "{:?}", fit.problems);
}

const RANGE: (i64, i64) = (-(1 << 50), -1);

fn every_strategy() -> Vec<Change> {
    let generalize = |how| Strategy::Generalize(how);
    vec![
        change("name", Strategy::Null),
        change("kana", text("削除's \"済\"")),
        change("mail", token("mail", None)),
        change("learner", token("learner", None)),
        change("number", token("number", Some(RANGE))),
        change("born_on", generalize(Generalize::Year)),
        change("joined_on", generalize(Generalize::Month)),
        change("paid_on", generalize(Generalize::FiscalYear)),
        change(
            "postal_code",
            generalize(Generalize::PostalPrefix { characters: 3 }),
        ),
        change("address", generalize(Generalize::Prefecture)),
        change("score", generalize(Generalize::Band { width: 10 })),
        change("points", generalize(Generalize::Band { width: 5 })),
        change("note", Strategy::Truncate { characters: 2 }),
        change("visits", Strategy::Null),
    ]
}

async fn every_strategy_writes_what_it_says_and_null_stays_null(store: &TestStore) {
    store
        .execute(
            "create table record (id bigint primary key, learner uuid, name text, kana varchar(20), mail varchar(60),
                number bigint, born_on date, joined_on date, paid_on date, postal_code varchar(8), address text,
                score integer, points numeric(6, 2), note text, visits integer, ended_on date, done_at timestamp);
             insert into record values (1, '018f0000-0000-7000-8000-000000000001', '山田 太郎', 'ヤマダ', 'taro@example.jp', 42,
                '1998-07-23', '2020-05-17', '2021-03-31', '150-0002', '東京都渋谷区', 57, 12.34, '要確認です', 3, '2020-01-01', null);
             insert into record (id, ended_on) values (2, '2020-01-01'), (3, '2025-01-01')",
        )
        .await;
    let columns = [
        "id",
        "learner",
        "name",
        "kana",
        "mail",
        "number",
        "born_on",
        "joined_on",
        "paid_on",
        "postal_code",
        "address",
        "score",
        "points",
        "note",
        "visits",
        "ended_on",
        "done_at",
    ];
    let marker = Marker::Column("done_at".to_owned());
    let job = two_stages(job("record", &columns), every_strategy(), marker);
    assert_fits(store, &job).await;
    let run = Run::new("run");
    assert_eq!(
        run.disposed(&store.open().await, &job, 0, AS_OF)
            .await
            .disposed,
        2
    );

    let key = run.context.token_key.0;
    let shown = |context: &str, value: Value, shape| {
        Tokenizer::new(&key, context)
            .token(&value, shape)
            .store_text()
    };
    let uuid = *uuid::Uuid::from_u128(0x018f_0000_0000_7000_8000_0000_0000_0001).as_bytes();
    let learner = store.either(
        shown(
            "learner",
            Value::Text("018f0000-0000-7000-8000-000000000001".to_owned()),
            TokenShape::Text,
        ),
        shown("learner", Value::Uuid(uuid), TokenShape::Uuid),
    );
    let mail = shown(
        "mail",
        Value::Text("taro@example.jp".to_owned()),
        TokenShape::Text,
    );
    let (least, greatest) = RANGE;
    let number = shown(
        "number",
        Value::Int(42),
        TokenShape::Integer { least, greatest },
    );
    let some = |text: &str| Some(text.to_owned());
    let points = store.either("10", "10.00");
    let kana = some("削除's \"済\"");
    let row = |sql: &'static str| async move { store.rows(sql).await.swap_remove(0) };
    let names = "learner, name, kana, mail, number";
    let people = store
        .rows(&format!("select {names} from record order by id"))
        .await;
    assert_eq!(people[0], [learner, None, kana.clone(), mail, number]);
    assert_eq!(people[1], [None, None, kana, None, None]);
    assert_eq!(people[2], [None, None, None, None, None]);
    let coarse = row(
        "select born_on, joined_on, paid_on, postal_code, address, score, points, note, visits from record where id = 1",
    );
    let expected = [
        "1998-01-01",
        "2020-05-01",
        "2020-04-01",
        "150",
        "東京都",
        "50",
        points,
        "要確",
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|text| some(text))
        .chain([None])
        .collect();
    assert_eq!(coarse.await, expected);
    let nulls = "select born_on, joined_on, paid_on, postal_code, address, score, points, note, visits from record where id = 2";
    assert_eq!(row(nulls).await, vec![None; 9]);
    let marked = store.column("select done_at from record order by id").await;
    assert_eq!(
        marked,
        ["2025-04-01 03:04:05", "2025-04-01 03:04:05", "NULL"]
    );
}

async fn equal_values_get_equal_tokens_in_every_table(store: &TestStore) {
    store
        .execute(
            "create table record (id bigint primary key, learner integer, note varchar(26), ended_on date, done_on date);
             create table attempt (no text primary key, who bigint, remark text, ended_on date, done_on date);
             insert into record values (1, 7, 'x', '2020-01-01', null), (2, 8, 'y', '2020-01-01', null);
             insert into attempt values ('a', 7, 'x', '2020-01-01', null), ('b', 7, 'y', '2020-01-01', null), ('c', 8, null, '2020-01-01', null)",
        )
        .await;
    let marker = || Marker::Column("done_on".to_owned());
    let changes = |id: &str, note: &str| {
        vec![
            change(id, token("learner", Some((-2_000_000_000, -1)))),
            change(note, token("note", None)),
        ]
    };
    let records = two_stages(
        job("record", &["id", "learner", "note", "ended_on", "done_on"]),
        changes("learner", "note"),
        marker(),
    );
    let mut attempts = two_stages(
        job("attempt", &["no", "who", "remark", "ended_on", "done_on"]),
        changes("who", "remark"),
        marker(),
    );
    attempts.key = texts(&["no"]);
    attempts.subject.column = "who".to_owned();
    let opened = store.open().await;
    assert_eq!(
        Run::new("run 1")
            .disposed(&opened, &records, 0, AS_OF)
            .await
            .disposed,
        2
    );
    assert_eq!(
        Run::new("run 2")
            .disposed(&opened, &attempts, 0, AS_OF)
            .await
            .disposed,
        3
    );
    let joined = "select no, id from attempt join record on who = learner order by no";
    let pairs = store.rows(joined).await;
    let pairs: Vec<String> = pairs
        .into_iter()
        .map(|row| row.into_iter().flatten().collect())
        .collect();
    assert_eq!(pairs, ["a1", "b1", "c2"]);
    let notes = store
        .column("select no from attempt join record on remark = note order by no")
        .await;
    assert_eq!(notes, ["a", "b"]);
    assert_eq!(
        store
            .column("select count(*) from record where learner between 0 and 10")
            .await,
        ["0"]
    );
}

async fn a_pass_in_small_batches_rewrites_every_due_record_once(store: &TestStore) {
    // Rewritten rows move to the end of the table; the pass must not meet its own work.
    let series = store.either(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000) select i from n",
        "select i from generate_series(1, 2000) i",
    );
    store
        .execute(&format!(
            "create table record (id bigint primary key, learner text, note text, ended_on date, visits integer, done_on date);
             insert into record select i, 'l' || (i % 50), 'note ' || i, case when i % 3 = 0 then '2025-01-01' else '2020-01-01' end{}, 0, null from ({series}) s",
            store.either("", "::date")
        ))
        .await;
    let columns = ["id", "learner", "note", "ended_on", "visits", "done_on"];
    for (stage, marker) in [
        (0, Marker::Column("done_on".to_owned())),
        (1, Marker::Table),
    ] {
        let mut job = two_stages(
            job("record", &columns),
            vec![change("note", token("note", None))],
            marker,
        );
        job.limit.batch_size = 20;
        // No token is made of a token.
        store
            .execute("update record set note = 'note ' || id")
            .await;
        let run = Run::new(&format!("run {stage}"));
        let outcome = run.disposed(&store.open().await, &job, 0, AS_OF).await;
        assert_eq!(outcome.disposed, 1334);
        assert!(outcome.batches > 10, "{}", outcome.batches);
        let tokens = store
            .column("select count(distinct note) from record where length(note) = 26")
            .await;
        assert_eq!(tokens, ["1334"]);
    }
}
