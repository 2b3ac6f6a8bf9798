//! What differs between databases in the text of a statement.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use kigen_evidence::value::Value;

use super::catalog::ColumnFacts;
use super::starting_point::StartColumn;
use crate::database;
use crate::database::dialect::quote;
use crate::database::statement::Values;
use crate::guard::{self, Guard};
use crate::job::TableName;

/// How a starting point's column is stored, resolved against the live schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StartType {
    Date,
    Instant,
    /// A date and time without zone, written in this zone.
    LocalTime(TimeZone),
    UnixSeconds,
}

/// How the pass over a table goes on without ever looking back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WalkKind {
    /// By ranges of physical blocks (PostgreSQL).
    Blocks,
    /// In key order (SQLite).
    Keys,
}

/// Writes the parts of statements over a job's tables that databases spell differently.
pub(crate) trait Dialect: database::dialect::Dialect {
    fn walk(&self) -> WalkKind;

    /// A select expression whose value the session can read.
    fn readable(&self, expression: &str, column: &ColumnFacts) -> String;

    /// Like [`Dialect::readable`], without the blanks with which the database fills a value up.
    fn unpadded(&self, expression: &str, column: &ColumnFacts) -> String {
        if column.is_padded() && guard::stands(Guard::PaddingIsNoValue) {
            return self.text_of(expression);
        }
        self.readable(expression, column)
    }

    /// The value read by [`Dialect::readable`], typed as its column.
    fn adopt(&self, value: Value, column: &ColumnFacts) -> Value;

    /// Whether `start` holds no day that is believed. Never null.
    fn not_a_day(&self, start: &StartColumn<'_>) -> String;

    /// Whether `start` lies before the first moment of `day`. False or null for what is no day that is
    /// believed.
    fn before(&self, start: &StartColumn<'_>, day: Date) -> String;

    /// The least value of a starting point that is a day; for one that is not, anything.
    fn least(&self, start: &StartColumn<'_>) -> String;

    /// The day of the calendar that `start` holds, as ISO text, give or take the hour of a summer time:
    /// to count which days are frequent, not to decide.
    fn day_text(&self, start: &StartColumn<'_>) -> String;

    /// An expression that is equal for two values of `column` if evidence has them equal.
    fn exact(&self, expression: &str, column: &ColumnFacts) -> String;

    /// One value for several, equal only if all of them are: see [`Dialect::exact`].
    fn together(&self, exact: &[String]) -> String;

    /// What a column would hold of a condition's `word`, handed over as `parameter`, in the form of
    /// `text_of`; null, or an error, where its type holds no such value.
    fn as_held(&self, parameter: &str, word: &str, column: &ColumnFacts) -> String;

    /// One text for the values of a record's key, for the marker table.
    fn key_text(&self, expressions: &[String]) -> String;

    /// One document of columns with what stands in them: pairs of a name and an expression.
    fn content(&self, columns: &[(&str, String)]) -> String;

    /// Whether the document `whole` has every column of `part`, with what `part` has in it.
    fn content_holds(&self, whole: &str, part: &str) -> String;

    /// Whether a text has the shape of a token.
    fn looks_like_token(&self, text: &str) -> String;

    /// A derived table `alias(c0, c1, …, o)` of `rows`, which are bound; `o` numbers them from 1.
    fn rows(
        &self,
        alias: &str,
        columns: &[&ColumnFacts],
        rows: &[&[Value]],
        values: &mut Values,
    ) -> String;

    /// Casts a bound text parameter to a column's type.
    fn cast_text(&self, parameter: &str, column: &ColumnFacts) -> String;

    /// Whether the columns of a primary key may be null.
    fn keys_may_be_null(&self) -> bool;

    /// A literal for a marker column.
    fn marker_literal(&self, column: &ColumnFacts, at: jiff::Timestamp, zone: &TimeZone) -> String;
}

/// A table's name, quoted.
pub(crate) fn table(name: &TableName) -> String {
    match &name.schema {
        Some(schema) => format!("{}.{}", quote(schema), quote(&name.name)),
        None => quote(&name.name),
    }
}
