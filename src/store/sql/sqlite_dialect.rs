//! SQLite's spelling.
//!
//! SQLite has no date type: days and times are ISO text, and a value's own class counts, not its
//! column's. What is not exactly a day, or a day and a time, is undatable.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use kigen_evidence::value::Value;

use super::catalog::{ColumnFacts, ColumnType};
use super::dialect::{Dialect, StartType, WalkKind};
use super::sqlite_catalog::NUMBER;
use super::starting_point::{
    END_OF_CALENDAR, FIRST_DAY, StartColumn, local_start_of, offset_seconds, start_of,
};
use crate::database::dialect::{Dialect as _, literal};
use crate::database::sqlite::dialect::SqliteDialect;
use crate::database::statement::Values;
use crate::pseudonym::token::TEXT_TOKEN_CHARACTERS;

impl Dialect for SqliteDialect {
    fn walk(&self) -> WalkKind {
        WalkKind::Keys
    }

    fn readable(&self, expression: &str, _column: &ColumnFacts) -> String {
        expression.to_owned()
    }

    fn adopt(&self, value: Value, column: &ColumnFacts) -> Value {
        match (value, &column.column_type) {
            (Value::Text(text), ColumnType::Date | ColumnType::LocalTime) => Value::Local(text),
            (value, _) => value,
        }
    }

    fn not_a_day(&self, start: &StartColumn<'_>) -> String {
        let first = start.earliest.max(FIRST_DAY);
        format!(
            "({} or {})",
            unreadable(&start.expression, &start.stored),
            is_before(&start.expression, start, first)
        )
    }

    fn before(&self, start: &StartColumn<'_>, day: Date) -> String {
        if day <= start.earliest.max(FIRST_DAY) {
            return "0".to_owned();
        }
        // The unary plus keeps the planner off an index of the date: the pass goes in key order
        // and must not sort all due rows for every batch.
        format!(
            "({} and not {})",
            is_before(&format!("+{}", start.expression), start, day),
            self.not_a_day(start)
        )
    }

    fn least(&self, start: &StartColumn<'_>) -> String {
        let expression = &start.expression;
        match &start.stored {
            StartType::Date | StartType::UnixSeconds => format!("min({expression})"),
            StartType::Instant => format!("min({})", moment(expression)),
            StartType::LocalTime(written_in) => {
                let seconds = offset_seconds(written_in);
                format!(
                    "min(case when {} = '' then {} else datetime({}, '{seconds} seconds') end)",
                    sign(expression),
                    moment(expression),
                    moment(expression)
                )
            }
        }
    }

    fn day_text(&self, start: &StartColumn<'_>) -> String {
        let expression = &start.expression;
        let seconds = offset_seconds(start.zone);
        match start.stored {
            StartType::Date => expression.clone(),
            StartType::LocalTime(_) => format!("date({})", moment(expression)),
            StartType::Instant => format!("date({}, '{seconds} seconds')", moment(expression)),
            StartType::UnixSeconds => format!("date({expression} + {seconds}, 'unixepoch')"),
        }
    }

    fn exact(&self, expression: &str, _column: &ColumnFacts) -> String {
        // A text of digits and a number are two; so are the spellings that a collation has equal.
        format!("quote({expression})")
    }

    fn together(&self, exact: &[String]) -> String {
        exact.join(" || ',' || ")
    }

    fn as_held(&self, parameter: &str, word: &str, column: &ColumnFacts) -> String {
        if column.family != NUMBER {
            return parameter.to_owned();
        }
        if is_number(word) {
            let kind = if is_real(column) { "real" } else { "numeric" };
            return self.text_of(&format!("cast({parameter} as {kind})"));
        }
        match column.column_type {
            // SQLite has no such types; what an application keeps there is a number.
            ColumnType::Bool | ColumnType::Int { .. } | ColumnType::Decimal => {
                format!("nullif({parameter}, {parameter})")
            }
            ColumnType::Text { .. }
            | ColumnType::Bytes
            | ColumnType::Uuid
            | ColumnType::Date
            | ColumnType::Instant
            | ColumnType::LocalTime
            | ColumnType::Other => parameter.to_owned(),
        }
    }

    fn key_text(&self, expressions: &[String]) -> String {
        format!("json_array({})", expressions.join(", "))
    }

    fn content(&self, columns: &[(&str, String)]) -> String {
        let object = |pairs: &[(&str, String)]| {
            let pairs = pairs.iter();
            // `quote` also writes what JSON does not have.
            let pairs = pairs.map(|(name, value)| format!("{}, quote({value})", literal(name)));
            let pairs: Vec<String> = pairs.collect();
            format!("json_object({})", pairs.join(", "))
        };
        // A function takes 127 arguments.
        let objects = columns.chunks(50).map(object);
        let whole = objects.reduce(|whole, part| format!("json_patch({whole}, {part})"));
        whole.unwrap_or_else(|| "json_object()".to_owned())
    }

    fn content_holds(&self, whole: &str, part: &str) -> String {
        // A patch that changes nothing was in it. No value is a JSON null, which would take away.
        format!("json_patch({whole}, {part}) = {whole}")
    }

    fn looks_like_token(&self, text: &str) -> String {
        format!("(length({text}) = {TEXT_TOKEN_CHARACTERS} and {text} not glob '*[^a-z2-7]*')")
    }

