//! What a report holds; also its JSON, whose fields are never renamed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;

/// What became of the retention promises in a period, as the ledger remembers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
    /// IANA name of the time zone whose days and months count.
    pub time_zone: String,
    pub runs: Runs,
    /// By name.
    pub clusters: Vec<Cluster>,
    /// Those issued in the period, oldest first.
    pub certificates: Vec<CertificateLine>,
}

/// The runs that started in the period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Runs {
    pub started: u64,
    pub complete: u64,
    pub partial: u64,
    pub stopped: u64,
    /// Not ended by the end of the period.
    pub unfinished: u64,
    /// Ended, with certificates that are not all published by the end of the period.
    pub not_certified: u64,
}

/// One cluster of personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cluster {
    pub cluster: String,
    /// What people call it, as the latest run that had the job knew it.
    pub title: Option<Title>,
    /// The months of the period in which something was disposed of or failed.
    pub months: Vec<Month>,
    /// How each stage stood at the end of the period, in the order in which they first ran.
    pub stages: Vec<StageStatus>,
    /// Stages that were not executed and jobs that stopped, in order.
    pub refusals: Vec<Refusal>,
}

/// A name for people, in both languages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Title {
    pub ja: String,
    pub en: String,
}

/// One cluster in one month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Month {
    /// `2025-04`
    pub month: String,
    pub disposed: Vec<Disposed>,
    /// Records that could not be disposed of, counted once for each run that tried.
    pub failed_records: u64,
}

/// What one stage disposed of in one month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Disposed {
    pub stage: String,
    /// `delete` or `pseudonymize`.
    pub disposal: String,
    pub records: u64,
    /// The records by the purpose that ended last: the reason why they were due.
    pub ended_by: BTreeMap<String, u64>,
}

/// How a stage stood at its latest survey or the end of its latest run, up to the end of the
/// period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StageStatus {
    pub stage: String,
    /// `delete` or `pseudonymize`.
    pub disposal: String,
    /// The day of the latest news.
    pub day: Date,
    /// The day for which that run decided, if its beginning is known.
    pub as_of: Option<Date>,
    pub overdue: Overdue,
    /// Records kept, by reason, at the latest survey.
    pub retained: BTreeMap<String, u64>,
}

/// What is due but not disposed of: the measure of "without delay".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Overdue {
    pub records: u64,
    /// Days since the oldest became due, on the day of the latest news; `null` if nothing is
    /// overdue or the run did not look it up.
    pub oldest_days: Option<i64>,
}

/// A stage that was not executed, or a job that stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    pub day: Date,
    /// `null` if the whole job stopped.
    pub stage: Option<String>,
    /// A stable word: `limit-exceeded`.
    pub code: String,
    pub message: String,
    pub run_id: Option<String>,
}

/// A certificate and what proves that it is the one that is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CertificateLine {
    pub certificate_id: String,
    pub run_id: String,
    pub client: String,
    pub created_at: Timestamp,
    /// SHA-256 of the signed payload, in hex.
    pub payload_sha256: String,
    /// SHA-256 of the leaves file, in hex.
    pub leaves_sha256: String,
    /// Whether it is signed.
    pub signed: bool,
}
