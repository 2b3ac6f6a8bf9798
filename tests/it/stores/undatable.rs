//! What is no day, or no day that every database and the rule agree about, keeps its record.

use jiff::tz::TimeZone;
use kigen::domain::rule::Decision;
use kigen::job::{Disposal, Job, StoredAs};
use kigen::store::Inventory;
use kigen_evidence::statement::RetainReason;

use super::survey::AS_OF;
use crate::support::{Run, TestStore, column, job, on_every_engine, purpose, stage};

on_every_engine!(
    what_is_no_day_of_the_calendar_is_undatable_and_stays,
    a_moment_outside_the_calendar_is_undatable_and_stays,
    the_last_microsecond_of_a_day_belongs_to_it,
    a_day_at_the_end_of_the_calendar_lies_in_the_future,
    a_text_that_names_its_zone_is_the_moment_that_it_says,
);

/// Asserts that every record is undatable in the survey and when looked up, and outlives a pass.
async fn assert_undatable(store: &TestStore, job: &Job) {
    let opened = store.open().await;
    let ids = store.column("select id from record order by id").await;
    let survey = opened.survey(job, 0, AS_OF).await.unwrap();
    let undatable = survey.retained.get(&RetainReason::Undatable);
    assert_eq!(undatable, Some(&(ids.len() as u64)), "{survey:?}");
    for id in &ids {
        let found = opened
            .find(job, std::slice::from_ref(id))
            .await
            .unwrap()
            .unwrap();
        let decision = job.stages[0].rule.decide(&found.candidates[0], AS_OF);
        assert_eq!(
            decision,
            Decision::Retain(RetainReason::Undatable),
            "record {id}"
        );
    }
    let outcome = Run::new("run").disposed(&opened, job, 0, AS_OF).await;
    assert_eq!(outcome.disposed, 0);
    assert_eq!(store.column("select id from record order by id").await, ids);
}

fn insert_values(values: &[&str]) -> String {
    let rows: Vec<String> = values
        .iter()
        .enumerate()
        .map(|(id, value)| format!("({id}, 'a', {value})"))
        .collect();
    format!("insert into record values {}", rows.join(", "))
}

async fn what_is_no_day_of_the_calendar_is_undatable_and_stays(store: &TestStore) {
    store
        .execute("create table record (id bigint primary key, learner text, at date)")
        .await;
    let values: &[&str] = store.either(
        &[
            "null",
            "''",
            "'soon'",
            "'2024-02-30'",
            "'2024-13-01'",
            "'2024-1-1'",
            "'20240101'",
            "20240101",
            "'2455352.50'",
            "2455352.5",
            "x'323032342d30312d3031'",
            "'2024-01-01 00:00:00'",
            "'0000-00-00'",
            "'0000-06-01'",
            "' 2024-01-1'",
            "'２０２４-01-01'",
            "'1994-12-31'",
            "'1900-01-01'",
            "'1899-12-30'",
            "'0006-01-31'",
        ],
        &[
            "null",
            "'infinity'",
            "'-infinity'",
            "'0044-03-15 BC'",
            "'12000-01-01'",
            "'0001-12-31 BC'",
            "'1994-12-31'",
            "'1970-01-01'",
            "'1900-01-01'",
            "'0001-01-01'",
        ],
    );
    store.execute(&insert_values(values)).await;
    let mut job = job("record", &["id", "learner", "at"]);
    job.stages = vec![stage(
        "delete",
        vec![purpose("course", "P1Y", column("at"))],
        Disposal::Delete,
    )];
    assert_undatable(store, &job).await;
}