    fn rows(
        &self,
        alias: &str,
        columns: &[&ColumnFacts],
        rows: &[&[Value]],
        values: &mut Values,
    ) -> String {
        // A value's own class counts, not its column's: bytes may stand in a column of any type.
        let cells: Vec<String> = (0..columns.len())
            .map(|index| {
                format!(
                    "case json_type(value, '$[{index}]') when 'object' then unhex(value ->> '$[{index}].x') \
                     else value ->> {index} end as c{index}"
                )
            })
            .collect();
        let rows: Vec<serde_json::Value> = rows
            .iter()
            .map(|row| row.iter().take(columns.len()).map(json_of).collect())
            .collect();
        let rows = values.bind(serde_json::Value::Array(rows).to_string());
        format!(
            "(select {}, key + 1 as o from json_each({rows})) as {alias}",
            cells.join(", ")
        )
    }

    fn cast_text(&self, parameter: &str, _column: &ColumnFacts) -> String {
        parameter.to_owned()
    }

    fn keys_may_be_null(&self) -> bool {
        true
    }

    fn marker_literal(&self, column: &ColumnFacts, at: jiff::Timestamp, zone: &TimeZone) -> String {
        match column.column_type {
            ColumnType::Date => format!("'{}'", at.to_zoned(zone.clone()).date()),
            _ => format!("'{}'", at.strftime("%Y-%m-%d %H:%M:%S")),
        }
    }
}

/// Whether a column of numbers keeps `word` as one.
fn is_number(word: &str) -> bool {
    let word = word.trim_ascii();
    let of_a_number = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    word.bytes().all(of_a_number) && word.parse::<f64>().is_ok()
}

/// Whether the column keeps whole numbers as real ones, too.
fn is_real(column: &ColumnFacts) -> bool {
    let declared = column.type_name.to_ascii_lowercase();
    let parts = ["real", "floa", "doub"];
    !declared.contains("int") && parts.iter().any(|part| declared.contains(part))
}

/// Whether `expression` holds no day of the calendar. Never null.
fn unreadable(expression: &str, start: &StartType) -> String {
    match start {
        StartType::Date => format!(
            "typeof({expression}) <> 'text' or length({expression}) <> 10 \
             or coalesce(date({expression}, '+0 days') <> {expression}, 1)"
        ),
        StartType::LocalTime(_) | StartType::Instant => {
            let (seconds, sign) = (seconds(expression), sign(expression));
            let tail = format!("substr({expression}, {AFTER_SECONDS})");
            let fraction = format!("substr({tail}, 1, length({tail}) - length({sign}))");
            // After `+0 seconds` the answer is in normal form (24:00 is not); only what is in that form
            // already is a day and a time. What follows may be a fraction, and an offset.
            format!(
                "typeof({expression}) <> 'text' \
                 or coalesce(datetime({seconds}, '+0 seconds') <> replace({seconds}, 'T', ' '), 1) \
                 or not ({fraction} = '' or {fraction} glob '.[0-9]*') \
                 or not ({sign} in ('', 'Z', 'z') or {sign} glob '[+-][0-9][0-9]:[0-9][0-9]') \
                 or {} is null",
                moment(expression)
            )
        }
        StartType::UnixSeconds => {
            format!("typeof({expression}) <> 'integer' or {expression} >= {END_OF_CALENDAR}")
        }
    }
}

/// Where in a text what follows the seconds begins.
const AFTER_SECONDS: u32 = 20;

/// The day and the time of a text, without what follows the seconds.
fn seconds(expression: &str) -> String {
    format!("substr({expression}, 1, {})", AFTER_SECONDS - 1)
}

/// What follows the seconds and their fraction: an offset, or nothing.
fn sign(expression: &str) -> String {
    format!("ltrim(ltrim(substr({expression}, {AFTER_SECONDS}), '.'), '0123456789')")
}

/// The day and the time of a text in whole seconds; UTC's where it has an offset.
fn moment(expression: &str) -> String {
    format!("datetime({} || {})", seconds(expression), sign(expression))
}

/// Whether the time in `expression` lies before the first moment of `day`.
fn is_before(expression: &str, start: &StartColumn<'_>, day: Date) -> String {
    let shown = |in_zone: &TimeZone| {
        let local = local_start_of(day, start.zone, in_zone);
        format!("'{}'", local.strftime("%Y-%m-%d %H:%M:%S"))
    };
    match &start.stored {
        StartType::Date => format!("{expression} < '{day}'"),
        StartType::UnixSeconds => {
            format!("{expression} < {}", start_of(day, start.zone).as_second())
        }
        StartType::Instant => format!("{} < {}", moment(expression), shown(&TimeZone::UTC)),
        // The job says the zone of those times that do not say theirs.
        StartType::LocalTime(written_in) => format!(
            "{} < case when {} = '' then {} else {} end",
            moment(expression),
            sign(expression),
            shown(written_in),
            shown(&TimeZone::UTC)
        ),
    }
}

fn json_of(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => i64::from(*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Bytes(bytes) => serde_json::json!({ "x": hex::encode(bytes) }),
        // A number of the class that SQLite calls real.
        Value::Decimal(text) => match text.parse().ok().and_then(serde_json::Number::from_f64) {
            Some(number) => number.into(),
            None => text.clone().into(),
        },
        Value::Text(_) | Value::Uuid(_) | Value::Instant(_) | Value::Local(_) => {
            value.store_text().into()
        }
    }
}
