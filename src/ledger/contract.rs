//! One suite of sentences that both ledgers keep.
//!
//! PostgreSQL is used if `KIGEN_TEST_POSTGRES_URL` names one; each test gets a schema of its own.

mod certificates;
mod engines;
mod fixture;
mod locks;
mod log;

use std::collections::BTreeMap;

use jiff::Timestamp;
use kigen_evidence::log::entry::SuspensionReason;

use super::entry::{
    Due, Entry, EvidenceKeyDestroyed, JobFailed, JobSuspended, KeyRotated, LimitEntry, Outcome,
    RunStarted, RunState, StageFinished, StageRefused, StageSurveyed, Trigger,
};
use super::error::{LedgerError, Retry};
use super::record::RunKey;
use fixture::{Fixture, at};

/// Makes one test for each engine of each sentence.
macro_rules! both {
    ($($sentence:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $sentence() {
                super::$sentence(crate::ledger::contract::fixture::sqlite()).await;
            })+
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $sentence() {
                if let Some(fixture) = crate::ledger::contract::fixture::postgres().await {
                    super::$sentence(fixture).await;
                }
            })+
        }
    };
}
use both;

both! {
    a_ledger_that_is_not_migrated_says_what_to_run,
    migrating_twice_does_nothing,
    a_migration_of_a_newer_kigen_stops_everything,
    a_migration_with_another_text_stops_everything,
    every_kind_of_entry_comes_back_as_it_was_in_order,
    entries_are_found_from_a_moment_until_before_another,
    an_entry_of_a_newer_kigen_is_named_and_not_passed_over,
    a_run_starts_once_and_its_key_with_it,
    a_run_is_unfinished_until_every_certificate_is_published,
    nothing_in_the_ledger_can_be_changed_but_a_key_can_be_destroyed,
    probing_leaves_no_entry,
}

fn key() -> RunKey {
    RunKey {
        kek_id: "kek-1".to_owned(),
        wrapped: vec![0, 1, 254, 255],
    }
}

fn started() -> Entry {
    Entry::RunStarted(RunStarted {
        as_of: "2025-04-01".parse().unwrap(),
        trigger: Trigger::Cron,
        version: "0.1.0".to_owned(),
        jobs: Vec::new(),
        targets: Vec::new(),
        reconciles: None,
    })
}

fn sealed(ids: &[&str]) -> Entry {
    Entry::Sealed {
        certificate_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
    }
}

fn published(id: &str) -> Entry {
    Entry::Published {
        certificate_id: id.to_owned(),
        folder: format!("client-a/{id}"),
    }
}

/// One of each kind, with a number that no 53 bits hold.
fn one_of_each_kind() -> Vec<Entry> {
    let (job, stage) = ("exam-history".to_owned(), "delete".to_owned());
    let counts = || BTreeMap::from([("受講".to_owned(), 3), ("screening".to_owned(), u64::MAX)]);
    vec![
        started(),
        Entry::StageSurveyed(StageSurveyed {
            job: job.clone(),
            stage: stage.clone(),
            disposal: "delete".to_owned(),
            total_records: u64::MAX,
            due: Due {
                records: 3,
                subjects: 2,
            },
            retained: counts(),
            oldest_overdue_days: Some(400),
            limit: LimitEntry {
                max_records: 10,
                max_percent: 12.5,
                max_persons: 5,
            },
        }),
        Entry::StageRefused(StageRefused {
            job: job.clone(),
            stage: stage.clone(),
            code: "limit-exceeded".to_owned(),
            message: "3 records are due; the limit is 2".to_owned(),
        }),
        Entry::StageFinished(StageFinished {
            job: job.clone(),
            stage,
            disposal: "delete".to_owned(),
            disposed: 3,
            absent: 1,
            no_longer_due: 0,
            failed: 0,
            unattempted: 0,
            remaining_due: 0,
            oldest_overdue_days: None,
            elapsed_ms: 12,
            ended_by: counts(),
            by_client: counts(),
            effects: Some(counts()),
        }),
        Entry::JobFailed(JobFailed {
            job,
            code: "store-unreachable".to_owned(),
            message: "reach store `lms`".to_owned(),
        }),
        Entry::RunFinished {
            outcome: Outcome::Stopped,
        },
        Entry::RunRecovered {
            found_state: RunState::Finished,
        },
        sealed(&["c1"]),
        published("c1"),
        Entry::KeyRotated(KeyRotated {
            key: "certificate".to_owned(),
            key_id: "34750f98bd59fcfc".to_owned(),
            public: "8a".repeat(32),
            from: at(5),
            former_key_id: "0f98bd59fcfc3475".to_owned(),
            former_public: "8b".repeat(32),
        }),
        Entry::EvidenceKeyDestroyed(EvidenceKeyDestroyed {
            key_id: "kek-2026q4".to_owned(),
            keep: "P5Y".to_owned(),
            last_day_kept: "2031-12-31".parse().unwrap(),
            runs: 92,
        }),
        Entry::JobSuspended(JobSuspended {
            job: "learner".to_owned(),
            reason: SuspensionReason::LegalHold,
            review_on: Some("2027-04-01".parse().unwrap()),
        }),
        Entry::JobResumed {
            job: "learner".to_owned(),
        },
    ]
}

