//! What goes, what stays, what is certified.

use std::collections::BTreeMap;
use std::sync::Arc;

use kigen_evidence::leaf::{Action, RecordEncoder, RecordPlace};
use kigen_evidence::value::Value;

use super::fixture::{
    CLIENT, DOCUMENTS, DUE, NOT_DUE, REQUESTS, SCANS, job_objects, request_id, worlds,
};
use super::troubled::Blow;
use crate::store::error::StoreError;
use crate::store::{Disposer as _, Inventory as _, JobObjects};

#[tokio::test]
async fn a_due_record_goes_with_its_documents_and_all_versions_of_its_scans() {
    for world in &worlds().await.worlds {
        world.request(1, DUE, &["1/a", "1/b"]).await;
        world.request(2, DUE, &["2/missing"]).await;
        world.request(3, DUE, &[]).await;
        world.request(4, "'2020-01-01'", &["4/山田 太郎.pdf"]).await;
        world.request(5, NOT_DUE, &["5/a"]).await;
        world.request(6, "null", &["6/a"]).await;
        for scan in ["1/a", "1/b", "4/山田 太郎.pdf", "5/a", "6/a"] {
            world.scan(scan).await;
        }
        let id = request_id(3);
        world
            .execute(&format!(
                "insert into document values ('no-scan', '{id}', null)"
            ))
            .await;

        let done = world.dispose().await;
        assert!(done.stopped_by.is_none(), "{done:?}");
        assert_eq!((done.disposed, done.failed, done.no_longer_due), (4, 0, 0));
        assert_eq!(
            (done.objects_absent, done.batches, world.advanced()),
            (1, 2, 4)
        );
        assert_eq!(done.by_client, BTreeMap::from([(CLIENT.to_owned(), 4)]));
        assert_eq!(
            done.ended_by,
            BTreeMap::from([("proof-of-reply".to_owned(), 4)])
        );
        assert_eq!(done.gone_with.values().sum::<u64>(), 5);
        assert_eq!(world.requests().await, [5, 6]);
        assert_eq!(world.documents().await, 2);
        for gone in ["1/a", "1/b", "4/山田 太郎.pdf"] {
            assert!(!world.is_there(gone).await);
        }
        assert!(world.is_there("5/a").await && world.is_there("6/a").await);
        let expected = BTreeMap::from([
            ((REQUESTS, Action::RowDeleted), 4),
            ((DOCUMENTS, Action::RowDeleted), 5),
            ((SCANS, Action::ObjectVersionDeleted), world.versions(3)),
            ((SCANS, Action::AlreadyAbsent), 1),
        ]);
        assert_eq!(world.journal().await, expected);
        assert_eq!(world.open_intents().await, 0);

        let again = world.dispose().await;
        assert_eq!((again.disposed, again.batches), (0, 0));
        assert_eq!(world.journal().await, expected);
        world.store.close_fence(&world.run.run_id).await.unwrap();
    }
}

#[tokio::test]
async fn the_leaf_of_a_version_is_that_of_its_key_and_version_id() {
    let worlds = worlds().await;
    let world = &worlds.worlds[0];
    world.request(1, DUE, &["1/a"]).await;
    world.scan("1/a").await;
    assert_eq!(world.dispose().await.disposed, 1);
    let place = RecordPlace {
        client: CLIENT,
        store: "request-scans",
        object: "request-scans",
    };
    let columns = ["key", "version_id"];
    let mut encoder = RecordEncoder::new(&world.run.run_key, place, &columns, SCANS).unwrap();
    let key = ["1/a", "file"].map(|text| Value::Text(text.to_owned()));
    let expected = encoder.leaf(Action::ObjectVersionDeleted, &key, 0).unwrap();
    let mut found = Vec::new();
    let mut sink = |row: crate::store::JournalRow| {
        if row.target == SCANS {
            found.push(row.leaves);
        }
        Ok(())
    };
    world
        .store
        .journal(&world.run.run_id, &mut sink)
        .await
        .unwrap();
    assert_eq!(found, [expected.as_bytes().to_vec()]);
}

#[tokio::test]
async fn a_record_re_dated_after_the_listing_stays_with_its_objects() {
    for world in &worlds().await.worlds {
        for id in [1, 2] {
            world.request(id, DUE, &[&format!("{id}/a")]).await;
            world.scan(&format!("{id}/a")).await;
        }
        let mut troubled = world.troubled();
        let sql = format!("update request set replied_on = {NOT_DUE} where learner_id = 1");
        *troubled.on_listing.lock().unwrap() = Some(Blow::Sql(sql));
        troubled.calm_listings = 2.into();
        let done = world.dispose_through(Arc::new(troubled)).await;
        assert!(done.stopped_by.is_none(), "{done:?}");
        assert_eq!((done.disposed, done.no_longer_due, done.failed), (1, 1, 0));
        assert_eq!(world.requests().await, [1]);
        assert!(world.is_there("1/a").await && !world.is_there("2/a").await);
        assert_eq!(
            world.journal().await[&(SCANS, Action::ObjectVersionDeleted)],
            world.versions(1)
        );
    }
}

