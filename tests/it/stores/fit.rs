//! A job against a live schema: each thing that does not fit, and its message.

use jiff::tz::TimeZone;
use kigen::job::{ClientSource, Disposal, Job, Join, OnDispose, StoredAs};
use kigen::store::Inventory;

use crate::support::{
    TestStore, column, goes_with, job, joined, matches, on_every_engine, purpose, reference, stage,
    table, texts,
};

on_every_engine!(
    a_job_that_fits_has_no_problem,
    a_table_that_is_missing_is_a_problem,
    a_view_is_a_problem,
    a_column_that_is_missing_is_a_problem_with_the_nearest_name,
    a_key_that_is_not_unique_is_a_problem,
    a_column_that_nobody_classified_is_a_problem,
    a_classified_column_that_vanished_is_a_problem,
    a_starting_point_of_the_wrong_type_is_a_problem,
    a_join_that_finds_several_rows_is_a_problem,
    a_foreign_key_that_the_job_does_not_name_is_a_problem,
    a_foreign_key_without_an_index_is_a_problem,
    a_goes_with_table_is_compared_like_the_own_one,
);

const COLUMNS: [&str; 6] = ["id", "learner", "school", "note", "ended_on", "ended_at"];

async fn create(store: &TestStore) {
    store
        .execute(
            "create table record (id bigint primary key, learner text, school text not null, note text, ended_on date, ended_at timestamp);
             create table answer (id bigint primary key, record_id bigint not null references record (id), body text);
             create index answer_record on answer (record_id, body)",
        )
        .await;
}

fn fitting() -> Job {
    let mut job = job("record", &COLUMNS);
    job.client = ClientSource::Column("school".to_owned());
    job.stages = vec![stage(
        "delete",
        vec![purpose("course", "P1Y", column("ended_on"))],
        Disposal::Delete,
    )];
    let answers = goes_with(&["id"], &["id", "record_id", "body"]);
    job.references = vec![reference("answer", &[("record_id", "id")], answers)];
    job
}

/// Asserts what `inspect` finds, word by word.
pub(super) async fn assert_problems(store: &TestStore, job: &Job, expected: &[&str]) {
    let fit = store.open().await.inspect(job).await.unwrap();
    assert_eq!(fit.problems, expected);
}

async fn a_job_that_fits_has_no_problem(store: &TestStore) {
    create(store).await;
    assert_problems(store, &fitting(), &[]).await;
}

async fn a_table_that_is_missing_is_a_problem(store: &TestStore) {
    let message = "table `record` does not exist\nhint: name its schema (`schema.table`), or check the search path and rights of the database role";
    assert_problems(store, &fitting(), &[message]).await;
}

async fn a_view_is_a_problem(store: &TestStore) {
    create(store).await;
    store
        .execute("create view seen as select * from record")
        .await;
    let mut job = fitting();
    job.table = table("seen");
    let message = "`seen` is a view, not a table\nhint: name the table whose rows are to go";
    assert_problems(store, &job, &[message]).await;
}

async fn a_column_that_is_missing_is_a_problem_with_the_nearest_name(store: &TestStore) {
    create(store).await;
    let mut job = fitting();
    job.subject.column = "learners".to_owned();
    job.client = ClientSource::Column("scool".to_owned());
    job.stages[0].sources[0].starts_at = column("end_on");
    let problems = [
        "subject column `learners` of `record` does not exist\nhint: did you mean `learner`?",
        "client column `scool` of `record` does not exist\nhint: did you mean `school`?",
        "starting point column `end_on` of `record` does not exist\nhint: did you mean `ended_on`?",
    ];
    assert_problems(store, &job, &problems).await;
    job = fitting();
    job.key = texts(&["zz"]);
    job.references.clear();
    let key = "key column `zz` of `record` does not exist";
    let fit = store.open().await.inspect(&job).await.unwrap();
    assert_eq!(fit.problems[0], key);
}

async fn a_key_that_is_not_unique_is_a_problem(store: &TestStore) {
    create(store).await;
    store
        .execute(
            "create unique index record_partly on record (note) where note is not null;
             create unique index record_nullable on record (learner);
             create unique index record_expression on record (lower(school))",
        )
        .await;
    for name in ["learner", "school", "note"] {
        let mut job = fitting();
        job.key = texts(&[name]);
        let message = format!(
            "key ({name}) of `record` is not unique\nhint: name the columns of its primary key or of a unique, not-null index"
        );
        assert_problems(store, &job, &[&message]).await;
    }
    store
        .execute("create unique index record_school on record (school)")
        .await;
    let mut job = fitting();
    job.key = texts(&["school", "id"]);
    assert_problems(store, &job, &[]).await;
}

async fn a_column_that_nobody_classified_is_a_problem(store: &TestStore) {
    create(store).await;
    store.execute("alter table record add column phone text; alter table record add column \"Memo 2\" text").await;
    let message = "`record` has columns that the job does not classify: `phone`, `Memo 2`\nhint: put each under one class in [columns]; nothing is removed until somebody has thought of it";
    assert_problems(store, &fitting(), &[message]).await;
}

async fn a_classified_column_that_vanished_is_a_problem(store: &TestStore) {
    create(store).await;
    store.execute("alter table record drop column note").await;
    assert_problems(
        store,
        &fitting(),
        &["the job classifies columns that `record` does not have: `note`"],
    )
    .await;
}

