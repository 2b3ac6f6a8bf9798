//! SQLite's spelling.
//!
//! SQLite has no date type: days and times are ISO text, and a value's own class counts, not its
//! column's. What is not exactly a day, or a day and a time, is undatable.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::catalog::ColumnFacts;
use super::catalog::ColumnType;
use super::dialect::Dialect;
use super::dialect::StartType;
use super::dialect::WalkKind;
use super::dialect::quote;
use super::dialect::start_of;
use super::session::Arg;
use crate::domain::value::Value;

/// Statements for SQLite 3.41 and later (the bundled one).
pub(crate) struct SqliteDialect;

impl Dialect for SqliteDialect {
    fn walk(&self) -> WalkKind {
        WalkKind::Keys
    }

    fn internal(&self, name: &str) -> String {
        quote(&format!("kigen_{name}"))
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

    fn not_a_day(&self, expression: &str, start: &StartType) -> String {
        match start {
            StartType::Date => format!(
                "(typeof({expression}) <> 'text' or length({expression}) <> 10 \
                 or coalesce(date({expression}) <> {expression}, 1))"
            ),
            // With `+0 seconds` the functions answer in normal form; only that form is a day.
            StartType::LocalTime(_) | StartType::Instant => format!(
                "(typeof({expression}) <> 'text' or length({expression}) < 19 \
                 or coalesce(datetime({expression}) <> replace(substr({expression}, 1, 19), 'T', ' '), 1))"
            ),
            StartType::UnixSeconds => format!("(typeof({expression}) <> 'integer')"),
        }
    }

    fn before(&self, expression: &str, start: &StartType, day: Date, zone: &TimeZone) -> String {
        if day.year() < 1 {
            return "0".to_owned();
        }
        let is_a_day = format!("not {}", self.not_a_day(expression, start));
        // The unary plus keeps the planner off an index of the date: the pass goes in key order
        // and must not sort all due rows for every batch.
        let expression = format!("+{expression}");
        let moment = start_of(day, zone);
        match start {
            StartType::Date => format!("({expression} < '{day}' and {is_a_day})"),
            StartType::LocalTime(written_in) => {
                let local = moment.to_zoned(written_in.clone());
                let local = local.strftime("%Y-%m-%d %H:%M:%S");
                format!("(datetime({expression}) < '{local}' and {is_a_day})")
            }
            StartType::Instant => {
                let utc = moment.strftime("%Y-%m-%d %H:%M:%S");
                format!("(datetime({expression}) < '{utc}' and {is_a_day})")
            }
            StartType::UnixSeconds => {
                format!("({expression} < {} and {is_a_day})", moment.as_second())
            }
        }
    }

    fn text_of(&self, expression: &str) -> String {
        format!("cast({expression} as text)")
    }

    fn key_text(&self, expressions: &[String]) -> String {
        format!("json_array({})", expressions.join(", "))
    }

    fn rows(&self, alias: &str, columns: &[&ColumnFacts], first: usize) -> String {
        let values: Vec<String> = columns
            .iter()
            .enumerate()
            .map(|(index, column)| match column.column_type {
                ColumnType::Bytes => format!("unhex(value ->> {index}) as c{index}"),
                _ => format!("value ->> {index} as c{index}"),
            })
            .collect();
        format!(
            "(select {} from json_each(${first})) as {alias}",
            values.join(", ")
        )
    }

    fn row_args(&self, columns: &[&ColumnFacts], rows: &[&[Value]]) -> Vec<Arg> {
        let rows: Vec<serde_json::Value> = rows
            .iter()
            .map(|row| row.iter().take(columns.len()).map(json_of).collect())
            .collect();
        vec![Arg::Text(serde_json::Value::Array(rows).to_string())]
    }

    fn cast_text(&self, parameter: &str, _column: &ColumnFacts) -> String {
        parameter.to_owned()
    }

    fn lock_rows(&self) -> &'static str {
        // `begin immediate` has locked the whole database for writing.
        ""
    }

    fn lock_child_rows(&self) -> &'static str {
        ""
    }

    fn now(&self) -> &'static str {
        "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')"
    }

    fn instant(&self, expression: &str) -> String {
        expression.to_owned()
    }

    fn lock_fence(&self) -> &'static str {
        ""
    }

    fn marker_literal(&self, column: &ColumnFacts, at: jiff::Timestamp, zone: &TimeZone) -> String {
        match column.column_type {
            ColumnType::Date => format!("'{}'", at.to_zoned(zone.clone()).date()),
            _ => format!("'{}'", at.strftime("%Y-%m-%d %H:%M:%S")),
        }
    }
}

fn json_of(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => i64::from(*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Bytes(bytes) => hex::encode(bytes).into(),
        Value::Text(_) | Value::Uuid(_) | Value::Instant(_) | Value::Local(_) | Value::Decimal(_) => {
            value.store_text().into()
        }
    }
}
