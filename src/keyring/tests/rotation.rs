//! A key that was replaced goes on verifying, and no crash in between loses one.

use jiff::Timestamp;
use kigen_evidence::public_key::key_id;
use proptest::collection::vec;
use proptest::{prop_assert, prop_assert_eq, proptest};

use crate::keyring::rotation::{RotationError, finish_rotation, rotate};
use crate::keyring::{KeyUse, Keyring, KeyringError};
use crate::ledger::entry::{Entry, Outcome, RunStarted, Trigger};
use crate::ledger::{self, Ledger, RunKey};

use super::{Home, TODAY, home};

const BOTH: [KeyUse; 2] = [KeyUse::Certificate, KeyUse::Log];

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_305_600 + second).unwrap()
}

pub(super) async fn ledger_in(home: &Home) -> Box<dyn Ledger> {
    let file = home.path.with_file_name("ledger.db");
    let ledger = ledger::open(&format!("sqlite:{}", file.display()))
        .await
        .unwrap();
    ledger.migrate(at(0)).await.unwrap();
    ledger
}

/// A run that has begun, with a key under `kek_id`.
pub(super) async fn begin(ledger: &dyn Ledger, run_id: &str, key: RunKey) {
    let started = Entry::RunStarted(RunStarted {
        as_of: TODAY,
        trigger: Trigger::Hand,
        version: "0.1.0".to_owned(),
        jobs: Vec::new(),
        targets: Vec::new(),
        reconciles: None,
    });
    ledger
        .start_run(run_id, at(1), &started, &key)
        .await
        .unwrap();
}

pub(super) async fn end(ledger: &dyn Ledger, run_id: &str) {
    for entry in [
        Entry::RunFinished {
            outcome: Outcome::Complete,
        },
        Entry::Sealed {
            certificate_ids: Vec::new(),
        },
    ] {
        ledger.append(Some(run_id), at(2), &entry).await.unwrap();
    }
}

fn some_key() -> RunKey {
    RunKey {
        kek_id: "kek-2026q4".to_owned(),
        wrapped: vec![1],
    }
}

async fn rotated(ledger: &dyn Ledger) -> Vec<(String, String)> {
    let entries = ledger.entries(None, None).await.unwrap();
    let mut found = Vec::new();
    for recorded in entries {
        if let Entry::KeyRotated(rotated) = recorded.entry {
            assert_eq!(recorded.run_id, None);
            found.push((rotated.former_key_id, rotated.key_id));
        }
    }
    found
}

#[tokio::test]
async fn a_new_key_signs_and_the_former_one_is_known_and_cannot_sign_any_more() {
    for key in BOTH {
        let home = home();
        let ledger = ledger_in(&home).await;
        let mut keyring = Keyring::create(&home.path, TODAY).unwrap();
        let known = |keyring: &Keyring| match key {
            KeyUse::Certificate => keyring.certificate_keys(),
            KeyUse::Log | KeyUse::Witness => keyring.log_keys(),
        };
        let first = known(&keyring)[0].key;
        let done = rotate(&mut keyring, &*ledger, key, at(10)).await.unwrap();
        assert!(done.is_new && !done.keeps_former);
        assert_eq!(done.former_key_id, Some(key_id(&first)));
        let again = Keyring::load(&home.path).unwrap();
        let keys = known(&again);
        assert_eq!(keys, known(&keyring));
        assert_eq!(keys.len(), 2);
        assert_eq!(
            (keys[0].key, keys[0].from, keys[0].until),
            (first, None, Some(at(10)))
        );
        assert_eq!((keys[1].from, keys[1].until), (Some(at(10)), None));
        assert!(!keys[0].can_sign && keys[1].can_sign);
        assert_eq!(done.key_id, key_id(&keys[1].key));
        let said = rotated(&*ledger).await;
        assert_eq!(said, [(key_id(&first), done.key_id)]);
        let other = match key {
            KeyUse::Certificate => again.log_keys(),
            KeyUse::Log | KeyUse::Witness => again.certificate_keys(),
        };
        assert_eq!(other.len(), 1, "the other key stays");
    }
}

#[tokio::test]
async fn the_former_private_key_stays_until_no_run_needs_it() {
    let home = home();
    let ledger = ledger_in(&home).await;
    let mut keyring = Keyring::create(&home.path, TODAY).unwrap();
    let first = keyring.signing_key().clone();
    begin(&*ledger, "run-1", some_key()).await;
    let key = KeyUse::Certificate;
    let done = rotate(&mut keyring, &*ledger, key, at(10)).await.unwrap();
    assert!(done.keeps_former);
    let again = Keyring::load(&home.path).unwrap();
    assert_eq!(again.signing_key_at(at(9)), &first);
    assert_eq!(again.signing_key_at(at(10)), again.signing_key());
    assert_ne!(again.signing_key(), &first);

    let done = finish_rotation(&mut keyring, &*ledger, key, at(20))
        .await
        .unwrap();
    assert!(done.keeps_former && !done.is_new);
    end(&*ledger, "run-1").await;
    let done = finish_rotation(&mut keyring, &*ledger, key, at(30))
        .await
        .unwrap();
    assert!(!done.keeps_former && !done.is_new);
    let again = Keyring::load(&home.path).unwrap();
    assert_eq!(again.signing_key_at(at(9)), again.signing_key());
    assert_eq!(again.certificate_keys().len(), 2);
    let text = std::fs::read_to_string(&home.path).unwrap();
    assert!(!text.contains(&hex::encode(first.as_bytes())));
}

