//! `kigen certificate prove` on what a run has really removed; each receipt is shown to the
//! auditor's script too.

mod columns;
mod later;
mod objects;
mod tampering;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use kigen::exit;
use kigen::keyring::Keyring;
use kigen_evidence::public_key::to_pem;
use serde_json::Value;

use crate::scene::{Answer, Scene, redacted};

/// A scene whose run is done, with the log's public key beside it.
pub(crate) async fn removed() -> Scene {
    let scene = Scene::sqlite().await;
    run(&scene);
    scene
}

pub(crate) fn run(scene: &Scene) {
    run_to(scene, exit::DONE);
}

/// A run that ends with this code.
fn run_to(scene: &Scene, code: u8) {
    let run = scene.on_the_day(&["run"]);
    assert_eq!(run.code, i32::from(code), "{}", run.stderr);
    let keyring = Keyring::load(&scene.path("keyring.toml")).unwrap();
    let key = keyring.log_key().unwrap().verifying_key();
    scene.write("log.pem", &to_pem(&key).unwrap());
}

pub(crate) fn prove(scene: &Scene, words: &[&str]) -> Answer {
    let mut all = vec!["certificate", "prove"];
    all.extend(words);
    scene.on_the_day(&all)
}

fn json(scene: &Scene, words: &[&str]) -> Value {
    let mut all = words.to_vec();
    all.extend(["--format", "json"]);
    prove(scene, &all).json()
}

/// What the auditor's script says of a receipt.
pub(crate) fn script(scene: &Scene, receipt: &Path) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/auditor/verify_receipt.sh");
    Command::new("bash")
        .arg(script)
        .arg(receipt)
        .arg(scene.path("log.pem"))
        .output()
        .unwrap()
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8([&output.stdout[..], &output.stderr[..]].concat()).unwrap()
}

/// Both accept the receipt, and both say `expected`.
pub(crate) fn both_accept(scene: &Scene, receipt: &str, expected: &[&str]) {
    let file = scene.path("checked.tlog-proof");
    fs::write(&file, receipt).unwrap();
    let output = script(scene, &file);
    assert!(output.status.success(), "{}", said(&output));
    let ours = verify(scene, &file);
    assert_eq!(ours.code, 0, "{}", ours.stderr);
    for words in expected {
        assert!(said(&output).contains(words), "{}", said(&output));
        assert!(ours.stdout.contains(words), "{}", ours.stdout);
    }
}

pub(crate) fn verify(scene: &Scene, receipt: &Path) -> Answer {
    let receipt = receipt.to_str().unwrap();
    let key = scene.path("log.pem");
    let key = key.to_str().unwrap();
    scene.kigen(&["certificate", "verify-receipt", receipt, "--log-key", key])
}

/// The one published `statement.json` of a client.
fn statement(scene: &Scene, client: &str) -> PathBuf {
    let runs = fs::read_dir(scene.path("certificates").join(client)).unwrap();
    let mut found = runs.map(|run| run.unwrap().path().join("statement.json"));
    found.find(|path| path.exists()).unwrap()
}

#[tokio::test]
async fn a_record_that_was_deleted_has_a_receipt_which_stock_tools_accept() {
    let scene = removed().await;
    let answer = prove(&scene, &["--cluster", "learner", "--key", "1"]);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    assert!(answer.stdout.starts_with("c2sp.org/tlog-proof@v1\n"));
    both_accept(
        &scene,
        &answer.stdout,
        &[
            "a record of the client `own` in `learner` of the store `school`, with the key learner_id = 1",
            "What became of it: deleted",
        ],
    );
    // It belongs to the certificate of its client, and to no other.
    let file = scene.path("checked.tlog-proof");
    let words = |client: &str| {
        let statement = statement(&scene, client);
        scene.kigen(&[
            "certificate",
            "verify-receipt",
            file.to_str().unwrap(),
            "--log-key",
            scene.path("log.pem").to_str().unwrap(),
            "--statement",
            statement.to_str().unwrap(),
        ])
    };
    assert_eq!(words("own").code, 0);
    assert_eq!(words("kasou-denki").code, i32::from(exit::DOES_NOT_HOLD));
}