async fn a_moment_outside_the_calendar_is_undatable_and_stays(store: &TestStore) {
    let cases: [(&str, StoredAs, &[&str]); 3] = [
        (
            "timestamptz",
            StoredAs::Typed,
            store.either(
                &[
                    "null",
                    "'2024-01-01'",
                    "'2024-01-01 24:00:00'",
                    "'2024-01-01 10:00:00+09'",
                    "'2024-01-01 10:00:00 +09:00'",
                    "'2024-01-01 23:59:60'",
                    "'1970-01-01 00:00:00'",
                    "1704067200",
                ],
                &[
                    "null",
                    "'infinity'",
                    "'-infinity'",
                    "'1970-01-01 00:00:00+00'",
                    "'0044-03-15 12:00:00+00 BC'",
                    "'12000-01-01 00:00:00+00'",
                ],
            ),
        ),
        (
            "timestamp",
            StoredAs::LocalTime(TimeZone::get("America/New_York").unwrap()),
            store.either(
                &[
                    "null",
                    "'2024-01-01'",
                    "'2024-02-30 10:00:00'",
                    "'2024-01-01 10:00:00 noon'",
                    "'2024-01-01T10:00:00 Z'",
                    "'2024-01-01 10:00:00+0900'",
                    "'2024-01-01 10:00:00+15:00'",
                    "'2024-01-01 10:00:00.5-05:60'",
                    "'2024-01-01 10:00:00..5'",
                    "'2024-01-01 10:00:005'",
                    "'2024-01-01 10:00:00 '",
                    "'2024-01-01 10:00:00.'",
                    "'1994-12-31 09:59:59'",
                ],
                &[
                    "null",
                    "'infinity'",
                    "'-infinity'",
                    "'0044-03-15 12:00:00 BC'",
                    "'10000-01-01 00:00:00'",
                    "'1970-01-01 00:00:00'",
                    "'1994-12-31 09:59:59'",
                ],
            ),
        ),
        (
            "bigint",
            StoredAs::UnixSeconds,
            store.either(
                &[
                    "null",
                    "'x'",
                    "1.5",
                    "99999999999999",
                    "-99999999999999",
                    "0",
                    "-1",
                    "1",
                    "18262",
                    "20240101",
                ],
                &[
                    "null",
                    "0",
                    "-1",
                    "1",
                    "18262",
                    "20240101",
                    "1704067200000",
                    "99999999999999",
                    "-99999999999999",
                    "9223372036854775807",
                ],
            ),
        ),
    ];
    for (type_name, stored_as, values) in cases {
        store
            .execute(&format!(
                "drop table if exists record; create table record (id bigint primary key, learner text, at {type_name})"
            ))
            .await;
        store.execute(&insert_values(values)).await;
        let mut job = job("record", &["id", "learner", "at"]);
        let (purpose, mut source) = purpose("course", "P1Y", column("at"));
        source.stored_as = stored_as;
        job.stages = vec![stage("delete", vec![(purpose, source)], Disposal::Delete)];
        assert_undatable(store, &job).await;
    }
}

async fn the_last_microsecond_of_a_day_belongs_to_it(store: &TestStore) {
    for (type_name, stored_as) in [
        ("timestamptz", StoredAs::Typed),
        ("timestamp", StoredAs::LocalTime(TimeZone::UTC)),
    ] {
        store
            .execute(&format!(
                "drop table if exists record; create table record (id bigint primary key, learner text, at {type_name})"
            ))
            .await;
        let times = [
            "2024-03-31 14:59:59.999999",
            "2024-03-31 15:00:00",
            "2024-03-31 15:00:00.000001",
        ];
        let sign = if type_name == "timestamptz" { "Z" } else { "" };
        let values = times.map(|time| format!("'{time}{sign}'"));
        store
            .execute(&insert_values(&values.each_ref().map(String::as_str)))
            .await;
        let mut job = job("record", &["id", "learner", "at"]);
        let (purpose, mut source) = purpose("course", "P1Y", column("at"));
        source.stored_as = stored_as;
        job.stages = vec![stage("delete", vec![(purpose, source)], Disposal::Delete)];
        let outcome = Run::new(type_name)
            .disposed(&store.open().await, &job, 0, AS_OF)
            .await;
        assert_eq!(outcome.disposed, 1);
        assert_eq!(
            store.column("select id from record order by id").await,
            ["1", "2"],
            "{type_name}"
        );
    }
}

