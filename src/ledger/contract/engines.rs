//! What only one of the engines can do wrong, and the journal's tables in both.

use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use super::fixture::{self, at};
use super::{key, started};
use crate::database::dialect::quote;
use crate::database::migrate;
use crate::database::postgres::lock::advisory_key;
use crate::ledger::error::{LedgerError, Retry};
use crate::ledger::open;

async fn assert_read_only(url: &str) {
    let ledger = open(url).await.unwrap();
    ledger.check_migrated().await.unwrap();
    assert!(ledger.entries(None, None).await.unwrap().is_empty());
    for error in [
        ledger.probe_writable().await.unwrap_err(),
        ledger.append(None, at(1), &started()).await.unwrap_err(),
        ledger
            .start_run("run-1", at(1), &started(), &key())
            .await
            .unwrap_err(),
    ] {
        assert!(matches!(error, LedgerError::ReadOnly { .. }), "{error:?}");
        assert!(
            error.to_string().contains("the ledger is read-only\nhint:"),
            "{error}"
        );
        assert_eq!(error.retry(), Retry::Never);
    }
}

#[tokio::test]
async fn a_sqlite_ledger_that_may_not_be_written_is_read_only() {
    let fixture = fixture::sqlite();
    fixture.migrated().await.close().await;
    assert_read_only(&format!("{}?mode=ro", fixture.url)).await;
}

