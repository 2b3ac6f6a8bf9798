//! A whole installation in a folder of its own: store, ledger, keyring, jobs, `kigen.toml`; and the
//! real program, started in it.

mod answer;
mod database;
mod files;

pub(crate) use answer::{Answer, redacted};
pub(crate) use database::{Database, execute_in_sqlite};

use std::path::PathBuf;
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// The day on which the records of a scene are due, kept, or due tomorrow.
pub(crate) const AS_OF: &str = "2026-04-01";

/// Stands in every column that may name a person; no output may hold it.
pub(crate) const PERSON: &str = "漏洩確認花子";

/// The password in every URL of a scene that has one; no output may hold it.
pub(crate) const PASSWORD: &str = "pass-marker-7f3a";

/// The databases that a scene's store can lie in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    pub(crate) const ALL: [Self; 2] = [Self::Sqlite, Self::Postgres];
}

/// An installation that works: a test spoils one thing of it.
pub(crate) struct Scene {
    folder: TempDir,
    pub(crate) database: Database,
}

impl Scene {
    /// Stores and ledger in SQLite, migrated, with a keyring.
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::sqlite(&folder.path().join("store.db")).await;
        let scene = Self { folder, database };
        scene.furnish(files::SQLITE_STORE).await;
        scene
    }

    /// The store in a fresh PostgreSQL database, the ledger in SQLite; `None` without a server.
    pub(crate) async fn postgres() -> Option<Self> {
        let database = Database::postgres().await?;
        let folder = tempfile::tempdir().unwrap();
        let scene = Self { folder, database };
        scene.furnish(files::POSTGRES_STORE).await;
        Some(scene)
    }

    async fn furnish(&self, store: &str) {
        let rows = files::ROWS.replace("PERSON", PERSON);
        let jobs = [
            ("learner.toml", files::LEARNER),
            ("exam-history.toml", files::EXAM_HISTORY),
        ];
        self.furnish_with(store, &format!("{}{rows}", files::TABLES), &jobs)
            .await;
    }

    /// A scene with tables and jobs of its own. On PostgreSQL `None` without a server.
    pub(crate) async fn with(engine: Engine, sql: &str, jobs: &[(&str, &str)]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let (database, store) = match engine {
            Engine::Sqlite => {
                let file = folder.path().join("store.db");
                (Database::sqlite(&file).await, files::SQLITE_STORE)
            }
            Engine::Postgres => (Database::postgres().await?, files::POSTGRES_STORE),
        };
        let scene = Self { folder, database };
        scene.furnish_with(store, sql, jobs).await;
        Some(scene)
    }

    async fn furnish_with(&self, store: &str, sql: &str, jobs: &[(&str, &str)]) {
        self.database.execute(sql).await;
        std::fs::create_dir(self.path("jobs")).unwrap();
        self.write("kigen.toml", &files::CONFIG.replace("STORE", store));
        for (file, job) in jobs {
            self.write(&format!("jobs/{file}"), job);
        }
        for command in [
            ["keyring", "init"],
            ["ledger", "migrate"],
            ["journal", "migrate"],
        ] {
            let answer = self.kigen(&command);
            assert_eq!(answer.code, 0, "{}", answer.stderr);
        }
    }

    /// A file of the installation.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Replaces `from`, which must be there, in a file of the installation.
    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path(name)).unwrap();
        assert!(text.contains(from), "{name} does not contain {from}");
        self.write(name, &text.replace(from, to));
    }

    /// The digest of a file's bytes.
    pub(crate) fn sha256(&self, name: &str) -> String {
        hex::encode(Sha256::digest(std::fs::read(self.path(name)).unwrap()))
    }

    /// The program, not yet started, in the folder of the installation.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kigen"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("KIGEN_SCENE_STORE_URL", self.database.url())
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end; fails if it shows a row's value or a password.
    pub(crate) fn kigen(&self, arguments: &[&str]) -> Answer {
        self.finish(&mut self.command(arguments))
    }

    /// Runs `command` to its end; fails if it shows a row's value or a password.
    pub(crate) fn finish(&self, command: &mut Command) -> Answer {
        let answer = Answer::of(&command.output().unwrap());
        self.shows_no_secret(&answer);
        answer
    }

    /// Runs `kigen` with the day of the scene and without log lines below errors.
    pub(crate) fn on_the_day(&self, arguments: &[&str]) -> Answer {
        let mut all = arguments.to_vec();
        for default in [["--as-of", AS_OF], ["--log", "error"]] {
            if !arguments.contains(&default[0]) {
                all.extend(default);
            }
        }
        self.kigen(&all)
    }

    pub(crate) fn shows_no_secret(&self, answer: &Answer) {
        let password = self.database.password();
        for secret in [Some(PERSON.to_owned()), Some(PASSWORD.to_owned()), password]
            .into_iter()
            .flatten()
        {
            assert!(!answer.stdout.contains(&secret), "stdout shows a secret");
            assert!(!answer.stderr.contains(&secret), "stderr shows a secret");
        }
    }
}
