//! A worker that is killed between its two transactions, and the one that comes after it.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use kigen_evidence::leaf::Action;

use super::fixture::{DOCUMENTS, DUE, NOT_DUE, REQUESTS, SCANS, World, worlds};
use super::troubled::{Blow, Troubled};
use crate::store::{Disposer as _, Released};

/// Three due records of which one has no scan; the first batch has two records.
pub(super) async fn fill(world: &World) {
    world.request(1, DUE, &["1/a", "1/b"]).await;
    world.request(2, DUE, &["2/missing"]).await;
    world.request(3, DUE, &["3/a"]).await;
    world.request(4, NOT_DUE, &["4/a"]).await;
    for scan in ["1/a", "1/b", "3/a", "4/a"] {
        world.scan(scan).await;
    }
}

/// Rows, objects and journal after all of it, whatever happened in between.
pub(super) async fn is_done(world: &World) {
    assert_eq!(world.requests().await, [4]);
    assert_eq!(world.documents().await, 1);
    for gone in ["1/a", "1/b", "3/a"] {
        assert!(!world.is_there(gone).await);
    }
    assert!(world.is_there("4/a").await);
    let expected = BTreeMap::from([
        ((REQUESTS, Action::RowDeleted), 3),
        ((DOCUMENTS, Action::RowDeleted), 4),
        ((SCANS, Action::ObjectVersionDeleted), world.versions(3)),
        ((SCANS, Action::AlreadyAbsent), 1),
    ]);
    assert_eq!(world.journal().await, expected);
    assert_eq!(world.open_intents().await, 0);
    world.store.close_fence(&world.run.run_id).await.unwrap();
}

async fn is_killed(world: &World, troubled: Troubled) {
    let pass = AssertUnwindSafe(world.dispose_through(Arc::new(troubled)));
    assert!(pass.catch_unwind().await.is_err());
}

#[tokio::test]
async fn a_worker_killed_before_the_objects_went_is_finished_by_the_next() {
    for world in &worlds().await.worlds {
        fill(world).await;
        let troubled = world.troubled();
        *troubled.before_removal.lock().unwrap() = Some(Blow::Kill);
        is_killed(world, troubled).await;
        assert_eq!(world.open_intents().await, 2);
        assert!(world.is_there("1/a").await);

        let done = world.finish().await;
        assert!(done.stopped_by.is_none(), "{done:?}");
        assert_eq!((done.disposed, done.objects_absent, done.failed), (2, 1, 0));
        assert_eq!(world.requests().await, [3, 4]);
        assert_eq!(world.dispose().await.disposed, 1);
        is_done(world).await;
    }
}

#[tokio::test]
async fn a_worker_killed_after_the_objects_went_is_finished_by_the_next() {
    for world in &worlds().await.worlds {
        fill(world).await;
        let troubled = world.troubled();
        *troubled.after_removal.lock().unwrap() = Some(Blow::Kill);
        is_killed(world, troubled).await;
        assert!(!world.is_there("1/a").await);
        assert_eq!(world.requests().await.len(), 4);
        assert!(world.journal().await.is_empty());

        // What the killed worker removed is certified as removed, not as absent.
        let done = world.finish().await;
        assert_eq!((done.disposed, done.objects_absent), (2, 1), "{done:?}");
        let again = world.finish().await;
        assert_eq!((again.disposed, again.batches), (0, 0));
        assert_eq!(world.dispose().await.disposed, 1);
        is_done(world).await;
    }
}

#[tokio::test]
async fn a_row_that_went_otherwise_meanwhile_leaves_the_evidence_of_its_objects() {
    for world in &worlds().await.worlds {
        world.request(1, DUE, &["1/a"]).await;
        world.scan("1/a").await;
        let troubled = world.troubled();
        *troubled.after_removal.lock().unwrap() = Some(Blow::Kill);
        is_killed(world, troubled).await;
        world
            .execute("delete from document; delete from request")
            .await;

        let done = world.finish().await;
        assert!(done.stopped_by.is_none(), "{done:?}");
        assert_eq!((done.disposed, world.open_intents().await), (0, 1));
        let released = Released {
            records: 1,
            half_gone: 1,
            parts: world.versions(1),
        };
        assert_eq!(world.release().await, released);
        assert_eq!(world.open_intents().await, 0);
        let expected = [((SCANS, Action::ObjectVersionDeleted), world.versions(1))];
        assert_eq!(world.journal().await, BTreeMap::from(expected));
        world.store.close_fence(&world.run.run_id).await.unwrap();
    }
}
