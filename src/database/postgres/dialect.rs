//! PostgreSQL's spelling.

use crate::database::dialect::{Dialect, literal, quote};

/// Statements for PostgreSQL 14 and later.
#[derive(Clone, Debug)]
pub struct PostgresDialect {
    /// The schema of kigen's own tables; without one they are `kigen_…` in the search path.
    pub schema: Option<String>,
}

impl Dialect for PostgresDialect {
    fn internal(&self, name: &str) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", quote(schema), quote(name)),
            None => quote(&format!("kigen_{name}")),
        }
    }

    fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    fn json(&self, expression: &str) -> String {
        format!("{expression}::json")
    }

    fn field(&self, document: &str, name: &str) -> String {
        format!("{document} ->> {}", literal(name))
    }

    fn elements(&self, document: &str, name: &str, alias: &str) -> String {
        let array = format!("{document} -> {}", literal(name));
        format!("json_array_elements_text({array}) as {alias}(value)")
    }

    fn text_of(&self, expression: &str) -> String {
        format!("({expression}::text collate \"C\")")
    }

    fn moment(&self, parameter: &str) -> String {
        format!("{parameter}::timestamptz")
    }

    fn now(&self) -> &'static str {
        "now()"
    }

    fn clock(&self) -> Option<&'static str> {
        Some("(extract(epoch from clock_timestamp()) * 1000000)::bigint")
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
        " for update of t skip locked"
    }

    fn lock_child_rows(&self) -> &'static str {
        " for update of t"
    }

    fn lock_fence(&self) -> &'static str {
        " for share"
    }

    fn serialize(&self, name: &str, table: Option<&str>) -> Option<String> {
        let seed = table.map_or_else(
            || "0".to_owned(),
            |table| format!("{}::regclass::oid::bigint", literal(table)),
        );
        Some(format!(
            "select pg_advisory_xact_lock(hashtextextended({name}, {seed}))::text"
        ))
    }

    fn once(&self) -> &'static str {
        // PostgreSQL merges no subquery with an offset.
        " offset 0"
    }

    fn only_plan(&self, statement: &str) -> Option<String> {
        Some(format!("explain {statement}"))
    }

    fn may_insert(&self, tables: &[&str]) -> Option<String> {
        let rights = tables.iter().map(|table| {
            let table = literal(&self.internal(table));
            format!("has_table_privilege({table}, 'insert')")
        });
        Some(rights.collect::<Vec<_>>().join(" and "))
    }

    fn table_exists(&self, name: &str) -> String {
        format!("to_regclass({name}) is not null")
    }

    fn types(&self) -> (&'static str, &'static str) {
        ("bigint", "timestamptz")
    }
}
