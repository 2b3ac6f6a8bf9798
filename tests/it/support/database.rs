//! A database of its own for each test, with kigen's journal in it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kigen::database::migrate;
use kigen::store::sql::{PostgresOptions, SqlStore, SqliteOptions, open_postgres, open_sqlite};
use tempfile::TempDir;
use tokio::sync::Mutex;
use url::Url;

use super::Shell;
use super::shell::TextRow;

/// The schema of kigen's own tables in PostgreSQL.
pub(crate) const JOURNAL_SCHEMA: &str = "kigen";

/// A fresh database, and a connection past kigen.
pub(crate) struct TestStore {
    place: Place,
    shell: Mutex<Shell>,
}

enum Place {
    Sqlite { folder: TempDir },
    Postgres { server: Url, name: String },
}

static DATABASES: AtomicU32 = AtomicU32::new(0);

impl TestStore {
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(SQLITE_FILE);
        let url = format!("sqlite:{}?mode=rwc", file.display());
        let shell = Shell::sqlite(&url).await;
        migrate_journal(&url, None).await;
        Self {
            place: Place::Sqlite { folder },
            shell: Mutex::new(shell),
        }
    }

    /// A fresh database on the server that `KIGEN_TEST_POSTGRES_URL` names, or `None` without one.
    pub(crate) async fn postgres() -> Option<Self> {
        let server = Url::parse(&postgres_server()?).unwrap();
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        let name = format!("kigen_it_{}_{number}", std::process::id());
        let mut admin = Shell::postgres(server.as_str()).await;
        admin
            .execute(&format!("drop database if exists {name} with (force)"))
            .await;
        admin.execute(&format!("create database {name}")).await;
        let url = in_database(&server, &name);
        let shell = Shell::postgres(url.as_str()).await;
        migrate_journal(url.as_str(), Some(JOURNAL_SCHEMA)).await;
        Some(Self {
            place: Place::Postgres { server, name },
            shell: Mutex::new(shell),
        })
    }

    /// Removes the database; a test that failed leaves it to the end of the server.
    pub(crate) async fn remove(self) {
        if let Place::Postgres { server, name } = &self.place {
            let mut admin = Shell::postgres(server.as_str()).await;
            for name in [name.clone(), format!("{name}_backup")] {
                admin
                    .execute(&format!("drop database if exists {name} with (force)"))
                    .await;
            }
        }
    }

    /// Takes a backup of the whole database, journal and all.
    pub(crate) async fn back_up(&self) {
        match &self.place {
            Place::Sqlite { .. } => {
                let copy = self.backup_file();
                self.execute(&format!("vacuum into '{}'", copy.display()))
                    .await;
            }
            Place::Postgres { server, name } => {
                let copy = format!("create database {name}_backup template {name}");
                self.while_nobody_is_connected(server, &[copy]).await;
            }
        }
    }

    /// Brings the database back as it was backed up: what was written since is gone.
    pub(crate) async fn restore(&self) {
        match &self.place {
            Place::Sqlite { .. } => {
                let file = self.file();
                let mut shell = self.shell.lock().await;
                let aside = Shell::sqlite("sqlite::memory:").await;
                std::mem::replace(&mut *shell, aside).close().await;
                for behind in ["-wal", "-shm"] {
                    // A database that was closed last has neither.
                    std::fs::remove_file(format!("{}{behind}", file.display())).ok();
                }
                std::fs::copy(self.backup_file(), &file).unwrap();
                *shell = Shell::sqlite(&format!("sqlite:{}", file.display())).await;
            }
            Place::Postgres { server, name } => {
                let statements = [
                    format!("drop database {name} with (force)"),
                    format!("create database {name} template {name}_backup"),
                ];
                self.while_nobody_is_connected(server, &statements).await;
            }
        }
    }

    fn backup_file(&self) -> PathBuf {
        self.file().with_extension("backup")
    }

    /// Runs statements that no connection to the database may be open for.
    async fn while_nobody_is_connected(&self, server: &Url, statements: &[String]) {
        let mut shell = self.shell.lock().await;
        let mut admin = Shell::postgres(server.as_str()).await;
        let aside = Shell::postgres(server.as_str()).await;
        std::mem::replace(&mut *shell, aside).close().await;
        for statement in statements {
            admin.execute_with_patience(statement).await;
        }
        *shell = Shell::postgres(self.url().as_str()).await;
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.place, Place::Postgres { .. })
    }

    /// `on_sqlite` or `on_postgres`, after the engine.
    pub(crate) fn either<T>(&self, on_sqlite: T, on_postgres: T) -> T {
        if self.is_postgres() {
            on_postgres
        } else {
            on_sqlite
        }
    }

    /// One of kigen's own tables.
    pub(crate) fn internal(&self, name: &str) -> String {
        self.either(format!("kigen_{name}"), format!("{JOURNAL_SCHEMA}.{name}"))
    }

    /// The file of a SQLite store.
    pub(crate) fn file(&self) -> PathBuf {
        match &self.place {
            Place::Sqlite { folder } => folder.path().join(SQLITE_FILE),
            Place::Postgres { .. } => panic!("PostgreSQL has no file"),
        }
    }

    /// The URL of a PostgreSQL store.
    pub(crate) fn url(&self) -> Url {
        match &self.place {
            Place::Sqlite { .. } => panic!("SQLite is opened by its file"),
            Place::Postgres { server, name } => in_database(server, name),
        }
    }

    /// Runs statements past kigen.
    pub(crate) async fn execute(&self, sql: &str) {
        self.shell.lock().await.execute(sql).await;
    }

    /// The rows of a query past kigen.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<TextRow> {
        self.shell.lock().await.rows(sql).await
    }

    /// The first column of a query past kigen; `NULL` stands for null.
    pub(crate) async fn column(&self, sql: &str) -> Vec<String> {
        let rows = self.rows(sql).await;
        rows.into_iter()
            .map(|mut row| row.swap_remove(0).unwrap_or_else(|| "NULL".to_owned()))
            .collect()
    }

    /// A further connection past kigen.
    pub(crate) async fn another_shell(&self) -> Shell {
        match &self.place {
            Place::Sqlite { .. } => {
                Shell::sqlite(&format!("sqlite:{}", self.file().display())).await
            }
            Place::Postgres { .. } => Shell::postgres(self.url().as_str()).await,
        }
    }

    pub(crate) fn sqlite_options(&self) -> SqliteOptions {
        SqliteOptions {
            name: "school".to_owned(),
            file: self.file(),
            busy_timeout: Duration::from_millis(500),
            read_only: false,
            immutable: false,
        }
    }

    pub(crate) fn postgres_options(&self) -> PostgresOptions {
        PostgresOptions {
            name: "school".to_owned(),
            url: self.url().into(),
            address: "postgres://server/school".to_owned(),
            journal_schema: JOURNAL_SCHEMA.to_owned(),
            connections: 1,
            lock_timeout: Duration::from_millis(300),
            statement_timeout: Some(Duration::from_secs(30)),
            read_only: false,
        }
    }

    /// Opens the store as a worker does.
    pub(crate) async fn open(&self) -> SqlStore {
        self.open_as(false, 1).await
    }

    pub(crate) async fn open_read_only(&self) -> SqlStore {
        self.open_as(true, 1).await
    }

    pub(crate) async fn open_with_connections(&self, connections: u32) -> SqlStore {
        self.open_as(false, connections).await
    }

    async fn open_as(&self, read_only: bool, connections: u32) -> SqlStore {
        let opened = match &self.place {
            Place::Sqlite { .. } => {
                let options = self.sqlite_options();
                open_sqlite(SqliteOptions {
                    read_only,
                    ..options
                })
                .await
            }
            Place::Postgres { .. } => {
                let options = self.postgres_options();
                open_postgres(PostgresOptions {
                    read_only,
                    connections,
                    ..options
                })
                .await
            }
        };
        opened.unwrap()
    }
}

async fn migrate_journal(url: &str, schema: Option<&str>) {
    let database = migrate::journal_database(url, schema).await.unwrap();
    let at = jiff::Timestamp::UNIX_EPOCH;
    migrate::migrate(&*database, &migrate::JOURNAL, at)
        .await
        .unwrap();
    database.close().await;
}

const SQLITE_FILE: &str = "学校 store.db";

fn in_database(server: &Url, name: &str) -> Url {
    let mut url = server.clone();
    url.set_path(name);
    url
}

#[expect(
    clippy::disallowed_methods,
    reason = "the services of a test are named by the environment"
)]
fn postgres_server() -> Option<String> {
    let server = std::env::var("KIGEN_TEST_POSTGRES_URL").ok();
    if server.is_none() {
        let required = std::env::var("KIGEN_REQUIRE_SERVICES").is_ok_and(|value| value == "1");
        assert!(!required, "KIGEN_TEST_POSTGRES_URL is not set");
        say_skipped();
    }
    server
}

#[expect(clippy::print_stderr, reason = "a test that tests nothing says so")]
fn say_skipped() {
    eprintln!("SKIPPED: KIGEN_TEST_POSTGRES_URL is not set, PostgreSQL was not tested");
}
