//! Entries: their bytes, and what cannot stand in one.

use ed25519_dalek::SigningKey;
use serde_json::Value;

use crate::digest::Sha256;
use crate::log::vkey::{KeyType, NoteKey};
use crate::sample;
use crate::statement::{EntryPlace, LogPlace};

use super::{
    Abort, AbortReason, Entry, EntryError, KeyRole, KeyRotation, Noop, NoopKind, Plan,
    PlannedLimit, PlannedTarget, Predicate, Resumption, RotatedKey, Suspension, SuspensionReason,
    to_payload,
};

const HEAD: &str = "certs.example.com/own\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";

fn place() -> LogPlace {
    LogPlace {
        origin: "certs.example.com/own".to_owned(),
        index: 0,
        previous_checkpoint: HEAD.to_owned(),
        plan: None,
    }
}

fn other() -> EntryPlace {
    EntryPlace {
        index: 3,
        payload_sha256: Sha256::of(b"entry 3"),
    }
}

fn plan() -> Plan {
    let predicate = sample::statement(&sample::leaves()).predicate;
    let targets = predicate.targets.into_iter().map(|target| PlannedTarget {
        index: target.index,
        job: target.job,
        stage: target.stage,
        store: target.store,
        object: target.object,
        relation: target.relation,
        inspection_sha256: target.inspection_sha256,
        rule: target.rule,
        method: target.method,
        limit: PlannedLimit {
            max_records: 50_000,
            max_percent: "0.5".to_owned(),
            max_persons: 1000,
        },
    });
    Plan {
        log: place(),
        issuer: predicate.issuer,
        controller: predicate.controller,
        trigger: predicate.trigger,
        run: predicate.run,
        recorded_at: "2026-11-22T00:00:00Z".parse().unwrap(),
        like: None,
        targets: targets.collect(),
    }
}

fn abort() -> Abort {
    let plan = plan();
    Abort {
        log: LogPlace {
            plan: Some(other()),
            ..place()
        },
        issuer: plan.issuer,
        controller: plan.controller,
        run: plan.run,
        reason: AbortReason::LimitExceeded,
        recorded_at: plan.recorded_at,
    }
}

fn noop() -> Noop {
    let predicate = sample::statement(&sample::leaves()).predicate;
    Noop {
        certificate_id: predicate.certificate_id,
        kind: NoopKind::Noop,
        log: place(),
        issuer: predicate.issuer,
        controller: predicate.controller,
        trigger: predicate.trigger,
        run: predicate.run,
        period: predicate.period,
    }
}

fn suspension() -> Suspension {
    let plan = plan();
    Suspension {
        log: place(),
        issuer: plan.issuer,
        controller: plan.controller,
        clusters: Some(vec!["exam-history".to_owned()]),
        reason: SuspensionReason::LegalHold,
        review_on: Some("2027-02-01".parse().unwrap()),
        recorded_at: plan.recorded_at,
    }
}

fn resumption() -> Resumption {
    let plan = plan();
    Resumption {
        log: place(),
        issuer: plan.issuer,
        controller: plan.controller,
        suspension: other(),
        recorded_at: plan.recorded_at,
    }
}

fn note_key(seed: u8) -> NoteKey {
    let key = SigningKey::from_bytes(&[seed; 32]).verifying_key();
    NoteKey::new("certs.example.com/own", KeyType::Note, key).unwrap()
}

fn rotation() -> KeyRotation {
    let plan = plan();
    KeyRotation {
        log: place(),
        issuer: plan.issuer,
        controller: plan.controller,
        keys: vec![RotatedKey {
            role: KeyRole::Log,
            retired: Some(note_key(1)),
            introduced: Some(note_key(2)),
        }],
        valid_from: plan.recorded_at,
        recorded_at: plan.recorded_at,
    }
}

fn text<P: Predicate>(predicate: &P) -> String {
    String::from_utf8(to_payload(predicate).unwrap()).unwrap()
}

/// Every kind of entry, its bytes and its type.
fn all() -> Vec<(Entry, String, &'static str)> {
    vec![
        (Entry::Plan(plan()), text(&plan()), "plan"),
        (Entry::Noop(noop()), text(&noop()), "deletion-certificate"),
        (Entry::Abort(abort()), text(&abort()), "abort"),
        (
            Entry::Suspension(suspension()),
            text(&suspension()),
            "suspension",
        ),
        (
            Entry::Resumption(resumption()),
            text(&resumption()),
            "resumption",
        ),
        (
            Entry::KeyRotation(rotation()),
            text(&rotation()),
            "key-rotation",
        ),
    ]
}

