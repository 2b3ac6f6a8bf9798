//! What the figures were measured on.

use std::{fmt, fs};

use anyhow::Result;
use serde::Serialize;

use crate::server::Server;

/// Settings that move the figures.
const SETTINGS: [&str; 8] = [
    "shared_buffers",
    "max_wal_size",
    "checkpoint_timeout",
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_compression",
    "autovacuum",
];

/// The machine and its server. No names of either.
#[derive(Serialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    /// Memory in GiB; 0 if the system does not say.
    pub(crate) memory_gib: u64,
    pub(crate) postgresql: String,
    pub(crate) settings: Vec<(&'static str, String)>,
}

impl Machine {
    pub(crate) async fn look(server: &mut Server) -> Result<Self> {
        let version = server.setting("server_version").await?;
        let mut settings = Vec::new();
        for name in SETTINGS {
            settings.push((name, server.setting(name).await?));
        }
        Ok(Self {
            cores: std::thread::available_parallelism()?.get(),
            memory_gib: memory_gib().unwrap_or_default(),
            postgresql: version
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .to_owned(),
            settings,
        })
    }
}

/// Memory as the kernel counts it, rounded up: it keeps a part for itself.
fn memory_gib() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib.div_ceil(1024 * 1024))
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} cores, {} GiB, PostgreSQL {}",
            self.cores, self.memory_gib, self.postgresql
        )?;
        let settings: Vec<String> = self
            .settings
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        write!(f, " ({})", settings.join(" "))
    }
}
