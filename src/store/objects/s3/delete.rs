//! Removes versions and aborts uploads, call by call, until each has a fate.

mod call;

use std::collections::HashMap;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};

use crate::guard::{self, Guard};
use crate::shutdown;
use crate::store::objects::error::{ObjectError, Retry};
use crate::store::objects::key::ObjectKey;
use crate::store::objects::outcome::{
    FailedVersion, LockedVersion, ObjectPart, RemovalOutcome, VersionToRemove,
};

use super::S3Objects;
use super::fault::one_key_can_cause;
use super::lock::{Lock, lock_on};

use call::Fate;

pub(super) use call::abort_upload;

/// Removes one version; fails if the server does not confirm that it is gone.
pub(super) async fn delete_one_version(
    store: &S3Objects,
    version: &VersionToRemove,
) -> Result<(), ObjectError> {
    let answer = call::delete_objects(store, std::slice::from_ref(version)).await?;
    match answer.fate_of(store, version) {
        Fate::Removed | Fate::Absent => Ok(()),
        Fate::Refused { error, .. } | Fate::Failed(error) => Err(error),
    }
}

/// Versions in one call. S3 takes 1,000, but a slow gateway needs 12 s for those; with a quarter
/// of it a stop is never far away, and a call that fails leaves little in doubt.
pub(super) const KEYS_PER_CALL: usize = 250;
/// Pauses before versions are tried again that the server was too busy for.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(200),
    Duration::from_millis(800),
    Duration::from_millis(3200),
];
/// Refused versions whose locks are asked for at the same time.
const LOCKS_AT_ONCE: usize = 8;

/// Removes a batch: versions first, then the delete markers above them, then uploads.
pub(super) async fn remove(store: &S3Objects, batch: &[VersionToRemove]) -> RemovalOutcome {
    let mut removal = Removal {
        store,
        outcome: RemovalOutcome::default(),
        store_failed: false,
    };
    let mut versions = Vec::new();
    let mut markers = Vec::new();
    let mut uploads = Vec::new();
    for version in batch {
        match &version.part {
            ObjectPart::Version(_) => versions.push(version.clone()),
            ObjectPart::DeleteMarker(_) => markers.push(version.clone()),
            ObjectPart::UnfinishedUpload(_) => uploads.push(version.clone()),
        }
    }
    removal.remove_listed(versions).await;
    let markers = removal.keep_markers_above_what_is_left(markers);
    removal.remove_listed(markers).await;
    removal.abort(uploads).await;
    debug_assert_eq!(
        removal.outcome.len(),
        batch.len(),
        "each version has one fate"
    );
    removal.outcome
}

fn is_to_stop() -> bool {
    guard::stands(Guard::StopBetweenCalls) && shutdown::process_is_to_stop()
}

/// One batch on its way.
struct Removal<'a> {
    store: &'a S3Objects,
    outcome: RemovalOutcome,
    /// Whether the store failed as a whole: nothing more is tried.
    store_failed: bool,
}

