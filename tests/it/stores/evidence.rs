//! The journal: one leaf for each removed record, in the removal's own transaction.

use std::collections::BTreeSet;

use jiff::civil::{Date, date};
use kigen::job::{Change, ClientSource, Disposal, Job, Marker, Strategy};
use kigen::store::error::StoreError;
use kigen::store::{Disposer, JournalRow};
use kigen_evidence::leaf::{
    Action, LEAF_LENGTH, RecordEncoder, RecordPlace, RunKey, SubjectEncoder,
};
use kigen_evidence::value::Value;

use crate::support::{
    Run, TestStore, column, goes_with, job, on_every_engine, purpose, reference, stage, texts,
};

on_every_engine!(
    the_journal_has_one_leaf_and_one_reference_for_each_removed_record,
    a_leaf_is_the_encoding_of_the_key_as_it_stood_in_the_row,
    a_leaf_of_a_pseudonymized_record_names_its_subject_as_it_was,
    a_batch_behind_a_closed_fence_removes_nothing,
    closing_a_fence_waits_for_the_batch_that_has_read_it,
    a_fence_opens_twice_and_never_after_it_was_closed,
    a_store_whose_journal_is_not_migrated_says_so,
);

const AS_OF: Date = date(2025, 4, 1);
const REFERENCE_LENGTH: usize = 32;

fn deleting(key: &[&str], columns: &[&str]) -> Job {
    let mut job = job("record", columns);
    job.key = texts(key);
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
            "create table record (id bigint primary key, learner text, school text, ended_on date);
             create table answer (id bigint primary key, record_id bigint);
             insert into record values (1, 'a', 'north', '2020-01-01'), (2, 'b', 'south', '2020-01-01'), (3, 'c', null, '2020-01-01'),
                (4, 'c', 'north', '2020-01-01'), (5, null, 'north', '2020-01-01'), (6, 'a', 'north', '2025-01-01');
             insert into answer values (1, 1), (2, 1), (3, 2), (4, 6)",
        )
        .await;
}

fn of_schools() -> Job {
    let mut job = deleting(&["id"], &["id", "learner", "school", "ended_on"]);
    job.client = ClientSource::Column("school".to_owned());
    job.limit.batch_size = 2;
    job
}

fn encoder(client: &str, object: &str, columns: &[&str], target: u16) -> RecordEncoder {
    let place = RecordPlace {
        client,
        store: "school",
        object,
    };
    RecordEncoder::new(&RunKey::from_bytes(Run::KEY), place, columns, target).unwrap()
}

fn assert_packed(row: &JournalRow) {
    let records = usize::try_from(row.records).unwrap();
    assert_eq!(row.leaves.len(), records * LEAF_LENGTH);
    assert_eq!(row.refs.len(), records * REFERENCE_LENGTH);
}

async fn the_journal_has_one_leaf_and_one_reference_for_each_removed_record(store: &TestStore) {
    fill(store).await;
    let mut job = of_schools();
    job.references = vec![reference(
        "answer",
        &[("record_id", "id")],
        goes_with(&["id"], &["id", "record_id"]),
    )];
    let opened = store.open().await;
    let run = Run::new("run");
    let outcome = run.disposed(&opened, &job, 0, AS_OF).await;
    assert_eq!(outcome.disposed, 5);
    let by_client = [("(none)", 1), ("north", 3), ("south", 1)];
    let by_client = by_client.map(|(name, count)| (name.to_owned(), count));
    assert_eq!(outcome.by_client, by_client.into());
    let journal = run.journal(&opened).await;
    let mut found: Vec<(u16, String, Vec<u8>)> = Vec::new();
    for row in &journal {
        assert_packed(row);
        let ended: u64 = row.ended_by.values().sum();
        assert_eq!(ended, if row.target == 0 { row.records } else { 0 });
        assert_eq!(row.action, Action::RowDeleted.code());
        for leaf in row.leaves.chunks(LEAF_LENGTH) {
            found.push((row.target, row.client.clone(), leaf.to_vec()));
        }
    }
    let mut expected = Vec::new();
    for (target, object, client, ids) in [
        (0, "record", "north", vec![1, 4, 5]),
        (0, "record", "south", vec![2]),
        (0, "record", "(none)", vec![3]),
        (1, "answer", "north", vec![1, 2]),
        (1, "answer", "south", vec![3]),
    ] {
        let mut encoder = encoder(client, object, &["id"], target);
        for id in ids {
            let leaf = encoder
                .leaf(Action::RowDeleted, &[Value::Int(id)], 0)
                .unwrap();
            expected.push((target, client.to_owned(), leaf.as_bytes().to_vec()));
        }
    }
    found.sort();
    expected.sort();
    assert!(
        found == expected,
        "{} leaves of {}",
        found.len(),
        expected.len()
    );
}

