//! An encrypted keyring opens for who has the secret, shows none to who has not, and is never open
//! for a moment.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use age::secrecy::ExposeSecret;
use jiff::civil::Date;

use crate::keyring::{
    Access, Keyring, KeyringError, KmsKey, ProtectionKind, Quarter, WitnessKeyring,
};

use super::{NEXT_QUARTER, TODAY, home, secrets};

fn passphrase(text: &str) -> Access {
    Access::Passphrase(text.to_owned().into())
}

fn new_identity() -> Access {
    let secret = age::x25519::Identity::generate().to_string();
    let file = format!(
        "# created: 2026-11-22\n# public key: age1…\n{}\n",
        secret.expose_secret()
    );
    Access::Identity(file.into())
}

/// A key of the KMS beside the tests; `None` without one.
async fn kms_key() -> Option<KmsKey> {
    let Some(endpoint) = crate::config::environment("KIGEN_TEST_S3_ENDPOINT") else {
        assert!(
            crate::config::environment("KIGEN_REQUIRE_SERVICES").is_none(),
            "KIGEN_TEST_S3_ENDPOINT is not set"
        );
        return None;
    };
    let mut key = KmsKey {
        key_id: String::new(),
        region: Some("ap-northeast-1".to_owned()),
        endpoint: Some(endpoint),
    };
    key.key_id = crate::keyring::kms::new_key_for_tests(&key).await;
    Some(key)
}

/// Everything that can be asked of a keyring under `access`; `others` must not open it.
async fn serves(access: &Access, others: &[Access]) {
    let home = home();
    let made = Keyring::create_protected(&home.path, TODAY, access)
        .await
        .unwrap();
    let mode = fs::metadata(&home.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let opened = Keyring::open(&home.path, access).await.unwrap();
    assert_eq!(secrets(&opened), secrets(&made));
    assert_eq!(opened.protection(), access.kind());
    shows_nothing(&fs::read(&home.path).unwrap(), &secrets(&made));
    for other in others {
        let error = Keyring::open(&home.path, other).await.unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(
            secrets(&made)
                .iter()
                .all(|secret| !said.contains(&secret[..8])),
            "{said}"
        );
        assert!(said.contains("hint: "), "{said}");
    }
    // What is added is encrypted too, without asking anybody.
    let mut one = Keyring::open(&home.path, access).await.unwrap();
    let mut two = Keyring::open(&home.path, access).await.unwrap();
    let before = fs::read(&home.path).unwrap();
    one.ensure_kek(Quarter::of(NEXT_QUARTER)).unwrap();
    two.ensure_kek(Quarter::of(NEXT_QUARTER)).unwrap();
    assert_eq!(secrets(&one), secrets(&two));
    let after = fs::read(&home.path).unwrap();
    assert_ne!(before, after);
    shows_nothing(&after, &secrets(&one));
    let again = Keyring::open(&home.path, access).await.unwrap();
    assert_eq!(secrets(&again), secrets(&one));
    altered_anywhere_it_does_not_open(&home.path, access).await;
}

fn shows_nothing(file: &[u8], secrets: &[String]) {
    let text = String::from_utf8_lossy(file);
    for secret in secrets {
        assert!(!text.contains(&secret[..16]));
        let raw = hex::decode(secret).unwrap();
        assert!(!file.windows(16).any(|bytes| bytes == &raw[..16]));
    }
}

async fn altered_anywhere_it_does_not_open(path: &std::path::Path, access: &Access) {
    let whole = fs::read(path).unwrap();
    let places = [whole.len() / 3, whole.len() / 2, whole.len() - 2];
    for place in places {
        let mut altered = whole.clone();
        altered[place] ^= 1;
        fs::write(path, &altered).unwrap();
        let error = Keyring::open(path, access).await;
        assert!(error.is_err(), "{place}");
        fs::write(path, &whole[..place]).unwrap();
        let error = Keyring::open(path, access).await;
        assert!(error.is_err(), "cut off at {place}");
    }
    fs::write(path, &whole).unwrap();
    Keyring::open(path, access).await.unwrap();
}

#[tokio::test]
async fn a_keyring_under_a_passphrase_serves() {
    let others = [passphrase("another one"), new_identity(), Access::Plain];
    serves(&passphrase("正しい passphrase"), &others).await;
}

#[tokio::test]
async fn a_keyring_to_an_age_identity_serves() {
    serves(
        &new_identity(),
        &[new_identity(), passphrase("x"), Access::Plain],
    )
    .await;
}

#[tokio::test]
async fn a_keyring_under_a_kms_key_serves() {
    let (Some(key), Some(other)) = (kms_key().await, kms_key().await) else {
        return;
    };
    serves(
        &Access::Kms(key),
        &[Access::Kms(other), passphrase("x"), Access::Plain],
    )
    .await;
}

#[tokio::test]
async fn a_kms_that_knows_no_such_key_or_does_not_answer_says_so() {
    let Some(mut key) = kms_key().await else {
        return;
    };
    let home = home();
    key.key_id = "00000000-0000-4000-8000-000000000000".to_owned();
    let made = Keyring::create_protected(&home.path, TODAY, &Access::Kms(key.clone())).await;
    let error = made.unwrap_err().to_string();
    assert!(error.contains("NotFoundException"), "{error}");
    assert!(error.contains("hint: "), "{error}");
    key.endpoint = Some("http://127.0.0.1:9".to_owned());
    let made = Keyring::create_protected(&home.path, TODAY, &Access::Kms(key)).await;
    assert!(matches!(made, Err(KeyringError::Kms { .. })), "{made:?}");
    assert!(!home.path.exists());
}

#[tokio::test]
async fn a_keyring_is_converted_from_each_protection_to_each_other_one() {
    let mut all = vec![
        Access::Plain,
        passphrase("one"),
        passphrase("two"),
        new_identity(),
    ];
    all.extend(kms_key().await.map(Access::Kms));
    let home = home();
    let mut now = Access::Plain;
    let made = Keyring::create_protected(&home.path, TODAY, &now)
        .await
        .unwrap();
    for from in all.clone() {
        for to in all.clone() {
            for next in [&from, &to] {
                let mut keyring = Keyring::open(&home.path, &now).await.unwrap();
                keyring.protect(next).await.unwrap();
                now = next.clone();
                assert_eq!(keyring.protection(), now.kind());
            }
        }
    }
    let keyring = Keyring::open(&home.path, &now).await.unwrap();
    assert_eq!(secrets(&keyring), secrets(&made));
    // Nothing is left beside it.
    let folder = home.path.parent().unwrap();
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1);
}

