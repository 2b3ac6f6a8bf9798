//! Removes the objects of intents and reads back what is gone.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Address, Intent, Stores, unanswered};
use crate::store::error::StoreError;
use crate::store::objects::{
    ObjectError, ObjectKey, ObjectPart, ObjectVersions, RemovalOutcome, VersionToRemove,
};

/// What became of one object, as its store said when it was read back.
pub(super) enum Fate {
    /// Nothing of it is left.
    Gone,
    Left {
        parts: BTreeSet<ObjectPart>,
        why: Why,
    },
    /// The store did not answer: its intent stays open.
    Unread(ObjectError),
}

/// Why something of an object is left.
#[derive(Clone)]
pub(super) enum Why {
    /// The store locks a version until then, if it says until when.
    Locked(Option<Timestamp>),
    Failed(ObjectError),
    /// Something was written under the key while its versions were being removed.
    WrittenAnew,
    /// The process was asked to stop before all was removed.
    Stopped,
}

/// The fate of every object of some intents.
pub(in crate::store::sql) struct RemovalResults(BTreeMap<Address, Fate>);

impl RemovalResults {
    pub(super) fn of(&self, address: &Address) -> Option<&Fate> {
        self.0.get(address)
    }

    pub(super) fn is_gone(&self, address: &Address) -> bool {
        matches!(self.of(address), Some(Fate::Gone))
    }

    /// Whether this part, which an intent names, is gone.
    pub(super) fn is_part_gone(&self, address: &Address, part: &ObjectPart) -> bool {
        match self.of(address) {
            Some(Fate::Gone) => true,
            Some(Fate::Left { parts, .. }) => !parts.contains(part),
            Some(Fate::Unread(_)) | None => false,
        }
    }

    /// Whether every object of `intent` was read back.
    pub(super) fn are_known(&self, intent: &Intent) -> bool {
        let mut fates = intent.objects.iter().map(|object| self.of(&object.address));
        fates.all(|fate| matches!(fate, Some(Fate::Gone | Fate::Left { .. })))
    }

    /// Why some intents had to stay open, if so.
    pub(in crate::store::sql) fn unread(&self, stores: &Stores) -> Option<StoreError> {
        self.0.iter().find_map(|(address, fate)| match fate {
            Fate::Unread(error) => Some(unanswered(
                "read back the objects",
                stores.name(address.store),
                error,
            )),
            Fate::Gone | Fate::Left { .. } => None,
        })
    }
}

/// Removes every part that the intents name, and reads back every object of them.
///
/// Safe to repeat: what an earlier attempt has removed is gone, and reads back so.
pub(in crate::store::sql) async fn remove(
    stores: &Stores,
    intents: &[Intent],
) -> Result<RemovalResults, StoreError> {
    let mut batches: BTreeMap<usize, (BTreeSet<ObjectKey>, Vec<VersionToRemove>)> = BTreeMap::new();
    for object in intents.iter().flat_map(|intent| &intent.objects) {
        let (keys, batch) = batches.entry(object.address.store).or_default();
        keys.insert(object.address.key.clone());
        batch.extend(object.parts.iter().map(|part| VersionToRemove {
            key: object.address.key.clone(),
            part: part.clone(),
        }));
    }
    let mut fates = BTreeMap::new();
    for (store, (keys, batch)) in batches {
        remove_from(stores, store, keys, &batch, &mut fates).await?;
    }
    Ok(RemovalResults(fates))
}

async fn remove_from(
    stores: &Stores,
    store: usize,
    keys: BTreeSet<ObjectKey>,
    batch: &[VersionToRemove],
    fates: &mut BTreeMap<Address, Fate>,
) -> Result<(), StoreError> {
    let disposer = stores.at(store)?;
    let mut obstacles = BTreeMap::new();
    if !batch.is_empty() {
        obstacles = obstacles_of(disposer.remove(batch).await);
    }
    let keys: Vec<ObjectKey> = keys.into_iter().collect();
    let read_back = disposer.gone(&keys).await;
    let mut set = |key: ObjectKey, fate: Fate| fates.insert(Address { store, key }, fate);
    for key in read_back.gone {
        set(key, Fate::Gone);
    }
    for found in read_back.left {
        let why = obstacles
            .get(&found.key)
            .cloned()
            .unwrap_or(Why::WrittenAnew);
        set(found.key.clone(), left(&found, why));
    }
    for (key, error) in read_back.unread {
        set(key, Fate::Unread(error));
    }
    Ok(())
}

fn left(found: &ObjectVersions, why: Why) -> Fate {
    Fate::Left {
        parts: found
            .to_remove()
            .into_iter()
            .map(|version| version.part)
            .collect(),
        why,
    }
}

/// What stood in the way of each object. A failure outweighs a lock, a later lock an earlier one.
fn obstacles_of(outcome: RemovalOutcome) -> BTreeMap<ObjectKey, Why> {
    let mut obstacles: BTreeMap<ObjectKey, Why> = BTreeMap::new();
    for locked in outcome.locked {
        let until = match obstacles.get(&locked.version.key) {
            // No known end outweighs every date.
            Some(Why::Locked(known)) => known
                .zip(locked.until)
                .map(|(known, until)| known.max(until)),
            Some(Why::Failed(_) | Why::WrittenAnew | Why::Stopped) | None => locked.until,
        };
        obstacles.insert(locked.version.key, Why::Locked(until));
    }
    let first_failure = outcome.failed.first().map(|failed| failed.error.clone());
    for failed in outcome.failed {
        obstacles.insert(failed.version.key, Why::Failed(failed.error));
    }
    // Never tried: a delete marker above what is left, a store that failed as a whole, or a stop.
    let why_untried = first_failure.map_or(Why::Stopped, Why::Failed);
    for version in outcome.unattempted {
        obstacles
            .entry(version.key)
            .or_insert_with(|| why_untried.clone());
    }
    obstacles
}
