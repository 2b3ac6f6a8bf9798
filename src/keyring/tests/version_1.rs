//! A keyring of version 1 goes on serving, and is written anew only with every key that it has.

use std::fs;

use kigen_evidence::leaf::RunKey;

use crate::keyring::{Keyring, KeyringError, Quarter, WRAPPED_LENGTH, WrappedRunKey};

use super::{NEXT_QUARTER, TODAY, home, write};

/// As kigen 0.1 wrote it before it had log keys, with two quarters.
const VERSION_1: &str = r#"# The secrets of one kigen installation.
version = 1
key-encryption-keys = 2

# Ed25519: signs certificates.
[certificate-key]
public = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"
seed = "0101010101010101010101010101010101010101010101010101010101010101"

# HMAC-SHA-256: makes pseudonyms.
[token-key]
secret = "0202020202020202020202020202020202020202020202020202020202020202"

# AES-256-GCM: each wraps the run keys of one quarter.
[[key-encryption-key]]
id = "kek-2026q4"
secret = "0303030303030303030303030303030303030303030303030303030303030303"
[[key-encryption-key]]
id = "kek-2027q1"
secret = "0404040404040404040404040404040404040404040404040404040404040404"
"#;

/// Every secret of version 1.
const SECRETS: [&str; 4] = ["01", "02", "03", "04"];

#[test]
fn a_keyring_of_version_1_signs_and_wraps_and_its_file_is_left_as_it_is() {
    let home = home();
    write(&home.path, VERSION_1);
    let keyring = Keyring::load(&home.path).unwrap();
    assert_eq!(keyring.version(), 1);
    assert_eq!(keyring.signing_key().as_bytes(), &[1; 32]);
    assert_eq!(keyring.token_key(), &[2; 32]);
    let run_key = RunKey::from_bytes([9; 32]);
    let wrapped = keyring.wrap(Quarter::of(TODAY), "run-1", &run_key).unwrap();
    assert_eq!(
        keyring.unwrap("run-1", &wrapped).unwrap().expose(),
        run_key.expose()
    );
    assert_eq!(fs::read_to_string(&home.path).unwrap(), VERSION_1);
}

#[test]
fn a_keyring_of_version_1_has_no_log_key_before_it_is_written_down() {
    let home = home();
    write(&home.path, VERSION_1);
    let mut keyring = Keyring::load(&home.path).unwrap();
    let error = keyring.log_key().unwrap_err();
    assert!(matches!(error, KeyringError::NoLogKey { .. }), "{error}");
    assert!(error.to_string().contains("init --upgrade"), "{error}");
    assert!(keyring.log_keys().is_empty());

    assert!(keyring.upgrade().unwrap());
    let again = Keyring::load(&home.path).unwrap();
    assert_eq!(again.version(), 2);
    assert_eq!(again.log_key().unwrap(), keyring.log_key().unwrap());
    assert_ne!(again.log_key().unwrap(), again.signing_key());
}

#[test]
fn an_upgrade_keeps_every_key_and_happens_once() {
    let home = home();
    write(&home.path, VERSION_1);
    let mut keyring = Keyring::load(&home.path).unwrap();
    assert!(keyring.upgrade().unwrap());
    let upgraded = fs::read_to_string(&home.path).unwrap();
    for secret in SECRETS {
        assert!(upgraded.contains(&secret.repeat(32)), "{secret}");
    }
    assert!(!keyring.upgrade().unwrap());
    assert_eq!(fs::read_to_string(&home.path).unwrap(), upgraded);
}

#[test]
fn a_new_quarter_upgrades_too() {
    let home = home();
    write(&home.path, VERSION_1);
    let mut keyring = Keyring::load(&home.path).unwrap();
    keyring.ensure_kek(Quarter::of(NEXT_QUARTER)).unwrap();
    let again = Keyring::load(&home.path).unwrap();
    assert_eq!(again.version(), 2);
    assert_eq!(again.signing_key().as_bytes(), &[1; 32]);
    assert_eq!(again.quarters().count(), 3);
    again.log_key().unwrap();
}

#[test]
fn a_run_key_that_version_1_wrapped_opens_after_the_upgrade() {
    let home = home();
    write(&home.path, VERSION_1);
    let mut keyring = Keyring::load(&home.path).unwrap();
    let wrapped: WrappedRunKey = keyring
        .wrap(Quarter::of(TODAY), "run-1", &RunKey::from_bytes([9; 32]))
        .unwrap();
    assert_eq!(wrapped.bytes.len(), WRAPPED_LENGTH);
    keyring.upgrade().unwrap();
    let opened = Keyring::load(&home.path)
        .unwrap()
        .unwrap("run-1", &wrapped)
        .unwrap();
    assert_eq!(opened.expose(), &[9; 32]);
}
