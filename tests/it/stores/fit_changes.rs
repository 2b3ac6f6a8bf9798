//! Strategies against the columns they rewrite: what does not fit is refused, never passed over.

use kigen::job::{Change, Disposal, Generalize, Job, Marker, Strategy};

use super::fit::assert_problems;
use crate::support::{Run, TestStore, column, job, on_every_engine, purpose, stage};

on_every_engine!(
    real_values_in_the_range_of_tokens_are_a_problem,
    null_into_a_column_that_takes_none_is_a_problem,
    a_marker_column_that_takes_no_null_is_a_problem,
    the_same_text_in_a_unique_column_is_a_problem,
    a_strategy_for_another_type_is_a_problem,
    a_computed_column_is_a_problem,
    a_column_that_a_foreign_key_names_is_a_problem,
);

const COLUMNS: [&str; 8] = [
    "id", "learner", "number", "small", "short", "born_on", "ended_on", "done_on",
];
const WIDE: (i64, i64) = (-(1 << 50), -1);

async fn create(store: &TestStore) {
    store
        .execute(
            "create table record (id bigint primary key, learner text not null unique, number bigint, small integer,
                short varchar(20), born_on date, ended_on date, done_on date);
             insert into record values (1, 'a', 42, 1, 'x', '1998-07-23', '2020-01-01', null)",
        )
        .await;
}

fn changing(name: &str, strategy: Strategy) -> Job {
    let mut job = job("record", &COLUMNS);
    let changes = vec![Change {
        column: name.to_owned(),
        strategy,
    }];
    let marker = Marker::Column("done_on".to_owned());
    job.stages = vec![stage(
        "pseudonymize",
        vec![purpose("course", "P1Y", column("ended_on"))],
        Disposal::Pseudonymize { changes, marker },
    )];
    job
}

fn token(range: Option<(i64, i64)>) -> Strategy {
    Strategy::Token {
        context: "learner".to_owned(),
        range,
    }
}

#[tokio::test]
async fn tokens_that_an_int4_cannot_hold_are_a_problem() {
    let Some(store) = TestStore::postgres().await else {
        return;
    };
    create(&store).await;
    let message = "stage `pseudonymize`, column `small`: its type `integer` cannot hold tokens from -1125899906842624 to -1\nhint: tokens need 2^40 values to be told apart; widen the column to bigint, or use another strategy";
    assert_problems(&store, &changing("small", token(Some(WIDE))), &[message]).await;
    store.remove().await;
}

#[tokio::test]
async fn text_that_is_too_long_for_its_column_is_a_problem() {
    let Some(store) = TestStore::postgres().await else {
        return;
    };
    create(&store).await;
    let long = "stage `pseudonymize`, column `short`: strategy `token` needs 26 characters, and the column has room for 20";
    assert_problems(&store, &changing("short", token(None)), &[long]).await;
    let twenty = Strategy::Text("期".repeat(20));
    assert_problems(&store, &changing("short", twenty), &[]).await;
    let longer = "stage `pseudonymize`, column `short`: strategy `text` needs 21 characters, and the column has room for 20";
    assert_problems(
        &store,
        &changing("short", Strategy::Text("期".repeat(21))),
        &[longer],
    )
    .await;
    store.remove().await;
}

async fn real_values_in_the_range_of_tokens_are_a_problem(store: &TestStore) {
    create(store).await;
    assert_problems(store, &changing("number", token(Some(WIDE))), &[]).await;
    let message = "real values of `number` lie between 42 and 1099511627818, where its tokens are to lie\nhint: choose a range that no real value uses";
    let job = changing("number", token(Some((42, 42 + (1 << 40)))));
    assert_problems(store, &job, &[message]).await;
    // Tokens of earlier runs lie there by right.
    let job = changing("number", token(Some(WIDE)));
    let opened = store.open().await;
    let outcome = Run::new("run")
        .disposed(&opened, &job, 0, jiff::civil::date(2025, 4, 1))
        .await;
    assert_eq!(outcome.disposed, 1);
    assert_problems(store, &job, &[]).await;
}

