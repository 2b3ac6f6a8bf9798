//! The stores: where records lie, and the two capabilities over them.
//!
//! [`Inventory`] reads; [`Disposer`] also removes. What a function may do shows in which of the
//! two it is handed. There is no dry-run flag.

pub mod error;
pub mod inspection;
pub mod objects;
pub mod sql;

mod control;
mod job_objects;
mod order;
mod recall;
mod release;
mod removed;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use kigen_evidence::leaf::RunKey;
use kigen_evidence::statement::RetainReason;
use kigen_evidence::value::Value;
use serde::Serialize;

use crate::domain::rule::{Candidate, Undatable};
use crate::job::{Job, Leftover, TableName};
use error::StoreError;
use inspection::Inspection;
use objects::{KeyError, ObjectInventory, ObjectKey};

pub use control::{Control, RunControl, StopReason, Wait, may_go_on};
pub use job_objects::{AlsoNamed, JobObjects, KeyChange};
pub use order::{Resumption, StageOrder};
pub use recall::{
    BackAgain, KeySink, PersonSink, PresentBatch, PresentRecord, PresentRow, PresentSink, Recall,
};
pub use release::{Release, Released};
pub use removed::RemovedKeys;
pub(in crate::store) use removed::RemovedTable;

/// How a job and the live schema of its store go together.
#[derive(Clone, Debug, Default)]
pub struct Fit {
    /// What does not fit, each with a hint. Empty: the job may run.
    pub problems: Vec<String>,
    /// What an operator should know, such as where copies stay.
    pub warnings: Vec<String>,
    /// Tables that may be copies, unless another job has a rule for them.
    pub copies: Vec<MaybeCopy>,
    /// Rights to read that the database role lacks, each with its `grant`.
    pub unreadable: Vec<String>,
    /// Rights that only what removes needs, each with its `grant`: a plan goes without.
    pub missing_rights: Vec<String>,
    /// What was looked at.
    pub inspection: Inspection,
}

/// A table with all columns of one whose rows go, and some rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaybeCopy {
    /// As the database writes it, with its schema where it has schemas.
    pub table: String,
    pub warning: String,
}

impl Fit {
    /// Warns of what may be a copy, but for tables that one of `jobs` has a rule for.
    pub fn warn_of_copies(&mut self, job: &Job, jobs: &[Job]) {
        let governed = |copy: &MaybeCopy| {
            let mut jobs = jobs.iter().filter(|other| other.store == job.store);
            jobs.any(|other| {
                let references = other.references.iter().map(|reference| &reference.table);
                let mut named = std::iter::once(&other.table).chain(references);
                named.any(|name| is_called(&copy.table, name))
            })
        };
        let copies = std::mem::take(&mut self.copies);
        let copies = copies.into_iter().filter(|copy| !governed(copy));
        self.warnings.extend(copies.map(|copy| copy.warning));
    }
}

/// Whether a job that says `name` may mean the table that the database calls `live`.
fn is_called(live: &str, name: &TableName) -> bool {
    if live == name.to_string() {
        return true;
    }
    let behind = live.strip_suffix(name.name.as_str());
    name.schema.is_none() && behind.is_some_and(|schema| schema.ends_with('.'))
}

/// What is due in one stage of a job, and why the rest is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Survey {
    /// Records of the cluster, whatever becomes of them.
    pub total: u64,
    pub due: Due,
    /// Due records that are due in an earlier stage of the job as well: they go through both.
    pub again: u64,
    /// Records that are kept, by reason. With `due` they add up to `total`.
    pub retained: BTreeMap<RetainReason, u64>,
    /// Why the undatable ones are so.
    pub undatable: BTreeMap<Undatable, u64>,
    /// Of the retained: records that the run itself will have freed by the stage's turn. Only a survey
    /// of all stages foresees them.
    pub freed: u64,
    /// What goes along with the records that are due or freed. Only a survey of all stages counts it.
    pub companions: Companions,
    /// For how many days the oldest due record has been due.
    pub oldest_overdue_days: Option<i64>,
}

impl Survey {
    /// Rows of all tables that go in the stage, as far as can be foreseen.
    pub fn rows(&self) -> u64 {
        let with_them = self.companions.goes_with.values();
        with_them.fold(self.due.records.saturating_add(self.freed), |rows, more| {
            rows.saturating_add(*more)
        })
    }

    /// The same, when only so many `records` are left that are due.
    #[must_use]
    pub fn with_due(&self, records: u64) -> Self {
        let mut left = self.clone();
        left.due.records = records;
        left
    }
}

/// What goes along with the records of a stage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Companions {
    /// Rows that go with them, by table.
    pub goes_with: BTreeMap<String, u64>,
    /// Rows that will no longer name them, by table.
    pub unlinked: BTreeMap<String, u64>,
    /// Objects, by store.
    pub objects: BTreeMap<String, u64>,
}

