//! What the process itself could leave behind.

use std::process::{Command, Stdio};

use kigen::guard::Guard;

use super::{Case, JOB, LEARNERS};
use crate::crash::process::Worker;
use crate::scene::{AS_OF, Engine};

/// The soft and the hard limit of core files of a worker that stands in the middle of a batch. It was
/// started where they are allowed.
async fn core_file_limits(case: &Case, without: &str) -> String {
    let kigen = case.scene.command(&["run", "--as-of", AS_OF]);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "ulimit -c unlimited && exec \"$0\" \"$@\""])
        .arg(kigen.get_program())
        .args(kigen.get_args())
        .current_dir(kigen.get_current_dir().unwrap())
        .envs(
            kigen
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .env("KIGEN_STOP_AT", "batch.before-commit")
        .env("KIGEN_WITHOUT_GUARD", without)
        .stdin(Stdio::null());
    let folder = tempfile::tempdir().unwrap();
    let mut worker = Worker::start(&mut shell, folder.path());
    worker.wait_until_frozen().await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", worker.id())).unwrap();
    worker.kill();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    line.unwrap()
        .split_whitespace()
        .skip(4)
        .take(2)
        .collect::<Vec<_>>()
        .join(" ")
}

#[tokio::test]
async fn a_worker_leaves_no_core_file() {
    let case = Case::new(Engine::Sqlite, LEARNERS, JOB).await.unwrap();
    assert_eq!(core_file_limits(&case, "").await, "0 0");
}

#[tokio::test]
async fn without_the_guard_a_worker_leaves_a_core_file() {
    let case = Case::new(Engine::Sqlite, LEARNERS, JOB).await.unwrap();
    let limits = core_file_limits(&case, Guard::NoCoreFile.name()).await;
    assert_eq!(limits, "unlimited unlimited");
}
