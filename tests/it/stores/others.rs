//! Others who use the table: triggers that veto, sessions that lock, limits that stop.

use jiff::civil::{Date, date};
use kigen::job::{Change, Disposal, Effect, Job, Marker, OnDispose, Operation, Strategy};
use kigen::store::error::{Retry, StoreError};
use kigen::store::{Inventory, PassOutcome};

use crate::support::{
    Run, TestStore, column, goes_with, job, on_every_engine, purpose, reference, stage, table,
};

on_every_engine!(
    a_record_that_a_trigger_keeps_fails_alone,
    a_record_of_which_a_trigger_keeps_a_row_fails_alone,
    a_record_at_which_a_trigger_raises_fails_alone,
    a_trigger_that_puts_things_back_rolls_the_batch_back,
    a_declared_trigger_that_only_watches_is_no_hindrance,
    a_batch_over_the_limit_removes_nothing,
    a_foreign_key_that_nobody_named_keeps_its_record,
    a_database_locked_by_another_writer_is_tried_again_later,
);

const AS_OF: Date = date(2025, 4, 1);

fn deleting() -> Job {
    let mut job = job("record", &["id", "learner", "ended_on", "done_on"]);
    job.stages = vec![stage(
        "delete",
        vec![purpose("course", "P1Y", column("ended_on"))],
        Disposal::Delete,
    )];
    job
}

fn pseudonymizing() -> Job {
    let mut job = deleting();
    job.stages[0].disposal = Disposal::Pseudonymize {
        changes: vec![Change {
            column: "learner".to_owned(),
            strategy: Strategy::Null,
        }],
        marker: Marker::Column("done_on".to_owned()),
    };
    job
}

fn with_answers(mut job: Job) -> Job {
    job.references = vec![reference(
        "answer",
        &[("record_id", "id")],
        goes_with(&["id"], &["id", "record_id"]),
    )];
    job
}

async fn fill(store: &TestStore) {
    store
        .execute(
            "create table record (id bigint primary key, learner text, ended_on date, done_on date);
             create table answer (id bigint primary key, record_id bigint);
             insert into record values (1, 'a', '2020-01-01', null), (2, 'b', '2020-01-01', null), (3, 'c', '2020-01-01', null);
             insert into answer values (1, 1), (2, 2), (3, 3)",
        )
        .await;
}

/// A trigger on `table` that acts on the row with id 2.
async fn add_trigger(store: &TestStore, table: &str, action: &str, raises: bool) {
    let on_sqlite = format!(
        "create trigger veto before {action} on {table} when old.id = 2 begin select raise({}); end",
        if raises {
            "abort, 'row 2 of ROW-VALUE'"
        } else {
            "ignore"
        }
    );
    let on_postgres = format!(
        "create function veto() returns trigger language plpgsql as $$ begin
            if old.id = 2 then {}; end if;
            if tg_op = 'DELETE' then return old; end if; return new;
         end $$;
         create trigger veto before {action} on {table} for each row execute function veto()",
        if raises {
            "raise 'row 2 of ROW-VALUE'"
        } else {
            "return null"
        }
    );
    store.execute(&store.either(on_sqlite, on_postgres)).await;
}

async fn assert_untouched(store: &TestStore) {
    assert_eq!(
        store
            .column("select id || learner from record order by id")
            .await,
        ["1a", "2b", "3c"]
    );
    assert_eq!(store.column("select count(*) from answer").await, ["3"]);
    let evidence = format!("select count(*) from {}", store.internal("journal"));
    assert_eq!(store.column(&evidence).await, ["0"]);
}

/// Record 2 fails alone, for a reason that holds `words`; 1 and 3 go as they would without it.
async fn assert_alone(store: &TestStore, run: &str, outcome: &PassOutcome, words: &str) {
    assert!(outcome.stopped_by.is_none(), "{:?}", outcome.stopped_by);
    assert_eq!((outcome.disposed, outcome.failed), (2, 1));
    let [failed] = outcome.failed_records.as_slice() else {
        panic!("{:?}", outcome.failed_records);
    };
    assert!(failed.reason.contains(words), "{failed:?}");
    assert!(!failed.reason.contains("ROW-VALUE"), "{failed:?}");
    let evidence = format!(
        "select sum(records) from {} where target = 0 and run_id = '{run}'",
        store.internal("journal")
    );
    assert_eq!(store.column(&evidence).await, ["2"]);
    let kept = "select id || learner from record where id = 2";
    assert_eq!(store.column(kept).await, ["2b"]);
}

