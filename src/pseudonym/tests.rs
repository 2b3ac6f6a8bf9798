use kigen_evidence::value::Value;
use proptest::prelude::*;

use super::Replacement;
use super::token::{TokenShape, Tokenizer};
use crate::job::Generalize;

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

fn generalized(how: Generalize, value: &Value) -> Option<String> {
    Replacement::Generalize(how)
        .replace("column", value)
        .ok()
        .and_then(|value| value.store_text())
}

fn day(value: &str) -> Value {
    Value::Local(value.to_owned())
}

#[test]
fn a_day_becomes_its_month_its_year_or_its_fiscal_year() {
    let table = [
        (Generalize::Month, "1998-07-23", "1998-07-01"),
        (Generalize::Year, "1998-07-23", "1998-01-01"),
        (Generalize::FiscalYear, "1998-03-31", "1997-04-01"),
        (Generalize::FiscalYear, "1998-04-01", "1998-04-01"),
        (Generalize::FiscalYear, "1998-12-31", "1998-04-01"),
    ];
    for (how, from, to) in table {
        assert_eq!(
            generalized(how, &day(from)).as_deref(),
            Some(to),
            "{how:?} {from}"
        );
    }
}

#[test]
fn an_address_becomes_its_prefecture_and_an_unknown_one_says_so() {
    let table = [
        ("東京都千代田区千代田1-1", "東京都"),
        ("京都府京都市中京区", "京都府"),
        (" 北海道札幌市", "北海道"),
        ("千代田区千代田1-1", "不明"),
        ("", "不明"),
    ];
    for (from, to) in table {
        assert_eq!(
            generalized(Generalize::Prefecture, &text(from)).as_deref(),
            Some(to)
        );
    }
}

#[test]
fn a_postal_code_keeps_its_first_characters() {
    let how = Generalize::PostalPrefix { characters: 3 };
    assert_eq!(generalized(how, &text("150-0002")).as_deref(), Some("150"));
}

#[test]
fn a_number_becomes_the_lower_end_of_its_band() {
    let how = Generalize::Band { width: 10 };
    for (from, to) in [(57, "50"), (50, "50"), (0, "0"), (-1, "-10"), (-10, "-10")] {
        assert_eq!(generalized(how, &Value::Int(from)).as_deref(), Some(to));
    }
    for (from, to) in [("57.5", "50"), ("-0.5", "-10"), ("100.00", "100")] {
        assert_eq!(
            generalized(how, &Value::Decimal(from.to_owned())).as_deref(),
            Some(to)
        );
    }
}

#[test]
fn a_value_of_the_wrong_kind_is_an_error_and_never_passed_over() {
    assert!(
        Replacement::Generalize(Generalize::Year)
            .replace("birth", &text("soon"))
            .is_err()
    );
    let error = Replacement::Generalize(Generalize::Band { width: 5 })
        .replace("score", &text("secret"))
        .unwrap_err();
    assert!(!error.to_string().contains("secret"));
}

#[test]
fn truncation_counts_characters_and_not_bytes() {
    let kept = Replacement::Truncate(2)
        .replace("name", &text("期限切れ"))
        .unwrap();
    assert!(kept == text("期限"));
}

#[test]
fn null_stays_null_but_a_fixed_text_is_written_everywhere() {
    let token = Replacement::Token(Tokenizer::new(&[7; 32], "learner"), TokenShape::Text);
    assert!(token.replace("id", &Value::Null).unwrap().is_null());
    let fixed = Replacement::Text("削除済".to_owned());
    assert!(fixed.replace("note", &Value::Null).unwrap() == text("削除済"));
}

/// Computed with Python's `hmac` over the bytes that the module's documentation gives.
#[test]
fn a_token_is_the_hmac_of_its_context_and_value() {
    let tokenizer = Tokenizer::new(&std::array::from_fn(|index| index as u8), "learner");
    let token = tokenizer.token(&Value::Int(1_000_007), TokenShape::Text);
    assert_eq!(
        token.store_text().as_deref(),
        Some("xjjtjqhmxajl2az6slwk6p4y6q")
    );
}

#[test]
fn tokens_of_two_contexts_cannot_be_joined() {
    let value = Value::Int(42);
    let shape = TokenShape::Text;
    assert!(
        Tokenizer::new(&[1; 32], "a").token(&value, shape)
            != Tokenizer::new(&[1; 32], "b").token(&value, shape)
    );
    assert!(
        Tokenizer::new(&[1; 32], "a").token(&value, shape)
            != Tokenizer::new(&[2; 32], "a").token(&value, shape)
    );
}

#[test]
fn a_uuid_token_is_a_version_8_uuid() {
    let token = Tokenizer::new(&[3; 32], "learner").token(&text("x"), TokenShape::Uuid);
    let Value::Uuid(bytes) = token else {
        panic!("not a uuid")
    };
    assert_eq!(uuid::Uuid::from_bytes(bytes).get_version_num(), 8);
}

proptest! {
    #[test]
    fn an_integer_token_lies_in_its_range(value in any::<i64>(), least in -(1_i64 << 62)..0, width in (1_i64 << 40)..(1_i64 << 61)) {
        let shape = TokenShape::Integer { least, greatest: least + width };
        let Value::Int(token) = Tokenizer::new(&[9; 32], "c").token(&Value::Int(value), shape) else { panic!() };
        prop_assert!(token >= least && token <= least + width);
    }
}