impl Removal<'_> {
    async fn remove_listed(&mut self, versions: Vec<VersionToRemove>) {
        let mut calls: Vec<Vec<VersionToRemove>> = versions
            .chunks(KEYS_PER_CALL)
            .map(<[_]>::to_vec)
            .rev()
            .collect();
        while let Some(mut call) = calls.pop() {
            // A stop is obeyed between two calls: one object may have thousands of versions.
            if self.store_failed || is_to_stop() {
                self.outcome.unattempted.append(&mut call);
                continue;
            }
            let Err((error, mut open)) = self.remove_patiently(call).await else {
                continue;
            };
            if one_key_can_cause(&error) && open.len() > 1 {
                // One key that the server cannot read must not keep its neighbours.
                let second_half = open.split_off(open.len() / 2);
                calls.push(second_half);
                calls.push(open);
                continue;
            }
            self.store_failed = !one_key_can_cause(&error);
            self.fail(open, &error);
        }
    }

    /// Makes one call, and repeats it for the versions that the server was too busy for.
    ///
    /// Fails with the versions that are still open if a call fails as a whole.
    async fn remove_patiently(
        &mut self,
        call: Vec<VersionToRemove>,
    ) -> Result<(), (ObjectError, Vec<VersionToRemove>)> {
        let mut open = call;
        let mut pauses = PAUSES.iter();
        loop {
            let answer = match call::delete_objects(self.store, &open).await {
                Ok(answer) => answer,
                Err(error) => return Err((error, open)),
            };
            let mut refused = Vec::new();
            let mut busy = Vec::new();
            for version in open {
                match answer.fate_of(self.store, &version) {
                    Fate::Removed => self.outcome.removed.push(version),
                    Fate::Absent => self.outcome.absent.push(version),
                    Fate::Refused { error, is_lock } => refused.push((version, error, is_lock)),
                    Fate::Failed(error) => match error.retry() {
                        Retry::Later => busy.push(FailedVersion { version, error }),
                        Retry::Never => self.outcome.failed.push(FailedVersion { version, error }),
                    },
                }
            }
            self.look_for_locks(refused).await;
            if busy.is_empty() {
                return Ok(());
            }
            let Some(pause) = pauses.next() else {
                self.outcome.failed.append(&mut busy);
                return Ok(());
            };
            tokio::time::sleep(*pause).await;
            open = busy.into_iter().map(|failed| failed.version).collect();
        }
    }

    /// Sorts refused versions into locked and failed.
    async fn look_for_locks(&mut self, refused: Vec<(VersionToRemove, ObjectError, bool)>) {
        let store = self.store;
        let questions: Vec<_> = refused
            .iter()
            .map(|(version, _, _)| lock_on(store, &version.key, version.part.id()))
            .collect();
        let locks: Vec<Option<Lock>> = stream::iter(questions)
            .buffered(LOCKS_AT_ONCE)
            .collect()
            .await;
        for ((version, error, is_lock), lock) in refused.into_iter().zip(locks) {
            let lock = lock.or(is_lock.then_some(Lock { until: None }));
            match lock {
                Some(Lock { until }) => self.outcome.locked.push(LockedVersion { version, until }),
                None => self.outcome.failed.push(FailedVersion { version, error }),
            }
        }
    }

    /// Sorts out the markers that hide a version which is still there, and returns the others:
    /// without its marker, what a person had deleted would be visible again.
    fn keep_markers_above_what_is_left(
        &mut self,
        markers: Vec<VersionToRemove>,
    ) -> Vec<VersionToRemove> {
        let mut left: HashMap<ObjectKey, Option<Lock>> = HashMap::new();
        for locked in &self.outcome.locked {
            let lock = Lock {
                until: locked.until,
            };
            left.entry(locked.version.key.clone())
                .and_modify(|known| *known = known.map(|known| later(known, lock)))
                .or_insert(Some(lock));
        }
        let failed = self.outcome.failed.iter().map(|failed| &failed.version);
        for version in failed.chain(&self.outcome.unattempted) {
            left.insert(version.key.clone(), None);
        }
        let mut free = Vec::new();
        for version in markers {
            match left.get(&version.key) {
                None => free.push(version),
                Some(None) => self.outcome.unattempted.push(version),
                Some(Some(Lock { until })) => {
                    let until = *until;
                    self.outcome.locked.push(LockedVersion { version, until });
                }
            }
        }
        free
    }

    async fn abort(&mut self, uploads: Vec<VersionToRemove>) {
        for version in uploads {
            if self.store_failed || is_to_stop() {
                self.outcome.unattempted.push(version);
                continue;
            }
            match call::abort_upload(self.store, &version).await {
                Ok(true) => self.outcome.removed.push(version),
                Ok(false) => self.outcome.absent.push(version),
                Err(error) => {
                    self.store_failed = error.is_outage();
                    self.outcome.failed.push(FailedVersion { version, error });
                }
            }
        }
    }

    fn fail(&mut self, versions: Vec<VersionToRemove>, error: &ObjectError) {
        let failed = versions.into_iter().map(|version| FailedVersion {
            version,
            error: error.clone(),
        });
        self.outcome.failed.extend(failed);
    }
}

/// The lock that ends last; one without an end outlasts all.
fn later(one: Lock, other: Lock) -> Lock {
    let until = match (one.until, other.until) {
        (Some(one), Some(other)) => Some(one.max(other)),
        (None, _) | (_, None) => None,
    };
    Lock { until }
}
