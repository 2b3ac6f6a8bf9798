//! PostgreSQL's spelling.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use kigen_evidence::value::Value;

use super::catalog::{ColumnFacts, ColumnType};
use super::dialect::{Dialect, StartType, WalkKind};
use super::starting_point::{
    END_OF_CALENDAR, FIRST_DAY, StartColumn, local_start_of, offset_seconds, start_of,
};
use crate::database::dialect::{Dialect as _, literal};
use crate::database::postgres::dialect::PostgresDialect;
use crate::database::statement::{Arg, Mark, Values};
use crate::pseudonym::token::TEXT_TOKEN_CHARACTERS;

impl Dialect for PostgresDialect {
    fn walk(&self) -> WalkKind {
        WalkKind::Blocks
    }

    fn readable(&self, expression: &str, column: &ColumnFacts) -> String {
        match column.column_type {
            ColumnType::Decimal | ColumnType::Other => format!("{expression}::text"),
            ColumnType::Bool
            | ColumnType::Int { .. }
            | ColumnType::Text { .. }
            | ColumnType::Bytes
            | ColumnType::Uuid
            | ColumnType::Date
            | ColumnType::Instant
            | ColumnType::LocalTime => expression.to_owned(),
        }
    }

    fn adopt(&self, value: Value, column: &ColumnFacts) -> Value {
        match (value, &column.column_type) {
            (Value::Text(text), ColumnType::Decimal) => Value::Decimal(text),
            (value, _) => value,
        }
    }

    fn not_a_day(&self, start: &StartColumn<'_>) -> String {
        // The infinities lie outside, too.
        format!(
            "({expression} is null or {expression} < {} or {expression} >= {})",
            beginning(start.earliest.max(FIRST_DAY), start),
            end_of_calendar(start),
            expression = start.expression,
        )
    }

    fn before(&self, start: &StartColumn<'_>, day: Date) -> String {
        let first = start.earliest.max(FIRST_DAY);
        if day <= first {
            return "false".to_owned();
        }
        format!(
            "({expression} < {} and {expression} >= {})",
            beginning(day, start),
            beginning(first, start),
            expression = start.expression,
        )
    }

    fn least(&self, start: &StartColumn<'_>) -> String {
        format!("min({})", start.expression)
    }

    fn day_text(&self, start: &StartColumn<'_>) -> String {
        let expression = &start.expression;
        let seconds = offset_seconds(start.zone);
        match start.stored {
            StartType::Date => format!("{expression}::text"),
            StartType::LocalTime(_) => format!("{expression}::date::text"),
            StartType::Instant => format!(
                "({expression} at time zone 'UTC' + interval '{seconds} seconds')::date::text"
            ),
            StartType::UnixSeconds => {
                format!("(to_timestamp({expression} + {seconds}) at time zone 'UTC')::date::text")
            }
        }
    }

    fn exact(&self, expression: &str, column: &ColumnFacts) -> String {
        match column.column_type {
            ColumnType::Bool
            | ColumnType::Int { .. }
            | ColumnType::Bytes
            | ColumnType::Uuid
            | ColumnType::Date
            | ColumnType::Instant
            | ColumnType::LocalTime => expression.to_owned(),
            // Two spellings that a collation or a type has equal are two in evidence.
            ColumnType::Text { .. } | ColumnType::Decimal | ColumnType::Other => {
                format!("({expression})::text collate \"C\"")
            }
        }
    }

    fn together(&self, exact: &[String]) -> String {
        format!("row({})", exact.join(", "))
    }

    fn as_held(&self, parameter: &str, _word: &str, column: &ColumnFacts) -> String {
        self.text_of(&format!("{parameter}::text::{}", column.type_name))
    }

    fn key_text(&self, expressions: &[String]) -> String {
        format!("jsonb_build_array({})::text", expressions.join(", "))
    }

    fn content(&self, columns: &[(&str, String)]) -> String {
        let object = |pairs: &[(&str, String)]| {
            let pairs = pairs.iter();
            let pairs = pairs.map(|(name, value)| format!("{}, {value}::text", literal(name)));
            let pairs: Vec<String> = pairs.collect();
            format!("jsonb_build_object({})", pairs.join(", "))
        };
        // A function takes 100 arguments.
        let objects: Vec<String> = columns.chunks(50).map(object).collect();
        format!("({})", objects.join(" || "))
    }

