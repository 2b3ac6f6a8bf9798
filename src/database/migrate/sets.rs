//! The migrations of each set of tables, in their order. A released file never changes.

use super::{MigrationSet, Migrations, Script};

const fn script(version: i64, name: &'static str, sql: &'static str) -> Script {
    Script { version, name, sql }
}

/// The ledger: `kigen_…`, in PostgreSQL in the first schema of the search path.
pub const LEDGER: Migrations = Migrations {
    postgres: MigrationSet {
        table: "kigen_migration",
        scripts: &[
            script(
                1,
                "0001_ledger",
                include_str!("../../../migrations/ledger/postgres/0001_ledger.sql"),
            ),
            script(
                2,
                "0002_log",
                include_str!("../../../migrations/ledger/postgres/0002_log.sql"),
            ),
        ],
    },
    sqlite: MigrationSet {
        table: "kigen_migration",
        scripts: &[
            script(
                1,
                "0001_ledger",
                include_str!("../../../migrations/ledger/sqlite/0001_ledger.sql"),
            ),
            script(
                2,
                "0002_log",
                include_str!("../../../migrations/ledger/sqlite/0002_log.sql"),
            ),
        ],
    },
};

/// The journal of a store: in PostgreSQL in a schema of its own, in SQLite `kigen_…` beside the
/// store's own tables.
pub const JOURNAL: Migrations = Migrations {
    postgres: MigrationSet {
        table: "migration",
        scripts: &[
            script(
                1,
                "0001_journal",
                include_str!("../../../migrations/journal/postgres/0001_journal.sql"),
            ),
            script(
                2,
                "0002_retention",
                include_str!("../../../migrations/journal/postgres/0002_retention.sql"),
            ),
            script(
                3,
                "0003_marks",
                include_str!("../../../migrations/journal/postgres/0003_marks.sql"),
            ),
        ],
    },
    sqlite: MigrationSet {
        table: "kigen_journal_migration",
        scripts: &[
            script(
                1,
                "0001_journal",
                include_str!("../../../migrations/journal/sqlite/0001_journal.sql"),
            ),
            script(
                2,
                "0002_retention",
                include_str!("../../../migrations/journal/sqlite/0002_retention.sql"),
            ),
            script(
                3,
                "0003_marks",
                include_str!("../../../migrations/journal/sqlite/0003_marks.sql"),
            ),
        ],
    },
};
