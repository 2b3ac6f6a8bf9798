//! The key of an earlier run: wrapped in the ledger, opened by the keyring.

use kigen_evidence::leaf::RunKey;
use thiserror::Error;

use super::{Keyring, KeyringError, WrappedRunKey};
use crate::ledger::Ledger;
use crate::ledger::error::LedgerError;

/// Why a run's key cannot be had.
#[derive(Debug, Error)]
pub enum NoRunKey {
    /// It was destroyed, or its quarter's key was: no leaf of the run can be opened any more.
    #[error("the key of the run is gone")]
    Destroyed,
    /// The keyring has never had the key of its quarter.
    #[error("the keyring has no key of the run's quarter")]
    NotInKeyring,
    #[error(transparent)]
    Unusable(KeyringError),
}

impl Keyring {
    /// Opens the key of the run `run_id`, which the ledger keeps.
    pub async fn run_key(
        &self,
        ledger: &dyn Ledger,
        run_id: &str,
    ) -> Result<Result<RunKey, NoRunKey>, LedgerError> {
        let Some(stored) = ledger.run_key(run_id).await? else {
            return Ok(Err(NoRunKey::Destroyed));
        };
        let Ok(bytes) = stored.wrapped.try_into() else {
            return Ok(Err(NoRunKey::Unusable(KeyringError::Unwrap {
                run_id: run_id.to_owned(),
                key_id: stored.kek_id,
            })));
        };
        let wrapped = WrappedRunKey {
            key_id: stored.kek_id,
            bytes,
        };
        Ok(self.unwrap(run_id, &wrapped).map_err(|error| match error {
            KeyringError::Destroyed { .. } => NoRunKey::Destroyed,
            KeyringError::NoSuchKey(_) => NoRunKey::NotInKeyring,
            other => NoRunKey::Unusable(other),
        }))
    }
}
