//! What SQLite counts as changed: a hook names the table of each row, a counter of the connection has
//! also the rows that the hook does not see (of tables without rowid, or of a table emptied at once).
//! Triggers and foreign keys count like statements.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteOperation;

use crate::database::changes::{Counted, Tally, unquoted};
use crate::database::statement::Statement;
use crate::job::Operation;

pub(super) const COUNTING: &str = "begin to count what changes";

/// Rows by table, in small letters, and operation.
type Seen = BTreeMap<(String, Operation), u64>;

/// Counts from the beginning of a transaction.
#[derive(Default)]
pub(super) struct Counter {
    seen: Arc<Mutex<Seen>>,
    /// The connection's own count at the beginning.
    total: i64,
}

/// Reads the connection's own count.
pub(super) fn total() -> Statement {
    Statement::plain("count what changed", "select total_changes()")
}

impl Counter {
    pub(super) fn from(total: i64) -> Self {
        Self {
            seen: Arc::default(),
            total,
        }
    }

    /// Counts every row that `connection` changes from now on.
    pub(super) async fn watch(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let seen = Arc::clone(&self.seen);
        let mut handle = connection.lock_handle().await?;
        handle.set_update_hook(move |change| {
            let operation = match change.operation {
                SqliteOperation::Insert => Operation::Insert,
                SqliteOperation::Update | SqliteOperation::Unknown(_) => Operation::Update,
                SqliteOperation::Delete => Operation::Delete,
            };
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            let key = (change.table.to_ascii_lowercase(), operation);
            *seen.entry(key).or_default() += 1;
        });
        Ok(())
    }

    /// What changed in the meantime.
    pub(super) fn counted(&self, total: i64, names: &[Arc<str>], tally: &Tally) -> Vec<Counted> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counted: Vec<Counted> = seen
            .iter()
            .map(|((table, operation), rows)| Counted {
                table: table.clone(),
                names: named(table, names),
                operation: Some(*operation),
                rows: *rows,
            })
            .collect();
        // What the hook has not seen must be what statements changed in tables that it never sees.
        let mut hidden = u64::try_from(total - self.total).unwrap_or(u64::MAX);
        hidden = hidden.saturating_sub(seen.values().sum());
        for (writes, rows) in tally.iter() {
            let table = unquoted(&writes.table).to_ascii_lowercase();
            if hidden >= rows && !seen.contains_key(&(table.clone(), writes.operation)) {
                hidden -= rows;
                counted.push(Counted {
                    names: named(&table, names),
                    table,
                    operation: Some(writes.operation),
                    rows,
                });
            }
        }
        if hidden > 0 {
            counted.push(Counted {
                table: "(a table without rowid, or one that was emptied at once)".to_owned(),
                names: BTreeSet::new(),
                operation: None,
                rows: hidden,
            });
        }
        counted
    }
}

fn named(table: &str, names: &[Arc<str>]) -> BTreeSet<usize> {
    let names = names.iter().enumerate();
    let same = names.filter(|(_, name)| unquoted(name).eq_ignore_ascii_case(table));
    same.map(|(place, _)| place).collect()
}