/// What is due in the stages of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobSurvey {
    /// One for each stage that was surveyed, in order.
    pub stages: Vec<Survey>,
    /// What is due in any of them or will be freed: each record and person once.
    pub together: Due,
}

/// Records and the persons they are about: a person counts once for each client, and a record without
/// a person counts as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Due {
    pub records: u64,
    pub subjects: u64,
}

/// A day on which an improbable share of a cluster's records start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FrequentDay {
    /// The column of the starting point, as the job names it.
    pub column: String,
    /// The day, as ISO text.
    pub day: String,
    /// Records that start on it.
    pub records: u64,
    /// Records that have a day there.
    pub of: u64,
}

impl fmt::Display for FrequentDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            column,
            day,
            records,
            of,
        } = self;
        write!(
            f,
            "{records} of {of} records start on {day} (`{column}`): if that is no event but how the \
             application writes \"never\", set `earliest` of the purpose to a later day"
        )
    }
}

/// One record as the rule sees it, for `explain`.
#[derive(Clone, Debug)]
pub struct Found {
    /// One candidate for each stage of the job, in order.
    pub candidates: Vec<Candidate>,
}

/// The objects that one record names by one link; an error for a key that no store can have.
pub type NamedObjects = Vec<Result<ObjectKey, KeyError>>;

/// Reads what a store holds. Cannot change anything.
#[async_trait]
pub trait Inventory: Send + Sync {
    /// The database and its version, for plans and certificates.
    fn engine(&self) -> &str;

    /// What time it is by the server's clock; `None` where the store is a file of this machine.
    async fn clock(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }

    /// Compares a job with the live schema.
    async fn inspect(&self, job: &Job) -> Result<Fit, StoreError>;

    /// Counts what is due in stage `stage` of `job` on the day `as_of`, in one snapshot.
    async fn survey(&self, job: &Job, stage: usize, as_of: Date) -> Result<Survey, StoreError>;

    /// Counts the records that are due in stage `stage` of `job` on the day `as_of`, and nothing else: what
    /// is left when the stage has run.
    async fn remaining(
        &self,
        job: &Job,
        stage: usize,
        as_of: Date,
    ) -> Result<Remaining, StoreError>;

    /// Like [`survey`](Self::survey), for all stages of `job` together, in one pass over its table; with
    /// what the run will have freed by then: the jobs `earlier` of this store have their turn before, each
    /// on its own day.
    async fn survey_all(
        &self,
        job: &Job,
        earlier: &[(&Job, Date)],
        as_of: Date,
    ) -> Result<JobSurvey, StoreError>;

    /// The days on which an improbable share of the cluster's records start.
    async fn frequent_days(&self, job: &Job) -> Result<Vec<FrequentDay>, StoreError>;

    /// Every client (委託元) that has a record in the cluster of `job`, due or not.
    async fn clients(&self, job: &Job) -> Result<BTreeSet<String>, StoreError>;

    /// Shows everything that is present of the cluster of `job` to `sink`, some records at a time,
    /// in one snapshot: what evidence may know.
    ///
    /// `tokens` makes the tokens by which a pseudonymized record names its person.
    async fn present(
        &self,
        job: &Job,
        tokens: &TokenKey,
        sink: PresentSink<'_>,
    ) -> Result<(), StoreError>;

    /// Like [`present`](Self::present), for the records that have one of the keys in `removed`. False if
    /// rows that went with records are there again: then nothing is shown, and only [`present`](Self::present)
    /// can tell whose they are.
    async fn present_among(
        &self,
        job: &Job,
        tokens: &TokenKey,
        removed: &RemovedKeys,
        sink: PresentSink<'_>,
    ) -> Result<bool, StoreError>;

    /// Shows the ids in the column `leftover`, each once, of persons that have no record in the cluster
    /// of `job`.
    async fn leftovers(
        &self,
        job: &Job,
        leftover: &Leftover,
        sink: PersonSink<'_>,
    ) -> Result<(), StoreError>;

