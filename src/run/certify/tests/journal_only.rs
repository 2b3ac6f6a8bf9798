//! A store of which sealing sees the journal only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use jiff::civil::Date;
use kigen_evidence::value::Value;

use crate::job::{Job, Leftover, TableName};
use crate::store::error::StoreError;
use crate::store::objects::ObjectInventory;
use crate::store::{
    Disposer, Fit, Found, FrequentDay, Inventory, JobObjects, JobSurvey, JournalRow, JournalSink,
    KeySink, NamedObjects, PassOutcome, PersonSink, PresentSink, Release, Released, Remaining,
    RemovedKeys, Resumption, RunControl, StageOrder, Survey, TokenKey,
};

use super::fixture::RUN;

/// Makes the row with this number.
type MakeRow = Box<dyn Fn(usize) -> JournalRow + Send + Sync>;

/// A store of which sealing sees the journal only.
pub(super) struct JournalOnly {
    count: usize,
    make: MakeRow,
    /// How often the fence was closed.
    pub(super) closed: AtomicUsize,
    pub(super) published: AtomicUsize,
}

impl JournalOnly {
    pub(super) fn of(rows: Vec<JournalRow>) -> Self {
        Self::made(rows.len(), Box::new(move |number| rows[number].clone()))
    }

    pub(super) fn made(count: usize, make: MakeRow) -> Self {
        Self {
            count,
            make,
            closed: AtomicUsize::new(0),
            published: AtomicUsize::new(0),
        }
    }
}

fn not_here() -> StoreError {
    StoreError::Unusable("this store has a journal only".to_owned())
}

#[async_trait]
impl Inventory for JournalOnly {
    async fn clients(&self, _: &Job) -> Result<BTreeSet<String>, StoreError> {
        Err(not_here())
    }

    fn engine(&self) -> &'static str {
        "SQLite 3.50"
    }

    async fn inspect(&self, _: &Job) -> Result<Fit, StoreError> {
        Err(not_here())
    }

    async fn present_among(
        &self,
        _: &Job,
        _: &TokenKey,
        _: &RemovedKeys,
        _: PresentSink<'_>,
    ) -> Result<bool, StoreError> {
        Err(not_here())
    }

    async fn remaining(&self, _: &Job, _: usize, _: Date) -> Result<Remaining, StoreError> {
        Err(not_here())
    }

    async fn survey(&self, _: &Job, _: usize, _: Date) -> Result<Survey, StoreError> {
        Err(not_here())
    }

    async fn frequent_days(&self, _: &Job) -> Result<Vec<FrequentDay>, StoreError> {
        Err(not_here())
    }

    async fn survey_all(
        &self,
        _: &Job,
        _: &[(&Job, Date)],
        _: Date,
    ) -> Result<JobSurvey, StoreError> {
        Err(not_here())
    }

    async fn present(&self, _: &Job, _: &TokenKey, _: PresentSink<'_>) -> Result<(), StoreError> {
        Err(not_here())
    }

    async fn leftovers(&self, _: &Job, _: &Leftover, _: PersonSink<'_>) -> Result<(), StoreError> {
        Err(not_here())
    }

    async fn journal(&self, run_id: &str, sink: JournalSink<'_>) -> Result<(), StoreError> {
        assert_eq!(run_id, RUN);
        assert!(self.closed.load(Ordering::SeqCst) > 0);
        for number in 0..self.count {
            sink((self.make)(number))?;
        }
        Ok(())
    }

    async fn named_objects(&self, _: &Job, _: usize) -> Result<Vec<NamedObjects>, StoreError> {
        Err(not_here())
    }

    async fn find(&self, _: &Job, _: &[String]) -> Result<Option<Found>, StoreError> {
        Err(not_here())
    }

    async fn keys(&self, _: &Job, _: KeySink<'_>) -> Result<(), StoreError> {
        Err(not_here())
    }

    async fn typed(
        &self,
        _: &Job,
        _: &TableName,
        _: &[String],
        _: &[String],
    ) -> Result<Vec<Value>, StoreError> {
        Err(not_here())
    }
}

#[async_trait]
impl Disposer for JournalOnly {
    async fn check_journal(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn open_fence(&self, _: &str) -> Result<(), StoreError> {
        Err(not_here())
    }

    async fn close_fence(&self, run_id: &str) -> Result<(), StoreError> {
        assert_eq!(run_id, RUN);
        self.closed.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn fences(&self, run_ids: &[String]) -> Result<BTreeSet<String>, StoreError> {
        Ok(run_ids.iter().cloned().collect())
    }

    async fn open_intents(&self, _: &str) -> Result<BTreeMap<String, u64>, StoreError> {
        Ok(BTreeMap::new())
    }

    async fn mark_published(&self, run_id: &str) -> Result<(), StoreError> {
        assert_eq!(run_id, RUN);
        self.published.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn dispose(&self, _: &StageOrder<'_>, _: &dyn RunControl) -> PassOutcome {
        PassOutcome {
            stopped_by: Some(not_here()),
            ..PassOutcome::default()
        }
    }

    async fn dispose_with_objects(
        &self,
        order: &StageOrder<'_>,
        _: &JobObjects,
        control: &dyn RunControl,
    ) -> PassOutcome {
        self.dispose(order, control).await
    }

    async fn finish_intents(
        &self,
        _: &Resumption<'_>,
        _: &JobObjects,
        _: &dyn RunControl,
    ) -> PassOutcome {
        PassOutcome {
            stopped_by: Some(not_here()),
            ..PassOutcome::default()
        }
    }

    async fn release_intents(
        &self,
        _: &Release<'_>,
        _: &BTreeMap<String, Arc<dyn ObjectInventory>>,
    ) -> Result<BTreeMap<String, Released>, StoreError> {
        Err(not_here())
    }
}