async fn a_record_that_a_trigger_keeps_fails_alone(store: &TestStore) {
    for (run, action, job) in [
        ("first", "delete", deleting()),
        ("second", "delete", with_answers(deleting())),
        ("third", "update", pseudonymizing()),
    ] {
        fill(store).await;
        add_trigger(store, "record", action, false).await;
        let outcome = Run::new(run)
            .dispose(&store.open().await, &job, 0, AS_OF)
            .await;
        assert_alone(store, run, &outcome, "`record` kept 1 of 1 rows").await;
        store.execute("drop table record; drop table answer").await;
        store
            .execute(store.either("select 1", "drop function veto"))
            .await;
    }
}

async fn a_record_of_which_a_trigger_keeps_a_row_fails_alone(store: &TestStore) {
    fill(store).await;
    add_trigger(store, "answer", "delete", false).await;
    let job = with_answers(deleting());
    let outcome = Run::new("run")
        .dispose(&store.open().await, &job, 0, AS_OF)
        .await;
    assert_alone(store, "run", &outcome, "`answer` kept 1 of 1 rows").await;
}

async fn a_record_at_which_a_trigger_raises_fails_alone(store: &TestStore) {
    fill(store).await;
    add_trigger(store, "record", "delete", true).await;
    let outcome = Run::new("run")
        .dispose(&store.open().await, &deleting(), 0, AS_OF)
        .await;
    let code = store.either("1811", "P0001");
    let message = format!(
        "delete a batch of `record`, stage `delete`: a trigger refuses the change (code {code})"
    );
    assert_alone(store, "run", &outcome, &message).await;
}

/// After each `action` on a record, its row is `put_back`.
async fn add_restorer(store: &TestStore, action: &str, put_back: &str) {
    let on_sqlite =
        format!("create trigger restorer after {action} on record begin {put_back}; end");
    let on_postgres = format!(
        "create function restorer() returns trigger language plpgsql as $$ begin
            if pg_trigger_depth() = 1 then {put_back}; end if; return null;
         end $$;
         create trigger restorer after {action} on record for each row execute function restorer()"
    );
    store.execute(&store.either(on_sqlite, on_postgres)).await;
}

async fn a_trigger_that_puts_things_back_rolls_the_batch_back(store: &TestStore) {
    let again = "insert into record (id, learner, ended_on, done_on) values (old.id, old.learner, old.ended_on, old.done_on)";
    let undo = "update record set learner = old.learner where id = old.id";
    let mut shortening = pseudonymizing();
    shortening.stages[0].disposal = Disposal::Pseudonymize {
        changes: vec![Change {
            column: "learner".to_owned(),
            strategy: Strategy::Text("gone".to_owned()),
        }],
        marker: Marker::Column("done_on".to_owned()),
    };
    let mut tokens = pseudonymizing();
    tokens.stages[0].disposal = Disposal::Pseudonymize {
        changes: vec![Change {
            column: "learner".to_owned(),
            strategy: Strategy::Token {
                context: "learner".to_owned(),
                range: None,
            },
        }],
        marker: Marker::Column("done_on".to_owned()),
    };
    for (action, put_back, job) in [
        ("delete", again, deleting()),
        ("update of learner", undo, pseudonymizing()),
        ("update of learner", undo, shortening),
        ("update of learner", undo, tokens),
    ] {
        fill(store).await;
        add_restorer(store, action, put_back).await;
        let outcome = Run::new("run")
            .dispose(&store.open().await, &job, 0, AS_OF)
            .await;
        assert_eq!((outcome.disposed, outcome.batches), (0, 0));
        assert_eq!(outcome.failed, 3, "{action}");
        let reason = &outcome.failed_records[0].reason;
        assert!(reason.contains("puts them back"), "{action}: {reason}");
        assert_untouched(store).await;
        store.execute("drop table record; drop table answer").await;
        store
            .execute(store.either("select 1", "drop function restorer"))
            .await;
    }
}

async fn a_declared_trigger_that_only_watches_is_no_hindrance(store: &TestStore) {
    for (action, mut job) in [
        ("delete", deleting()),
        ("update of learner", pseudonymizing()),
    ] {
        job.effects = vec![Effect {
            table: table("watched"),
            operation: Operation::Insert,
            reason: "somebody watches".to_owned(),
        }];
        fill(store).await;
        store.execute("create table watched (id bigint)").await;
        add_restorer(store, action, "insert into watched values (old.id)").await;
        let outcome = Run::new(action)
            .disposed(&store.open().await, &job, 0, AS_OF)
            .await;
        assert_eq!(outcome.disposed, 3);
        assert_eq!(outcome.effects["insert watched"], 3);
        assert_eq!(store.column("select count(*) from watched").await, ["3"]);
        store
            .execute("drop table record; drop table answer; drop table watched")
            .await;
        store
            .execute(store.either("select 1", "drop function restorer"))
            .await;
    }
}

