//! The clients' logs, as runs write and publish them and as strangers read them.

mod suspension;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use kigen::archive::{Archive, FolderPlace};
use kigen::exit;
use kigen::keyring::Keyring;
use kigen_evidence::log::checkpoint::Checkpoint;
use kigen_evidence::log::entry::{Abort, AbortReason, Entry};
use kigen_evidence::log::note::Note;
use kigen_evidence::log::vkey::{KeyType, NoteKey};

use crate::scene::Scene;

const CLIENTS: [&str; 2] = ["kasou-denki", "own"];

/// The published head of a client's log.
fn head(scene: &Scene, client: &str) -> Checkpoint {
    let path = scene.path(&format!("certificates/{client}/log/checkpoint"));
    let note: Note = fs::read_to_string(path).unwrap().parse().unwrap();
    note.text().parse().unwrap()
}

/// The published entries of a client's log, of which there are less than 256.
fn entries(scene: &Scene, client: &str) -> Vec<Entry> {
    let entry = |index: u64| {
        let path = format!("certificates/{client}/log/entry/{index}");
        Entry::read(&fs::read(scene.path(&path)).unwrap()).unwrap()
    };
    (0..head(scene, client).size()).map(entry).collect()
}

fn kinds(scene: &Scene, client: &str) -> Vec<&'static str> {
    let kind = |entry: &Entry| match entry {
        Entry::Plan(_) => "plan",
        Entry::Certificate(_) => "certificate",
        Entry::Noop(_) => "no-op",
        Entry::Abort(_) => "abort",
        Entry::Suspension(_) => "suspension",
        Entry::Resumption(_) => "resumption",
        Entry::KeyRotation(_) => "key rotation",
    };
    entries(scene, client).iter().map(kind).collect()
}

fn holds(scene: &Scene, options: &[&str]) {
    let words = [&["verify"], options].concat();
    let answer = scene.kigen(&words);
    assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
}

async fn published(scene: &Scene) -> BTreeMap<String, Vec<u8>> {
    let place = FolderPlace::new(&scene.path("certificates"));
    let mut files = BTreeMap::new();
    for file in place.list("").await.unwrap().files {
        let bytes = place.get(&file.path).await.unwrap().unwrap();
        files.insert(file.path, bytes);
    }
    files
}

#[tokio::test]
async fn each_run_leaves_its_plan_and_its_end_in_the_log_of_every_client() {
    let scene = Scene::sqlite().await;
    assert_eq!(scene.on_the_day(&["run"]).code, 0);
    for client in CLIENTS {
        assert_eq!(kinds(&scene, client), ["plan", "certificate"], "{client}");
    }
    let first = fs::read(scene.path("certificates/own/log/checkpoint")).unwrap();
    scene.write("kept", &String::from_utf8(first).unwrap());
    // Nothing is due any more: a night without removals is not a night that was left out.
    assert_eq!(scene.on_the_day(&["run"]).code, 0);
    assert_eq!(
        kinds(&scene, "own"),
        ["plan", "certificate", "plan", "no-op"]
    );
    // The last record of this client has gone, so there is nothing to announce.
    assert_eq!(kinds(&scene, "kasou-denki"), ["plan", "certificate"]);
    let kept = scene.path("kept").display().to_string();
    holds(&scene, &["--checkpoint", &kept]);
    let said = scene.kigen(&["verify", "--checkpoint", &kept]).stdout;
    insta::assert_snapshot!("verify_with_logs", without_what_changes(&said));
}

/// Digests, times and ids differ from run to run.
fn without_what_changes(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line
            .split(' ')
            .map(|word| {
                let plain = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
                let is_id =
                    plain.len() >= 16 && plain.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
                if is_id { "…" } else { word }
            })
            .collect();
        let line = words.join(" ");
        let run = line.rsplit_once('/').filter(|_| !line.starts_with(' '));
        lines.push(match run {
            Some((folder, run)) if run.len() == 36 => format!("{folder}/RUN"),
            _ => line,
        });
    }
    lines.join("\n")
}

#[cfg(feature = "failpoints")]
#[tokio::test]
async fn a_plan_stands_in_the_published_log_before_the_first_removal() {
    let scene = Scene::sqlite().await;
    let mut command = scene.command(&["run", "--as-of", crate::scene::AS_OF]);
    // The second client's log is announced last.
    command.env("KIGEN_KILL_AT", "run.announced:2");
    assert!(!command.output().unwrap().status.success());
    for client in CLIENTS {
        assert_eq!(kinds(&scene, client), ["plan"], "{client}");
    }
    assert_eq!(
        scene.database.number("select count(*) from learner").await,
        6
    );
    let said = scene.kigen(&["verify"]);
    assert_eq!(said.code, 0, "{}", said.stdout);
    assert!(
        said.stdout.contains("which has no end yet"),
        "{}",
        said.stdout
    );
    // The next run closes what the dead one had announced, and goes on.
    let next = scene.on_the_day(&["run"]);
    assert_eq!(next.code, 0, "{}", next.stderr);
    assert_eq!(
        kinds(&scene, "own"),
        ["plan", "abort", "plan", "certificate"]
    );
    holds(&scene, &[]);
}

#[tokio::test]
async fn a_run_over_its_limit_ends_as_an_abort_with_its_reason() {
    let scene = Scene::sqlite().await;
    let file = "jobs/exam-history.toml";
    scene.edit(file, "max-records = 100", "max-records = 1");
    let run = scene.on_the_day(&["run", "--job", "exam-history"]);
    assert_eq!(run.code, i32::from(exit::NOT_APPROVED), "{}", run.stderr);
    for client in CLIENTS {
        let entries = entries(&scene, client);
        let [Entry::Plan(plan), Entry::Abort(Abort { reason, run, .. })] = entries.as_slice()
        else {
            panic!("{entries:?}");
        };
        assert_eq!((*reason, run), (AbortReason::LimitExceeded, &plan.run));
    }
    holds(&scene, &[]);
}

