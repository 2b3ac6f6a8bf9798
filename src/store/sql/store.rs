//! A store of rows: one database of whatever engine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use kigen_evidence::value::Value;

use super::backend::{Backend, tables_of};
use super::columns::Tables;
use super::elsewhere::{self, Elsewhere};
use super::foreseen::{Foreseen, JobOnDay};
use super::intent::{self, Stores};
use super::pass::Pass;
use super::rule_sql::StageText;
use super::schema_check::{self, Ground};
use super::whole::{self, DigestSink};
use super::{
    clients, conditions, days, find, journal, key_values, leftovers, named_objects, objects_walk,
    present, recall_walk, scan, survey,
};
use crate::database::session::Access;
use crate::database::statement::Statement;
use crate::job::{Job, Leftover, TableName};
use crate::store::error::StoreError;
use crate::store::objects::ObjectInventory;
use crate::store::order::StageWork;
use crate::store::{
    Disposer, Fit, Found, FrequentDay, Inventory, JobObjects, JobSurvey, JournalSink, KeySink,
    NamedObjects, PassOutcome, PersonSink, PresentSink, Release, Released, Remaining, RemovedKeys,
    Resumption, RunControl, StageOrder, Survey, TokenKey,
};

/// How often sealing waits as long as a session may for the batches that hold the fence.
const FENCE_TRIES: u32 = 20;

/// A database whose sessions can only read, or can also write, as it was opened.
pub struct SqlStore {
    backend: Box<dyn Backend>,
}

impl SqlStore {
    pub(crate) fn new(backend: Box<dyn Backend>) -> Self {
        Self { backend }
    }

    /// Hands on the digest of every row of the database but kigen's own, in one snapshot.
    pub async fn every_row(&self, sink: DigestSink<'_>) -> Result<(), StoreError> {
        let mut session = self.backend.session().await?;
        session.begin(Access::Read).await?;
        let (reading, schema) = self.backend.reading();
        whole::every_row(&mut *session, reading, schema, sink).await?;
        Ok(session.rollback().await?)
    }

    fn not_migrated(&self) -> StoreError {
        StoreError::NotMigrated {
            store: self.backend.name().to_owned(),
        }
    }
}

#[async_trait]
impl Inventory for SqlStore {
    fn engine(&self) -> &str {
        self.backend.engine()
    }

    async fn clock(&self) -> Result<Option<Timestamp>, StoreError> {
        const DOING: &str = "read the server's clock";
        let Some(microseconds) = self.backend.dialect().clock() else {
            return Ok(None);
        };
        let mut session = self.backend.session().await?;
        let sql = format!("select {microseconds}");
        let rows = session.query(&Statement::plain(DOING, sql)).await?;
        let read = match rows.first().map(Vec::as_slice) {
            Some([Value::Int(microseconds)]) => Timestamp::from_microsecond(*microseconds).ok(),
            _ => None,
        };
        let unreadable = || StoreError::Unusable(format!("{DOING}: it says no moment"));
        read.map(Some).ok_or_else(unreadable)
    }

    async fn inspect(&self, job: &Job) -> Result<Fit, StoreError> {
        let mut session = self.backend.session().await?;
        session.begin(Access::Read).await?;
        let tables = tables_of(&*self.backend, &mut *session, job).await?;
        let inspection = schema_check::look(&*self.backend, &mut *session, job, &tables).await?;
        let ground = Ground {
            job,
            tables: &tables,
            inspection: &inspection,
            dialect: self.backend.dialect(),
        };
        let mut fit = schema_check::compare(&ground);
        if fit.problems.is_empty() && fit.unreadable.is_empty() {
            let clients =
                clients::clients(&mut *session, self.backend.dialect(), job, &tables).await?;
            fit.problems.extend(clients::spellings(&clients));
            conditions::compare(
                &mut *session,
                self.backend.dialect(),
                job,
                &tables,
                &mut fit,
            )
            .await?;
            schema_check::ask_rows(&mut *session, &ground, &mut fit).await?;
        }
        fit.warnings
            .extend(self.backend.traces(&mut *session).await?);
        session.rollback().await?;
        schema_check::leave_out_empty(&mut *session, &ground, &mut fit).await?;
        let may_all = fit.unreadable.is_empty() && fit.missing_rights.is_empty();
        if fit.problems.is_empty() && may_all {
            schema_check::try_keys(&mut *session, &ground, &mut fit).await?;
            schema_check::probe(&*self.backend, &mut *session, &ground, &mut fit).await?;
        }
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
        let survey = survey::survey(&mut *session, text, as_of).await?;
        session.rollback().await?;
        Ok(survey)
    }