async fn null_into_a_column_that_takes_none_is_a_problem(store: &TestStore) {
    create(store).await;
    let message = "stage `pseudonymize`, column `learner`: it does not take null\nhint: use strategy `text`, `token` or `generalize`";
    assert_problems(store, &changing("learner", Strategy::Null), &[message]).await;
}

async fn a_marker_column_that_takes_no_null_is_a_problem(store: &TestStore) {
    create(store).await;
    let mut job = changing("short", Strategy::Null);
    let mut marked_in = |name: &str| {
        let Disposal::Pseudonymize { marker, .. } = &mut job.stages[0].disposal else {
            panic!()
        };
        *marker = Marker::Column(name.to_owned());
        job.clone()
    };
    let no_null = "stage `pseudonymize`: marker column `learner` does not take null, so no record could be unmarked";
    assert_problems(store, &marked_in("learner"), &[no_null]).await;
    let no_date = "stage `pseudonymize`: marker column `number` is neither a date nor a timestamp";
    assert_problems(store, &marked_in("number"), &[no_date]).await;
    assert_problems(
        store,
        &marked_in("absent"),
        &["stage `pseudonymize`: marker column `absent` does not exist"],
    )
    .await;
}

async fn the_same_text_in_a_unique_column_is_a_problem(store: &TestStore) {
    create(store).await;
    let message = "stage `pseudonymize`, column `learner`: it is unique, so not every record can get the same text";
    assert_problems(
        store,
        &changing("learner", Strategy::Text("-".to_owned())),
        &[message],
    )
    .await;
}

async fn a_strategy_for_another_type_is_a_problem(store: &TestStore) {
    create(store).await;
    let text = store.either("TEXT (SQLite)", "text");
    let cases = [
        (
            "born_on",
            token(None),
            "column `born_on` has type `date`, for which there is no token".to_owned(),
        ),
        (
            "number",
            token(None),
            "column `number` is an integer: a token for it needs `range-min` and `range-max`"
                .to_owned(),
        ),
        (
            "number",
            Strategy::Truncate { characters: 2 },
            "strategy `truncate` does not fit its type `bigint`".to_owned(),
        ),
        (
            "learner",
            Strategy::Generalize(Generalize::Band { width: 10 }),
            format!("strategy `generalize` does not fit its type `{text}`"),
        ),
        (
            "number",
            Strategy::Generalize(Generalize::Prefecture),
            "strategy `generalize` does not fit its type `bigint`".to_owned(),
        ),
        (
            "born_on",
            Strategy::Text("-".to_owned()),
            "strategy `text` does not fit its type `date`".to_owned(),
        ),
    ];
    for (name, strategy, problem) in cases {
        let message = format!("stage `pseudonymize`, column `{name}`: {problem}");
        assert_problems(store, &changing(name, strategy), &[&message]).await;
    }
    let absent = "stage `pseudonymize`: column `absent` of `record` does not exist";
    assert_problems(store, &changing("absent", Strategy::Null), &[absent]).await;
}

async fn a_computed_column_is_a_problem(store: &TestStore) {
    create(store).await;
    store
        .execute(
            "drop table record;
             create table record (id bigint primary key, learner text not null, number bigint, small integer,
                short varchar(20) generated always as (learner) stored, born_on date, ended_on date, done_on date)",
        )
        .await;
    let message = "stage `pseudonymize`, column `short`: the database computes it from other columns, so it cannot be rewritten";
    assert_problems(store, &changing("short", Strategy::Null), &[message]).await;
}

async fn a_column_that_a_foreign_key_names_is_a_problem(store: &TestStore) {
    create(store).await;
    store
        .execute(
            "create table answer (id bigint primary key, learner text references record (learner));
             create index answer_learner on answer (learner)",
        )
        .await;
    let message = "stage `pseudonymize`, column `learner`: a foreign key points at it, so it cannot be rewritten";
    assert_problems(store, &changing("learner", token(None)), &[message]).await;
}
