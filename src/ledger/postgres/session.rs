//! How a session with the PostgreSQL ledger is begun.

use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;

use crate::ledger::convert::postgres_error;
use crate::ledger::error::LedgerError;
use crate::ledger::error::Retry;

/// How long to wait for a connection.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Evidence must be durable whatever the role's default is, and no session may hang.
pub(super) const PREPARE_SESSION: &str = "select \
     set_config('statement_timeout', '5min', false), \
     set_config('lock_timeout', '10s', false), \
     set_config('idle_in_transaction_session_timeout', '60s', false), \
     set_config('synchronous_commit', case current_setting('synchronous_commit') \
         when 'off' then 'on' else current_setting('synchronous_commit') end, false)";

/// A session that holds a lock idles for as long as a run takes, and the server must notice soon
/// when its client's machine is gone.
pub(super) const PREPARE_LOCK_SESSION: &str = "select set_config(name, value, false) from (values \
     ('idle_session_timeout', '0'), ('tcp_keepalives_idle', '30'), \
     ('tcp_keepalives_interval', '10'), ('tcp_keepalives_count', '3')) wanted (name, value) \
     where current_setting(name, true) is not null";

pub(super) fn failed(action: &'static str) -> impl Fn(sqlx::Error) -> LedgerError {
    move |error| postgres_error(action, error)
}

/// Connects without a pool, whose retries would hide why it fails.
pub(super) async fn connect(
    options: &PgConnectOptions,
    action: &'static str,
) -> Result<PgConnection, LedgerError> {
    match tokio::time::timeout(CONNECT_TIMEOUT, options.connect()).await {
        Ok(connection) => connection.map_err(failed(action)),
        Err(_) => Err(LedgerError::Unreachable {
            action,
            retry: Retry::Later,
            source: sqlx::Error::PoolTimedOut,
        }),
    }
}
