//! What the ledger remembers: entries, one after the other, never changed.
//!
//! Pure: no I/O, no clock. The JSON written here is stored for years, so a field is never renamed
//! and never changes its meaning. Unknown fields are read over: a later version may add some.
//!
//! No personal data: counts, names from job files, digests, and messages that hold neither.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use kigen_evidence::log::entry::SuspensionReason;

/// An entry as the ledger holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedEntry {
    /// Its place in the ledger; greater is later within one run.
    pub entry_id: i64,
    /// The run it belongs to, if any.
    pub run_id: Option<String>,
    /// When it was written, to the microsecond.
    pub at: Timestamp,
    pub entry: Entry,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Entry {
    /// A run began; nothing was touched before this entry was durable.
    RunStarted(RunStarted),
    /// A stage was surveyed: what is due, what is kept and why.
    StageSurveyed(StageSurveyed),
    /// A stage was not executed.
    StageRefused(StageRefused),
    /// All that a run did in one stage.
    StageFinished(StageFinished),
    /// A whole job stopped; the other jobs of the run go on.
    JobFailed(JobFailed),
    /// A run ended; its certificates are still to come.
    RunFinished { outcome: Outcome },
    /// A later process found the run unfinished and took it up again.
    RunRecovered { found_state: RunState },
    /// The run's certificates stand in the ledger; from here on they are fixed.
    Sealed {
        /// Empty if the run removed nothing.
        certificate_ids: Vec<String>,
    },
    /// One certificate was written to the folder of its client.
    Published {
        certificate_id: String,
        /// Relative to the configured place of certificates.
        folder: String,
    },
    /// A signing key was replaced; belongs to no run.
    KeyRotated(KeyRotated),
    /// The key that wraps the run keys of a quarter is destroyed; belongs to no run.
    EvidenceKeyDestroyed(EvidenceKeyDestroyed),
    /// From here on nothing of a job is disposed of; belongs to no run.
    JobSuspended(JobSuspended),
    /// A suspended job is carried out again; belongs to no run.
    JobResumed { job: String },
}

impl Entry {
    /// Every kind that this version writes.
    pub const KINDS: [&str; 13] = [
        "run-started",
        "stage-surveyed",
        "stage-refused",
        "stage-finished",
        "job-failed",
        "run-finished",
        "run-recovered",
        "sealed",
        "published",
        "key-rotated",
        "evidence-key-destroyed",
        "job-suspended",
        "job-resumed",
    ];

    /// The entry's kind, as in its JSON and in the ledger's column.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::RunStarted(_) => "run-started",
            Self::StageSurveyed(_) => "stage-surveyed",
            Self::StageRefused(_) => "stage-refused",
            Self::StageFinished(_) => "stage-finished",
            Self::JobFailed(_) => "job-failed",
            Self::RunFinished { .. } => "run-finished",
            Self::RunRecovered { .. } => "run-recovered",
            Self::Sealed { .. } => "sealed",
            Self::Published { .. } => "published",
            Self::KeyRotated(_) => "key-rotated",
            Self::EvidenceKeyDestroyed(_) => "evidence-key-destroyed",
            Self::JobSuspended(_) => "job-suspended",
            Self::JobResumed { .. } => "job-resumed",
        }
    }
}

/// The beginning of a run, with everything that its certificates will say about its rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunStarted {
    /// The day for which the run decides: the earliest of its jobs' days.
    pub as_of: Date,
    pub trigger: Trigger,
    /// Version of kigen.
    pub version: String,
    pub jobs: Vec<JobEntry>,
    pub targets: Vec<TargetEntry>,
    /// What the run removes again, if it follows the restore of a store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconciles: Option<ReconcilesEntry>,
}

impl RunStarted {
    /// The day for which the job of this name is decided.
    pub fn day_of(&self, job: &str) -> Date {
        let entry = self.jobs.iter().find(|entry| entry.job == job);
        entry.and_then(|entry| entry.as_of).unwrap_or(self.as_of)
    }

