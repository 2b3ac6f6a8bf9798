//! A witness on the other side, over logs that runs have really published.

mod collect;

use std::fs;
use std::process::Command;

use kigen::exit;
use kigen_evidence::log::note::Note;
use kigen_evidence::log::vkey::NoteKey;

use crate::scene::{Answer, Scene};

const LOG: &str = "certificates/own/log";

fn run(scene: &Scene) {
    let run = scene.on_the_day(&["run"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
}

/// A scene whose first run is done, and a witness beside it.
async fn watched() -> Scene {
    let scene = Scene::sqlite().await;
    run(&scene);
    let words = ["keyring", "init", "--witness", "--path", "witness.key"];
    let made = scene.kigen(&words);
    assert_eq!(made.code, 0, "{}", made.stderr);
    let key = scene.kigen(&[
        "witness",
        "key",
        "--key",
        "witness.key",
        "--name",
        "w.example.jp",
    ]);
    assert_eq!(key.code, 0, "{}", key.stderr);
    scene.write("witness.vkey", &key.stdout);
    scene.write("log.vkey", &log_key(&scene));
    scene
}

/// The log's key, as its policy names it.
fn log_key(scene: &Scene) -> String {
    let policy = fs::read_to_string(scene.path(&format!("{LOG}/policy.txt"))).unwrap();
    let line = policy.lines().next().unwrap();
    line.strip_prefix("log ").unwrap().to_owned()
}

fn witness(scene: &Scene, command: &str, log: &str, more: &[&str]) -> Answer {
    let words = [
        &["witness", command, log, "--key", "witness.key"][..],
        &["--name", "w.example.jp", "--state", "witness.state"],
        more,
    ];
    let mut words = words.concat();
    if !more.contains(&"--log-key") {
        words.extend(["--log-key", "log.vkey"]);
    }
    scene.kigen(&words)
}

fn cosigned(scene: &Scene, command: &str) -> String {
    let answer = witness(scene, command, LOG, &[]);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    answer.stdout
}

fn refused(answer: &Answer, code: u8, says: &str) {
    assert_eq!(answer.code, i32::from(code), "{}", answer.stderr);
    assert_eq!(answer.stdout, "");
    assert!(answer.stderr.contains(says), "{}", answer.stderr);
}

fn size(note: &str) -> u64 {
    note.lines().nth(1).unwrap().parse().unwrap()
}

/// The files beside the state, by their names.
fn kept(scene: &Scene) -> Vec<String> {
    let files = fs::read_dir(scene.path(".")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names
        .filter(|name| name.starts_with("witness.state."))
        .collect();
    names.sort();
    names
}

/// Everything of `scene` in `folder` of it.
fn copy(scene: &Scene, from: &str, to: &str) {
    let copied = Command::new("cp")
        .args(["-r", "-T"])
        .arg(scene.path(from))
        .arg(scene.path(to))
        .status();
    assert!(copied.unwrap().success());
}

#[tokio::test]
async fn a_witness_cosigns_what_is_only_added_to_and_says_the_same_twice() {
    let scene = watched().await;
    let first = cosigned(&scene, "add");
    assert_eq!(size(&first), 2);
    assert_eq!(
        first.lines().filter(|line| line.starts_with('—')).count(),
        2
    );
    assert_eq!(cosigned(&scene, "cosign"), first);
    run(&scene);
    let second = cosigned(&scene, "cosign");
    assert_eq!(size(&second), 4);
    // Both signatures hold for who has both keys.
    let note: Note = second.parse().unwrap();
    let key = |name: &str| -> NoteKey {
        let text = fs::read_to_string(scene.path(name)).unwrap();
        text.trim_end().parse().unwrap()
    };
    let opened = note.open(&[key("log.vkey"), key("witness.vkey")]).unwrap();
    assert_eq!(opened.signers().len(), 2);
    let now = jiff::Timestamp::now().as_second();
    let time = i64::try_from(opened.signers()[1].time.unwrap()).unwrap();
    assert!((now - 600..=now).contains(&time));
    let json = witness(&scene, "cosign", LOG, &["--format", "json"]).json();
    assert_eq!(
        (&json["was_cosigned"], &json["size"]),
        (&true.into(), &4.into())
    );
    assert_eq!(json["checkpoint"], second);
}

#[tokio::test]
async fn a_log_that_was_rolled_back_is_refused_and_both_heads_are_kept() {
    let scene = watched().await;
    let checkpoint = scene.path(&format!("{LOG}/checkpoint"));
    let older = fs::read(&checkpoint).unwrap();
    run(&scene);
    cosigned(&scene, "add");
    fs::write(&checkpoint, &older).unwrap();
    let answer = witness(&scene, "cosign", LOG, &[]);
    refused(
        &answer,
        exit::LOG_DIFFERS,
        "the log was rolled back: it shows 2 entries, and 4 were cosigned",
    );
    let kept = kept(&scene);
    assert_eq!(kept.len(), 2, "{kept:?}");
    let shown = fs::read(scene.path(&kept[1])).unwrap();
    assert_eq!(shown, older);
    assert!(
        kept.iter()
            .all(|name| answer.stderr.contains(name.as_str()))
    );
    // Again: the same two files.
    witness(&scene, "cosign", LOG, &[]);
    assert_eq!(super::witness::kept(&scene), kept);
}

#[tokio::test]
async fn two_stories_for_two_readers_are_noticed_at_the_same_size_and_at_a_larger_one() {
    let scene = watched().await;
    // The installation goes on twice from the same moment, as for two readers.
    for file in ["certificates", "kigen-ledger.db", "store.db"] {
        copy(&scene, file, &format!("{file}.before"));
    }
    run(&scene);
    cosigned(&scene, "add");
    copy(&scene, "certificates", "shown-to-the-witness");
    for file in ["certificates", "kigen-ledger.db", "store.db"] {
        let target = scene.path(file);
        if target.is_dir() {
            fs::remove_dir_all(&target).unwrap();
        }
        copy(&scene, &format!("{file}.before"), file);
    }
    for rest in ["-wal", "-shm"] {
        for file in ["kigen-ledger.db", "store.db"] {
            drop(fs::remove_file(scene.path(&format!("{file}{rest}"))));
        }
    }
    run(&scene);
    let split = witness(&scene, "cosign", LOG, &[]);
    refused(
        &split,
        exit::LOG_DIFFERS,
        "the log shows another tree of 4 entries than the one that was cosigned",
    );
    run(&scene);
    let rewritten = witness(&scene, "cosign", LOG, &[]);
    refused(
        &rewritten,
        exit::LOG_DIFFERS,
        "the log was rewritten: its first 4 entries are not those that were cosigned",
    );
    assert!(kept(&scene).len() >= 3);
    // What it has always seen still holds.
    let own = witness(&scene, "cosign", "shown-to-the-witness/own/log", &[]);
    assert_eq!(own.code, 0, "{}", own.stderr);
}

#[tokio::test]
async fn a_head_that_does_not_hold_is_not_cosigned() {
    let scene = watched().await;
    let other = watched().await;
    let stranger = log_key(&other);
    let answer = witness(&scene, "add", LOG, &["--log-key", &stranger]);
    refused(
        &answer,
        exit::DOES_NOT_HOLD,
        "no key that was given has signed",
    );
    // Of another client's log the key is right and the name is not.
    let answer = witness(&scene, "add", "certificates/kasou-denki/log", &[]);
    refused(&answer, exit::DOES_NOT_HOLD, "the head is not cosigned");
    let tile = scene.path(&format!("{LOG}/entry/1"));
    let bytes = fs::read(&tile).unwrap();
    fs::write(&tile, &bytes[..bytes.len() - 9]).unwrap();
    let answer = witness(&scene, "add", LOG, &[]);
    refused(
        &answer,
        exit::DOES_NOT_HOLD,
        "do not have the root that was signed",
    );
    fs::remove_file(&tile).unwrap();
    let answer = witness(&scene, "add", LOG, &[]);
    refused(
        &answer,
        exit::DOES_NOT_HOLD,
        "is missing: the log is not whole",
    );
    let mut altered = bytes.clone();
    let place = altered
        .windows(6)
        .position(|part| part == b"\"own\"}")
        .unwrap_or(100);
    altered[place + 1] ^= 1;
    fs::write(&tile, &altered).unwrap();
    let answer = witness(&scene, "add", LOG, &[]);
    assert_eq!(
        answer.code,
        i32::from(exit::DOES_NOT_HOLD),
        "{}",
        answer.stderr
    );
    assert!(!scene.path("witness.state").exists());
    fs::write(&tile, &bytes).unwrap();
    cosigned(&scene, "add");
    let nowhere = witness(&scene, "cosign", "certificates/nobody/log", &[]);
    refused(
        &nowhere,
        exit::DOES_NOT_HOLD,
        "is missing: there is no head",
    );
}

#[tokio::test]
async fn a_state_that_is_lost_or_damaged_is_not_begun_anew_in_silence() {
    let scene = watched().await;
    let lost = witness(&scene, "cosign", LOG, &[]);
    refused(&lost, exit::USAGE, "there is no state at `witness.state`");
    cosigned(&scene, "add");
    let twice = witness(&scene, "add", LOG, &[]);
    refused(
        &twice,
        exit::USAGE,
        "there is a state at `witness.state` already",
    );
    let state = fs::read_to_string(scene.path("witness.state")).unwrap();
    let lines: Vec<&str> = state.lines().collect();
    for damaged in [
        String::new(),
        state.replace("\n2\n", "\n1\n"),
        format!("{}\n", lines[..lines.len() - 1].join("\n")),
        state[..state.len() - 20].to_owned(),
    ] {
        scene.write("witness.state", &damaged);
        let answer = witness(&scene, "cosign", LOG, &[]);
        refused(&answer, exit::CONFIG_INVALID, "is damaged");
    }
    scene.write("witness.state", &state);
    assert_eq!(cosigned(&scene, "cosign"), state);
    // The key of another witness has not signed it.
    let words = ["keyring", "init", "--witness", "--path", "other.key"];
    assert_eq!(scene.kigen(&words).code, 0);
    fs::copy(scene.path("other.key"), scene.path("witness.key")).unwrap();
    let answer = witness(&scene, "cosign", LOG, &[]);
    refused(
        &answer,
        exit::CONFIG_INVALID,
        "this witness did not sign it",
    );
}
