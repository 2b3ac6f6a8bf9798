//! Locks: one holder, no waiting, all or none.

use super::both;
use super::fixture::Fixture;
use crate::ledger::error::{LockError, Retry};

both! {
    a_lock_is_held_by_one_and_is_free_after_its_release,
    a_lock_that_is_dropped_is_free_soon,
    of_several_locks_all_are_taken_or_none,
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

async fn a_lock_is_held_by_one_and_is_free_after_its_release(fixture: Fixture) {
    let ledger = fixture.migrated().await;
    let other = fixture.open().await;
    let mut lock = ledger
        .lock(&names(&["job:a", "run:1", "job:a"]))
        .await
        .unwrap();
    lock.check().await.unwrap();
    for ledger in [&ledger, &other] {
        let error = ledger.lock(&names(&["job:a"])).await.unwrap_err();
        assert!(
            matches!(&error, LockError::Busy { name } if name == "job:a"),
            "{error:?}"
        );
        assert_eq!(error.retry(), Retry::Later);
    }
    let apart = other.lock(&names(&["job:b"])).await.unwrap();
    lock.release().await.unwrap();
    let again = other.lock(&names(&["job:a"])).await.unwrap();
    again.release().await.unwrap();
    apart.release().await.unwrap();
}

async fn a_lock_that_is_dropped_is_free_soon(fixture: Fixture) {
    let ledger = fixture.migrated().await;
    drop(ledger.lock(&names(&["job:a"])).await.unwrap());
    for _ in 0..100 {
        if ledger.lock(&names(&["job:a"])).await.is_ok() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the lock outlived its value");
}

async fn of_several_locks_all_are_taken_or_none(fixture: Fixture) {
    let ledger = fixture.migrated().await;
    let lock = ledger.lock(&names(&["job:m"])).await.unwrap();
    let error = ledger
        .lock(&names(&["job:z", "job:m", "job:a"]))
        .await
        .unwrap_err();
    assert!(matches!(error, LockError::Busy { name } if name == "job:m"));
    let others = ledger.lock(&names(&["job:a", "job:z"])).await.unwrap();
    others.release().await.unwrap();
    lock.release().await.unwrap();
}