    /// The latest day for which one of its jobs decides.
    pub fn last_day(&self) -> Date {
        let days = self.jobs.iter().filter_map(|job| job.as_of);
        days.fold(self.as_of, Date::max)
    }
}

/// The restore of a store, and the certificates whose removals it has undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReconcilesEntry {
    /// Name of the store in `kigen.toml`.
    pub store: String,
    /// The time of the backup that it was restored from.
    pub backup_time: Timestamp,
    pub certificates: Vec<ReconciledEntry>,
}

/// A certificate whose removals are carried out again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReconciledEntry {
    pub certificate_id: String,
    pub client: String,
    /// SHA-256 of the signed bytes, in hex.
    pub payload_sha256: String,
}

/// Who or what began a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    Hand,
    Cron,
    Daemon,
}

/// A job of a run, as it was when the run began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobEntry {
    /// The cluster's name.
    pub job: String,
    pub title: TitleEntry,
    /// Who answers for the rule: a role or team.
    pub owner: String,
    /// SHA-256 of the job file, in hex.
    pub sha256: String,
    /// IANA name of the time zone whose days count.
    pub time_zone: String,
    /// The day for which the run decides in this zone, where it is another than the run's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Date>,
    pub clause: ClauseEntry,
    /// Who approved the rule, if its file says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalEntry>,
    /// By what the run's leaves know a record and a person; none in entries that were written before
    /// it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityEntry>,
    /// What the database itself does when records go, as the job declares it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<EffectEntry>,
}

/// A declared effect of the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectEntry {
    pub table: String,
    /// `insert`, `update` or `delete`.
    pub operation: String,
    /// Why the owner wants it.
    pub reason: String,
}

impl EffectEntry {
    /// By what counts of it are known, as [`crate::job::Effect::key`].
    pub fn key(&self) -> String {
        format!("{} {}", self.operation, self.table)
    }
}

/// By what leaves know records and persons. If a job changes it, older leaves fit no record any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityEntry {
    /// The key columns of each table that the job removes rows from, in the job's order.
    pub keys: BTreeMap<String, Vec<String>>,
    /// What kind of person a record is about.
    pub subject_kind: String,
    /// The column that names the person.
    pub subject_column: String,
}

/// Who approved a rule: a role, and where it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalEntry {
    pub role: String,
    pub ticket: String,
}

/// What people call a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TitleEntry {
    pub ja: String,
    pub en: String,
}

/// The published clause that a job carries out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClauseEntry {
    pub document: String,
    pub version: String,
    /// SHA-256 of the clause's text, in hex.
    pub text_sha256: String,
    /// The clause, word by word; empty in entries that were written before it was kept.
    #[serde(default)]
    pub text: String,
}

/// One thing that a run removes from: a table or a place of objects, in one stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetEntry {
    /// The target's number in the run's leaves.
    pub index: u16,
    pub job: String,
    pub stage: String,
    /// Name of the store in `kigen.toml`.
    pub store: String,
    /// What the store is and its version: `PostgreSQL 15.6`.
    pub engine: String,
    /// The table, bucket or folder.
    pub object: String,
    /// The relation that the table's name stood for, where it says more than the name: `public.learner`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relation: Option<String>,
    /// SHA-256 of the report on the schema that the job met, in hex; none in entries that were written
    /// before there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inspection_sha256: Option<String>,
    /// Where copies of objects go that a removal does not reach; none if the store did not say, or is
    /// no store of objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<Vec<String>>,
    /// What is done to each record, as the first bytes of its leaf say it.
    pub action: u8,
    /// `delete` or `pseudonymize`.
    pub disposal: String,
    /// SHA-256 of the job file, in hex.
    pub rule_sha256: String,
    /// One for each purpose of the rule, in its order.
    pub cutoffs: Vec<CutoffEntry>,
}

/// A purpose and the first starting point that has not ended it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutoffEntry {
    pub purpose: String,
    /// The event from which the period runs, as the job names it; empty in entries that were
    /// written before it was kept.
    #[serde(default)]
    pub starting_point: String,
    /// ISO 8601; empty in entries that were written before it was kept.
    #[serde(default)]
    pub period: String,
    /// Starting points before this day have ended.
    pub cutoff: Date,
}

