//! `kigen keyring`, as people and programs use it.

mod destroy;
mod protect;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::civil::date;
use kigen::exit;
use kigen::keyring::{Keyring, Quarter, new_run_key};
use kigen::ledger::entry::{Entry, Outcome, RunStarted, Trigger};
use kigen::ledger::{self, Ledger, RunKey};
use serde_json::Value;

use crate::scene::{Scene, redacted};

/// A quarter long past, of which the evidence is kept until 2025-03-31 if it is for five years.
pub(crate) const PAST: &str = "2020Q1";

/// Key ids are of 16 digits, which the common marks do not know.
fn without_keys(text: &str) -> String {
    let mut text = redacted(text);
    let mut digits = Vec::new();
    for word in text.split(|c: char| !c.is_ascii_alphanumeric()) {
        if word.len() == 16 && word.chars().all(|c| c.is_ascii_hexdigit()) {
            digits.push(word.to_owned());
        }
    }
    for word in digits {
        text = text.replace(&word, "xxxxxxxxxxxxxxxx");
    }
    let in_pem = |line: &str| line.len() == 60 && line.starts_with("MCow");
    let lines = text
        .lines()
        .map(|line| if in_pem(line) { "(key)" } else { line });
    lines.collect::<Vec<_>>().join("\n")
}

fn show(scene: &Scene) -> Value {
    let shown = scene.kigen(&["--format", "json", "keyring", "show"]);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    shown.json()
}

