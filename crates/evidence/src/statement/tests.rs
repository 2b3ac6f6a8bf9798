//! The bytes of a certificate, and what cannot stand in one.

use serde_json::Value;

use crate::dsse;
use crate::leaf::Action;
use crate::sample;

use super::{
    CheckpointError, Counts, LONGEST_PAYLOAD, MethodClass, Numbers, RunCheckpoint, Statement,
    StatementError, Technique,
};

fn read(payload: &[u8]) -> Result<Statement, StatementError> {
    let key = sample::signing_key();
    let envelope = dsse::sign(payload, &key).unwrap();
    Statement::read(&dsse::verify(&envelope, &[key.verifying_key()]).unwrap())
}

fn payload() -> String {
    let statement = sample::statement(&sample::leaves());
    String::from_utf8(statement.to_payload().unwrap()).unwrap()
}

/// Why a certificate is not read in which `from` was replaced by `to`.
fn refusal(from: &str, to: &str) -> String {
    let payload = payload();
    assert!(payload.contains(from), "{from}");
    read(payload.replacen(from, to, 1).as_bytes())
        .unwrap_err()
        .to_string()
}

#[test]
fn a_certificate_comes_back_from_its_bytes_and_gives_the_same_bytes() {
    let statement = sample::statement(&sample::leaves());
    let bytes = statement.to_payload().unwrap();
    let back = read(&bytes).unwrap();
    assert_eq!(back, statement);
    assert_eq!(back.to_payload().unwrap(), bytes);
}

#[test]
fn the_fields_stand_in_their_order() {
    let value: Value = serde_json::from_str(&payload()).unwrap();
    let keys =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(
        keys(&value),
        ["_type", "subject", "predicateType", "predicate"]
    );
    let predicate = &value["predicate"];
    assert_eq!(
        keys(predicate),
        [
            "certificateId",
            "kind",
            "status",
            "issuer",
            "controller",
            "trigger",
            "run",
            "period",
            "targets",
            "clauses",
            "residuals",
            "evidence"
        ]
    );
    assert_eq!(
        keys(&predicate["targets"][0]),
        [
            "index",
            "job",
            "stage",
            "store",
            "object",
            "dataCategories",
            "rule",
            "method",
            "counts",
            "repeated",
            "endedBy",
            "retained",
            "verification"
        ]
    );
    assert_eq!(
        keys(&predicate["evidence"]),
        [
            "tree",
            "leafFormat",
            "leaves",
            "runCheckpoint",
            "evidenceKey"
        ]
    );
}

#[test]
fn the_fixed_words_are_those_of_the_design() {
    let value: Value = serde_json::from_str(&payload()).unwrap();
    let predicate = &value["predicate"];
    let words = [
        (&value["_type"], "https://in-toto.io/Statement/v1"),
        (&value["subject"][0]["name"], "leaves.bin"),
        (&value["predicateType"], "urn:kigen:deletion-certificate:v1"),
        (&predicate["kind"], "deletion"),
        (&predicate["status"], "complete"),
        (&predicate["trigger"], "scheduled-retention"),
        (&predicate["run"]["asOf"], "2026-11-22"),
        (
            &predicate["period"]["finishedAt"],
            "2026-11-22T01:02:03.000456Z",
        ),
        (
            &predicate["targets"][0]["method"]["class"],
            "logical-delete",
        ),
        (&predicate["evidence"]["tree"], "rfc6962-sha256"),
        (&predicate["evidence"]["leafFormat"], "urn:kigen:leaf:v1"),
        (
            &predicate["residuals"][0]["where"],
            "データベースのバックアップ",
        ),
    ];
    for (found, expected) in words {
        assert_eq!(found, expected);
    }
}

#[test]
fn no_certificate_claims_the_effect_of_sanitizing_a_medium() {
    let mut statement = sample::statement(&sample::leaves());
    for class in MethodClass::ALL {
        for technique in Technique::ALL {
            let method = &mut statement.predicate.targets[0].method;
            (method.class, method.technique) = (class, technique);
            let payload = String::from_utf8(statement.to_payload().unwrap()).unwrap();
            assert!(!payload.contains("Purge") && !payload.contains("purge"));
            // The one key that has the word speaks of a key, not of data.
            let rest = payload.replace("\"destroyAfter\":", "").to_lowercase();
            assert!(!rest.contains("destroy"), "{rest}");
            assert!(!rest.contains("sanitiz"), "{rest}");
        }
    }
}

#[test]
fn a_certificate_has_integers_only() {
    fn walk(value: &Value) {
        match value {
            Value::Number(number) => assert!(number.is_u64(), "{number}"),
            Value::Array(values) => values.iter().for_each(walk),
            Value::Object(fields) => fields.values().for_each(walk),
            Value::Null => panic!("an absent field is left out"),
            Value::Bool(_) | Value::String(_) => {}
        }
    }
    walk(&serde_json::from_str(&payload()).unwrap());
}

