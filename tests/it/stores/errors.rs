//! What errors say, and what they never say.

use std::time::Duration;

use jiff::civil::{Date, date};
use kigen::job::{Change, Disposal, Generalize, Job, Marker, Strategy};
use kigen::store::Inventory;
use kigen::store::error::{Retry, StoreError};
use kigen::store::sql::{PostgresOptions, SqlStore, SqliteOptions, open_postgres, open_sqlite};

use crate::support::{Run, TestStore, column, job, on_every_engine, purpose, stage};

on_every_engine!(
    no_error_quotes_a_row,
    a_job_over_a_missing_table_fails_by_name
);

const AS_OF: Date = date(2025, 4, 1);

/// Stands in every row; no message may hold it.
const PERSONAL: &str = "山田太郎";

fn pseudonymizing(change: &str, strategy: Strategy) -> Job {
    let mut job = job("record", &["id", "learner", "kana", "ended_on", "done_on"]);
    job.stages = vec![stage(
        "delete",
        vec![purpose("course", "P1Y", column("ended_on"))],
        Disposal::Pseudonymize {
            changes: vec![Change {
                column: change.to_owned(),
                strategy,
            }],
            marker: Marker::Column("done_on".to_owned()),
        },
    )];
    job
}

async fn no_error_quotes_a_row(store: &TestStore) {
    store
        .execute(&format!(
            "create table record (id text primary key, learner text unique, kana varchar(8) not null check (kana <> 'x'), ended_on date, done_on date);
             create table visit (id bigint primary key, record_id text references record (id));
             insert into record values ('{PERSONAL}', '{PERSONAL}@example.jp', '{PERSONAL}', '2020-01-01', null),
                ('{PERSONAL}2', '{PERSONAL}2@example.jp', '{PERSONAL}', '2020-01-01', null);
             insert into visit values (1, '{PERSONAL}'), (2, '{PERSONAL}2')"
        ))
        .await;
    let opened = store.open().await;
    let mut deleting = pseudonymizing("kana", Strategy::Null);
    deleting.stages[0].disposal = Disposal::Delete;
    let text = |text: &str| Strategy::Text(text.to_owned());
    let jobs = [
        deleting,
        pseudonymizing("kana", Strategy::Null),
        pseudonymizing("kana", text("x")),
        pseudonymizing("learner", text("same")),
        pseudonymizing("learner", Strategy::Generalize(Generalize::Year)),
        pseudonymizing("ended_on", text("no day, nor 'quoted'")),
        pseudonymizing("absent", Strategy::Null),
    ];
    let mut failed = 0;
    for (number, job) in jobs.iter().enumerate() {
        let outcome = Run::new(&format!("run {number}"))
            .dispose(&opened, job, 0, AS_OF)
            .await;
        // SQLite's columns take any text.
        failed += usize::from(outcome.stopped_by.is_some() || outcome.failed > 0);
        for failed in &outcome.failed_records {
            assert!(!format!("{failed:?}").contains(PERSONAL), "{failed:?}");
        }
        for reason in outcome.failures.keys() {
            assert!(!reason.contains(PERSONAL), "{reason}");
        }
        if let Some(error) = outcome.stopped_by {
            assert!(!format!("{error} {error:?}").contains(PERSONAL), "{error}");
        }
    }
    assert_eq!(failed, store.either(6, 7));
    let found = opened.find(&jobs[0], &[format!("{PERSONAL}\0")]).await;
    if let Err(error) = found {
        assert!(!format!("{error} {error:?}").contains(PERSONAL), "{error}");
    }
}

async fn a_job_over_a_missing_table_fails_by_name(store: &TestStore) {
    let opened = store.open().await;
    let job = pseudonymizing("kana", Strategy::Null);
    let error = opened.survey(&job, 0, AS_OF).await.unwrap_err();
    assert_eq!(error.retry(), Retry::Never);
    assert!(error.to_string().contains("record"), "{error}");
}

fn unreachable(error: Option<StoreError>) -> String {
    let error = error.unwrap();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
    assert_eq!(error.retry(), Retry::Later);
    error.to_string()
}

#[tokio::test]
async fn a_sqlite_file_that_is_missing_or_no_database_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let open = async |name: &str| -> Result<SqlStore, StoreError> {
        open_sqlite(SqliteOptions {
            name: "school".to_owned(),
            file: folder.path().join(name),
            busy_timeout: Duration::from_millis(100),
            read_only: false,
            immutable: false,
        })
        .await
    };
    let missing = unreachable(open("missing.db").await.err());
    assert!(
        missing.starts_with("reach store `school` at sqlite://"),
        "{missing}"
    );
    assert!(
        missing.ends_with("missing.db: the file does not exist or cannot be opened"),
        "{missing}"
    );
    assert!(
        !folder.path().join("missing.db").exists(),
        "a missing store is not made"
    );
    std::fs::write(
        folder.path().join("text.db"),
        "certainly no database".repeat(100),
    )
    .unwrap();
    let no_database = unreachable(open("text.db").await.err());
    assert!(
        no_database.ends_with("text.db: the file is no SQLite database"),
        "{no_database}"
    );
}

async fn open_error(options: PostgresOptions) -> StoreError {
    let error = open_postgres(options).await.err().unwrap();
    let text = format!("{error} {error:?}");
    for secret in ["hunter2", "taro", "postgres@"] {
        assert!(!text.contains(secret), "{text}");
    }
    error
}

#[tokio::test]
async fn a_postgres_that_cannot_be_reached_is_named_without_user_and_password() {
    let options = |url: &str| PostgresOptions {
        name: "school".to_owned(),
        url: url.to_owned(),
        address: "postgres://127.0.0.1:9/school".to_owned(),
        journal_schema: "kigen".to_owned(),
        connections: 1,
        lock_timeout: Duration::from_secs(1),
        statement_timeout: None,
        read_only: false,
    };
    let refused = unreachable(Some(
        open_error(options("postgres://taro:hunter2@127.0.0.1:9/school")).await,
    ));
    assert_eq!(
        refused,
        "reach store `school` at postgres://127.0.0.1:9/school: connection refused"
    );
    let no_url = open_error(options("postgres://taro:hunter2@127.0.0.1:port/school"))
        .await
        .to_string();
    let form = "the URL is not of the form `postgres://user:password@host:port/database`";
    assert_eq!(
        no_url,
        format!("reach store `school` at postgres://127.0.0.1:9/school: {form}")
    );
}

#[tokio::test]
async fn wrong_credentials_and_a_missing_database_are_told_apart() {
    let Some(store) = TestStore::postgres().await else {
        return;
    };
    let mut wrong = store.url();
    wrong.set_password(Some("hunter2")).unwrap();
    let error = open_error(PostgresOptions {
        url: wrong.into(),
        ..store.postgres_options()
    })
    .await;
    assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
    assert_eq!(error.retry(), Retry::Never);
    let message = "log in to store `school` at postgres://server/school: the database refused the credentials\n\
                   hint: look at user and password in the URL of `[stores.school]`";
    assert_eq!(error.to_string(), message);
    let mut absent = store.url();
    absent.set_path("absent");
    let error = open_error(PostgresOptions {
        url: absent.into(),
        ..store.postgres_options()
    })
    .await;
    assert_eq!(
        error.to_string(),
        "reach store `school` at postgres://server/school: the database does not exist"
    );
    store.remove().await;
}
