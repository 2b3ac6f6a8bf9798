//! Two runs at the same time, also with one that was taken for dead.

use super::checker;
use super::process::Ended;
use super::school::Size;
use super::workplace::Workplace;

const SIZE: Size = Size {
    attempts: 400,
    logins: 2_000,
    requests: 12,
    batch: 20,
};

const DONE: i32 = kigen::exit::DONE as i32;
const BUSY: i32 = kigen::exit::BUSY as i32;

async fn of_two_at_once_one_is_busy(workplace: &Workplace) {
    let (one, two) = (workplace.start_run(&[]), workplace.start_run(&[]));
    let (one, two) = tokio::join!(one.wait(), two.wait());
    let mut codes = [one.code(), two.code()];
    codes.sort_unstable();
    assert_eq!(codes, [Some(DONE), Some(BUSY)], "{one}\n{two}");
    checker::check(workplace).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_runs_at_once_on_sqlite_one_is_busy_and_nothing_goes_twice() {
    of_two_at_once_one_is_busy(&Workplace::sqlite(SIZE).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_runs_at_once_on_postgres_one_is_busy_and_nothing_goes_twice() {
    let Some(workplace) = Workplace::postgres(SIZE, 2).await else {
        return;
    };
    of_two_at_once_one_is_busy(&workplace).await;
    workplace.remove().await;
}

#[cfg(feature = "failpoints")]
mod frozen {
    use super::*;

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
        assert_done(&frozen.wait().await);
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

    fn assert_done(ended: &Ended) {
        assert_eq!(ended.code(), Some(DONE), "{ended}");
    }
}