#[test]
fn every_entry_comes_back_from_its_bytes() {
    for (entry, payload, name) in all() {
        assert_eq!(Entry::read(payload.as_bytes()).unwrap(), entry);
        let value: Value = serde_json::from_str(&payload).unwrap();
        assert_eq!(value["_type"], "https://in-toto.io/Statement/v1");
        assert_eq!(value["predicateType"], format!("urn:kigen:{name}:v1"));
        assert!(!value["subject"].as_array().unwrap().is_empty(), "{name}");
        assert_eq!(entry.controller().client, "own");
        assert_eq!(entry.place().unwrap().previous_checkpoint, HEAD);
    }
}

#[test]
fn a_certificate_is_an_entry_too() {
    let mut statement = sample::statement(&sample::leaves());
    let payload = statement.to_payload().unwrap();
    let entry = Entry::read(&payload).unwrap();
    assert_eq!(entry.place(), None);
    assert_eq!(entry.at(), statement.predicate.period.sealed_at);
    statement.predicate.log = Some(abort().log);
    let payload = statement.to_payload().unwrap();
    let json: Value = serde_json::from_slice(&payload).unwrap();
    let log = &json["predicate"]["log"];
    assert_eq!(log["plan"]["index"], 3);
    assert_eq!(
        log["plan"]["payloadSha256"],
        other().payload_sha256.to_string()
    );
    let entry = Entry::read(&payload).unwrap();
    assert_eq!(entry, Entry::Certificate(Box::new(statement)));
}

#[test]
fn a_plan_tells_one_client_nothing_about_the_others() {
    let value: Value = serde_json::from_str(&text(&plan())).unwrap();
    let keys =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(
        keys(&value["predicate"]),
        [
            "log",
            "issuer",
            "controller",
            "trigger",
            "run",
            "recordedAt",
            "targets"
        ]
    );
    assert_eq!(
        keys(&value["predicate"]["targets"][0]),
        [
            "index", "job", "stage", "store", "object", "rule", "method", "limit"
        ]
    );
    assert_eq!(
        value["predicate"]["targets"][0]["limit"]["maxPercent"],
        "0.5"
    );
}

#[test]
fn an_entry_names_what_it_is_about() {
    let subject = |payload: String| -> Value {
        let value: Value = serde_json::from_str(&payload).unwrap();
        value["subject"].clone()
    };
    let job = subject(text(&plan()));
    assert_eq!(job.as_array().unwrap().len(), 1);
    assert_eq!(job[0]["name"], "exam-history");
    assert_eq!(
        job[0]["digest"]["sha256"],
        Sha256::of(b"the job's file").to_string()
    );
    let empty = subject(text(&noop()));
    assert_eq!(empty[0]["name"], "leaves.bin");
    assert_eq!(empty[0]["digest"]["sha256"], Sha256::of(b"").to_string());
    let key = note_key(2).to_string();
    assert_eq!(
        subject(text(&rotation()))[1]["digest"]["sha256"],
        Sha256::of(key.as_bytes()).to_string()
    );
}

#[test]
fn an_entry_about_something_else_than_it_says_does_not_load() {
    for (_, payload, name) in all() {
        let mut value: Value = serde_json::from_str(&payload).unwrap();
        value["subject"][0]["digest"]["sha256"] = Sha256::of(b"another").to_string().into();
        let error = Entry::read(value.to_string().as_bytes()).unwrap_err();
        assert!(matches!(error, EntryError::Subject), "{name}: {error}");
    }
}

#[test]
fn unknown_and_repeated_fields_and_types_do_not_load() {
    for (_, payload, name) in all() {
        for (from, to) in [
            ("\"predicate\":{", "\"predicate\":{\"note\":1,"),
            ("\"log\":{", "\"log\":{\"note\":1,"),
            ("\"_type\":", "\"note\":1,\"_type\":"),
            ("\"issuer\":", "\"issuer\":{},\"issuer\":"),
            ("Statement/v1", "Statement/v2"),
            (&format!("urn:kigen:{name}:v1"), "urn:kigen:other:v1"),
            (":00Z\"", ":00+00:00\""),
        ] {
            assert!(payload.contains(from), "{name}: {from}");
            let changed = payload.replacen(from, to, 1);
            let error = Entry::read(changed.as_bytes()).unwrap_err();
            assert!(
                matches!(error, EntryError::Read(_)),
                "{name}: {from}: {error}"
            );
        }
    }
    assert!(Entry::read(b"").is_err());
    assert!(Entry::read(b"{}").is_err());
}

#[test]
fn an_entry_fits_into_a_bundle() {
    let mut long = plan();
    long.targets = vec![long.targets[0].clone(); 200];
    let error = to_payload(&long).unwrap_err();
    assert!(matches!(error, EntryError::TooLong(_)));
    let error = Entry::read(&vec![b' '; 65_536]).unwrap_err();
    assert!(matches!(error, EntryError::TooLong(65_536)));
}
