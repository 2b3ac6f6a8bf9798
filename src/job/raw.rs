//! A job file as it is written. These types are the one description of the format: its JSON
//! Schema (`kigen schema job`) and the structural checks come from them.
//!
//! Flat tables with optional keys and no alternatives, so that each problem has one place.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// One cluster of personal data and the rule that removes it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Job", title = "kigen job")]
pub(super) struct RawJob {
    /// The cluster's name, in kebab-case; unique in the folder.
    pub cluster: String,
    /// Who answers for the rule: a role or team, never a person's name.
    pub owner: String,
    /// IANA name of the time zone whose calendar days count: `Asia/Tokyo`.
    pub time_zone: String,
    /// When the daemon runs the job: cron expression with seconds.
    pub schedule: Option<String>,
    pub title: RawTitle,
    pub clause: RawClause,
    pub approval: Option<RawApproval>,
    pub store: RawStore,
    pub subject: RawSubject,
    pub client: RawClient,
    pub columns: RawColumns,
    pub limit: RawLimit,
    /// Tables whose row is looked up for each record.
    #[serde(default)]
    pub join: Vec<RawJoin>,
    /// Tables whose rows name a record of this cluster.
    #[serde(default)]
    pub reference: Vec<RawReference>,
    /// Objects (files) that belong to a row.
    #[serde(default)]
    pub object: Vec<RawObject>,
    /// Columns elsewhere in the store that hold the person's id: where `kigen audit` looks for persons
    /// whose records are gone.
    #[serde(default)]
    pub leftovers: Vec<RawLeftovers>,
    /// What triggers, rules and foreign keys of the database do beside the job, and the owner wants.
    #[serde(default)]
    pub effect: Vec<RawEffect>,
    /// Stages of disposal, in their order; each a rule of its own.
    #[schemars(length(min = 1))]
    pub stage: Vec<RawStage>,
    /// What the rule must decide, in dates, on both sides of the border.
    #[serde(default)]
    pub example: Vec<RawExample>,
}

/// What people call the cluster.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Title")]
pub(super) struct RawTitle {
    #[schemars(length(min = 1))]
    pub ja: String,
    #[schemars(length(min = 1))]
    pub en: String,
}

/// The published clause that the rule carries out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Clause")]
pub(super) struct RawClause {
    #[schemars(length(min = 1))]
    pub document: String,
    #[schemars(length(min = 1))]
    pub version: String,
    /// The clause, word by word.
    #[schemars(length(min = 1))]
    pub text: String,
    /// SHA-256 of `text` as it was when the rule was reviewed, in hex.
    pub text_sha256: Option<String>,
}

/// Who approved the rule, and where that is written down.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Approval")]
pub(super) struct RawApproval {
    /// The role that approved, never a person's name: `個人情報保護管理者`.
    #[schemars(length(min = 1))]
    pub role: String,
    /// Where the approval is written down: `CHG-1234`.
    #[schemars(length(min = 1))]
    pub ticket: String,
}

/// Where the records are.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Store")]
pub(super) struct RawStore {
    /// Name of a store in kigen.toml.
    pub name: String,
    /// The cluster's own table, with its schema where the store has schemas.
    pub table: String,
    /// Columns that identify one record, in order.
    #[schemars(length(min = 1))]
    pub key: Vec<String>,
}

/// The person a record is about.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Subject")]
pub(super) struct RawSubject {
    /// What kind of person: `learner`.
    pub kind: String,
    /// Column of the own table that names the person.
    pub column: String,
}

/// On whose behalf records are kept: exactly one of the two.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Client")]
pub(super) struct RawClient {
    /// Column of the own table that names the client of each record.
    pub column: Option<String>,
    /// The one client of all records.
    pub name: Option<String>,
}

