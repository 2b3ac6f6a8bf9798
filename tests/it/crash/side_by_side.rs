//! Two runs at the same time.

use super::checker;
use super::school::Size;
use super::workplace::Workplace;

pub(crate) const SIZE: Size = Size {
    attempts: 400,
    logins: 2_000,
    requests: 12,
    batch: 20,
};

pub(crate) const DONE: i32 = kigen::exit::DONE as i32;
pub(crate) const BUSY: i32 = kigen::exit::BUSY as i32;

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