    async fn remaining(
        &self,
        job: &Job,
        stage: usize,
        as_of: Date,
    ) -> Result<Remaining, StoreError> {
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
        let remaining = survey::remaining(&mut *session, &text, as_of).await?;
        session.rollback().await?;
        Ok(remaining)
    }

    async fn survey_all(
        &self,
        job: &Job,
        earlier: &[(&Job, Date)],
        as_of: Date,
    ) -> Result<JobSurvey, StoreError> {
        let mut session = self.backend.session().await?;
        session.begin(Access::Read).await?;
        let mut jobs = Vec::new();
        for (job, as_of) in earlier.iter().copied().chain([(job, as_of)]) {
            let tables = tables_of(&*self.backend, &mut *session, job).await?;
            tables.own(job)?;
            jobs.push(JobOnDay { job, tables, as_of });
        }
        let foreseen = Foreseen {
            dialect: self.backend.dialect(),
            jobs: &jobs,
        };
        let survey = survey::survey_all(&mut *session, &foreseen).await?;
        session.rollback().await?;
        Ok(survey)
    }

    async fn frequent_days(&self, job: &Job) -> Result<Vec<FrequentDay>, StoreError> {
        let mut session = self.backend.session().await?;
        session.begin(Access::Read).await?;
        let tables = tables_of(&*self.backend, &mut *session, job).await?;
        let found = days::frequent(&mut *session, self.backend.dialect(), job, &tables).await?;
        session.rollback().await?;
        Ok(found)
    }

    async fn clients(&self, job: &Job) -> Result<BTreeSet<String>, StoreError> {
        let mut session = self.backend.session().await?;
        session.begin(Access::Read).await?;
        let tables = tables_of(&*self.backend, &mut *session, job).await?;
        tables.own(job)?;
        let found = clients::clients(&mut *session, self.backend.dialect(), job, &tables).await?;
        session.rollback().await?;
        Ok(found)
    }

    async fn present(
        &self,
        job: &Job,
        tokens: &TokenKey,
        sink: PresentSink<'_>,
    ) -> Result<(), StoreError> {
        present::present(&*self.backend, job, tokens, sink).await
    }

    async fn present_among(
        &self,
        job: &Job,
        tokens: &TokenKey,
        removed: &RemovedKeys,
        sink: PresentSink<'_>,
    ) -> Result<bool, StoreError> {
        present::present_among(&*self.backend, job, tokens, removed, sink).await
    }

    async fn leftovers(
        &self,
        job: &Job,
        leftover: &Leftover,
        sink: PersonSink<'_>,
    ) -> Result<(), StoreError> {
        leftovers::leftovers(&*self.backend, job, leftover, sink).await
    }

    async fn journal(&self, run_id: &str, sink: JournalSink<'_>) -> Result<(), StoreError> {
        let mut session = self.backend.session().await?;
        session.begin(Access::Read).await?;
        journal::read(&mut *session, self.backend.dialect(), run_id, sink).await?;
        Ok(session.rollback().await?)
    }

