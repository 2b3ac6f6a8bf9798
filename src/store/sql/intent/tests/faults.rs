//! Object stores that refuse, lock, or do not answer; rows that others hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use kigen_evidence::leaf::Action;
use sqlx::{AssertSqlSafe, Connection as _};

use super::database::Database;
use super::fixture::{DOCUMENTS, DUE, REQUESTS, SCANS, worlds};
use super::troubled::{Blow, Fault};
use crate::store::Disposer as _;
use crate::store::error::StoreError;
use crate::store::objects::ObjectError;

#[tokio::test]
async fn a_locked_object_defers_its_record_and_the_others_go() {
    for world in &worlds().await.worlds {
        world.request(1, DUE, &["1/a", "1/locked"]).await;
        world.request(2, DUE, &["2/held"]).await;
        world.request(3, DUE, &["3/a"]).await;
        for scan in ["1/a", "1/locked", "2/held", "3/a"] {
            world.scan(scan).await;
        }
        let mut troubled = world.troubled();
        // In Tokyo the lock ends on the next day.
        let until = "2099-12-30T20:00:00Z".parse().unwrap();
        troubled
            .faults
            .push(("1/locked", Fault::Locked(Some(until))));
        troubled.faults.push(("2/held", Fault::Locked(None)));
        let done = world.dispose_through(Arc::new(troubled)).await;
        assert!(done.stopped_by.is_none(), "{done:?}");
        assert_eq!((done.disposed, done.failed, done.no_longer_due), (1, 0, 0));
        let deferred = [("2099-12-31".to_owned(), 1), ("unknown".to_owned(), 1)];
        assert_eq!(done.deferred, BTreeMap::from(deferred));
        assert_eq!(world.requests().await, [1, 2]);
        assert_eq!(world.documents().await, 3);
        assert!(world.is_there("1/locked").await && world.is_there("2/held").await);
        let expected = BTreeMap::from([
            ((REQUESTS, Action::RowDeleted), 1),
            ((DOCUMENTS, Action::RowDeleted), 1),
            ((SCANS, Action::ObjectVersionDeleted), world.versions(2)),
        ]);
        assert_eq!(world.journal().await, expected);
        assert_eq!(world.open_intents().await, 0);

        // In the next pass the lock is off; what went before is absent now.
        let done = world.dispose().await;
        assert_eq!((done.disposed, done.objects_absent), (2, 1), "{done:?}");
        let expected = BTreeMap::from([
            ((REQUESTS, Action::RowDeleted), 3),
            ((DOCUMENTS, Action::RowDeleted), 4),
            ((SCANS, Action::ObjectVersionDeleted), world.versions(4)),
            ((SCANS, Action::AlreadyAbsent), 1),
        ]);
        assert_eq!(world.journal().await, expected);
    }
}

#[tokio::test]
async fn an_object_that_cannot_be_removed_keeps_its_record_and_is_counted_without_its_key() {
    for world in &worlds().await.worlds {
        for id in [1, 2] {
            world.request(id, DUE, &[&format!("{id}/yamada")]).await;
            world.scan(&format!("{id}/yamada")).await;
        }
        world.request(3, DUE, &["3/a\u{1}b"]).await;
        let mut troubled = world.troubled();
        let error = ObjectError::Other {
            code: "InternalError".to_owned(),
        };
        troubled
            .faults
            .push(("1/yamada", Fault::Refused(error.clone())));
        let done = world.dispose_through(Arc::new(troubled)).await;
        assert!(done.stopped_by.is_none(), "{done:?}");
        assert_eq!((done.disposed, done.failed), (1, 2));
        let unwritable = "the object key holds a control character".to_owned();
        assert_eq!(
            done.failures,
            BTreeMap::from([(error.to_string(), 1), (unwritable, 1)])
        );
        assert_eq!(world.requests().await, [1, 3]);
        assert!(!format!("{done:?}").contains("yamada"));
        assert_eq!(world.open_intents().await, 0);
    }
}