#[tokio::test]
async fn a_postgres_role_that_may_not_insert_has_a_read_only_ledger() {
    let Some(fixture) = fixture::postgres().await else {
        return;
    };
    fixture.migrated().await;
    let role = format!("reader_{}", uuid::Uuid::now_v7().simple());
    let mut connection = PgConnection::connect(&fixture.url).await.unwrap();
    let sql = format!(
        "do $$ begin create role {role}; execute format('grant usage on schema %I to {role}', \
         current_schema()); grant select on all tables in schema {schema} to {role}; end $$",
        schema = fixture.url.rsplit("%3D").next().unwrap(),
    );
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut connection)
        .await
        .unwrap();
    let as_role = fixture
        .url
        .replace("options=", &format!("options=-crole%3D{role}%20"));
    assert_read_only(&as_role).await;
    let sql = format!("drop owned by {role}; drop role {role}");
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut connection)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_ledger_that_cannot_be_reached_is_named_without_its_password() {
    for (url, retry) in [
        ("postgres://user:hunter2@127.0.0.1:9/ledger", Retry::Later),
        (
            "postgres://user:hunter2@localhost:notaport/ledger",
            Retry::Never,
        ),
        ("mysql://user:hunter2@localhost/ledger", Retry::Never),
        ("sqlite::memory:", Retry::Never),
        ("", Retry::Never),
    ] {
        let error = open(url).await.err().unwrap();
        assert_eq!(error.retry(), retry, "{error:?}");
        assert!(
            !format!("{error:?} {error}").contains("hunter2"),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_no_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.db");
    std::fs::write(
        &file,
        "not a database, and long enough to be told apart".repeat(100),
    )
    .unwrap();
    let ledger = open(&format!("sqlite:{}", file.display())).await.unwrap();
    let error = ledger.check_migrated().await.unwrap_err();
    assert!(
        matches!(error, LedgerError::Unreachable { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_lock_whose_session_was_ended_by_the_server_is_known_to_be_lost() {
    let Some(fixture) = fixture::postgres().await else {
        return;
    };
    let ledger = fixture.migrated().await;
    let mut lock = ledger.lock(&["job:a".to_owned()]).await.unwrap();
    let mut connection = PgConnection::connect(&fixture.url).await.unwrap();
    let oid: i64 = sqlx::query_scalar("select 'kigen_entry'::regclass::oid::bigint")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    let ended: Vec<bool> = sqlx::query_scalar(
        "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' \
         and (classid::bigint << 32) + objid::bigint = $1",
    )
    .bind(advisory_key(oid, "job:a"))
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(ended, [true]);
    assert!(lock.check().await.is_err());
}

const JOURNAL_ROW: &str = "('r', 0, 0, 0, 'a', 1, 1, zero36, zero32, '{\"course\": 1}', \
                           '2025-04-01T00:00:00.000000Z')";

/// Statements about the journal and whether they must succeed, in this order.
fn journal_statements() -> Vec<(String, bool)> {
    let row = |leaves: &str| {
        JOURNAL_ROW
            .replace("zero36", leaves)
            .replace("zero32", &format!("x'{}'", "00".repeat(32)))
    };
    let leaves = format!("x'{}'", "00".repeat(36));
    let insert = |row: String| format!("insert into journal values {row}");
    let fence = "insert into fence values ('r', 'open', '2025-04-01T00:00:00.000000Z')";
    [
        (insert(row(&leaves)), false),
        (fence.to_owned(), true),
        (insert(row(&leaves)), true),
        (insert(row(&leaves)), false),
        (insert(row("x'00'")).replace("0, 0, 0", "0, 1, 0"), false),
        ("update journal set records = 2".to_owned(), false),
        ("delete from journal".to_owned(), false),
        ("update fence set state = 'closed'".to_owned(), true),
        ("update fence set state = 'closed'".to_owned(), true),
        ("update fence set state = 'open'".to_owned(), false),
        ("update fence set state = 'ajar'".to_owned(), false),
        ("delete from fence".to_owned(), false),
        (
            "insert into published values ('q', '2025-04-01T00:00:00.000000Z')".to_owned(),
            false,
        ),
        (
            "insert into published values ('r', '2025-04-01T00:00:00.000000Z')".to_owned(),
            true,
        ),
        ("delete from published".to_owned(), false),
        ("update journal set records = 2".to_owned(), false),
        // Its certificates are published: a rule may end it.
        ("delete from journal".to_owned(), true),
        (
            "insert into intent values ('r', 1, 0, '[1]', '{}', '2025-04-01T00:00:00.000000Z')"
                .to_owned(),
            true,
        ),
        ("delete from intent".to_owned(), true),
        (
            "insert into marker (object, stage, record_key, run_id, at) values ('t', 's', 'k', 'r', '2025-04-01T00:00:00.000000Z')"
                .to_owned(),
            true,
        ),
    ]
    .into()
}

async fn assert_journal_is_migrated_once(url: &str, schema: Option<&str>) {
    let database = migrate::journal_database(url, schema).await.unwrap();
    for pending in [vec!["0001_journal", "0002_retention", "0003_marks"], vec![]] {
        let found = migrate::pending_migrations(&*database, &migrate::JOURNAL).await;
        assert_eq!(found.unwrap(), pending);
        let applied = migrate::migrate(&*database, &migrate::JOURNAL, at(0)).await;
        assert_eq!(applied.unwrap(), pending);
    }
    database.close().await;
}

#[tokio::test]
async fn a_journal_in_sqlite_is_append_only_and_its_fence_only_closes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let url = format!("sqlite:{}?mode=rwc", file.display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    assert_journal_is_migrated_once(&url, None).await;
    for (sql, succeeds) in journal_statements() {
        let mut sql = sql;
        for table in ["journal", "fence", "intent", "marker", "published"] {
            for verb in ["into", "update", "from"] {
                let plain = format!("{verb} {table}");
                sql = sql.replace(&plain, &format!("{verb} kigen_{table}"));
            }
        }
        let result = sqlx::raw_sql(AssertSqlSafe(sql.clone()))
            .execute(&mut connection)
            .await;
        assert_eq!(result.is_ok(), succeeds, "{sql}: {result:?}");
    }
}

#[tokio::test]
async fn a_journal_in_postgres_is_append_only_and_its_fence_only_closes() {
    let Some(server) = fixture::server_url() else {
        assert!(fixture::postgres().await.is_none());
        return;
    };
    let schema = format!("Journal \"{}", uuid::Uuid::now_v7().simple());
    let mut connection = PgConnection::connect(&server).await.unwrap();
    assert_journal_is_migrated_once(&server, Some(&schema)).await;
    let path = format!("set search_path = {}", quote(&schema));
    sqlx::raw_sql(AssertSqlSafe(path))
        .execute(&mut connection)
        .await
        .unwrap();
    for (sql, succeeds) in journal_statements() {
        let sql = sql.replace("x'", "'\\x");
        let result = sqlx::raw_sql(AssertSqlSafe(sql.clone()))
            .execute(&mut connection)
            .await;
        assert_eq!(result.is_ok(), succeeds, "{sql}: {result:?}");
    }
}
