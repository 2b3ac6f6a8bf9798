//! A store and its files are restored from a backup, and the reconciliation is killed: carried out
//! again it brings everything to where it was.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value as Json;

use super::chance::Chance;
use super::process::Ended;
#[cfg(feature = "failpoints")]
use super::process::SIGABRT;
use super::process::Worker;
use super::school::Size;
use super::workplace::Workplace;

const SIZE: Size = Size {
    attempts: 240,
    logins: 160,
    requests: 12,
    batch: 20,
};

/// Where a reconciliation is killed, and at which of its times.
#[cfg(feature = "failpoints")]
const POINTS: [&str; 13] = [
    "run.started",
    "batch.after-lock:2",
    "batch.after-removal:3",
    "batch.before-commit:1",
    "batch.after-commit:6",
    "intent.after-intend",
    "intent.after-objects",
    "intent.before-commit",
    "run.finished",
    "seal.after-fence",
    "seal.after-store",
    "seal.after-file:3",
    "seal.before-published",
];

/// A workplace that was backed up and then run.
struct Restorable {
    workplace: Workplace,
    backup_time: String,
    /// Everything as the run had left it.
    before: Everything,
}

/// Every row of every table, and every file.
#[derive(Debug, PartialEq, Eq)]
struct Everything {
    rows: BTreeMap<&'static str, Vec<Vec<Option<String>>>>,
    files: Vec<String>,
}

impl Restorable {
    async fn new(workplace: Workplace) -> Self {
        workplace.store.back_up().await;
        copy(&workplace.path("scans"), &workplace.path("scans-backup"));
        let backup_time = now();
        workplace.run().await;
        let before = Everything::of(&workplace).await;
        Self {
            workplace,
            backup_time,
            before,
        }
    }

    /// Restores database and files.
    async fn restore(&self) {
        self.workplace.wait_for_sessions_to_end().await;
        self.workplace.store.restore().await;
        fs::remove_dir_all(self.workplace.path("scans")).unwrap();
        copy(
            &self.workplace.path("scans-backup"),
            &self.workplace.path("scans"),
        );
        assert_ne!(Everything::of(&self.workplace).await, self.before);
    }

    fn start(&self, further: &[&str], variables: &[(&str, &str)]) -> Worker {
        let mut words = vec!["--format", "json", "reconcile", "--store", "school"];
        words.extend(["--backup-time", &self.backup_time]);
        words.extend(further);
        self.workplace.kigen_armed(&words, variables)
    }

    async fn reconcile(&self, further: &[&str]) -> Ended {
        self.workplace.wait_for_sessions_to_end().await;
        self.start(further, &[]).wait().await
    }

    /// A look takes nothing up, and does not pass over what it cannot know.
    async fn names_the_run_that_is_not_certified(&self) {
        let looked = self.reconcile(&[]).await;
        let code = i32::from(kigen::exit::NOT_GONE);
        assert_eq!(looked.code(), Some(code), "{looked}");
        let found: Json = serde_json::from_str(&looked.stdout).unwrap();
        let lost = found["lost"].as_array().unwrap();
        let named = lost.iter().filter(|one| one["why"] == "not-certified");
        assert_eq!(named.count(), 1, "{found}");
        for cluster in found["clusters"].as_array().unwrap() {
            assert_eq!(cluster["never_removed"], 0, "{cluster}");
        }
    }

    /// Carries it out again, and everything is as it was before the restore.
    async fn finish(&self, place: &str) {
        let applied = self.reconcile(&["--apply"]).await;
        assert_eq!(applied.code(), Some(0), "{place}: {applied}");
        assert_eq!(
            Everything::of(&self.workplace).await,
            self.before,
            "{place}"
        );
        let again = self.reconcile(&[]).await;
        assert_eq!(again.code(), Some(0), "{place}: {again}");
        let again: Json = serde_json::from_str(&again.stdout).unwrap();
        for cluster in again["clusters"].as_array().unwrap() {
            assert_eq!(cluster["back"], 0, "{place}: {cluster}");
            assert_eq!(cluster["undecided"], 0, "{place}: {cluster}");
        }
        self.workplace.verify().await;
    }
}

impl Everything {
    async fn of(workplace: &Workplace) -> Self {
        let mut rows = BTreeMap::new();
        for (table, key) in [
            ("exam_attempt", "attempt_id"),
            ("login", "login_id"),
            ("disclosure_request", "request_id"),
            ("request_document", "document_id"),
        ] {
            let sql = format!("select * from {table} order by {key}");
            rows.insert(table, workplace.store.rows(&sql).await);
        }
        let mut files = Vec::new();
        list(&workplace.path("scans"), &mut files);
        files.sort();
        Self { rows, files }
    }
}

fn list(folder: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(&path, files);
        } else {
            files.push(path.to_str().unwrap().to_owned());
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a test has a clock")]
fn now() -> String {
    Timestamp::now().to_string()
}

#[cfg(feature = "failpoints")]
async fn killed_anywhere_it_is_carried_out_again(restorable: &Restorable, points: &[&str]) {
    for place in points {
        restorable.restore().await;
        let killed = restorable.start(&["--apply"], &[("KIGEN_KILL_AT", place)]);
        let ended = killed.wait().await;
        assert_eq!(ended.signal(), Some(SIGABRT), "{place}: {ended}");
        if *place == "run.finished" {
            restorable.names_the_run_that_is_not_certified().await;
        }
        restorable.finish(place).await;
    }
}

#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_failpoint_a_reconciliation_on_sqlite_is_carried_out_again() {
    let restorable = Restorable::new(Workplace::sqlite(SIZE).await).await;
    killed_anywhere_it_is_carried_out_again(&restorable, &POINTS).await;
}

#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_failpoint_a_reconciliation_on_postgres_is_carried_out_again() {
    let Some(workplace) = Workplace::postgres(SIZE, 2).await else {
        return;
    };
    let restorable = Restorable::new(workplace).await;
    let some = [
        "batch.before-commit:3",
        "batch.after-commit:5",
        "intent.after-objects",
    ];
    killed_anywhere_it_is_carried_out_again(&restorable, &some).await;
    restorable.workplace.remove().await;
}

/// SIGKILL, whenever it happens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_moments_a_reconciliation_is_carried_out_again() {
    let restorable = Restorable::new(Workplace::sqlite(SIZE).await).await;
    let mut chance = Chance::from_environment();
    restorable.restore().await;
    for _ in 0..6 {
        let worker = restorable.start(&["--apply"], &[]);
        tokio::time::sleep(chance.shorter_than(Duration::from_millis(700))).await;
        worker.kill();
    }
    restorable.finish("at random").await;
}
