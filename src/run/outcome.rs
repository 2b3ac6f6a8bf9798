//! What a run or a plan says at its end: the stable, documented JSON of `plan` and `run`.

use std::collections::BTreeMap;

use jiff::civil::Date;
use kigen_evidence::digest::Sha256;
use kigen_evidence::log::entry::SuspensionReason;
use serde::Serialize;

use crate::exit;
use crate::ledger::suspension::Suspended;
use crate::plan::OverLimit;
use crate::store::error::StoreError;
use crate::store::{Due, FailedRecord, Fit, FrequentDay, PassOutcome, RemovedKeys, Survey};

/// One run, at its end.
#[derive(Clone, Debug, Serialize)]
pub struct FinishedRun {
    /// UUID of version 7; none where nothing could be started.
    pub run_id: Option<String>,
    /// The earliest of the jobs' days.
    pub as_of: Date,
    pub jobs: Vec<JobOutcome>,
    /// Certificates of this run.
    pub certificates: Vec<CertificateLine>,
    /// Earlier runs that had been killed and are certified now.
    pub recovered: Vec<RecoveredRun>,
    /// Whether the run was asked to end early.
    pub stopped: bool,
    /// Why no certificate was issued, if that failed.
    pub not_certified: Option<NotCertified>,
}

/// What `plan` shows.
#[derive(Clone, Debug, Serialize)]
pub struct PlanOutcome {
    pub as_of: Date,
    pub jobs: Vec<JobOutcome>,
    /// Why it is unknown which jobs are suspended, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspensions_unknown: Option<String>,
}

/// One job of a run or plan.
#[derive(Clone, Debug, Serialize)]
pub struct JobOutcome {
    pub job: String,
    /// The day for which it was decided, in its own time zone.
    pub as_of: Date,
    pub title: BTreeMap<&'static str, String>,
    pub stages: Vec<StageOutcome>,
    /// The limits of the job file that its plan would pass; a run refuses such a plan.
    pub over_limit: Vec<OverLimit>,
    /// Days on which an improbable share of the records start; a plan looks for them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub frequent_days: Vec<FrequentDay>,
    /// What was looked at before; none if nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<SchemaSeen>,
    /// What an operator should know of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    pub error: Option<JobError>,
    /// Why the job was left alone or stopped, if it was suspended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspended: Option<SuspendedJob>,
    /// What the database itself does when records go, as the job declares it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<DeclaredEffect>,
}

/// An effect of the database that the job declares.
#[derive(Clone, Debug, Serialize)]
pub struct DeclaredEffect {
    pub table: String,
    /// `insert`, `update` or `delete`.
    pub operation: &'static str,
    pub reason: String,
}

/// The schema that a job met.
#[derive(Clone, Debug, Serialize)]
pub struct SchemaSeen {
    /// Digest of what `check --connect` reports.
    pub inspection_sha256: Sha256,
    /// The relations that the job's names stand for.
    pub relations: BTreeMap<String, String>,
}

impl SchemaSeen {
    /// As `fit` found it.
    pub fn of(fit: &Fit) -> Self {
        Self {
            inspection_sha256: fit.inspection.sha256(),
            relations: fit.inspection.names.clone(),
        }
    }
}

/// Why a job was left alone, or stopped at the border of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SuspendedJob {
    /// The suspended job: the job itself, or one whose rows it would remove or change.
    pub job: String,
    pub since: jiff::Timestamp,
    pub reason: SuspensionReason,
    pub review_on: Option<Date>,
}

