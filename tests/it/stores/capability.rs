//! What a store that may only read can do: everything but dispose.

use jiff::civil::{Date, date};
use kigen::job::{Disposal, Job};
use kigen::store::error::StoreError;
use kigen::store::sql::{PostgresOptions, SqlStore, open_postgres};
use kigen::store::{Disposer, Inventory};

use crate::support::{Run, TestStore, column, job, on_every_engine, purpose, stage};

on_every_engine!(a_store_opened_to_read_surveys_and_cannot_dispose);

const AS_OF: Date = date(2025, 4, 1);

fn deleting() -> Job {
    let mut job = job("record", &["id", "learner", "ended_on"]);
    job.stages = vec![stage(
        "delete",
        vec![purpose("course", "P1Y", column("ended_on"))],
        Disposal::Delete,
    )];
    job
}

async fn fill(store: &TestStore) {
    store
        .execute(
            "create table record (id bigint primary key, learner text, ended_on date);
             insert into record values (1, 'a', '2020-01-01'), (2, 'b', '2025-01-01')",
        )
        .await;
}

async fn assert_reads_only(store: &TestStore, opened: &SqlStore) {
    let job = deleting();
    assert!(opened.inspect(&job).await.unwrap().problems.is_empty());
    assert_eq!(opened.survey(&job, 0, AS_OF).await.unwrap().due.records, 1);
    assert!(
        opened
            .find(&job, &["1".to_owned()])
            .await
            .unwrap()
            .is_some()
    );
    opened.check_journal().await.unwrap();
    for refused in [
        opened.open_fence("run").await,
        opened.close_fence("run").await,
    ] {
        let error = refused.unwrap_err();
        assert!(
            matches!(error, StoreError::NotPermitted { .. }),
            "{error:?}"
        );
    }
    let outcome = Run::new("run").pass_only(opened, &job, 0, AS_OF).await;
    let stopped_by = outcome.stopped_by.unwrap();
    assert!(
        matches!(stopped_by, StoreError::NotPermitted { .. }),
        "{stopped_by:?}"
    );
    assert_eq!(outcome.disposed, 0);
    assert_eq!(store.column("select count(*) from record").await, ["2"]);
    let fences = format!("select count(*) from {}", store.internal("fence"));
    assert_eq!(store.column(&fences).await, ["0"]);
}

async fn a_store_opened_to_read_surveys_and_cannot_dispose(store: &TestStore) {
    fill(store).await;
    assert_reads_only(store, &store.open_read_only().await).await;
}

#[tokio::test]
async fn a_role_that_may_only_select_surveys_and_cannot_dispose() {
    let Some(store) = TestStore::postgres().await else {
        return;
    };
    fill(&store).await;
    let role = format!("reader_{}", std::process::id());
    store
        .execute(&format!(
            "create role {role} login password 'secret'; grant usage on schema kigen to {role};
             grant select on all tables in schema kigen, public to {role}"
        ))
        .await;
    let mut url = store.url();
    url.set_username(&role).unwrap();
    url.set_password(Some("secret")).unwrap();
    let options = PostgresOptions {
        url: url.into(),
        ..store.postgres_options()
    };
    let opened = open_postgres(options).await.unwrap();
    assert_reads_only(&store, &opened).await;
    drop(opened);
    store
        .execute(&format!("drop owned by {role}; drop role {role}"))
        .await;
    store.remove().await;
}

#[tokio::test]
async fn a_role_with_the_documented_grants_disposes() {
    let Some(store) = TestStore::postgres().await else {
        return;
    };
    fill(&store).await;
    let role = format!("worker_{}", std::process::id());
    store
        .execute(&format!(
            "create role {role} login password 'secret'; grant usage on schema kigen to {role};
             grant select on kigen.migration to {role}; grant select, insert on kigen.journal, kigen.marker to {role};
             grant select, insert, update on kigen.fence to {role}; grant select, insert, delete on kigen.intent to {role};
             grant select, delete on record to {role}"
        ))
        .await;
    let mut url = store.url();
    url.set_username(&role).unwrap();
    url.set_password(Some("secret")).unwrap();
    let options = PostgresOptions {
        url: url.into(),
        ..store.postgres_options()
    };
    let opened = open_postgres(options).await.unwrap();
    let run = Run::new("run");
    assert_eq!(
        run.disposed(&opened, &deleting(), 0, AS_OF).await.disposed,
        1
    );
    opened.close_fence("run").await.unwrap();
    drop(opened);
    store
        .execute(&format!("drop owned by {role}; drop role {role}"))
        .await;
    store.remove().await;
}
