//! Objects (files) that belong to records: found with all their versions, removed, read back.
//!
//! Planning gets an [`ObjectInventory`], which cannot remove; only the execution of an approved
//! plan gets an [`ObjectDisposer`].

mod absence;
#[cfg(test)]
mod contract;
mod error;
mod folder;
mod key;
mod near_miss;
mod outcome;
pub(crate) mod s3;

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};

pub(crate) use absence::Absence;
pub use error::{ObjectError, Outage, Retry};
pub use folder::{FolderObjects, ONLY_VERSION};
pub use key::{KeyError, ObjectKey, UploadId, VersionId};
pub use near_miss::Place;
pub use outcome::{
    FailedVersion, LockedVersion, ObjectPart, ObjectVersions, ReadBack, RemovalOutcome,
    StoreDescription, VersionToRemove, Versioning,
};
pub use s3::{S3Objects, S3Options};

/// The version of an object that was absent already, as its leaf names it: there is none.
pub const NO_VERSION: &str = "";

/// The only version of an object in a bucket that has never kept versions.
pub const NULL_VERSION: &str = "null";

/// Keys that [`ObjectInventory::gone`] asks for at the same time.
const READS_AT_ONCE: usize = 8;

/// Reads what an object store holds. Cannot change anything.
///
/// An inventory does not remove, and the compiler says so:
///
/// ```compile_fail
/// async fn plan(inventory: &dyn kigen::store::objects::ObjectInventory) {
///     inventory.remove(&[]).await;
/// }
/// ```
///
/// ```
/// async fn execute(disposer: &dyn kigen::store::objects::ObjectDisposer) {
///     let outcome = disposer.remove(&[]).await;
///     drop(outcome);
/// }
/// ```
#[async_trait]
pub trait ObjectInventory: Send + Sync {
    /// Says what kind of store this is and what it would keep although it was told to remove.
    ///
    /// Also the preflight: fails if the store cannot be reached, does not exist, or may not be
    /// listed.
    async fn describe(&self) -> Result<StoreDescription, ObjectError>;

    /// Where the store's keys begin.
    fn place(&self) -> Place;

    /// Lists everything the store holds under exactly this key: versions, delete markers and
    /// unfinished uploads. A key that is not there has an empty list.
    async fn versions(&self, key: &ObjectKey) -> Result<ObjectVersions, ObjectError>;

    /// Reads back whether nothing of each key is left.
    ///
    /// Stops asking once the store cannot be reached; the keys not asked for are unread.
    async fn gone(&self, keys: &[ObjectKey]) -> ReadBack {
        let mut read_back = ReadBack::default();
        let listings: Vec<_> = keys.iter().map(|key| self.versions(key)).collect();
        let mut answers = stream::iter(listings).buffered(READS_AT_ONCE);
        let mut outage: Option<ObjectError> = None;
        for key in keys {
            if let Some(error) = &outage {
                read_back.unread.push((key.clone(), error.clone()));
                continue;
            }
            match answers.next().await {
                Some(Ok(found)) if found.is_empty() => read_back.gone.push(key.clone()),
                Some(Ok(found)) => read_back.left.push(found),
                Some(Err(error)) => {
                    outage = error.is_outage().then(|| error.clone());
                    read_back.unread.push((key.clone(), error));
                }
                None => read_back
                    .unread
                    .push((key.clone(), ObjectError::Unreachable(Outage::AnswerCut))),
            }
        }
        read_back
    }
}

/// Removes objects from a store.
#[async_trait]
pub trait ObjectDisposer: ObjectInventory {
    /// Removes the listed versions for good and says what became of each.
    ///
    /// Safe to repeat: what is gone already is reported as absent or, where the store does not
    /// tell the two apart, as removed. All versions of one key belong in the same batch: a delete
    /// marker goes only after the versions that it hides, because without it they would be
    /// visible again.
    async fn remove(&self, batch: &[VersionToRemove]) -> RemovalOutcome;

    /// Tries each call that a removal needs, on a key that nothing has: whether the store knows it, and
    /// whether the worker may make it. Removes nothing.
    async fn try_calls(&self) -> Result<(), RefusedCall>;
}

/// A call that a removal needs, and that the store does not carry out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{call}: {error}")]
pub struct RefusedCall {
    pub call: &'static str,
    pub error: ObjectError,
}

/// Writes objects, for the demonstration and for tests. The worker never gets one.
#[async_trait]
pub trait ObjectWriter: Send + Sync {
    /// Stores `bytes` under `key`, as a new version where the store has versions.
    async fn put(&self, key: &ObjectKey, bytes: &[u8]) -> Result<(), ObjectError>;
}