/// One stage of a job.
#[derive(Clone, Debug, Default, Serialize)]
pub struct StageOutcome {
    pub stage: String,
    /// `delete` or `pseudonymize`.
    pub disposal: &'static str,
    /// Records of the cluster when the stage was surveyed.
    pub total: u64,
    pub due: Due,
    pub disposed: u64,
    /// Records that are kept, by reason.
    pub retained: BTreeMap<&'static str, u64>,
    /// Why the undatable ones are so.
    pub undatable: BTreeMap<&'static str, u64>,
    /// For how many days the oldest due record had been due; 0 if none was.
    pub oldest_overdue_days: i64,
    pub no_longer_due: u64,
    pub failed: u64,
    /// Records that are still due after the stage.
    pub remaining_due: u64,
    /// Disposed records by the purpose that ended last.
    pub ended_by: BTreeMap<String, u64>,
    /// Disposed records by client.
    pub by_client: BTreeMap<String, u64>,
    /// Rows of other tables that went with them.
    pub gone_with: BTreeMap<String, u64>,
    /// Rows that the database itself wrote beside them, as the job declares: `insert learner_history`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub effects: BTreeMap<String, u64>,
    /// Records that are blocked now and that the run itself will free by the stage's turn: they go too.
    pub unblocked_by_this_run: u64,
    /// Rows that will go with the records, by table: what a plan foresees.
    pub goes_with: BTreeMap<String, u64>,
    /// Rows that will no longer name them, by table.
    pub unlinked: BTreeMap<String, u64>,
    /// Objects that will go, by store.
    pub objects: BTreeMap<String, u64>,
    pub objects_absent: u64,
    /// Records whose objects are locked (Object Lock, legal hold), by the day on which the lock
    /// ends; no failure.
    pub deferred: BTreeMap<String, u64>,
    /// Records that failed, by reason.
    pub failures: BTreeMap<String, u64>,
    /// The first of the records that failed: a reference that is the same in every run, and the
    /// reason.
    pub failed_records: Vec<FailedRecord>,
    /// The keys of the rows that it removed or rewrote, to ask the store for them again.
    #[serde(skip)]
    pub removed: RemovedKeys,
}

/// Why a job stopped.
#[derive(Clone, Debug, Serialize)]
pub struct JobError {
    /// The name of the exit code: `SCHEMA_MISMATCH`.
    pub code: &'static str,
    pub message: String,
    #[serde(skip)]
    pub exit: u8,
}

/// A certificate that was issued.
#[derive(Clone, Debug, Serialize)]
pub struct CertificateLine {
    pub certificate_id: String,
    pub client: String,
    /// The folder it was written to.
    pub folder: String,
    /// Removals that it certifies.
    pub records: u64,
    /// Leaves by which persons can ask for theirs.
    pub subjects: u64,
    /// What was removed and is there (again), by the look back before it was certified.
    pub remaining: u64,
    /// Targets of which the look back says nothing.
    pub unverifiable: u64,
}

/// A killed run that this one took up.
#[derive(Clone, Debug, Serialize)]
pub struct RecoveredRun {
    pub run_id: String,
    pub certificates: Vec<CertificateLine>,
    /// Records that it had announced to remove with their objects, and that stay.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub released: Vec<ReleasedLine>,
    /// Why it could not be certified, if so.
    pub error: Option<NotCertified>,
}

/// Records of one cluster that a killed run had announced to remove with their objects, and that stay.
#[derive(Clone, Debug, Serialize)]
pub struct ReleasedLine {
    pub job: String,
    pub why: WhyReleased,
    /// Records whose intents were dropped.
    pub records: u64,
    /// Those of them of which the killed run had removed something.
    pub half_gone: u64,
    /// The versions, delete markers and uploads that were gone, and are certified.
    pub parts: u64,
}

/// Why nobody finishes what a killed run had announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhyReleased {
    /// No file in `jobs/` describes the cluster.
    NoJob,
    /// The rule or the store says no, or the job has no longer the stage or the objects of the intent.
    NoLongerDue,
}

impl std::fmt::Display for ReleasedLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { job, records, .. } = self;
        let why = match self.why {
            WhyReleased::NoJob => {
                "no file in `jobs/` describes it; put its file back, and they go when they are due"
            }
            WhyReleased::NoLongerDue => {
                "they are not due any more, are in use, share their objects with others, or the job has changed"
            }
        };
        write!(
            f,
            "{records} intents of job `{job}` were open and are released, their rows stay: {why}. They held keys \
             and ids of persons in clear"
        )?;
        if self.half_gone > 0 {
            write!(
                f,
                ". HALF GONE: of {} of these records {} object versions were removed before, which is certified; \
                 the rows name what is gone",
                self.half_gone, self.parts
            )?;
        }
        Ok(())
    }
}

