//! What does not fit: one clear message, the documented exit code, and nothing removed. Here stores,
//! ledgers and limits, on SQLite.

use kigen::exit;

use crate::scene::{AS_OF, Scene, redacted};

/// Runs `kigen` with `arguments` as text and as JSON; both must refuse with `code`, say why once on
/// stderr (a snapshot of this name), and leave every record where it is.
pub(crate) async fn refuses(scene: &Scene, name: &str, arguments: &[&str], code: u8) {
    let before = scene.database.records().await;
    let text = scene.on_the_day(arguments);
    assert_eq!(text.code, i32::from(code), "{}{}", text.stdout, text.stderr);
    let mut with_json = vec!["--format", "json"];
    with_json.extend(arguments);
    let json = scene.on_the_day(&with_json);
    assert_eq!(json.code, i32::from(code), "{}", json.stderr);
    assert!(json.json().is_object());
    assert_eq!(redacted(&json.stderr), redacted(&text.stderr));
    assert_eq!(
        scene.database.records().await,
        before,
        "something was removed"
    );
    let (_, meaning, _) = exit::ALL
        .iter()
        .find(|(number, ..)| *number == code)
        .unwrap();
    insta::assert_snapshot!(
        name,
        format!("exit {code} {meaning}\n{}", redacted(&text.stderr))
    );
}

const RUN_LEARNER: &[&str] = &["run", "--job", "learner"];

