//! Suspended jobs: left alone by runs, and written into the logs of their clients.

use kigen::exit;

use super::{holds, kinds};
use crate::scene::Scene;

#[tokio::test]
async fn a_suspended_job_is_left_alone_and_the_logs_say_why() {
    let scene = Scene::sqlite().await;
    let words = [
        "suspend",
        "--job",
        "exam-history",
        "--reason",
        "legal-hold",
        "--review-on",
        "2027-04-01",
    ];
    let suspended = scene.kigen(&words);
    assert_eq!(suspended.code, 0, "{}", suspended.stderr);
    insta::assert_snapshot!("suspend", suspended.stdout);
    // Again is no second suspension.
    assert_eq!(scene.kigen(&words).code, 0);
    let clear = "select count(*) from exam_attempt where comment is not null";
    let before = scene.database.number(clear).await;
    let run = scene.on_the_day(&["run"]);
    assert_eq!(run.code, i32::from(exit::SUSPENDED), "{}", run.stderr);
    assert!(
        run.stdout.contains("exam-history is suspended since ")
            && run
                .stdout
                .contains("(legal-hold, to be reviewed on 2027-04-01)"),
        "{}",
        run.stdout
    );
    assert_eq!(scene.database.number(clear).await, before);
    assert_eq!(kinds(&scene, "own")[..2], ["suspension", "plan"]);
    holds(&scene, &[]);
    let said = scene.kigen(&["verify"]).stdout;
    assert!(
        said.contains("disposal is suspended since entry 0"),
        "{said}"
    );

    let resumed = scene.kigen(&["resume", "--all"]);
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    assert_eq!(scene.on_the_day(&["run"]).code, 0);
    assert_eq!(
        kinds(&scene, "own"),
        [
            "suspension",
            "plan",
            "certificate",
            "resumption",
            "plan",
            "certificate"
        ]
    );
    assert!(scene.database.number(clear).await < before);
    holds(&scene, &[]);
}

#[cfg(feature = "failpoints")]
#[tokio::test]
async fn a_suspension_that_was_killed_holds_and_is_written_into_the_logs_by_the_next_one() {
    let scene = Scene::sqlite().await;
    let words = ["suspend", "--all", "--reason", "contract"];
    let mut command = scene.command(&words);
    command.env("KIGEN_KILL_AT", "suspend.after-entry:2");
    assert!(!command.output().unwrap().status.success());
    let run = scene.on_the_day(&["run"]);
    assert_eq!(run.code, i32::from(exit::SUSPENDED), "{}", run.stderr);
    assert_eq!(run.stdout.matches("is suspended since").count(), 2);
    assert!(!scene.path("certificates").exists());
    for _ in 0..2 {
        assert_eq!(scene.kigen(&words).code, 0);
    }
    assert_eq!(kinds(&scene, "own"), ["suspension", "suspension"]);
    let mut command = scene.command(&["resume", "--all"]);
    command.env("KIGEN_KILL_AT", "log.after-entry:2");
    assert!(!command.output().unwrap().status.success());
    assert_eq!(scene.kigen(&["resume", "--all"]).code, 0);
    assert_eq!(
        kinds(&scene, "own"),
        ["suspension", "suspension", "resumption", "resumption"]
    );
    holds(&scene, &[]);
}

#[tokio::test]
async fn nobody_suspends_everything_by_leaving_an_option_out() {
    let scene = Scene::sqlite().await;
    for words in [
        &["suspend", "--reason", "incident"][..],
        &[
            "suspend", "--reason", "incident", "--all", "--job", "learner",
        ],
        &["resume"],
        &["suspend", "--all"],
        &["suspend", "--all", "--reason", "no-time"],
    ] {
        let answer = scene.kigen(words);
        assert_eq!(answer.code, i32::from(exit::USAGE), "{}", answer.stderr);
    }
    let run = scene.on_the_day(&["run"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
}