    async fn named_objects(&self, job: &Job, link: usize) -> Result<Vec<NamedObjects>, StoreError> {
        let mut session = self.backend.session().await?;
        session.begin(Access::Read).await?;
        let tables = tables_of(&*self.backend, &mut *session, job).await?;
        let dialect = self.backend.dialect();
        let named = named_objects::sample(&mut *session, dialect, job, &tables, link).await?;
        session.rollback().await?;
        Ok(named)
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

    async fn keys(&self, job: &Job, sink: KeySink<'_>) -> Result<(), StoreError> {
        let mut session = self.backend.session().await?;
        session.begin(Access::Read).await?;
        let tables = tables_of(&*self.backend, &mut *session, job).await?;
        tables.own(job)?;
        find::keys(&mut *session, self.backend.dialect(), job, &tables, sink).await?;
        Ok(session.rollback().await?)
    }

    async fn typed(
        &self,
        job: &Job,
        table: &TableName,
        columns: &[String],
        texts: &[String],
    ) -> Result<Vec<Value>, StoreError> {
        let mut session = self.backend.session().await?;
        session.begin(Access::Read).await?;
        let tables = tables_of(&*self.backend, &mut *session, job).await?;
        let columns = key_values::columns(&tables, table, columns)?;
        let values =
            key_values::typed(&mut *session, self.backend.dialect(), &columns, texts).await?;
        session.rollback().await?;
        Ok(values)
    }
}

#[async_trait]
impl Disposer for SqlStore {
    async fn check_journal(&self) -> Result<(), StoreError> {
        let mut session = self.backend.session().await?;
        if self.backend.journal_is_migrated(&mut *session).await? {
            return Ok(());
        }
        Err(self.not_migrated())
    }

    async fn open_fence(&self, run_id: &str) -> Result<(), StoreError> {
        let mut session = self.backend.session().await?;
        session.begin(Access::Write).await?;
        journal::open_fence(&mut *session, self.backend.dialect(), run_id).await?;
        Ok(session.commit().await?)
    }

    async fn close_fence(&self, run_id: &str) -> Result<(), StoreError> {
        let mut tries = 1;
        loop {
            let closed = self.try_to_close_fence(run_id).await;
            if let Err(StoreError::Locked { .. } | StoreError::Conflict { .. }) = closed
                && tries < FENCE_TRIES
            {
                tries += 1;
                continue;
            }
            return closed;
        }
    }

    async fn fences(&self, run_ids: &[String]) -> Result<BTreeSet<String>, StoreError> {
        let mut session = self.backend.session().await?;
        session.begin(Access::Read).await?;
        let known = journal::fences(&mut *session, self.backend.dialect(), run_ids).await?;
        session.rollback().await?;
        Ok(known)
    }

    async fn open_intents(&self, run_id: &str) -> Result<BTreeMap<String, u64>, StoreError> {
        let mut session = self.backend.session().await?;
        session.begin(Access::Read).await?;
        let open = intent::open_by_cluster(&mut *session, self.backend.dialect(), run_id).await?;
        session.rollback().await?;
        Ok(open)
    }

    async fn mark_published(&self, run_id: &str) -> Result<(), StoreError> {
        let mut session = self.backend.session().await?;
        session.begin(Access::Write).await?;
        journal::mark_published(&mut *session, self.backend.dialect(), run_id).await?;
        Ok(session.commit().await?)
    }

    async fn settle(&self) -> Result<Vec<String>, StoreError> {
        let mut session = self.backend.session().await?;
        self.backend.settle(&mut *session).await
    }

    async fn dispose(&self, order: &StageOrder<'_>, control: &dyn RunControl) -> PassOutcome {
        let walked = self.walk(order.work(), control).await;
        walked.unwrap_or_else(stopped)
    }

    async fn dispose_with_objects(
        &self,
        order: &StageOrder<'_>,
        objects: &JobObjects,
        control: &dyn RunControl,
    ) -> PassOutcome {
        let work = order.work();
        if !intent::has_objects(work.job, &work.job.stages[work.stage]) {
            return self.dispose(order, control).await;
        }
        let walked = self.walk_with_objects(work, objects, control).await;
        walked.unwrap_or_else(stopped)
    }

