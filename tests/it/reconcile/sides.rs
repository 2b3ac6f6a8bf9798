//! What is not simply back: re-used keys, rows that keep a record, records that moved on.

use kigen::exit;

use super::{Restored, cluster, lists};
use crate::scene::Scene;

#[tokio::test]
async fn a_key_that_belongs_to_another_person_by_now_is_reported_and_not_touched() {
    let restored = Restored::on_sqlite().await;
    let database = &restored.scene.database;
    // Attempt 14 was removed; its key was given to another learner after the restore.
    database
        .execute("update exam_attempt set learner_id = 3 where attempt_id = 14")
        .await;
    let found = restored.reconcile(&["--format", "json"]).json();
    assert_eq!(lists(cluster(&found, "exam-history")), [3, 1, 1, 0, 0]);
    let applied = restored.reconcile(&["--apply"]);
    assert_eq!(applied.code, 0, "{}{}", applied.stdout, applied.stderr);
    let kept = "select count(*) from exam_attempt where attempt_id = 14 and learner_id = 3 \
                and comment is not null";
    assert_eq!(database.number(kept).await, 1);
}

#[tokio::test]
async fn a_key_that_belongs_to_another_client_by_now_was_never_removed() {
    let restored = Restored::on_sqlite().await;
    let database = &restored.scene.database;
    database
        .execute("update exam_attempt set client_id = 'another' where attempt_id = 14")
        .await;
    let found = restored.reconcile(&["--format", "json"]).json();
    assert_eq!(lists(cluster(&found, "exam-history")), [4, 1, 0, 0, 0]);
}

#[tokio::test]
async fn of_a_person_with_several_records_some_that_are_back_are_known_too() {
    let restored = Restored::on_sqlite().await;
    let database = &restored.scene.database;
    // Only one of the two contacts of learner 1 came back.
    database
        .execute("delete from learner_contact where contact_id = 102")
        .await;
    let found = restored.reconcile(&["--format", "json"]).json();
    let contacts = &cluster(&found, "learner")["rows"]["learner_contact"];
    assert_eq!(contacts["back"], 1, "{contacts}");
    assert_eq!(contacts["key_reused"], 0, "{contacts}");
    let applied = restored.reconcile(&["--apply"]);
    assert_eq!(applied.code, 0, "{}{}", applied.stdout, applied.stderr);
    assert_eq!(restored.rows().await, restored.before);
}

#[tokio::test]
async fn a_row_that_keeps_a_record_keeps_one_that_came_back_too() {
    let restored = Restored::on_sqlite().await;
    let database = &restored.scene.database;
    database
        .execute("insert into exam_attempt values (77, 1, '2026-03-01', null, 'own')")
        .await;
    let applied = restored.reconcile(&["--apply", "--format", "json"]);
    assert_eq!(
        applied.code,
        i32::from(exit::INCOMPLETE),
        "{}{}",
        applied.stdout,
        applied.stderr
    );
    let there = "select count(*) from learner where learner_id = 1";
    assert_eq!(database.number(there).await, 1);
    let found = restored.reconcile(&["--format", "json"]).json();
    assert_eq!(lists(cluster(&found, "learner"))[1], 1);
}

#[tokio::test]
async fn what_came_back_and_is_not_due_by_its_own_dates_stays_until_they_are_right() {
    let restored = Restored::on_sqlite().await;
    let database = &restored.scene.database;
    // The backup is older than the withdrawal: the restored rows do not know of it.
    database
        .execute("update learner set withdrawn_on = null")
        .await;
    let applied = restored.reconcile(&["--apply"]);
    let code = i32::from(exit::NOT_GONE);
    assert_eq!(applied.code, code, "{}{}", applied.stdout, applied.stderr);
    let left = "select count(*) from learner where learner_id in (1, 5)";
    assert_eq!(
        database.number(left).await,
        2,
        "a key may be another record's by now"
    );
    database
        .execute("update learner set withdrawn_on = '2020-01-31' where learner_id in (1, 5)")
        .await;
    restored.reconcile(&["--apply"]);
    assert_eq!(database.number(left).await, 0);
}