    /// Hands on every journal row of a run.
    async fn journal(&self, run_id: &str, sink: JournalSink<'_>) -> Result<(), StoreError>;

    /// Some records that name objects by link `link` of `job`, and the keys that each names.
    async fn named_objects(&self, job: &Job, link: usize) -> Result<Vec<NamedObjects>, StoreError>;

    /// Looks one record up by the text of its key columns.
    async fn find(&self, job: &Job, key: &[String]) -> Result<Option<Found>, StoreError>;

    /// Shows the key of every record of the cluster of `job` to `sink`.
    async fn keys(&self, job: &Job, sink: KeySink<'_>) -> Result<(), StoreError>;

    /// The values that `texts` are in the columns of `table`, as a row that held them would be read
    /// back: typed, with the column's scale and padding. `table` is one that `job` names.
    async fn typed(
        &self,
        job: &Job,
        table: &TableName,
        columns: &[String],
        texts: &[String],
    ) -> Result<Vec<Value>, StoreError>;
}

/// What a run hands to every batch: who it is and its secrets.
pub struct RunContext {
    /// The run's id, a UUID of version 7.
    pub run_id: String,
    /// The key under which the run's leaves are made.
    pub run_key: RunKey,
    /// The key of all tokens.
    pub token_key: TokenKey,
    /// When the run began; what a marker column is set to.
    pub started_at: jiff::Timestamp,
    /// Whose records may go.
    pub announced: AnnouncedClients,
}

/// The clients in whose logs the run has announced itself: nobody else's record goes in it.
#[derive(Clone, Debug)]
pub struct AnnouncedClients(Option<BTreeSet<String>>);

impl AnnouncedClients {
    /// The run has announced itself to these.
    pub fn to(clients: BTreeSet<String>) -> Self {
        Self(Some(clients))
    }

    /// For what an announced run has left behind, and for stores without logs.
    pub fn not_asked_for() -> Self {
        Self(None)
    }

    /// Whether the run has announced itself to `client`.
    pub fn includes(&self, client: &str) -> bool {
        let Self(clients) = self;
        clients
            .as_ref()
            .is_none_or(|clients| clients.contains(client))
    }
}

/// The keyring's key for tokens. Redacted.
#[derive(Clone, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
pub struct TokenKey(pub [u8; 32]);

/// The numbers that leaves give to what one stage removes from.
#[derive(Clone, Debug, Default)]
pub struct StageTargets {
    /// The cluster's own table.
    pub own: u16,
    /// One for each reference of the job that goes with the record, in the job's order.
    pub goes_with: Vec<u16>,
    /// One for each object link of the job, in the job's order.
    pub objects: Vec<ObjectTarget>,
}

/// A place of objects that one stage removes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectTarget {
    /// The number that leaves give to it.
    pub number: u16,
    /// What leaves call it: the bucket, with its prefix; the store's name for a folder.
    pub object: String,
}

/// What is left of a stage when it has run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remaining {
    /// Records that are still due.
    pub records: u64,
    /// For how many days the oldest of them has been due.
    pub oldest_overdue_days: Option<i64>,
}

/// What became of the records of one pass. What a batch rolled back counts as failed.
#[derive(Clone, Debug, Default)]
#[must_use = "a pass can fail in part; record every count"]
pub struct PassOutcome {
    pub disposed: u64,
    /// Gone before the worker came, or changed since they were offered.
    pub no_longer_due: u64,
    /// Objects that were already absent.
    pub objects_absent: u64,
    /// Records that stay because something of theirs could not be removed.
    pub failed: u64,
    /// The failed records by what stood in the way.
    pub failures: BTreeMap<String, u64>,
    /// The first of the failed records, by their references.
    pub failed_records: Vec<FailedRecord>,
    /// Records that stay because an object store locks a version of theirs, by the day of the
    /// job's time zone on which the last lock ends; `unknown` if the store sets no end. No failure.
    pub deferred: BTreeMap<String, u64>,
    /// Disposed records by the name of the purpose that ended last.
    pub ended_by: BTreeMap<String, u64>,
    pub by_client: BTreeMap<String, u64>,
    /// Rows that went with them, by table.
    pub gone_with: BTreeMap<String, u64>,
    /// Rows that the database itself wrote beside them, as the job declares, by [`crate::job::Effect::key`].
    pub effects: BTreeMap<String, u64>,
    /// Batches committed.
    pub batches: u64,
    /// The keys of the rows that it removed or rewrote.
    pub removed: RemovedKeys,
    /// Why the pass ended early, if it did.
    pub stopped_by: Option<StoreError>,
}

/// A record that could not go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedRecord {
    /// A keyed digest of its key, the same in every run: it names the record and nobody.
    pub record: String,
    pub reason: String,
}

impl PassOutcome {
    /// Rows of all tables that went.
    pub fn rows(&self) -> u64 {
        self.disposed + self.gone_with.values().sum::<u64>()
    }

