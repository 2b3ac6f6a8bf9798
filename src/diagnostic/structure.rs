//! Structural problems: a document against the JSON Schema of the type it is read as.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::LocationSegment;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;
use toml::de::{DeInteger, DeValue};

use super::document::{Document, Path, Quoting};
use super::{Problem, Problems, near_miss};

/// The JSON Schema of `T`, for TOML: which has no null.
pub fn schema_of<T: JsonSchema>() -> Value {
    let mut schema = schemars::schema_for!(T).to_value();
    drop_null(&mut schema);
    schema
}

pub(super) fn read<T: DeserializeOwned + JsonSchema>(document: &Document) -> Result<T, Problems> {
    let schema = schema_of::<T>();
    let mut problems = Problems::default();
    let instance = to_json(
        document.root().get_ref(),
        &Path::default(),
        document,
        &mut problems,
    );
    let validator = match jsonschema::validator_for(&schema) {
        Ok(validator) => validator,
        Err(error) => {
            let message = format!("the format's own description is broken: {error}");
            return Err(document.problem(&Path::default(), message).into());
        }
    };
    for error in validator.iter_errors(&instance) {
        problems.0.extend(describe(&error, &schema, document));
    }
    problems.or(())?;
    // Dates and times of TOML became text above, so both ways of writing a day are read.
    serde_json::from_value(instance).map_err(|error| {
        let message = format!("this cannot be read: {}", error_text(document, &error));
        document.problem(&Path::default(), message).into()
    })
}

fn error_text(document: &Document, error: &serde_json::Error) -> String {
    match document.quoting() {
        Quoting::Allowed => error.to_string(),
        Quoting::KeysOnly => "a value has the wrong form".to_owned(),
    }
}

/// Removes the null that schemars allows for optional keys, and the defaults that say the same.
fn drop_null(schema: &mut Value) {
    match schema {
        Value::Array(parts) => parts.iter_mut().for_each(drop_null),
        Value::Object(object) => {
            if object.get("default").is_some_and(Value::is_null) {
                object.remove("default");
            }
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    object.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(words)) = object.get_mut("enum") {
                words.retain(|word| !word.is_null());
            }
            if let Some(Value::Array(mut choices)) = object.remove("anyOf") {
                choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
                match choices.as_slice() {
                    [Value::Object(only)] => object.extend(only.clone()),
                    _ => {
                        object.insert("anyOf".to_owned(), Value::Array(choices));
                    }
                }
            }
            object.values_mut().for_each(drop_null);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn to_json(value: &DeValue, path: &Path, document: &Document, problems: &mut Problems) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(moment) => Value::String(moment.to_string()),
        DeValue::Integer(integer) => {
            if let Some(integer) = to_i64(integer) {
                return integer.into();
            }
            let problem = document.problem(path, "this number is too large");
            problems.0.push(problem);
            // Of the right type, so that the one problem is not told twice.
            Value::from(1)
        }
        DeValue::Float(float) => {
            let number = float.as_str().parse::<f64>().ok();
            if let Some(number) = number.and_then(serde_json::Number::from_f64) {
                return Value::Number(number);
            }
            problems
                .0
                .push(document.problem(path, "this is not a finite number"));
            Value::from(1.5)
        }
        DeValue::Array(array) => {
            let element = |(index, value): (usize, &toml::Spanned<DeValue>)| {
                to_json(value.get_ref(), &path.at(index), document, problems)
            };
            Value::Array(array.iter().enumerate().map(element).collect())
        }
        DeValue::Table(table) => {
            let mut object = serde_json::Map::new();
            for (key, value) in table {
                let key = key.get_ref().to_string();
                let value = to_json(value.get_ref(), &path.key(&key), document, problems);
                object.insert(key, value);
            }
            Value::Object(object)
        }
    }
}

