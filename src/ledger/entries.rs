//! The ledger's entries: written once, read in their order.

use async_trait::async_trait;
use jiff::Timestamp;

use super::entry::{Entry, RecordedEntry};
use super::error::LedgerError;
use super::open::SqlLedger;
use crate::database::dialect::Dialect;
use crate::database::migrate::moment;
use crate::database::session::SqlSession;
use crate::database::statement::{Statement, Values};
use crate::database::transaction::end;

/// What happened, entry by entry.
#[async_trait]
pub trait Entries: Send + Sync {
    /// Writes one entry, durable on return. Returns its place.
    async fn append(
        &self,
        run_id: Option<&str>,
        at: Timestamp,
        entry: &Entry,
    ) -> Result<i64, LedgerError>;

    /// The entries from `from` (inclusive) until `until` (exclusive), in their order.
    async fn entries(
        &self,
        from: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<Vec<RecordedEntry>, LedgerError>;

    /// The entries of one run, in their order; empty if there is no such run.
    async fn entries_of(&self, run_id: &str) -> Result<Vec<RecordedEntry>, LedgerError>;
}

#[async_trait]
impl Entries for SqlLedger {
    async fn append(
        &self,
        run_id: Option<&str>,
        at: Timestamp,
        entry: &Entry,
    ) -> Result<i64, LedgerError> {
        const ACTION: &str = "write an entry";
        let mut session = self.begin(ACTION).await?;
        let place = write(&mut *session, self.dialect(), ACTION, run_id, at, entry).await;
        end(&mut *session, place).await
    }

    async fn entries(
        &self,
        from: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<Vec<RecordedEntry>, LedgerError> {
        let mut values = Values::default();
        let conditions = [
            from.map(|from| format!("at >= {}", bind(self.dialect(), &mut values, from))),
            until.map(|until| format!("at < {}", bind(self.dialect(), &mut values, until))),
        ];
        self.entries_where(&all(conditions), values).await
    }

    async fn entries_of(&self, run_id: &str) -> Result<Vec<RecordedEntry>, LedgerError> {
        let mut values = Values::default();
        let condition = format!("run_id = {}", values.bind(run_id));
        self.entries_where(&condition, values).await
    }
}

impl SqlLedger {
    /// The entries for which `condition` holds, in their order.
    pub(super) async fn entries_where(
        &self,
        condition: &str,
        values: Values,
    ) -> Result<Vec<RecordedEntry>, LedgerError> {
        let sql = format!(
            "select entry_id, run_id, at, {} from kigen_entry where {condition} order by entry_id",
            self.dialect().text_of("body")
        );
        let rows = self.read(&Statement::new(READ, sql, values)).await?;
        rows.into_iter().map(recorded).collect()
    }
}

const READ: &str = "read entries";

/// Writes an entry in the open transaction of `session`, and returns its place.
pub(super) async fn write(
    session: &mut dyn SqlSession,
    dialect: &dyn Dialect,
    action: &'static str,
    run_id: Option<&str>,
    at: Timestamp,
    entry: &Entry,
) -> Result<i64, LedgerError> {
    let body = serde_json::to_string(entry).map_err(|error| LedgerError::Damaged {
        action: action.to_owned(),
        found: format!("no room for `{}`: {error}", entry.kind()),
    })?;
    let mut values = Values::default();
    let run = values.bind(run_id);
    let at = bind(dialect, &mut values, at);
    let kind = values.bind(entry.kind());
    let body = values.bind(body).to_string();
    let sql = format!(
        "insert into kigen_entry (run_id, at, kind, body) values ({run}, {at}, {kind}, {}){}",
        dialect.json(&body),
        dialect.returning("entry_id")
    );
    let insert = Statement::new(action, sql, values);
    Ok(session.read_value(&insert).await?)
}

/// A bound moment.
pub(super) fn bind(dialect: &dyn Dialect, values: &mut Values, at: Timestamp) -> String {
    dialect.moment(&values.bind(moment(at)).to_string())
}

/// Those of `conditions` that there are, all of which must hold.
pub(super) fn all<const N: usize>(conditions: [Option<String>; N]) -> String {
    let conditions: Vec<String> = conditions.into_iter().flatten().collect();
    if conditions.is_empty() {
        return "1 = 1".to_owned();
    }
    conditions.join(" and ")
}

/// `entry_id, run_id, at, body`.
type EntryRow = (i64, Option<String>, Timestamp, String);

fn recorded(row: EntryRow) -> Result<RecordedEntry, LedgerError> {
    let (entry_id, run_id, at, body) = row;
    let entry = serde_json::from_str(&body).map_err(|_| unreadable(entry_id, &body))?;
    Ok(RecordedEntry {
        entry_id,
        run_id,
        at,
        entry,
    })
}

/// A newer kigen may write kinds that this one does not know; anything else is damage.
fn unreadable(entry_id: i64, body: &str) -> LedgerError {
    let kind = serde_json::from_str::<serde_json::Value>(body)
        .ok()
        .and_then(|value| value.get("kind")?.as_str().map(str::to_owned));
    match kind {
        Some(kind) if !Entry::KINDS.contains(&kind.as_str()) => LedgerError::NewerVersion {
            found: format!("entry {entry_id} of kind `{kind}`"),
        },
        Some(_) | None => LedgerError::Damaged {
            action: READ.to_owned(),
            found: format!("an entry, {entry_id}, that cannot be read"),
        },
    }
}
