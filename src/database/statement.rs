//! Statements: a text, and the values that stand in it.
//!
//! A value stands in the text as a mark, which the engine's session replaces by its own placeholder
//! when it sends the statement. So no text numbers its values, and the order of the values is that
//! in which the text names them.

use std::fmt;
use std::sync::Arc;

use crate::job::Operation;

/// A statement with the values that its text marks.
#[derive(Clone)]
pub struct Statement {
    /// What it does, for messages: `delete a batch of exam-history`.
    pub doing: Arc<str>,
    sql: Arc<str>,
    values: Values,
    /// The table whose rows it changes, if it changes any: kigen accounts for them.
    pub writes: Option<Writes>,
}

/// What a statement changes by its own word; what else the database changes with it, it counts itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Writes {
    /// The table as the statement spells it.
    pub table: Arc<str>,
    pub operation: Operation,
}

/// A value that a statement is sent with.
#[derive(Clone)]
pub enum Arg {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
    IntArray(Vec<Option<i64>>),
    TextArray(Vec<Option<String>>),
}

impl From<i64> for Arg {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for Arg {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<&String> for Arg {
    fn from(value: &String) -> Self {
        Self::Text(value.clone())
    }
}

impl From<String> for Arg {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&[u8]> for Arg {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(value.to_vec())
    }
}

impl From<Vec<u8>> for Arg {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

impl<T: Into<Self>> From<Option<T>> for Arg {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The values of a statement while its text is written.
#[derive(Clone, Default)]
pub struct Values(Vec<Arg>);

/// Stands in a text for a value.
#[derive(Clone, Copy)]
pub struct Mark(usize);

/// No engine takes this character in a statement, so no name and no literal holds it.
const SIGN: char = '\0';

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SIGN}{}{SIGN}", self.0)
    }
}

impl Values {
    /// Adds a value; the mark is to stand in the text where the value does.
    pub fn bind(&mut self, value: impl Into<Arg>) -> Mark {
        self.0.push(value.into());
        Mark(self.0.len() - 1)
    }

    /// Adds several values: their marks, divided by commas.
    pub fn list<T: Into<Arg>>(&mut self, values: impl IntoIterator<Item = T>) -> String {
        let marks = values.into_iter().map(|value| self.bind(value).to_string());
        marks.collect::<Vec<_>>().join(", ")
    }
}

impl Statement {
    /// A statement whose text marks `values`.
    pub fn new(doing: impl Into<Arc<str>>, sql: impl Into<Arc<str>>, values: Values) -> Self {
        Self {
            doing: doing.into(),
            sql: sql.into(),
            values,
            writes: None,
        }
    }

    /// A statement without values.
    pub fn plain(doing: impl Into<Arc<str>>, sql: impl Into<Arc<str>>) -> Self {
        Self::new(doing, sql, Values::default())
    }

    /// A statement whose whole text stands in the source, and no name of a user in it. Each `?` is
    /// the next of `values`; `?1` is the first, wherever it stands.
    pub fn of<const N: usize>(doing: impl Into<Arc<str>>, sql: &str, values: [Arg; N]) -> Self {
        let mut parts = sql.split('?');
        let mut text = parts.next().unwrap_or_default().to_owned();
        for (next, part) in parts.enumerate() {
            let number = part.chars().next().and_then(|first| first.to_digit(10));
            let (place, rest) = match number.and_then(|number| usize::try_from(number).ok()) {
                Some(number) => (number.saturating_sub(1), &part[1..]),
                None => (next, part),
            };
            text.push_str(&format!("{}{rest}", Mark(place)));
        }
        Self::new(doing, text, Values(values.into()))
    }

    /// The same statement, which changes rows of `table`.
    #[must_use]
    pub fn writing(mut self, table: impl Into<Arc<str>>, operation: Operation) -> Self {
        let table = table.into();
        self.writes = Some(Writes { table, operation });
        self
    }

    /// The same statement, with `more` behind its text.
    #[must_use]
    pub fn followed_by(mut self, more: &str) -> Self {
        self.sql = format!("{}{more}", self.sql).into();
        self
    }

    /// The text with the placeholders of an engine that numbers them from one, and the values.
    pub(super) fn numbered(&self, before: char) -> (Arc<str>, &[Arg]) {
        if !self.sql.contains(SIGN) {
            return (Arc::clone(&self.sql), &self.values.0);
        }
        let mut text = String::with_capacity(self.sql.len());
        for (at, part) in self.sql.split(SIGN).enumerate() {
            // Between two signs stands the number of a value.
            match part.parse::<usize>() {
                Ok(number) if at % 2 == 1 => text.push_str(&format!("{before}{}", number + 1)),
                Ok(_) | Err(_) => text.push_str(part),
            }
        }
        (text.into(), &self.values.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_numbers_what_a_text_marks() {
        let mut values = Values::default();
        let (run, client) = (values.bind("r"), values.bind("c"));
        let sql = format!("select 1 where client = {client} and (run = {run} or {run} is null)");
        let statement = Statement::new("test", sql, values);
        let (sql, args) = statement.numbered('$');
        assert_eq!(
            &*sql,
            "select 1 where client = $2 and (run = $1 or $1 is null)"
        );
        assert_eq!(args.len(), 2);
    }

    #[test]
    fn a_text_of_the_source_takes_its_values_in_their_order() {
        let values = ["r".into(), 7.into()];
        let statement = Statement::of("test", "select ? where size = ?", values);
        assert_eq!(&*statement.numbered('?').0, "select ?1 where size = ?2");
        let twice = Statement::of("test", "select ?1, ?2, ?1", ["a".into(), "b".into()]);
        assert_eq!(&*twice.numbered('$').0, "select $1, $2, $1");
        let none = Statement::plain("test", "select 'a''?'");
        assert_eq!(&*none.numbered('$').0, "select 'a''?'");
    }
}
