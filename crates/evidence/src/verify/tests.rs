//! A certificate that is true is found true; each way of tampering is found, and named.

use std::io::{self, Read};

use ed25519_dalek::SigningKey;
use serde_json::Value;

use crate::dsse;
use crate::leaf::Leaf;
use crate::sample;
use crate::statement::Statement;

use super::{Verification, verify};

fn envelope(statement: &Statement) -> Vec<u8> {
    dsse::sign(&statement.to_payload().unwrap(), &sample::signing_key()).unwrap()
}

fn check(envelope: &[u8], leaves: &[u8]) -> Verification {
    verify(envelope, leaves, &[sample::signing_key().verifying_key()]).unwrap()
}

/// The sentences of the checks that failed.
fn failures(verification: &Verification) -> Vec<String> {
    let failed = verification
        .findings
        .iter()
        .filter(|finding| !finding.holds());
    failed.map(ToString::to_string).collect()
}

/// Checks other leaves under the unaltered certificate.
fn failures_of_leaves(leaves: &[Leaf]) -> Vec<String> {
    let statement = sample::statement(&sample::leaves());
    failures(&check(&envelope(&statement), &sample::file(leaves)))
}

/// Checks a certificate that its own issuer signed, though it is not so.
fn failures_of_statement(alter: impl FnOnce(&mut Statement)) -> Vec<String> {
    let leaves = sample::leaves();
    let mut statement = sample::statement(&leaves);
    alter(&mut statement);
    failures(&check(&envelope(&statement), &sample::file(&leaves)))
}

const DIGEST: &str = "`leaves.bin` does not have the digest that the certificate names";
const ROOT: &str = "the tree of the leaves does not have the certified root";
const NO_SIGNATURE: &str =
    "the signature does not hold: no signature in the envelope holds under a key that was given";

#[test]
fn a_true_certificate_holds_in_every_point() {
    let leaves = sample::leaves();
    let statement = sample::statement(&leaves);
    let verification = check(&envelope(&statement), &sample::file(&leaves));
    assert!(verification.holds());
    assert_eq!(verification.statement, Some(statement));
    let sentences: Vec<String> = verification
        .findings
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        sentences,
        [
            "the signature holds under the key `34750f98bd59fcfc`",
            "the certificate does not contradict itself",
            "`leaves.bin` has the digest that the certificate names",
            "`leaves.bin` holds 48 leaves in ascending order, each once",
            "the leaves are as many as the certificate counts, for each target and action: 45 of records, 3 of persons",
            "the tree of the leaves has the certified root",
        ]
    );
}

#[test]
fn a_certificate_of_nothing_holds() {
    let statement = sample::statement(&[]);
    assert!(check(&envelope(&statement), &[]).holds());
}

#[test]
fn an_altered_payload_is_found_before_anything_of_it_is_read() {
    let leaves = sample::leaves();
    let mut file: Value = serde_json::from_slice(&envelope(&sample::statement(&leaves))).unwrap();
    let other = envelope(&sample::statement(&leaves[1..]));
    let other: Value = serde_json::from_slice(&other).unwrap();
    file["payload"] = other["payload"].clone();
    let verification = check(file.to_string().as_bytes(), &sample::file(&leaves));
    assert_eq!(failures(&verification), [NO_SIGNATURE]);
    assert_eq!(verification.findings.len(), 1);
    assert_eq!(verification.statement, None);
    assert!(!verification.holds());
}

#[test]
fn counts_changed_and_signed_by_another_key_are_found() {
    let leaves = sample::leaves();
    let mut statement = sample::statement(&leaves);
    statement.predicate.targets[0].counts.deleted -= 1;
    let payload = statement.to_payload().unwrap();
    let forged = dsse::sign(&payload, &SigningKey::from_bytes(&[2; 32])).unwrap();
    let verification = check(&forged, &sample::file(&leaves));
    assert_eq!(failures(&verification), [NO_SIGNATURE]);
}

