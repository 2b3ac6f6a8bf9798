//! What a session with the PostgreSQL ledger is for.

use std::time::Duration;

use sqlx::PgConnection;

use crate::database::postgres::Server;
use crate::database::postgres::SessionError;
use crate::database::postgres::SessionSettings;
use crate::ledger::convert::postgres_error;
use crate::ledger::error::LedgerError;

/// No statement of the ledger may hang.
pub(super) fn server(url: &str) -> Result<Server, LedgerError> {
    let settings = SessionSettings {
        read_only: false,
        lock_timeout: Duration::from_secs(10),
        statement_timeout: Some(Duration::from_mins(5)),
        // Its tables are found by the search path that it was given.
        catalog_first: false,
    };
    let server = Server::at(url, "kigen ledger", settings);
    let server = server.map_err(|_| LedgerError::BadUrl {
        problem: "cannot be read",
    })?;
    Ok(server.without_statement_log())
}

pub(super) fn failed(action: &'static str) -> impl Fn(sqlx::Error) -> LedgerError {
    move |error| postgres_error(action, error)
}

pub(super) fn not_begun(action: &'static str) -> impl Fn(SessionError) -> LedgerError {
    move |error| match error {
        SessionError::Driver(error) => postgres_error(action, error),
        SessionError::Pooler
        | SessionError::NotKept { .. }
        | SessionError::ReplicationRole { .. } => LedgerError::UnsafeSession {
            reason: error.to_string(),
        },
    }
}

/// Connects without a pool, whose retries would hide why it fails.
pub(super) async fn connect(
    server: &Server,
    action: &'static str,
) -> Result<PgConnection, LedgerError> {
    server.connect().await.map_err(not_begun(action))
}
