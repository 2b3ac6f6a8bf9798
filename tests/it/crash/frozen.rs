//! Workers that are frozen, taken for dead, and wake up.

use super::checker;
use super::side_by_side::{BUSY, DONE, SIZE};
use super::workplace::Workplace;

/// A file lock lives as long as its process, and a frozen process lives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_run_on_sqlite_keeps_its_lock_and_goes_on_when_it_wakes() {
    let workplace = Workplace::sqlite(SIZE).await;
    let mut frozen = workplace.start_run(&[("KIGEN_STOP_AT", "batch.after-commit:7")]);
    frozen.wait_until_frozen().await;
    let before = checker::journaled(&workplace).await;
    let second = workplace.start_run(&[]).wait().await;
    assert_eq!(second.code(), Some(BUSY), "{second}");
    assert_eq!(
        checker::journaled(&workplace).await,
        before,
        "a busy run removes nothing"
    );
    frozen.wake();
    let woken = frozen.wait().await;
    assert_eq!(woken.code(), Some(DONE), "{woken}");
    checker::check(&workplace).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_zombie_whose_run_was_sealed_removes_nothing_more() {
    let Some(workplace) = Workplace::postgres(SIZE, 1).await else {
        return;
    };
    // Between two batches: it holds no lock in the store.
    let mut zombie = workplace.start_run(&[("KIGEN_STOP_AT", "batch.after-commit:7")]);
    zombie.wait_until_frozen().await;
    workplace.end_ledger_sessions().await;
    // Seals what the zombie did, and leaves most of what is due to it.
    let second = workplace.run_words(&["--job", "request-documents"]).await;
    assert_eq!(second["recovered"].as_array().unwrap().len(), 1, "{second}");
    assert!(second["recovered"][0]["error"].is_null(), "{second}");
    let before = checker::journaled(&workplace).await;
    assert!(before < workplace.size.removals(), "something is still due");

    zombie.wake();
    let ended = zombie.wait().await;
    assert_ne!(ended.code(), Some(DONE), "{ended}");
    assert!(ended.stderr.contains("fence"), "{ended}");
    assert_eq!(
        checker::journaled(&workplace).await,
        before,
        "a zombie removes nothing"
    );
    checker::journal_agrees_with_rows(&workplace).await;

    workplace.run().await;
    checker::check(&workplace).await;
    workplace.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_zombie_within_a_batch_keeps_its_fence_open_until_the_batch_has_ended() {
    let Some(workplace) = Workplace::postgres(SIZE, 1).await else {
        return;
    };
    let mut zombie = workplace.start_run(&[("KIGEN_STOP_AT", "batch.before-commit:3")]);
    zombie.wait_until_frozen().await;
    workplace.end_ledger_sessions().await;
    let words = ["--format", "json", "run", "--job", "request-documents"];
    let second = workplace.kigen(&words).wait().await;
    assert_eq!(
        second.code(),
        Some(i32::from(kigen::exit::NOT_CERTIFIED)),
        "{second}"
    );

    zombie.wake();
    zombie.wait().await;
    checker::journal_agrees_with_rows(&workplace).await;
    workplace.run().await;
    checker::check(&workplace).await;
    workplace.remove().await;
}