#[tokio::test]
async fn a_run_that_is_under_way_keeps_its_key() {
    let home = home();
    let ledger = ledger_in(&home).await;
    let mut keyring = Keyring::create(&home.path, TODAY).unwrap();
    begin(&*ledger, "run-1", some_key()).await;
    let before = std::fs::read(&home.path).unwrap();
    let held = ledger.lock(&["run:run-1".to_owned()]).await.unwrap();
    let error = rotate(&mut keyring, &*ledger, KeyUse::Log, at(10)).await;
    assert!(
        matches!(error, Err(RotationError::UnderWay { .. })),
        "{error:?}"
    );
    assert_eq!(std::fs::read(&home.path).unwrap(), before);
    held.release().await.unwrap();
    rotate(&mut keyring, &*ledger, KeyUse::Log, at(10))
        .await
        .unwrap();
    // Whoever takes the run up again can do so.
    let lock = ledger.lock(&["run:run-1".to_owned()]).await.unwrap();
    lock.release().await.unwrap();
}

#[tokio::test]
async fn a_rotation_that_the_ledger_has_not_heard_of_is_finished_and_not_repeated() {
    let home = home();
    let ledger = ledger_in(&home).await;
    let mut keyring = Keyring::create(&home.path, TODAY).unwrap();
    keyring
        .change(|current| {
            current.certificate.rotate(KeyUse::Certificate, at(10))?;
            Ok(true)
        })
        .unwrap();
    let second = keyring.certificate_key_id();
    let mut other = Keyring::load(&home.path).unwrap();
    let key = KeyUse::Certificate;
    let done = rotate(&mut other, &*ledger, key, at(20)).await.unwrap();
    assert_eq!((done.is_new, done.key_id), (false, second.clone()));
    assert_eq!(rotated(&*ledger).await.len(), 1);
    let done = rotate(&mut other, &*ledger, key, at(30)).await.unwrap();
    assert_eq!((done.is_new, done.former_key_id), (true, Some(second)));
    assert_eq!(rotated(&*ledger).await.len(), 2);
}

#[tokio::test]
async fn a_clock_that_stands_still_makes_no_key_without_a_time_of_its_own() {
    let home = home();
    let ledger = ledger_in(&home).await;
    let mut keyring = Keyring::create(&home.path, TODAY).unwrap();
    let key = KeyUse::Certificate;
    rotate(&mut keyring, &*ledger, key, at(10)).await.unwrap();
    for now in [at(10), at(9), at(-100)] {
        let error = rotate(&mut keyring, &*ledger, key, now).await.unwrap_err();
        let is_too_soon = matches!(&error, RotationError::Keyring(KeyringError::TooSoon { .. }));
        assert!(is_too_soon, "{error}");
    }
    assert_eq!(
        Keyring::load(&home.path).unwrap().certificate_keys().len(),
        2
    );
}

proptest! {
    #[test]
    fn whatever_is_rotated_every_key_comes_back_and_each_moment_has_one(
        steps in vec((0_usize..2, 1_i64..1000, proptest::bool::ANY), 0..8),
        moment in 0_i64..9000,
    ) {
        let home = home();
        let mut keyring = Keyring::create(&home.path, TODAY).unwrap();
        let mut made = [vec![keyring.verifying_key()], vec![keyring.log_key().unwrap().verifying_key()]];
        let mut now = 0;
        for (which, seconds, drops) in steps {
            now += seconds;
            keyring.change(|current| {
                let keys = match BOTH[which] {
                    KeyUse::Certificate => Some(&mut current.certificate),
                    KeyUse::Log | KeyUse::Witness => current.log.as_mut(),
                };
                let keys = keys.unwrap();
                keys.rotate(BOTH[which], at(now))?;
                if drops {
                    keys.drop_former_private();
                }
                made[which].push(keys.present.verifying_key());
                Ok(true)
            }).unwrap();
        }
        let again = Keyring::load(&home.path).unwrap();
        for (keys, made) in [again.certificate_keys(), again.log_keys()].iter().zip(&made) {
            prop_assert_eq!(&keys.iter().map(|known| known.key).collect::<Vec<_>>(), made);
            // No gap and no overlap.
            for pair in keys.windows(2) {
                prop_assert_eq!(pair[0].until, pair[1].from);
            }
            let signs_at = |from: Option<Timestamp>, until: Option<Timestamp>| {
                from.is_none_or(|from| from <= at(moment)) && until.is_none_or(|until| at(moment) < until)
            };
            let signing = keys.iter().filter(|known| signs_at(known.from, known.until));
            prop_assert_eq!(signing.count(), 1);
        }
        let chosen = again.signing_key_at(at(moment)).verifying_key();
        let chosen = again.certificate_keys().into_iter().find(|known| known.key == chosen).unwrap();
        prop_assert!(chosen.can_sign);
    }
}
