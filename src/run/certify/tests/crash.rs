//! Killed at any step and sealed again: the same bytes, each certificate once.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::archive::Kind;
use crate::ledger::CertificateFilter;
use crate::ledger::entry::{Entry, RunState};
use crate::ledger::fold::fold_runs;

use super::fixture::{Fixture, OTHER, OWN, RUN, files, rows};
use super::weak_ledger::WeakLedger;

/// The statements, which hold the time of sealing, are compared within one fixture only.
type Files = BTreeMap<PathBuf, Vec<u8>>;

/// Six files of each of two clients, the files of two keys and the list of signers.
const FILES: usize = 2 * 6 + 3;

/// What each client's log adds: head, policy, and two tiles for each of its two sizes.
const LOG_FILES: usize = 2 * (2 + 4);

async fn assert_sealed_once(fixture: &Fixture) -> Files {
    let entries = fixture.ledger.entries_of(RUN).await.unwrap();
    let runs = fold_runs(&entries);
    assert_eq!(runs[0].state, RunState::Published);
    let sealed = |entry: &Entry| matches!(entry, Entry::Sealed { .. });
    let count = entries
        .iter()
        .filter(|recorded| sealed(&recorded.entry))
        .count();
    assert_eq!(count, 1);
    let filter = CertificateFilter::default();
    let certificates = fixture.ledger.certificates(&filter).await.unwrap();
    assert_eq!(certificates.len(), 2);
    assert!(certificates.iter().all(|certificate| certificate.signed));
    let verified = fixture.verify().await;
    assert_eq!(verified.certificates().count(), 2);
    assert!(verified.holds(), "{verified:?}");
    for client in [OTHER, OWN] {
        // The plan and what closes it.
        assert_eq!(fixture.ledger.log_hashes(client).await.unwrap().len(), 2);
    }
    let files = files(&fixture.certificates());
    let (in_log, others): (Vec<_>, Vec<_>) = files.keys().partition(|path| is_of_log(path));
    assert_eq!(others.len(), FILES, "{others:?}");
    assert!(in_log.len() <= LOG_FILES, "{in_log:?}");
    files
}

fn is_of_log(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "log")
}

/// Heads change in the course of time.
fn is_replaced(path: &Path) -> bool {
    Kind::of(&path.display().to_string()).is_some_and(Kind::is_replaced)
}

/// What stood there before still stands there.
fn assert_kept(before: Files, after: &Files) {
    for (path, bytes) in before {
        let is_whole = !path.file_name().unwrap().to_string_lossy().starts_with('.');
        if is_whole && !is_replaced(&path) {
            assert_eq!(after[&path], bytes, "{}", path.display());
        }
    }
}

#[tokio::test]
async fn sealing_twice_gives_the_same_bytes_and_writes_nothing_more() {
    let fixture = Fixture::finished(rows(2)).await;
    let one = fixture.seal(90).await.unwrap();
    let files_of_one = assert_sealed_once(&fixture).await;
    let entries = fixture.ledger.entries_of(RUN).await.unwrap();
    let two = fixture.seal(900).await.unwrap();
    assert_eq!(one, two);
    assert_eq!(assert_sealed_once(&fixture).await, files_of_one);
    assert_eq!(fixture.ledger.entries_of(RUN).await.unwrap(), entries);
}

#[tokio::test]
async fn sealing_elsewhere_at_the_same_time_gives_the_same_leaves_and_statements() {
    let one = Fixture::finished(rows(2)).await;
    one.seal(90).await.unwrap();
    let two = Fixture::finished(rows(2).into_iter().rev().collect()).await;
    two.seal(90).await.unwrap();
    let unsigned = |fixture: &Fixture| -> Files {
        let mut files = files(&fixture.certificates());
        files.retain(|path, _| path.ends_with("leaves.bin") || path.ends_with("statement.json"));
        files
    };
    assert_eq!(unsigned(&one).len(), 4);
    assert_eq!(unsigned(&one), unsigned(&two));
}

