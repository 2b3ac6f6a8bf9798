//! Receipts of the sample run, and what does not pass for one.

use std::io::Cursor;

use crate::leaf::{Action, Disclosed, Leaf, RecordEncoder, RecordPlace, RunKey, SubjectEncoder};
use crate::leaves::LeafFile;
use crate::log::checkpoint::Checkpoint;
use crate::log::cosignature;
use crate::log::vkey::{KeyType, NoteKey};
use crate::sample;
use crate::value::Value;

use super::{FoundLeaf, Heads, ReceiptError, find_record, find_subject, issue, verify};

type File = LeafFile<Cursor<Vec<u8>>>;

fn log() -> NoteKey {
    let key = sample::signing_key().verifying_key();
    NoteKey::new("certs.example.com/own", KeyType::Note, key).unwrap()
}

fn file(leaves: &[Leaf]) -> File {
    LeafFile::open(Cursor::new(sample::file(leaves))).unwrap()
}

fn run_key() -> RunKey {
    RunKey::from_bytes([7; 32])
}

fn records(target: u16) -> RecordEncoder {
    let place = RecordPlace {
        client: "own",
        store: "lms",
        object: "public.exam_attempt",
    };
    RecordEncoder::new(&run_key(), place, &["attempt_id"], target).unwrap()
}

fn subjects() -> SubjectEncoder {
    SubjectEncoder::new(&run_key(), "own", "learner").unwrap()
}

fn receipt(file: &mut File, found: &FoundLeaf) -> String {
    let statement = sample::statement(&sample::leaves());
    let checkpoint = statement.predicate.evidence.run_checkpoint;
    let note = checkpoint
        .as_checkpoint()
        .sign(&log(), &sample::signing_key())
        .unwrap();
    let proofs = file.prove(&[found.index]).unwrap();
    issue(
        &found.opening,
        found.index,
        proofs.inclusions[0].clone(),
        note,
    )
    .to_string()
}

#[test]
fn every_record_of_the_run_has_a_receipt_that_holds() {
    let leaves = sample::leaves();
    let mut file = file(&leaves);
    let statement = sample::statement(&leaves);
    for number in 0..45 {
        let (target, action) = match number {
            0..30 => (0, Action::RowDeleted),
            30..35 => (0, Action::AlreadyAbsent),
            _ => (1, Action::Pseudonymized),
        };
        let key = [Value::Int(number)];
        let found = find_record(&mut file, &mut records(target), &key).unwrap();
        assert_eq!(found.len(), 1);
        let text = receipt(&mut file, &found[0]);
        let proven = verify(&text, &[log()], Heads::DEFAULT).unwrap();
        assert_eq!((proven.head.action, proven.head.target), (action, target));
        assert_eq!(proven.leaf(), leaves[proven.index as usize]);
        assert!(proven.belongs_to(&statement));
        let Disclosed::Record(record) = proven.opening.disclosed() else {
            panic!("not a record");
        };
        assert!(record.key == [("attempt_id".to_owned(), Value::Int(number))]);
        verify(&text, &[log()], Heads::One(action, target)).unwrap();
        let other = Heads::One(Action::Held, target);
        let error = verify(&text, &[log()], other).unwrap_err();
        assert_eq!(error, ReceiptError::NotIncluded);
        let none = verify(&text, &[log()], Heads::Below(target)).unwrap_err();
        assert_eq!(none, ReceiptError::NotIncluded);
    }
}

#[test]
fn every_person_of_the_run_has_a_receipt_that_holds() {
    let mut file = file(&sample::leaves());
    for (id, action, target) in [
        (1, Action::RowDeleted, 0),
        (2, Action::RowDeleted, 0),
        (3, Action::Pseudonymized, 1),
    ] {
        let found = find_subject(&mut file, &mut subjects(), &Value::Int(id), target).unwrap();
        assert_eq!(found.len(), 1);
        let text = receipt(&mut file, &found[0]);
        let proven = verify(&text, &[log()], Heads::DEFAULT).unwrap();
        assert_eq!((proven.head.action, proven.head.target), (action, target));
        let Disclosed::Subject(subject) = proven.opening.disclosed() else {
            panic!("not a person");
        };
        assert!(subject.id == Value::Int(id) && subject.count == 10);
    }
}

