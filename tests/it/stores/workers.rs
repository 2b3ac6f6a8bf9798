//! Many records: exactly once, with several workers, and never looking back.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use jiff::civil::{Date, date};
use kigen::job::{Disposal, Job};
use kigen::store::error::StoreError;
use kigen::store::{
    Control, Disposer, Inventory, RunControl, StageOrder, StageTargets, StopReason,
};
use kigen_evidence::leaf::LEAF_LENGTH;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, SubscriberExt};

use crate::support::{
    Run, TestStore, approved, column, goes_with, job, on_every_engine, purpose, reference, stage,
    texts,
};

on_every_engine!(
    a_pass_ends_at_the_border_of_a_batch_when_it_is_told_to,
    records_that_come_back_while_a_run_lasts_go_again,
);

const AS_OF: Date = date(2025, 4, 1);
const RECORDS: u64 = 20_000;

fn deleting() -> Job {
    let mut job = job("record", &["id", "learner", "ended_on", "note"]);
    job.stages = vec![stage(
        "delete",
        vec![purpose("course", "P1Y", column("ended_on"))],
        Disposal::Delete,
    )];
    job.limit.batch_size = 200;
    job
}

/// Fills `record`; every third record is kept.
async fn fill(store: &TestStore, records: u64) {
    let (series, as_date) = store.either(
        (format!("with recursive n(i) as (select 1 union all select i + 1 from n where i < {records}) select i from n"), ""),
        (format!("select i from generate_series(1, {records}) i"), "::date"),
    );
    store
        .execute(&format!(
            "create table record (id bigint primary key, learner text, ended_on date, note text);
             insert into record select i, 'l' || (i % 500),
                case when i % 3 = 0 then '2025-01-01' else '2020-01-01' end{as_date}, 'a note of some length ' || i from ({series}) s"
        ))
        .await;
}

