//! A keyring that is lost, open, damaged or mixed up says so; one that is whole stays whole.

mod destruction;
mod protection;
mod rotation;
mod version_1;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use jiff::civil::{Date, date};
use tempfile::TempDir;

use super::{Keyring, KeyringError, Quarter, QuarterKey, WRAPPED_LENGTH, new_run_key};

const TODAY: Date = date(2026, 11, 22);
/// The first quarter for which a keyring of `TODAY` has no key yet: 41 quarters on.
const NEXT_QUARTER: Date = date(2037, 1, 1);
/// Certificate key, log key, token key, and this quarter's key and those of forty more.
const KEYS_OF_A_NEW_RING: usize = 3 + 41;

struct Home {
    _folder: TempDir,
    path: PathBuf,
}

fn home() -> Home {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keyring.toml");
    Home {
        _folder: folder,
        path,
    }
}

/// A keyring file of which any part may be altered.
fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

fn secrets(keyring: &Keyring) -> Vec<String> {
    let mut secrets = vec![
        hex::encode(keyring.signing_key().as_bytes()),
        hex::encode(keyring.log_key().unwrap().as_bytes()),
        hex::encode(keyring.token_key()),
    ];
    for key in keyring.quarters.values() {
        match key {
            QuarterKey::Held(secret) => secrets.push(hex::encode(secret.as_slice())),
            QuarterKey::Destroyed(_) => {}
        }
    }
    secrets
}

#[test]
fn a_new_keyring_is_its_owners_alone_and_comes_back_as_it_was() {
    let home = home();
    let made = Keyring::create(&home.path, TODAY).unwrap();
    let mode = fs::metadata(&home.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let loaded = Keyring::load(&home.path).unwrap();
    assert_eq!(secrets(&loaded), secrets(&made));
    assert!(loaded.has_kek(Quarter::of(TODAY)));
    assert_eq!(loaded.certificate_key_id(), made.certificate_key_id());
    assert_eq!(loaded.public_pem().unwrap(), made.public_pem().unwrap());
}

#[test]
fn every_key_is_another_one() {
    let home = home();
    let mut all = secrets(&Keyring::create(&home.path, TODAY).unwrap());
    let other = home.path.with_extension("other");
    all.extend(secrets(&Keyring::create(&other, TODAY).unwrap()));
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 2 * KEYS_OF_A_NEW_RING);
}

#[test]
fn a_keyring_is_never_overwritten() {
    let home = home();
    Keyring::create(&home.path, TODAY).unwrap();
    let before = fs::read(&home.path).unwrap();
    let error = Keyring::create(&home.path, TODAY).unwrap_err();
    assert!(matches!(error, KeyringError::Exists { .. }), "{error}");
    assert_eq!(fs::read(&home.path).unwrap(), before);
    // Nor is anything left beside it.
    let folder = home.path.parent().unwrap();
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1);
}

#[test]
fn a_keyring_that_others_can_reach_is_refused() {
    let home = home();
    Keyring::create(&home.path, TODAY).unwrap();
    for mode in [0o640, 0o604, 0o620, 0o602, 0o644, 0o666, 0o601, 0o777] {
        fs::set_permissions(&home.path, Permissions::from_mode(mode)).unwrap();
        let error = Keyring::load(&home.path).unwrap_err().to_string();
        let said = format!("can be reached by others than its owner (mode {mode:04o})");
        assert!(error.contains(&said), "{error}");
        assert!(error.contains("hint: `chmod 600 "), "{error}");
    }
    for mode in [0o600, 0o400, 0o440] {
        fs::set_permissions(&home.path, Permissions::from_mode(mode)).unwrap();
        Keyring::load(&home.path).unwrap();
    }
}

#[test]
fn a_keyring_that_is_not_there_or_no_file_is_refused() {
    let home = home();
    let error = Keyring::load(&home.path).unwrap_err();
    assert!(matches!(error, KeyringError::Missing { .. }), "{error}");
    let error = Keyring::load(home.path.parent().unwrap()).unwrap_err();
    assert!(matches!(error, KeyringError::NotAFile { .. }), "{error}");
    let error = Keyring::create(&home.path.join("below"), TODAY).unwrap_err();
    assert!(
        error.to_string().starts_with("cannot write the keyring"),
        "{error}"
    );
}