#[test]
fn what_was_not_removed_is_not_found() {
    let mut file = file(&sample::leaves());
    let found = |file: &mut File, target, id| {
        find_record(file, &mut records(target), &[Value::Int(id)]).unwrap()
    };
    assert!(found(&mut file, 0, 45).is_empty());
    assert!(found(&mut file, 1, 0).is_empty());
    let person = find_subject(&mut file, &mut subjects(), &Value::Int(4), 0).unwrap();
    assert!(person.is_empty());
    let text = Value::Text("1".to_owned());
    let person = find_subject(&mut file, &mut subjects(), &text, 0).unwrap();
    assert!(person.is_empty());
}

#[test]
fn a_key_that_went_twice_has_two_leaves() {
    let mut encoder = records(0);
    let key = [Value::Int(7)];
    let mut leaves = sample::leaves();
    leaves.push(encoder.leaf(Action::RowDeleted, &key, 1).unwrap());
    leaves.push(encoder.leaf(Action::Held, &key, 0).unwrap());
    leaves.sort_unstable();
    let found = find_record(&mut file(&leaves), &mut encoder, &key).unwrap();
    let actions: Vec<Action> = found.iter().map(|found| found.action).collect();
    let expected = [Action::RowDeleted, Action::RowDeleted, Action::Held];
    assert_eq!(actions, expected);
}

#[test]
fn only_a_run_of_the_log_that_signed_counts() {
    let mut file = file(&sample::leaves());
    let found = find_record(&mut file, &mut records(0), &[Value::Int(7)]).unwrap();
    let text = receipt(&mut file, &found[0]);
    let folded = sample::fold(&sample::leaves());
    for origin in [
        "certs.example.com/own",
        "certs.example.com/own/run/",
        "certs.example.com/other/run/1",
        "certs.example.com/own2/run/1",
    ] {
        let checkpoint = Checkpoint::new(origin, folded.size, folded.root).unwrap();
        let note = checkpoint.sign(&log(), &sample::signing_key()).unwrap();
        let (start, _) = text.split_once("\n\n").unwrap();
        let error = verify(&format!("{start}\n\n{note}"), &[log()], Heads::DEFAULT).unwrap_err();
        assert!(matches!(error, ReceiptError::Origin { .. }), "{error}");
    }
    // A witness alone makes no receipt.
    let secret = sample::signing_key();
    let name = "certs.example.com/own";
    let key = NoteKey::new(name, KeyType::Cosignature, secret.verifying_key()).unwrap();
    let checkpoint = Checkpoint::new("certs.example.com/own/run/1", folded.size, folded.root);
    let checkpoint = checkpoint.unwrap().to_string();
    let line = cosignature::sign(&checkpoint, &key, &secret, 1).unwrap();
    let (start, _) = text.split_once("\n\n").unwrap();
    let only_witness = format!("{start}\n\n{checkpoint}\n{line}\n");
    let error = verify(&only_witness, &[key], Heads::DEFAULT).unwrap_err();
    assert!(matches!(error, ReceiptError::Origin { .. }), "{error}");
}

#[test]
fn a_receipt_of_another_certificate_does_not_belong() {
    let mut file = file(&sample::leaves());
    let found = find_record(&mut file, &mut records(0), &[Value::Int(7)]).unwrap();
    let text = receipt(&mut file, &found[0]);
    let proven = verify(&text, &[log()], Heads::DEFAULT).unwrap();
    let mut statement = sample::statement(&sample::leaves());
    statement.predicate.targets.remove(0);
    assert!(!proven.belongs_to(&statement));
    let other = sample::statement(&sample::leaves()[1..]);
    assert!(!proven.belongs_to(&other));
}
