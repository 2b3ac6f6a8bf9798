//! Releases intents that nobody may finish any more: what is gone of their objects is certified, the
//! intents are dropped, the rows stay.
//!
//! An intent says all that its evidence needs. The job is not asked: it may be gone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kigen_evidence::leaf::{LeafError, RecordEncoder, RecordPlace, SubjectEncoder};
use kigen_evidence::value::Value;

use super::facts::{self, OpenIntent};
use super::{action_of, stored, unanswered};
use crate::database::session::{Access, SqlSession};
use crate::store::error::StoreError;
use crate::store::objects::{ObjectInventory, ObjectKey, ObjectPart};
use crate::store::sql::backend::Backend;
use crate::store::sql::batch::BatchId;
use crate::store::sql::evidence::{FIRST_OCCURRENCE, Group, not_encodable};
use crate::store::sql::journal::{self, NewRows};
use crate::store::{Release, Released};

/// Intents that one transaction releases.
const AT_ONCE: usize = 200;

/// The slice of the journal that released intents are written to.
const SLICE: i64 = 0;

const DOING: &str = "release the open intents of a run";

/// Releases every open intent of the run that does not wait. Counts by cluster.
pub(in crate::store::sql) async fn release(
    backend: &dyn Backend,
    release: &Release<'_>,
    objects: &BTreeMap<String, Arc<dyn ObjectInventory>>,
) -> Result<BTreeMap<String, Released>, StoreError> {
    let mut session = backend.session().await?;
    session.begin(Access::Read).await?;
    let mut open = stored::all(&mut *session, backend.dialect(), &release.run.run_id).await?;
    session.rollback().await?;
    open.retain(|intent| !release.waiting.contains(&intent.cluster));
    let mut released = BTreeMap::new();
    for intents in open.chunks(AT_ONCE) {
        let left = what_is_left(intents, objects).await?;
        session.begin(Access::Write).await?;
        match in_transaction(&mut *session, backend, release, intents, &left).await {
            Ok(done) => {
                session.commit().await?;
                for (cluster, done) in done {
                    let counts: &mut Released = released.entry(cluster).or_default();
                    counts.records += done.records;
                    counts.half_gone += done.half_gone;
                    counts.parts += done.parts;
                }
            }
            // If even this fails, the transaction ends with its connection; the cause comes first.
            Err(error) => match session.rollback().await {
                Ok(()) | Err(_) => return Err(error),
            },
        }
    }
    Ok(released)
}

/// What the stores still hold of the objects, by store and key. Removes nothing.
type Left = BTreeMap<(String, ObjectKey), BTreeSet<ObjectPart>>;

async fn what_is_left(
    intents: &[OpenIntent],
    objects: &BTreeMap<String, Arc<dyn ObjectInventory>>,
) -> Result<Left, StoreError> {
    let mut keys: BTreeMap<&str, BTreeSet<ObjectKey>> = BTreeMap::new();
    for object in intents.iter().flat_map(|intent| &intent.objects) {
        let of_store = keys.entry(&object.store).or_default();
        of_store.insert(object.key.clone());
    }
    let mut left = Left::new();
    for (name, keys) in keys {
        let store = objects.get(name).ok_or_else(|| {
            StoreError::Unusable(format!(
                "{DOING}: it announced removals in the object store `{name}`, which is not in kigen.toml\n\
                 hint: put `[objects.{name}]` back, so that what is gone of them can be seen and certified"
            ))
        })?;
        let keys: Vec<ObjectKey> = keys.into_iter().collect();
        let back = store.gone(&keys).await;
        if let Some((_, error)) = back.unread.first() {
            return Err(unanswered("read back the objects", name, error));
        }
        for found in back.left {
            let parts = found.to_remove().into_iter().map(|version| version.part);
            let key = (name.to_owned(), found.key.clone());
            left.insert(key, parts.collect());
        }
    }
    Ok(left)
}

async fn in_transaction(
    session: &mut dyn SqlSession,
    backend: &dyn Backend,
    release: &Release<'_>,
    intents: &[OpenIntent],
    left: &Left,
) -> Result<BTreeMap<String, Released>, StoreError> {
    let (dialect, run_id) = (backend.dialect(), release.run.run_id.as_str());
    let mut released: BTreeMap<String, Released> = BTreeMap::new();
    let mut groups = Vec::new();
    for intent in intents {
        // Who drops an intent certifies it.
        if !stored::drop_intent(session, dialect, run_id, intent.id).await? {
            continue;
        }
        let parts = certify(release, intent, left, &mut groups)?;
        let counts = released.entry(intent.cluster.clone()).or_default();
        counts.records += 1;
        counts.half_gone += u64::from(parts > 0);
        counts.parts += parts;
    }
    let mut batch = stored::next_batch(session, dialect, run_id, SLICE).await?;
    // The journal tells rows of one batch, target and client apart by the batch alone.
    for group in groups {
        let id = BatchId {
            slice: SLICE,
            batch,
        };
        let rows = NewRows {
            dialect,
            run_id,
            id,
            groups: &[group],
        };
        journal::insert_rows(session, DOING, &rows).await?;
        batch += 1;
    }
    Ok(released)
}

/// Adds the leaves of what is gone of one intent to `groups`; returns their number.
fn certify(
    release: &Release<'_>,
    intent: &OpenIntent,
    left: &Left,
    groups: &mut Vec<Group>,
) -> Result<u64, StoreError> {
    let mut gone = 0;
    for object in &intent.objects {
        let left = left.get(&(object.store.clone(), object.key.clone()));
        for part in &object.parts {
            if left.is_some_and(|left| left.contains(part)) {
                continue;
            }
            add(release, intent, object, part, groups)?;
            gone += 1;
        }
    }
    Ok(gone)
}

fn add(
    release: &Release<'_>,
    intent: &OpenIntent,
    object: &facts::OpenObject,
    part: &ObjectPart,
    groups: &mut Vec<Group>,
) -> Result<(), StoreError> {
    let place = (
        intent.cluster.clone(),
        intent.stage.clone(),
        object.store.clone(),
    );
    let target = release.places.get(&place);
    let kind = release.subject_kinds.get(&intent.cluster);
    let (Some(target), Some(kind)) = (target, kind) else {
        return Err(StoreError::Unusable(format!(
            "{DOING}: the run's first entry does not name the objects of `{}`",
            intent.cluster
        )));
    };
    let leaf = || -> Result<_, LeafError> {
        let key = &release.run.run_key;
        let place = RecordPlace {
            client: &intent.client,
            store: &object.store,
            object: &target.object,
        };
        let mut record = RecordEncoder::new(key, place, &["key", "version_id"], target.number)?;
        let values = [object.key.as_str(), part.id()].map(|text| Value::Text(text.to_owned()));
        let leaf = record.leaf(action_of(part), &values, FIRST_OCCURRENCE)?;
        let mut subject = SubjectEncoder::new(key, &intent.client, kind)?;
        Ok((leaf, subject.reference(&intent.subject)?))
    };
    let (leaf, reference) = leaf().map_err(not_encodable)?;
    let action = action_of(part);
    let known = groups.iter().position(|group| {
        group.target == target.number && group.action == action && group.client == intent.client
    });
    let at = known.unwrap_or_else(|| {
        groups.push(Group::new(target.number, &intent.client, action));
        groups.len() - 1
    });
    groups[at].add(&leaf, &reference);
    Ok(())
}
