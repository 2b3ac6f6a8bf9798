//! Markers: what a stage has pseudonymized, it is never offered again.

use jiff::civil::date;
use kigen::job::{Job, Marker};
use kigen::store::Inventory;
use kigen_evidence::statement::RetainReason;

use super::pseudonymize::{AS_OF, assert_fits, change, token, two_stages};
use crate::support::{Run, TestStore, job, on_every_engine, texts};

on_every_engine!(
    a_record_marked_in_its_own_column_is_never_offered_twice,
    a_record_marked_in_the_marker_table_is_never_offered_twice,
    the_second_stage_deletes_pseudonymized_records_and_drops_their_markers,
);

async fn fill(store: &TestStore, marker: &str) {
    store
        .execute(&format!(
            "create table record (id bigint, part text, learner text, ended_on date{marker}, primary key (id, part));
             insert into record (id, part, learner, ended_on) values (1, 'x', 'a', '2020-01-01'), (1, 'y', 'a', '2020-01-01'),
                (2, 'x', 'b', '2010-01-01'), (2, '\"y', 'b', '2025-01-01')"
        ))
        .await;
}

fn keyed(columns: &[&str], marker: Marker) -> Job {
    let mut job = two_stages(
        job("record", columns),
        vec![change("learner", token("learner", None))],
        marker,
    );
    job.key = texts(&["id", "part"]);
    job
}

/// Disposes in stage 1 until nothing is due, and finds that a further pass changes nothing.
async fn assert_offered_once(store: &TestStore, job: &Job, name: &str) {
    let run = |number: u32| Run::new(&format!("run {number} of {name}"));
    assert_fits(store, job).await;
    let opened = store.open().await;
    assert_eq!(run(1).disposed(&opened, job, 0, AS_OF).await.disposed, 3);
    let rows = store.rows("select * from record order by id, part").await;
    let survey = opened.survey(job, 0, AS_OF).await.unwrap();
    assert_eq!(survey.due.records, 0);
    assert_eq!(survey.retained[&RetainReason::AlreadyDisposed], 3);
    let found = opened
        .find(job, &texts(&["1", "x"]))
        .await
        .unwrap()
        .unwrap();
    assert!(found.candidates[0].already_disposed && !found.candidates[1].already_disposed);
    let again = run(2).disposed(&opened, job, 0, AS_OF).await;
    assert_eq!(
        (again.disposed, again.no_longer_due, again.failed),
        (0, 0, 0)
    );
    assert_eq!(
        store.rows("select * from record order by id, part").await,
        rows
    );
    // What becomes due later is still offered.
    let later = run(3).disposed(&opened, job, 0, date(2027, 1, 1)).await;
    assert_eq!(later.disposed, 1);
}

async fn a_record_marked_in_its_own_column_is_never_offered_twice(store: &TestStore) {
    for kind in ["date", "timestamptz", "timestamp", "text"] {
        fill(store, &format!(", done_at {kind}")).await;
        let marker = Marker::Column("done_at".to_owned());
        let job = keyed(&["id", "part", "learner", "ended_on", "done_at"], marker);
        assert_offered_once(store, &job, kind).await;
        let marked = store
            .column("select done_at from record where id = 1 and part = 'x'")
            .await;
        assert!(marked[0].starts_with("2025-04-01"), "{kind}: {marked:?}");
        store.execute("drop table record").await;
    }
}

/// What a mark calls the table: the relation that its name has led to.
fn relation(store: &TestStore) -> String {
    store.either("record", "public.record").to_owned()
}

async fn a_record_marked_in_the_marker_table_is_never_offered_twice(store: &TestStore) {
    fill(store, "").await;
    let job = keyed(&["id", "part", "learner", "ended_on"], Marker::Table);
    assert_offered_once(store, &job, "table").await;
    let marker = store.internal("marker");
    let markers = store
        .rows(&format!(
            "select object, stage, run_id from {marker} order by record_key"
        ))
        .await;
    assert_eq!(markers.len(), 4);
    assert_eq!(
        markers[0][..2],
        [Some(relation(store)), Some("pseudonymize".to_owned())]
    );
}

async fn the_second_stage_deletes_pseudonymized_records_and_drops_their_markers(store: &TestStore) {
    fill(store, "").await;
    let job = keyed(&["id", "part", "learner", "ended_on"], Marker::Table);
    let opened = store.open().await;
    let marker = store.internal("marker");
    store
        .execute(&format!(
            "insert into {marker} (object, stage, record_key, run_id, at) values ('other', 'pseudonymize', '[2, \"x\"]', 'r', '2020-01-01')"
        ))
        .await;
    assert_eq!(
        Run::new("run 1")
            .disposed(&opened, &job, 0, AS_OF)
            .await
            .disposed,
        3
    );
    let outcome = Run::new("run 2").disposed(&opened, &job, 1, AS_OF).await;
    assert_eq!(outcome.disposed, 1);
    let keys = store
        .column("select id || part from record order by 1")
        .await;
    assert_eq!(keys.len(), 3);
    assert!(!keys.contains(&"2x".to_owned()));
    let marked = store
        .column(&format!(
            "select object from {marker} order by object, record_key"
        ))
        .await;
    let own = relation(store);
    assert_eq!(marked, ["other", own.as_str(), own.as_str()]);
    // A record of the same key that comes later is a new record.
    store
        .execute("insert into record values (2, 'x', 'c', '2020-01-01')")
        .await;
    assert_eq!(opened.survey(&job, 0, AS_OF).await.unwrap().due.records, 1);
}