#[tokio::test]
async fn after_a_crash_before_or_after_any_write_to_the_ledger_sealing_goes_on() {
    let mut crashes = 0;
    for moments in 0.. {
        let fixture = Fixture::finished(rows(2)).await;
        let weak = WeakLedger::new(&*fixture.ledger, moments);
        let attempt = fixture.seal_in(&weak, 90).await;
        if weak.is_alive() {
            attempt.unwrap();
            break;
        }
        crashes += 1;
        attempt.unwrap_err();
        let before = files(&fixture.certificates());
        let stored = payloads(&fixture).await;
        fixture.seal(900).await.unwrap();
        let after = assert_sealed_once(&fixture).await;
        assert_kept(before, &after);
        // What was stored at 90 is what is certified at 900.
        for (id, payload) in stored {
            assert!(after.values().any(|bytes| *bytes == payload), "{id}");
        }
    }
    // Two payloads, two heads, the entry, two envelopes, two publications: before and after each.
    assert_eq!(crashes, 18);
}

async fn payloads(fixture: &Fixture) -> Vec<(String, Vec<u8>)> {
    let filter = CertificateFilter::default();
    let mut payloads = Vec::new();
    for summary in fixture.ledger.certificates(&filter).await.unwrap() {
        let id = summary.certificate_id;
        let found = fixture.ledger.certificate(&id).await.unwrap();
        let crate::ledger::CertificateMatch::One(stored) = found else {
            panic!("`{id}` is not found");
        };
        payloads.push((id, stored.payload));
    }
    payloads
}

#[tokio::test]
async fn files_that_a_crash_kept_from_being_published_follow() {
    let fixture = Fixture::finished(rows(2)).await;
    fixture.seal(90).await.unwrap();
    let all = assert_sealed_once(&fixture).await;
    // A log's entries stand there before its head does.
    let is_tile = |path: &Path| {
        let kind = Kind::of(&path.display().to_string());
        matches!(kind, Some(Kind::Tile | Kind::Entry))
    };
    for missing in all
        .keys()
        .filter(|path| !is_tile(path) && !path.ends_with("policy.txt"))
    {
        fs::remove_file(fixture.certificates().join(missing)).unwrap();
        fixture.seal(900).await.unwrap();
        assert_eq!(
            assert_sealed_once(&fixture).await,
            all,
            "{}",
            missing.display()
        );
    }
    fs::remove_dir_all(fixture.certificates()).unwrap();
    fixture.seal(901).await.unwrap();
    assert_eq!(assert_sealed_once(&fixture).await, all);
}

#[tokio::test]
async fn what_a_killed_sealing_left_unfinished_is_removed() {
    let fixture = Fixture::finished(rows(2)).await;
    fixture.seal(90).await.unwrap();
    let all = assert_sealed_once(&fixture).await;
    // A file that stays as it is has no writer: a list of signers or a log is swept when it changes.
    let written = all
        .keys()
        .filter(|path| !path.ends_with("allowed_signers") && !is_of_log(path));
    for path in written {
        let file = fixture.certificates().join(path);
        let name = file.file_name().unwrap().to_string_lossy();
        fs::write(
            file.with_file_name(format!(".unfinished-{name}-abc")),
            "half",
        )
        .unwrap();
    }
    fs::write(
        fixture.work().join(format!(".unfinished-{RUN}-abc")),
        "half",
    )
    .unwrap();
    let of_another = fixture.work().join(".unfinished-another-run-abc");
    fs::write(&of_another, "half").unwrap();
    fixture.seal(900).await.unwrap();
    assert_eq!(files(&fixture.certificates()), all);
    assert_eq!(files(&fixture.work()).len(), 1);
    assert!(of_another.exists());
}

#[cfg(feature = "failpoints")]
#[tokio::test]
async fn after_a_death_at_any_failpoint_sealing_goes_on() {
    let scenario = fail::FailScenario::setup();
    for (name, times) in [
        ("seal.after-fence", 1),
        ("seal.amid-leaves", 2),
        ("seal.after-leaves", 2),
        ("seal.after-store", 2),
        ("log.signed", 2),
        ("log.after-entry", 2),
        ("log.after-head", 2),
        ("seal.after-sign", 2),
        ("seal.after-file", 12),
        ("seal.before-published", 2),
    ] {
        for time in 0..times {
            let fixture = std::sync::Arc::new(Fixture::finished(rows(2)).await);
            fail::cfg(name, &format!("{time}*off->1*panic(killed)->off")).unwrap();
            let killed = fixture.clone();
            let task = tokio::spawn(async move { killed.seal(90).await.map(|_| ()) });
            assert!(task.await.unwrap_err().is_panic(), "{name} {time}");
            fail::remove(name);
            let before = files(&fixture.certificates());
            fixture.seal(900).await.unwrap();
            let after = assert_sealed_once(&fixture).await;
            assert_kept(before, &after);
        }
    }
    scenario.teardown();
}