#[tokio::test]
async fn the_sentences_beside_a_receipt_name_no_key() {
    let scene = removed().await;
    let answer = prove(&scene, &["--cluster", "exam-history", "--key", "11"]);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    insta::assert_snapshot!("prove_beside", redacted(&answer.stderr));
    let json = json(&scene, &["--cluster", "exam-history", "--key", "11"]);
    assert_eq!(json["found"], true);
    assert_eq!(json["receipts"][0]["action"], "pseudonymized");
    assert_eq!(json["receipts"][0]["client"], "own");
    assert_eq!(json["receipts"][0]["receipt"], answer.stdout);
}

#[tokio::test]
async fn a_receipt_in_a_file_is_for_its_owner_alone() {
    let scene = removed().await;
    let words = [
        "--cluster",
        "learner",
        "--key",
        "1",
        "--output",
        "one.tlog-proof",
    ];
    let answer = prove(&scene, &words);
    assert_eq!(
        (answer.code, answer.stdout.as_str()),
        (0, ""),
        "{}",
        answer.stderr
    );
    let file = scene.path("one.tlog-proof");
    let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode, 0o600);
    assert!(script(&scene, &file).status.success());
}

#[tokio::test]
async fn a_row_that_went_with_a_record_has_a_receipt_of_its_own() {
    let scene = removed().await;
    let words = [
        "--cluster",
        "learner",
        "--object",
        "learner_contact",
        "--key",
        "102",
    ];
    let answer = prove(&scene, &words);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    both_accept(
        &scene,
        &answer.stdout,
        &["in `learner_contact`", "contact_id = 102"],
    );
}

#[tokio::test]
async fn a_person_has_a_receipt_for_each_kind_of_removal() {
    let scene = removed().await;
    let several = prove(&scene, &["--subject", "1"]);
    assert_eq!(several.code, i32::from(exit::USAGE));
    assert_eq!(several.stdout, "");
    assert!(
        several.stderr.contains("there are several receipts"),
        "{}",
        several.stderr
    );
    let nowhere = prove(&scene, &["--subject", "1", "--output", "receipts"]);
    assert_eq!(nowhere.code, i32::from(exit::USAGE));
    let said_so = "the folder `receipts` is not there";
    assert!(nowhere.stderr.contains(said_so), "{}", nowhere.stderr);
    fs::create_dir(scene.path("receipts")).unwrap();
    let answer = prove(&scene, &["--subject", "1", "--output", "receipts"]);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    let mut texts = Vec::new();
    for file in fs::read_dir(scene.path("receipts")).unwrap() {
        let file = file.unwrap().path();
        let output = script(&scene, &file);
        assert!(output.status.success(), "{}", said(&output));
        texts.push(said(&output));
    }
    texts.sort();
    assert_eq!(texts.len(), 2);
    let has = |words: &str| texts.iter().any(|text| text.contains(words));
    assert!(has(
        "stands for 1 records of the learner 1 of the client `own`"
    ));
    assert!(has(
        "stands for 2 records of the learner 1 of the client `own`"
    ));
    // With one cluster and client, one is left of a person who had one.
    let one = [
        "--cluster",
        "learner",
        "--subject",
        "5",
        "--client",
        "kasou-denki",
    ];
    let one = prove(&scene, &one);
    assert_eq!(one.code, 0, "{}", one.stderr);
    both_accept(
        &scene,
        &one.stdout,
        &["records of the learner 5 of the client `kasou-denki`"],
    );
}

#[tokio::test]
async fn a_record_that_was_not_removed_gets_no_receipt_and_the_reason() {
    let scene = removed().await;
    for (key, name) in [("2", "not_due"), ("6", "referenced"), ("3", "undatable")] {
        let answer = prove(&scene, &["--cluster", "learner", "--key", key]);
        assert_eq!(
            answer.code,
            i32::from(exit::NO_SUCH_REMOVAL),
            "{}",
            answer.stderr
        );
        assert_eq!(answer.stdout, "");
        insta::assert_snapshot!(format!("prove_{name}"), redacted(&answer.stderr));
    }
    let held = json(&scene, &["--cluster", "learner", "--key", "6"]);
    assert_eq!(
        (&held["found"], &held["in_store"]),
        (&false.into(), &true.into())
    );
    assert_eq!(held["explained"]["stages"][0]["reason"], "referenced");
    assert_eq!(held["searched"], 2);
    let nobody = prove(&scene, &["--cluster", "learner", "--key", "999"]);
    assert_eq!(nobody.code, i32::from(exit::NO_SUCH_REMOVAL));
    assert!(
        nobody
            .stderr
            .ends_with("the store has no record of this key\n")
    );
    let person = prove(&scene, &["--subject", "4"]);
    assert_eq!(
        person.code,
        i32::from(exit::NO_SUCH_REMOVAL),
        "{}",
        person.stderr
    );
}