#[tokio::test]
async fn a_store_whose_file_is_missing_is_unreachable() {
    let scene = Scene::sqlite().await;
    scene.edit("kigen.toml", "sqlite://store.db", "sqlite://gone.db");
    refuses(
        &scene,
        "store_unreachable",
        RUN_LEARNER,
        exit::STORE_UNREACHABLE,
    )
    .await;
    refuses(
        &scene,
        "store_unreachable_plan",
        &["plan", "--job", "learner"],
        exit::STORE_UNREACHABLE,
    )
    .await;
    assert!(!scene.path("gone.db").exists(), "a store is never created");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_no_store() {
    let scene = Scene::sqlite().await;
    scene.write("text.db", &"this is no database\n".repeat(100));
    scene.edit("kigen.toml", "sqlite://store.db", "sqlite://text.db");
    refuses(
        &scene,
        "store_no_database",
        RUN_LEARNER,
        exit::STORE_UNREACHABLE,
    )
    .await;
}

#[tokio::test]
async fn a_missing_table_stops_the_job() {
    let scene = Scene::sqlite().await;
    scene.edit(
        "jobs/learner.toml",
        "table = \"learner\"",
        "table = \"learners\"",
    );
    refuses(&scene, "table_missing", RUN_LEARNER, exit::SCHEMA_MISMATCH).await;
}

#[tokio::test]
async fn a_missing_column_stops_the_job() {
    let scene = Scene::sqlite().await;
    scene
        .database
        .execute("alter table learner rename column withdrawn_on to left_on")
        .await;
    refuses(&scene, "column_missing", RUN_LEARNER, exit::SCHEMA_MISMATCH).await;
}

#[tokio::test]
async fn a_starting_point_in_a_column_that_holds_no_days_stops_the_job() {
    let scene = Scene::sqlite().await;
    scene.edit(
        "jobs/learner.toml",
        "starts-at = \"withdrawn_on\"",
        "starts-at = \"client_id\"",
    );
    scene
        .database
        .execute("update learner set client_id = 'own'")
        .await;
    scene
        .database
        .execute("alter table learner rename column client_id to old")
        .await;
    scene
        .database
        .execute("alter table learner add column client_id blob")
        .await;
    scene.edit(
        "jobs/learner.toml",
        "not-personal = [\"client_id\"]",
        "not-personal = [\"client_id\", \"old\"]",
    );
    refuses(
        &scene,
        "column_of_wrong_type",
        RUN_LEARNER,
        exit::SCHEMA_MISMATCH,
    )
    .await;
}

#[tokio::test]
async fn a_job_on_a_view_stops() {
    let scene = Scene::sqlite().await;
    scene
        .database
        .execute("create view withdrawn_learner as select * from learner")
        .await;
    scene.edit(
        "jobs/learner.toml",
        "table = \"learner\"",
        "table = \"withdrawn_learner\"",
    );
    refuses(&scene, "view", RUN_LEARNER, exit::SCHEMA_MISMATCH).await;
}

#[tokio::test]
async fn a_key_that_is_not_unique_stops_the_job() {
    let scene = Scene::sqlite().await;
    scene.edit(
        "jobs/learner.toml",
        "key = [\"learner_id\"]",
        "key = [\"client_id\"]",
    );
    refuses(&scene, "key_not_unique", RUN_LEARNER, exit::SCHEMA_MISMATCH).await;
}

#[tokio::test]
async fn a_column_that_nobody_has_classified_stops_the_job() {
    let scene = Scene::sqlite().await;
    scene
        .database
        .execute("alter table learner add column nickname text")
        .await;
    refuses(
        &scene,
        "column_unclassified",
        RUN_LEARNER,
        exit::SCHEMA_MISMATCH,
    )
    .await;
}

#[tokio::test]
async fn a_foreign_key_that_the_job_does_not_name_stops_it() {
    let scene = Scene::sqlite().await;
    let table = "create table review (review_id bigint not null primary key, learner_id bigint references learner (learner_id))";
    scene.database.execute(table).await;
    refuses(
        &scene,
        "foreign_key_unnamed",
        RUN_LEARNER,
        exit::SCHEMA_MISMATCH,
    )
    .await;
}

#[tokio::test]
async fn a_job_that_does_not_fit_stops_alone() {
    let scene = Scene::sqlite().await;
    scene
        .database
        .execute("alter table learner add column nickname text")
        .await;
    let answer = scene.on_the_day(&["--format", "json", "run"]);
    assert_eq!(answer.code, i32::from(exit::SCHEMA_MISMATCH));
    let jobs = answer.json()["jobs"].clone();
    assert_eq!(jobs[0]["job"], "exam-history");
    assert!(jobs[0]["error"].is_null());
    assert_eq!(jobs[0]["stages"][0]["disposed"], 2);
    assert_eq!(jobs[1]["error"]["code"], "SCHEMA_MISMATCH");
    assert_eq!(
        scene.database.number("select count(*) from learner").await,
        6
    );
}

#[tokio::test]
async fn a_plan_over_any_of_its_limits_is_refused_whole() {
    for (limit, to, name) in [
        ("max-records = 100", "max-records = 1", "limit_records"),
        ("max-percent = 100", "max-percent = 30", "limit_percent"),
        ("max-persons = 100", "max-persons = 1", "limit_persons"),
    ] {
        let scene = Scene::sqlite().await;
        scene.edit("jobs/exam-history.toml", limit, to);
        refuses(
            &scene,
            name,
            &["run", "--job", "exam-history"],
            exit::NOT_APPROVED,
        )
        .await;
        let untouched =
            "select count(*) from exam_attempt where learner_id > 0 and comment is not null";
        assert_eq!(scene.database.number(untouched).await, 5);
        let plan = scene.on_the_day(&["--format", "json", "plan", "--job", "exam-history"]);
        assert_eq!(plan.code, 0, "{}", plan.stderr);
        assert_eq!(
            plan.json()["jobs"][0]["over_limit"]
                .as_array()
                .unwrap()
                .len(),
            1
        );
    }
}

#[tokio::test]
async fn a_starting_point_in_the_future_keeps_the_record_and_is_reported() {
    let scene = Scene::sqlite().await;
    for command in ["plan", "run"] {
        let answer = scene.on_the_day(&["--format", "json", command]);
        assert_eq!(answer.code, 0, "{}", answer.stderr);
        let jobs = answer.json()["jobs"].clone();
        assert_eq!(jobs[0]["stages"][0]["retained"]["starts-in-future"], 1);
        assert_eq!(jobs[1]["stages"][0]["retained"]["starts-in-future"], 1);
    }
    assert_eq!(
        scene
            .database
            .number("select count(*) from learner where learner_id = 4")
            .await,
        1
    );
    assert_eq!(
        scene
            .database
            .number("select count(*) from exam_attempt where attempt_id = 15")
            .await,
        1
    );
}

#[tokio::test]
async fn without_its_journal_a_store_is_not_touched() {
    let scene = Scene::sqlite().await;
    let tables = "select count(*) from sqlite_schema where type = 'table' and name like 'kigen%'";
    assert!(scene.database.number(tables).await > 0);
    scene.database.execute("drop table kigen_journal").await;
    refuses(
        &scene,
        "journal_not_migrated",
        RUN_LEARNER,
        exit::NOT_MIGRATED,
    )
    .await;
}

#[tokio::test]
async fn a_ledger_that_is_not_migrated_stops_the_run() {
    let scene = Scene::sqlite().await;
    scene.edit(
        "kigen.toml",
        "sqlite://kigen-ledger.db",
        "sqlite://other-ledger.db?mode=rwc",
    );
    refuses(
        &scene,
        "ledger_not_migrated",
        RUN_LEARNER,
        exit::NOT_MIGRATED,
    )
    .await;
}

#[tokio::test]
async fn a_ledger_that_is_read_only_stops_the_run_before_anything_is_removed() {
    let scene = Scene::sqlite().await;
    scene.edit(
        "kigen.toml",
        "sqlite://kigen-ledger.db",
        "sqlite://kigen-ledger.db?mode=ro",
    );
    refuses(
        &scene,
        "ledger_read_only",
        RUN_LEARNER,
        exit::LEDGER_UNAVAILABLE,
    )
    .await;
}

#[tokio::test]
async fn a_ledger_of_a_newer_kigen_stops_the_run() {
    let scene = Scene::sqlite().await;
    let ledger = scene.path("kigen-ledger.db");
    let newer = "update kigen_migration set version = version + 98";
    crate::scene::execute_in_sqlite(&ledger, newer).await;
    refuses(&scene, "ledger_newer", RUN_LEARNER, exit::NOT_MIGRATED).await;
}

#[tokio::test]
async fn without_a_keyring_nothing_runs() {
    let scene = Scene::sqlite().await;
    std::fs::remove_file(scene.path("keyring.toml")).unwrap();
    refuses(&scene, "keyring_missing", RUN_LEARNER, exit::CONFIG_INVALID).await;
}

#[tokio::test]
async fn a_keyring_that_others_may_read_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let scene = Scene::sqlite().await;
    let wide = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(scene.path("keyring.toml"), wide).unwrap();
    refuses(&scene, "keyring_wide", RUN_LEARNER, exit::CONFIG_INVALID).await;
}

#[tokio::test]
async fn a_store_that_is_read_only_by_its_url_can_be_planned_and_not_run() {
    let scene = Scene::sqlite().await;
    scene.edit(
        "kigen.toml",
        "sqlite://store.db",
        "sqlite://store.db?mode=ro",
    );
    assert_eq!(scene.on_the_day(&["plan"]).code, 0);
    refuses(
        &scene,
        "store_read_only",
        RUN_LEARNER,
        exit::SCHEMA_MISMATCH,
    )
    .await;
}

#[tokio::test]
async fn a_plan_changes_no_byte_of_a_sqlite_store() {
    let scene = Scene::sqlite().await;
    let before = (scene.sha256("store.db"), scene.sha256("kigen-ledger.db"));
    let answer = scene.on_the_day(&["plan"]);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    assert_eq!(
        (scene.sha256("store.db"), scene.sha256("kigen-ledger.db")),
        before,
        "on {AS_OF}"
    );
}
