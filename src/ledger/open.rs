//! Opens the ledger that a URL names.

use super::Ledger;
use super::error::LedgerError;
use super::postgres::PostgresLedger;
use super::sqlite::SqliteLedger;

/// Opens the ledger at `url`: `sqlite:…` (a file), or `postgres://…` (reached at once).
///
/// Creates nothing: a SQLite file comes into being with [`Ledger::migrate`]. No error repeats the
/// URL, which may hold a password.
pub async fn open(url: &str) -> Result<Box<dyn Ledger>, LedgerError> {
    match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("sqlite") => Ok(Box::new(SqliteLedger::open(url)?)),
        Some("postgres" | "postgresql") => Ok(Box::new(PostgresLedger::open(url).await?)),
        Some(_) | None => Err(LedgerError::BadUrl {
            problem: "starts with neither `sqlite:` nor `postgres:`",
        }),
    }
}
