//! Step 1: data, configuration, keys and tables, each made unless it is there already.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use async_trait::async_trait;
use jiff::civil::Date;
use serde::Serialize;

use crate::company::{Loaded, ScanError, ScanSink, Sizes, load_postgres, load_sqlite};
use crate::data::Data;
use crate::failure::Failure;
use crate::place::{self, Place};
use crate::program::Kigen;
use crate::scans::Scans;
use crate::tour::Arguments;
use kigen::progress::Progress;

/// What is ready when the run begins.
pub(crate) struct Prepared {
    pub(crate) data: Data,
    pub(crate) scans: Scans,
    pub(crate) generated: Generated,
}

/// What the generator did.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Generated {
    /// Whether the data was there from an earlier demonstration.
    pub(crate) was_there: bool,
    pub(crate) rows: u64,
    /// Objects, versions counted one by one.
    pub(crate) objects: u64,
}

/// Makes what is missing.
pub(crate) async fn prepare(
    kigen: &Kigen,
    arguments: &Arguments,
    place: &Place,
    as_of: Date,
    progress: &Progress,
) -> Result<Prepared, Failure> {
    std::fs::create_dir_all(&place.folder)
        .with_context(|| format!("make folder `{}`", place.folder.display()))?;
    place::copy_jobs(&arguments.jobs_folder, &place.jobs())?;
    write_config(place)?;
    if !place.keyring().exists() {
        kigen.must(&["keyring", "init"]).await?;
    }
    let data = Data::open(place).await?;
    let scans = Scans::open(place).await?;
    let generated = generate(arguments, &data, &scans, as_of, progress).await?;
    kigen.must(&["ledger", "migrate"]).await?;
    kigen.must(&["journal", "migrate"]).await?;
    Ok(Prepared {
        data,
        scans,
        generated,
    })
}

/// Only the owner may read it: a URL may hold a password.
fn write_config(place: &Place) -> anyhow::Result<()> {
    let file = place.config_file();
    let write = || {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options
            .open(&file)?
            .write_all(place.config_text().as_bytes())
    };
    write().with_context(|| format!("write `{}`", file.display()))
}

async fn generate(
    arguments: &Arguments,
    data: &Data,
    scans: &Scans,
    as_of: Date,
    progress: &Progress,
) -> anyhow::Result<Generated> {
    let sizes = arguments.sizes();
    progress.start(sizes.rows(), "generate rows");
    let shown = AtomicU64::new(0);
    let advanced = |written: u64| {
        let before = shown.swap(written, Ordering::Relaxed);
        progress.advance(written.saturating_sub(before));
    };
    let mut sink = CountedSink {
        sink: scans.sink().await?,
        begun: false,
        sizes,
        progress,
    };
    let loaded = match data {
        Data::Sqlite(pool) => load_sqlite(pool, sizes, as_of, &advanced, &mut sink).await,
        Data::Postgres(pool) => load_postgres(pool, sizes, as_of, &advanced, &mut sink).await,
    };
    progress.finish();
    let generated = match loaded.context("generate the data")? {
        Loaded::Fresh { rows, scans } => Generated {
            was_there: false,
            rows,
            objects: scans,
        },
        Loaded::AlreadyLoaded => Generated {
            was_there: true,
            rows: 0,
            objects: 0,
        },
    };
    Ok(generated)
}

/// A sink that shows how far it is.
struct CountedSink<'a> {
    sink: Box<dyn ScanSink>,
    begun: bool,
    sizes: Sizes,
    progress: &'a Progress,
}

#[async_trait]
impl ScanSink for CountedSink<'_> {
    async fn put(&mut self, key: &str, bytes: Vec<u8>) -> Result<(), ScanError> {
        if !self.begun {
            // One and a half documents to a request, and some of them in two versions.
            let about = u64::from(self.sizes.requests) * 7 / 4;
            self.progress.start(about, "generate scans");
            self.begun = true;
        }
        self.sink.put(key, bytes).await?;
        self.progress.advance(1);
        Ok(())
    }
}