#[tokio::test]
async fn an_object_written_anew_while_it_was_removed_keeps_its_record() {
    for world in &worlds().await.worlds {
        world.request(1, DUE, &["1/a"]).await;
        world.scan("1/a").await;
        let mut troubled = world.troubled();
        // The removal goes by, so what is read back was never touched.
        troubled.faults.push(("1/a", Fault::Ignored));
        let done = world.dispose_through(Arc::new(troubled)).await;
        assert_eq!((done.disposed, done.failed), (0, 1), "{done:?}");
        assert!(world.journal().await.is_empty());
        assert_eq!(world.dispose().await.disposed, 1);
    }
}

#[tokio::test]
async fn an_object_store_that_cannot_be_listed_ends_the_pass_before_anything_goes() {
    for world in &worlds().await.worlds {
        world.request(1, DUE, &["1/a"]).await;
        world.scan("1/a").await;
        let mut troubled = world.troubled();
        troubled.cannot_list = true;
        let done = world.dispose_through(Arc::new(troubled)).await;
        let error = done.stopped_by.unwrap();
        assert!(
            matches!(error, StoreError::ConnectionLost { .. }),
            "{error}"
        );
        assert!(
            error.to_string().contains("object store `request-scans`"),
            "{error}"
        );
        assert!(world.is_there("1/a").await);
        assert_eq!(
            (world.requests().await.len(), world.open_intents().await),
            (1, 0)
        );
    }
}

#[tokio::test]
async fn objects_that_could_not_be_read_back_leave_their_intents_open_and_the_fence_too() {
    for world in &worlds().await.worlds {
        for id in [1, 2, 3] {
            world.request(id, DUE, &[&format!("{id}/a")]).await;
            world.scan(&format!("{id}/a")).await;
        }
        let mut troubled = world.troubled();
        troubled.cannot_read_back = true;
        let done = world.dispose_through(Arc::new(troubled)).await;
        assert!(
            matches!(done.stopped_by, Some(StoreError::ConnectionLost { .. })),
            "{done:?}"
        );
        assert_eq!((done.disposed, done.failed), (0, 0));
        assert_eq!(
            (world.open_intents().await, world.requests().await.len()),
            (2, 3)
        );
        assert!(world.journal().await.is_empty());
        let refused = world
            .store
            .close_fence(&world.run.run_id)
            .await
            .unwrap_err();
        assert!(
            refused.to_string().contains("2 intents are open"),
            "{refused}"
        );

        // The next pass of the run finishes them first.
        let done = world.dispose().await;
        assert_eq!((done.disposed, done.objects_absent), (3, 0), "{done:?}");
        assert_eq!(
            world.journal().await[&(SCANS, Action::ObjectVersionDeleted)],
            world.versions(3)
        );
        world.store.close_fence(&world.run.run_id).await.unwrap();
    }
}

#[tokio::test]
async fn behind_a_closed_fence_no_object_goes() {
    for world in &worlds().await.worlds {
        world.request(1, DUE, &["1/a"]).await;
        world.scan("1/a").await;
        world.store.close_fence(&world.run.run_id).await.unwrap();
        let done = world.pass_through(Arc::clone(&world.objects)).await;
        assert!(
            matches!(done.stopped_by, Some(StoreError::FenceClosed { .. })),
            "{done:?}"
        );
        assert!(world.is_there("1/a").await);
        assert_eq!(
            (world.requests().await.len(), world.open_intents().await),
            (1, 0)
        );
    }
}

