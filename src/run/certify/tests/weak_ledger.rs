//! A real ledger that breaks off at one of its writes, before or after the write took place.

use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use jiff::Timestamp;
use kigen_evidence::merkle::Hash;

use crate::ledger::entry::{Entry, RecordedEntry};
use crate::ledger::error::{LedgerError, LockError};
use crate::ledger::fold::RunRecord;
use crate::ledger::log::{Appended, LogCheckpoint, LogEntry, LogRole, NewLogEntry};
use crate::ledger::{
    CertificateFilter, CertificateMatch, CertificateSummary, Certificates, Clocks, Entries,
    Envelope, Ledger, LedgerLock, LogEntries, NewCertificate, RunKey, Runs, Stored, Suspensions,
    Upkeep,
};

pub(super) struct WeakLedger<'a> {
    inner: &'a dyn Ledger,
    /// How many moments are left: each write has one before it and one after it.
    left: AtomicI64,
}

impl<'a> WeakLedger<'a> {
    pub(super) fn new(inner: &'a dyn Ledger, moments: i64) -> Self {
        Self {
            inner,
            left: AtomicI64::new(moments),
        }
    }

    /// Whether it lived on.
    pub(super) fn is_alive(&self) -> bool {
        self.left.load(Ordering::SeqCst) >= 0
    }

    fn moment(&self) -> Result<(), LedgerError> {
        if self.left.fetch_sub(1, Ordering::SeqCst) > 0 {
            return Ok(());
        }
        self.left.store(-1, Ordering::SeqCst);
        Err(LedgerError::ReadOnly {
            action: "go on".to_owned(),
            source: None,
        })
    }
}

#[async_trait]
impl LogEntries for WeakLedger<'_> {
    async fn log_clients(&self) -> Result<Vec<String>, LedgerError> {
        self.inner.log_clients().await
    }

    async fn log_hashes(&self, client: &str) -> Result<Vec<Hash>, LedgerError> {
        self.inner.log_hashes(client).await
    }

    async fn log_of_run(&self, run_id: &str) -> Result<Vec<(String, LogEntry)>, LedgerError> {
        self.inner.log_of_run(run_id).await
    }

    async fn log_entry(
        &self,
        client: &str,
        run_id: &str,
        role: LogRole,
    ) -> Result<Option<LogEntry>, LedgerError> {
        self.inner.log_entry(client, run_id, role).await
    }

    async fn log_entries(
        &self,
        client: &str,
        from: u64,
        until: u64,
    ) -> Result<Vec<LogEntry>, LedgerError> {
        self.inner.log_entries(client, from, until).await
    }

    async fn log_notices(&self, client: &str) -> Result<Vec<LogEntry>, LedgerError> {
        self.inner.log_notices(client).await
    }

    async fn append_to_log(
        &self,
        new: &NewLogEntry,
        certificate: Option<&NewCertificate>,
    ) -> Result<Appended, LedgerError> {
        self.moment()?;
        let appended = self.inner.append_to_log(new, certificate).await?;
        self.moment()?;
        Ok(appended)
    }

    async fn store_checkpoint(
        &self,
        new: &LogCheckpoint,
        at: Timestamp,
    ) -> Result<Stored, LedgerError> {
        self.moment()?;
        let stored = self.inner.store_checkpoint(new, at).await?;
        self.moment()?;
        Ok(stored)
    }

    async fn last_checkpoint(&self, client: &str) -> Result<Option<LogCheckpoint>, LedgerError> {
        self.inner.last_checkpoint(client).await
    }
}

#[async_trait]
impl Suspensions for WeakLedger<'_> {
    async fn suspension_entries(&self) -> Result<Vec<RecordedEntry>, LedgerError> {
        self.inner.suspension_entries().await
    }
}

#[async_trait]
impl Entries for WeakLedger<'_> {
    async fn append(
        &self,
        run_id: Option<&str>,
        at: Timestamp,
        entry: &Entry,
    ) -> Result<i64, LedgerError> {
        self.moment()?;
        let place = self.inner.append(run_id, at, entry).await?;
        self.moment()?;
        Ok(place)
    }

    async fn entries(
        &self,
        from: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<Vec<RecordedEntry>, LedgerError> {
        self.inner.entries(from, until).await
    }

    async fn entries_of(&self, run_id: &str) -> Result<Vec<RecordedEntry>, LedgerError> {
        self.inner.entries_of(run_id).await
    }
}

#[async_trait]
impl Runs for WeakLedger<'_> {
    async fn start_run(
        &self,
        run_id: &str,
        at: Timestamp,
        entry: &Entry,
        key: &RunKey,
    ) -> Result<(), LedgerError> {
        self.inner.start_run(run_id, at, entry, key).await
    }

    async fn unfinished_runs(&self) -> Result<Vec<RunRecord>, LedgerError> {
        self.inner.unfinished_runs().await
    }

    async fn run_key(&self, run_id: &str) -> Result<Option<RunKey>, LedgerError> {
        self.inner.run_key(run_id).await
    }

    async fn runs_under(&self, kek_id: &str) -> Result<Vec<String>, LedgerError> {
        self.inner.runs_under(kek_id).await
    }

    async fn destroy_run_key(&self, run_id: &str) -> Result<bool, LedgerError> {
        self.inner.destroy_run_key(run_id).await
    }
}

#[async_trait]
impl Certificates for WeakLedger<'_> {
    async fn store_certificate(&self, new: &NewCertificate) -> Result<Stored, LedgerError> {
        self.moment()?;
        let stored = self.inner.store_certificate(new).await?;
        self.moment()?;
        Ok(stored)
    }

    async fn store_envelope(&self, id: &str, envelope: &Envelope) -> Result<Stored, LedgerError> {
        self.moment()?;
        let stored = self.inner.store_envelope(id, envelope).await?;
        self.moment()?;
        Ok(stored)
    }

    async fn certificates(
        &self,
        filter: &CertificateFilter,
    ) -> Result<Vec<CertificateSummary>, LedgerError> {
        self.inner.certificates(filter).await
    }

    async fn certificate(&self, id: &str) -> Result<CertificateMatch, LedgerError> {
        self.inner.certificate(id).await
    }
}

#[async_trait]
impl Upkeep for WeakLedger<'_> {
    async fn migrate(&self, at: Timestamp) -> Result<Vec<String>, LedgerError> {
        self.inner.migrate(at).await
    }

    async fn check_migrated(&self) -> Result<(), LedgerError> {
        self.inner.check_migrated().await
    }

    async fn probe_writable(&self) -> Result<(), LedgerError> {
        self.inner.probe_writable().await
    }

    async fn clocks(&self) -> Result<Clocks, LedgerError> {
        self.inner.clocks().await
    }

    async fn lock(&self, names: &[String]) -> Result<LedgerLock, LockError> {
        self.inner.lock(names).await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