#[test]
fn a_certificate_checked_with_another_key_does_not_hold() {
    let leaves = sample::leaves();
    let file = envelope(&sample::statement(&leaves));
    let other = SigningKey::from_bytes(&[2; 32]).verifying_key();
    let verification = verify(&file, sample::file(&leaves).as_slice(), &[other]).unwrap();
    assert_eq!(failures(&verification), [NO_SIGNATURE]);
}

#[test]
fn an_altered_leaf_is_found() {
    let leaves = sample::leaves();
    let mut bytes = *leaves[0].as_bytes();
    bytes[35] ^= 1;
    let altered: Vec<Leaf> = [Leaf::from_bytes(bytes)]
        .into_iter()
        .chain(leaves[1..].iter().copied())
        .collect();
    assert_eq!(failures_of_leaves(&altered), [DIGEST, ROOT]);
}

#[test]
fn a_dropped_leaf_is_found() {
    let leaves = sample::leaves();
    assert_eq!(
        failures_of_leaves(&leaves[1..]),
        [
            DIGEST,
            "target 0: the certificate counts 30 `deleted`, `leaves.bin` holds 29",
            ROOT
        ]
    );
}

#[test]
fn reordered_leaves_are_found() {
    let mut leaves = sample::leaves();
    leaves.swap(3, 4);
    assert_eq!(
        failures_of_leaves(&leaves),
        [DIGEST, "leaf 4 of `leaves.bin` is out of order", ROOT]
    );
}

#[test]
fn a_leaf_that_stands_there_twice_is_found_even_if_it_was_certified() {
    let mut leaves = sample::leaves();
    leaves.insert(5, leaves[5]);
    let statement = sample::statement(&leaves);
    let verification = check(&envelope(&statement), &sample::file(&leaves));
    assert_eq!(
        failures(&verification),
        ["leaf 6 of `leaves.bin` stands there twice"]
    );
}

#[test]
fn a_leaf_of_a_target_that_there_is_not_is_found() {
    let mut leaves = sample::leaves();
    let mut bytes = *leaves[47].as_bytes();
    bytes[2] = 0xff;
    leaves[47] = Leaf::from_bytes(bytes);
    let found = failures_of_leaves(&leaves);
    assert_eq!(
        found[1],
        "1 leaves belong to no target and action of the certificate"
    );
}

#[test]
fn a_file_that_does_not_end_with_a_whole_leaf_is_found() {
    let leaves = sample::leaves();
    let file = envelope(&sample::statement(&leaves));
    let mut bytes = sample::file(&leaves);
    bytes.extend_from_slice(b"rest");
    assert_eq!(
        failures(&check(&file, &bytes)),
        [
            "`leaves.bin` does not end with a whole leaf: 4 bytes are left over",
            DIGEST
        ]
    );
}

#[test]
fn false_counts_of_the_issuer_are_found_in_the_leaves() {
    let found = failures_of_statement(|statement| {
        statement.predicate.targets[0].counts.deleted -= 1;
        statement.predicate.targets[0].counts.held += 1;
    });
    assert_eq!(
        found,
        [
            "target 0: the certificate counts 29 `deleted`, `leaves.bin` holds 30",
            "target 0: the certificate counts 1 `held`, `leaves.bin` holds 0",
        ]
    );
}

#[test]
fn a_certificate_that_contradicts_itself_is_found() {
    let found = failures_of_statement(|statement| {
        let predicate = &mut statement.predicate;
        predicate.evidence.leaves.record += 1;
        predicate.evidence.leaves.subject += 1;
        predicate.targets.swap(0, 1);
        predicate.certificate_id.push('x');
        predicate.period.sealed_at = predicate.period.started_at;
    });
    let said = "the certificate contradicts itself";
    assert_eq!(
        found,
        [
            format!("{said}: the target at place 1 is not in the order of the indexes"),
            format!("{said}: it states 46 record leaves, but its targets count 45"),
            format!("{said}: its run checkpoint has another size than its leaves"),
            format!("{said}: its run checkpoint belongs to another certificate"),
            format!("{said}: the run ended before it started, or was sealed before it ended"),
            "the certificate counts 4 subject leaves, `leaves.bin` holds 3".to_owned(),
        ]
    );
}

