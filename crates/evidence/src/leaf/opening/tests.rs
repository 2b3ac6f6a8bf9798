//! Openings, and bytes that are none.

use crate::leaf::{Action, Kind, RecordEncoder, RecordPlace, RunKey, SubjectEncoder, subject_leaf};
use crate::value::Value;

use super::{Disclosed, Opening};

fn values() -> Vec<Value> {
    vec![
        Value::Null,
        Value::Bool(false),
        Value::Bool(true),
        Value::Int(i64::MIN),
        Value::Int(0),
        Value::Text(String::new()),
        Value::Text("JP-101 情報倫理".to_owned()),
        Value::Bytes(vec![0, 0xff]),
        Value::Uuid([7; 16]),
        Value::Instant(-1),
        Value::Local("2026-11-22".to_owned()),
        Value::Decimal("-1.50".to_owned()),
    ]
}

fn encoder(columns: &[&str]) -> RecordEncoder {
    let place = RecordPlace {
        client: "own",
        store: "lms",
        object: "public.exam_attempt",
    };
    let key = RunKey::from_bytes([7; 32]);
    RecordEncoder::new(&key, place, columns, 300).unwrap()
}

#[test]
fn an_opened_record_gives_the_leaf_and_the_key_in_the_order_of_names() {
    for value in values() {
        let key = [Value::Int(5), value.clone()];
        let mut encoder = encoder(&["z", "a"]);
        let opening = encoder.open(Action::Held, &key, 2).unwrap();
        let leaf = encoder.leaf(Action::Held, &key, 2).unwrap();
        assert_eq!(opening.leaf(Action::Held, 300), leaf);
        assert_ne!(opening.leaf(Action::RowDeleted, 300), leaf);
        assert_ne!(opening.leaf(Action::Held, 299), leaf);
        let back = Opening::parse(&opening.to_bytes()).unwrap();
        assert!(back == opening && back.kind() == Kind::Record);
        let Disclosed::Record(record) = back.disclosed() else {
            panic!("not a record");
        };
        assert_eq!((record.client.as_str(), record.occurrence), ("own", 2));
        let expected = [("a".to_owned(), value), ("z".to_owned(), Value::Int(5))];
        assert!(record.key == expected);
    }
}

#[test]
fn an_opened_person_gives_the_leaf_and_the_count() {
    for value in values() {
        let key = RunKey::from_bytes([7; 32]);
        let mut encoder = SubjectEncoder::new(&key, "own", "learner").unwrap();
        let opening = encoder.open(&value, 14).unwrap();
        let reference = encoder.reference(&value).unwrap();
        let leaf = subject_leaf(Action::RowDeleted, 1, &reference, 14);
        assert_eq!(opening.leaf(Action::RowDeleted, 1), leaf);
        let back = Opening::parse(&opening.to_bytes()).unwrap();
        assert!(back == opening && back.kind() == Kind::Subject);
        let Disclosed::Subject(subject) = back.disclosed() else {
            panic!("not a person");
        };
        assert!(subject.id == value && subject.count == 14);
    }
}

#[test]
fn bytes_that_no_encoder_writes_open_nothing() {
    let mut encoder = encoder(&["a", "b"]);
    let key = [Value::Int(5), Value::Bool(true)];
    let bytes = encoder.open(Action::Held, &key, 0).unwrap().to_bytes();
    for length in 0..bytes.len() {
        assert!(Opening::parse(&bytes[..length]).is_err(), "{length}");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(Opening::parse(&longer).is_err());
    let change = |from: &[u8], to: &[u8]| {
        let place = bytes.windows(from.len()).position(|part| part == from);
        let mut changed = bytes.clone();
        let place = place.unwrap();
        changed.splice(place..place + from.len(), to.iter().copied());
        Opening::parse(&changed)
    };
    assert!(change(b"\x02\0\0\0\x015", b"\x02\0\0\0\x0205").is_err());
    assert!(change(b"\x02\0\0\0\x015", b"\x02\0\0\0\x02+5").is_err());
    assert!(change(b"\x02\0\0\0\x015", b"\x09\0\0\0\x015").is_err());
    assert!(change(b"\x02\0\0\0\x015", b"\x05\0\0\0\x015").is_err());
    assert!(change(b"\x01\0\0\0\x01\x01", b"\x01\0\0\0\x01\x02").is_err());
    assert!(change(b"\0\0\0\x01a", b"\0\0\0\x01c").is_err());
    assert!(change(b"\0\0\0\x01a", b"\0\0\0\x01b").is_err());
    assert!(change(b"\0\0\0\x01a", b"\0\0\0\x01\xff").is_err());
    assert!(change(b"\0\0\0\x03lms", b"\xff\0\0\x03lms").is_err());
}

/// The salts that the design's generator of vectors (Python's `hmac`) gives.
#[test]
fn an_opening_starts_with_the_salt_of_the_design() {
    let run_key = RunKey::from_bytes(std::array::from_fn(|index| index as u8));
    let place = RecordPlace {
        client: "client-7f3a",
        store: "lms",
        object: "public.exam_attempt",
    };
    let columns = ["course_id", "learner_id"];
    let course = Value::Text("JP-101 情報倫理".to_owned());
    let mut records = RecordEncoder::new(&run_key, place, &columns, 0).unwrap();
    let key = [course, Value::Int(1_000_007)];
    let record = records.open(Action::RowDeleted, &key, 0).unwrap();
    assert_eq!(
        hex::encode(&record.to_bytes()[..32]),
        "e28c3eb4cc686d8253e45a668415fbbaa90b452cdbbbdc197110de7bdf21b983"
    );
    let leaf = record.leaf(Action::RowDeleted, 0);
    let expected = "01010000957b171973995023999d454558fffb0b551d53785ae186354f2d155bb43d62d9";
    assert_eq!(hex::encode(leaf.as_bytes()), expected);

    let mut persons = SubjectEncoder::new(&run_key, "client-7f3a", "learner").unwrap();
    let person = persons.open(&Value::Int(1_000_007), 14).unwrap();
    assert_eq!(
        hex::encode(&person.to_bytes()[..32]),
        "6ef53e22950ab4b9ca20675646b57782d2c796e7d9af1b12b38401c2109e8134"
    );
    let leaf = person.leaf(Action::RowDeleted, 0);
    let expected = "02010000865e79055cb72645e18a86a34e09ac1b47bc8e1a4b7d4fa41709816a7506dd35";
    assert_eq!(hex::encode(leaf.as_bytes()), expected);
}

#[test]
fn an_opening_does_not_print_what_it_opens() {
    let mut encoder = encoder(&["a"]);
    let opening = encoder
        .open(Action::Held, &[Value::Int(1_000_007)], 0)
        .unwrap();
    let printed = format!("{opening:?} {:?}", opening.disclosed());
    assert!(!printed.contains("1000007"), "{printed}");
}
