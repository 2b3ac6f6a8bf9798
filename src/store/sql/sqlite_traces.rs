//! Where a SQLite file keeps what was removed from its tables.
//!
//! kigen's own connection overwrites what it frees (`secure_delete`). Beside the file a log or a journal
//! may hold former pages, and in the file free pages may hold what the application removed itself.

use std::path::Path;

use kigen_evidence::value::Value;

use super::survey::count;
use crate::database::session::SqlSession;
use crate::database::statement::Statement;
use crate::guard::{self, Guard};
use crate::store::error::StoreError;

/// Where removed rows may still be read after a run, each in a sentence.
pub(super) async fn expected(
    session: &mut dyn SqlSession,
    file: &Path,
) -> Result<Vec<String>, StoreError> {
    let mut traces = Vec::new();
    match journal_mode(session).await?.as_str() {
        "wal" => traces.push(format!(
            "`{}` holds former pages until every program has let it go; kigen empties it after each run, where it can",
            beside(file, "-wal")
        )),
        "persist" => traces.push(format!(
            "`{}` keeps former pages of the last transaction (journal mode `persist`)",
            beside(file, "-journal")
        )),
        _ => {}
    }
    let free = number(session, "pragma freelist_count").await?;
    if free > 0 {
        traces.push(format!(
            "`{}` has {free} free pages, which may hold what the application removed without `secure_delete`; `vacuum` overwrites them",
            name(file)
        ));
    }
    Ok(traces)
}

/// Empties the log beside the file. Returns a sentence if another program holds it.
pub(super) async fn settle(
    session: &mut dyn SqlSession,
    file: &Path,
) -> Result<Vec<String>, StoreError> {
    if journal_mode(session).await? != "wal" || !guard::stands(Guard::WalIsEmptied) {
        return Ok(Vec::new());
    }
    let is_held = number(session, "pragma wal_checkpoint(truncate)").await? != 0;
    if !is_held {
        return Ok(Vec::new());
    }
    Ok(vec![format!(
        "removed rows may still be read in `{}`, which another program holds open; it is emptied when that program lets it go, or by the next run",
        beside(file, "-wal")
    )])
}

fn beside(file: &Path, suffix: &str) -> String {
    format!("{}{suffix}", name(file))
}

fn name(file: &Path) -> String {
    file.file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

async fn journal_mode(session: &mut dyn SqlSession) -> Result<String, StoreError> {
    let statement = Statement::plain("read the journal mode", "pragma journal_mode");
    let rows = session.query(&statement).await?;
    let mode = rows.first().and_then(|row| row.first());
    Ok(mode.and_then(Value::store_text).unwrap_or_default())
}

async fn number(session: &mut dyn SqlSession, sql: &'static str) -> Result<u64, StoreError> {
    let statement = Statement::plain("look for traces of removed rows", sql);
    let rows = session.query(&statement).await?;
    let number = rows.first().and_then(|row| row.first()).and_then(count);
    Ok(number.unwrap_or_default())
}
