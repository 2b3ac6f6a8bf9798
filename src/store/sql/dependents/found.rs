//! Rows that go with the records of a batch, as they were found.

use kigen_evidence::value::Value;

use super::key_columns;
use crate::database::session::Row;
use crate::job::Reference;
use crate::store::sql::catalog::ColumnFacts;

/// Rows of one goes-with table, and which of the batch's records each belongs to.
pub(in crate::store::sql) struct Found<'a> {
    pub(in crate::store::sql) reference: &'a Reference,
    /// Index among the job's goes-with references.
    pub(super) index: usize,
    /// Columns read, key first.
    pub(super) columns: Vec<&'a ColumnFacts>,
    pub(in crate::store::sql) rows: Vec<Row>,
    /// For each row, the index of its record in the batch.
    pub(in crate::store::sql) owners: Vec<usize>,
    /// Whether these are all rows that there are; else more were left where they are.
    pub(super) is_whole: bool,
}

impl<'a> Found<'a> {
    /// Where its rows have `column`.
    pub(in crate::store::sql) fn position(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|known| known.name == column)
    }

    /// Index among the job's references whose rows go with the record.
    pub(in crate::store::sql) fn index(&self) -> usize {
        self.index
    }

    /// The key of each row.
    pub(in crate::store::sql) fn keys(&self) -> impl Iterator<Item = &[Value]> {
        let width = key_columns(self.reference).len();
        self.rows.iter().map(move |row| &row[..width])
    }

    /// Leaves out the rows for which `chosen` holds nothing.
    pub(in crate::store::sql) fn retain(&mut self, mut chosen: impl FnMut() -> bool) {
        let rows = std::mem::take(&mut self.rows);
        let owners = std::mem::take(&mut self.owners);
        for (row, owner) in rows.into_iter().zip(owners) {
            if chosen() {
                self.rows.push(row);
                self.owners.push(owner);
            }
        }
    }

    /// Leaves out all rows but the first `most`.
    pub(super) fn truncate(&mut self, most: usize) {
        self.rows.truncate(most);
        self.owners.truncate(most);
    }

    /// The rows of the records `chosen` alone, with their owners numbered in that order.
    pub(in crate::store::sql) fn of_records(&self, chosen: &[usize]) -> Found<'a> {
        let mut part = Found {
            reference: self.reference,
            index: self.index,
            columns: self.columns.clone(),
            rows: Vec::new(),
            owners: Vec::new(),
            is_whole: self.is_whole,
        };
        for (row, owner) in self.rows.iter().zip(&self.owners) {
            if let Some(place) = chosen.iter().position(|record| record == owner) {
                part.rows.push(row.clone());
                part.owners.push(place);
            }
        }
        part
    }
}