#[test]
fn a_day_after_the_beginning_of_the_run_is_found_by_the_runs_own_zone() {
    // The sample's run began on 2026-11-22 at 00:00 UTC.
    let found = |zone: &str, as_of: &str| {
        failures_of_statement(|statement| {
            let run = &mut statement.predicate.run;
            run.time_zone = zone.to_owned();
            run.as_of = as_of.parse().unwrap();
        })
    };
    for (zone, as_of) in [
        ("Asia/Tokyo", "2026-11-22"),
        ("America/New_York", "2026-11-21"),
        ("Pacific/Kiritimati", "2026-11-22"),
        ("Asia/Tokyo", "2020-01-01"),
        ("Nowhere/Unknown", "2026-11-22"),
    ] {
        assert!(found(zone, as_of).is_empty(), "{zone} {as_of}");
    }
    for (zone, as_of) in [
        ("Asia/Tokyo", "2026-11-23"),
        ("America/New_York", "2026-11-22"),
        ("Nowhere/Unknown", "2026-11-23"),
        ("Asia/Tokyo", "2099-01-01"),
    ] {
        let found = found(zone, as_of);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].contains(&format!("decided for {as_of}")),
            "{found:?}"
        );
    }
}

#[test]
fn targets_of_other_clients_may_be_left_out_but_then_they_have_no_leaf() {
    let mut leaves = sample::leaves();
    let found = failures_of_statement(|statement| {
        statement.predicate.targets.remove(0);
        statement.predicate.evidence.leaves.record = 10;
    });
    assert!(
        found.contains(
            &"target 0: the certificate counts 0 `deleted`, `leaves.bin` holds 30".to_owned()
        ),
        "{found:?}"
    );
    leaves.retain(|leaf| leaf.head().is_some_and(|head| head.target == 1));
    let mut statement = sample::statement(&leaves);
    statement.predicate.targets.remove(0);
    let verification = check(&envelope(&statement), &sample::file(&leaves));
    assert_eq!(failures(&verification), Vec::<String>::new());
}

#[test]
fn a_digest_or_a_root_of_other_leaves_is_found() {
    let other = sample::statement(&sample::leaves()[1..]);
    let digest = failures_of_statement(|statement| {
        *sample::artifact(statement) = other.subject[0].clone();
    });
    assert_eq!(digest, [DIGEST]);
    let root = failures_of_statement(|statement| {
        statement.predicate.evidence.run_checkpoint =
            other.predicate.evidence.run_checkpoint.clone();
        statement.predicate.evidence.leaves.subject -= 1;
    });
    assert!(root.contains(&ROOT.to_owned()), "{root:?}");
}

#[test]
fn signed_bytes_that_are_no_certificate_are_found() {
    let file = dsse::sign(b"{\"a\":1}", &sample::signing_key()).unwrap();
    let found = failures(&check(&file, &[]));
    let start = "the signed bytes are no deletion certificate of version 1: unknown field `a`";
    assert!(found[0].starts_with(start), "{found:?}");
}

/// Gives the bytes in pieces of changing length, as a network would.
struct Dribble<'a>(&'a [u8], usize);

impl Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 = self.1 % 50 + 1;
        let piece = self.1.min(self.0.len());
        self.0
            .take(piece as u64)
            .read(buffer)
            .inspect(|read| self.0 = &self.0[*read..])
    }
}

#[test]
fn leaves_that_come_in_pieces_are_the_same_leaves() {
    let leaves = sample::leaves();
    let file = envelope(&sample::statement(&leaves));
    let bytes = sample::file(&leaves);
    let key = sample::signing_key().verifying_key();
    assert!(verify(&file, Dribble(&bytes, 0), &[key]).unwrap().holds());
}

#[test]
fn leaves_beyond_one_reading_are_folded_in_order() {
    let leaves: Vec<Leaf> = (0..4_000_u32)
        .map(|number| {
            let mut bytes = [0; 36];
            bytes[..4].copy_from_slice(&[1, 1, 0, 0]);
            bytes[32..].copy_from_slice(&number.to_be_bytes());
            Leaf::from_bytes(bytes)
        })
        .collect();
    let file = envelope(&sample::statement(&leaves));
    assert!(check(&file, &sample::file(&leaves)).holds());
}