#[tokio::test]
async fn an_open_file_is_not_taken_for_an_encrypted_one() {
    let home = home();
    Keyring::create(&home.path, TODAY).unwrap();
    let error = Keyring::open(&home.path, &passphrase("x"))
        .await
        .unwrap_err();
    let KeyringError::OtherProtection { found, wanted, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(
        (*found, *wanted),
        (ProtectionKind::Plain, ProtectionKind::Passphrase)
    );
    assert!(
        error.to_string().contains("`kigen keyring protect`"),
        "{error}"
    );
}

#[tokio::test]
async fn an_empty_passphrase_and_a_file_without_an_identity_protect_nothing() {
    let home = home();
    let access = [
        passphrase(""),
        Access::Identity("".to_owned().into()),
        Access::Identity("# age1…\nAGE-SECRET-KEY-1NOT\n".to_owned().into()),
    ];
    for access in access {
        let made = Keyring::create_protected(&home.path, TODAY, &access).await;
        let error = made.unwrap_err();
        assert!(!error.to_string().contains("NOT"), "{error}");
        assert!(!home.path.exists());
    }
}

#[tokio::test]
async fn an_identity_that_others_can_reach_protects_nothing() {
    let home = home();
    let Access::Identity(identity) = new_identity() else {
        panic!("it is an identity")
    };
    let file = home.path.with_file_name("identity.txt");
    let missing = Access::identity_file(&file).unwrap_err().to_string();
    assert!(missing.ends_with("identity.txt` is not there"), "{missing}");
    fs::write(&file, identity.expose_secret()).unwrap();
    fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    let error = Access::identity_file(&file).unwrap_err().to_string();
    assert!(
        error.contains("others than its owner (mode 0644)"),
        "{error}"
    );
    fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    let access = Access::identity_file(&file).unwrap();
    Keyring::create_protected(&home.path, TODAY, &access)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_witness_holds_one_key_and_nothing_of_an_installation() {
    for access in [Access::Plain, new_identity()] {
        let home = home();
        let made = WitnessKeyring::create(&home.path, &access).await.unwrap();
        let opened = WitnessKeyring::open(&home.path, &access).await.unwrap();
        assert_eq!(opened.signing_key(), made.signing_key());
        let mode = fs::metadata(&home.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        let error = Keyring::open(&home.path, &access).await.unwrap_err();
        assert!(matches!(error, KeyringError::OtherKind { .. }), "{error}");
        let again = WitnessKeyring::create(&home.path, &access)
            .await
            .unwrap_err();
        assert!(matches!(again, KeyringError::Exists { .. }), "{again}");
        assert!(
            !format!("{opened:?}").contains(&hex::encode(opened.signing_key().as_bytes())[..8])
        );
    }
    let home = home();
    let today: Date = TODAY;
    Keyring::create(&home.path, today).unwrap();
    let error = WitnessKeyring::open(&home.path, &Access::Plain)
        .await
        .unwrap_err();
    assert!(matches!(error, KeyringError::OtherKind { .. }), "{error}");
}

#[tokio::test]
async fn a_witness_keyring_cut_off_anywhere_is_refused() {
    let home = home();
    WitnessKeyring::create(&home.path, &Access::Plain)
        .await
        .unwrap();
    let whole = fs::read_to_string(&home.path).unwrap();
    for length in 0..whole.len() - 1 {
        super::write(&home.path, &whole[..length]);
        let error = WitnessKeyring::open(&home.path, &Access::Plain)
            .await
            .unwrap_err();
        assert!(
            matches!(error, KeyringError::Damaged { .. }),
            "{length}: {error}"
        );
    }
}
