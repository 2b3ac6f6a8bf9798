//! K19: a SQLite file belongs to its application; what is certified as removed does not lie beside it.

use std::fs;
use std::time::Duration;

use kigen::guard::Guard;
use kigen::store::sql::{SqliteOptions, open_sqlite};

use super::{Case, JOB, LEARNERS};
use crate::scene::Engine;

/// What the removed rows hold.
const TRACE: &str = "TRACE-OF-A-LEARNER";

/// The files of the store that hold [`TRACE`].
fn traces(case: &Case) -> Vec<String> {
    let mut found = Vec::new();
    for suffix in ["", "-wal", "-journal"] {
        let name = format!("store.db{suffix}");
        let bytes = fs::read(case.scene.path(&name)).unwrap_or_default();
        let trace = TRACE.as_bytes();
        if bytes.windows(trace.len()).any(|window| window == trace) {
            found.push(name);
        }
    }
    found
}

async fn case_in(mode: &str) -> Case {
    let sql = format!(
        "pragma journal_mode = {mode}; {}",
        LEARNERS
            .replace("PERSON", TRACE)
            .replace("(3, 'TRACE-OF-A-LEARNER'", "(3, 'x'")
    );
    Case::new(Engine::Sqlite, &sql, JOB).await.unwrap()
}

#[tokio::test]
async fn the_journal_mode_stays_the_applications() {
    for mode in ["delete", "truncate", "wal"] {
        let case = case_in(mode).await;
        let answer = case.run();
        assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
        assert_eq!(case.count("learner").await, 1);
        let now = case.scene.database.text("pragma journal_mode").await;
        // `truncate` is a mode of a connection; the file knows only `wal` and the others.
        assert_eq!(now == "wal", mode == "wal", "{mode} has become {now}");
    }
}

#[tokio::test]
async fn no_file_of_the_store_holds_what_was_removed() {
    for mode in ["delete", "wal"] {
        let case = case_in(mode).await;
        assert!(!traces(&case).is_empty(), "the test looks in vain: {mode}");
        let answer = case.run();
        assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
        assert_eq!(traces(&case), Vec::<String>::new(), "{mode}");
    }
}

#[tokio::test]
async fn traces_that_another_program_holds_are_told() {
    let case = case_in("wal").await;
    let database = &case.scene.database;
    database
        .execute("begin; select count(*) from learner")
        .await;
    let answer = case.scene.on_the_day(&["run", "--log", "warn"]);
    assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
    let said = format!("{}{}", answer.stdout, answer.stderr);
    assert!(
        said.contains("may still be read in `store.db-wal`"),
        "{said}"
    );
    database.execute("rollback").await;
}

#[tokio::test]
async fn a_copy_that_nobody_writes_to_can_be_planned_and_not_removed_from() {
    for option in ["immutable=1", "mode=ro"] {
        let case = case_in("delete").await;
        let with = format!("\"sqlite://store.db?{option}\"");
        case.scene
            .edit("kigen.toml", "\"sqlite://store.db\"", &with);
        let plan = case.scene.on_the_day(&["plan"]);
        assert_eq!(plan.code, 0, "{}{}", plan.stdout, plan.stderr);
        let run = case.run();
        assert_ne!(run.code, 0);
        assert!(
            run.stderr.contains("read-only by its URL"),
            "{}",
            run.stderr
        );
        assert_eq!(case.count("learner").await, 3);
    }
}

#[tokio::test]
async fn a_file_of_which_a_part_lies_in_its_log_is_not_read_as_a_copy() {
    let case = case_in("wal").await;
    let with = "\"sqlite://store.db?immutable=1\"";
    case.scene.edit("kigen.toml", "\"sqlite://store.db\"", with);
    let plan = case.scene.on_the_day(&["plan"]);
    assert_ne!(plan.code, 0);
    let said = format!("{}{}", plan.stdout, plan.stderr);
    assert!(said.contains("store.db-wal"), "{said}");
}

#[tokio::test]
async fn a_file_that_another_program_locks_is_named_with_the_reason() {
    let case = case_in("delete").await;
    case.scene.database.execute("begin exclusive").await;
    let opened = open_sqlite(SqliteOptions {
        name: "school".to_owned(),
        file: case.scene.path("store.db"),
        busy_timeout: Duration::from_millis(100),
        read_only: false,
        immutable: false,
    });
    let error = opened.await.err().unwrap().to_string();
    assert!(
        error.contains("another program keeps the file locked"),
        "{error}"
    );
    case.scene.database.execute("rollback").await;
}

#[tokio::test]
async fn without_the_guards_the_file_becomes_another_and_keeps_traces() {
    let case = case_in("delete").await;
    case.run_without(&[Guard::JournalModeStays]);
    // A connection learns the mode of a file when it reads it.
    assert_eq!(case.count("learner").await, 1);
    let mode = case.scene.database.text("pragma journal_mode").await;
    assert_eq!(mode, "wal");

    let case = case_in("wal").await;
    case.run_without(&[Guard::WalIsEmptied]);
    assert_eq!(case.count("learner").await, 1);
    assert_ne!(traces(&case), Vec::<String>::new());
}
