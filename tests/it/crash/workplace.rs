//! A worker's whole surroundings: store, ledger, keyring, jobs, and a folder for certificates.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value as Json;
use tempfile::TempDir;

use super::process::{Ended, Worker};
use super::school::{self, Size};
use crate::support::TestStore;

/// The day for which every run of these tests decides.
pub(crate) const AS_OF: &str = "2026-04-01";

const STORE_URL: &str = "KIGEN_CRASH_STORE_URL";
const LEDGER_URL: &str = "KIGEN_CRASH_LEDGER_URL";

/// How often a run is tried that finds the session of a killed one still there.
const TRIES: u32 = 40;

/// Where kigen keeps its ledger.
enum Ledger {
    File,
    /// In a database of its own.
    Database(TestStore),
}

pub(crate) struct Workplace {
    folder: TempDir,
    pub(crate) store: TestStore,
    ledger: Ledger,
    pub(crate) size: Size,
}

impl Workplace {
    /// Everything on SQLite.
    pub(crate) async fn sqlite(size: Size) -> Self {
        Self::new(TestStore::sqlite().await, Ledger::File, size, 2).await
    }

    /// Store and ledger in two databases on PostgreSQL, or `None` without a server.
    pub(crate) async fn postgres(size: Size, connections: u32) -> Option<Self> {
        let store = TestStore::postgres().await?;
        let ledger = Ledger::Database(TestStore::postgres().await?);
        Some(Self::new(store, ledger, size, connections).await)
    }

    async fn new(store: TestStore, ledger: Ledger, size: Size, connections: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let workplace = Self {
            folder,
            store,
            ledger,
            size,
        };
        fs::create_dir(workplace.path("scans")).unwrap();
        fs::create_dir(workplace.path("jobs")).unwrap();
        for (name, text) in school::jobs(&size) {
            fs::write(workplace.path("jobs").join(name), text).unwrap();
        }
        fs::write(workplace.path("kigen.toml"), workplace.config(connections)).unwrap();
        school::fill(&workplace.store, &size, &workplace.path("scans")).await;
        for command in [["ledger", "migrate"], ["keyring", "init"]] {
            let ended = workplace.kigen(&command).wait().await;
            assert_eq!(ended.code(), Some(0), "{command:?}: {ended}");
        }
        workplace
    }

    pub(crate) async fn remove(self) {
        self.store.remove().await;
        if let Ledger::Database(ledger) = self.ledger {
            ledger.remove().await;
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn certificates(&self) -> PathBuf {
        self.path("certificates")
    }

    /// The ledger's address, for those who read it beside kigen.
    pub(crate) fn ledger_url(&self) -> String {
        match &self.ledger {
            Ledger::File => format!("sqlite://{}", self.path("ledger.db").display()),
            Ledger::Database(ledger) => ledger.url().to_string(),
        }
    }

    fn store_url(&self) -> String {
        if self.store.is_postgres() {
            return self.store.url().to_string();
        }
        format!("sqlite://{}", self.store.file().display())
    }

    /// Ends every session of the ledger's database, as a failover does.
    #[cfg_attr(
        not(feature = "failpoints"),
        expect(dead_code, reason = "only frozen workers lose their ledger")
    )]
    pub(crate) async fn end_ledger_sessions(&self) {
        let Ledger::Database(ledger) = &self.ledger else {
            panic!("a ledger in a file has no sessions");
        };
        let ended = ledger
            .column(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity \
                 where datname = current_database() and pid <> pg_backend_pid()",
            )
            .await;
        assert_ne!(ended, ["0"], "the worker has a session with its ledger");
    }

    fn config(&self, connections: u32) -> String {
        let kind = self.store.either("sqlite", "postgres");
        let mut text = format!(
            "version = 1\n\
             [ledger]\nurl-env = \"{LEDGER_URL}\"\n\
             [stores.school]\nkind = \"{kind}\"\nurl-env = \"{STORE_URL}\"\n"
        );
        if self.store.is_postgres() {
            writeln!(text, "connections = {connections}\nlock-timeout-ms = 500").unwrap();
        }
        text.push_str(
            "[objects.scans]\nkind = \"folder\"\nfolder = \"scans\"\n\
             [keyring]\npath = \"keyring.toml\"\n\
             [certificates]\nfolder = \"certificates\"\norigin = \"certificates.example.jp/kigen\"\n\
             [issuer]\norganization = \"見本\"\n\
             [jobs]\nfolder = \"jobs\"\n",
        );
        for client in school::CLIENTS {
            writeln!(
                text,
                "[[clients]]\nname = \"{client}\"\norganization = \"{client}\""
            )
            .unwrap();
        }
        text
    }