#[test]
fn unknown_and_repeated_keys_do_not_load() {
    let unknown = refusal("\"stage\":", "\"note\":1,\"stage\":");
    assert!(unknown.contains("unknown field `note`"), "{unknown}");
    let twice = refusal("\"stage\":", "\"stage\":\"x\",\"stage\":");
    assert!(twice.contains("duplicate field `stage`"), "{twice}");
    let named = refusal("\"course\":30", "\"course\":30,\"course\":31");
    assert!(named.contains("`course` stands there twice"), "{named}");
    let counts = refusal("\"held\":0", "\"held\":0,\"kept\":0");
    assert!(counts.contains("unknown field `kept`"), "{counts}");
}

#[test]
fn a_certificate_of_another_format_does_not_load() {
    for (from, to) in [
        ("Statement/v1", "Statement/v2"),
        ("deletion-certificate:v1", "deletion-certificate:v2"),
        ("kigen:leaf:v1", "kigen:leaf:v2"),
        ("rfc6962-sha256", "rfc6962-sha512"),
        ("\"logical-delete\"", "\"media-erase\""),
        ("\"held\":0", "\"held\":0.5"),
        ("\"held\":0", "\"held\":-1"),
        ("\"2026-11-22T00:00:00Z\"", "\"2026-11-22T09:00:00+09:00\""),
        ("\"2026-11-22T00:00:00Z\"", "\"2026-11-22T00:00:00.000Z\""),
        ("\"2026-11-22\"", "\"2026-11-31\""),
    ] {
        let refusal = refusal(from, to);
        let start = "the signed bytes are no deletion certificate of version 1: ";
        assert!(refusal.starts_with(start), "{refusal}");
    }
}

#[test]
fn times_are_written_to_the_microsecond() {
    let mut statement = sample::statement(&sample::leaves());
    statement.predicate.period.started_at = "2026-11-22T00:00:00.123456789Z".parse().unwrap();
    let payload = String::from_utf8(statement.to_payload().unwrap()).unwrap();
    assert!(payload.contains("\"startedAt\":\"2026-11-22T00:00:00.123456Z\""));
    read(payload.as_bytes()).unwrap();
}

#[test]
fn a_certificate_too_long_for_a_log_entry_is_not_written() {
    let mut statement = sample::statement(&sample::leaves());
    let target = statement.predicate.targets[0].clone();
    statement.predicate.targets = vec![target; 100];
    let error = statement.to_payload().unwrap_err();
    assert!(matches!(error, StatementError::TooLong(length) if length > LONGEST_PAYLOAD));
}

#[test]
fn a_run_checkpoint_has_three_lines_and_one_way_of_writing() {
    let checkpoint = RunCheckpoint::new("certs.example.com/own", "id-1", 1001, [0xfb; 32]).unwrap();
    let text =
        "certs.example.com/own/run/id-1\n1001\n+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=\n";
    assert_eq!(checkpoint.to_string(), text);
    assert_eq!(text.parse::<RunCheckpoint>().unwrap(), checkpoint);
    assert!(checkpoint.belongs_to("id-1"));
    assert!(!checkpoint.belongs_to("d-1"));
    for other in [
        text.replace("1001", "01001"),
        text.replace("1001", "+1001"),
        text.replace('+', "-"),
        format!("{text}extension\n"),
        text.trim_end().to_owned(),
        text.replace('\n', "\r\n"),
        String::new(),
    ] {
        assert!(other.parse::<RunCheckpoint>().is_err(), "{other:?}");
    }
    let error = RunCheckpoint::new("two\nlines", "id-1", 0, [0; 32]).unwrap_err();
    assert_eq!(error, CheckpointError::Origin);
}

#[test]
fn numbers_of_one_name_are_added_and_stand_in_the_order_of_names() {
    let numbers: Numbers = [("b", 1), ("a", 2), ("b", 3)]
        .into_iter()
        .map(|(name, number)| (name.to_owned(), number))
        .collect();
    assert_eq!(numbers.iter().collect::<Vec<_>>(), [("a", 2), ("b", 4)]);
    assert_eq!(numbers.total(), Some(6));
    assert_eq!(serde_json::to_string(&numbers).unwrap(), r#"{"a":2,"b":4}"#);
}

#[test]
fn all_counts_are_written_in_the_order_of_the_actions() {
    let text = serde_json::to_string(&Counts::default()).unwrap();
    let names: Vec<String> = Action::ALL
        .into_iter()
        .map(|action| format!("\"{}\":0", action.name()))
        .collect();
    assert_eq!(text, format!("{{{}}}", names.join(",")));
}