fn to_i64(integer: &DeInteger) -> Option<i64> {
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// The problems that one error of validation stands for.
fn describe(error: &ValidationError, schema: &Value, document: &Document) -> Vec<Problem> {
    let path = path_of(error);
    // The validator's kinds are not ours: those our schemas cannot raise share one message.
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            unknown_keys(error, unexpected, schema, document)
        }
        ValidationErrorKind::Required { property } => {
            let key = property.as_str().unwrap_or_default();
            vec![document.problem(&path.key(key), format!("the key `{key}` is missing"))]
        }
        ValidationErrorKind::Type { kind } => vec![wrong_type(error, kind, document)],
        ValidationErrorKind::Enum { options } => vec![unknown_word(error, options, document)],
        ValidationErrorKind::Minimum { limit } => {
            vec![document.problem(&path, format!("this must be at least {limit}"))]
        }
        ValidationErrorKind::ExclusiveMinimum { limit } => {
            vec![document.problem(&path, format!("this must be more than {limit}"))]
        }
        ValidationErrorKind::Maximum { limit } => {
            vec![document.problem(&path, format!("this must be at most {limit}"))]
        }
        ValidationErrorKind::MinItems { .. }
        | ValidationErrorKind::MinLength { .. }
        | ValidationErrorKind::MinProperties { .. } => {
            vec![document.problem(&path, "this must not be empty")]
        }
        _ => vec![document.problem(
            &path,
            format!("this is not as it must be: {}", error.masked()),
        )],
    }
}

fn path_of(error: &ValidationError) -> Path {
    let mut path = Path::default();
    for segment in error.instance_path().segments() {
        path = match segment {
            LocationSegment::Property(key) => path.key(&key),
            LocationSegment::Index(index) => path.at(index),
        };
    }
    path
}

fn unknown_keys(
    error: &ValidationError,
    unexpected: &[String],
    schema: &Value,
    document: &Document,
) -> Vec<Problem> {
    let parent = error.schema_path().as_str();
    let parent = parent
        .strip_suffix("/additionalProperties")
        .unwrap_or(parent);
    let properties = schema.pointer(&format!("{parent}/properties"));
    let known: Vec<&str> = properties
        .and_then(Value::as_object)
        .map(|properties| properties.keys().map(String::as_str).collect())
        .unwrap_or_default();
    let path = path_of(error);
    let unknown = |key: &String| {
        let mut problem = document.key_problem(&path.key(key), format!("unknown key `{key}`"));
        problem.hint = near_miss::hint(key, known.iter().copied());
        problem
    };
    unexpected.iter().map(unknown).collect()
}

fn wrong_type(error: &ValidationError, kind: &TypeKind, document: &Document) -> Problem {
    let path = path_of(error);
    let expected = match kind {
        TypeKind::Single(expected) => type_name(expected.as_str()).to_owned(),
        TypeKind::Multiple(_) => "another kind of value".to_owned(),
    };
    let found = match error.instance().as_ref() {
        Value::Null => "nothing",
        Value::Bool(_) => type_name("boolean"),
        Value::Number(number) if number.is_f64() => type_name("number"),
        Value::Number(_) => type_name("integer"),
        Value::String(_) => type_name("string"),
        Value::Array(_) => type_name("array"),
        Value::Object(_) => type_name("object"),
    };
    let problem = document.problem(&path, format!("this must be {expected}, not {found}"));
    if expected == type_name("array") && found == type_name("object") {
        return problem.with_hint(format!("write `[[{path}]]` in place of `[{path}]`"));
    }
    if expected == type_name("string") && found != type_name("object") {
        return problem.with_hint("put it in quotes");
    }
    problem
}

/// TOML's words for JSON's types.
fn type_name(name: &str) -> &'static str {
    match name {
        "array" => "an array",
        "boolean" => "`true` or `false`",
        "integer" => "a whole number",
        "number" => "a number",
        "object" => "a table",
        "string" => "text",
        _ => "another kind of value",
    }
}

fn unknown_word(error: &ValidationError, options: &Value, document: &Document) -> Problem {
    let path = path_of(error);
    let words: Vec<&str> = options
        .as_array()
        .map(|words| words.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let one_of = near_miss::quoted(words.iter().copied());
    let written = error.instance().as_str();
    let (Quoting::Allowed, Some(written)) = (document.quoting(), written) else {
        return document.problem(&path, format!("this must be one of {one_of}"));
    };
    let mut problem = document.problem(&path, format!("`{written}` is none of {one_of}"));
    problem.hint =
        near_miss::near_miss(written, words).map(|word| format!("did you mean `{word}`?"));
    problem
}