fn public_keys(scene: &Scene) -> Vec<String> {
    let shown = show(scene);
    let keys = shown["keys"].as_array().unwrap().iter();
    keys.map(|key| key["public"].as_str().unwrap().to_owned())
        .collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Puts a keyring with keys since `PAST` in the place of the scene's, and two published runs of
/// that quarter into the ledger.
pub(crate) async fn grow_old(scene: &Scene) {
    let path = scene.path("keyring.toml");
    fs::remove_file(&path).unwrap();
    let keyring = Keyring::create(&path, date(2020, 2, 1)).unwrap();
    let ledger = ledger_of(scene).await;
    for run in ["run-1", "run-2"] {
        begin(&*ledger, &keyring, run).await;
        for entry in [
            Entry::RunFinished {
                outcome: Outcome::Complete,
            },
            Entry::Sealed {
                certificate_ids: Vec::new(),
            },
        ] {
            let at = "2020-02-01T01:00:00Z".parse().unwrap();
            ledger.append(Some(run), at, &entry).await.unwrap();
        }
    }
    ledger.close().await;
    let text = fs::read_to_string(scene.path("kigen.toml")).unwrap();
    scene.write(
        "kigen.toml",
        &format!("{text}\n[evidence]\nkeep = \"P5Y\"\n"),
    );
}

pub(crate) async fn ledger_of(scene: &Scene) -> Box<dyn Ledger> {
    let url = format!("sqlite:{}", scene.path("kigen-ledger.db").display());
    ledger::open(&url).await.unwrap()
}

async fn begin(ledger: &dyn Ledger, keyring: &Keyring, run: &str) {
    let quarter = Quarter::of(date(2020, 2, 1));
    let wrapped = keyring.wrap(quarter, run, &new_run_key().unwrap()).unwrap();
    let key = RunKey {
        kek_id: wrapped.key_id,
        wrapped: wrapped.bytes.to_vec(),
    };
    let started = Entry::RunStarted(RunStarted {
        as_of: date(2020, 2, 1),
        trigger: Trigger::Cron,
        version: "0.1.0".to_owned(),
        jobs: Vec::new(),
        targets: Vec::new(),
        reconciles: None,
    });
    let at = "2020-02-01T00:00:00Z".parse().unwrap();
    ledger.start_run(run, at, &started, &key).await.unwrap();
}

#[tokio::test]
async fn a_keyring_is_shown_without_a_secret() {
    let scene = Scene::sqlite().await;
    let shown = show(&scene);
    let names: Vec<&String> = shown.as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        [
            "path",
            "version",
            "protection",
            "certificate_key_id",
            "public_pem",
            "allowed_signers",
            "keys",
            "quarters"
        ]
    );
    assert_eq!(
        (&shown["version"], &shown["protection"]),
        (&2.into(), &"plain".into())
    );
    let uses: Vec<&Value> = shown["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| &key["use"])
        .collect();
    assert_eq!(uses, ["certificate", "log"]);
    assert_eq!(shown["quarters"]["held"], 41);
    let signers = shown["allowed_signers"].as_str().unwrap();
    assert!(
        signers.starts_with("certificates@certificates.example.jp namespaces="),
        "{signers}"
    );
    let text = scene.kigen(&["keyring", "show"]).stdout;
    insta::assert_snapshot!("keyring_show", without_quarters(&without_keys(&text)));
    let file = fs::read_to_string(scene.path("keyring.toml")).unwrap();
    for line in file.lines().filter(|line| line.starts_with("se")) {
        let secret = line.split('"').nth(1).unwrap();
        assert!(!text.contains(secret) && !shown.to_string().contains(secret));
    }
}

/// The quarters of a new keyring are those from today on.
fn without_quarters(text: &str) -> String {
    let line = text.lines().last().unwrap();
    let (count, _) = line.split_once(", ").unwrap();
    text.replace(line, &format!("{count}, (first) to (last)"))
}

#[tokio::test]
async fn after_a_rotation_new_certificates_are_signed_with_the_new_key_and_old_ones_verify() {
    let scene = Scene::sqlite().await;
    let before = public_keys(&scene);
    assert_eq!(scene.on_the_day(&["run", "--job", "learner"]).code, 0);
    let rotated = scene.kigen(&["keyring", "rotate", "--key", "certificate"]);
    assert_eq!(rotated.code, 0, "{}", rotated.stderr);
    insta::assert_snapshot!("keyring_rotate", without_keys(&rotated.stdout));
    let run = scene.on_the_day(&["run"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let verified = scene.kigen(&["--format", "json", "certificate", "verify"]);
    assert_eq!(verified.code, 0, "{}", verified.stdout);
    let said = verified.json();
    let mut signed_with: Vec<String> = said
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["findings"][0]["says"].as_str().unwrap().to_owned())
        .collect();
    signed_with.sort();
    signed_with.dedup();
    assert_eq!(signed_with.len(), 2, "{signed_with:?}");
    let after = public_keys(&scene);
    assert_eq!((before.len(), after.len()), (2, 3));
    assert!(before.iter().all(|key| after.contains(key)));
    assert_eq!(mode(&scene.path("keyring.toml")), 0o600);

    // With the keys by another way, both are needed.
    let files: Vec<String> = fs::read_dir(scene.path("certificates/keys"))
        .unwrap()
        .map(|entry| entry.unwrap().path().display().to_string())
        .filter(|file| file.contains("/certificate-") && file.ends_with(".pub.pem"))
        .collect();
    assert_eq!(files.len(), 2);
    let both = [
        "certificate",
        "verify",
        "--key",
        &files[0],
        "--key",
        &files[1],
    ];
    assert_eq!(scene.kigen(&both).code, 0);
    for file in &files {
        let one = scene.kigen(&["certificate", "verify", "--key", file]);
        assert_eq!(one.code, i32::from(exit::DOES_NOT_HOLD), "{}", one.stdout);
    }
}

#[tokio::test]
async fn a_log_key_is_rotated_by_itself_and_a_ledger_that_is_not_migrated_stops_it() {
    let scene = Scene::sqlite().await;
    let before = public_keys(&scene);
    let rotated = scene.kigen(&["--format", "json", "keyring", "rotate", "--key", "log"]);
    assert_eq!(rotated.code, 0, "{}", rotated.stderr);
    let said = rotated.json();
    assert_eq!(
        (&said["key"], &said["is_new"]),
        (&"log".into(), &true.into())
    );
    assert_eq!(said["keeps_former"], false);
    assert_eq!(
        show(&scene)["certificate_key_id"],
        show(&scene)["keys"][0]["key_id"]
    );
    assert_eq!(public_keys(&scene).len(), before.len() + 1);
    let finished = scene.kigen(&[
        "--format", "json", "keyring", "rotate", "--key", "log", "--finish",
    ]);
    assert_eq!(
        (finished.code, &finished.json()["is_new"]),
        (0, &false.into())
    );

    fs::remove_file(scene.path("kigen-ledger.db")).unwrap();
    let keyring = scene.sha256("keyring.toml");
    let refused = scene.kigen(&["keyring", "rotate", "--key", "log"]);
    assert_ne!(refused.code, 0);
    assert_eq!(scene.sha256("keyring.toml"), keyring);
    let unknown = scene.kigen(&["keyring", "rotate", "--key", "witness"]);
    assert_eq!(unknown.code, i32::from(exit::USAGE));
}

#[tokio::test]
async fn a_witness_makes_its_keyring_without_an_installation() {
    let scene = Scene::sqlite().await;
    fs::remove_file(scene.path("kigen.toml")).unwrap();
    let init = [
        "keyring",
        "init",
        "--witness",
        "--path",
        "other/witness.toml",
    ];
    let made = scene.kigen(&init);
    assert_eq!(made.code, 0, "{}", made.stderr);
    insta::assert_snapshot!("keyring_witness", without_keys(&made.stdout));
    assert_eq!(mode(&scene.path("other/witness.toml")), 0o600);
    let shown = scene.kigen(&["keyring", "show", "--path", "other/witness.toml"]);
    assert_eq!(shown.stdout, made.stdout);
    assert_eq!(scene.kigen(&init).code, i32::from(exit::CONFIG_INVALID));
    let text = fs::read_to_string(scene.path("other/witness.toml")).unwrap();
    assert!(
        !text.contains("token-key") && !text.contains("kek-"),
        "{text}"
    );
}

#[tokio::test]
async fn a_keyring_of_version_1_is_upgraded_once_and_keeps_its_certificate_key() {
    let scene = Scene::sqlite().await;
    let text = fs::read_to_string(scene.path("keyring.toml")).unwrap();
    let public = text
        .lines()
        .find(|line| line.starts_with("public"))
        .unwrap();
    let seed = text.lines().find(|line| line.starts_with("seed")).unwrap();
    let rest = &text[text.find("[token-key]").unwrap()..];
    let old = format!(
        "version = 1\nkey-encryption-keys = 41\n[certificate-key]\n{public}\n{seed}\n{rest}"
    );
    scene.write("keyring.toml", &old);
    assert_eq!(show(&scene)["version"], 1);
    let refused = scene.kigen(&["keyring", "rotate", "--key", "log"]);
    assert_eq!(
        refused.code,
        i32::from(exit::CONFIG_INVALID),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.contains("keyring init --upgrade"),
        "{}",
        refused.stderr
    );
    for said in [
        "is of version 2 now, and was of version 1",
        "is of the newest version, 2",
    ] {
        let upgraded = scene.kigen(&["keyring", "init", "--upgrade"]);
        assert_eq!(upgraded.code, 0, "{}", upgraded.stderr);
        assert!(upgraded.stderr.contains(said), "{}", upgraded.stderr);
    }
    let shown = show(&scene);
    assert_eq!(
        (&shown["version"], shown["keys"].as_array().unwrap().len()),
        (&2.into(), 2)
    );
    assert!(
        fs::read_to_string(scene.path("keyring.toml"))
            .unwrap()
            .contains(seed)
    );
}

#[tokio::test]
async fn the_file_is_its_owners_alone_at_every_moment() {
    let scene = Scene::sqlite().await;
    fs::create_dir(scene.path("keys")).unwrap();
    let folder = scene.path("keys");
    let (done, seen) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for entry in fs::read_dir(&folder).unwrap() {
                    // A file that goes meanwhile was its owner's while it was there.
                    if let Ok(about) = fs::metadata(entry.unwrap().path()) {
                        assert_eq!(about.permissions().mode() & 0o077, 0);
                        seen.store(true, Ordering::Relaxed);
                    }
                }
            }
        });
        for number in 0..20 {
            let path = folder.join(format!("keyring-{number}.toml"));
            let words = format!(
                "umask 000; exec {} keyring init --witness --path {}",
                env!("CARGO_BIN_EXE_kigen"),
                path.display()
            );
            let made = std::process::Command::new("sh")
                .args(["-c", &words])
                .output()
                .unwrap();
            assert!(made.status.success());
            let mut keyring =
                Keyring::create(&folder.join(format!("{number}.toml")), date(2020, 1, 1)).unwrap();
            keyring.ensure_kek(Quarter::of(date(2040, 1, 1))).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(seen.load(Ordering::Relaxed));
}