async fn a_ledger_that_is_not_migrated_says_what_to_run(fixture: Fixture) {
    let ledger = fixture.open().await;
    let error = ledger.check_migrated().await.unwrap_err();
    assert!(
        matches!(error, LedgerError::NotMigrated { .. }),
        "{error:?}"
    );
    assert!(
        error.to_string().contains("run `kigen ledger migrate`"),
        "{error}"
    );
    let error = ledger.append(None, at(1), &started()).await.unwrap_err();
    assert!(
        matches!(error, LedgerError::NotMigrated { .. }),
        "{error:?}"
    );
    let error = ledger.entries(None, None).await.unwrap_err();
    assert!(
        matches!(error, LedgerError::NotMigrated { .. }),
        "{error:?}"
    );
    assert_eq!(error.retry(), Retry::Never);
    assert!(ledger.lock(&["run:a".to_owned()]).await.is_err());
    fixture.assert_untouched();
}

async fn migrating_twice_does_nothing(fixture: Fixture) {
    let ledger = fixture.open().await;
    let applied = ledger.migrate(at(0)).await.unwrap();
    assert_eq!(applied, ["0001_ledger", "0002_log"]);
    assert!(ledger.migrate(at(9)).await.unwrap().is_empty());
    ledger.check_migrated().await.unwrap();
}

