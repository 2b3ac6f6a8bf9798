//! A name for a record that a person has to look at, in logs and reports that name no person.

use kigen_evidence::value::{RecordKey, Value};

use super::token::{TokenShape, Tokenizer};

/// The keyed reference of a record: the same in every run, and only who has the key can make it.
pub fn record_reference(token_key: &[u8; 32], cluster: &str, key: &RecordKey) -> String {
    // No job has a context with a null byte in it.
    let references = Tokenizer::new(token_key, &format!("record\0{cluster}"));
    let mut parts = String::new();
    for value in key.values() {
        match value.store_text() {
            Some(text) => parts.push_str(&format!("{}:{text}", text.len())),
            None => parts.push('-'),
        }
    }
    let token = references.token(&Value::Text(parts), TokenShape::Text);
    format!("r-{}", token.store_text().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(cluster: &str, key: &[&str]) -> String {
        let values = key.iter().map(|text| Value::Text((*text).to_owned()));
        record_reference(&[7; 32], cluster, &RecordKey::new(values.collect()))
    }

    #[test]
    fn a_record_has_one_reference_and_no_other_record_has_it() {
        let one = reference("learner", &["a", "b"]);
        assert_eq!(one, reference("learner", &["a", "b"]));
        for other in [
            reference("attempt", &["a", "b"]),
            reference("learner", &["ab", ""]),
            reference("learner", &["a1:b"]),
            record_reference(&[8; 32], "learner", &RecordKey::new(vec![])),
        ] {
            assert_ne!(one, other);
        }
    }
}