impl ReleasedLine {
    /// The code of a run that released them: a person must know that nobody decides about the records,
    /// or that rows name what is gone.
    fn exit(&self) -> Option<u8> {
        match self.why {
            WhyReleased::NoJob => Some(exit::JOB_MISSING),
            WhyReleased::NoLongerDue => (self.half_gone > 0).then_some(exit::INCOMPLETE),
        }
    }
}

/// Why a run has no certificate yet: a message, and the exit code that says whether trying again
/// may help.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct NotCertified {
    pub message: String,
    #[serde(skip)]
    pub exit: u8,
}

impl NotCertified {
    /// The process was asked to stop before it was done.
    pub fn stopped() -> Self {
        Self {
            message: "stopped on request before the run was certified; the next run does it"
                .to_owned(),
            exit: exit::TERMINATED,
        }
    }

    /// Something failed; running again certifies.
    pub fn failed(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            exit: exit::NOT_CERTIFIED,
        }
    }
}

impl SuspendedJob {
    /// What the ledger says of a suspended job.
    pub fn of(suspended: &Suspended) -> Self {
        Self {
            job: suspended.why.job.clone(),
            since: suspended.since,
            reason: suspended.why.reason,
            review_on: suspended.why.review_on,
        }
    }
}

impl StageOutcome {
    /// A stage that was surveyed and not (yet) executed.
    pub fn surveyed(stage: &str, disposal: &'static str, survey: &Survey) -> Self {
        Self {
            stage: stage.to_owned(),
            disposal,
            total: survey.total,
            due: survey.due,
            retained: survey
                .retained
                .iter()
                .map(|(reason, records)| (reason.name(), *records))
                .collect(),
            undatable: survey
                .undatable
                .iter()
                .map(|(why, records)| (why.name(), *records))
                .collect(),
            oldest_overdue_days: survey.oldest_overdue_days.unwrap_or(0),
            remaining_due: survey.due.records,
            unblocked_by_this_run: survey.freed,
            goes_with: survey.companions.goes_with.clone(),
            unlinked: survey.companions.unlinked.clone(),
            objects: survey.companions.objects.clone(),
            ..Self::default()
        }
    }

    /// Adds what a pass did.
    pub fn add(&mut self, pass: PassOutcome) {
        self.disposed += pass.disposed;
        self.no_longer_due += pass.no_longer_due;
        // A later pass meets again what an earlier one could not remove: its word is the last.
        self.failed = pass.failed;
        self.deferred = pass.deferred;
        self.failures = pass.failures;
        self.failed_records = pass.failed_records;
        self.objects_absent += pass.objects_absent;
        crate::store::add_counts(&mut self.ended_by, pass.ended_by);
        crate::store::add_counts(&mut self.by_client, pass.by_client);
        crate::store::add_counts(&mut self.gone_with, pass.gone_with);
        crate::store::add_counts(&mut self.effects, pass.effects);
        self.removed.merge(pass.removed);
    }
}

impl JobError {
    /// An error with one of the documented exit codes.
    pub fn new(exit: u8, message: impl Into<String>) -> Self {
        let code = exit::ALL
            .iter()
            .find(|(code, ..)| *code == exit)
            .map_or("UNEXPECTED", |(_, name, _)| name);
        Self {
            code,
            message: message.into(),
            exit,
        }
    }

    /// The exit code for a store's error.
    pub fn of_store(error: &StoreError) -> Self {
        let exit = match error {
            StoreError::Unreachable { .. } | StoreError::ConnectionLost { .. } => {
                exit::STORE_UNREACHABLE
            }
            StoreError::Refused { .. } | StoreError::NotPermitted { .. } => exit::ACCESS_REFUSED,
            StoreError::Unusable(_)
            | StoreError::ObjectsAbsent { .. }
            | StoreError::Unaccounted { .. } => exit::SCHEMA_MISMATCH,
            StoreError::UnsafeSession { .. } => exit::CONFIG_INVALID,
            StoreError::NotMigrated { .. } => exit::NOT_MIGRATED,
            StoreError::OverLimit { .. } => exit::NOT_APPROVED,
            StoreError::Locked { .. }
            | StoreError::Conflict { .. }
            | StoreError::Failed { .. }
            | StoreError::FenceClosed { .. }
            | StoreError::Vetoed { .. }
            | StoreError::Undone { .. }
            | StoreError::StillNamed { .. }
            | StoreError::TooLarge { .. }
            | StoreError::TooMany { .. }
            | StoreError::Unfit { .. }
            | StoreError::NotAnnounced { .. } => exit::INCOMPLETE,
            StoreError::Disagreement { .. } => exit::UNEXPECTED,
        };
        Self::new(exit, error.to_string())
    }
}

