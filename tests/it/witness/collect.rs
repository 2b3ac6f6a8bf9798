//! Cosigned heads on their way back to the log's side.

use std::fs;
use std::path::Path;

use kigen::exit;
use kigen_evidence::log::policy::Policy;

use super::{LOG, cosigned, refused, run, watched};
use crate::scene::{Answer, Scene};

fn collect(scene: &Scene, file: &str, more: &[&str]) -> Answer {
    let words = [&["witness", "collect", file, "--client", "own"], more].concat();
    scene.kigen(&words)
}

fn configured(scene: &Scene) {
    let key = fs::read_to_string(scene.path("witness.vkey")).unwrap();
    let witness = format!("name = \"own\"\nwitness = [\"{}\"]", key.trim_end());
    scene.edit("kigen.toml", "name = \"own\"", &witness);
}

#[tokio::test]
async fn a_cosigned_head_is_published_beside_the_log_and_verified() {
    let scene = watched().await;
    configured(&scene);
    let first = cosigned(&scene, "add");
    scene.write("first", &first);
    let answer = collect(&scene, "first", &["--format", "json"]);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    assert_eq!(answer.json()[0]["is_head"], true);
    let head = fs::read_to_string(scene.path(&format!("{LOG}/checkpoint"))).unwrap();
    assert_eq!(head, first);
    // Again: nothing more.
    assert_eq!(collect(&scene, "first", &[]).code, 0);
    assert_eq!(
        fs::read_to_string(scene.path(&format!("{LOG}/checkpoint"))).unwrap(),
        head
    );
    run(&scene);
    // The policy names the witness, and the head that it cosigned satisfies it.
    let policy = fs::read_to_string(scene.path(&format!("{LOG}/policy.txt"))).unwrap();
    let policy: Policy = policy.parse().unwrap();
    assert_eq!(policy.witnesses().count(), 1);
    let accepted = policy.accept(&first.parse().unwrap()).unwrap();
    assert_eq!(accepted.witnesses.len(), 1);
    let grown = fs::read_to_string(scene.path(&format!("{LOG}/checkpoint"))).unwrap();
    assert!(policy.accept(&grown.parse().unwrap()).is_err());
    // A client verifies its own folder and the keys.
    fs::remove_dir_all(scene.path("certificates/kasou-denki")).unwrap();
    let verified = scene.kigen(&["verify", "--witness-key", "witness.vkey"]);
    assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
    assert!(
        verified
            .stdout
            .contains("the witness `w.example.jp` has cosigned 2 of the 4 entries"),
        "{}",
        verified.stdout
    );
    let later = collect(&scene, "first", &["--format", "json"]).json();
    assert_eq!(later[0]["is_head"], false);
}

#[tokio::test]
async fn what_no_known_witness_cosigned_is_not_published() {
    let scene = watched().await;
    let first = cosigned(&scene, "add");
    scene.write("first", &first);
    let unknown = collect(&scene, "first", &[]);
    refused(
        &unknown,
        exit::USAGE,
        "no known witness has cosigned this head",
    );
    let given = collect(&scene, "first", &["--witness-key", "witness.vkey"]);
    assert_eq!(given.code, 0, "{}", given.stderr);
    let wrong_kind = collect(&scene, "first", &["--witness-key", "log.vkey"]);
    refused(&wrong_kind, exit::USAGE, "is no key of a witness");
    scene.write("altered", &first.replace("\n2\n", "\n1\n"));
    let altered = collect(&scene, "altered", &["--witness-key", "witness.vkey"]);
    refused(&altered, exit::DOES_NOT_HOLD, "has not signed this head");
    let of_other = scene.kigen(&[
        "witness",
        "collect",
        "first",
        "--client",
        "kasou-denki",
        "--witness-key",
        "witness.vkey",
    ]);
    refused(&of_other, exit::DOES_NOT_HOLD, "has not signed this head");
}

#[tokio::test]
async fn verify_notices_a_witness_that_did_not_look_and_a_cosigned_head_that_was_altered() {
    let scene = watched().await;
    let key = ["verify", "--witness-key", "witness.vkey"];
    let none = scene.kigen(&key);
    assert_eq!(none.code, i32::from(exit::DOES_NOT_HOLD));
    assert!(
        none.stdout.contains("has cosigned no head of this log"),
        "{}",
        none.stdout
    );
    configured(&scene);
    let first = cosigned(&scene, "add");
    scene.write("first", &first);
    assert_eq!(collect(&scene, "first", &[]).code, 0);
    assert_eq!(scene.kigen(&["verify"]).code, 0);
    let folder = scene.path(&format!("{LOG}/cosigned"));
    let file = fs::read_dir(&folder)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    altered(&file, &first);
    let found = scene.kigen(&["verify", "--log", "error"]);
    assert_eq!(
        found.code,
        i32::from(exit::DOES_NOT_HOLD),
        "{}",
        found.stdout
    );
    assert!(
        found
            .stdout
            .contains("the head that is kept beside the log does not hold"),
        "{}",
        found.stdout
    );
}

fn altered(file: &Path, note: &str) {
    fs::write(file, note.replace("\n2\n", "\n3\n")).unwrap();
}
