//! The tables' definitions, in the two dialects.

use super::layout::TABLES;

/// Where the demonstration lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// In the schema `lms`.
    Postgres,
    /// SQLite knows no schemas.
    Sqlite,
}

impl Dialect {
    /// What stands before a table's name.
    pub(super) const fn table_prefix(self) -> &'static str {
        match self {
            Self::Postgres => "lms.",
            Self::Sqlite => "",
        }
    }
}

const POSTGRES: &str = include_str!("schema_postgres.sql");
const SQLITE: &str = include_str!("schema_sqlite.sql");

/// Returns the statements that create the demonstration's tables and indexes, in order.
///
/// Repeating them is harmless.
pub(crate) fn schema_sql(dialect: Dialect) -> Vec<&'static str> {
    let file = match dialect {
        Dialect::Postgres => POSTGRES,
        Dialect::Sqlite => SQLITE,
    };
    file.split(";\n")
        .map(str::trim)
        .filter(|statement| !statement.is_empty())
        .collect()
}

/// Splits the statements into those for tables and those for indexes, which are quicker to build
/// once the rows are there.
pub(super) fn tables_then_indexes(dialect: Dialect) -> (Vec<&'static str>, Vec<&'static str>) {
    schema_sql(dialect)
        .into_iter()
        .partition(|statement| !statement.starts_with("create index"))
}

/// A query that says whether any table has a row.
pub(super) fn any_row(dialect: Dialect) -> String {
    let prefix = dialect.table_prefix();
    let tests: Vec<String> = TABLES
        .iter()
        .map(|table| format!("exists (select 1 from {prefix}{})", table.name))
        .collect();
    format!("select {}", tests.join(" or "))
}
