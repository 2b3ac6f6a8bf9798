//! A store of rows: one database of whatever engine.

use async_trait::async_trait;
use jiff::civil::Date;

use super::backend::Backend;
use super::backend::tables_of;
use super::find;
use super::fit;
use super::journal;
use super::pass::Pass;
use super::session::Access;
use super::survey;
use super::text::StageText;
use super::walk;
use crate::job::Job;
use crate::store::Disposer;
use crate::store::Fit;
use crate::store::Found;
use crate::store::Inventory;
use crate::store::JournalSink;
use crate::store::PassOutcome;
use crate::store::StageOrder;
use crate::store::Survey;
use crate::store::Watch;
use crate::store::error::StoreError;

/// A database whose sessions can only read, or can also write, as it was opened.
pub struct SqlStore {
    backend: Box<dyn Backend>,
}

impl SqlStore {
    pub(crate) fn new(backend: Box<dyn Backend>) -> Self {
        Self { backend }
    }
}

#[async_trait]
impl Inventory for SqlStore {
    fn engine(&self) -> &str {
        self.backend.engine()
    }

    async fn inspect(&self, job: &Job) -> Result<Fit, StoreError> {
        let mut session = self.backend.session().await?;
        session.begin(Access::Read).await?;
        let tables = tables_of(&*self.backend, &mut *session, job).await?;
        let mut fit = fit::compare(job, &tables, self.backend.dialect());
        if fit.problems.is_empty() {
            fit.problems
                .extend(fit::tokens_in_use(&mut *session, self.backend.dialect(), job, &tables).await?);
        }
        session.rollback().await?;
        Ok(fit)
    }

    async fn survey(&self, job: &Job, stage: usize, as_of: Date) -> Result<Survey, StoreError> {
        let mut session = self.backend.session().await?;
        session.begin(Access::Read).await?;
        let tables = tables_of(&*self.backend, &mut *session, job).await?;
        tables.own(job)?;
        let text = StageText {
            dialect: self.backend.dialect(),
            job,
            stage: &job.stages[stage],
            tables: &tables,
        };
        let survey = survey::survey(&mut *session, &text, as_of).await?;
        session.rollback().await?;
        Ok(survey)
    }

    async fn find(&self, job: &Job, key: &[String]) -> Result<Option<Found>, StoreError> {
        let mut session = self.backend.session().await?;
        session.begin(Access::Read).await?;
        let tables = tables_of(&*self.backend, &mut *session, job).await?;
        tables.own(job)?;
        let found = find::find(&mut *session, self.backend.dialect(), job, &tables, key).await?;
        session.rollback().await?;
        Ok(found)
    }
}

#[async_trait]
impl Disposer for SqlStore {
    async fn check_journal(&self) -> Result<(), StoreError> {
        let mut session = self.backend.session().await?;
        if self.backend.journal_is_migrated(&mut *session).await? {
            return Ok(());
        }
        Err(StoreError::NotMigrated {
            store: self.backend.name().to_owned(),
        })
    }

    async fn open_fence(&self, run_id: &str) -> Result<(), StoreError> {
        let mut session = self.backend.session().await?;
        session.begin(Access::Write).await?;
        journal::open_fence(&mut *session, self.backend.dialect(), run_id).await?;
        session.commit().await
    }

    async fn close_fence(&self, run_id: &str) -> Result<(), StoreError> {
        let mut session = self.backend.session().await?;
        session.begin(Access::Write).await?;
        journal::close_fence(&mut *session, self.backend.dialect(), run_id).await?;
        session.commit().await
    }

    async fn dispose(&self, order: &StageOrder<'_>, watch: &dyn Watch) -> PassOutcome {
        match self.walk(order, watch).await {
            Ok(outcome) => outcome,
            Err(error) => PassOutcome {
                stopped_by: Some(error),
                ..PassOutcome::default()
            },
        }
    }

    async fn journal(&self, run_id: &str, sink: JournalSink<'_>) -> Result<(), StoreError> {
        let mut session = self.backend.session().await?;
        session.begin(Access::Read).await?;
        journal::read(&mut *session, self.backend.dialect(), run_id, sink).await?;
        session.rollback().await
    }
}

impl SqlStore {
    async fn walk(
        &self,
        order: &StageOrder<'_>,
        watch: &dyn Watch,
    ) -> Result<PassOutcome, StoreError> {
        let mut session = self.backend.session().await?;
        let tables = tables_of(&*self.backend, &mut *session, order.job).await?;
        tables.own(order.job)?;
        let blocks = self.backend.blocks(&mut *session, &order.job.table).await?;
        drop(session);
        let pass = Pass::prepare(self.backend.dialect(), &tables, order)?;
        Ok(walk::walk(&*self.backend, &pass, blocks, watch).await)
    }
}