#[test]
fn a_keyring_cut_off_anywhere_is_refused_without_a_word_of_its_secrets() {
    let home = home();
    let mut keyring = Keyring::create(&home.path, TODAY).unwrap();
    keyring.ensure_kek(Quarter::of(NEXT_QUARTER)).unwrap();
    let whole = fs::read_to_string(&home.path).unwrap();
    let secrets = secrets(&keyring);
    // The last byte is the line's end, which nothing misses.
    for length in 0..whole.len() - 1 {
        write(&home.path, &whole[..length]);
        let error = Keyring::load(&home.path).unwrap_err();
        assert!(
            matches!(error, KeyringError::Damaged { .. }),
            "{length}: {error}"
        );
        let said = format!("{error} {error:?}");
        assert!(
            secrets.iter().all(|secret| !said.contains(&secret[..8])),
            "{said}"
        );
    }
}

#[test]
fn a_damaged_keyring_is_refused_with_the_reason() {
    let home = home();
    let keyring = Keyring::create(&home.path, TODAY).unwrap();
    let whole = fs::read_to_string(&home.path).unwrap();
    let seed = hex::encode(keyring.signing_key().as_bytes());
    let other = "00".repeat(32);
    for (from, to, said) in [
        (
            seed.as_str(),
            other.as_str(),
            "the two halves of a certificate key do not belong together",
        ),
        (seed.as_str(), "00", "line 13 cannot be read"),
        (
            "kek-2026q4",
            "kek-2026q5",
            "`kek-2026q5` is no name of a quarter's key",
        ),
        (
            "kek-2026q4",
            "kek-02026q4",
            "`kek-02026q4` is no name of a quarter's key",
        ),
        (
            "key-encryption-keys = 41",
            "key-encryption-keys = 42",
            "it should have 42 key-encryption keys and has 41",
        ),
        (
            "[token-key]",
            "[token-key]\nnote = 1",
            "line 21 cannot be read",
        ),
        (
            "version = 2",
            "version = 3",
            "has version 3; this kigen reads versions 1 to 2",
        ),
        (
            "signing-keys = 2",
            "signing-keys = 3",
            "it should have 3 signing keys and has 2",
        ),
        (
            "use = \"log\"",
            "use = \"certificate\"",
            "there is a certificate key after the one in use",
        ),
        (
            "use = \"log\"",
            "use = \"login\"",
            "`login` is no use of a key",
        ),
        (
            "use = \"log\"",
            "use = \"witness\"",
            "a witness key does not stand beside other keys",
        ),
        (
            "use = \"log\"",
            "use = \"log\"\nuntil = \"2026-11-22T00:00:00Z\"",
            "none of the log keys is in use",
        ),
        (
            "id = \"kek-2026q4\"",
            "id = \"kek-2026q4\"\ndestroyed-at = \"2026-11-22T00:00:00Z\"",
            "the key `kek-2026q4` is neither there nor destroyed",
        ),
    ] {
        write(&home.path, &whole.replacen(from, to, 1));
        let error = Keyring::load(&home.path).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn a_quarter_gets_its_key_once_and_keeps_it() {
    let home = home();
    let mut keyring = Keyring::create(&home.path, TODAY).unwrap();
    // Another process with an older view of the same file.
    let mut other = Keyring::load(&home.path).unwrap();
    let quarter = Quarter::of(NEXT_QUARTER);
    assert!(!keyring.has_kek(quarter));
    keyring.ensure_kek(quarter).unwrap();
    let once = fs::read(&home.path).unwrap();
    keyring.ensure_kek(quarter).unwrap();
    other.ensure_kek(quarter).unwrap();
    assert_eq!(fs::read(&home.path).unwrap(), once);
    assert_eq!(secrets(&other), secrets(&keyring));
    assert_eq!(
        secrets(&Keyring::load(&home.path).unwrap()),
        secrets(&keyring)
    );
    let mode = fs::metadata(&home.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
}

#[test]
fn many_workers_that_need_a_quarters_key_at_once_end_with_the_same_one() {
    let home = home();
    Keyring::create(&home.path, TODAY).unwrap();
    let all: Vec<Vec<String>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let mut keyring = Keyring::load(&home.path).unwrap();
                    keyring.ensure_kek(Quarter::of(NEXT_QUARTER)).unwrap();
                    secrets(&keyring)
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .collect()
    });
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn a_keyring_behind_a_link_is_extended_where_it_lies() {
    let home = home();
    let link = home.path.with_extension("link");
    Keyring::create(&home.path, TODAY).unwrap();
    std::os::unix::fs::symlink(&home.path, &link).unwrap();
    let mut keyring = Keyring::load(&link).unwrap();
    keyring.ensure_kek(Quarter::of(NEXT_QUARTER)).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(
        Keyring::load(&home.path)
            .unwrap()
            .has_kek(Quarter::of(NEXT_QUARTER))
    );
}

#[test]
fn a_run_key_opens_for_its_own_run_only() {
    let home = home();
    let keyring = Keyring::create(&home.path, TODAY).unwrap();
    let run_key = new_run_key().unwrap();
    let wrapped = keyring.wrap(Quarter::of(TODAY), "run-1", &run_key).unwrap();
    assert_eq!(wrapped.key_id, "kek-2026q4");
    assert!(
        !wrapped
            .bytes
            .windows(32)
            .any(|bytes| bytes == run_key.expose())
    );
    let loaded = Keyring::load(&home.path).unwrap();
    let opened = loaded.unwrap("run-1", &wrapped).unwrap();
    assert_eq!(opened.expose(), run_key.expose());
    let error = loaded.unwrap("run-2", &wrapped).unwrap_err();
    let said = "the wrapped run key does not open as that of run `run-2` with `kek-2026q4`";
    assert!(error.to_string().starts_with(said), "{error}");
}

#[test]
fn an_altered_wrapped_key_does_not_open() {
    let home = home();
    let keyring = Keyring::create(&home.path, TODAY).unwrap();
    let run_key = new_run_key().unwrap();
    let wrapped = keyring.wrap(Quarter::of(TODAY), "run-1", &run_key).unwrap();
    for place in 0..WRAPPED_LENGTH {
        let mut altered = wrapped.clone();
        altered.bytes[place] ^= 1;
        assert!(keyring.unwrap("run-1", &altered).is_err(), "{place}");
    }
    for key_id in ["kek-2037q1", "kek-2026q9", "", "kek-q"] {
        let mut other = wrapped.clone();
        other.key_id = key_id.to_owned();
        let error = keyring.unwrap("run-1", &other).unwrap_err();
        assert!(matches!(error, KeyringError::NoSuchKey(_)), "{error}");
    }
    let error = keyring
        .wrap(Quarter::of(NEXT_QUARTER), "run-1", &run_key)
        .unwrap_err();
    assert_eq!(error.to_string(), "the keyring has no key `kek-2037q1`");
}

#[test]
fn wrapping_twice_gives_different_bytes() {
    let home = home();
    let keyring = Keyring::create(&home.path, TODAY).unwrap();
    let run_key = new_run_key().unwrap();
    let wrap = || keyring.wrap(Quarter::of(TODAY), "run-1", &run_key).unwrap();
    assert_ne!(wrap().bytes, wrap().bytes);
}

#[test]
fn a_keyring_does_not_print_its_secrets() {
    let home = home();
    let keyring = Keyring::create(&home.path, TODAY).unwrap();
    let said = format!("{keyring:?}");
    assert!(said.contains(&keyring.certificate_key_id()), "{said}");
    assert!(
        secrets(&keyring)
            .iter()
            .all(|secret| !said.contains(&secret[..8])),
        "{said}"
    );
}
