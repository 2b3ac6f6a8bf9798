//! What a transaction has changed: as its statements say, and as the database counts it.
//!
//! The engines count rows whoever changes them: cascades, triggers, rules. See `postgres::changes` and
//! `sqlite::changes`.

use std::collections::{BTreeMap, BTreeSet};

use super::statement::Writes;
use crate::job::Operation;

/// Rows of one table that the database has changed in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The table, for messages.
    pub table: String,
    /// Which of the names that were asked for mean this table.
    pub names: BTreeSet<usize>,
    /// `None`: changed in a way that the database does not tell.
    pub operation: Option<Operation>,
    pub rows: u64,
}

/// Rows that the statements of a transaction have changed by their own word.
#[derive(Clone, Debug, Default)]
pub struct Tally(BTreeMap<Writes, u64>);

impl Tally {
    /// Notes what a statement has changed.
    pub fn add(&mut self, writes: Option<&Writes>, rows: u64) {
        if let Some(writes) = writes
            && rows > 0
        {
            *self.0.entry(writes.clone()).or_default() += rows;
        }
    }

    /// What was changed, by table and operation.
    pub fn iter(&self) -> impl Iterator<Item = (&Writes, u64)> {
        self.0.iter().map(|(writes, rows)| (writes, *rows))
    }
}

/// The last part of a table's name as statements spell it, without its quotes.
pub fn unquoted(spelled: &str) -> String {
    let Some(last) = spelled.strip_suffix('"') else {
        return spelled.to_owned();
    };
    let doubled = last.replace("\"\"", "\0");
    let name = doubled.rsplit('"').next().unwrap_or_default();
    name.replace('\0', "\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::dialect::quote;

    #[test]
    fn a_spelled_name_is_unquoted() {
        let cases = [
            (quote("learner"), "learner"),
            (format!("{}.{}", quote("a.b"), quote("c\"d")), "c\"d"),
            (quote(""), ""),
        ];
        for (spelled, name) in cases {
            assert_eq!(unquoted(&spelled), name, "{spelled}");
        }
    }
}
