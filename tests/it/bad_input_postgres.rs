//! What only PostgreSQL can refuse: credentials, rights, servers that are away.

use kigen::exit;

use crate::bad_input::refuses;
use crate::scene::{PASSWORD, Scene};

const RUN_LEARNER: &[&str] = &["run", "--job", "learner"];

/// Makes `kigen.toml` reach the store by this URL.
fn use_store(scene: &Scene, url: &str) {
    scene.edit(
        "kigen.toml",
        "url-env = \"KIGEN_SCENE_STORE_URL\"",
        &format!("url = \"{url}\""),
    );
}

/// Creates a role that may log in, and, in the store, only read the tables of the scene.
async fn reader(scene: &Scene) -> String {
    let role = format!("{}_reader", scene.database.name());
    let statements = format!(
        "create role {role} login password '{PASSWORD}';
         grant select on learner, learner_contact, exam_attempt to {role};"
    );
    scene.database.execute(&statements).await;
    role
}

async fn remove(scene: Scene, role: Option<&str>) {
    if let Some(role) = role {
        scene
            .database
            .execute(&format!("drop owned by {role}; drop role {role}"))
            .await;
    }
    scene.database.remove().await;
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_unreachable() {
    let Some(scene) = Scene::postgres().await else {
        return;
    };
    use_store(
        &scene,
        &format!("postgres://worker:{PASSWORD}@127.0.0.1:1/lms"),
    );
    refuses(
        &scene,
        "postgres_unreachable",
        RUN_LEARNER,
        exit::STORE_UNREACHABLE,
    )
    .await;
    remove(scene, None).await;
}

#[tokio::test]
async fn wrong_credentials_are_refused_without_being_shown() {
    let Some(scene) = Scene::postgres().await else {
        return;
    };
    let role = reader(&scene).await;
    use_store(
        &scene,
        &scene.database.url_of(&role, &format!("{PASSWORD}-wrong")),
    );
    let answer = scene.on_the_day(RUN_LEARNER);
    assert_eq!(
        answer.code,
        i32::from(exit::ACCESS_REFUSED),
        "{}",
        answer.stderr
    );
    assert!(
        answer.stderr.contains("log in to store `school`"),
        "{}",
        answer.stderr
    );
    assert!(
        answer.stderr.contains("refused the credentials"),
        "{}",
        answer.stderr
    );
    assert_eq!(
        scene.database.number("select count(*) from learner").await,
        6
    );
    remove(scene, Some(&role)).await;
}

#[tokio::test]
async fn a_column_of_the_wrong_type_stops_the_job() {
    let Some(scene) = Scene::postgres().await else {
        return;
    };
    scene
        .database
        .execute("alter table learner alter column withdrawn_on type boolean using false")
        .await;
    refuses(
        &scene,
        "postgres_column_of_wrong_type",
        RUN_LEARNER,
        exit::SCHEMA_MISMATCH,
    )
    .await;
    remove(scene, None).await;
}

#[tokio::test]
async fn a_job_on_a_view_stops_on_postgresql_too() {
    let Some(scene) = Scene::postgres().await else {
        return;
    };
    scene
        .database
        .execute("create view withdrawn_learner as select * from learner")
        .await;
    scene.edit(
        "jobs/learner.toml",
        "table = \"learner\"",
        "table = \"withdrawn_learner\"",
    );
    refuses(&scene, "postgres_view", RUN_LEARNER, exit::SCHEMA_MISMATCH).await;
    remove(scene, None).await;
}

#[tokio::test]
async fn without_its_journal_a_postgresql_store_is_not_touched() {
    let Some(scene) = Scene::postgres().await else {
        return;
    };
    scene.database.execute("drop schema kigen cascade").await;
    refuses(
        &scene,
        "postgres_journal_not_migrated",
        RUN_LEARNER,
        exit::NOT_MIGRATED,
    )
    .await;
    let plan = scene.on_the_day(&["plan"]);
    assert_eq!(plan.code, i32::from(exit::NOT_MIGRATED), "{}", plan.stderr);
    remove(scene, None).await;
}

#[tokio::test]
async fn a_role_that_may_only_read_can_plan_but_not_run() {
    let Some(scene) = Scene::postgres().await else {
        return;
    };
    let role = reader(&scene).await;
    use_store(&scene, &scene.database.url_of(&role, PASSWORD));
    // What was disposed of before stands in kigen's own table.
    let blind = scene.on_the_day(&["plan"]);
    assert_eq!(
        blind.code,
        i32::from(exit::ACCESS_REFUSED),
        "{}",
        blind.stderr
    );
    assert!(
        blind
            .stderr
            .contains("hint: `migrations/README.md` has the grants"),
        "{}",
        blind.stderr
    );
    let grants =
        format!("grant usage on schema kigen to {role}; grant select on kigen.marker to {role}");
    scene.database.execute(&grants).await;
    // No right on the ledger at all: its file is not there.
    scene.edit(
        "kigen.toml",
        "sqlite://kigen-ledger.db",
        "sqlite:///nowhere/ledger.db",
    );
    let plan = scene.on_the_day(&["--format", "json", "plan"]);
    assert_eq!(plan.code, 0, "{}", plan.stderr);
    assert_eq!(plan.json()["jobs"][1]["stages"][0]["due"]["records"], 1);
    assert!(!scene.path("certificates").exists());

    scene.edit(
        "kigen.toml",
        "sqlite:///nowhere/ledger.db",
        "sqlite://kigen-ledger.db",
    );
    let before = scene.database.records().await;
    let run = scene.on_the_day(&["--format", "json", "run"]);
    assert_eq!(run.code, i32::from(exit::ACCESS_REFUSED), "{}", run.stderr);
    assert_eq!(scene.database.records().await, before);
    remove(scene, Some(&role)).await;
}

#[tokio::test]
async fn a_role_that_may_write_the_journal_but_not_delete_is_refused() {
    let Some(scene) = Scene::postgres().await else {
        return;
    };
    let role = reader(&scene).await;
    let grants = format!(
        "grant usage on schema kigen to {role}; grant all on all tables in schema kigen to {role}; grant all on all sequences in schema kigen to {role}"
    );
    scene.database.execute(&grants).await;
    use_store(&scene, &scene.database.url_of(&role, PASSWORD));
    let before = scene.database.records().await;
    let run = scene.on_the_day(&["run", "--job", "learner"]);
    assert_eq!(run.code, i32::from(exit::ACCESS_REFUSED), "{}", run.stderr);
    assert_eq!(scene.database.records().await, before);
    assert_eq!(
        scene
            .database
            .number("select count(*) from kigen.journal")
            .await,
        0
    );
    remove(scene, Some(&role)).await;
}

#[tokio::test]
async fn the_documented_grants_are_enough_for_a_run() {
    let Some(scene) = Scene::postgres().await else {
        return;
    };
    let role = reader(&scene).await;
    let ledger = format!("url = \"{}\"", scene.database.url());
    scene.edit("kigen.toml", "url = \"sqlite://kigen-ledger.db\"", &ledger);
    assert_eq!(scene.kigen(&["ledger", "migrate"]).code, 0);
    let readme = include_str!("../../migrations/README.md");
    let grants = readme
        .split("```sql")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    scene
        .database
        .execute(&grants.replace("to worker", &format!("to {role}")))
        .await;
    let tables =
        format!("grant update, delete on learner, learner_contact, exam_attempt to {role}");
    scene.database.execute(&tables).await;
    let url = scene.database.url_of(&role, PASSWORD);
    scene.edit("kigen.toml", &ledger, &format!("url = \"{url}\""));
    use_store(&scene, &url);
    let run = scene.on_the_day(&["run"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert_eq!(
        scene.database.records().await,
        [("learner", 4), ("learner_contact", 1), ("exam_attempt", 4)]
    );
    remove(scene, Some(&role)).await;
}

#[tokio::test]
async fn a_ledger_in_postgresql_that_may_only_be_read_stops_the_run() {
    let Some(scene) = Scene::postgres().await else {
        return;
    };
    let role = reader(&scene).await;
    scene.edit(
        "kigen.toml",
        "url = \"sqlite://kigen-ledger.db\"",
        &format!("url = \"{}\"", scene.database.url()),
    );
    let migrated = scene.kigen(&["ledger", "migrate"]);
    assert_eq!(migrated.code, 0, "{}", migrated.stderr);
    let tables = "select string_agg(format('%I.%I', schemaname, tablename), ', ') from pg_tables \
                  where schemaname = 'public' and tablename like 'kigen%'";
    let tables = scene.database.text(tables).await;
    scene
        .database
        .execute(&format!("grant select on {tables} to {role}"))
        .await;
    let own = scene.database.url();
    scene.edit("kigen.toml", &own, &scene.database.url_of(&role, PASSWORD));
    refuses(
        &scene,
        "postgres_ledger_read_only",
        RUN_LEARNER,
        exit::LEDGER_UNAVAILABLE,
    )
    .await;
    remove(scene, Some(&role)).await;
}