    async fn finish_intents(
        &self,
        left: &Resumption<'_>,
        objects: &JobObjects,
        control: &dyn RunControl,
    ) -> PassOutcome {
        let work = left.work();
        if !intent::has_objects(work.job, &work.job.stages[work.stage]) {
            return PassOutcome::default();
        }
        let finished = self.finish_open(work, objects, control).await;
        finished.unwrap_or_else(stopped)
    }

    async fn release_intents(
        &self,
        release: &Release<'_>,
        objects: &BTreeMap<String, Arc<dyn ObjectInventory>>,
    ) -> Result<BTreeMap<String, Released>, StoreError> {
        intent::release(&*self.backend, release, objects).await
    }
}

impl SqlStore {
    async fn try_to_close_fence(&self, run_id: &str) -> Result<(), StoreError> {
        let mut session = self.backend.session().await?;
        session.begin(Access::Write).await?;
        journal::close_fence(&mut *session, self.backend.dialect(), run_id).await?;
        // Whoever stores an intent holds the fence open until its commit, so all are seen here.
        let open = intent::open_intents(&mut *session, self.backend.dialect(), run_id).await?;
        if open > 0 {
            session.rollback().await?;
            return Err(StoreError::Unusable(format!(
                "close the fence of run {run_id}: {open} intents are open"
            )));
        }
        Ok(session.commit().await?)
    }

    async fn walk(
        &self,
        work: &StageWork<'_>,
        control: &dyn RunControl,
    ) -> Result<PassOutcome, StoreError> {
        if intent::has_objects(work.job, &work.job.stages[work.stage]) {
            return Err(StoreError::Unusable(format!(
                "rows of `{}` name objects, which would be left behind",
                work.job.cluster
            )));
        }
        let mut session = self.backend.session().await?;
        let tables = tables_of(&*self.backend, &mut *session, work.job).await?;
        let own = &tables.own(work.job)?.relation;
        let blocks = self.backend.blocks(&mut *session, own).await?;
        drop(session);
        let pass = Pass::prepare(self.backend.dialect(), &tables, work)?;
        if pass.recalled.is_some() {
            return Ok(recall_walk::walk(&*self.backend, &pass, control).await);
        }
        Ok(scan::walk(&*self.backend, &pass, blocks, control).await)
    }

    async fn walk_with_objects(
        &self,
        work: &StageWork<'_>,
        objects: &JobObjects,
        control: &dyn RunControl,
    ) -> Result<PassOutcome, StoreError> {
        let stores = Stores::of_job(work.job, &objects.stores)?;
        let tables = self.tables(work.job).await?;
        let mut pass = Pass::prepare(self.backend.dialect(), &tables, work)?;
        pass.elsewhere = self.elsewhere(work.job, &tables, objects).await?;
        Ok(objects_walk::walk(&*self.backend, &pass, stores, control).await)
    }

    async fn finish_open(
        &self,
        work: &StageWork<'_>,
        objects: &JobObjects,
        control: &dyn RunControl,
    ) -> Result<PassOutcome, StoreError> {
        let stores = Stores::of_job(work.job, &objects.stores)?;
        let tables = self.tables(work.job).await?;
        let mut pass = Pass::prepare(self.backend.dialect(), &tables, work)?;
        pass.elsewhere = self.elsewhere(work.job, &tables, objects).await?;
        Ok(objects_walk::finish_open(&*self.backend, &pass, stores, control).await)
    }

    async fn elsewhere(
        &self,
        job: &Job,
        tables: &Tables,
        objects: &JobObjects,
    ) -> Result<Vec<Elsewhere>, StoreError> {
        let mut session = self.backend.session().await?;
        let also_named = &objects.also_named;
        elsewhere::find(&*self.backend, &mut *session, job, tables, also_named).await
    }

    async fn tables(&self, job: &Job) -> Result<Tables, StoreError> {
        let mut session = self.backend.session().await?;
        tables_of(&*self.backend, &mut *session, job).await
    }
}

fn stopped(error: StoreError) -> PassOutcome {
    PassOutcome {
        stopped_by: Some(error),
        ..PassOutcome::default()
    }
}