async fn a_migration_of_a_newer_kigen_stops_everything(fixture: Fixture) {
    let ledger = fixture.migrated().await;
    let sql = "insert into kigen_migration values (99, 'x', 'x', '2025-04-01T00:00:00.000000Z')";
    fixture.execute(sql).await.unwrap();
    for error in [
        ledger.check_migrated().await.unwrap_err(),
        ledger.migrate(at(1)).await.unwrap_err(),
    ] {
        assert!(
            matches!(error, LedgerError::NewerVersion { .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains("migration 99"), "{error}");
    }
}

async fn a_migration_with_another_text_stops_everything(fixture: Fixture) {
    let ledger = fixture.migrated().await;
    fixture
        .execute("update kigen_migration set sha256 = 'x'")
        .await
        .unwrap();
    let error = ledger.check_migrated().await.unwrap_err();
    assert!(matches!(error, LedgerError::Damaged { .. }), "{error:?}");
}

async fn every_kind_of_entry_comes_back_as_it_was_in_order(fixture: Fixture) {
    let ledger = fixture.migrated().await;
    let written = one_of_each_kind();
    assert_eq!(
        written.iter().map(Entry::kind).collect::<Vec<_>>(),
        Entry::KINDS
    );
    let precise: Timestamp = "2025-04-01T12:34:56.789012Z".parse().unwrap();
    for entry in &written {
        ledger.append(Some("run-1"), precise, entry).await.unwrap();
    }
    ledger.append(None, at(2), &started()).await.unwrap();

    let read = ledger.entries_of("run-1").await.unwrap();
    assert!(read.iter().all(|recorded| recorded.at == precise));
    assert!(read.is_sorted_by(|a, b| a.entry_id < b.entry_id));
    let read: Vec<Entry> = read.into_iter().map(|recorded| recorded.entry).collect();
    assert_eq!(read, written);
    assert_eq!(
        ledger.entries(None, None).await.unwrap().len(),
        written.len() + 1
    );
    assert!(ledger.entries_of("run-2").await.unwrap().is_empty());
}

async fn entries_are_found_from_a_moment_until_before_another(fixture: Fixture) {
    let ledger = fixture.migrated().await;
    for second in 1..=4 {
        ledger.append(None, at(second), &started()).await.unwrap();
    }
    let found = ledger.entries(Some(at(2)), Some(at(4))).await.unwrap();
    let moments: Vec<_> = found.iter().map(|recorded| recorded.at).collect();
    assert_eq!(moments, [at(2), at(3)]);
    assert_eq!(ledger.entries(Some(at(4)), None).await.unwrap().len(), 1);
    assert_eq!(ledger.entries(None, Some(at(1))).await.unwrap().len(), 0);
}

async fn an_entry_of_a_newer_kigen_is_named_and_not_passed_over(fixture: Fixture) {
    let ledger = fixture.migrated().await;
    let sql = "insert into kigen_entry (at, kind, body) values \
               ('2025-04-01T00:00:00.000000Z', 'held', '{\"kind\": \"held\"}')";
    fixture.execute(sql).await.unwrap();
    let error = ledger.entries(None, None).await.unwrap_err();
    assert!(
        matches!(error, LedgerError::NewerVersion { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("kind `held`"), "{error}");
}

async fn a_run_starts_once_and_its_key_with_it(fixture: Fixture) {
    let ledger = fixture.migrated().await;
    ledger
        .start_run("run-1", at(1), &started(), &key())
        .await
        .unwrap();
    let other = RunKey {
        kek_id: "kek-2".to_owned(),
        wrapped: vec![9],
    };
    let error = ledger
        .start_run("run-1", at(2), &started(), &other)
        .await
        .unwrap_err();
    assert!(matches!(error, LedgerError::Conflict { .. }), "{error:?}");
    assert_eq!(ledger.run_key("run-1").await.unwrap(), Some(key()));
    assert_eq!(ledger.runs_under("kek-1").await.unwrap(), ["run-1"]);
    assert!(ledger.runs_under("kek-2").await.unwrap().is_empty());
    assert_eq!(ledger.entries(None, None).await.unwrap().len(), 1);
    assert_eq!(ledger.run_key("run-2").await.unwrap(), None);

    // A destroyed key does not let the run start anew.
    assert!(ledger.destroy_run_key("run-1").await.unwrap());
    let error = ledger
        .start_run("run-1", at(3), &started(), &other)
        .await
        .unwrap_err();
    assert!(matches!(error, LedgerError::Conflict { .. }), "{error:?}");
    assert_eq!(ledger.run_key("run-1").await.unwrap(), None);
    assert!(ledger.runs_under("kek-1").await.unwrap().is_empty());
}

async fn a_run_is_unfinished_until_every_certificate_is_published(fixture: Fixture) {
    let ledger = fixture.migrated().await;
    let finished = Entry::RunFinished {
        outcome: Outcome::Complete,
    };
    for run in ["killed", "finished", "half", "done", "nothing"] {
        ledger
            .start_run(run, at(1), &started(), &key())
            .await
            .unwrap();
    }
    for run in ["finished", "half", "done", "nothing"] {
        ledger.append(Some(run), at(2), &finished).await.unwrap();
    }
    for (run, entry) in [
        ("half", sealed(&["h1", "h2"])),
        ("done", sealed(&["d1", "d2"])),
        ("nothing", sealed(&[])),
        ("half", published("h1")),
        ("half", published("h1")),
        ("done", published("d2")),
        ("done", published("d1")),
    ] {
        ledger.append(Some(run), at(3), &entry).await.unwrap();
    }
    let runs = ledger.unfinished_runs().await.unwrap();
    let states: Vec<_> = runs
        .iter()
        .map(|run| (run.run_id.as_str(), run.state))
        .collect();
    assert_eq!(
        states,
        [
            ("killed", RunState::Running),
            ("finished", RunState::Finished),
            ("half", RunState::Sealed)
        ]
    );
    assert_eq!(runs[2].unpublished().collect::<Vec<_>>(), ["h2"]);
}

async fn nothing_in_the_ledger_can_be_changed_but_a_key_can_be_destroyed(fixture: Fixture) {
    let ledger = fixture.migrated().await;
    ledger
        .start_run("run-1", at(1), &started(), &key())
        .await
        .unwrap();
    certificates::store_one(ledger.as_ref()).await;
    for sql in [
        "update kigen_entry set run_id = 'run-2'",
        "delete from kigen_entry",
        "update kigen_run_key set kek_id = 'kek-2'",
        "update kigen_certificate set client = 'b'",
        "delete from kigen_certificate",
        "update kigen_envelope set sshsig = ''",
        "delete from kigen_envelope",
    ] {
        let error = fixture.execute(sql).await.unwrap_err();
        assert!(error.contains("append-only"), "{sql}: {error}");
    }
    for sql in fixture.back_doors() {
        let error = fixture.execute(sql).await.unwrap_err();
        assert!(error.contains("append-only"), "{sql}: {error}");
    }
    assert!(ledger.destroy_run_key("run-1").await.unwrap());
    assert!(!ledger.destroy_run_key("run-1").await.unwrap());
    assert_eq!(ledger.entries(None, None).await.unwrap().len(), 1);
}

async fn probing_leaves_no_entry(fixture: Fixture) {
    let ledger = fixture.migrated().await;
    ledger.probe_writable().await.unwrap();
    assert!(ledger.entries(None, None).await.unwrap().is_empty());
}
