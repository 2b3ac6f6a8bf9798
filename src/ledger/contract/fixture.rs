//! A ledger of its own for each test.

use std::io::Write;

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use tempfile::TempDir;

use crate::ledger::{Ledger, open};

/// An empty place for a ledger.
pub(super) struct Fixture {
    pub(super) url: String,
    /// The folder of a SQLite ledger.
    folder: Option<TempDir>,
}

/// Second `second` of a fixed day.
pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_743_465_600 + second).unwrap()
}

pub(super) fn sqlite() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    Fixture {
        url: format!("sqlite:{}", folder.path().join("ledger 台帳.db").display()),
        folder: Some(folder),
    }
}

/// A schema of its own, or `None` if there is no PostgreSQL to test with.
pub(super) async fn postgres() -> Option<Fixture> {
    let Some(server) = server_url() else {
        assert!(
            std::env::var_os("KIGEN_REQUIRE_SERVICES").is_none_or(|value| value != "1"),
            "KIGEN_TEST_POSTGRES_URL is not set"
        );
        // Past the test harness, which would swallow what a passing test prints.
        let skipped = "SKIPPED: KIGEN_TEST_POSTGRES_URL is not set, PostgreSQL was not tested\n";
        std::io::stderr().write_all(skipped.as_bytes()).unwrap();
        return None;
    };
    let schema = format!("ledger_{}", uuid::Uuid::now_v7().simple());
    let mut connection = PgConnection::connect(&server).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!("create schema {schema}")))
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let sign = if server.contains('?') { '&' } else { '?' };
    Some(Fixture {
        url: format!("{server}{sign}options=-csearch_path%3D{schema}"),
        folder: None,
    })
}

pub(super) fn server_url() -> Option<String> {
    std::env::var_os("KIGEN_TEST_POSTGRES_URL")?
        .into_string()
        .ok()
}

impl Fixture {
    pub(super) async fn open(&self) -> Box<dyn Ledger> {
        open(&self.url).await.unwrap()
    }

    pub(super) async fn migrated(&self) -> Box<dyn Ledger> {
        let ledger = self.open().await;
        ledger.migrate(at(0)).await.unwrap();
        ledger
    }

    /// Runs `sql` past the ledger, as somebody with a database shell would.
    pub(super) async fn execute(&self, sql: &'static str) -> Result<(), String> {
        let result = match &self.folder {
            Some(_) => {
                let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
                let result = sqlx::raw_sql(sql)
                    .execute(&mut connection)
                    .await
                    .map(|_| ());
                connection.close().await.unwrap();
                result
            }
            None => {
                let mut connection = PgConnection::connect(&self.url).await.unwrap();
                let result = sqlx::raw_sql(sql)
                    .execute(&mut connection)
                    .await
                    .map(|_| ());
                connection.close().await.unwrap();
                result
            }
        };
        result.map_err(|error| error.to_string())
    }

    /// Ways to change rows that only one engine has.
    pub(super) fn back_doors(&self) -> &'static [&'static str] {
        match &self.folder {
            Some(_) => &[
                "insert or replace into kigen_entry select entry_id, run_id, at, kind, '{}' \
                 from kigen_entry",
                "insert or replace into kigen_run_key select run_id, 'kek-2', wrapped \
                 from kigen_run_key",
                "insert or replace into kigen_certificate select certificate_id, run_id, \
                 client, payload, payload_sha256, 'x', created_at from kigen_certificate",
                "insert or replace into kigen_envelope select certificate_id, envelope, '' \
                 from kigen_envelope",
            ],
            None => &[
                "truncate kigen_entry",
                "truncate kigen_run_key",
                "truncate kigen_certificate cascade",
                "truncate kigen_envelope",
            ],
        }
    }

    /// Proves that a SQLite ledger left no file.
    pub(super) fn assert_untouched(&self) {
        if let Some(folder) = &self.folder {
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }
}