#[tokio::test]
async fn a_record_under_a_legal_hold_gets_no_receipt_and_the_hold_is_named() {
    let scene = Scene::sqlite().await;
    let words = ["suspend", "--job", "learner", "--reason", "legal-hold"];
    assert_eq!(scene.kigen(&words).code, 0);
    run_to(&scene, exit::SUSPENDED);
    let answer = prove(&scene, &["--cluster", "learner", "--key", "1"]);
    assert_eq!(
        answer.code,
        i32::from(exit::NO_SUCH_REMOVAL),
        "{}",
        answer.stderr
    );
    for says in [
        "the store has a record of this key, which was not removed",
        "disposal of cluster `learner` is suspended since ",
        ": legal-hold",
    ] {
        assert!(answer.stderr.contains(says), "{}", answer.stderr);
    }
}

#[tokio::test]
async fn before_the_first_run_there_is_no_removal() {
    let scene = Scene::sqlite().await;
    let answer = prove(&scene, &["--cluster", "learner", "--key", "1"]);
    assert_eq!(
        answer.code,
        i32::from(exit::NO_SUCH_REMOVAL),
        "{}",
        answer.stderr
    );
    assert!(
        answer.stderr.contains("no certificate"),
        "{}",
        answer.stderr
    );
}

#[tokio::test]
async fn without_the_store_the_types_are_tried() {
    let scene = removed().await;
    fs::rename(scene.path("store.db"), scene.path("away.db")).unwrap();
    let answer = prove(&scene, &["--cluster", "learner", "--key", "1"]);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    assert!(
        answer.stderr.contains("so every type was tried"),
        "{}",
        answer.stderr
    );
    both_accept(&scene, &answer.stdout, &["learner_id = 1"]);
}

#[tokio::test]
async fn a_receipt_is_a_page_that_opens_in_a_browser_and_has_the_proof_in_it() {
    let scene = removed().await;
    let words = ["--cluster", "learner", "--key", "1"];
    let proof = prove(&scene, &words).stdout;
    let words = [&words[..], &["--format", "html", "--lang", "ja-en"]].concat();
    let page = prove(&scene, &words);
    assert_eq!(page.code, 0, "{}", page.stderr);
    for words in [
        "本書は本人の個人データです",
        "This receipt is personal data",
        "learner_id",
    ] {
        assert!(page.stdout.contains(words), "{words}");
    }
    use base64::Engine;
    let inside = base64::engine::general_purpose::STANDARD.encode(proof);
    assert!(page.stdout.contains(&inside));
    assert_eq!(prove(&scene, &words).stdout, page.stdout);
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_in_one_sentence() {
    let scene = removed().await;
    for (words, says) in [
        (
            &["--cluster", "learner"][..],
            "required arguments were not provided",
        ),
        (&["--cluster", "pupil", "--key", "1"], "`pupil`"),
        (
            &["--cluster", "learner", "--key", "1", "--key", "2"],
            "a record of `learner` is named by 1 of its key: learner_id",
        ),
        (
            &[
                "--cluster",
                "learner",
                "--object",
                "exam_attempt",
                "--key",
                "1",
            ],
            "hint: it has `learner`, `learner_contact`",
        ),
        (
            &["--cluster", "learner", "--key", "1", "--certificate", "zzz"],
            "no certificate begins with `zzz`",
        ),
        (
            &["--cluster", "learner", "--key", "1", "--lang", "ja"],
            "`--lang` belongs to",
        ),
        (
            &["--cluster", "learner", "--key", "1", "--format", "pdf"],
            "a PDF is not written to stdout",
        ),
    ] {
        let answer = prove(&scene, words);
        assert_eq!(
            answer.code,
            i32::from(exit::USAGE),
            "{words:?}: {}",
            answer.stderr
        );
        assert!(answer.stderr.contains(says), "{words:?}: {}", answer.stderr);
    }
}