    fn content_holds(&self, whole: &str, part: &str) -> String {
        format!("{whole} @> {part}")
    }

    fn looks_like_token(&self, text: &str) -> String {
        format!("{text} ~ '^[a-z2-7]{{{TEXT_TOKEN_CHARACTERS}}}$'")
    }

    fn rows(
        &self,
        alias: &str,
        columns: &[&ColumnFacts],
        rows: &[&[Value]],
        values: &mut Values,
    ) -> String {
        let mut arrays = Vec::new();
        for (index, column) in columns.iter().enumerate() {
            let cells = rows.iter().map(|row| &row[index]);
            arrays.push(array_of(values.bind(array_arg(column, cells)), column));
        }
        let names: Vec<String> = (0..columns.len())
            .map(|index| format!("c{index}"))
            .collect();
        format!(
            "unnest({}) with ordinality as {alias}({}, o)",
            arrays.join(", "),
            names.join(", ")
        )
    }

    fn cast_text(&self, parameter: &str, column: &ColumnFacts) -> String {
        match column.column_type {
            // A cast to varchar(n) would cut a longer text silently; an assignment refuses it.
            ColumnType::Text { .. } => format!("{parameter}::text"),
            ColumnType::Bool
            | ColumnType::Int { .. }
            | ColumnType::Bytes
            | ColumnType::Uuid
            | ColumnType::Date
            | ColumnType::Instant
            | ColumnType::LocalTime
            | ColumnType::Decimal
            | ColumnType::Other => format!("{parameter}::text::{}", column.type_name),
        }
    }

    fn keys_may_be_null(&self) -> bool {
        false
    }

    fn marker_literal(&self, column: &ColumnFacts, at: jiff::Timestamp, zone: &TimeZone) -> String {
        match column.column_type {
            ColumnType::Date => format!("date '{}'", at.to_zoned(zone.clone()).date()),
            _ => format!("timestamptz '{at}'"),
        }
    }
}

/// The first moment of `day`, as a literal of the column's type.
fn beginning(day: Date, start: &StartColumn<'_>) -> String {
    match &start.stored {
        StartType::Date => format!("date '{day}'"),
        StartType::Instant => format!("timestamptz '{}'", start_of(day, start.zone)),
        StartType::LocalTime(written_in) => {
            format!(
                "timestamp '{}'",
                local_start_of(day, start.zone, written_in)
            )
        }
        StartType::UnixSeconds => start_of(day, start.zone).as_second().to_string(),
    }
}

/// The first moment behind the calendar, as a literal of the column's type.
fn end_of_calendar(start: &StartColumn<'_>) -> String {
    match start.stored {
        StartType::Date => "date '10000-01-01'".to_owned(),
        StartType::Instant => "timestamptz '10000-01-01 00:00:00+00'".to_owned(),
        StartType::LocalTime(_) => "timestamp '10000-01-01 00:00:00'".to_owned(),
        StartType::UnixSeconds => END_OF_CALENDAR.to_string(),
    }
}

fn array_of(array: Mark, column: &ColumnFacts) -> String {
    match column.column_type {
        ColumnType::Int { .. } => format!("{array}::bigint[]"),
        // Padded text is compared without its padding only as what it is.
        ColumnType::Text { .. } if column.is_padded() => {
            format!("{array}::text[]::bpchar[]")
        }
        ColumnType::Text { .. } => format!("{array}::text[]"),
        ColumnType::Bool
        | ColumnType::Bytes
        | ColumnType::Uuid
        | ColumnType::Date
        | ColumnType::Instant
        | ColumnType::LocalTime
        | ColumnType::Decimal
        | ColumnType::Other => format!("{array}::text[]::{}[]", column.type_name),
    }
}

fn array_arg<'a>(column: &ColumnFacts, values: impl Iterator<Item = &'a Value>) -> Arg {
    if !matches!(column.column_type, ColumnType::Int { .. }) {
        return Arg::TextArray(values.map(Value::store_text).collect());
    }
    Arg::IntArray(
        values
            .map(|value| match value {
                Value::Int(integer) => Some(*integer),
                Value::Null
                | Value::Bool(_)
                | Value::Text(_)
                | Value::Bytes(_)
                | Value::Uuid(_)
                | Value::Instant(_)
                | Value::Local(_)
                // A numeric key may be named by an integer column.
                | Value::Decimal(_) => value.store_text()?.parse().ok(),
            })
            .collect(),
    )
}
