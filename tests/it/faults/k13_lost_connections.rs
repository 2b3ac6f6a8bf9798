//! K13: a connection that is lost ends no run. The batch is repeated with another one, and what went has its
//! evidence in the same transaction: each row has one leaf, whatever was answered.

use std::process::Child;
use std::time::{Duration, Instant};

use kigen::exit;
use kigen::guard::Guard;

use super::with_objects::{SCANS, job_with_scans};
use super::{Case, JOB};
use crate::scene::{Answer, Engine};

const PATIENCE: Duration = Duration::from_mins(1);

/// 500 learners are due, each with two contacts; 100 are not.
const MANY: &str = "
create table learner (learner_id bigint not null primary key, name text, ended_on date);
insert into learner select i, 'PERSON', case when i <= 500 then date '2010-03-31' else date '2025-03-31' end from generate_series(1, 600) i;
create table contact (contact_id bigint not null primary key, learner_id bigint not null references learner (learner_id), phone text);
create index contact_learner on contact (learner_id);
insert into contact select i, 1 + i % 600, 'PERSON' from generate_series(1, 1200) i;
";

const GOES_WITH: &str = "
[[reference]]
table = \"contact\"
on = { learner_id = \"learner_id\" }
on-dispose = \"goes-with\"
key = [\"contact_id\"]
[reference.columns]
direct-identifier = [\"phone\"]
quasi-identifier = [\"contact_id\", \"learner_id\"]
";

/// Nothing is left of the limits when all that is due has gone.
fn exact_limits() -> String {
    JOB.replace("max-records = 1000", "max-records = 500\nmax-rows = 1500")
        .replacen(
            "[[stage]]\nname",
            &format!("{GOES_WITH}\n[[stage]]\nname"),
            1,
        )
}

/// Learners alone: one statement finds, locks and removes a batch.
fn alone() -> (String, String) {
    let learners = MANY.split("create table contact").next().unwrap();
    let job = JOB.replace("max-records = 1000", "max-records = 500");
    (learners.to_owned(), job)
}

fn start(case: &Case, environment: &[(&str, &str)]) -> Child {
    let arguments = [
        "run",
        "--as-of",
        crate::scene::AS_OF,
        "--log",
        "error",
        "--format",
        "json",
    ];
    let mut command = case.scene.command(&arguments);
    command.envs(environment.iter().copied());
    command.spawn().unwrap()
}

fn finish(case: &Case, child: Child) -> Answer {
    let answer = Answer::of(&child.wait_with_output().unwrap());
    case.scene.shows_no_secret(&answer);
    answer
}

fn is_frozen(child: &Child) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
    status.unwrap().contains("State:\tT")
}

/// Runs to the failpoint `at`, ends every session of the store there, and lets the run go on.
async fn run_losing_sessions_at(case: &Case, at: &str, without: &[Guard]) -> Answer {
    let names: Vec<&str> = without.iter().map(|guard| guard.name()).collect();
    let names = names.join(",");
    let child = start(
        case,
        &[("KIGEN_STOP_AT", at), ("KIGEN_WITHOUT_GUARD", &names)],
    );
    let begun = Instant::now();
    while !is_frozen(&child) {
        assert!(begun.elapsed() < PATIENCE, "it never came to {at}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let ended = case.scene.database.number(END_SESSIONS).await;
    assert!(ended > 0, "{at}: it has no session");
    let woken = std::process::Command::new("kill")
        .args(["-CONT", &child.id().to_string()])
        .status();
    assert!(woken.unwrap().success());
    finish(case, child)
}

const END_SESSIONS: &str = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
    where datname = current_database() and pid <> pg_backend_pid()";

/// Only what is in the middle of a batch.
const END_BATCHES: &str = "select count(pg_terminate_backend(a.pid)) from pg_stat_activity a \
    where a.datname = current_database() and a.pid <> pg_backend_pid() and exists (select 1 from pg_locks l \
      where l.pid = a.pid and l.relation = 'kigen.fence'::regclass and l.mode = 'RowShareLock')";

/// Asserts that all that was due went, once each, and that the run says so.
async fn assert_all_went(case: &Case, what: &str, answer: &Answer, contacts: bool) {
    assert_eq!(answer.code, 0, "{what}: {}{}", answer.stdout, answer.stderr);
    assert_eq!(case.count("learner").await, 100, "{what}");
    let mut leaves = 500;
    if contacts {
        assert_eq!(case.count("contact").await, 200, "{what}");
        leaves += 1000;
    }
    assert_eq!(case.leaves(), leaves, "{what}");
    let stage = &answer.json()["jobs"][0]["stages"][0];
    assert_eq!(stage["disposed"], 500, "{what}: {stage}");
    let verify = case.scene.kigen(&["verify"]);
    assert_eq!(verify.code, 0, "{what}: {}", verify.stdout);
}

#[tokio::test]
async fn a_batch_whose_session_was_ended_is_repeated() {
    let (learners, alone) = alone();
    for (tables, job, contacts, points) in [
        (
            MANY,
            &exact_limits(),
            true,
            [
                "batch.after-lock:2",
                "batch.after-removal:2",
                "batch.before-commit:2",
            ]
            .as_slice(),
        ),
        (
            &learners,
            &alone,
            false,
            ["batch.after-removal:2", "batch.before-commit:2"].as_slice(),
        ),
    ] {
        for at in points {
            let Some(case) = Case::new(Engine::Postgres, tables, job).await else {
                return;
            };
            let answer = run_losing_sessions_at(&case, at, &[]).await;
            assert_all_went(&case, at, &answer, contacts).await;
            case.remove().await;
        }
    }
}

#[tokio::test]
async fn without_the_guard_a_lost_session_ends_the_run() {
    let Some(case) = Case::new(Engine::Postgres, MANY, &exact_limits()).await else {
        return;
    };
    let guards = [Guard::LostBatchesAreRepeated];
    let answer = run_losing_sessions_at(&case, "batch.before-commit:2", &guards).await;
    assert_eq!(
        answer.code,
        i32::from(exit::STORE_UNREACHABLE),
        "{}",
        answer.stderr
    );
    case.remove().await;
}

#[tokio::test]
async fn a_commit_without_an_answer_is_looked_for_in_the_journal() {
    let (learners, alone) = alone();
    for (tables, job, contacts) in [(MANY, &exact_limits(), true), (&learners, &alone, false)] {
        // The first opens the fence.
        for number in ["2", "4", "6"] {
            let Some(case) = Case::new(Engine::Postgres, tables, job).await else {
                return;
            };
            let child = start(&case, &[("KIGEN_UNANSWERED_COMMIT", number)]);
            let answer = finish(&case, child);
            assert_all_went(&case, number, &answer, contacts).await;
            case.remove().await;
        }
    }
}

#[tokio::test]
async fn sessions_that_are_ended_again_and_again_lose_nothing() {
    let Some(case) = Case::new(Engine::Postgres, MANY, &exact_limits()).await else {
        return;
    };
    // One at a time, so that each batch is slow enough to be met.
    case.scene
        .edit("jobs/learner.toml", "batch-size = 100", "batch-size = 10");
    let mut child = start(&case, &[]);
    let (mut ended, mut rounds) = (0, 0);
    while child.try_wait().unwrap().is_none() {
        // No batch is tried for ever.
        if rounds < 3 {
            let now = case.scene.database.number(END_BATCHES).await;
            ended += now;
            rounds += i64::from(now > 0);
        }
        tokio::time::sleep(Duration::from_millis(7)).await;
    }
    let answer = finish(&case, child);
    assert!(ended > 0, "no session was met in a batch");
    assert_all_went(&case, &format!("{ended} ended"), &answer, true).await;
    case.remove().await;
}

const FILES: [&str; 3] = ["scan-1.pdf", "scan-2.pdf", "scan-3.pdf"];

/// Two rows and two objects.
async fn assert_scans_went(case: &Case, what: &str, answer: &Answer) {
    assert_eq!(answer.code, 0, "{what}: {}{}", answer.stdout, answer.stderr);
    assert_eq!(case.scans(&FILES), ["scan-3.pdf"], "{what}");
    assert_eq!(
        (case.count("learner").await, case.leaves()),
        (1, 4),
        "{what}: {}",
        answer.stdout
    );
    assert_eq!(case.open_intents(Engine::Postgres).await, 0, "{what}");
    let stage = &answer.json()["jobs"][0]["stages"][0];
    assert_eq!(stage["disposed"], 2, "{what}: {stage}");
    let verify = case.scene.kigen(&["verify"]);
    assert_eq!(verify.code, 0, "{what}: {}", verify.stdout);
}

#[tokio::test]
async fn a_batch_with_objects_goes_on_with_another_session() {
    let job = job_with_scans("");
    for at in [
        "batch.after-lock:1",
        "intent.after-intend",
        "intent.after-objects",
        "batch.after-lock:2",
        "intent.before-commit",
    ] {
        let Some(case) = Case::with_scans(Engine::Postgres, SCANS, &job, &FILES).await else {
            return;
        };
        let answer = run_losing_sessions_at(&case, at, &[]).await;
        assert_scans_went(&case, at, &answer).await;
        case.remove().await;
    }
    // The fence, the intents, the rows.
    for number in ["2", "3"] {
        let Some(case) = Case::with_scans(Engine::Postgres, SCANS, &job, &FILES).await else {
            return;
        };
        let child = start(&case, &[("KIGEN_UNANSWERED_COMMIT", number)]);
        let answer = finish(&case, child);
        assert_scans_went(&case, number, &answer).await;
        case.remove().await;
    }
}
