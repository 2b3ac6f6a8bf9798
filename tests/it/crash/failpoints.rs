//! A kill at every arrow of a run.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::checker;
use super::process::SIGABRT;
use super::school::Size;
use super::workplace::{Workplace, assert_recovered_well};
use crate::keyring_crash;

const SIZE: Size = Size {
    attempts: 240,
    logins: 160,
    requests: 12,
    batch: 20,
};

/// Every failpoint of the program, and at which of its times the process is killed.
const POINTS: [(&str, &[u32]); 22] = [
    ("run.started", &[1]),
    ("run.planned", &[1, 2]),
    ("log.signed", &[1, 3]),
    ("log.after-entry", &[1, 2, 3, 4]),
    ("log.after-head", &[1, 2, 3]),
    ("run.announced", &[1, 2]),
    ("batch.after-lock", &[1, 6]),
    ("batch.after-removal", &[1, 6]),
    ("batch.before-commit", &[1, 6]),
    ("batch.after-commit", &[1, 6]),
    ("intent.after-intend", &[1]),
    ("intent.after-objects", &[1]),
    ("intent.before-commit", &[1]),
    ("run.finished", &[1]),
    ("seal.after-fence", &[1]),
    ("seal.amid-leaves", &[1, 2]),
    ("seal.after-leaves", &[1, 2]),
    ("seal.after-look-back", &[1]),
    ("seal.after-store", &[1, 2]),
    ("seal.after-key", &[1]),
    ("seal.after-sign", &[1, 2]),
    ("seal.after-file", &[1, 3, 6]),
];

/// The same, of those that are reached once for each certificate.
const LAST: (&str, &[u32]) = ("seal.before-published", &[1, 2]);

/// Reached by runs that have nothing to remove.
const IN_QUIET_RUNS: &str = "seal.after-noop";

/// `tests/it/client_logs.rs` kills there.
const IN_SUSPENSIONS: &str = "suspend.after-entry";

/// Those that only large files in a bucket reach: `src/publish/contract/on_s3.rs` kills there.
const IN_BUCKETS: [&str; 2] = ["publish.before-part", "publish.before-parts-are-joined"];

/// Reached once a log has 256 entries: a tile is put again as an entry is.
const IN_LONG_LOGS: &str = "log.after-tile";

/// Hand a value to the program: no places to die at.
const SETTINGS: [&str; 3] = [
    "clock.days-ahead",
    "session.commit-unanswered",
    "signals.grace",
];

#[test]
fn the_list_names_every_failpoint_of_the_program() {
    let mut found = BTreeSet::new();
    collect(
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")),
        &mut found,
    );
    let of_keys = keyring_crash::POINTS.iter().copied();
    let names = points()
        .map(|(name, _)| name)
        .chain(IN_BUCKETS)
        .chain(SETTINGS)
        .chain([IN_QUIET_RUNS, IN_SUSPENSIONS, IN_LONG_LOGS]);
    let listed: BTreeSet<String> = names.chain(of_keys).map(str::to_owned).collect();
    assert_eq!(found, listed);
}

fn points() -> impl Iterator<Item = (&'static str, &'static [u32])> {
    POINTS.into_iter().chain([LAST])
}

fn collect(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for call in text.split("fail_point!(\"").skip(1) {
            found.insert(call.split('"').next().unwrap().to_owned());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_failpoint_a_run_on_sqlite_is_finished_by_the_next() {
    for (point, times) in points() {
        for time in times {
            let workplace = Workplace::sqlite(SIZE).await;
            kill_and_recover(&workplace, &format!("{point}:{time}")).await;
            workplace.remove().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_failpoint_a_run_on_postgres_is_finished_by_the_next() {
    for (point, times) in points() {
        for time in times {
            let Some(workplace) = Workplace::postgres(SIZE, 2).await else {
                return;
            };
            kill_and_recover(&workplace, &format!("{point}:{time}")).await;
            workplace.remove().await;
        }
    }
}

/// What is killed while it recovers is recovered too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_again_and_again_while_it_recovers_a_run_is_finished_in_the_end() {
    let workplace = Workplace::sqlite(SIZE).await;
    for place in [
        "batch.after-commit:2",
        "seal.after-fence",
        "seal.after-store",
        "seal.after-file:2",
        "intent.after-objects",
        "intent.before-commit",
        "seal.before-published",
        "run.finished",
    ] {
        kill_at(&workplace, place).await;
    }
    finish(&workplace).await;
}

/// A night without removals that dies has its one entry in each log as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_a_night_without_removals_a_run_is_finished_by_the_next() {
    let workplace = Workplace::sqlite(SIZE).await;
    finish(&workplace).await;
    for place in [
        IN_QUIET_RUNS,
        "seal.after-noop:2",
        "log.after-entry:1",
        "log.after-head:3",
    ] {
        kill_and_recover(&workplace, place).await;
    }
    workplace.remove().await;
}

async fn kill_at(workplace: &Workplace, place: &str) {
    let ended = workplace
        .start_run(&[("KIGEN_KILL_AT", place)])
        .wait()
        .await;
    assert_eq!(
        ended.signal(),
        Some(SIGABRT),
        "{place} was not reached: {ended}"
    );
    workplace.wait_for_sessions_to_end().await;
    checker::journal_agrees_with_rows(workplace).await;
}

async fn kill_and_recover(workplace: &Workplace, place: &str) {
    kill_at(workplace, place).await;
    finish(workplace).await;
}

async fn finish(workplace: &Workplace) {
    assert_recovered_well(&workplace.run().await);
    checker::check(workplace).await;
    checker::nothing_is_left(workplace).await;
}