#[tokio::test]
async fn a_table_that_was_restored_alone_is_known_by_its_values_and_not_by_its_marks() {
    let restored = Restored::on_sqlite().await;
    let database = &restored.scene.database;
    let applied = restored.reconcile(&["--apply"]);
    assert_eq!(applied.code, 0, "{}{}", applied.stdout, applied.stderr);
    // The marks of the pseudonymized attempts stay; one attempt gets its values back.
    database
        .execute("update exam_attempt set learner_id = 2, comment = 'x' where attempt_id = 11")
        .await;
    let found = restored.reconcile(&["--format", "json"]).json();
    assert_eq!(lists(cluster(&found, "exam-history")), [3, 1, 0, 0, 0]);
    let applied = restored.reconcile(&["--apply"]);
    assert_eq!(applied.code, 0, "{}{}", applied.stdout, applied.stderr);
    assert_eq!(restored.rows().await, restored.before);
}

#[tokio::test]
async fn more_than_the_limit_of_the_job_is_refused_and_nothing_goes() {
    let restored = Restored::on_sqlite().await;
    restored.scene.edit(
        "jobs/exam-history.toml",
        "max-records = 100",
        "max-records = 1",
    );
    let before = restored.rows().await;
    let applied = restored.reconcile(&["--apply", "--job", "exam-history"]);
    assert_eq!(
        applied.code,
        i32::from(exit::NOT_APPROVED),
        "{}",
        applied.stdout
    );
    assert_eq!(restored.rows().await, before);
}

/// Answers go when their attempt is pseudonymized; the attempt stays.
const ANSWERS: &str = r#"
[[reference]]
table = "exam_answer"
on = { attempt_id = "attempt_id" }
on-dispose = "goes-with"
stages = ["pseudonymize", "delete"]
key = ["answer_id"]
[reference.columns]
free-text = ["answer"]
not-personal = ["answer_id", "attempt_id"]
"#;

#[tokio::test]
async fn a_row_that_came_back_without_its_record_goes_alone() {
    let scene = Scene::sqlite().await;
    let database = &scene.database;
    database
        .execute(
            "create table exam_answer (answer_id bigint not null primary key, attempt_id bigint, answer text);
             create index exam_answer_attempt on exam_answer (attempt_id);
             insert into exam_answer values (501, 11, 'x'), (502, 11, 'y'), (503, 14, 'z'), (504, 13, 'kept')",
        )
        .await;
    let job = std::fs::read_to_string(scene.path("jobs/exam-history.toml")).unwrap();
    scene.write("jobs/exam-history.toml", &format!("{job}{ANSWERS}"));
    let run = scene.on_the_day(&["run"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(database.number("select count(*) from exam_answer").await, 1);

    // The table of answers is restored alone: its attempt is still pseudonymized.
    database
        .execute("insert into exam_answer values (501, 11, 'x'), (505, 11, 'new')")
        .await;
    let reconcile = |further: &[&str]| {
        let mut words = vec!["reconcile", "--store", "school", "--format", "json"];
        words.extend(["--backup-time", "2020-01-01T00:00:00Z"]);
        words.extend(further);
        scene.on_the_day(&words)
    };
    let found = reconcile(&[]).json();
    let answers = &cluster(&found, "exam-history")["rows"]["exam_answer"];
    assert_eq!(
        (&answers["back"], &answers["back_alone"]),
        (&1.into(), &1.into())
    );
    let applied = reconcile(&["--apply"]);
    assert_eq!(applied.code, 0, "{}{}", applied.stdout, applied.stderr);
    let left =
        "select group_concat(answer_id, ' ') from (select answer_id from exam_answer order by 1)";
    assert_eq!(database.text(left).await, "504 505");
    assert_eq!(reconcile(&[]).code, 0);

    // Of an answer whose attempt is gone nobody can tell whose it is.
    database
        .execute("insert into exam_answer values (503, 14, 'z')")
        .await;
    let found = reconcile(&["--apply"]);
    assert_eq!(found.code, i32::from(exit::NOT_GONE), "{}", found.stdout);
    let found = found.json();
    let answers = &cluster(&found, "exam-history")["rows"]["exam_answer"];
    assert_eq!(answers["without_record"], 1);
    assert_eq!(database.text(left).await, "503 504 505");
}
