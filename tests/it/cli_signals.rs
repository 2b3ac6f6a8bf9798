//! Being asked to stop: a run ends at the border of a batch, the daemon ends in peace.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use kigen::exit;

use crate::scene::{AS_OF, Answer, Scene};

/// Longer than any of these takes, also on a machine that builds at the same time.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until `query` counts at least `least`, or the program has ended.
async fn wait_for(scene: &Scene, program: &mut Child, query: &str, least: i64) {
    let begun = Instant::now();
    while scene.database.number(query).await < least {
        assert!(
            program.try_wait().unwrap().is_none(),
            "the program ended too early"
        );
        assert!(begun.elapsed() < PATIENCE, "it did not come so far");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn terminate(program: &Child) {
    let sent = Command::new("kill")
        .args(["-TERM", &program.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

async fn end_of(mut program: Child) -> Answer {
    let begun = Instant::now();
    while program.try_wait().unwrap().is_none() {
        if begun.elapsed() > PATIENCE {
            program.kill().unwrap();
            panic!("the program did not end");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Answer::of(&program.wait_with_output().unwrap())
}

/// Adds 4000 learners that are due, and room in the limits: at two a batch, a run of some seconds.
async fn add_many(scene: &Scene) {
    let many = "insert into learner with recursive n (i) as (select 1000 union all select i + 1 from n where i < 4999) \
                select i, null, '2020-01-01', 'own' from n";
    scene.database.execute(many).await;
    scene.edit(
        "jobs/learner.toml",
        "max-records = 100",
        "max-records = 5000",
    );
    scene.edit(
        "jobs/learner.toml",
        "max-persons = 100",
        "max-persons = 5000",
    );
}

#[tokio::test]
async fn a_second_run_of_a_job_does_not_wait_for_the_first() {
    let scene = Scene::sqlite().await;
    add_many(&scene).await;
    let arguments = ["--as-of", AS_OF, "run", "--job", "learner"];
    let mut first = scene.command(&arguments).spawn().unwrap();
    wait_for(&scene, &mut first, "select count(*) from kigen_journal", 1).await;
    let second = scene.kigen(&arguments);
    terminate(&first);
    assert_eq!(second.code, i32::from(exit::BUSY), "{}", second.stderr);
    assert!(
        second.stderr.contains("another run holds it"),
        "{}",
        second.stderr
    );
    assert_eq!(end_of(first).await.code, i32::from(exit::TERMINATED));
}

#[tokio::test]
async fn a_run_that_is_asked_to_stop_ends_after_its_batch_and_the_next_goes_on() {
    let scene = Scene::sqlite().await;
    add_many(&scene).await;
    let arguments = [
        "--as-of", AS_OF, "--format", "json", "run", "--job", "learner",
    ];
    let mut program = scene.command(&arguments).spawn().unwrap();
    wait_for(
        &scene,
        &mut program,
        "select count(*) from kigen_journal",
        3,
    )
    .await;
    terminate(&program);
    let stopped = end_of(program).await;
    scene.shows_no_secret(&stopped);
    assert_eq!(
        stopped.code,
        i32::from(exit::TERMINATED),
        "{}",
        stopped.stderr
    );
    let first = stopped.json();
    assert_eq!(first["stopped"], true);
    let removed = first["jobs"][0]["stages"][0]["disposed"].as_i64().unwrap();
    let left = scene
        .database
        .number("select count(*) from learner where learner_id >= 1000 or learner_id = 1")
        .await;
    assert!(removed > 0 && left > 0, "{removed} removed, {left} left");
    assert_eq!(removed + left, 4001, "a batch was removed and not counted");
    // The contacts of the first learner went with it.
    let gone_with = first["jobs"][0]["stages"][0]["gone_with"]["learner_contact"]
        .as_i64()
        .unwrap();
    assert_eq!(first["certificates"][0]["records"], removed + gone_with);

    scene.edit("jobs/learner.toml", "batch-size = 2", "batch-size = 1000");
    let second = scene.kigen(&arguments);
    assert_eq!(second.code, 0, "{}", second.stderr);
    assert_eq!(second.json()["jobs"][0]["stages"][0]["disposed"], left);
    assert_eq!(scene.kigen(&["certificate", "verify"]).code, 0);
}

#[tokio::test]
async fn the_daemon_runs_jobs_by_their_schedule_and_ends_in_peace() {
    let scene = Scene::sqlite().await;
    for file in ["jobs/learner.toml", "jobs/exam-history.toml"] {
        scene.edit(
            file,
            "time-zone = \"Asia/Tokyo\"",
            "time-zone = \"Asia/Tokyo\"\nschedule = \"* * * * * *\"",
        );
    }
    let mut program = scene
        .command(&["--as-of", AS_OF, "daemon"])
        .spawn()
        .unwrap();
    let gone = "select 6 - count(*) from learner";
    wait_for(&scene, &mut program, gone, 2).await;
    // Records that come up later go with a later fire.
    scene
        .database
        .execute("insert into learner values (7, null, '2020-01-01', 'own')")
        .await;
    wait_for(&scene, &mut program, gone, 2).await;
    terminate(&program);
    let ended = end_of(program).await;
    scene.shows_no_secret(&ended);
    assert_eq!(ended.code, i32::from(exit::TERMINATED), "{}", ended.stderr);
    assert!(ended.stdout.is_empty(), "a daemon has no result");
    assert!(ended.stderr.contains("the daemon ends"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_daemon_without_a_schedule_does_not_wait_for_ever() {
    let scene = Scene::sqlite().await;
    let answer = scene.kigen(&["daemon"]);
    assert_eq!(
        answer.code,
        i32::from(exit::JOBS_INVALID),
        "{}",
        answer.stderr
    );
}
