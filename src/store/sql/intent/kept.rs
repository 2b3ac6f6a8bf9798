//! Why records keep their rows although their objects were to go.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::finish::{Held, Rows};
use super::removal::{Fate, RemovalResults, Why};
use super::{Address, Intent};
use crate::store::PassOutcome;
use crate::store::sql::failed;
use crate::store::sql::pass::Pass;

/// What a failed record is counted under when its row could not be locked.
const IN_USE: &str = "the row is locked by another session";

/// What a failed record is counted under when an object of it did not stay gone.
const WRITTEN_ANEW: &str = "an object was written while it was removed";

/// The day of a lock without a known end.
const UNKNOWN: &str = "unknown";

/// Counts the record of an intent, if it stays, by the reason why.
pub(super) fn count_kept(
    pass: &Pass<'_>,
    intent: &Intent,
    fates: &RemovalResults,
    held: &Held<'_>,
    rows: &Rows,
    outcome: &mut PassOutcome,
) {
    let count_failed = |outcome: &mut PassOutcome, reason: String| {
        failed::count(pass, outcome, &intent.key, reason);
    };
    if let Rows::Stay(reason) = rows {
        return count_failed(outcome, reason.clone());
    }
    if held.going.contains(&intent.key) {
        return;
    }
    if held.in_use.contains(&intent.key) {
        return count_failed(outcome, IN_USE.to_owned());
    }
    let Some(Ok(names)) = held.names.get(&intent.key) else {
        outcome.no_longer_due += 1;
        return;
    };
    match worst(names, fates) {
        // It names another object than it did.
        None => outcome.no_longer_due += 1,
        // It is still due, and the next run goes on.
        Some(Obstacle::Stopped) => {}
        Some(Obstacle::Failed(reason)) => count_failed(outcome, reason),
        Some(Obstacle::Locked(until)) => {
            let day = until.map(|until| {
                until
                    .to_zoned(pass.job().time_zone.clone())
                    .date()
                    .to_string()
            });
            *outcome
                .deferred
                .entry(day.unwrap_or_else(|| UNKNOWN.to_owned()))
                .or_default() += 1;
        }
    }
}

enum Obstacle {
    Failed(String),
    Stopped,
    Locked(Option<Timestamp>),
}

/// What keeps a record of these names: a failure outweighs a lock, a later lock an earlier one.
fn worst(names: &BTreeMap<Address, usize>, fates: &RemovalResults) -> Option<Obstacle> {
    let mut worst: Option<Obstacle> = None;
    for address in names.keys() {
        let why = match fates.of(address) {
            None | Some(Fate::Gone) => continue,
            Some(Fate::Unread(error)) => return Some(Obstacle::Failed(error.to_string())),
            Some(Fate::Left { why, .. }) => why,
        };
        match (why, &worst) {
            (Why::Failed(error), _) => return Some(Obstacle::Failed(error.to_string())),
            (Why::WrittenAnew, _) => {
                return Some(Obstacle::Failed(WRITTEN_ANEW.to_owned()));
            }
            (Why::Stopped, _) => return Some(Obstacle::Stopped),
            (Why::Locked(until), Some(Obstacle::Locked(known))) => {
                let until = known.zip(*until).map(|(known, until)| known.max(until));
                worst = Some(Obstacle::Locked(until));
            }
            (Why::Locked(until), Some(Obstacle::Failed(_) | Obstacle::Stopped) | None) => {
                worst = Some(Obstacle::Locked(*until));
            }
        }
    }
    worst
}
