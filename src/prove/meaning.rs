//! What a text can be, where no store says it.
//!
//! A leaf opens with the value of the right type only, so trying several cannot find a wrong one.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use uuid::Uuid;

use kigen_evidence::value::Value;

/// The most keys that are tried for one text of each column.
const MOST_KEYS: usize = 65_536;

/// Every value that people write as `text`.
pub(super) fn meanings(text: &str) -> Vec<Value> {
    let mut values = vec![Value::Text(text.to_owned())];
    values.extend(integer(text).map(Value::Int));
    values.extend(text.parse().ok().map(Value::Bool));
    values.extend(
        Uuid::parse_str(text)
            .ok()
            .map(|id| Value::Uuid(id.into_bytes())),
    );
    let bytes = text
        .strip_prefix("\\x")
        .and_then(|hex| hex::decode(hex).ok());
    values.extend(bytes.map(Value::Bytes));
    if is_decimal(text) {
        values.push(Value::Decimal(text.to_owned()));
    }
    let moment = text.parse::<Timestamp>().ok();
    values.extend(moment.map(|moment| Value::Instant(moment.as_microsecond())));
    let day = text.parse::<Date>().ok().map(|day| day.to_string());
    let time = text.parse::<DateTime>().ok().map(|time| time.to_string());
    if day.is_some() || time.is_some() || moment.is_some() {
        values.push(Value::Local(text.to_owned()));
    }
    values.extend(day.map(Value::Local));
    values.extend(time.map(Value::Local));
    let mut once = Vec::with_capacity(values.len());
    for value in values {
        if !once.contains(&value) {
            once.push(value);
        }
    }
    once
}

/// Every key that people write as `texts`, one for each column; `None` if they are too many to try.
pub(super) fn keys(texts: &[String]) -> Option<Vec<Vec<Value>>> {
    let mut keys: Vec<Vec<Value>> = vec![Vec::with_capacity(texts.len())];
    for text in texts {
        let meanings = meanings(text);
        if keys.len() * meanings.len() > MOST_KEYS {
            return None;
        }
        let longer = keys.iter().flat_map(|key| {
            let with = |value: &Value| [key.as_slice(), std::slice::from_ref(value)].concat();
            meanings.iter().map(with).collect::<Vec<_>>()
        });
        keys = longer.collect();
    }
    Some(keys)
}

/// An integer in the one way of writing that a database has for it.
fn integer(text: &str) -> Option<i64> {
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, rest) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    all_digits(whole) && all_digits(rest)
}

#[cfg(test)]
mod tests {
    use kigen_evidence::value::Value;

    use super::{keys, meanings};

    #[test]
    fn a_text_means_itself_and_whatever_else_it_is_the_writing_of() {
        let text = |text: &str| Value::Text(text.to_owned());
        let local = |text: &str| Value::Local(text.to_owned());
        let decimal = |text: &str| Value::Decimal(text.to_owned());
        for (written, expected) in [
            ("JP-101", vec![text("JP-101")]),
            ("7", vec![text("7"), Value::Int(7), decimal("7")]),
            ("-7", vec![text("-7"), Value::Int(-7), decimal("-7")]),
            ("007", vec![text("007"), decimal("007")]),
            ("1.50", vec![text("1.50"), decimal("1.50")]),
            ("true", vec![text("true"), Value::Bool(true)]),
            ("\\x00ff", vec![text("\\x00ff"), Value::Bytes(vec![0, 255])]),
            ("", vec![text("")]),
        ] {
            assert!(meanings(written) == expected, "{written}");
        }
        let day = meanings("2026-04-01");
        assert!(day[..2] == [text("2026-04-01"), local("2026-04-01")]);
        let moment = meanings("1970-01-01T00:00:01Z");
        assert!(moment.contains(&Value::Instant(1_000_000)));
        let id = meanings("0193536c-5a00-7000-8000-000000000001");
        assert!(id.iter().any(|value| matches!(value, Value::Uuid(_))));
    }

    #[test]
    fn a_key_of_several_columns_means_every_combination() {
        let texts = ["7".to_owned(), "AAA".to_owned()];
        let found = keys(&texts).unwrap();
        assert_eq!(found.len(), 3);
        assert!(found.iter().all(|key| key.len() == 2));
        assert!(keys(&vec!["7".to_owned(); 10]).unwrap().len() == 59_049);
        assert!(keys(&vec!["7".to_owned(); 11]).is_none());
    }
}
