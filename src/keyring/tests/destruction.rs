//! A quarter's key goes when its evidence period has ended, and not before; then nothing opens.

use jiff::Timestamp;
use jiff::civil::{Date, date};
use kigen_evidence::calendar::Period;

use crate::keyring::destruction::{Destruction, DestructionError, destroy, examine};
use crate::keyring::{Keyring, KeyringError, Quarter, WrappedRunKey, new_run_key};
use crate::ledger::entry::Entry;
use crate::ledger::{Ledger, RunKey};

use super::rotation::{begin, end, ledger_in};
use super::{TODAY, home};

/// The first day after five years from the end of the quarter of `TODAY`.
const AFTER: Date = date(2032, 1, 1);

fn keep() -> Period {
    "P5Y".parse().unwrap()
}

fn now() -> Timestamp {
    "2032-01-01T03:00:00Z".parse().unwrap()
}

/// A run of `quarter` that is published; its wrapped key.
async fn published(
    keyring: &Keyring,
    ledger: &dyn Ledger,
    quarter: Quarter,
    run: &str,
) -> WrappedRunKey {
    let wrapped = keyring.wrap(quarter, run, &new_run_key().unwrap()).unwrap();
    let key = RunKey {
        kek_id: wrapped.key_id.clone(),
        wrapped: wrapped.bytes.to_vec(),
    };
    begin(ledger, run, key).await;
    end(ledger, run).await;
    wrapped
}

async fn attempt(
    keyring: &mut Keyring,
    ledger: &dyn Ledger,
    today: Date,
) -> Result<Destruction, DestructionError> {
    let quarter = Quarter::of(TODAY);
    let destroyable = examine(keyring, ledger, quarter, keep(), today).await?;
    destroy(keyring, ledger, destroyable, now()).await
}

async fn entries(ledger: &dyn Ledger) -> Vec<Entry> {
    let entries = ledger.entries(None, None).await.unwrap();
    let entries = entries.into_iter().map(|recorded| recorded.entry);
    entries
        .filter(|entry| matches!(entry, Entry::EvidenceKeyDestroyed(_)))
        .collect()
}

#[tokio::test]
async fn a_destroyed_key_opens_nothing_and_is_never_made_again() {
    let home = home();
    let ledger = ledger_in(&home).await;
    let mut keyring = Keyring::create(&home.path, TODAY).unwrap();
    let (this, next) = (Quarter::of(TODAY), Quarter::of(TODAY).next());
    let one = published(&keyring, &*ledger, this, "run-1").await;
    published(&keyring, &*ledger, this, "run-2").await;
    let later = published(&keyring, &*ledger, next, "run-3").await;

    let done = attempt(&mut keyring, &*ledger, AFTER).await.unwrap();
    assert_eq!((done.runs, done.was_gone, done.at), (2, false, now()));

    let mut again = Keyring::load(&home.path).unwrap();
    for keyring in [&keyring, &again] {
        let error = keyring.unwrap("run-1", &one).unwrap_err();
        assert!(matches!(error, KeyringError::Destroyed { .. }), "{error}");
        assert!(!keyring.has_kek(this) && keyring.has_kek(next));
        keyring.unwrap("run-3", &later).unwrap();
    }
    let error = again.ensure_kek(this).unwrap_err();
    assert!(matches!(error, KeyringError::Destroyed { .. }), "{error}");
    assert_eq!(ledger.run_key("run-1").await.unwrap(), None);
    assert_eq!(ledger.run_key("run-2").await.unwrap(), None);
    assert!(ledger.run_key("run-3").await.unwrap().is_some());
    let said = entries(&*ledger).await;
    assert_eq!(said.len(), 1);
    let Entry::EvidenceKeyDestroyed(said) = &said[0] else {
        panic!("{said:?}")
    };
    assert_eq!(
        (said.key_id.as_str(), said.keep.as_str()),
        ("kek-2026q4", "P5Y")
    );
    assert_eq!((said.last_day_kept, said.runs), (date(2031, 12, 31), 2));
}

