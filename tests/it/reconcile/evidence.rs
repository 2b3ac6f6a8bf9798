//! Evidence that was changed, is gone, or cannot be opened any more.

use std::fs;
use std::path::{Path, PathBuf};

use kigen::exit;

use super::{Restored, cluster, lists};
use crate::scene::execute_in_sqlite;

/// The one `leaves.bin` of the client `own`.
fn leaves(certificates: &Path) -> PathBuf {
    let runs = fs::read_dir(certificates.join("own")).unwrap();
    let runs = runs.map(|run| run.unwrap().path().join("leaves.bin"));
    let found: Vec<PathBuf> = runs.filter(|file| file.exists()).collect();
    assert_eq!(found.len(), 1);
    found[0].clone()
}

#[tokio::test]
async fn leaves_that_were_changed_are_refused_and_nothing_is_removed() {
    let restored = Restored::on_sqlite().await;
    let file = leaves(&restored.scene.path("certificates"));
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    let before = restored.rows().await;
    for further in [&[][..], &["--apply"][..]] {
        let answer = restored.reconcile(further);
        assert_eq!(
            answer.code,
            i32::from(exit::DOES_NOT_HOLD),
            "{}",
            answer.stdout
        );
        assert!(answer.stdout.contains("was changed"), "{}", answer.stdout);
    }
    assert_eq!(restored.rows().await, before);
}

#[tokio::test]
async fn leaves_that_are_gone_are_named_and_nothing_is_removed() {
    let restored = Restored::on_sqlite().await;
    fs::remove_file(leaves(&restored.scene.path("certificates"))).unwrap();
    let before = restored.rows().await;
    let answer = restored.reconcile(&["--apply", "--format", "json"]);
    assert_eq!(
        answer.code,
        i32::from(exit::DOES_NOT_HOLD),
        "{}",
        answer.stdout
    );
    let found = answer.json();
    assert_eq!(found["lost"][0]["why"], "leaves-missing");
    // Of the other client everything is known.
    assert_eq!(lists(cluster(&found, "exam-history")), [0, 1, 0, 0, 4]);
    assert_eq!(restored.rows().await, before);
}

#[tokio::test]
async fn without_the_key_of_the_run_nothing_can_be_decided() {
    let restored = Restored::on_sqlite().await;
    let ledger = restored.scene.path("kigen-ledger.db");
    execute_in_sqlite(&ledger, "delete from kigen_run_key").await;
    let answer = restored.reconcile(&["--apply", "--format", "json"]);
    assert_eq!(answer.code, i32::from(exit::NOT_GONE), "{}", answer.stdout);
    let found = answer.json();
    assert_eq!(found["lost"][0]["why"], "key-destroyed");
    assert_eq!(lists(cluster(&found, "learner")), [0, 0, 0, 0, 6]);
    assert_eq!(found["applied"], serde_json::Value::Null);
}

#[tokio::test]
async fn a_run_before_the_backup_is_nobodys_business() {
    let mut restored = Restored::on_sqlite().await;
    restored.backup_time = super::now();
    let answer = restored.reconcile(&["--format", "json"]);
    assert_eq!(answer.code, 0, "{}", answer.stdout);
    let found = answer.json();
    assert_eq!(found["runs"], 0);
    assert_eq!(lists(cluster(&found, "learner")), [6, 0, 0, 0, 0]);
}

#[tokio::test]
async fn a_stage_that_the_job_no_longer_has_leaves_its_records_undecided() {
    let restored = Restored::on_sqlite().await;
    let job = fs::read_to_string(restored.scene.path("jobs/learner.toml")).unwrap();
    let renamed = job
        .replace("name = \"delete\"", "name = \"erase\"")
        .replace("stage = \"delete\"", "stage = \"erase\"");
    restored.scene.write("jobs/learner.toml", &renamed);
    let found = restored.reconcile(&["--format", "json", "--job", "learner"]);
    assert_eq!(found.code, i32::from(exit::NOT_GONE), "{}", found.stderr);
    let found = found.json();
    assert_eq!(found["lost"][0]["why"], "job-changed");
    assert_eq!(lists(cluster(&found, "learner")), [0, 0, 0, 0, 6]);
}
