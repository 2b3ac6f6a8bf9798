//! Puts the generated data into a store, all of it or nothing.

use std::error::Error;
use std::path::PathBuf;

use async_trait::async_trait;
use jiff::civil::Date;
use sqlx::AssertSqlSafe;
use sqlx::PgPool;
use sqlx::SqlitePool;
use thiserror::Error;

use super::dataset::Dataset;
use super::dataset::Sizes;
use super::layout::Row;
use super::layout::TABLES;
use super::postgres;
use super::schema::Dialect;
use super::schema::tables_then_indexes;
use super::sqlite;

/// What loading did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loaded {
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
pub enum LoadError {
    #[error("write the demonstration's tables")]
    Store(#[from] sqlx::Error),
    #[error("write the scan `{key}`")]
    Scan { key: String, source: ScanError },
}

/// What an object store says when it does not take a scan.
pub type ScanError = Box<dyn Error + Send + Sync>;

/// Where scans go.
#[async_trait]
pub trait ScanSink: Send {
    /// Stores an object. A second one under the same key is its newer version.
    async fn put(&mut self, key: &str, bytes: Vec<u8>) -> Result<(), ScanError>;
}

/// A folder that takes scans. It keeps the newest version of each.
#[derive(Debug)]
pub struct FolderOfScans {
    root: PathBuf,
}

impl FolderOfScans {
    /// Takes the folder's path; missing folders are created as scans come.
    pub fn new(root: PathBuf) -> Self {
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
pub async fn load_sqlite(
    pool: &SqlitePool,
    sizes: Sizes,
    as_of: Date,
    progress: &(dyn Fn(u64) + Sync),
    scans: &mut dyn ScanSink,
) -> Result<Loaded, LoadError> {
    let dataset = Dataset { sizes, as_of };
    let (tables, indexes) = tables_then_indexes(Dialect::Sqlite);
    let mut transaction = pool.begin().await?;
    for statement in tables {
        sqlx::query(statement).execute(&mut *transaction).await?;
    }
    let has_rows: i64 = sqlx::query_scalar(AssertSqlSafe(any_row(Dialect::Sqlite)))
        .fetch_one(&mut *transaction)
        .await?;
    if has_rows != 0 {
        return Ok(Loaded::AlreadyLoaded);
    }
    let mut written = 0;
    for (table, mut rows) in dataset.tables() {
        loop {
            let batch: Vec<Row> = rows.by_ref().take(sqlite::BATCH_ROWS).collect();
            if batch.is_empty() {
                break;
            }
            written += batch.len() as u64;
            sqlite::insert(&mut transaction, table, batch).await?;
            progress(written);
        }
    }
    for statement in indexes {
        sqlx::query(statement).execute(&mut *transaction).await?;
    }
    let scans = put_scans(dataset, scans).await?;
    transaction.commit().await?;
    Ok(Loaded::Fresh { rows: written, scans })
}

/// Generates the data for `as_of` into the schema `lms` of a PostgreSQL database and its scans
/// into `scans`. See [`load_sqlite`].
pub async fn load_postgres(
    pool: &PgPool,
    sizes: Sizes,
    as_of: Date,
    progress: &(dyn Fn(u64) + Sync),
    scans: &mut dyn ScanSink,
) -> Result<Loaded, LoadError> {
    let dataset = Dataset { sizes, as_of };
    let (tables, indexes) = tables_then_indexes(Dialect::Postgres);
    let mut transaction = pool.begin().await?;
    for statement in tables {
        sqlx::query(statement).execute(&mut *transaction).await?;
    }
    let has_rows: bool = sqlx::query_scalar(AssertSqlSafe(any_row(Dialect::Postgres)))
        .fetch_one(&mut *transaction)
        .await?;
    if has_rows {
        return Ok(Loaded::AlreadyLoaded);
    }
    let mut written = 0;
    for (table, mut rows) in dataset.tables() {
        loop {
            let batch: Vec<Row> = rows.by_ref().take(postgres::BATCH_ROWS).collect();
            if batch.is_empty() {
                break;
            }
            written += batch.len() as u64;
            postgres::insert(&mut transaction, table, &batch).await?;
            progress(written);
        }
    }
    for statement in indexes {
        sqlx::query(statement).execute(&mut *transaction).await?;
    }
    for table in TABLES {
        // Without statistics the planner would not choose the indexes on fresh tables.
        let statement = format!("analyze lms.{}", table.name);
        sqlx::query(AssertSqlSafe(statement)).execute(&mut *transaction).await?;
    }
    let scans = put_scans(dataset, scans).await?;
    transaction.commit().await?;
    Ok(Loaded::Fresh { rows: written, scans })
}

/// A query that says whether any table has a row.
fn any_row(dialect: Dialect) -> String {
    let prefix = dialect.table_prefix();
    let tests: Vec<String> = TABLES
        .iter()
        .map(|table| format!("exists (select 1 from {prefix}{})", table.name))
        .collect();
    format!("select {}", tests.join(" or "))
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