#[tokio::test]
async fn a_key_is_kept_to_the_last_day_of_the_evidence_period() {
    let home = home();
    let ledger = ledger_in(&home).await;
    let mut keyring = Keyring::create(&home.path, TODAY).unwrap();
    let before = std::fs::read(&home.path).unwrap();
    for today in [TODAY, date(2027, 1, 1), date(2031, 12, 31)] {
        let error = attempt(&mut keyring, &*ledger, today).await.unwrap_err();
        assert!(
            matches!(error, DestructionError::TooEarly { .. }),
            "{error}"
        );
        assert!(
            error.to_string().contains("kept until 2031-12-31"),
            "{error}"
        );
    }
    assert_eq!(std::fs::read(&home.path).unwrap(), before);
    assert!(entries(&*ledger).await.is_empty());
    attempt(&mut keyring, &*ledger, AFTER).await.unwrap();
}

#[tokio::test]
async fn a_quarter_that_has_not_ended_keeps_its_key_however_short_the_period_is() {
    let home = home();
    let ledger = ledger_in(&home).await;
    let keyring = Keyring::create(&home.path, TODAY).unwrap();
    let quarter = Quarter::of(TODAY);
    for (today, is_free) in [(date(2026, 12, 31), false), (date(2027, 1, 1), true)] {
        let at_once = "P0D".parse().unwrap();
        let examined = examine(&keyring, &*ledger, quarter, at_once, today).await;
        assert_eq!(examined.is_ok(), is_free, "{examined:?}");
    }
    let unknown = "2020Q1".parse().unwrap();
    let error = examine(&keyring, &*ledger, unknown, keep(), AFTER)
        .await
        .unwrap_err();
    assert!(
        matches!(error, DestructionError::NoSuchQuarter { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_run_that_is_not_published_keeps_the_key_of_its_quarter() {
    let home = home();
    let ledger = ledger_in(&home).await;
    let mut keyring = Keyring::create(&home.path, TODAY).unwrap();
    let (this, next) = (Quarter::of(TODAY), Quarter::of(TODAY).next());
    for (quarter, run) in [(this, "run-1"), (next, "run-2")] {
        let wrapped = keyring.wrap(quarter, run, &new_run_key().unwrap()).unwrap();
        let key = RunKey {
            kek_id: wrapped.key_id,
            wrapped: wrapped.bytes.to_vec(),
        };
        begin(&*ledger, run, key).await;
    }
    let error = attempt(&mut keyring, &*ledger, AFTER).await.unwrap_err();
    let DestructionError::Unpublished { run_id, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(run_id, "run-1");
    assert!(keyring.has_kek(this));
    // A run of another quarter is no reason.
    end(&*ledger, "run-1").await;
    attempt(&mut keyring, &*ledger, AFTER).await.unwrap();
}

#[tokio::test]
async fn a_destruction_is_repeatable_and_is_told_once() {
    let home = home();
    let ledger = ledger_in(&home).await;
    let mut keyring = Keyring::create(&home.path, TODAY).unwrap();
    let this = Quarter::of(TODAY);
    published(&keyring, &*ledger, this, "run-1").await;
    attempt(&mut keyring, &*ledger, AFTER).await.unwrap();
    // A key that came back, as after a crash before it was removed.
    published(
        &Keyring::create(&home.path.with_extension("b"), TODAY).unwrap(),
        &*ledger,
        this,
        "run-2",
    )
    .await;
    let done = attempt(&mut keyring, &*ledger, AFTER).await.unwrap();
    assert_eq!((done.runs, done.was_gone, done.at), (1, true, now()));
    assert_eq!(entries(&*ledger).await.len(), 1);
    assert!(ledger.runs_under(&this.key_id()).await.unwrap().is_empty());
}