#[tokio::test]
async fn a_record_that_names_another_object_since_the_listing_waits_for_the_next_pass() {
    for world in &worlds().await.worlds {
        world.request(1, DUE, &["1/a"]).await;
        world.scan("1/a").await;
        world.scan("1/b").await;
        let mut troubled = world.troubled();
        let sql = "update document set object_key = '1/b'".to_owned();
        *troubled.on_listing.lock().unwrap() = Some(Blow::Sql(sql));
        troubled.calm_listings = 1.into();
        let done = world.dispose_through(Arc::new(troubled)).await;
        assert_eq!((done.disposed, done.no_longer_due), (0, 1));
        assert!(world.is_there("1/a").await && world.is_there("1/b").await);

        assert_eq!(world.dispose().await.disposed, 1);
        assert!(world.is_there("1/a").await && !world.is_there("1/b").await);
    }
}

#[tokio::test]
async fn a_record_re_dated_while_its_objects_went_stays_and_they_are_certified() {
    for world in &worlds().await.worlds {
        for id in [1, 2] {
            world.request(id, DUE, &[&format!("{id}/a")]).await;
            world.scan(&format!("{id}/a")).await;
        }
        let troubled = world.troubled();
        let sql = format!("update request set replied_on = {NOT_DUE} where learner_id = 1");
        *troubled.before_removal.lock().unwrap() = Some(Blow::Sql(sql));
        let done = world.dispose_through(Arc::new(troubled)).await;
        assert_eq!((done.disposed, done.no_longer_due, done.failed), (1, 1, 0));
        assert_eq!(world.requests().await, [1]);
        let expected = BTreeMap::from([
            ((REQUESTS, Action::RowDeleted), 1),
            ((DOCUMENTS, Action::RowDeleted), 1),
            ((SCANS, Action::ObjectVersionDeleted), world.versions(2)),
        ]);
        assert_eq!(world.journal().await, expected);
        assert_eq!(world.open_intents().await, 0);
    }
}

#[tokio::test]
async fn an_object_that_a_staying_record_names_too_stays_until_that_record_goes() {
    for world in &worlds().await.worlds {
        world.request(1, DUE, &["shared", "1/a"]).await;
        world.request(2, NOT_DUE, &["shared"]).await;
        world.scan("shared").await;
        world.scan("1/a").await;
        let done = world.dispose().await;
        assert_eq!((done.disposed, done.failed), (1, 0), "{done:?}");
        assert!(world.is_there("shared").await && !world.is_there("1/a").await);
        assert_eq!(world.requests().await, [2]);

        world
            .execute(&format!("update request set replied_on = {DUE}"))
            .await;
        assert_eq!(world.dispose().await.disposed, 1);
        assert!(!world.is_there("shared").await);
        assert_eq!(
            world.journal().await[&(SCANS, Action::ObjectVersionDeleted)],
            world.versions(2)
        );
    }
}

#[tokio::test]
async fn an_object_that_two_records_of_a_batch_name_goes_once() {
    for world in &worlds().await.worlds {
        world.request(1, DUE, &["shared", "shared"]).await;
        world.request(2, DUE, &["shared"]).await;
        world.scan("shared").await;
        assert_eq!(world.dispose().await.disposed, 2);
        assert!(!world.is_there("shared").await);
        assert_eq!(
            world.journal().await[&(SCANS, Action::ObjectVersionDeleted)],
            world.versions(1)
        );
    }
}

#[tokio::test]
async fn a_pass_that_would_exceed_the_limit_removes_nothing() {
    for world in &worlds().await.worlds {
        for id in [1, 2] {
            world.request(id, DUE, &[&format!("{id}/a")]).await;
            world.scan(&format!("{id}/a")).await;
        }
        world.store.open_fence(&world.run.run_id).await.unwrap();
        let order = world.order().at_most(1);
        let objects = job_objects(Arc::clone(&world.objects));
        let done = world
            .store
            .dispose_with_objects(&order, &objects, &**world)
            .await;
        assert!(
            matches!(done.stopped_by, Some(StoreError::OverLimit { .. })),
            "{done:?}"
        );
        assert_eq!(world.requests().await, [1, 2]);
        assert!(world.is_there("1/a").await && world.is_there("2/a").await);
        assert_eq!(world.open_intents().await, 0);
    }
}

#[tokio::test]
async fn a_job_whose_rows_name_objects_is_not_disposed_of_without_them() {
    let worlds = worlds().await;
    let world = &worlds.worlds[0];
    world.request(1, DUE, &["1/a"]).await;
    world.store.open_fence(&world.run.run_id).await.unwrap();
    let done = world.store.dispose(&world.order(), &**world).await;
    assert!(
        matches!(done.stopped_by, Some(StoreError::Unusable(_))),
        "{done:?}"
    );
    let none = JobObjects::default();
    let done = world
        .store
        .dispose_with_objects(&world.order(), &none, &**world)
        .await;
    assert!(
        matches!(done.stopped_by, Some(StoreError::Unusable(_))),
        "{done:?}"
    );
    assert_eq!(world.requests().await, [1]);
}
