//! Public keys beside the certificates, over rotations.

use std::fs;
use std::path::PathBuf;

use ed25519_dalek::VerifyingKey;

use crate::keyring::KeyUse;
use crate::keyring::rotation::{Rotation, finish_rotation, rotate};
use crate::progress::Progress;
use crate::run::certify::{SealError, key_file};
use crate::verify::{CertificateVerification, Trust, published_keys, verify_place};

use super::fixture::{Fixture, RUN, at, files, rows};

async fn rotated(fixture: &mut Fixture, second: i64) -> Rotation {
    let key = KeyUse::Certificate;
    rotate(&mut fixture.keyring, &*fixture.ledger, key, at(second))
        .await
        .unwrap()
}

fn signers(fixture: &Fixture) -> String {
    fs::read_to_string(fixture.certificates().join("keys/allowed_signers")).unwrap()
}

/// The keys that lie beside the certificates.
async fn published(fixture: &Fixture) -> Vec<VerifyingKey> {
    let place = fixture.place();
    let listing = place.list("").await.unwrap();
    published_keys(&*place, &listing.files).await.unwrap()
}

async fn verified(fixture: &Fixture, keys: &[VerifyingKey]) -> Vec<CertificateVerification> {
    let trust = Trust::Given(keys.to_vec());
    let found = verify_place(&fixture.place(), trust, &Progress::in_log())
        .await
        .unwrap();
    let clients = found.clients.into_iter();
    clients.flat_map(|client| client.certificates).collect()
}

async fn assert_holds_under(fixture: &Fixture, keys: &[VerifyingKey]) {
    let found = verified(fixture, keys).await;
    assert_eq!(found.len(), 2);
    for one in found {
        assert!(one.holds(), "{:?}", one.findings);
    }
}

#[tokio::test]
async fn after_a_key_was_replaced_sealing_goes_on_and_old_certificates_verify() {
    let mut fixture = Fixture::finished(rows(2)).await;
    fixture.seal(90).await.unwrap();
    let before = files(&fixture.certificates());
    let former = fixture.key()[0];
    rotated(&mut fixture, 100).await;
    fixture.seal(200).await.unwrap();
    let mut after = files(&fixture.certificates());
    let new_file = PathBuf::from("keys").join(key_file(&fixture.key()[0]));
    assert!(after.remove(&new_file).is_some());
    let list = PathBuf::from("keys/allowed_signers");
    assert_ne!(after.remove(&list), before.get(&list).cloned());
    for (path, bytes) in &after {
        assert_eq!(before[path], *bytes, "{}", path.display());
    }
    let keys = published(&fixture).await;
    assert_eq!(keys.len(), 2);
    assert!(keys.contains(&former) && keys.contains(&fixture.key()[0]));
    assert_holds_under(&fixture, &keys).await;
    assert_holds_under(&fixture, &[former]).await;
    let list = signers(&fixture);
    assert_eq!(list.lines().count(), 2);
    assert!(list.lines().next().unwrap().contains(",valid-before="));
    assert!(list.lines().last().unwrap().contains(",valid-after="));
}

#[tokio::test]
async fn what_was_sealed_before_a_rotation_is_signed_with_the_key_of_that_time() {
    let mut fixture = Fixture::finished(rows(2)).await;
    // Killed before the first signature: two payloads and the entry are stored.
    let weak = super::weak_ledger::WeakLedger::new(&*fixture.ledger, 6);
    fixture.seal_in(&weak, 90).await.unwrap_err();
    let former = fixture.key()[0];
    let rotation = rotated(&mut fixture, 100).await;
    assert!(rotation.keeps_former);
    fixture.seal(200).await.unwrap();
    assert_holds_under(&fixture, &[former]).await;
    let key = KeyUse::Certificate;
    let finished = finish_rotation(&mut fixture.keyring, &*fixture.ledger, key, at(300)).await;
    assert!(!finished.unwrap().keeps_former);
    fixture.seal(400).await.unwrap();
    assert_holds_under(&fixture, &[former]).await;
}

#[tokio::test]
async fn the_only_key_of_an_older_folder_goes_on_being_read() {
    let mut fixture = Fixture::finished(rows(2)).await;
    fixture.seal(90).await.unwrap();
    let keys = fixture.certificates().join("keys");
    let old = keys.join("certificate.pub.pem");
    fs::rename(keys.join(key_file(&fixture.key()[0])), &old).unwrap();
    let pem = fs::read(&old).unwrap();
    let found = published(&fixture).await;
    assert_eq!(found, fixture.key());
    assert_holds_under(&fixture, &found).await;
    rotated(&mut fixture, 100).await;
    fixture.seal(200).await.unwrap();
    assert_eq!(fs::read(&old).unwrap(), pem);
    assert_eq!(published(&fixture).await.len(), 2);
}

#[tokio::test]
async fn a_worker_with_an_older_keyring_takes_no_key_and_no_end_from_the_list() {
    let mut fixture = Fixture::finished(rows(2)).await;
    fixture.seal(90).await.unwrap();
    let path = fixture.folder.path().join("keyring.toml");
    let older = crate::keyring::Keyring::load(&path).unwrap();
    rotated(&mut fixture, 100).await;
    fixture.seal(200).await.unwrap();
    let list = signers(&fixture);
    fixture.keyring = older;
    fixture.seal(300).await.unwrap();
    assert_eq!(signers(&fixture), list);
}

#[tokio::test]
async fn a_list_that_somebody_else_wrote_is_left_as_it_is() {
    let fixture = Fixture::finished(rows(2)).await;
    fixture.seal(90).await.unwrap();
    let path = fixture.certificates().join("keys/allowed_signers");
    fs::write(&path, "* ssh-ed25519 AAAA\n").unwrap();
    let error = fixture.seal(200).await.unwrap_err();
    assert!(matches!(error, SealError::Occupied { .. }), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "* ssh-ed25519 AAAA\n");
}

#[tokio::test]
async fn certificates_say_until_when_their_leaves_can_be_opened() {
    let mut fixture = Fixture::finished(rows(2)).await;
    fixture.keep = Some("P5Y".parse().unwrap());
    fixture.seal(90).await.unwrap();
    let found = verified(&fixture, &fixture.key()).await;
    for one in found {
        let key = one.statement.unwrap().predicate.evidence.evidence_key;
        assert_eq!(key.id, "kek-2026q4");
        assert_eq!(key.destroy_after.unwrap().to_string(), "2031-12-31");
    }
    let other = Fixture::finished(rows(2)).await;
    other.seal(90).await.unwrap();
    let statement = files(&other.certificates())
        .into_iter()
        .find(|(path, _)| path.ends_with(format!("{RUN}/statement.json")))
        .unwrap();
    let text = String::from_utf8(statement.1).unwrap();
    assert!(text.contains("\"evidenceKey\""), "{text}");
    assert!(!text.contains("destroyAfter"), "{text}");
}