/// Every column of a table, by what it says about a person.
#[derive(Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "Columns")]
pub(super) struct RawColumns {
    pub direct_identifier: Vec<String>,
    /// 個人識別符号
    pub identification_code: Vec<String>,
    pub quasi_identifier: Vec<String>,
    pub financial: Vec<String>,
    /// 要配慮個人情報
    pub sensitive: Vec<String>,
    pub free_text: Vec<String>,
    pub not_personal: Vec<String>,
}

/// The most that one run may dispose of without a person's approval.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Limit")]
pub(super) struct RawLimit {
    #[schemars(extend("minimum" = 1))]
    pub max_records: u64,
    /// Percent of the cluster's records.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 100))]
    pub max_percent: f64,
    #[schemars(extend("minimum" = 1))]
    pub max_persons: u64,
    /// Rows of all tables, the records and what goes with them; 100 for each of `max-records` if it
    /// is not given.
    #[schemars(extend("minimum" = 1))]
    pub max_rows: Option<u64>,
    /// Rows in one transaction, the records and what goes with them; 5000 if it is not given.
    #[schemars(extend("minimum" = 1, "maximum" = 10_000))]
    pub batch_size: Option<u32>,
}

/// A table whose row is looked up for each record, on a unique key of that table.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Join")]
pub(super) struct RawJoin {
    pub name: String,
    pub table: String,
    /// Its column = own column, or a column of an earlier join: `{ id = "enrolment.learner_id" }`.
    pub on: BTreeMap<String, String>,
}

/// A table whose rows name a record of this cluster.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Reference")]
pub(super) struct RawReference {
    pub table: String,
    /// The goes-with table whose rows they name; the own table if it is not given.
    pub of: Option<String>,
    /// Its column = the named table's column.
    pub on: BTreeMap<String, String>,
    pub on_dispose: RawOnDispose,
    /// Columns that are set to null, for `unlink` only: those that name the person. The column of
    /// `on` if there is but one beside the client's.
    pub clear: Option<Vec<String>>,
    /// Stages it takes part in; all that delete if it is not given.
    pub stages: Option<Vec<String>>,
    /// Columns that identify one of its rows; for `goes-with` only.
    pub key: Option<Vec<String>>,
    /// Every column of the table by class; for `goes-with` only.
    pub columns: Option<RawColumns>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "OnDispose")]
pub(super) enum RawOnDispose {
    GoesWith,
    Unlink,
    Blocks,
}

/// Objects (files) that belong to a row.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Object")]
pub(super) struct RawObject {
    /// Name of an object store in kigen.toml.
    pub store: String,
    /// The goes-with table whose rows name the objects; the own table if it is not given.
    pub table: Option<String>,
    /// Column that holds the object's key.
    pub key_column: String,
    /// The most percent of the records that name an object here of which none may be there (0 to 100; 10
    /// if it is not given): more, and the job stops before anything of it goes.
    #[schemars(range(max = 100))]
    pub max_absent_percent: Option<u8>,
}

/// A column elsewhere in the store that holds the person's id.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Leftovers")]
pub(super) struct RawLeftovers {
    pub table: String,
    /// Holds the same ids as the column of `[subject]`.
    pub column: String,
}

