//! A job against the live schema: names become columns with types, or problems.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::catalog::{ColumnFacts, ColumnType, TableFacts};
use super::dialect::{self, StartType};
use super::marks::Marks;
use crate::job::{ColumnRef, Job, PurposeSource, StoredAs, TableName};
use crate::store::error::StoreError;

/// The relations that the names of jobs stand for in one opened store.
///
/// A name is resolved once, when it is first asked for, and stays what it was: a search path that
/// changes while a run goes on leads to no other table.
#[derive(Default)]
pub(crate) struct Pinned(Mutex<BTreeMap<TableName, TableName>>);

impl Pinned {
    /// What to look for where a job says `name`.
    pub(crate) fn of(&self, name: &TableName) -> TableName {
        let pinned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pinned.get(name).unwrap_or(name).clone()
    }

    /// Remembers what was found for `name`.
    pub(crate) fn keep(&self, name: &TableName, relation: &TableName) {
        let mut pinned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pinned.insert(name.clone(), relation.clone());
    }
}

/// The live tables a job touches.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    /// By the name written in the job.
    facts: BTreeMap<TableName, TableFacts>,
    /// Where marks of the records may stand; none if the job needs no marker table.
    marks: Option<Marks>,
}

impl Tables {
    pub(crate) fn new(facts: BTreeMap<TableName, TableFacts>, marks: Option<Marks>) -> Self {
        Self { facts, marks }
    }

    /// Where marks of the records may stand; none if the job needs no marker table.
    pub(crate) fn marks(&self) -> Option<&Marks> {
        self.marks.as_ref()
    }

    /// Every table that `job` names: its own, its joins, its references, and where an audit looks.
    pub(crate) fn named_by(job: &Job) -> Vec<TableName> {
        let mut names = vec![job.table.clone()];
        names.extend(job.joins.iter().map(|join| join.table.clone()));
        names.extend(
            job.references
                .iter()
                .map(|reference| reference.table.clone()),
        );
        names.extend(job.leftovers.iter().map(|leftover| leftover.table.clone()));
        names.extend(job.effects.iter().map(|effect| effect.table.clone()));
        names.sort();
        names.dedup();
        names
    }

    /// The cluster's own table.
    pub(crate) fn own(&self, job: &Job) -> Result<&TableFacts, StoreError> {
        self.get(&job.table)
            .ok_or_else(|| StoreError::Unusable(format!("table `{}` does not exist", job.table)))
    }

    pub(crate) fn get(&self, name: &TableName) -> Option<&TableFacts> {
        self.facts.get(name)
    }

    /// How statements write the table that the job calls `name`: quoted, with the schema in which it was
    /// found. No statement leaves that to the search path.
    pub(crate) fn sql(&self, name: &TableName) -> String {
        dialect::table(self.get(name).map_or(name, |facts| &facts.relation))
    }

    pub(crate) fn column(&self, table: &TableName, column: &str) -> Option<&ColumnFacts> {
        self.get(table)?.column(column)
    }

    /// The table that a column of `job` stands in.
    pub(crate) fn table_of<'a>(job: &'a Job, column: &ColumnRef) -> Option<&'a TableName> {
        match &column.join {
            None => Some(&job.table),
            Some(name) => job
                .joins
                .iter()
                .find(|join| &join.name == name)
                .map(|join| &join.table),
        }
    }

    /// The column that `column` names in `job`.
    pub(crate) fn resolve(&self, job: &Job, column: &ColumnRef) -> Option<&ColumnFacts> {
        self.column(Self::table_of(job, column)?, &column.column)
    }

    /// How the starting point of a purpose is stored, or what does not fit.
    pub(crate) fn start_type(
        &self,
        job: &Job,
        source: &PurposeSource,
    ) -> Result<StartType, String> {
        let at = &source.starts_at;
        let Some(column) = self.resolve(job, at) else {
            return Err(format!("starting point `{at}`: the column does not exist"));
        };
        match (&column.column_type, &source.stored_as) {
            (ColumnType::Date, StoredAs::Typed) => Ok(StartType::Date),
            (ColumnType::Text { .. }, StoredAs::Typed) if column.type_name == SQLITE_TEXT => {
                Ok(StartType::Date)
            }
            (ColumnType::Instant, StoredAs::Typed) => Ok(StartType::Instant),
            (ColumnType::Int { .. }, StoredAs::UnixSeconds) => Ok(StartType::UnixSeconds),
            (ColumnType::LocalTime, StoredAs::LocalTime(zone)) => {
                Ok(StartType::LocalTime(zone.clone()))
            }
            (ColumnType::Text { .. }, StoredAs::LocalTime(zone))
                if column.type_name == SQLITE_TEXT =>
            {
                Ok(StartType::LocalTime(zone.clone()))
            }
            (ColumnType::LocalTime, StoredAs::Typed) => Err(format!(
                "starting point `{at}` has type `{}`, a time without zone\nhint: say in which zone it is written: `starts-at-zone = \"UTC\"`",
                column.type_name
            )),
            (ColumnType::Int { .. }, StoredAs::Typed | StoredAs::LocalTime(_)) => Err(format!(
                "starting point `{at}` has type `{}`, which is no date\nhint: if it counts seconds since 1970 write `starts-at-format = \"unix-seconds\"`",
                column.type_name
            )),
            (
                ColumnType::Date
                | ColumnType::Instant
                | ColumnType::LocalTime
                | ColumnType::Text { .. }
                | ColumnType::Bool
                | ColumnType::Bytes
                | ColumnType::Uuid
                | ColumnType::Decimal
                | ColumnType::Other,
                _,
            ) => Err(format!(
                "starting point `{at}` has type `{}`, which cannot be read as the job says\nhint: a starting point is a date, a timestamp, or an integer with `starts-at-format = \"unix-seconds\"`",
                column.type_name
            )),
        }
    }
}

/// The type name that SQLite's catalog gives to columns declared as text. PostgreSQL's `text` is
/// no date; SQLite has nothing else.
pub(crate) const SQLITE_TEXT: &str = "TEXT (SQLite)";