    /// Starts `kigen` with these words.
    pub(crate) fn kigen(&self, words: &[&str]) -> Worker {
        self.kigen_with(words, &[])
    }

    /// Starts `kigen run`, armed with these variables.
    pub(crate) fn start_run(&self, variables: &[(&str, &str)]) -> Worker {
        self.kigen_with(&["--format", "json", "run"], variables)
    }

    /// Starts `kigen` with these words, armed with these variables.
    pub(crate) fn kigen_armed(&self, words: &[&str], variables: &[(&str, &str)]) -> Worker {
        self.kigen_with(words, variables)
    }

    fn kigen_with(&self, words: &[&str], variables: &[(&str, &str)]) -> Worker {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kigen"));
        command
            .arg("--config")
            .arg(self.path("kigen.toml"))
            .args(["--as-of", AS_OF])
            .args(words)
            .env(STORE_URL, self.store_url())
            .env(LEDGER_URL, self.ledger_url())
            .envs(variables.iter().copied());
        Worker::start(&mut command, self.folder.path())
    }

    /// Runs until the session of a killed run is gone; that run must end well.
    pub(crate) async fn run(&self) -> Json {
        self.run_words(&[]).await
    }

    /// The same with further words.
    pub(crate) async fn run_words(&self, words: &[&str]) -> Json {
        let mut all = vec!["--format", "json", "run"];
        all.extend(words);
        for _ in 0..TRIES {
            let ended = self.kigen(&all).wait().await;
            if ended.code() == Some(i32::from(kigen::exit::BUSY)) && self.store.is_postgres() {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
            assert_eq!(ended.code(), Some(0), "{ended}");
            return ended.document();
        }
        panic!("the run stayed busy");
    }

    /// Waits until the server has noticed that its clients are dead, and their locks have ended.
    pub(crate) async fn wait_for_sessions_to_end(&self) {
        if self.store.is_postgres() {
            wait_for_sessions_to_end(&self.store).await;
        }
        if let Ledger::Database(ledger) = &self.ledger {
            wait_for_sessions_to_end(ledger).await;
        }
    }

    /// Records that the report says were disposed of, in all runs.
    pub(crate) async fn reported(&self) -> i64 {
        let words = [
            "--format",
            "json",
            "report",
            "--from",
            "2020-01-01",
            "--to",
            "2999-12-31",
        ];
        let ended = self.kigen(&words).wait().await;
        assert_eq!(ended.code(), Some(0), "{ended}");
        let report = ended.document();
        let clusters = report["clusters"].as_array().unwrap().iter();
        let months = clusters.flat_map(|cluster| cluster["months"].as_array().unwrap());
        let disposed = months.flat_map(|month| month["disposed"].as_array().unwrap());
        disposed
            .map(|disposed| disposed["records"].as_i64().unwrap())
            .sum()
    }

    /// Certificates that kigen itself finds in order.
    pub(crate) async fn verify(&self) {
        let folder = self.certificates();
        let ended = self
            .kigen(&["certificate", "verify", utf8(&folder)])
            .wait()
            .await;
        assert_eq!(ended.code(), Some(0), "{ended}");
    }
}

async fn wait_for_sessions_to_end(database: &TestStore) {
    let sql = "select count(*) from pg_stat_activity \
               where datname = current_database() and application_name like 'kigen%'";
    for _ in 0..2000 {
        if database.column(sql).await == ["0"] {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("a killed worker's session does not end");
}

fn utf8(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What a finished run says it disposed of, in all jobs and stages.
pub(crate) fn disposed(run: &Json) -> u64 {
    let jobs = run["jobs"].as_array().unwrap();
    let stages = jobs
        .iter()
        .flat_map(|job| job["stages"].as_array().unwrap());
    stages
        .map(|stage| stage["disposed"].as_u64().unwrap())
        .sum()
}

/// Why a run of a dead process could not be certified, if so.
pub(crate) fn assert_recovered_well(run: &Json) {
    for recovered in run["recovered"].as_array().unwrap() {
        assert!(recovered["error"].is_null(), "{recovered}");
    }
    assert!(run["not_certified"].is_null(), "{run}");
}

impl Ended {
    /// The one document on stdout.
    fn document(&self) -> Json {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}
