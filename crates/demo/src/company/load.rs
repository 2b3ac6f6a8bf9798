//! Puts the generated data into a store, all of it or nothing.

use std::error::Error;
use std::path::PathBuf;

use async_trait::async_trait;
use jiff::civil::Date;
use sqlx::{PgPool, SqlitePool};
use thiserror::Error;

use super::dataset::{Dataset, Sizes};
use super::{postgres, sqlite};

/// What loading did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loaded {
    /// The data was written.
    Fresh {
        rows: u64,
        /// Objects written, versions counted one by one.
        scans: u64,
    },
    /// A table of the demonstration has rows, so nothing was written.
    AlreadyLoaded,
}

/// Why the data could not be loaded. The store is then as it was before; scans may lie about.
#[derive(Debug, Error)]
pub(crate) enum LoadError {
    #[error("write the demonstration's tables")]
    Store(#[from] sqlx::Error),
    #[error("write the scan `{key}`")]
    Scan { key: String, source: ScanError },
}

/// What an object store says when it does not take a scan.
pub(crate) type ScanError = Box<dyn Error + Send + Sync>;

/// Where scans go.
#[async_trait]
pub(crate) trait ScanSink: Send {
    /// Stores an object. A second one under the same key is its newer version.
    async fn put(&mut self, key: &str, bytes: Vec<u8>) -> Result<(), ScanError>;
}

/// A folder that takes scans. It keeps the newest version of each.
#[derive(Debug)]
pub(crate) struct FolderOfScans {
    root: PathBuf,
}

impl FolderOfScans {
    /// Takes the folder's path; missing folders are created as scans come.
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }
}

#[async_trait]
impl ScanSink for FolderOfScans {
    async fn put(&mut self, key: &str, bytes: Vec<u8>) -> Result<(), ScanError> {
        let path = self.root.join(key);
        if let Some(folder) = path.parent() {
            tokio::fs::create_dir_all(folder).await?;
        }
        tokio::fs::write(path, bytes).await?;
        Ok(())
    }
}

/// Generates the data for `as_of` into a SQLite database and its scans into `scans`.
///
/// Creates the tables where they are missing. `progress` hears how many rows are written so far,
/// of [`Sizes::rows`].
pub(crate) async fn load_sqlite(
    pool: &SqlitePool,
    sizes: Sizes,
    as_of: Date,
    progress: &(dyn Fn(u64) + Sync),
    scans: &mut dyn ScanSink,
) -> Result<Loaded, LoadError> {
    let dataset = Dataset { sizes, as_of };
    let mut transaction = pool.begin().await?;
    let Some(rows) = sqlite::write(&mut transaction, dataset, progress).await? else {
        return Ok(Loaded::AlreadyLoaded);
    };
    let scans = put_scans(dataset, scans).await?;
    transaction.commit().await?;
    Ok(Loaded::Fresh { rows, scans })
}

/// Generates the data for `as_of` into the schema `lms` of a PostgreSQL database and its scans
/// into `scans`. See [`load_sqlite`].
pub(crate) async fn load_postgres(
    pool: &PgPool,
    sizes: Sizes,
    as_of: Date,
    progress: &(dyn Fn(u64) + Sync),
    scans: &mut dyn ScanSink,
) -> Result<Loaded, LoadError> {
    let dataset = Dataset { sizes, as_of };
    let mut transaction = pool.begin().await?;
    let Some(rows) = postgres::write(&mut transaction, dataset, progress).await? else {
        return Ok(Loaded::AlreadyLoaded);
    };
    let scans = put_scans(dataset, scans).await?;
    transaction.commit().await?;
    Ok(Loaded::Fresh { rows, scans })
}

async fn put_scans(dataset: Dataset, sink: &mut dyn ScanSink) -> Result<u64, LoadError> {
    let mut count = 0;
    for (key, bytes) in dataset.scans() {
        if let Err(source) = sink.put(&key, bytes).await {
            return Err(LoadError::Scan { key, source });
        }
        count += 1;
    }
    Ok(count)
}
