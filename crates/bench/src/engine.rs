//! kigen's own engine on a copy: one pass of one stage, watched batch by batch.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use jiff::civil::{Date, date};
use kigen::job::{self, Job};
use kigen::plan::{self, StagePlan, Together};
use kigen::store::sql::{PostgresOptions, SqlStore, open_postgres};
use kigen::store::{
    AnnouncedClients, Control, Disposer, Inventory, PassOutcome, RunContext, RunControl,
    StageOrder, StageTargets, TokenKey,
};
use kigen_evidence::leaf::RunKey;

use crate::cpu::Spent;
use crate::server::{Copy, JOURNAL_SCHEMA};

/// The day of decision: what was taken before 2025-01-01 is due.
pub(crate) const AS_OF: Date = date(2026, 1, 1);
const RUN_ID: &str = "019b7000-0000-7000-8000-000000000001";
const OWN_TARGET: u16 = 0;

/// A job of the benchmark, and the plain statement that does the same to the table.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// The job file's text.
    pub(crate) job: &'static str,
    pub(crate) plain: &'static str,
}

pub(crate) const DELETE: Case = Case {
    name: "delete",
    job: include_str!("../jobs/delete.toml"),
    plain: "delete from exam_attempts where taken_at < timestamptz '2025-01-01 00:00+09'",
};

/// The plain statement makes a new value for the learner too: as quick a one as SQL has.
pub(crate) const PSEUDONYMIZE: Case = Case {
    name: "pseudonymize",
    job: include_str!("../jobs/pseudonymize.toml"),
    plain: "update exam_attempts set learner_id = md5(learner_id::text)::uuid, answers = null, \
            ip = null, user_agent = null where taken_at < timestamptz '2025-01-01 00:00+09'",
};

/// One pass over a copy.
pub(crate) struct Pass {
    pub(crate) records: u64,
    pub(crate) took: Duration,
    pub(crate) spent: Spent,
    /// How long each batch took, in their order, if there was one connection.
    pub(crate) batches: Vec<Duration>,
}

/// Runs the first stage of `case` on `copy`, and checks that its evidence tells of every record.
pub(crate) async fn dispose(case: &Case, copy: &mut Copy, connections: u32) -> Result<Pass> {
    let job = job::parse(case.name, case.job).map_err(|problems| anyhow::anyhow!("{problems}"))?;
    let store = open(&job, copy, connections).await?;
    let fit = store.inspect(&job).await?;
    ensure!(fit.problems.is_empty(), "{}", fit.problems.join("\n"));
    store.open_fence(RUN_ID).await?;
    let run = RunContext {
        run_id: RUN_ID.to_owned(),
        run_key: RunKey::from_bytes([1; 32]),
        token_key: TokenKey([2; 32]),
        started_at: Timestamp::UNIX_EPOCH,
        announced: AnnouncedClients::not_asked_for(),
    };
    let surveyed = store.survey(&job, 0, AS_OF).await?;
    let planned = StagePlan {
        stage: 0,
        total: surveyed.total,
        records: surveyed.due.records,
        persons: surveyed.due.subjects,
        rows: surveyed.rows(),
    };
    let together = Together {
        records: surveyed.due.records,
        persons: surveyed.due.subjects,
    };
    let approved = plan::approve(plan::plan(&job, AS_OF, vec![planned], together))?;
    let approved = approved.stage(0).context("the plan has its stage")?;
    let targets = StageTargets {
        own: OWN_TARGET,
        ..StageTargets::default()
    };
    let order = StageOrder::new(approved, &run, targets, surveyed);
    let recorder = Recorder::default();
    let before = Spent::so_far(copy).await?;
    let begun = Instant::now();
    let outcome = store.dispose(&order, &recorder).await;
    let took = begun.elapsed();
    let spent = Spent::so_far(copy).await?.since(before);
    complete(&outcome, order.surveyed().due.records, copy).await?;
    Ok(Pass {
        records: outcome.disposed,
        took,
        spent,
        batches: recorder.intervals(begun),
    })
}

async fn open(job: &Job, copy: &Copy, connections: u32) -> Result<SqlStore> {
    let store = open_postgres(PostgresOptions {
        name: job.store.clone(),
        url: copy.url.to_string(),
        address: "the benchmark's server".to_owned(),
        journal_schema: JOURNAL_SCHEMA.to_owned(),
        connections,
        lock_timeout: Duration::from_secs(5),
        statement_timeout: None,
        read_only: false,
    })
    .await?;
    store.check_journal().await?;
    Ok(store)
}

/// Speed that leaves something out is none.
async fn complete(outcome: &PassOutcome, due: u64, copy: &mut Copy) -> Result<()> {
    if let Some(error) = &outcome.stopped_by {
        return Err(error.clone()).context("the pass ended early");
    }
    let journaled = copy
        .number("select coalesce(sum(records), 0)::bigint from kigen.journal")
        .await?;
    let left = copy
        .number(
            "select count(*) from exam_attempts \
             where taken_at < timestamptz '2025-01-01 00:00+09' and pseudonymized_on is null",
        )
        .await?;
    if outcome.disposed != due || journaled != i64::try_from(due)? || left != 0 {
        bail!(
            "{due} records were due, {} are disposed of, {journaled} in the journal, {left} left",
            outcome.disposed
        );
    }
    Ok(())
}

/// Notes when each batch was committed.
#[derive(Default)]
struct Recorder {
    committed: Mutex<Vec<Instant>>,
}

#[async_trait::async_trait]
impl RunControl for Recorder {
    async fn ask(&self) -> Control {
        Control::Continue
    }

    fn advanced(&self, _records: u64) {
        let mut committed = self
            .committed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        committed.push(Instant::now());
    }
}

impl Recorder {
    fn intervals(self, begun: Instant) -> Vec<Duration> {
        let committed = self
            .committed
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let before = std::iter::once(&begun).chain(&committed);
        before
            .zip(&committed)
            .map(|(earlier, later)| *later - *earlier)
            .collect()
    }
}
