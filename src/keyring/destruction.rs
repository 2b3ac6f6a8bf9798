//! Destroys the key of a quarter at the end of the evidence period.
//!
//! What was issued goes on verifying; nobody can open a leaf of that quarter any more. In this
//! order, each step durable before the next: the ledger says that it is done now; the keyring's file
//! loses the key; the ledger loses the run keys that it wrapped. After a crash in between the same
//! command goes on.

use jiff::Timestamp;
use jiff::civil::Date;
use kigen_evidence::calendar::Period;
use thiserror::Error;

use crate::ledger::Ledger;
use crate::ledger::entry::{Entry, EvidenceKeyDestroyed};
use crate::ledger::error::LedgerError;

use super::{Keyring, KeyringError, Quarter, QuarterKey};

/// What a destruction did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destruction {
    pub key_id: String,
    /// Since when the key is gone.
    pub at: Timestamp,
    /// The runs whose wrapped keys were removed from the ledger now.
    pub runs: usize,
    /// Whether the keyring had lost the key already.
    pub was_gone: bool,
}

/// Why a quarter's key was not destroyed. It is as it was.
#[derive(Debug, Error)]
pub enum DestructionError {
    #[error("the keyring has no key of the quarter {quarter}")]
    NoSuchQuarter { quarter: Quarter },
    #[error(
        "the evidence of {quarter} is kept until {until} (`keep = \"{keep}\"` in `[evidence]`); today is {today}"
    )]
    TooEarly {
        quarter: Quarter,
        until: Date,
        keep: Period,
        today: Date,
    },
    #[error(
        "the evidence of {quarter} is kept beyond the calendar (`keep = \"{keep}\"` in `[evidence]`)"
    )]
    ForEver { quarter: Quarter, keep: Period },
    #[error(
        "run {run_id} of {quarter} has certificates that are not published; without its key they never would be\nhint: `kigen run` finishes it"
    )]
    Unpublished { quarter: Quarter, run_id: String },
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// A quarter's key that may be destroyed. Only [`examine`] makes one.
#[derive(Debug)]
pub struct Destroyable {
    quarter: Quarter,
    keep: Period,
    last_day_kept: Date,
    runs: Vec<String>,
}

impl Destroyable {
    /// How many run keys the ledger holds under the quarter's key.
    pub fn runs(&self) -> usize {
        self.runs.len()
    }

    /// The last day on which the evidence was kept.
    pub fn last_day_kept(&self) -> Date {
        self.last_day_kept
    }
}

/// Finds out whether the key of `quarter` may be destroyed on the day `today`, if evidence is kept
/// for `keep` from the quarter's end. Changes nothing.
pub async fn examine(
    keyring: &Keyring,
    ledger: &dyn Ledger,
    quarter: Quarter,
    keep: Period,
    today: Date,
) -> Result<Destroyable, DestructionError> {
    if !keyring.quarters.contains_key(&quarter) {
        return Err(DestructionError::NoSuchQuarter { quarter });
    }
    let last_day_kept = quarter
        .last_day_kept(keep)
        .ok_or(DestructionError::ForEver { quarter, keep })?;
    // A quarter that has not ended gets further runs, however short its evidence is kept.
    if today <= last_day_kept || today <= quarter.last_day().unwrap_or(Date::MAX) {
        return Err(DestructionError::TooEarly {
            quarter,
            until: last_day_kept,
            keep,
            today,
        });
    }
    let runs = ledger.runs_under(&quarter.key_id()).await?;
    let unfinished = ledger.unfinished_runs().await?;
    if let Some(run) = unfinished.iter().find(|run| runs.contains(&run.run_id)) {
        return Err(DestructionError::Unpublished {
            quarter,
            run_id: run.run_id.clone(),
        });
    }
    Ok(Destroyable {
        quarter,
        keep,
        last_day_kept,
        runs,
    })
}

/// Destroys what was examined, at `now`, or goes on with a destruction that was cut off.
pub async fn destroy(
    keyring: &mut Keyring,
    ledger: &dyn Ledger,
    destroyable: Destroyable,
    now: Timestamp,
) -> Result<Destruction, DestructionError> {
    let key_id = destroyable.quarter.key_id();
    if !is_recorded(ledger, &key_id).await? {
        let entry = Entry::EvidenceKeyDestroyed(EvidenceKeyDestroyed {
            key_id: key_id.clone(),
            keep: destroyable.keep.to_string(),
            last_day_kept: destroyable.last_day_kept,
            runs: destroyable.runs.len() as u64,
        });
        ledger.append(None, now, &entry).await?;
    }
    fail::fail_point!("destroy.after-entry");
    let was_held = keyring.change(|current| Ok(current.forget(destroyable.quarter, now)))?;
    fail::fail_point!("destroy.after-file");
    let mut runs = 0;
    for run_id in &destroyable.runs {
        if ledger.destroy_run_key(run_id).await? {
            runs += 1;
        }
        fail::fail_point!("destroy.after-run-key");
    }
    let at = match keyring.quarters.get(&destroyable.quarter) {
        Some(QuarterKey::Destroyed(at)) => *at,
        Some(QuarterKey::Held(_)) | None => now,
    };
    Ok(Destruction {
        key_id,
        at,
        runs,
        was_gone: !was_held,
    })
}

async fn is_recorded(ledger: &dyn Ledger, key_id: &str) -> Result<bool, LedgerError> {
    let entries = ledger.entries(None, None).await?;
    Ok(entries.iter().any(|recorded| {
        matches!(&recorded.entry, Entry::EvidenceKeyDestroyed(destroyed)
            if destroyed.key_id == key_id)
    }))
}

impl Keyring {
    /// Puts the moment `at` in the place of the quarter's key. Returns whether it was there.
    fn forget(&mut self, quarter: Quarter, at: Timestamp) -> bool {
        match self.quarters.get_mut(&quarter) {
            Some(key @ QuarterKey::Held(_)) => {
                *key = QuarterKey::Destroyed(at);
                true
            }
            Some(QuarterKey::Destroyed(_)) | None => false,
        }
    }
}
