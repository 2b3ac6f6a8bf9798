//! Intents: what is about to be removed from object stores, written down before it goes.
//!
//! A removal from an object store cannot share the database's transaction. So the intent is
//! committed first, then the objects go and are read back, and one transaction drops the intent,
//! removes the rows and writes the journal. Whoever drops an intent certifies it: two workers
//! that finish the same one cannot both succeed.

mod again;
mod facts;
mod finish;
mod kept;
mod listing;
mod named;
mod release;
mod removal;
mod stored;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kigen_evidence::leaf::Action;
use kigen_evidence::value::{RecordKey, Value};

use super::worker::Lost;
use crate::guard::{self, Guard};
use crate::job::{Disposal, Job, ObjectLink, Stage};
use crate::store::error::StoreError;
use crate::store::objects::{ObjectDisposer, ObjectError, ObjectKey, ObjectPart};

pub(super) use again::decide_again;
pub(super) use finish::{Finish, finish};
pub(super) use listing::{Listing, list};
pub(super) use named::{Names, ObjectReferences, key_in, named_by_staying_rows};
pub(super) use release::release;
pub(super) use removal::remove;
pub(super) use stored::{next_id, open, open_by_cluster, open_intents, store};

/// How often a transaction is tried when another session is in the way.
const TRIES: u32 = 6;

/// The pause before the second try; doubled for each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// One record that is about to go with its objects. Holds personal data: no `Debug`.
pub(super) struct Intent {
    /// Numbers the intents of a run.
    pub id: i64,
    pub key: RecordKey,
    /// The client on whose behalf the record is kept; its certificate gets the leaves.
    pub client: String,
    /// The person the record is about.
    pub subject: Value,
    pub objects: Vec<IntendedObject>,
}

/// One object of an intent, with all that its store listed of it. Nothing: it was absent.
pub(super) struct IntendedObject {
    /// Index among the job's object links.
    pub link: usize,
    pub address: Address,
    pub parts: Vec<ObjectPart>,
}

/// One object, whichever link leads to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Address {
    /// Index of the first of the job's links that leads to its store.
    pub store: usize,
    pub key: ObjectKey,
}

/// The object stores of a job, one for each of its links.
pub(super) struct Stores {
    names: Vec<String>,
    stores: Vec<Arc<dyn ObjectDisposer>>,
}

impl Stores {
    /// Finds the store of every link of `job` by its name.
    pub(super) fn of_job(
        job: &Job,
        objects: &BTreeMap<String, Arc<dyn ObjectDisposer>>,
    ) -> Result<Self, StoreError> {
        let mut stores = Vec::new();
        for link in &job.objects {
            let store = objects.get(&link.store).ok_or_else(|| {
                StoreError::Unusable(format!(
                    "object store `{}` of cluster `{}` is not open",
                    link.store, job.cluster
                ))
            })?;
            stores.push(Arc::clone(store));
        }
        let names = job.objects.iter().map(|link| link.store.clone()).collect();
        Ok(Self { names, stores })
    }

    pub(super) fn at(&self, store: usize) -> Result<&dyn ObjectDisposer, StoreError> {
        self.stores.get(store).map(|store| &**store).ok_or_else(|| {
            StoreError::Unusable("an object lies in a store without a link".to_owned())
        })
    }

    pub(super) fn name(&self, store: usize) -> &str {
        self.names.get(store).map_or("", String::as_str)
    }
}

/// The number by which addresses know the store of link `link`.
pub(super) fn store_of(job: &Job, link: usize) -> usize {
    let name = job.objects.get(link).map(|link| &link.store);
    job.objects
        .iter()
        .position(|other| Some(&other.store) == name)
        .unwrap_or(link)
}

/// Whether the rows that name the objects of `link` go in this stage.
///
/// A pseudonymized row stays and still names its object; rows that go with it may go already.
fn takes_part(job: &Job, stage: &Stage, link: &ObjectLink) -> bool {
    match &link.table {
        None => matches!(stage.disposal, Disposal::Delete),
        Some(table) => super::evidence::gone_with(job)
            .any(|reference| &reference.table == table && reference.stages.contains(&stage.name)),
    }
}

/// Whether rows that go in this stage may name objects.
pub(super) fn has_objects(job: &Job, stage: &Stage) -> bool {
    job.objects.iter().any(|link| takes_part(job, stage, link))
}

/// Whether an object store's answer ends the pass, because asking on would be in vain.
fn ends_the_pass(error: &ObjectError) -> bool {
    match error {
        ObjectError::Unreachable(_)
        | ObjectError::NotReady { .. }
        | ObjectError::NoCredentials
        | ObjectError::CredentialsRefused { .. }
        | ObjectError::NoRegion
        | ObjectError::NoSuchBucket
        | ObjectError::NoSuchFolder => true,
        ObjectError::AccessDenied { .. }
        | ObjectError::UnusableKey(_)
        | ObjectError::OutsideFolder
        | ObjectError::NotAFile
        | ObjectError::Unconfirmed
        | ObjectError::Folder(_)
        | ObjectError::Other { .. } => false,
    }
}

/// The pass's error for an object store that does not answer.
fn unanswered(doing: &str, store: &str, error: &ObjectError) -> StoreError {
    let doing = format!("{doing} of object store `{store}`");
    match error {
        ObjectError::Unreachable(_) | ObjectError::NotReady { .. } => StoreError::ConnectionLost {
            doing,
            reason: error.to_string(),
        },
        ObjectError::NoCredentials
        | ObjectError::CredentialsRefused { .. }
        | ObjectError::NoRegion
        | ObjectError::NoSuchBucket
        | ObjectError::NoSuchFolder
        | ObjectError::AccessDenied { .. }
        | ObjectError::UnusableKey(_)
        | ObjectError::OutsideFolder
        | ObjectError::NotAFile
        | ObjectError::Unconfirmed
        | ObjectError::Folder(_)
        | ObjectError::Other { .. } => StoreError::Unusable(format!("{doing}: {error}")),
    }
}

/// What evidence calls the removal of a part of an object.
fn action_of(part: &ObjectPart) -> Action {
    match part {
        ObjectPart::Version(_) => Action::ObjectVersionDeleted,
        ObjectPart::DeleteMarker(_) => Action::DeleteMarkerRemoved,
        ObjectPart::UnfinishedUpload(_) => Action::UploadAborted,
    }
}

/// Counts the tries of one transaction and waits between them.
pub(super) struct Retry {
    tried: u32,
    pause: Duration,
    lost: Lost,
}

impl Retry {
    pub(super) fn new() -> Self {
        Self {
            tried: 1,
            pause: FIRST_PAUSE,
            lost: Lost::new(),
        }
    }

    /// Whether the try at hand is the last.
    pub(super) fn is_last(&self) -> bool {
        self.tried >= TRIES
    }

    /// Waits before another try, or gives `error` back if none would help.
    pub(super) async fn wait_after(&mut self, error: StoreError) -> Result<(), StoreError> {
        if matches!(error, StoreError::ConnectionLost { .. })
            && guard::stands(Guard::LostBatchesAreRepeated)
        {
            return self.lost.wait_after(error).await;
        }
        let in_the_way = matches!(
            error,
            StoreError::Locked { .. } | StoreError::Conflict { .. }
        );
        if !in_the_way || self.is_last() {
            return Err(error);
        }
        tokio::time::sleep(self.pause).await;
        self.pause *= 2;
        self.tried += 1;
        Ok(())
    }
}