async fn a_starting_point_of_the_wrong_type_is_a_problem(store: &TestStore) {
    create(store).await;
    let mut job = fitting();
    let start = |job: &mut Job, name: &str, stored_as: StoredAs| {
        job.stages[0].sources[0].starts_at = column(name);
        job.stages[0].sources[0].stored_as = stored_as;
    };
    start(&mut job, "id", StoredAs::Typed);
    let number = "starting point `id` has type `bigint`, which is no date\nhint: if it counts seconds since 1970 write `starts-at-format = \"unix-seconds\"`";
    assert_problems(store, &job, &[number]).await;
    start(&mut job, "ended_at", StoredAs::Typed);
    let type_name = store.either("timestamp", "timestamp without time zone");
    let local = format!(
        "starting point `ended_at` has type `{type_name}`, a time without zone\nhint: say in which zone it is written: `starts-at-zone = \"UTC\"`"
    );
    assert_problems(store, &job, &[&local]).await;
    start(&mut job, "ended_on", StoredAs::LocalTime(TimeZone::UTC));
    let date = "starting point `ended_on` has type `date`, which cannot be read as the job says\nhint: a starting point is a date, a timestamp, or an integer with `starts-at-format = \"unix-seconds\"`";
    assert_problems(store, &job, &[date]).await;
    start(&mut job, "note", StoredAs::Typed);
    let text = "starting point `note` has type `text`, which cannot be read as the job says\nhint: a starting point is a date, a timestamp, or an integer with `starts-at-format = \"unix-seconds\"`";
    // SQLite keeps dates as text.
    assert_problems(store, &job, store.either(&[], &[text])).await;
}

async fn a_join_that_finds_several_rows_is_a_problem(store: &TestStore) {
    create(store).await;
    store.execute("create table enrolment (learner text not null, module text not null, ended_on date, primary key (learner, module))").await;
    let mut job = fitting();
    let join = Join {
        name: "enrolment".to_owned(),
        table: table("enrolment"),
        on: matches(&[("learner", "learner")]),
    };
    job.joins = vec![join];
    job.stages[0].sources[0].starts_at = joined("enrolment", "ended_on");
    let several = "join `enrolment`: (learner) is no unique key of `enrolment`, so a record could be joined with several rows\nhint: it needs a primary key or a unique index over these not-null columns alone: whole, valid, not deferrable, under the columns' own collation, and with no rows in child tables";
    assert_problems(store, &job, &[several]).await;
    job.joins[0].on = matches(&[("learner", "learner"), ("modul", "note")]);
    let fit = store.open().await.inspect(&job).await.unwrap();
    assert_eq!(
        fit.problems[0],
        "join `enrolment`: column `modul` of `enrolment` does not exist\nhint: did you mean `module`?"
    );
    job.joins[0].table = table("absent");
    let fit = store.open().await.inspect(&job).await.unwrap();
    assert_eq!(fit.problems, ["joined table `absent` does not exist"]);
}

async fn a_foreign_key_that_the_job_does_not_name_is_a_problem(store: &TestStore) {
    create(store).await;
    store
        .execute(
            "create table remark (id bigint primary key, answer_id bigint references answer (id));
             create index remark_answer on remark (answer_id)",
        )
        .await;
    let remark = store.either("remark", "public.remark");
    let answer = store.either("answer", "public.answer");
    let hint = |name: &str, of: &str| {
        format!(
            "hint: add a [[reference]] with table = \"{name}\"{of} and on-dispose = \"goes-with\", \"unlink\" or \"blocks\""
        )
    };
    let of_answer = format!(
        "a foreign key of `{remark}` (answer_id) points at `answer` and the job does not name it\n{}",
        hint(remark, ", of = \"answer\"")
    );
    assert_problems(store, &fitting(), &[&of_answer]).await;
    let mut job = fitting();
    job.references[0].on_dispose = OnDispose::Blocks;
    assert_problems(store, &job, &[]).await;
    job.references.clear();
    let of_record = format!(
        "a foreign key of `{answer}` (record_id) points at `record` and the job does not name it\n{}",
        hint(answer, "")
    );
    assert_problems(store, &job, &[&of_record]).await;
}

async fn a_foreign_key_without_an_index_is_a_problem(store: &TestStore) {
    create(store).await;
    store
        .execute("drop index answer_record; create index answer_body on answer (body, record_id)")
        .await;
    let answer = store.either("answer", "public.answer");
    let message = format!(
        "the foreign key of `{answer}` (record_id) onto `record` has no index: each batch would scan the whole table\nhint: create index on {answer} (record_id)"
    );
    assert_problems(store, &fitting(), &[&message]).await;
}

async fn a_goes_with_table_is_compared_like_the_own_one(store: &TestStore) {
    create(store).await;
    let mut job = fitting();
    job.references[0].on_dispose = goes_with(&["body"], &["id", "record_id", "remark"]);
    let problems = [
        "reference `answer`: key (body) is not unique",
        "`answer` has columns that the job does not classify: `body`\nhint: put each under one class in [columns]; nothing is removed until somebody has thought of it",
        "the job classifies columns that `answer` does not have: `remark`",
    ];
    assert_problems(store, &job, &problems).await;
    job = fitting();
    job.references[0].on = matches(&[("record_id", "note")]);
    let fit = store.open().await.inspect(&job).await.unwrap();
    let several = "reference `answer`: (note) is no unique key of the table it names, so a row could go with several records";
    assert!(
        fit.problems[0].contains("their types differ"),
        "{:?}",
        fit.problems
    );
    assert_eq!(fit.problems[1], several);
    job.references[0].table = table("absent");
    let fit = store.open().await.inspect(&job).await.unwrap();
    assert!(
        fit.problems[0].starts_with("table `absent` does not exist"),
        "{:?}",
        fit.problems
    );
}
