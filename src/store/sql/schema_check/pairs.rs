//! Whether two columns can be matched: the database compares them without loss, and by one notion of
//! what is equal.

use crate::guard::{self, Guard};
use crate::job::TableName;
use crate::store::sql::catalog::ColumnFacts;
use crate::store::sql::columns::SQLITE_TEXT;

/// Two columns that the job matches, each with its table's name.
pub(super) struct Pair<'a> {
    pub(super) theirs: (&'a TableName, &'a ColumnFacts),
    pub(super) ours: (&'a TableName, &'a ColumnFacts),
}

impl Pair<'_> {
    /// What keeps the columns from being matched.
    ///
    /// Where types differ, one engine refuses the statement at night, and another finds nothing, or
    /// `'01'` where the record is called 1. Where collations differ, a foreign key follows one of them
    /// and a statement perhaps the other.
    pub(super) fn problem(&self) -> Option<String> {
        if !guard::stands(Guard::PairsCompare) {
            return None;
        }
        let (theirs, ours) = (self.theirs.1, self.ours.1);
        if theirs.family != ours.family {
            return Some(format!(
                "{} and {} cannot be compared: their types differ\nhint: give both columns one type, or match rows by another column",
                typed(self.theirs),
                typed(self.ours)
            ));
        }
        if !theirs.has_equality {
            return Some(format!(
                "{} and {} cannot be matched: their type has no notion of equal values (its `=`, if it has one, compares something else, as an area)\nhint: match rows by another column",
                typed(self.theirs),
                typed(self.ours)
            ));
        }
        let names = |column: &ColumnFacts| {
            let collation = column.collation.as_ref();
            collation.map(|collation| collation.name.to_lowercase())
        };
        if names(theirs) == names(ours) || both_exact(theirs, ours) {
            return None;
        }
        Some(format!(
            "{} and {} are compared under different collations, so they may be equal for a foreign key and not for a statement\nhint: give both columns one collation",
            collated(self.theirs),
            collated(self.ours)
        ))
    }
}

/// Whether no collation of the two calls different texts equal, and one of them is the database's own.
fn both_exact(theirs: &ColumnFacts, ours: &ColumnFacts) -> bool {
    match (&theirs.collation, &ours.collation) {
        (None, None) => true,
        (Some(named), None) | (None, Some(named)) => named.exact,
        (Some(_), Some(_)) => false,
    }
}

fn typed((table, column): (&TableName, &ColumnFacts)) -> String {
    format!("`{}` of `{table}` ({})", column.name, type_of(column))
}

fn collated((table, column): (&TableName, &ColumnFacts)) -> String {
    let collation = column.collation.as_ref();
    let name = collation.map_or("the database's own", |collation| &collation.name);
    format!(
        "`{}` of `{table}` ({}, collation {name})",
        column.name,
        type_of(column)
    )
}

fn type_of(column: &ColumnFacts) -> String {
    match column.type_name.as_str() {
        "" => "no type".to_owned(),
        SQLITE_TEXT => "a type of text".to_owned(),
        name => format!("type `{name}`"),
    }
}