#[tokio::test]
async fn a_restored_ledger_stops_the_next_run_before_anything_is_removed_or_signed() {
    let scene = Scene::sqlite().await;
    let ledger = scene.path("kigen-ledger.db");
    let backup = scene.path("backup.db");
    assert_eq!(scene.on_the_day(&["run", "--job", "learner"]).code, 0);
    fs::copy(&ledger, &backup).unwrap();
    assert_eq!(scene.on_the_day(&["run", "--job", "learner"]).code, 0);
    let before = published(&scene).await;

    for side in ["-wal", "-shm"] {
        let file = PathBuf::from(format!("{}{side}", ledger.display()));
        if file.exists() {
            fs::remove_file(file).unwrap();
        }
    }
    fs::copy(&backup, &ledger).unwrap();
    let attempts = "select count(*) from exam_attempt where taken_on is not null";
    let rows = scene.database.number(attempts).await;
    let run = scene.on_the_day(&["run", "--job", "exam-history"]);
    assert_eq!(run.code, i32::from(exit::LOG_DIFFERS), "{}", run.stdout);
    insta::assert_snapshot!("ledger_restored", run.stderr);
    assert_eq!(published(&scene).await, before);
    assert_eq!(scene.database.number(attempts).await, rows);

    // Had it gone on, the log would have been forked. With the later ledger it goes on.
    let again = scene.on_the_day(&["run", "--job", "exam-history"]);
    assert_eq!(again.code, i32::from(exit::LOG_DIFFERS));
}

#[tokio::test]
async fn a_head_that_somebody_else_signed_stops_a_run() {
    let scene = Scene::sqlite().await;
    assert_eq!(scene.on_the_day(&["run"]).code, 0);
    let path = scene.path("certificates/own/log/checkpoint");
    let text = fs::read_to_string(&path).unwrap();
    let note: Note = text.parse().unwrap();
    let head: Checkpoint = note.text().parse().unwrap();
    let secret = ed25519_dalek::SigningKey::from_bytes(&[3; 32]);
    let key = NoteKey::new(head.origin(), KeyType::Note, secret.verifying_key()).unwrap();
    let forged = head.sign(&key, &secret).unwrap();
    fs::write(&path, forged.to_string()).unwrap();
    let run = scene.on_the_day(&["run"]);
    assert_eq!(run.code, i32::from(exit::LOG_DIFFERS), "{}", run.stdout);
    assert!(
        run.stderr.contains("is not signed by the log's key"),
        "{}",
        run.stderr
    );
}

#[tokio::test]
async fn where_certificates_cannot_go_nothing_is_removed() {
    let scene = Scene::sqlite().await;
    scene.write("certificates", "a file in the place of the folder");
    let run = scene.on_the_day(&["run"]);
    assert_eq!(
        run.code,
        i32::from(exit::STORE_UNREACHABLE),
        "{}",
        run.stderr
    );
    assert_eq!(
        scene.database.number("select count(*) from learner").await,
        6
    );
    fs::remove_file(scene.path("certificates")).unwrap();
    assert_eq!(scene.on_the_day(&["run"]).code, 0);
    holds(&scene, &[]);
}

#[tokio::test]
async fn runs_of_two_jobs_at_once_share_a_log_without_a_gap() {
    let scene = Scene::sqlite().await;
    for round in 1..=3 {
        let workers = ["learner", "exam-history"].map(|job| {
            let words = ["run", "--job", job, "--as-of", crate::scene::AS_OF];
            scene.command(&words).spawn().unwrap()
        });
        for worker in workers {
            let output = worker.wait_with_output().unwrap();
            let code = output.status.code().unwrap();
            // An attempt that blocks a learner may not be disposed of yet.
            let expected = [exit::DONE, exit::INCOMPLETE].map(i32::from);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(expected.contains(&code), "{code}: {said}");
        }
        assert_eq!(head(&scene, "own").size(), 4 * round);
        holds(&scene, &[]);
    }
}

#[tokio::test]
async fn keys_that_were_rotated_stand_in_the_log_once() {
    let scene = Scene::sqlite().await;
    assert_eq!(scene.on_the_day(&["run"]).code, 0);
    for key in ["certificate", "log"] {
        let rotated = scene.kigen(&["keyring", "rotate", "--key", key]);
        assert_eq!(rotated.code, 0, "{}", rotated.stderr);
    }
    for _ in 0..2 {
        let run = scene.on_the_day(&["run"]);
        assert_eq!(run.code, 0, "{}", run.stderr);
    }
    assert_eq!(
        kinds(&scene, "own"),
        [
            "plan",
            "certificate",
            "key rotation",
            "key rotation",
            "plan",
            "no-op",
            "plan",
            "no-op"
        ]
    );
    let keyring = Keyring::load(&scene.path("keyring.toml")).unwrap();
    let present = keyring.log_key().unwrap().verifying_key();
    let path = scene.path("certificates/own/log/checkpoint");
    let note: Note = fs::read_to_string(path).unwrap().parse().unwrap();
    let origin = "certificates.example.jp/kigen/own";
    let key = NoteKey::new(origin, KeyType::Note, present).unwrap();
    note.open(&[key]).unwrap();
    let policy = fs::read_to_string(scene.path("certificates/own/log/policy.txt")).unwrap();
    assert_eq!(
        policy
            .lines()
            .filter(|line| line.starts_with("log "))
            .count(),
        2
    );
    holds(&scene, &[]);
}