async fn assert_each_gone_once(store: &TestStore, job: &Job) {
    let due = RECORDS - RECORDS / 3;
    let opened = store.open_with_connections(2).await;
    let run = Run::new("run");
    let outcome = run.disposed(&opened, job, 0, AS_OF).await;
    assert_eq!(outcome.disposed, due);
    assert!(outcome.batches > 20, "{}", outcome.batches);
    assert_eq!(
        store.column("select count(*) from record").await,
        [(RECORDS / 3).to_string()]
    );
    assert_eq!(
        store
            .column("select count(*) from record where id % 3 <> 0")
            .await,
        ["0"]
    );
    let journal = run.journal(&opened).await;
    let own = || journal.iter().filter(|row| row.target == 0);
    assert_eq!(own().map(|row| row.records).sum::<u64>(), due);
    let leaves: BTreeSet<&[u8]> = own()
        .flat_map(|row| row.leaves.chunks(LEAF_LENGTH))
        .collect();
    assert_eq!(leaves.len() as u64, due, "no leaf twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_remove_every_due_record_exactly_once() {
    let Some(store) = TestStore::postgres().await else {
        return;
    };
    fill(&store, RECORDS).await;
    assert_each_gone_once(&store, &deleting()).await;
    store.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_remove_every_due_record_exactly_once_with_its_rows() {
    let Some(store) = TestStore::postgres().await else {
        return;
    };
    fill(&store, RECORDS).await;
    store
        .execute(
            "create table answer (id bigint primary key, record_id bigint references record (id));
             insert into answer select id, id from record;
             create index answer_record on answer (record_id)",
        )
        .await;
    let mut job = deleting();
    job.references = vec![reference(
        "answer",
        &[("record_id", "id")],
        goes_with(&["id"], &["id", "record_id"]),
    )];
    assert_each_gone_once(&store, &job).await;
    assert_eq!(
        store.column("select count(*) from answer").await,
        [(RECORDS / 3).to_string()]
    );
    store.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_together_never_pass_the_limit() {
    let Some(store) = TestStore::postgres().await else {
        return;
    };
    fill(&store, RECORDS).await;
    let opened = store.open_with_connections(2).await;
    let mut run = Run::new("run");
    run.max_records = 1_000;
    let outcome = run.dispose(&opened, &deleting(), 0, AS_OF).await;
    assert!(
        matches!(outcome.stopped_by, Some(StoreError::OverLimit { .. })),
        "{:?}",
        outcome.stopped_by
    );
    assert!(outcome.disposed <= 1_000);
    let left = store.column("select count(*) from record").await;
    assert_eq!(left, [(RECORDS - outcome.disposed).to_string()]);
    drop(opened);
    store.remove().await;
}

/// Asks to stop once a few records are gone.
struct Stopping {
    gone: AtomicU64,
    enough: u64,
}

#[async_trait::async_trait]
impl RunControl for Stopping {
    async fn ask(&self) -> Control {
        if self.gone.load(Ordering::Relaxed) >= self.enough {
            return Control::StopRun(StopReason::Signal);
        }
        Control::Continue
    }

    fn advanced(&self, records: u64) {
        self.gone.fetch_add(records, Ordering::Relaxed);
    }
}

async fn a_pass_ends_at_the_border_of_a_batch_when_it_is_told_to(store: &TestStore) {
    fill(store, 5_000).await;
    let opened = store.open().await;
    let (run, job) = (Run::new("run"), deleting());
    opened.open_fence("run").await.unwrap();
    let surveyed = opened.survey(&job, 0, AS_OF).await.unwrap();
    let order = StageOrder::new(
        approved(&job, 0, AS_OF, &surveyed),
        &run.context,
        StageTargets::default(),
        surveyed,
    );
    let control = Stopping {
        gone: AtomicU64::new(0),
        enough: 500,
    };
    let outcome = opened.dispose(&order, &control).await;
    assert!(outcome.stopped_by.is_none(), "{:?}", outcome.stopped_by);
    assert!(
        (500..2_000).contains(&outcome.disposed),
        "{}",
        outcome.disposed
    );
    let left = store.column("select count(*) from record").await;
    assert_eq!(left, [(5_000 - outcome.disposed).to_string()]);
    let next = Run { pass: 1, ..run }
        .disposed(&opened, &job, 0, AS_OF)
        .await;
    assert_eq!(outcome.disposed + next.disposed, 5_000 - 5_000 / 3);
}

async fn records_that_come_back_while_a_run_lasts_go_again(store: &TestStore) {
    fill(store, 10).await;
    let opened = store.open().await;
    let run = Run::new("run");
    assert_eq!(
        run.disposed(&opened, &deleting(), 0, AS_OF).await.disposed,
        7
    );
    store
        .execute("insert into record values (1, 'l1', '2020-01-01', 'again')")
        .await;
    let run = Run { pass: 1, ..run };
    assert_eq!(
        run.disposed(&opened, &deleting(), 0, AS_OF).await.disposed,
        1
    );
    let records: u64 = run
        .journal(&opened)
        .await
        .iter()
        .map(|row| row.records)
        .sum();
    assert_eq!(records, 8);
}

/// Collects the statements that the driver reports.
#[derive(Clone, Default)]
struct Statements(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Statements {
    fn on_event(&self, event: &tracing::Event<'_>, _context: Context<'_, S>) {
        if event.metadata().target() == "sqlx::query" {
            let mut text = StatementText::default();
            event.record(&mut text);
            self.0.lock().unwrap().push(if text.full.is_empty() {
                text.summary
            } else {
                text.full
            });
        }
    }
}

#[derive(Default)]
struct StatementText {
    summary: String,
    full: String,
}

impl Visit for StatementText {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "summary" => value.clone_into(&mut self.summary),
            "db.statement" => value.trim().clone_into(&mut self.full),
            _ => {}
        }
    }

    fn record_debug(&mut self, _field: &Field, _value: &dyn std::fmt::Debug) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pass_in_key_order_uses_the_key_and_sorts_nothing() {
    let statements = Statements::default();
    let subscriber = tracing_subscriber::registry().with(statements.clone());
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let store = TestStore::sqlite().await;
    store
        .execute(
            "create table walked (module text, no bigint, learner text, ended_on date, primary key (module, no));
             create index walked_ended_on on walked (ended_on);
             create index walked_learner on walked (learner)",
        )
        .await;
    store
        .execute(
            "insert into walked with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000)
             select 'm' || (i % 7), i, 'l', case when i % 3 = 0 then '2025-01-01' else '2020-01-01' end from n;
             analyze",
        )
        .await;
    let mut job = job("walked", &["module", "no", "learner", "ended_on"]);
    job.key = texts(&["module", "no"]);
    job.stages = deleting().stages;
    job.limit.batch_size = 100;
    let outcome = Run::new("run")
        .disposed(&store.open().await, &job, 0, AS_OF)
        .await;
    assert_eq!(outcome.disposed, 2_000);

    let seen: BTreeSet<String> = statements.0.lock().unwrap().iter().cloned().collect();
    let batches: Vec<&String> = seen
        .iter()
        .filter(|sql| sql.contains("order by t.\"module\""))
        .collect();
    assert!(batches.len() >= 2, "{seen:#?}");
    for sql in batches.into_iter().filter(|sql| sql.contains("$1")) {
        let bound = sql.replace("$1", "'m1'").replace("$2", "5");
        let plan = store.rows(&format!("explain query plan {bound}")).await;
        let steps: Vec<String> = plan
            .into_iter()
            .filter_map(|mut row| row.pop().flatten())
            .collect();
        assert!(
            !steps.iter().any(|step| step.contains("TEMP B-TREE")),
            "{steps:?}"
        );
        assert!(
            steps[0].contains("sqlite_autoindex_walked_1 (module>?")
                || steps[0].contains("((module,no)>(?,?))"),
            "{steps:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partitioned_table_is_walked_through_all_its_partitions() {
    let Some(store) = TestStore::postgres().await else {
        return;
    };
    fill(&store, 6_000).await;
    store
        .execute(
            "alter table record rename to plain;
             create table record (id bigint primary key, learner text, ended_on date, note text) partition by range (id);
             create table record_low partition of record for values from (0) to (1000);
             create table record_high partition of record for values from (1000) to (5000) partition by range (id);
             create table record_high_one partition of record_high for values from (1000) to (4000);
             create table record_high_two partition of record_high for values from (4000) to (5000);
             create table record_rest partition of record default;
             insert into record select * from plain; drop table plain",
        )
        .await;
    let opened = store.open_with_connections(2).await;
    assert!(
        opened
            .inspect(&deleting())
            .await
            .unwrap()
            .problems
            .is_empty()
    );
    let run = Run::new("run");
    assert_eq!(
        run.disposed(&opened, &deleting(), 0, AS_OF).await.disposed,
        4_000
    );
    assert_eq!(store.column("select count(*) from record").await, ["2000"]);
    drop(opened);
    store.remove().await;
}