async fn a_batch_over_the_limit_removes_nothing(store: &TestStore) {
    fill(store).await;
    let mut run = Run::new("run");
    run.max_records = 2;
    for job in [deleting(), with_answers(deleting()), pseudonymizing()] {
        let outcome = run.dispose(&store.open().await, &job, 0, AS_OF).await;
        let stopped_by = outcome.stopped_by.unwrap();
        assert!(
            matches!(stopped_by, StoreError::OverLimit { limit: 2, .. }),
            "{stopped_by:?}"
        );
        assert_eq!(outcome.disposed, 0);
        assert_untouched(store).await;
    }
    run.max_records = 3;
    assert_eq!(
        run.disposed(&store.open().await, &deleting(), 0, AS_OF)
            .await
            .disposed,
        3
    );
}

async fn a_foreign_key_that_nobody_named_keeps_its_record(store: &TestStore) {
    fill(store).await;
    store
        .execute(
            "create table invoice (id bigint primary key, record_id bigint references record (id));
             insert into invoice values (1, 2)",
        )
        .await;
    let outcome = Run::new("run")
        .dispose(&store.open().await, &deleting(), 0, AS_OF)
        .await;
    let code = store.either("787", "23503");
    let message = format!(
        "delete a batch of `record`, stage `delete`: a foreign key still points at a row of the batch (code {code})"
    );
    assert_alone(store, "run", &outcome, &message).await;
}

async fn a_database_locked_by_another_writer_is_tried_again_later(store: &TestStore) {
    fill(store).await;
    let opened = store.open().await;
    let run = Run::new("run");
    let mut other = store.another_shell().await;
    // On PostgreSQL a row that goes with a record: a record itself would be passed over.
    let locks = store.either(
        "begin immediate",
        "begin; select * from answer where id = 2 for update",
    );
    let job = with_answers(deleting());
    kigen::store::Disposer::open_fence(&opened, "run")
        .await
        .unwrap();
    other.execute(locks).await;
    let outcome = run.pass_only(&opened, &job, 0, AS_OF).await;
    // On SQLite the lock is on everything; on PostgreSQL the other records go.
    if let Some(stopped_by) = &outcome.stopped_by {
        assert_eq!(stopped_by.retry(), Retry::Later, "{stopped_by:?}");
        assert_untouched(store).await;
    } else {
        assert_alone(store, "run", &outcome, "locked").await;
    }
    let left = 3 - outcome.disposed;
    other.execute("commit").await;
    assert_eq!(run.disposed(&opened, &job, 0, AS_OF).await.disposed, left);
}

#[tokio::test]
async fn records_that_another_session_has_locked_are_passed_over_and_still_due() {
    let Some(store) = TestStore::postgres().await else {
        return;
    };
    let unlinking = || {
        let mut job = deleting();
        job.references = vec![reference(
            "answer",
            &[("record_id", "id")],
            OnDispose::Unlink,
        )];
        job
    };
    for (number, job) in [deleting(), unlinking(), pseudonymizing()]
        .into_iter()
        .enumerate()
    {
        fill(&store).await;
        let mut other = store.another_shell().await;
        other
            .execute("begin; select * from record where id = 2 for update")
            .await;
        let opened = store.open().await;
        let mut run = Run::new(&format!("run {number}"));
        assert_eq!(run.disposed(&opened, &job, 0, AS_OF).await.disposed, 2);
        assert_eq!(opened.survey(&job, 0, AS_OF).await.unwrap().due.records, 1);
        other.execute("rollback").await;
        run.pass = 1;
        assert_eq!(run.disposed(&opened, &job, 0, AS_OF).await.disposed, 1);
        let records: u64 = run
            .journal(&opened)
            .await
            .iter()
            .map(|row| row.records)
            .sum();
        assert_eq!(records, 3);
        drop(opened);
        store.execute("drop table record; drop table answer").await;
    }
    store.remove().await;
}

#[tokio::test]
async fn a_record_that_changes_while_the_batch_waits_is_decided_as_it_is_then() {
    let Some(store) = TestStore::postgres().await else {
        return;
    };
    fill(&store).await;
    let mut options = store.postgres_options();
    options.lock_timeout = std::time::Duration::from_secs(20);
    let opened = kigen::store::sql::open_postgres(options).await.unwrap();
    let mut other = store.another_shell().await;
    other
        .execute("begin; update record set ended_on = '2025-03-01' where id = 2")
        .await;
    let release = async {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        other.execute("commit").await;
    };
    let (run, job) = (Run::new("run"), deleting());
    let (outcome, ()) = tokio::join!(run.disposed(&opened, &job, 0, AS_OF), release);
    assert_eq!(outcome.disposed, 2);
    assert_eq!(store.column("select id from record").await, ["2"]);
    drop(opened);
    store.remove().await;
}