/// Rows of another table that the database itself writes when records of this cluster go.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Effect")]
pub(super) struct RawEffect {
    /// The table whose rows change.
    pub table: String,
    /// What happens to them.
    pub operation: RawOperation,
    /// Why the owner wants it; certificates repeat it.
    #[schemars(length(min = 1))]
    pub reason: String,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Operation")]
pub(super) enum RawOperation {
    Insert,
    Update,
    Delete,
}

/// One stage of disposal.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Stage")]
pub(super) struct RawStage {
    pub name: String,
    pub disposal: RawDisposal,
    /// Column that is set when a record is pseudonymized; kigen's own marker table if not given.
    pub marker_column: Option<String>,
    /// Every purpose for which the record is kept; it is due when all that apply have ended.
    #[schemars(length(min = 1))]
    pub purpose: Vec<RawPurpose>,
    /// What pseudonymization does to each column; for `pseudonymize` only.
    #[serde(default)]
    pub change: Vec<RawChange>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Disposal")]
pub(super) enum RawDisposal {
    Pseudonymize,
    Delete,
}

/// One purpose for which a record is kept.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Purpose")]
pub(super) struct RawPurpose {
    pub name: String,
    pub starting_point: RawStartingPoint,
    /// The column that holds the starting point: `ended_on`, or `join.column`.
    pub starts_at: String,
    /// ISO 8601 period: `P2Y`, `P6M`, `P1Y6M`, `P2W`, `P90D`, `P0D`.
    pub period: String,
    /// Must be true beside `P0D`.
    pub at_once: Option<bool>,
    /// `counted` where the period begins at 0:00 of the day (Civil Code, art. 140, proviso).
    pub first_day: Option<RawFirstDay>,
    /// Zone of a starting point that is stored without one.
    pub starts_at_zone: Option<String>,
    pub starts_at_format: Option<RawFormat>,
    /// The first day that is believed of the starting point: `2005-04-01`; what lies before is no event,
    /// and the record is kept as undatable. If it is not given: 1995-01-01, or the start of the oldest
    /// example if that is earlier.
    pub earliest: Option<String>,
    /// The records to which the purpose applies; all if it is not given.
    pub applies_when: Option<RawCondition>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "StartingPoint")]
pub(super) enum RawStartingPoint {
    Collection,
    EndOfTransaction,
    EndOfRelationship,
    ReplyToRequest,
    RequestOfPerson,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "FirstDay")]
pub(super) enum RawFirstDay {
    NotCounted,
    Counted,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Format")]
pub(super) enum RawFormat {
    UnixSeconds,
}

/// A condition on one column: exactly one of `in` and `not-in`. Null keeps the record as if the purpose
/// applied, and by itself never makes it due.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Condition")]
pub(super) struct RawCondition {
    pub column: String,
    #[serde(rename = "in")]
    pub one_of: Option<Vec<String>>,
    #[serde(rename = "not-in")]
    pub none_of: Option<Vec<String>>,
}

/// What pseudonymization does to one column.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Change")]
pub(super) struct RawChange {
    pub column: String,
    pub strategy: RawStrategy,
    /// For `text`: what stands there instead.
    pub text: Option<String>,
    /// For `token`: columns with one context get equal tokens for equal values.
    pub context: Option<String>,
    /// For `token` of an integer column: the least token.
    pub range_min: Option<i64>,
    /// For `token` of an integer column: the greatest token.
    pub range_max: Option<i64>,
    /// For `generalize`.
    pub to: Option<RawGeneralize>,
    /// For `truncate`, and for `generalize` to `postal-prefix`: how many are kept.
    #[schemars(extend("minimum" = 1))]
    pub characters: Option<u32>,
    /// For `generalize` to `band`.
    #[schemars(extend("minimum" = 2))]
    pub width: Option<u32>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Strategy")]
pub(super) enum RawStrategy {
    Null,
    Text,
    Token,
    Generalize,
    Truncate,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Generalize")]
pub(super) enum RawGeneralize {
    Month,
    Year,
    FiscalYear,
    PostalPrefix,
    Prefecture,
    Band,
}

/// What the author of the rule states in dates.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Example")]
pub(super) struct RawExample {
    pub stage: String,
    /// The day of the decision: `2025-04-01`.
    pub as_of: String,
    pub expect: RawExpectation,
    /// Why it is kept; only beside `retain`.
    pub reason: Option<RawReason>,
    /// Starting point of each purpose; one that is left out has not happened.
    #[serde(default)]
    pub starts: BTreeMap<String, String>,
    /// Values of the columns that conditions read; one that is left out is null.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Expectation")]
pub(super) enum RawExpectation {
    Dispose,
    Retain,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Reason")]
pub(super) enum RawReason {
    NotExpired,
    Undatable,
    StartsInFuture,
}
