//! Opening the stores that jobs name, to read or to remove.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{Config, ObjectsConfig, StoreConfig, StoreKind};
use crate::job::Job;
use crate::ledger::entry::TargetEntry;
use crate::store::error::StoreError;
use crate::store::objects::{FolderObjects, ObjectDisposer, ObjectInventory, S3Objects, S3Options};
use crate::store::sql::{PostgresOptions, SqlStore, SqliteOptions, open_postgres, open_sqlite};
use crate::store::{Disposer, Inventory, JobObjects};

/// Batches at the same time where `kigen.toml` does not say.
const CONNECTIONS: u32 = 2;

/// How long a batch waits for rows that others have locked, where `kigen.toml` does not say.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// How long SQLite waits while another process writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The stores of a run, each opened once, by name.
#[derive(Default)]
pub struct Stores {
    /// Every job of the folder: some may name the objects of others.
    jobs: Vec<Job>,
    rows: BTreeMap<String, Result<Arc<dyn Disposer>, StoreError>>,
    objects: BTreeMap<String, Arc<dyn ObjectDisposer>>,
}

/// The stores of a plan: they can only be read.
#[derive(Default)]
pub struct Inventories {
    rows: BTreeMap<String, Result<Arc<dyn Inventory>, StoreError>>,
    objects: Stores,
}

impl Stores {
    /// For a run that knows `jobs`, all of the folder.
    pub fn beside(jobs: &[Job]) -> Self {
        Self {
            jobs: jobs.to_vec(),
            ..Self::default()
        }
    }

    /// The store of this name, opened with the right to remove.
    pub async fn rows(
        &mut self,
        config: &Config,
        name: &str,
    ) -> Result<Arc<dyn Disposer>, StoreError> {
        if !self.rows.contains_key(name) {
            let opened = open(config, name, false).await;
            let opened = opened.map(|store| Arc::new(store) as Arc<dyn Disposer>);
            self.rows.insert(name.to_owned(), opened);
        }
        self.rows
            .get(name)
            .cloned()
            .unwrap_or_else(|| Err(unknown(name)))
    }

    /// Opens the object stores that `job` names, and finds who else names what lies there.
    pub async fn objects(&mut self, config: &Config, job: &Job) -> Result<JobObjects, StoreError> {
        let mut named = BTreeMap::new();
        for link in &job.objects {
            if !self.objects.contains_key(&link.store) {
                let opened = open_objects(config, &link.store).await?;
                self.objects.insert(link.store.clone(), opened);
            }
            if let Some(store) = self.objects.get(&link.store) {
                named.insert(link.store.clone(), Arc::clone(store));
            }
        }
        Ok(JobObjects {
            stores: named,
            also_named: config.also_named(job, &self.jobs),
        })
    }

    /// Opens the object stores that an earlier run named, as far as `kigen.toml` still has them, to be
    /// read.
    pub async fn recorded_objects(
        &mut self,
        config: &Config,
        targets: &[TargetEntry],
    ) -> Result<BTreeMap<String, Arc<dyn ObjectInventory>>, StoreError> {
        let mut opened: BTreeMap<String, Arc<dyn ObjectInventory>> = BTreeMap::new();
        for name in targets.iter().map(|target| &target.store) {
            if !config.objects.contains_key(name) {
                continue;
            }
            if !self.objects.contains_key(name) {
                let store = open_objects(config, name).await?;
                self.objects.insert(name.clone(), store);
            }
            if let Some(store) = self.objects.get(name) {
                let store: Arc<dyn ObjectDisposer> = Arc::clone(store);
                opened.insert(name.clone(), store);
            }
        }
        Ok(opened)
    }

    /// The stores of rows that could be opened so far.
    pub fn opened(&self) -> BTreeMap<String, Arc<dyn Disposer>> {
        self.rows
            .iter()
            .filter_map(|(name, store)| Some((name.clone(), Arc::clone(store.as_ref().ok()?))))
            .collect()
    }
}

impl Inventories {
    /// The store of this name, opened to be read.
    pub async fn rows(
        &mut self,
        config: &Config,
        name: &str,
    ) -> Result<Arc<dyn Inventory>, StoreError> {
        if !self.rows.contains_key(name) {
            let opened = open(config, name, true).await;
            let opened = opened.map(|store| Arc::new(store) as Arc<dyn Inventory>);
            self.rows.insert(name.to_owned(), opened);
        }
        self.rows
            .get(name)
            .cloned()
            .unwrap_or_else(|| Err(unknown(name)))
    }

    /// The object stores that `job` names, opened to be read.
    pub async fn objects(
        &mut self,
        config: &Config,
        job: &Job,
    ) -> Result<BTreeMap<String, Arc<dyn ObjectInventory>>, StoreError> {
        Ok(self.objects.objects(config, job).await?.to_read())
    }
}