async fn a_day_at_the_end_of_the_calendar_lies_in_the_future(store: &TestStore) {
    let moment = store.either("'9999-12-31 23:59:59'", "'9999-12-31 23:59:59+00'");
    let zone = TimeZone::get("America/New_York").unwrap();
    for (type_name, stored_as, value) in [
        ("date", StoredAs::Typed, "'9999-12-31'"),
        ("timestamptz", StoredAs::Typed, moment),
        (
            "timestamp",
            StoredAs::LocalTime(zone),
            "'9999-12-31 23:59:59'",
        ),
        ("bigint", StoredAs::UnixSeconds, "253402300799"),
    ] {
        store
            .execute(&format!(
                "drop table if exists record; create table record (id bigint primary key, learner text, at {type_name})"
            ))
            .await;
        store.execute(&insert_values(&[value])).await;
        let mut job = job("record", &["id", "learner", "at"]);
        let (purpose, mut source) = purpose("course", "P1Y", column("at"));
        source.stored_as = stored_as;
        job.stages = vec![stage("delete", vec![(purpose, source)], Disposal::Delete)];
        let opened = store.open().await;
        let survey = opened.survey(&job, 0, AS_OF).await.unwrap();
        let future = survey.retained.get(&RetainReason::StartsInFuture);
        assert_eq!(future, Some(&1), "{type_name}: {survey:?}");
        let found = opened.find(&job, &["0".to_owned()]).await.unwrap().unwrap();
        let decision = job.stages[0].rule.decide(&found.candidates[0], AS_OF);
        let kept = Decision::Retain(RetainReason::StartsInFuture);
        assert_eq!(decision, kept, "{type_name}");
    }
}

/// SQLite alone: a text column has no type that would say it.
async fn a_text_that_names_its_zone_is_the_moment_that_it_says(store: &TestStore) {
    if store.is_postgres() {
        return;
    }
    // A year before the day of the decision begins at 15:00 of the day before, by the clock of UTC.
    let values = [
        ("'2024-03-31T14:59:59Z'", true),
        ("'2024-03-31T15:00:00Z'", false),
        ("'2024-03-31 23:59:59.999+09:00'", true),
        ("'2024-04-01 00:00:00.000+09:00'", false),
        ("'2024-03-31T09:59:59-05:00'", true),
        ("'2024-03-31T10:00:00-05:00'", false),
        // In the zone of the job.
        ("'2024-03-31 23:59:59'", true),
        ("'2024-04-01 00:00:00'", false),
    ];
    store
        .execute("create table record (id bigint primary key, learner text, at text)")
        .await;
    store
        .execute(&insert_values(&values.map(|(value, _)| value)))
        .await;
    let mut job = job("record", &["id", "learner", "at"]);
    let (purpose, mut source) = purpose("course", "P1Y", column("at"));
    source.stored_as = StoredAs::LocalTime(TimeZone::get("Asia/Tokyo").unwrap());
    job.stages = vec![stage("delete", vec![(purpose, source)], Disposal::Delete)];
    let opened = store.open().await;
    for (id, (value, due)) in values.iter().enumerate() {
        let found = opened.find(&job, &[id.to_string()]).await.unwrap().unwrap();
        let decision = job.stages[0].rule.decide(&found.candidates[0], AS_OF);
        let disposes = matches!(decision, Decision::Dispose { .. });
        assert_eq!(disposes, *due, "{value}: {decision:?}");
    }
    let outcome = Run::new("run").disposed(&opened, &job, 0, AS_OF).await;
    assert_eq!(outcome.disposed, 4);
    let left = store.column("select id from record order by id").await;
    assert_eq!(left, ["1", "3", "5", "7"]);
}
