//! Receipts, checked by kigen and by the auditor's script, which knows nothing of kigen.

mod tampering;

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ed25519_dalek::SigningKey;
use kigen_evidence::leaf::{
    Action, Leaf, Opening, RecordEncoder, RecordPlace, RunKey, SubjectEncoder, subject_leaf,
};
use kigen_evidence::leaves::LeafFile;
use kigen_evidence::log::checkpoint::Checkpoint;
use kigen_evidence::log::note::Note;
use kigen_evidence::log::vkey::{KeyType, NoteKey};
use kigen_evidence::merkle::RootBuilder;
use kigen_evidence::public_key::to_pem;
use kigen_evidence::receipt::{self, Heads};
use kigen_evidence::value::Value;

pub(crate) const LOG: &str = "certs.example.com/own";
pub(crate) const RUN: &str = "certs.example.com/own/run/0193536c-5a00-7000-8000-000000000001";

/// A run with 120 records and 3 persons in two targets, and the folder in which it is checked.
pub(crate) struct Scene {
    folder: tempfile::TempDir,
    file: LeafFile<Cursor<Vec<u8>>>,
    root: [u8; 32],
}

pub(crate) fn secret(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(crate) fn log_key(seed: u8) -> NoteKey {
    NoteKey::new(LOG, KeyType::Note, secret(seed).verifying_key()).unwrap()
}

fn records(target: u16) -> RecordEncoder {
    let place = RecordPlace {
        client: "own",
        store: "lms",
        object: "public.exam_attempt",
    };
    let columns = ["learner_id", "course_id"];
    RecordEncoder::new(&RunKey::from_bytes([7; 32]), place, &columns, target).unwrap()
}

fn persons() -> SubjectEncoder {
    SubjectEncoder::new(&RunKey::from_bytes([7; 32]), "own", "learner").unwrap()
}

fn key(number: i64) -> [Value; 2] {
    let course = Value::Text("JP-101 情報倫理".to_owned());
    [Value::Int(1_000_000 + number), course]
}

impl Scene {
    pub(crate) fn new() -> Self {
        let mut leaves: Vec<Leaf> = Vec::new();
        for number in 0..120 {
            let (action, target) = fate(number);
            let leaf = records(target).leaf(action, &key(number), 0).unwrap();
            leaves.push(leaf);
        }
        for id in 0..3 {
            let person = persons().reference(&Value::Int(id)).unwrap();
            leaves.push(subject_leaf(Action::RowDeleted, 0, &person, 14));
        }
        leaves.sort_unstable();
        let mut tree = RootBuilder::new();
        leaves.iter().for_each(|leaf| tree.push(leaf.as_bytes()));
        let bytes = leaves.iter().flat_map(|leaf| *leaf.as_bytes()).collect();
        let folder = tempfile::tempdir().unwrap();
        for seed in [1, 2] {
            let pem = to_pem(&secret(seed).verifying_key()).unwrap();
            fs::write(folder.path().join(format!("log{seed}.pem")), pem).unwrap();
        }
        Self {
            folder,
            file: LeafFile::open(Cursor::new(bytes)).unwrap(),
            root: tree.root(),
        }
    }

    pub(crate) fn checkpoint(&self, origin: &str) -> Checkpoint {
        Checkpoint::new(origin, self.file.size(), self.root).unwrap()
    }

    pub(crate) fn note(&self) -> Note {
        let checkpoint = self.checkpoint(RUN);
        checkpoint.sign(&log_key(1), &secret(1)).unwrap()
    }

    fn issue(&mut self, index: u64, opening: &Opening) -> String {
        let note = self.note();
        let proofs = self.file.prove(&[index]).unwrap();
        let path = proofs.inclusions[0].clone();
        receipt::issue(opening, index, path, note).to_string()
    }

    /// The receipt of the record with this number.
    pub(crate) fn record(&mut self, number: i64) -> String {
        let (_, target) = fate(number);
        let mut encoder = records(target);
        let found = receipt::find_record(&mut self.file, &mut encoder, &key(number)).unwrap();
        self.issue(found[0].index, &found[0].opening)
    }

    /// The receipt of the person with this id.
    pub(crate) fn person(&mut self, id: i64) -> String {
        let mut encoder = persons();
        let id = Value::Int(id);
        let found = receipt::find_subject(&mut self.file, &mut encoder, &id, 0).unwrap();
        self.issue(found[0].index, &found[0].opening)
    }

    /// What kigen says.
    pub(crate) fn ours(&self, text: &str) -> Result<receipt::Proven, receipt::ReceiptError> {
        receipt::verify(text, &[log_key(1)], Heads::DEFAULT)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// What the script says.
    pub(crate) fn script(&self, options: &[&str], receipt: &[u8], rest: &[&Path]) -> Output {
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/auditor/verify_receipt.sh");
        let receipt = self.write("record.tlog-proof", receipt);
        Command::new("bash")
            .arg(script)
            .args(options)
            .arg(receipt)
            .args(rest)
            .output()
            .unwrap()
    }

    pub(crate) fn pem(&self, seed: u8) -> PathBuf {
        self.folder.path().join(format!("log{seed}.pem"))
    }
}

/// What became of a record, and in which target.
fn fate(number: i64) -> (Action, u16) {
    match number % 4 {
        0 | 1 => (Action::RowDeleted, 0),
        2 => (Action::Held, 0),
        _ => (Action::Pseudonymized, 1),
    }
}

fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(text).unwrap()
}

#[test]
fn the_script_says_in_sentences_what_a_receipt_proves() {
    let mut scene = Scene::new();
    for (number, became) in [
        (
            4,
            "What became of it: deleted (action 1, target 0 of the certificate).",
        ),
        (
            6,
            "What became of it: due, but held: not removed (action 6, target 0 of the certificate).",
        ),
        (
            7,
            "What became of it: pseudonymized (action 2, target 1 of the certificate).",
        ),
    ] {
        let text = scene.record(number);
        let proven = scene.ours(&text).unwrap();
        let output = scene.script(&[], text.as_bytes(), &[&scene.pem(1)]);
        assert!(output.status.success(), "{}", said(&output));
        let expected = format!(
            "The log `{LOG}` has signed the tree of the run `0193536c-5a00-7000-8000-000000000001`, which has 123 leaves.\n\
             Leaf {} of this tree stands for a record of the client `own` in `public.exam_attempt` of the store `lms`, \
             with the key course_id = JP-101 情報倫理, learner_id = {}.\n{became}\n",
            proven.index,
            1_000_000 + number
        );
        assert_eq!(said(&output), expected);
    }
    let text = scene.person(2);
    let index = scene.ours(&text).unwrap().index;
    let output = scene.script(&[], text.as_bytes(), &[&scene.pem(1)]);
    let said = said(&output);
    let expected = format!(
        "Leaf {index} of this tree stands for 14 records of the learner 2 of the client `own`."
    );
    assert!(
        output.status.success() && said.contains(&expected),
        "{said}"
    );
}

#[test]
fn the_script_of_the_design_accepts_the_same_receipt() {
    let name = "shared/design/evidence/verify_receipt.sh";
    let mut places = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let Some(script) = places.find_map(|place| Some(place.join(name)).filter(|path| path.exists()))
    else {
        eprintln!("skipped: {name} is in no folder above this one");
        return;
    };
    let mut scene = Scene::new();
    for (number, head) in [(4, "01010000"), (6, "01060000"), (7, "01020001")] {
        let text = scene.record(number);
        let receipt = scene.write("record.tlog-proof", text.as_bytes());
        let run = |head: &str| {
            let mut command = Command::new("bash");
            command.arg(&script).arg(&receipt).arg(scene.pem(1));
            command.arg(head).output().unwrap()
        };
        let output = run(head);
        assert!(output.status.success(), "{}", said(&output));
        assert!(said(&output).contains("of 123 under certs.example.com/own/run/"));
        assert!(!run("01030000").status.success());
    }
}

#[test]
fn a_receipt_is_compared_with_the_certificate_on_demand() {
    let mut scene = Scene::new();
    let text = scene.record(4);
    let checkpoint = scene.checkpoint(RUN).to_string();
    let escaped = checkpoint.replace('\n', "\\n");
    let own = scene.write(
        "own.json",
        format!("{{\"runCheckpoint\":\"{escaped}\"}}").as_bytes(),
    );
    let other = escaped.replace("123", "124");
    let other = scene.write(
        "other.json",
        format!("{{\"runCheckpoint\":\"{other}\"}}").as_bytes(),
    );
    let pem = scene.pem(1);
    let output = scene.script(&[], text.as_bytes(), &[&pem, &own]);
    assert!(said(&output).ends_with("names.\n"), "{}", said(&output));
    let output = scene.script(&[], text.as_bytes(), &[&pem, &other]);
    assert!(said(&output).contains("belongs to another certificate"));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn only_the_targets_that_are_asked_for_are_tried() {
    let mut scene = Scene::new();
    let text = scene.record(7);
    let pem = scene.pem(1);
    let output = scene.script(&["--targets", "1"], text.as_bytes(), &[&pem]);
    assert!(
        said(&output).contains("is not in the tree"),
        "{}",
        said(&output)
    );
    let output = scene.script(&["--targets", "2"], text.as_bytes(), &[&pem]);
    assert!(output.status.success(), "{}", said(&output));
    for wrong in [&["--targets", "0"][..], &["--targets", "x"], &["--other"]] {
        let output = scene.script(wrong, text.as_bytes(), &[&pem]);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let mut scene = Scene::new();
    let text = scene.record(4);
    let nothing = scene.folder.path().join("nothing.pem");
    let output = scene.script(&[], text.as_bytes(), &[&nothing]);
    assert!(said(&output).contains("nothing.pem` cannot be read"));
    let no_key = scene.write("no-key.pem", b"-----BEGIN PUBLIC KEY-----\n");
    let output = scene.script(&[], text.as_bytes(), &[&no_key]);
    assert!(said(&output).contains("no-key.pem` is no public key"));
    assert_eq!(output.status.code(), Some(1));
}
