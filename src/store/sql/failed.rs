//! Records that cannot go: which errors are theirs alone, and what names them.

use kigen_evidence::value::RecordKey;

use super::pass::Pass;
use crate::pseudonym::record_reference;
use crate::store::error::StoreError;
use crate::store::{FailedRecord, PassOutcome};

/// Whether an error may be that of some of the batch's records: without them, the others may go.
pub(super) fn is_about_records(error: &StoreError) -> bool {
    match error {
        StoreError::Failed { code, .. } => !is_about_the_store(code),
        StoreError::Locked { .. }
        | StoreError::Conflict { .. }
        | StoreError::Vetoed { .. }
        | StoreError::Undone { .. }
        | StoreError::StillNamed { .. }
        | StoreError::TooLarge { .. }
        | StoreError::TooMany { .. }
        | StoreError::Unfit { .. }
        | StoreError::NotAnnounced { .. } => true,
        StoreError::Unreachable { .. }
        | StoreError::Refused { .. }
        | StoreError::NotMigrated { .. }
        | StoreError::NotPermitted { .. }
        | StoreError::ConnectionLost { .. }
        | StoreError::FenceClosed { .. }
        | StoreError::UnsafeSession { .. }
        | StoreError::Unaccounted { .. }
        | StoreError::ObjectsAbsent { .. }
        | StoreError::Disagreement { .. }
        | StoreError::OverLimit { .. }
        | StoreError::Unusable(_) => false,
    }
}

/// A statement that is slow for one record is slow for others too: no other one is tried.
pub(super) fn would_take_long(error: &StoreError) -> bool {
    matches!(error, StoreError::Failed { code, .. } if code == CANCELLED)
}

/// The statement timed out or was cancelled.
const CANCELLED: &str = "57014";

/// Codes that no record can cause: SQLSTATE classes, SQLite's codes, and the driver's own words.
fn is_about_the_store(code: &str) -> bool {
    if code == CANCELLED {
        return false;
    }
    if code.len() == SQLSTATE_LENGTH {
        return STORE_CLASSES.iter().any(|class| code.starts_with(class));
    }
    match code.parse::<u32>() {
        // The low byte is the result's kind.
        Ok(code) => STORE_RESULTS.contains(&(code & 0xff)),
        Err(_) => DRIVER.contains(&code),
    }
}

const SQLSTATE_LENGTH: usize = 5;

/// Connection, transaction state, authorization, catalog, syntax and names, resources, operator, system.
const STORE_CLASSES: [&str; 10] = ["08", "25", "28", "2D", "3D", "3F", "42", "53", "57", "58"];

/// Memory, input and output, a damaged file, a full disk, a file that cannot be opened, misuse.
const STORE_RESULTS: [u32; 7] = [7, 10, 11, 13, 14, 21, 26];

const DRIVER: [&str; 6] = [
    "configuration",
    "tls",
    "protocol",
    "row-not-found",
    "encode",
    "driver",
];

/// The most failed records of a pass that are named; all are counted.
const MOST_NAMED: usize = 100;

/// Counts a record that could not go, under what stood in the way, and names it by a keyed reference.
pub(super) fn count(pass: &Pass<'_>, outcome: &mut PassOutcome, key: &RecordKey, reason: String) {
    if outcome.failed_records.len() < MOST_NAMED {
        let cluster = &pass.job().cluster;
        let record = record_reference(&pass.order.run.token_key.0, cluster, key);
        tracing::warn!(
            job.name = %cluster,
            stage = %pass.stage().name,
            record,
            reason,
            "a record could not go"
        );
        outcome.failed_records.push(FailedRecord {
            record,
            reason: reason.clone(),
        });
    }
    outcome.failed += 1;
    *outcome.failures.entry(reason).or_default() += 1;
}
