//! Plans in a client's log, of which most have the targets of an earlier one.

use kigen_evidence::log::entry::{Entry, Plan};
use kigen_evidence::statement::EntryPlace;

use crate::ledger::Ledger;
use crate::ledger::error::LedgerError;

use super::{OpenLog, place_of, size_of};

/// How many entries are looked at for the last plan: behind it stand its end and notices.
const LOOKED_AT: u64 = 16;

impl OpenLog<'_> {
    /// The last plan that names its targets itself, and where it stands.
    pub(in crate::run) async fn named_plan(
        &self,
    ) -> Result<Option<(EntryPlace, Plan)>, LedgerError> {
        let (ledger, client) = (self.log.keeper.ledger, self.log.client);
        let size = size_of(&self.hashes);
        let last = size.saturating_sub(LOOKED_AT);
        for entry in ledger.log_entries(client, last, size).await?.iter().rev() {
            let Ok(Entry::Plan(plan)) = Entry::read(&entry.payload) else {
                continue;
            };
            return match &plan.like {
                None => Ok(Some((place_of(entry), plan))),
                Some(like) => named_at(ledger, client, like.plan).await,
            };
        }
        Ok(None)
    }
}

/// The plan at `place`, if it is one.
async fn named_at(
    ledger: &dyn Ledger,
    client: &str,
    place: EntryPlace,
) -> Result<Option<(EntryPlace, Plan)>, LedgerError> {
    let entries = ledger.log_entries(client, place.index, place.index + 1);
    let entry = entries.await?.into_iter().next();
    let entry = entry.filter(|entry| place_of(entry) == place);
    Ok(entry.and_then(|entry| match Entry::read(&entry.payload) {
        Ok(Entry::Plan(plan)) => Some((place, plan)),
        Ok(_) | Err(_) => None,
    }))
}

/// `plan` with its targets, wherever they are named; `None` if they are named nowhere.
pub(in crate::run) async fn with_targets(
    ledger: &dyn Ledger,
    client: &str,
    mut plan: Plan,
) -> Result<Option<Plan>, LedgerError> {
    let Some(like) = plan.like.take() else {
        return Ok(Some(plan));
    };
    let named = named_at(ledger, client, like.plan).await?;
    Ok(named.and_then(|(_, named)| {
        plan.targets = named.targets_on(&like)?;
        Some(plan)
    }))
}
