//! K17: SIGTERM ends any phase within seconds, and the next run goes on.

use std::net::TcpListener;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use kigen::exit;
use kigen::guard::Guard;

use super::{Case, JOB, LEARNERS};
use crate::scene::{AS_OF, Answer, Engine};

/// Longer than any of these takes on a busy machine, and shorter than what is promised.
const PROMISED: Duration = Duration::from_secs(10);

/// `kigen` with these words; without `guards`, and with `variables`.
fn start(case: &Case, words: &[&str], guards: &[Guard], variables: &[(&str, &str)]) -> Child {
    let names: Vec<&str> = guards.iter().map(|guard| guard.name()).collect();
    let mut command = case.scene.command(words);
    command
        .env("KIGEN_WITHOUT_GUARD", names.join(","))
        .env("AWS_ACCESS_KEY_ID", "none")
        .env("AWS_SECRET_ACCESS_KEY", "none")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(variables.iter().copied());
    command.spawn().unwrap()
}

fn terminate(program: &Child) {
    let pid = program.id().to_string();
    let sent = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(sent.unwrap().success());
}

/// The end of the program if it ends within `time`.
async fn end_within(mut program: Child, time: Duration) -> Option<Answer> {
    let begun = Instant::now();
    while program.try_wait().unwrap().is_none() {
        if begun.elapsed() > time {
            program.kill().unwrap();
            program.wait().unwrap();
            return None;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Some(Answer::of(&program.wait_with_output().unwrap()))
}

/// A server that takes connections and says nothing. Waits until somebody has come.
struct Silent(TcpListener);

impl Silent {
    fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn place(&self) -> String {
        let port = self.0.local_addr().unwrap().port();
        format!(
            "url = \"s3://nowhere/kigen\"\nregion = \"ap-northeast-1\"\nendpoint = \"http://127.0.0.1:{port}\"\npath-style = true"
        )
    }

    fn wait(&self) {
        let connection = self.0.accept().unwrap();
        // Kept open to the end of the test.
        std::mem::forget(connection);
    }
}

async fn silent_place(silent: &Silent) -> Case {
    let case = Case::new(Engine::Sqlite, LEARNERS, JOB).await.unwrap();
    let place = silent.place();
    case.scene
        .edit("kigen.toml", "folder = \"certificates\"", &place);
    case
}

#[tokio::test]
async fn a_place_of_certificates_that_never_answers_holds_nobody_up() {
    for words in [
        &["--as-of", AS_OF, "run"][..],
        &["suspend", "--job", "learner", "--reason", "incident"],
        &["verify"],
    ] {
        let silent = Silent::new();
        let case = silent_place(&silent).await;
        let program = start(&case, words, &[], &[]);
        silent.wait();
        terminate(&program);
        let ended = end_within(program, PROMISED).await.expect("it ends");
        assert_eq!(ended.code, i32::from(exit::TERMINATED), "{words:?}");
        assert_eq!(case.count("learner").await, 3);
    }
}

#[tokio::test]
async fn without_the_guards_a_silent_server_is_waited_for() {
    let silent = Silent::new();
    let case = silent_place(&silent).await;
    let without = |guard: Guard| {
        let guards = [guard, Guard::EndsWithinGrace];
        start(&case, &["--as-of", AS_OF, "run"], &guards, &[])
    };
    let program = without(Guard::WaitsEndOnRequest);
    silent.wait();
    terminate(&program);
    assert!(end_within(program, Duration::from_secs(1)).await.is_none());
}

#[tokio::test]
async fn a_table_that_is_locked_holds_nobody_up() {
    let Some(case) = Case::new(Engine::Postgres, LEARNERS, JOB).await else {
        return;
    };
    case.scene.edit(
        "kigen.toml",
        "kind = \"postgres\"",
        "kind = \"postgres\"\nlock-timeout-ms = 60000",
    );
    let lock = "begin; lock table learner in access exclusive mode";
    case.scene.database.execute(lock).await;
    let program = start(&case, &["--as-of", AS_OF, "run"], &[], &[]);
    // Kigen's own session waits for the table.
    let waiting = "select count(*) from pg_locks where not granted";
    let begun = Instant::now();
    while case.scene.database.number(waiting).await == 0 {
        assert!(begun.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    terminate(&program);
    let ended = end_within(program, PROMISED).await.expect("it ends");
    assert_eq!(ended.code, i32::from(exit::TERMINATED), "{}", ended.stderr);
    case.scene.database.execute("rollback").await;
    assert_eq!(case.run().code, 0);
    assert_eq!(case.count("learner").await, 1);
    case.remove().await;
}

/// A run that computes for a minute while it seals, and is asked to stop meanwhile.
async fn stopped_while_it_computes(case: &Case, guards: &[Guard]) -> Option<Answer> {
    let variables = [
        ("KIGEN_BLOCK_AT", "seal.after-fence"),
        ("KIGEN_GRACE_MS", "300"),
    ];
    let program = start(case, &["--as-of", AS_OF, "run"], guards, &variables);
    let closed = "select count(*) from kigen_fence where state = 'closed'";
    while case.scene.database.number(closed).await == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    terminate(&program);
    end_within(program, Duration::from_secs(2)).await
}

#[tokio::test]
async fn what_computes_when_the_grace_is_over_is_ended_and_the_next_run_certifies() {
    let Some(case) = Case::new(Engine::Sqlite, LEARNERS, JOB).await else {
        return;
    };
    let ended = stopped_while_it_computes(&case, &[])
        .await
        .expect("it ends");
    assert_eq!(ended.code, i32::from(exit::TERMINATED), "{}", ended.stderr);
    assert_eq!(case.count("learner").await, 1);
    let next = case.run();
    assert_eq!(next.code, 0, "{}{}", next.stdout, next.stderr);
    assert_eq!(
        next.stdout.matches("certificate ").count(),
        1,
        "{}",
        next.stdout
    );
    assert_eq!(case.scene.kigen(&["verify"]).code, 0);
}

#[tokio::test]
async fn without_the_guard_what_computes_is_waited_for() {
    let Some(case) = Case::new(Engine::Sqlite, LEARNERS, JOB).await else {
        return;
    };
    let guards = [Guard::EndsWithinGrace];
    let without = |_: Guard| stopped_while_it_computes(&case, &guards);
    assert!(without(Guard::EndsWithinGrace).await.is_none());
}