impl FinishedRun {
    /// Hands out the keys of the rows that this run has removed or rewritten, by cluster.
    pub(super) fn take_removed_keys(&mut self) -> BTreeMap<String, RemovedKeys> {
        let mut removed: BTreeMap<String, RemovedKeys> = BTreeMap::new();
        for job in &mut self.jobs {
            for stage in &mut job.stages {
                let of_job = removed.entry(job.job.clone()).or_default();
                of_job.merge(std::mem::take(&mut stage.removed));
            }
        }
        removed
    }

    /// The run's exit code: the first of the reasons that asks most of a person.
    pub fn exit(&self) -> u8 {
        // A call that was given up on request is a stop; the next run goes on.
        let is_the_stop = |code: u8| self.stopped && code == exit::STORE_UNREACHABLE;
        if let Some(code) = worst(&self.jobs)
            && !is_the_stop(code)
        {
            return code;
        }
        let recovered = self.recovered.iter().filter_map(|run| run.error.as_ref());
        let not_certified: Vec<u8> = self
            .not_certified
            .iter()
            .chain(recovered)
            .map(|why| why.exit)
            .collect();
        for code in [exit::LOG_DIFFERS, exit::NOT_CERTIFIED] {
            if not_certified.contains(&code) {
                return code;
            }
        }
        let released = self.recovered.iter().flat_map(|run| &run.released);
        let released: Vec<u8> = released.filter_map(ReleasedLine::exit).collect();
        if released.contains(&exit::JOB_MISSING) {
            return exit::JOB_MISSING;
        }
        let recovered = self.recovered.iter().flat_map(|run| &run.certificates);
        let mut certificates = self.certificates.iter().chain(recovered);
        if certificates.any(|certificate| certificate.remaining > 0) {
            return exit::NOT_GONE;
        }
        if self.stopped {
            return exit::TERMINATED;
        }
        let incomplete = |stage: &StageOutcome| {
            let deferred: u64 = stage.deferred.values().sum();
            stage.failed > 0 || stage.remaining_due > deferred
        };
        // What a suspended job leaves is explained by its suspension.
        let open = self.jobs.iter().filter(|job| job.suspended.is_none());
        if open.flat_map(|job| &job.stages).any(incomplete) || !released.is_empty() {
            return exit::INCOMPLETE;
        }
        let suspended = self.jobs.iter().any(|job| job.suspended.is_some());
        if suspended || not_certified.contains(&exit::SUSPENDED) {
            return exit::SUSPENDED;
        }
        exit::DONE
    }
}

impl PlanOutcome {
    /// The plan's exit code.
    pub fn exit(&self) -> u8 {
        worst(&self.jobs).unwrap_or(exit::DONE)
    }
}

/// The most pressing error of the jobs: those where a retry cannot help come first.
fn worst(jobs: &[JobOutcome]) -> Option<u8> {
    let order = [
        exit::UNEXPECTED,
        exit::LOG_DIFFERS,
        exit::SCHEMA_MISMATCH,
        exit::ACCESS_REFUSED,
        exit::NOT_MIGRATED,
        exit::NOT_APPROVED,
        exit::STORE_UNREACHABLE,
        exit::LEDGER_UNAVAILABLE,
        exit::INCOMPLETE,
    ];
    let codes: Vec<u8> = jobs
        .iter()
        .filter_map(|job| job.error.as_ref())
        .map(|error| error.exit)
        .collect();
    order
        .into_iter()
        .find(|code| codes.contains(code))
        .or_else(|| codes.first().copied())
}