fn unknown(name: &str) -> StoreError {
    StoreError::Unusable(format!("kigen.toml has no store `{name}`"))
}

/// Opens a store that can only be read, as a database.
pub async fn rows_to_read(config: &Config, name: &str) -> Result<SqlStore, StoreError> {
    open(config, name, true).await
}

async fn open(config: &Config, name: &str, read_only: bool) -> Result<SqlStore, StoreError> {
    let store = config.stores.get(name).ok_or_else(|| unknown(name))?;
    match &store.kind {
        StoreKind::Postgres { journal_schema } => {
            open_postgres(postgres_options(name, store, journal_schema, read_only)).await
        }
        StoreKind::Sqlite => {
            let file = store.url.expose().trim_start_matches("sqlite://");
            let (file, options) = file.split_once('?').unwrap_or((file, ""));
            let has = |option: &str| options.split('&').any(|written| written == option);
            let immutable = ["immutable=1", "immutable=true", "immutable=on"]
                .iter()
                .any(|option| has(option));
            if !read_only && (immutable || has("mode=ro")) {
                return Err(StoreError::Unusable(format!(
                    "store `{name}` is read-only by its URL\nhint: without `{options}` a run may remove from it"
                )));
            }
            open_sqlite(SqliteOptions {
                name: name.to_owned(),
                file: file.into(),
                busy_timeout: BUSY_TIMEOUT,
                read_only,
                immutable,
            })
            .await
        }
    }
}

fn postgres_options(
    name: &str,
    store: &StoreConfig,
    journal_schema: &str,
    read_only: bool,
) -> PostgresOptions {
    PostgresOptions {
        name: name.to_owned(),
        url: store.url.expose().to_owned(),
        address: store.url.to_string(),
        journal_schema: journal_schema.to_owned(),
        connections: store.connections.unwrap_or(CONNECTIONS),
        lock_timeout: store.lock_timeout.unwrap_or(LOCK_TIMEOUT),
        statement_timeout: store.statement_timeout,
        read_only,
    }
}

/// Opens an object store with the right to remove.
pub async fn open_objects(
    config: &Config,
    name: &str,
) -> Result<Arc<dyn ObjectDisposer>, StoreError> {
    let missing = || StoreError::Unusable(format!("kigen.toml has no object store `{name}`"));
    match config.objects.get(name).ok_or_else(missing)? {
        ObjectsConfig::Folder(folder) => {
            let opened = FolderObjects::open(folder);
            let opened = opened.map_err(|error| {
                StoreError::Unusable(format!("open object store `{name}`: {error}"))
            })?;
            Ok(Arc::new(opened))
        }
        ObjectsConfig::S3 {
            bucket,
            prefix,
            region,
            endpoint,
            path_style,
        } => {
            let options = S3Options {
                bucket: bucket.clone(),
                prefix: prefix.clone(),
                region: region.clone(),
                endpoint: endpoint.clone(),
                path_style: *path_style,
            };
            let opened = S3Objects::connect(options).await;
            let opened = opened.map_err(|error| {
                StoreError::Unusable(format!("open object store `{name}`: {error}"))
            })?;
            Ok(Arc::new(opened))
        }
    }
}

/// What an object store is and where in it the objects lie, as certificates call them.
pub struct ObjectPlace {
    pub engine: &'static str,
    /// The bucket, with the prefix if there is one; the store's name for a folder.
    pub object: String,
    /// Where copies go that a removal here does not reach; `None` if the store did not say.
    pub replicas: Option<Vec<String>>,
}

impl Stores {
    /// The places of the objects of `job`, by the names of their stores, which are open.
    pub async fn object_places(&self, config: &Config, job: &Job) -> BTreeMap<String, ObjectPlace> {
        let mut places = BTreeMap::new();
        for link in &job.objects {
            let Some(configured) = config.objects.get(&link.store) else {
                continue;
            };
            let mut place = object_place(&link.store, configured);
            if let Some(store) = self.objects.get(&link.store) {
                // A store that says nothing of replicas is removed from all the same.
                place.replicas = store.describe().await.ok().and_then(|said| said.replicas);
            }
            places.insert(link.store.clone(), place);
        }
        places
    }
}

fn object_place(name: &str, store: &ObjectsConfig) -> ObjectPlace {
    match store {
        // A path of the machine would say nothing to others.
        ObjectsConfig::Folder(_) => ObjectPlace {
            engine: "folder",
            object: name.to_owned(),
            replicas: None,
        },
        ObjectsConfig::S3 {
            bucket,
            prefix,
            endpoint,
            ..
        } => ObjectPlace {
            engine: if endpoint.is_none() {
                "Amazon S3"
            } else {
                "S3-compatible"
            },
            object: format!("{bucket}/{prefix}")
                .trim_end_matches('/')
                .to_owned(),
            replicas: None,
        },
    }
}