#[tokio::test]
async fn a_row_that_a_trigger_keeps_stays_and_its_objects_are_certified() {
    for world in &worlds().await.worlds {
        world.request(1, DUE, &["1/a"]).await;
        world.scan("1/a").await;
        let veto = match &world.database {
            Database::Sqlite(_) => {
                "create trigger veto before delete on request begin select raise(ignore); end"
            }
            Database::Postgres { .. } => {
                "create function veto() returns trigger language plpgsql as 'begin return null; end'; \
                 create trigger veto before delete on request for each row execute function veto()"
            }
        };
        world.execute(veto).await;
        let done = world.dispose().await;
        assert!(
            matches!(done.stopped_by, Some(StoreError::Vetoed { .. })),
            "{done:?}"
        );
        assert_eq!((done.disposed, done.failed), (0, 1));
        assert_eq!(
            (world.requests().await.len(), world.documents().await),
            (1, 1)
        );
        let expected = [((SCANS, Action::ObjectVersionDeleted), world.versions(1))];
        assert_eq!(world.journal().await, BTreeMap::from(expected));
        assert_eq!(world.open_intents().await, 0);
        world.store.close_fence(&world.run.run_id).await.unwrap();
    }
}

#[tokio::test]
async fn a_row_locked_by_another_session_stays_and_the_others_go() {
    for world in &worlds().await.worlds {
        let Database::Postgres { .. } = &world.database else {
            continue;
        };
        for id in [1, 2] {
            world.request(id, DUE, &[&format!("{id}/a")]).await;
            world.scan(&format!("{id}/a")).await;
        }
        let mut other = world.database.postgres().await;
        let mut transaction = other.begin().await.unwrap();
        let sql = "select 1 from request where learner_id = 1 for update";
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut *transaction)
            .await
            .unwrap();
        // Locked before the intent: passed over.
        let done = world.dispose().await;
        assert_eq!((done.disposed, done.no_longer_due), (1, 1), "{done:?}");
        assert!(world.is_there("1/a").await);
        drop(transaction);
        drop(other);
        assert_eq!(world.dispose().await.disposed, 1);
        assert!(world.requests().await.is_empty());
    }
}

#[tokio::test]
async fn a_row_locked_while_its_objects_went_stays_with_their_evidence() {
    for world in &worlds().await.worlds {
        let Database::Postgres { .. } = &world.database else {
            continue;
        };
        for id in [1, 2] {
            world.request(id, DUE, &[&format!("{id}/a")]).await;
            world.scan(&format!("{id}/a")).await;
        }
        let troubled = world.troubled();
        let lock = "select 1 from request where learner_id = 1 for update";
        *troubled.before_removal.lock().unwrap() = Some(Blow::Hold(lock));
        let done = world.dispose_through(Arc::new(troubled)).await;
        assert!(done.stopped_by.is_none(), "{done:?}");
        assert_eq!((done.disposed, done.failed), (1, 1));
        assert_eq!(world.requests().await, [1]);
        assert_eq!(
            world.journal().await[&(SCANS, Action::ObjectVersionDeleted)],
            world.versions(2)
        );
        assert_eq!(world.open_intents().await, 0);
    }
}

#[tokio::test]
async fn what_another_worker_has_finished_meanwhile_is_not_certified_again() {
    for world in &worlds().await.worlds {
        for id in [1, 2] {
            world.request(id, DUE, &[&format!("{id}/a")]).await;
            world.scan(&format!("{id}/a")).await;
            let troubled = world.troubled();
            let moments = [&troubled.before_removal, &troubled.after_removal];
            let moment = moments[usize::from(id == 2)];
            *moment.lock().unwrap() = Some(Blow::FinishedElsewhere);
            let done = world.dispose_through(Arc::new(troubled)).await;
            assert!(done.stopped_by.is_none(), "{done:?}");
            assert_eq!((done.disposed, done.failed, done.no_longer_due), (0, 0, 0));
        }
        let expected = BTreeMap::from([
            ((REQUESTS, Action::RowDeleted), 2),
            ((DOCUMENTS, Action::RowDeleted), 2),
            ((SCANS, Action::ObjectVersionDeleted), world.versions(2)),
        ]);
        assert_eq!(world.journal().await, expected);
    }
}