    /// Adds what another worker of the same pass did.
    pub fn add(&mut self, other: Self) {
        self.disposed += other.disposed;
        self.no_longer_due += other.no_longer_due;
        self.objects_absent += other.objects_absent;
        self.failed += other.failed;
        self.batches += other.batches;
        add_counts(&mut self.failures, other.failures);
        self.failed_records.extend(other.failed_records);
        add_counts(&mut self.deferred, other.deferred);
        add_counts(&mut self.ended_by, other.ended_by);
        add_counts(&mut self.by_client, other.by_client);
        add_counts(&mut self.gone_with, other.gone_with);
        add_counts(&mut self.effects, other.effects);
        self.removed.merge(other.removed);
        self.stopped_by = self.stopped_by.take().or(other.stopped_by);
    }
}

/// Adds `more` to `counts`, key by key.
pub fn add_counts(counts: &mut BTreeMap<String, u64>, more: BTreeMap<String, u64>) {
    for (key, count) in more {
        *counts.entry(key).or_default() += count;
    }
}

/// One row of a journal.
#[derive(Clone, Debug)]
pub struct JournalRow {
    pub target: u16,
    pub client: String,
    pub action: u8,
    pub records: u64,
    /// Packed leaves, 36 bytes each.
    pub leaves: Vec<u8>,
    /// Packed subject references, 32 bytes each, one for each leaf.
    pub refs: Vec<u8>,
    /// Records by the purpose that ended last; empty for rows that went with others.
    pub ended_by: BTreeMap<String, u64>,
    pub at: jiff::Timestamp,
}

/// Takes journal rows one by one.
pub type JournalSink<'a> = &'a mut (dyn FnMut(JournalRow) -> Result<(), StoreError> + Send);

/// Disposes of records in a store.
///
/// A function that only reads cannot be handed one by mistake the other way round:
///
/// ```compile_fail
/// use kigen::store::{Disposer, Inventory};
/// fn removes(_: &dyn Disposer) {}
/// fn reads(store: &dyn Inventory) { removes(store) }
/// ```
///
/// ```
/// use kigen::store::{Disposer, Inventory};
/// fn reads(_: &dyn Inventory) {}
/// fn removes(store: &dyn Disposer) { reads(store) }
/// ```
#[async_trait]
pub trait Disposer: Inventory {
    /// Says whether the journal's tables are there and of this version.
    async fn check_journal(&self) -> Result<(), StoreError>;

    /// Lets batches of this run commit.
    async fn open_fence(&self, run_id: &str) -> Result<(), StoreError>;

    /// Waits for running batches of this run, and lets no further one commit.
    ///
    /// Refuses while the run has an open intent: a sealed run has none.
    async fn close_fence(&self, run_id: &str) -> Result<(), StoreError>;

    /// Those of these runs whose fence the store has, open or closed.
    async fn fences(&self, run_ids: &[String]) -> Result<BTreeSet<String>, StoreError>;

    /// The open intents of this run by the cluster of their records.
    async fn open_intents(&self, run_id: &str) -> Result<BTreeMap<String, u64>, StoreError>;

    /// Says that every certificate of this run is published: from here on its journal rows may go by a
    /// rule. Repeatable.
    async fn mark_published(&self, run_id: &str) -> Result<(), StoreError>;

    /// Moves into the tables what a database keeps beside them for a while, at the end of a run. Returns
    /// where removed rows may still be read, each in a sentence.
    async fn settle(&self) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    /// Walks the table once and disposes of what is due, batch by batch; each batch one
    /// transaction with its journal row.
    async fn dispose(&self, order: &StageOrder<'_>, control: &dyn RunControl) -> PassOutcome;

    /// Like [`dispose`](Self::dispose), for a job whose rows name objects: the intent is stored
    /// first, then the objects go and are read back, then the rows go with their journal.
    ///
    /// An object that other rows name stays; among them rows of other jobs. Where objects are absent for a
    /// large share of the records, the pass ends before anything goes. Intents that an earlier pass of the same
    /// run left open are finished first.
    async fn dispose_with_objects(
        &self,
        order: &StageOrder<'_>,
        objects: &JobObjects,
        control: &dyn RunControl,
    ) -> PassOutcome;

    /// Finishes intents that a killed run left open in this stage: objects first, then rows and
    /// journal, under that run. To be done before the run's fence is closed.
    ///
    /// Each record is decided again first. Intents of records that are no longer due, or whose objects
    /// are not theirs alone any more, stay open, to be released.
    async fn finish_intents(
        &self,
        left: &Resumption<'_>,
        objects: &JobObjects,
        control: &dyn RunControl,
    ) -> PassOutcome;

    /// Releases the intents of the run that are still open and do not wait: removes nothing, certifies what is gone of
    /// the objects, and drops the intents. Counts by cluster.
    ///
    /// `objects` has the object stores by their names.
    async fn release_intents(
        &self,
        release: &Release<'_>,
        objects: &BTreeMap<String, Arc<dyn ObjectInventory>>,
    ) -> Result<BTreeMap<String, Released>, StoreError>;
}
