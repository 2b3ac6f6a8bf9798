//! SQLite's spelling.

use crate::database::dialect::{Dialect, literal, quote};

/// Statements for SQLite 3.41 and later (the bundled one).
#[derive(Clone, Copy, Debug)]
pub struct SqliteDialect;

impl Dialect for SqliteDialect {
    fn internal(&self, name: &str) -> String {
        quote(&format!("kigen_{name}"))
    }

    fn schema(&self) -> Option<&str> {
        None
    }

    fn json(&self, expression: &str) -> String {
        expression.to_owned()
    }

    fn field(&self, document: &str, name: &str) -> String {
        format!("{document} ->> {}", literal(name))
    }

    fn elements(&self, document: &str, name: &str, alias: &str) -> String {
        format!("json_each({document} -> {}) as {alias}", literal(name))
    }

    fn text_of(&self, expression: &str) -> String {
        // A cast keeps the collation of its column.
        format!("(cast({expression} as text) collate binary)")
    }

    fn moment(&self, parameter: &str) -> String {
        parameter.to_owned()
    }

    fn now(&self) -> &'static str {
        "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')"
    }

    fn clock(&self) -> Option<&'static str> {
        None
    }

    fn or_nothing(&self, _column: &str) -> String {
        " on conflict do nothing".to_owned()
    }

    fn or_set(&self, key: &str, assignments: &str) -> String {
        format!(" on conflict ({key}) do update set {assignments}")
    }

    fn returning(&self, list: &str) -> String {
        format!(" returning {list}")
    }

    fn lock_rows(&self) -> &'static str {
        // `begin immediate` has locked the whole database for writing.
        ""
    }

    fn lock_child_rows(&self) -> &'static str {
        ""
    }

    fn lock_fence(&self) -> &'static str {
        ""
    }

    fn serialize(&self, _name: &str, _table: Option<&str>) -> Option<String> {
        None
    }

    fn once(&self) -> &'static str {
        // SQLite merges no subquery with a limit into an outer query that aggregates.
        " limit -1"
    }

    fn only_plan(&self, _statement: &str) -> Option<String> {
        None
    }

    fn may_insert(&self, _tables: &[&str]) -> Option<String> {
        None
    }

    fn table_exists(&self, name: &str) -> String {
        format!("exists (select 1 from sqlite_schema where type = 'table' and name = {name})")
    }

    fn types(&self) -> (&'static str, &'static str) {
        ("integer", "text")
    }
}
