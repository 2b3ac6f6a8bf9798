//! Runs without a ledger: one pass over one stage.

use std::sync::atomic::{AtomicU64, Ordering};

use jiff::civil::Date;
use kigen::job::{Job, OnDispose};
use kigen::plan::{self, ApprovedStage, StagePlan, Together};
use kigen::store::sql::SqlStore;
use kigen::store::{
    AnnouncedClients, Control, Disposer, Inventory, JournalRow, PassOutcome, RunContext,
    RunControl, StageOrder, StageTargets, Survey, TokenKey,
};
use kigen_evidence::leaf::RunKey;

/// One run and its secrets.
pub(crate) struct Run {
    pub(crate) context: RunContext,
    pub(crate) max_records: u64,
    pub(crate) pass: u32,
}

/// Never stops, and counts.
#[derive(Default)]
pub(crate) struct Counting(AtomicU64);

#[async_trait::async_trait]
impl RunControl for Counting {
    async fn ask(&self) -> Control {
        Control::Continue
    }

    fn advanced(&self, records: u64) {
        self.0.fetch_add(records, Ordering::Relaxed);
    }
}

impl Run {
    pub(crate) const KEY: [u8; 32] = [7; 32];

    pub(crate) fn new(id: &str) -> Self {
        Self {
            context: RunContext {
                run_id: id.to_owned(),
                run_key: RunKey::from_bytes(Self::KEY),
                token_key: TokenKey([9; 32]),
                started_at: "2025-04-01T03:04:05Z".parse().unwrap(),
                announced: AnnouncedClients::not_asked_for(),
            },
            max_records: u64::MAX,
            pass: 0,
        }
    }

    /// Opens the fence and makes one pass.
    pub(crate) async fn dispose(
        &self,
        store: &SqlStore,
        job: &Job,
        stage: usize,
        as_of: Date,
    ) -> PassOutcome {
        store.open_fence(&self.context.run_id).await.unwrap();
        self.pass_only(store, job, stage, as_of).await
    }

    /// Makes one pass, whatever the fence says.
    pub(crate) async fn pass_only(
        &self,
        store: &SqlStore,
        job: &Job,
        stage: usize,
        as_of: Date,
    ) -> PassOutcome {
        let surveyed = store.survey(job, stage, as_of).await.unwrap();
        let order = StageOrder::new(
            approved(job, stage, as_of, &surveyed),
            &self.context,
            targets(job),
            surveyed,
        )
        .at_most(self.max_records)
        .after_passes(self.pass);
        let control = Counting::default();
        let outcome = store.dispose(&order, &control).await;
        assert_eq!(
            control.0.load(Ordering::Relaxed),
            outcome.disposed,
            "the watch counts what is counted"
        );
        outcome
    }

    /// Makes one pass that must succeed.
    pub(crate) async fn disposed(
        &self,
        store: &SqlStore,
        job: &Job,
        stage: usize,
        as_of: Date,
    ) -> PassOutcome {
        let outcome = self.dispose(store, job, stage, as_of).await;
        if let Some(error) = &outcome.stopped_by {
            panic!("{}: {error} ({error:?})", self.context.run_id);
        }
        outcome
    }

    /// Every journal row of the run.
    pub(crate) async fn journal(&self, store: &SqlStore) -> Vec<JournalRow> {
        let mut rows = Vec::new();
        let mut sink = |row: JournalRow| {
            rows.push(row);
            Ok(())
        };
        store
            .journal(&self.context.run_id, &mut sink)
            .await
            .unwrap();
        rows
    }
}

/// Stage `stage` of a plan that holds what was surveyed, approved under the job's own limit.
pub(crate) fn approved<'a>(
    job: &'a Job,
    stage: usize,
    as_of: Date,
    surveyed: &Survey,
) -> ApprovedStage<'a> {
    let planned = StagePlan {
        stage,
        total: surveyed.total,
        records: surveyed.due.records,
        persons: surveyed.due.subjects,
        rows: 0,
    };
    let together = Together {
        records: surveyed.due.records,
        persons: surveyed.due.subjects,
    };
    let plan = plan::plan(job, as_of, vec![planned], together);
    let approved = plan::approve(plan).unwrap();
    approved.stage(stage).unwrap()
}

/// The own table is target 0, goes-with tables follow in the job's order.
fn targets(job: &Job) -> StageTargets {
    let gone_with = job
        .references
        .iter()
        .filter(|reference| matches!(reference.on_dispose, OnDispose::GoesWith { .. }));
    StageTargets {
        own: 0,
        goes_with: (1..).zip(gone_with).map(|(target, _)| target).collect(),
        objects: Vec::new(),
    }
}
