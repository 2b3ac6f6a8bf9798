//! An object store that something befalls at a chosen moment.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, PgConnection};

use super::fixture::{World, key};
use crate::store::objects::{
    FailedVersion, LockedVersion, ObjectDisposer, ObjectError, ObjectInventory, ObjectKey,
    ObjectVersions, Outage, Place, ReadBack, RefusedCall, RemovalOutcome, StoreDescription,
    VersionToRemove,
};

/// What befalls, once.
pub(super) enum Blow {
    /// The worker is killed.
    Kill,
    /// Somebody else runs this statement.
    Sql(String),
    /// Somebody else runs this statement and does not end the transaction.
    Hold(&'static str),
    /// Another worker finishes the open intents.
    FinishedElsewhere,
}

/// What is wrong with an object all the time.
pub(super) enum Fault {
    Locked(Option<jiff::Timestamp>),
    Refused(ObjectError),
    /// The store says that it removed the object, and did not.
    Ignored,
}

/// The store of a world, with blows and faults.
pub(super) struct Troubled {
    world: Arc<World>,
    pub(super) on_listing: Mutex<Option<Blow>>,
    /// Listings before that: of the look before the first batch.
    pub(super) calm_listings: AtomicUsize,
    pub(super) before_removal: Mutex<Option<Blow>>,
    pub(super) after_removal: Mutex<Option<Blow>>,
    /// Whether nothing can be listed before the removal, or read back after it.
    pub(super) cannot_list: bool,
    pub(super) cannot_read_back: bool,
    pub(super) faults: Vec<(&'static str, Fault)>,
    held: tokio::sync::Mutex<Vec<PgConnection>>,
}

impl Troubled {
    pub(super) fn new(world: Arc<World>) -> Self {
        Self {
            world,
            on_listing: Mutex::new(None),
            calm_listings: AtomicUsize::new(0),
            before_removal: Mutex::new(None),
            after_removal: Mutex::new(None),
            cannot_list: false,
            cannot_read_back: false,
            faults: Vec::new(),
            held: tokio::sync::Mutex::default(),
        }
    }

    async fn strike(&self, blow: &Mutex<Option<Blow>>) {
        let blow = blow.lock().unwrap().take();
        match blow {
            None => {}
            Some(Blow::Kill) => panic!("killed"),
            Some(Blow::Sql(sql)) => self.world.execute(&sql).await,
            Some(Blow::Hold(sql)) => {
                let mut connection = self.world.database.postgres().await;
                let sql = AssertSqlSafe(format!("begin; {sql}"));
                sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
                self.held.lock().await.push(connection);
            }
            Some(Blow::FinishedElsewhere) => {
                let done = self.world.finish().await;
                assert!(done.stopped_by.is_none(), "{done:?}");
                assert!(done.disposed > 0, "{done:?}");
            }
        }
    }

    fn fault(&self, version: &VersionToRemove) -> Option<&Fault> {
        let mut faults = self.faults.iter();
        faults
            .find(|(scan, _)| key(scan) == version.key)
            .map(|(_, fault)| fault)
    }
}

#[async_trait]
impl ObjectInventory for Troubled {
    async fn describe(&self) -> Result<StoreDescription, ObjectError> {
        self.world.objects.describe().await
    }

    fn place(&self) -> Place {
        self.world.objects.place()
    }

    async fn versions(&self, key: &ObjectKey) -> Result<ObjectVersions, ObjectError> {
        if self.cannot_list {
            return Err(ObjectError::Unreachable(Outage::NoConnection));
        }
        let found = self.world.objects.versions(key).await;
        let calm = &self.calm_listings;
        let is_calm = calm.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            left.checked_sub(1)
        });
        if is_calm.is_err() {
            self.strike(&self.on_listing).await;
        }
        found
    }

    async fn gone(&self, keys: &[ObjectKey]) -> ReadBack {
        if self.cannot_read_back {
            let error = ObjectError::Unreachable(Outage::TimedOut);
            return ReadBack {
                unread: keys
                    .iter()
                    .map(|key| (key.clone(), error.clone()))
                    .collect(),
                ..ReadBack::default()
            };
        }
        self.world.objects.gone(keys).await
    }
}

#[async_trait]
impl ObjectDisposer for Troubled {
    async fn remove(&self, batch: &[VersionToRemove]) -> RemovalOutcome {
        self.strike(&self.before_removal).await;
        let free: Vec<_> = batch
            .iter()
            .filter(|version| self.fault(version).is_none())
            .cloned()
            .collect();
        let mut outcome = self.world.objects.remove(&free).await;
        for version in batch {
            let version = version.clone();
            match self.fault(&version) {
                None => {}
                Some(Fault::Ignored) => outcome.removed.push(version),
                Some(Fault::Locked(until)) => outcome.locked.push(LockedVersion {
                    version,
                    until: *until,
                }),
                Some(Fault::Refused(error)) => outcome.failed.push(FailedVersion {
                    version,
                    error: error.clone(),
                }),
            }
        }
        self.strike(&self.after_removal).await;
        outcome
    }

    async fn try_calls(&self) -> Result<(), RefusedCall> {
        self.world.objects.try_calls().await
    }
}
