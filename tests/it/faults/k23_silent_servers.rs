//! K23: a server that does not answer holds no run: every call has a time limit, and ends soon after the
//! process was asked to stop. Also within one object that has thousands of versions.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use kigen::exit;
use kigen::guard::Guard;

use super::Case;
use super::s3_proxy::{Proxy, Spoil};
use super::with_objects::{SCANS, job_with_scans};
use crate::bucket::Bucket;
use crate::scene::{Answer, Engine};

/// A case whose scans lie in `bucket`, behind `endpoint`.
async fn behind(bucket: &Bucket, endpoint: &str) -> Option<Case> {
    let case = Case::new(Engine::Sqlite, SCANS, &job_with_scans("")).await?;
    case.add_object_store("scans", &bucket.objects_keys(endpoint));
    Some(case)
}

fn start(case: &Case, without: &[Guard]) -> Child {
    let names: Vec<&str> = without.iter().map(|guard| guard.name()).collect();
    let arguments = ["run", "--as-of", crate::scene::AS_OF, "--log", "error"];
    let mut command = case.with_credentials(&arguments);
    command
        .env("KIGEN_WITHOUT_GUARD", names.join(","))
        .spawn()
        .unwrap()
}

fn terminate(program: &Child) {
    let sent = Command::new("kill")
        .args(["-TERM", &program.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// Waits at most `longest` for the end.
fn ends_within(program: &mut Child, longest: Duration) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < longest {
        if program.try_wait().unwrap().is_some() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

/// Of the calls that remove, the first is the one that tries them.
#[tokio::test]
async fn a_server_that_never_answers_holds_no_run_past_sigterm() {
    let Some(bucket) = Bucket::plain() else {
        return;
    };
    for file in ["scan-1.pdf", "scan-2.pdf", "scan-3.pdf"] {
        bucket.overwrite(file, b"scan");
    }
    let silent = || Proxy::start_after(1, &bucket.endpoint, "?delete", Spoil::Silence);
    let (one, two) = (silent(), silent());
    let case = behind(&bucket, &one.endpoint).await.unwrap();
    let other = behind(&bucket, &two.endpoint).await.unwrap();
    let mut run = start(&case, &[]);
    let without = Guard::CallsObeyStop;
    let mut unguarded = start(&other, &[without]);
    one.wait_for(2);
    two.wait_for(2);
    terminate(&run);
    terminate(&unguarded);
    let ended = ends_within(&mut run, Duration::from_secs(7));
    let is_alive = unguarded.try_wait().unwrap().is_none();
    unguarded.kill().unwrap();
    unguarded.wait().unwrap();
    assert!(ended, "it goes on past SIGTERM");
    assert!(is_alive, "the guard protects nobody");
    let answer = Answer::of(&run.wait_with_output().unwrap());
    let code = i32::from(exit::TERMINATED);
    assert_eq!(answer.code, code, "{}{}", answer.stdout, answer.stderr);
    assert_eq!(case.count("learner").await, 3);
    // No lock is left, and the next run ends what was begun.
    case.scene
        .edit("kigen.toml", &one.endpoint, &bucket.endpoint);
    let next = start(&case, &[]).wait_with_output().unwrap();
    assert_eq!(next.status.code(), Some(0), "{next:?}");
    assert_eq!(case.count("learner").await, 1);
}

#[tokio::test]
async fn a_server_that_never_answers_ends_the_start_of_a_run_too() {
    let Some(bucket) = Bucket::plain() else {
        return;
    };
    let silent = Proxy::start(&bucket.endpoint, "", Spoil::Silence);
    let case = behind(&bucket, &silent.endpoint).await.unwrap();
    let mut run = start(&case, &[]);
    silent.wait_for(1);
    terminate(&run);
    assert!(ends_within(&mut run, Duration::from_secs(7)));
    let answer = Answer::of(&run.wait_with_output().unwrap());
    assert_eq!(
        answer.code,
        i32::from(exit::TERMINATED),
        "{}",
        answer.stderr
    );
}

/// A run over an object of 260 versions below `prefix`, which is asked to stop while it removes the
/// first 250 of them. Returns the calls that it made, and the case.
async fn stopped_within_an_object(
    bucket: &Bucket,
    prefix: &str,
    without: &[Guard],
) -> (u64, Answer, Case) {
    for file in ["scan-2.pdf", "scan-3.pdf"] {
        bucket.overwrite(&format!("{prefix}{file}"), b"scan");
    }
    for _ in 0..260 {
        bucket.overwrite(&format!("{prefix}scan-1.pdf"), b"scan");
    }
    let late = Spoil::Late(Duration::from_millis(500));
    let slow = Proxy::start(&bucket.endpoint, "?delete", late);
    let case = behind(bucket, &slow.endpoint).await.unwrap();
    let with_prefix = format!("path-style = true\nprefix = \"{prefix}\"");
    case.scene
        .edit("kigen.toml", "path-style = true", &with_prefix);
    let mut run = start(&case, without);
    slow.wait_for(2);
    terminate(&run);
    assert!(ends_within(&mut run, Duration::from_secs(10)));
    let answer = Answer::of(&run.wait_with_output().unwrap());
    (slow.spoiled(), answer, case)
}

#[tokio::test]
async fn a_stop_is_obeyed_between_two_calls_of_one_object() {
    let Some(bucket) = Bucket::lockable() else {
        return;
    };
    let (calls, answer, case) = stopped_within_an_object(&bucket, "a/", &[]).await;
    assert_eq!(calls, 2, "a further call was made");
    let code = i32::from(exit::TERMINATED);
    assert_eq!(answer.code, code, "{}{}", answer.stdout, answer.stderr);
    // What went is certified, and its row stays for the next run.
    assert_eq!((case.count("learner").await, case.leaves()), (3, 250));
}

#[tokio::test]
async fn without_the_guard_every_version_goes_first() {
    let Some(bucket) = Bucket::lockable() else {
        return;
    };
    let without = Guard::StopBetweenCalls;
    let (calls, _, case) = stopped_within_an_object(&bucket, "b/", &[without]).await;
    assert_eq!((calls, case.count("learner").await), (3, 1));
}

#[test]
fn every_call_stands_in_the_trace() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let Some(bucket) = Bucket::plain() else {
            return;
        };
        for file in ["scan-1.pdf", "scan-2.pdf", "scan-3.pdf"] {
            bucket.overwrite(file, b"scan");
        }
        let case = behind(&bucket, &bucket.endpoint).await.unwrap();
        let arguments = ["run", "--as-of", crate::scene::AS_OF, "--log", "debug"];
        let answer = case.scene.finish(&mut case.with_credentials(&arguments));
        assert_eq!(answer.code, 0, "{}", answer.stderr);
        for operation in [
            "ListObjectVersions: answered after",
            "DeleteObjects: answered after",
        ] {
            assert!(
                answer.stderr.contains(operation),
                "{operation}: {}",
                answer.stderr
            );
        }
        assert!(!answer.stderr.contains("scan-1"), "the trace shows a key");
        case.remove().await;
    });
}