/// What one stage of a job would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageSurveyed {
    pub job: String,
    pub stage: String,
    /// `delete` or `pseudonymize`.
    pub disposal: String,
    /// Records of the cluster.
    pub total_records: u64,
    pub due: Due,
    /// Records that are kept, by the reason's name.
    pub retained: BTreeMap<String, u64>,
    /// Days since the oldest due record became due; none if nothing is due.
    pub oldest_overdue_days: Option<i64>,
    pub limit: LimitEntry,
}

/// How much is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    pub records: u64,
    /// Persons whom the records are about.
    pub subjects: u64,
}

/// The limit under which a stage was approved, as its job file had it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LimitEntry {
    pub max_records: u64,
    /// Percent of the cluster's records, 0 to 100.
    pub max_percent: f64,
    pub max_persons: u64,
}

/// A stage that was not executed, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageRefused {
    pub job: String,
    pub stage: String,
    /// A stable word: `limit-exceeded`.
    pub code: String,
    pub message: String,
}

/// All that a run did in one stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageFinished {
    pub job: String,
    pub stage: String,
    /// `delete` or `pseudonymize`.
    pub disposal: String,
    /// Records disposed of.
    pub disposed: u64,
    /// Records that somebody else had removed before.
    pub absent: u64,
    /// Records that were no longer due when their batch came.
    pub no_longer_due: u64,
    /// Records that could not be disposed of.
    pub failed: u64,
    /// Records whose batch was never tried.
    pub unattempted: u64,
    /// Records that are still due after the run.
    pub remaining_due: u64,
    /// Days since the oldest of the records that are still due became due; none if none is, or
    /// if it was not looked up.
    #[serde(default)]
    pub oldest_overdue_days: Option<i64>,
    /// How long the stage took, in milliseconds; 0 if its run was killed, and it was counted from the
    /// journal.
    pub elapsed_ms: u64,
    /// Disposed records by the purpose that ended last.
    pub ended_by: BTreeMap<String, u64>,
    /// Disposed records by client.
    pub by_client: BTreeMap<String, u64>,
    /// Rows that the database itself wrote, by the key of their effect; none if the job declares no
    /// effect, or if they were not counted to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effects: Option<BTreeMap<String, u64>>,
}

/// A job that stopped as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFailed {
    pub job: String,
    /// A stable word: `store-unreachable`.
    pub code: String,
    pub message: String,
}

/// A signing key that took another one's place. Public halves only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRotated {
    /// What it signs: `certificate` or `log`.
    pub key: String,
    /// First 8 bytes of the SHA-256 of the new public key, in hex.
    pub key_id: String,
    /// The new public key (Ed25519), in hex.
    pub public: String,
    /// Since when the new key signs, and until when the former one did.
    pub from: Timestamp,
    pub former_key_id: String,
    /// The former public key, in hex.
    pub former_public: String,
}

/// A quarter's key that is destroyed after the end of the evidence period: no leaf of the quarter's
/// runs can be opened any more. Written before it happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceKeyDestroyed {
    /// `kek-2026q4`
    pub key_id: String,
    /// How long evidence is kept from the quarter's end, ISO 8601.
    pub keep: String,
    /// The last day on which it was kept.
    pub last_day_kept: Date,
    /// Runs whose wrapped keys were in the ledger.
    pub runs: u64,
}

/// A job that is not carried out until somebody resumes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSuspended {
    pub job: String,
    pub reason: SuspensionReason,
    /// When somebody looks again whether the reason still holds.
    pub review_on: Option<Date>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Everything due was disposed of, or nothing was due.
    Complete,
    /// Something that was due is still there.
    Partial,
    /// The run was asked to end early.
    Stopped,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// Started and not ended: in work, or killed.
    Running,
    /// Ended, not certified.
    Finished,
    /// Its certificates stand in the ledger; at least one is not published.
    Sealed,
    /// Every certificate is published. A run without any is published once it is sealed.
    Published,
}
