//! The database of a test, for whoever changes or reads it beside the worker.

use std::path::PathBuf;

use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use crate::database::migrate;

async fn migrate_journal(url: &str, schema: Option<&str>) {
    let database = migrate::journal_database(url, schema).await.unwrap();
    migrate::migrate(&*database, &migrate::JOURNAL, Timestamp::UNIX_EPOCH)
        .await
        .unwrap();
    database.close().await;
}

/// The same database, for whoever changes it beside the worker.
#[derive(Clone)]
pub(super) enum Database {
    Sqlite(PathBuf),
    Postgres { url: String, schema: String },
}

impl Database {
    pub(super) fn schema(&self) -> Option<String> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres { schema, .. } => Some(schema.clone()),
        }
    }

    pub(super) fn own(&self, table: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("kigen_{table}"),
            Self::Postgres { .. } => table.to_owned(),
        }
    }

    pub(super) async fn prepare(&self) {
        let uuid = match self {
            Self::Sqlite(file) => {
                migrate_journal(&format!("sqlite:{}", file.display()), None).await;
                "text"
            }
            Self::Postgres { url, schema } => {
                migrate_journal(url, Some(schema)).await;
                "uuid"
            }
        };
        self.execute(&format!(
            "create table request (request_id {uuid} primary key, learner_id bigint not null, \
             client_id text not null, replied_on date); \
             create table document (document_id text primary key, \
             request_id {uuid} not null references request (request_id), object_key text)"
        ))
        .await;
    }

    pub(super) async fn execute(&self, sql: &str) {
        match self {
            Self::Sqlite(file) => {
                let url = format!("sqlite:{}", file.display());
                let mut connection = SqliteConnection::connect(&url).await.unwrap();
                sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
                    .execute(&mut connection)
                    .await
                    .unwrap();
            }
            Self::Postgres { .. } => {
                let mut connection = self.postgres().await;
                sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
                    .execute(&mut connection)
                    .await
                    .unwrap();
            }
        }
    }

    /// A session of its own in the test's schema.
    pub(super) async fn postgres(&self) -> PgConnection {
        let Self::Postgres { url, schema } = self else {
            panic!("not a PostgreSQL");
        };
        let mut connection = PgConnection::connect(url).await.unwrap();
        let sql = format!("set search_path = {schema}");
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&mut connection)
            .await
            .unwrap();
        connection
    }

    pub(super) async fn numbers(&self, sql: &str) -> Vec<i64> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(file) => {
                let url = format!("sqlite:{}", file.display());
                let mut connection = SqliteConnection::connect(&url).await.unwrap();
                sqlx::query_scalar(sql)
                    .fetch_all(&mut connection)
                    .await
                    .unwrap()
            }
            Self::Postgres { .. } => sqlx::query_scalar(sql)
                .fetch_all(&mut self.postgres().await)
                .await
                .unwrap(),
        }
    }
}
