//! Policies, and checkpoints that satisfy them or do not.

use ed25519_dalek::SigningKey;

use crate::log::checkpoint::Checkpoint;
use crate::log::cosignature;
use crate::log::note::{Note, NoteError};
use crate::log::vkey::{KeyType, NoteKey};

use super::{Policy, PolicyProblem, PolicyRefusal};

const ORIGIN: &str = "certs.example.com/own";

fn secret(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn log(seed: u8) -> NoteKey {
    NoteKey::new(ORIGIN, KeyType::Note, secret(seed).verifying_key()).unwrap()
}

fn witness(seed: u8) -> NoteKey {
    let name = format!("witness{seed}.example.jp");
    NoteKey::new(&name, KeyType::Cosignature, secret(seed).verifying_key()).unwrap()
}

/// The example of the specification: two of the X, one of the Y, both groups.
fn example() -> String {
    let mut file = format!(
        "# 監査人の方針\n\nlog {}  https://certs.example.com/own/ \n",
        log(1)
    );
    for (group, threshold, seeds) in [("X", "2", [11, 12, 13]), ("Y", "any", [21, 22, 23])] {
        let mut members = String::new();
        for seed in seeds {
            file += &format!("\twitness {group}{seed} {}\n", witness(seed));
            members += &format!(" {group}{seed}");
        }
        file += &format!("group {group} {threshold}{members}\n");
    }
    file + "group X-and-Y all X Y\nquorum X-and-Y\n"
}

fn checkpoint(witnesses: &[u8]) -> Note {
    let checkpoint = Checkpoint::new(ORIGIN, 7, [7; 32]).unwrap();
    let mut note = checkpoint.sign(&log(1), &secret(1)).unwrap();
    for seed in witnesses {
        let line = cosignature::sign(
            &checkpoint.to_string(),
            &witness(*seed),
            &secret(*seed),
            1_700_000_000 + u64::from(*seed),
        );
        note.add(line.unwrap()).unwrap();
    }
    note
}

#[test]
fn a_quorum_is_reached_by_enough_witnesses_of_each_group() {
    let policy: Policy = example().parse().unwrap();
    assert_eq!(policy.logs(), [log(1)]);
    assert_eq!(policy.witnesses().count(), 6);
    for (witnesses, is_reached) in [
        (&[11, 12, 21][..], true),
        (&[13, 11, 12, 22, 23], true),
        (&[11, 12], false),
        (&[11, 21, 22, 23], false),
        (&[21, 22, 23], false),
        (&[], false),
        // Strangers do not count.
        (&[11, 31, 32, 21], false),
    ] {
        let accepted = policy.accept(&checkpoint(witnesses));
        assert_eq!(accepted.is_ok(), is_reached, "{witnesses:?}");
    }
    let accepted = policy.accept(&checkpoint(&[21, 12, 11])).unwrap();
    let names: Vec<_> = accepted
        .witnesses
        .iter()
        .map(|witness| (witness.name.as_str(), witness.time))
        .collect();
    let expected = [
        ("X11", 1_700_000_011),
        ("X12", 1_700_000_012),
        ("Y21", 1_700_000_021),
    ];
    assert_eq!(names, expected);
    assert_eq!(accepted.checkpoint.size(), 7);
}

#[test]
fn what_is_missing_is_said() {
    let policy: Policy = example().parse().unwrap();
    let refusal = policy.accept(&checkpoint(&[11])).unwrap_err();
    let expected = "the quorum `X-and-Y` is not reached; cosigned: X11";
    assert_eq!(refusal.to_string(), expected);
    let refusal = policy.accept(&checkpoint(&[])).unwrap_err();
    assert!(refusal.to_string().ends_with("cosigned: nobody"));
}

#[test]
fn no_witness_is_needed_where_the_policy_says_none() {
    let policy: Policy = format!("log {}\nquorum none\n", log(1)).parse().unwrap();
    policy.accept(&checkpoint(&[])).unwrap();
    let one = format!("log {}\nwitness w {}\nquorum w\n", log(1), witness(11));
    let policy: Policy = one.parse().unwrap();
    policy.accept(&checkpoint(&[11])).unwrap();
    assert!(policy.accept(&checkpoint(&[12])).is_err());
}

#[test]
fn witnesses_alone_are_no_log() {
    let file = format!("log {}\nwitness w {}\nquorum w\n", log(2), witness(11));
    let policy: Policy = file.parse().unwrap();
    let refusal = policy.accept(&checkpoint(&[11])).unwrap_err();
    assert_eq!(refusal, PolicyRefusal::NoLog);
}

#[test]
fn a_log_signs_for_itself_only() {
    let policy: Policy = format!("log {}\nquorum none\n", log(1)).parse().unwrap();
    for origin in ["certs.example.com/other", "certs.example.com/own/run/1"] {
        let other = Checkpoint::new(origin, 7, [7; 32]).unwrap();
        let note = other.sign(&log(1), &secret(1)).unwrap();
        let refusal = policy.accept(&note).unwrap_err();
        assert!(matches!(refusal, PolicyRefusal::Origin { .. }), "{refusal}");
    }
    let not_three_lines = Note::sign("certs.example.com/own\n", &log(1), &secret(1)).unwrap();
    let refusal = policy.accept(&not_three_lines).unwrap_err();
    assert!(matches!(refusal, PolicyRefusal::Checkpoint(_)));
}

#[test]
fn a_false_cosignature_refuses_the_checkpoint() {
    let policy: Policy = example().parse().unwrap();
    let good = checkpoint(&[11, 12, 21]).to_string();
    let other = Checkpoint::new(ORIGIN, 8, [7; 32]).unwrap();
    let line = cosignature::sign(&other.to_string(), &witness(13), &secret(13), 1).unwrap();
    let note: Note = format!("{good}{line}\n").parse().unwrap();
    let refusal = policy.accept(&note).unwrap_err();
    assert!(matches!(
        refusal,
        PolicyRefusal::Note(NoteError::SignatureFails { .. })
    ));
}

#[test]
fn what_is_no_policy_is_refused_with_its_line() {
    let (log, w1, w2) = (log(1), witness(11), witness(12));
    let two = format!("witness a {w1}\nwitness b {w2}\n");
    let unknown = |name: &str| PolicyProblem::Unknown(name.to_owned());
    let threshold = |threshold: &str, members| PolicyProblem::Threshold {
        threshold: threshold.to_owned(),
        members,
    };
    let member = PolicyProblem::MemberTwice("a".to_owned());
    let name = |name: &str| PolicyProblem::NameTwice(name.to_owned());
    for (file, line, problem) in [
        (String::new(), 0, PolicyProblem::NoQuorum),
        (format!("log {log}\n"), 0, PolicyProblem::NoQuorum),
        ("quorum none".to_owned(), 0, PolicyProblem::NoLineEnd),
        (
            "quorum none\nquorum none\n".to_owned(),
            2,
            PolicyProblem::QuorumTwice,
        ),
        ("quorum a\n".to_owned(), 1, unknown("a")),
        (format!("quorum a\n{two}"), 1, unknown("a")),
        (
            format!("log {log}\nlog {log}\n"),
            2,
            PolicyProblem::KeyTwice,
        ),
        (format!("{two}witness c {w1}\n"), 3, PolicyProblem::KeyTwice),
        (format!("log {w1}\n"), 1, PolicyProblem::KeyType),
        (format!("witness a {log}\n"), 1, PolicyProblem::KeyType),
        (format!("{two}group g 0 a b\n"), 3, threshold("0", 2)),
        (format!("{two}group g 3 a b\n"), 3, threshold("3", 2)),
        (format!("{two}group g +1 a b\n"), 3, threshold("+1", 2)),
        (format!("{two}group g any\n"), 3, threshold("any", 0)),
        (format!("{two}group g all a a\n"), 3, member.clone()),
        (format!("{two}group g all a b\ngroup h any a\n"), 4, member),
        (format!("{two}group g all g\n"), 3, unknown("g")),
        (format!("{two}group g all none\n"), 3, unknown("none")),
        (format!("{two}group a all b\n"), 3, name("a")),
        (format!("witness none {w1}\n"), 1, name("none")),
        (
            "logs x\n".to_owned(),
            1,
            PolicyProblem::Keyword("logs".to_owned()),
        ),
        (
            "log\n".to_owned(),
            1,
            PolicyProblem::Form("log <vkey> [<url>]"),
        ),
        (
            "log a b c\n".to_owned(),
            1,
            PolicyProblem::Form("log <vkey> [<url>]"),
        ),
        (
            "quorum\n".to_owned(),
            1,
            PolicyProblem::Form("quorum <name>|none"),
        ),
        ("# \u{7}\n".to_owned(), 1, PolicyProblem::ControlCharacter),
        (
            "quorum none\r\nlog\n".to_owned(),
            1,
            PolicyProblem::ControlCharacter,
        ),
    ] {
        let error = file.parse::<Policy>().unwrap_err();
        assert_eq!((error.line, error.problem), (line, problem), "{file}");
    }
}
