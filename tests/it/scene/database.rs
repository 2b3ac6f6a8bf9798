//! The store of a scene, and a connection past kigen.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use tokio::sync::Mutex;
use url::Url;

/// A store of its own for each scene.
pub(crate) struct Database {
    place: Place,
    connection: Mutex<Past>,
}

enum Place {
    Sqlite { url: String },
    Postgres { server: Url, url: Url, name: String },
}

enum Past {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

static DATABASES: AtomicU32 = AtomicU32::new(0);

impl Database {
    pub(super) async fn sqlite(file: &Path) -> Self {
        let url = format!("sqlite://{}", file.display());
        let connection = SqliteConnection::connect(&format!("{url}?mode=rwc"))
            .await
            .unwrap();
        Self {
            place: Place::Sqlite { url },
            connection: Mutex::new(Past::Sqlite(connection)),
        }
    }

    pub(super) async fn postgres() -> Option<Self> {
        let server = Url::parse(&server()?).unwrap();
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        let name = format!("kigen_cli_{}_{number}", std::process::id());
        let mut url = server.clone();
        url.set_path(&name);
        let mut admin = PgConnection::connect(server.as_str()).await.unwrap();
        for statement in [
            format!("drop database if exists {name} with (force)"),
            format!("create database {name}"),
        ] {
            sqlx::raw_sql(AssertSqlSafe(statement))
                .execute(&mut admin)
                .await
                .unwrap();
        }
        let connection = PgConnection::connect(url.as_str()).await.unwrap();
        Some(Self {
            place: Place::Postgres { server, url, name },
            connection: Mutex::new(Past::Postgres(connection)),
        })
    }

    /// Removes the database; a test that failed leaves it to the end of the server.
    pub(crate) async fn remove(self) {
        let Place::Postgres { server, name, .. } = &self.place else {
            return;
        };
        let mut admin = PgConnection::connect(server.as_str()).await.unwrap();
        for name in [name.clone(), format!("{name}_backup")] {
            let statement = format!("drop database if exists {name} with (force)");
            sqlx::raw_sql(AssertSqlSafe(statement))
                .execute(&mut admin)
                .await
                .unwrap();
        }
    }

    /// Takes a backup of the whole database, journal and all.
    pub(crate) async fn back_up(&self) {
        match &self.place {
            Place::Sqlite { url } => {
                let copy = format!("{}.backup", file_of(url));
                self.execute(&format!("vacuum into '{copy}'")).await;
            }
            Place::Postgres { server, name, .. } => {
                let copy = format!("create database {name}_backup template {name}");
                self.while_nobody_is_connected(server, &[copy]).await;
            }
        }
    }

    /// Brings the database back as it was backed up: what was written since is gone.
    pub(crate) async fn restore(&self) {
        match &self.place {
            Place::Sqlite { url } => {
                let file = file_of(url);
                let mut past = self.connection.lock().await;
                let aside = SqliteConnection::connect("sqlite::memory:").await.unwrap();
                if let Past::Sqlite(open) = std::mem::replace(&mut *past, Past::Sqlite(aside)) {
                    open.close().await.unwrap();
                }
                for behind in ["-wal", "-shm"] {
                    // A database that was closed last has neither.
                    std::fs::remove_file(format!("{file}{behind}")).ok();
                }
                std::fs::copy(format!("{file}.backup"), file).unwrap();
                *past = Past::Sqlite(SqliteConnection::connect(url).await.unwrap());
            }
            Place::Postgres { server, name, .. } => {
                let statements = [
                    format!("drop database {name} with (force)"),
                    format!("create database {name} template {name}_backup"),
                ];
                self.while_nobody_is_connected(server, &statements).await;
            }
        }
    }

