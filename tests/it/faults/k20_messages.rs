//! K20 and K21: a log that says more says at least as much, and no run goes on under a name that
//! nobody chose.

use kigen::exit;

use super::{Case, JOB, LEARNERS};
use crate::scene::{AS_OF, Engine};

/// What each line says, without time, level and numbers.
fn lines(log: &str) -> Vec<String> {
    let says = |line: &str| {
        let from = line.find("kigen::")?;
        let text: String = line[from..]
            .chars()
            .filter(|c| !c.is_ascii_digit())
            .collect();
        // What follows differs from run to run.
        Some(text.split('=').next()?.to_owned())
    };
    log.lines().filter_map(says).collect()
}

#[tokio::test]
async fn debug_and_trace_show_at_least_what_info_shows() {
    let mut shown = Vec::new();
    for level in ["info", "debug", "trace"] {
        let Some(case) = Case::new(Engine::Sqlite, LEARNERS, JOB).await else {
            return;
        };
        let words = ["--log", level, "--as-of", AS_OF, "run"];
        let run = case.scene.kigen(&words);
        assert_eq!(run.code, 0, "{}", run.stderr);
        shown.push(lines(&run.stderr));
    }
    let [info, debug, trace] = shown.try_into().unwrap();
    assert!(
        info.iter().any(|line| line.contains("stage ended")),
        "{info:?}"
    );
    assert!(
        info.iter().all(|line| debug.contains(line)),
        "{info:?} {debug:?}"
    );
    assert!(debug.len() > info.len(), "{debug:?}");
    assert!(
        debug.iter().all(|line| trace.contains(line)),
        "{debug:?} {trace:?}"
    );
}

#[tokio::test]
async fn nothing_goes_under_a_name_that_nobody_chose() {
    let Some(case) = Case::new(Engine::Sqlite, LEARNERS, JOB).await else {
        return;
    };
    let origin = "origin = \"certificates.example.jp/kigen\"\n";
    case.scene.edit("kigen.toml", origin, "");
    let check = case.scene.kigen(&["check"]);
    assert_eq!(check.code, 0, "{}", check.stderr);
    assert!(
        check.stderr.contains("there is no `origin`"),
        "{}",
        check.stderr
    );
    let now = jiff::Timestamp::now().to_string();
    for words in [
        &["run"][..],
        &["suspend", "--job", "learner", "--reason", "incident"],
        &["resume", "--job", "learner"],
        &[
            "reconcile",
            "--store",
            "school",
            "--backup-time",
            &now,
            "--apply",
        ],
    ] {
        let answer = case.scene.on_the_day(words);
        assert_eq!(answer.code, i32::from(exit::CONFIG_INVALID), "{words:?}");
        assert!(
            answer.stderr.contains("cannot be changed later"),
            "{}",
            answer.stderr
        );
    }
    assert_eq!(case.count("learner").await, 3);
    assert!(!case.scene.path("certificates").exists());
}

#[tokio::test]
async fn a_log_that_has_another_name_says_how_it_keeps_it() {
    let Some(case) = Case::new(Engine::Sqlite, LEARNERS, JOB).await else {
        return;
    };
    // As a version wrote it that took a name of its own where none was given.
    let chosen = "origin = \"certificates.example.jp/kigen\"";
    case.scene
        .edit("kigen.toml", chosen, "origin = \"kigen.invalid\"");
    assert_eq!(case.run().code, 0);
    case.scene
        .edit("kigen.toml", "origin = \"kigen.invalid\"", chosen);
    let run = case.run();
    assert_eq!(run.code, i32::from(exit::LOG_DIFFERS), "{}", run.stderr);
    assert!(
        run.stderr.contains("`origin = \"kigen.invalid\"`"),
        "{}",
        run.stderr
    );
    case.scene
        .edit("kigen.toml", chosen, "origin = \"kigen.invalid\"");
    assert_eq!(case.run().code, 0);
}