async fn a_leaf_is_the_encoding_of_the_key_as_it_stood_in_the_row(store: &TestStore) {
    store
        .execute(
            "create table record (name text, at date, no uuid, price numeric(6, 2), padded char(4), learner bigint, ended_on date,
                primary key (name, at, no, price, padded));
             insert into record values ('Ａ鍵 ', '2024-02-29', '018f0000-0000-7000-8000-00000000000a', 1.50, 'ab', 7, '2020-01-01')",
        )
        .await;
    let columns = ["name", "at", "no", "price", "padded"];
    let job = deleting(
        &columns,
        &["name", "at", "no", "price", "padded", "learner", "ended_on"],
    );
    let opened = store.open().await;
    let run = Run::new("run");
    assert_eq!(run.disposed(&opened, &job, 0, AS_OF).await.disposed, 1);
    let text = |text: &str| Value::Text(text.to_owned());
    let uuid = "018f0000-0000-7000-8000-00000000000a";
    let key = [
        text("Ａ鍵 "),
        Value::Local("2024-02-29".to_owned()),
        store.either(
            text(uuid),
            Value::Uuid(*uuid.parse::<uuid::Uuid>().unwrap().as_bytes()),
        ),
        Value::Decimal(store.either("1.5", "1.50").to_owned()),
        text(store.either("ab", "ab  ")),
    ];
    let leaf = encoder("school", "record", &columns, 0)
        .leaf(Action::RowDeleted, &key, 0)
        .unwrap();
    let journal = run.journal(&opened).await;
    assert_eq!(journal.len(), 1);
    assert!(journal[0].leaves == leaf.as_bytes());
    let reference = SubjectEncoder::new(&RunKey::from_bytes(Run::KEY), "school", "learner")
        .unwrap()
        .reference(&Value::Int(7))
        .unwrap();
    assert!(journal[0].refs == reference.as_bytes());
}

async fn a_leaf_of_a_pseudonymized_record_names_its_subject_as_it_was(store: &TestStore) {
    fill(store).await;
    let mut job = deleting(&["id"], &["id", "learner", "school", "ended_on"]);
    job.stages[0].disposal = Disposal::Pseudonymize {
        changes: vec![Change {
            column: "learner".to_owned(),
            strategy: Strategy::Null,
        }],
        marker: Marker::Table,
    };
    let opened = store.open().await;
    let run = Run::new("run");
    assert_eq!(run.disposed(&opened, &job, 0, AS_OF).await.disposed, 5);
    let mut encoder =
        SubjectEncoder::new(&RunKey::from_bytes(Run::KEY), "school", "learner").unwrap();
    let known: BTreeSet<Vec<u8>> = [
        Value::Text("a".into()),
        Value::Text("b".into()),
        Value::Text("c".into()),
        Value::Null,
    ]
    .iter()
    .map(|id| encoder.reference(id).unwrap().as_bytes().to_vec())
    .collect();
    let journal = run.journal(&opened).await;
    let found: BTreeSet<Vec<u8>> = journal
        .iter()
        .flat_map(|row| row.refs.chunks(REFERENCE_LENGTH))
        .map(<[u8]>::to_vec)
        .collect();
    assert_eq!(found, known);
    for row in &journal {
        assert_packed(row);
        assert_eq!(row.action, Action::Pseudonymized.code());
        assert!((row.at - jiff::Timestamp::UNIX_EPOCH).get_seconds() > 1_700_000_000);
    }
}

async fn a_batch_behind_a_closed_fence_removes_nothing(store: &TestStore) {
    fill(store).await;
    let opened = store.open().await;
    let mut by_key = of_schools();
    by_key.references = vec![reference(
        "answer",
        &[("record_id", "id")],
        goes_with(&["id"], &["id", "record_id"]),
    )];
    opened.open_fence("closed").await.unwrap();
    for (fence, job) in [
        ("closed", of_schools()),
        ("closed", by_key),
        ("never opened", of_schools()),
    ] {
        if fence == "closed" {
            opened.close_fence(fence).await.unwrap();
        }
        let outcome = Run::new(fence).pass_only(&opened, &job, 0, AS_OF).await;
        assert!(
            matches!(outcome.stopped_by, Some(StoreError::FenceClosed { .. })),
            "{:?}",
            outcome.stopped_by
        );
        assert_eq!((outcome.disposed, outcome.batches), (0, 0));
        assert_eq!(store.column("select count(*) from record").await, ["6"]);
        assert_eq!(store.column("select count(*) from answer").await, ["4"]);
        assert!(Run::new(fence).journal(&opened).await.is_empty());
    }
}

async fn closing_a_fence_waits_for_the_batch_that_has_read_it(store: &TestStore) {
    let opened = store.open().await;
    opened.open_fence("run").await.unwrap();
    // What a batch does, by hand: it reads the fence and has not committed yet.
    let mut batch = store.another_shell().await;
    let fence = store.internal("fence");
    let reads = store.either(
        "begin immediate; select 1 from {}",
        "begin; select 1 from {} for share",
    );
    batch.execute(&reads.replace("{}", &fence)).await;
    let state = format!("select state from {fence}");
    let close = tokio::spawn(async move { opened.close_fence("run").await });
    // Longer than a session waits for a lock.
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    assert_eq!(store.column(&state).await, ["open"]);
    assert!(!close.is_finished());
    batch.execute("commit").await;
    close.await.unwrap().unwrap();
    assert_eq!(store.column(&state).await, ["closed"]);
}

async fn a_fence_opens_twice_and_never_after_it_was_closed(store: &TestStore) {
    let opened = store.open().await;
    opened.open_fence("run").await.unwrap();
    opened.open_fence("run").await.unwrap();
    opened.close_fence("run").await.unwrap();
    opened.close_fence("run").await.unwrap();
    let error = opened.open_fence("run").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the fence of run run is closed: another worker has sealed it"
    );
    opened.close_fence("never opened").await.unwrap();
    assert!(opened.open_fence("never opened").await.is_err());
}

async fn a_store_whose_journal_is_not_migrated_says_so(store: &TestStore) {
    let opened = store.open().await;
    opened.check_journal().await.unwrap();
    store
        .execute(&format!("drop table {}", store.internal("intent")))
        .await;
    let error = opened.check_journal().await.unwrap_err();
    let message = "use the journal of store `school`: it is not migrated\nhint: run `kigen journal migrate --store school`";
    assert_eq!(error.to_string(), message);
}