    /// Runs statements that no connection to the database may be open for.
    async fn while_nobody_is_connected(&self, server: &Url, statements: &[String]) {
        let mut past = self.connection.lock().await;
        let mut admin = PgConnection::connect(server.as_str()).await.unwrap();
        let aside = PgConnection::connect(server.as_str()).await.unwrap();
        if let Past::Postgres(open) = std::mem::replace(&mut *past, Past::Postgres(aside)) {
            open.close().await.unwrap();
        }
        for statement in statements {
            // The server notices the end of a connection a moment later.
            let mut tries = 0;
            while let Err(error) = sqlx::raw_sql(AssertSqlSafe(statement.clone()))
                .execute(&mut admin)
                .await
            {
                tries += 1;
                assert!(tries < 50, "{error}");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
        *past = Past::Postgres(PgConnection::connect(&self.url()).await.unwrap());
    }

    /// How kigen reaches the store.
    pub(crate) fn url(&self) -> String {
        match &self.place {
            Place::Sqlite { url } => url.clone(),
            Place::Postgres { url, .. } => url.to_string(),
        }
    }

    /// The URL of the store for another login.
    pub(crate) fn url_of(&self, role: &str, password: &str) -> String {
        let mut url = Url::parse(&self.url()).unwrap();
        url.set_username(role).unwrap();
        url.set_password(Some(password)).unwrap();
        url.to_string()
    }

    /// The name of the database, which is also free for a role.
    pub(crate) fn name(&self) -> &str {
        match &self.place {
            Place::Sqlite { .. } => "main",
            Place::Postgres { name, .. } => name,
        }
    }

    /// The password in the URL, unless it is too short to be told from other text.
    pub(super) fn password(&self) -> Option<String> {
        let url = Url::parse(&self.url()).unwrap();
        url.password()
            .filter(|password| password.len() >= 8)
            .map(str::to_owned)
    }

    /// Runs statements past kigen.
    pub(crate) async fn execute(&self, sql: &str) {
        let statement = AssertSqlSafe(sql.to_owned());
        let _rows: u64 = match &mut *self.connection.lock().await {
            Past::Sqlite(connection) => sqlx::raw_sql(statement)
                .execute(connection)
                .await
                .unwrap()
                .rows_affected(),
            Past::Postgres(connection) => sqlx::raw_sql(statement)
                .execute(connection)
                .await
                .unwrap()
                .rows_affected(),
        };
    }

    /// Runs the statements of one transaction past kigen, or none of them.
    pub(crate) async fn try_execute(&self, sql: &str) -> Result<(), sqlx::Error> {
        let begun = AssertSqlSafe(format!("begin;\n{sql}\ncommit;"));
        let undo = AssertSqlSafe("rollback".to_owned());
        match &mut *self.connection.lock().await {
            Past::Sqlite(connection) => {
                let done = sqlx::raw_sql(begun).execute(&mut *connection).await;
                if done.is_err() {
                    // What failed at its commit is rolled back already.
                    sqlx::raw_sql(undo).execute(connection).await.ok();
                }
                done.map(|_| ())
            }
            Past::Postgres(connection) => {
                let done = sqlx::raw_sql(begun).execute(&mut *connection).await;
                if done.is_err() {
                    sqlx::raw_sql(undo).execute(connection).await.ok();
                }
                done.map(|_| ())
            }
        }
    }

    /// The first column of a query past kigen, as texts.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let statement = AssertSqlSafe(sql.to_owned());
        match &mut *self.connection.lock().await {
            Past::Sqlite(connection) => sqlx::query_scalar(statement)
                .fetch_all(connection)
                .await
                .unwrap(),
            Past::Postgres(connection) => sqlx::query_scalar(statement)
                .fetch_all(connection)
                .await
                .unwrap(),
        }
    }

    /// The first number of a query past kigen.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let statement = AssertSqlSafe(sql.to_owned());
        match &mut *self.connection.lock().await {
            Past::Sqlite(connection) => sqlx::query_scalar(statement)
                .fetch_one(connection)
                .await
                .unwrap(),
            Past::Postgres(connection) => sqlx::query_scalar(statement)
                .fetch_one(connection)
                .await
                .unwrap(),
        }
    }

    /// The first text of a query past kigen.
    pub(crate) async fn text(&self, sql: &str) -> String {
        let statement = AssertSqlSafe(sql.to_owned());
        match &mut *self.connection.lock().await {
            Past::Sqlite(connection) => sqlx::query_scalar(statement)
                .fetch_one(connection)
                .await
                .unwrap(),
            Past::Postgres(connection) => sqlx::query_scalar(statement)
                .fetch_one(connection)
                .await
                .unwrap(),
        }
    }

    /// The records of every table that a scene begins with and still has.
    pub(crate) async fn records(&self) -> Vec<(&'static str, i64)> {
        let mut records = Vec::new();
        for table in ["learner", "learner_contact", "exam_attempt"] {
            if self.has(table).await {
                records.push((
                    table,
                    self.number(&format!("select count(*) from {table}")).await,
                ));
            }
        }
        records
    }

    async fn has(&self, table: &str) -> bool {
        let catalog = match &self.place {
            Place::Sqlite { .. } => "sqlite_schema where type = 'table' and name",
            Place::Postgres { .. } => "pg_tables where tablename",
        };
        self.number(&format!("select count(*) from {catalog} = '{table}'"))
            .await
            > 0
    }
}

fn file_of(url: &str) -> &str {
    url.strip_prefix("sqlite://").unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the services of a test are named by the environment"
)]
#[expect(clippy::print_stderr, reason = "a test that tests nothing says so")]
fn server() -> Option<String> {
    let server = std::env::var("KIGEN_TEST_POSTGRES_URL").ok();
    if server.is_none() {
        let required = std::env::var("KIGEN_REQUIRE_SERVICES").is_ok_and(|value| value == "1");
        assert!(!required, "KIGEN_TEST_POSTGRES_URL is not set");
        eprintln!("SKIPPED: KIGEN_TEST_POSTGRES_URL is not set, PostgreSQL was not tested");
    }
    server
}

/// Runs statements in another SQLite file.
pub(crate) async fn execute_in_sqlite(file: &Path, sql: &str) {
    let url = format!("sqlite://{}", file.display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}
