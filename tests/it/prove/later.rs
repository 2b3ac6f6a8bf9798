//! What becomes of proofs later: records that come back, keys and leaves that are gone.

use std::fs;

use jiff::civil::date;
use kigen::exit;
use kigen::keyring::{Keyring, Quarter, destruction};
use kigen_evidence::calendar::Period;

use super::{both_accept, json, prove, removed, statement};
use crate::keyring::ledger_of;
use crate::scene::Scene;

#[tokio::test]
async fn a_record_that_came_back_is_said_to_be_there() {
    let scene = removed().await;
    scene
        .database
        .execute("insert into learner values (1, null, '2026-03-31', 'own')")
        .await;
    let answer = prove(&scene, &["--cluster", "learner", "--key", "1"]);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    assert!(
        answer
            .stderr
            .contains("the store has a record of this key now"),
        "{}",
        answer.stderr
    );
}

#[tokio::test]
async fn a_receipt_outlives_the_key_of_its_quarter_and_no_other_can_be_issued() {
    let scene = removed().await;
    let before = prove(&scene, &["--cluster", "learner", "--key", "1"]);
    assert_eq!(before.code, 0, "{}", before.stderr);
    destroy_present_quarter(&scene).await;
    both_accept(&scene, &before.stdout, &["learner_id = 1"]);
    assert_eq!(scene.kigen(&["certificate", "verify"]).code, 0);
    for words in [
        &["--cluster", "learner", "--key", "1"][..],
        &["--subject", "1"],
    ] {
        let after = prove(&scene, words);
        assert_eq!(after.code, i32::from(exit::NO_SUCH_REMOVAL));
        assert_eq!(after.stdout, "");
        assert!(
            after
                .stderr
                .contains("its run's key was destroyed with its quarter"),
            "{}",
            after.stderr
        );
    }
    let json = json(&scene, &["--cluster", "learner", "--key", "1"]);
    assert_eq!(json["searched"], 0);
    assert_eq!(json["not_searched"][0]["why"], "key-destroyed");
}

/// As the clock will say it in ten years.
async fn destroy_present_quarter(scene: &Scene) {
    let mut keyring = Keyring::load(&scene.path("keyring.toml")).unwrap();
    let ledger = ledger_of(scene).await;
    let now = jiff::Timestamp::now();
    let quarter = Quarter::of(now.to_zoned(jiff::tz::TimeZone::UTC).date());
    let keep: Period = "P5Y".parse().unwrap();
    let later = date(2090, 1, 1);
    let destroyable = destruction::examine(&keyring, &*ledger, quarter, keep, later);
    let destroyable = destroyable.await.unwrap();
    assert_eq!(destroyable.runs(), 1);
    destruction::destroy(&mut keyring, &*ledger, destroyable, now)
        .await
        .unwrap();
    ledger.close().await;
}

#[tokio::test]
async fn leaves_that_are_not_those_certified_prove_nothing() {
    let scene = removed().await;
    let folder = statement(&scene, "own").with_file_name("leaves.bin");
    let leaves = fs::read(&folder).unwrap();
    let mut other = leaves.clone();
    *other.last_mut().unwrap() ^= 1;
    fs::write(&folder, &other).unwrap();
    let altered = prove(&scene, &["--cluster", "learner", "--key", "1"]);
    assert_eq!(altered.code, i32::from(exit::DOES_NOT_HOLD));
    assert!(
        altered
            .stderr
            .contains("its published leaves are not those that were certified"),
        "{}",
        altered.stderr
    );
    fs::remove_file(&folder).unwrap();
    let missing = prove(&scene, &["--cluster", "learner", "--key", "1"]);
    assert_eq!(missing.code, i32::from(exit::NO_SUCH_REMOVAL));
    assert!(
        missing.stderr.contains("its leaves are not published"),
        "{}",
        missing.stderr
    );
    fs::write(&folder, &leaves).unwrap();
    assert_eq!(
        prove(&scene, &["--cluster", "learner", "--key", "1"]).code,
        0
    );
}
