//! A file in `jobs/`, checked: one cluster of personal data and the rule that removes it.
//!
//! [`Job`] holds only what was checked; nothing outside this module sees an unchecked text.

mod check;
mod clause;
mod describe;
mod folder;
mod raw;
mod set;
pub(crate) mod spelling;

pub use check::parse;
pub use clause::{Approval, Clause};
pub use describe::{StageInWords, explain, stages_in_words};
pub use folder::load_folder;
pub use set::{JobSet, UnknownJobs};

use std::borrow::Cow;
use std::path::PathBuf;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use kigen_evidence::statement::{RetainReason, StartingPointKind};

use crate::domain::rule::{Applies, Rule};

/// One checked job.
#[derive(Clone, Debug)]
pub struct Job {
    /// The cluster's name, unique in the folder: `exam-history`.
    pub cluster: String,
    /// What people call the cluster, in Japanese and English.
    pub title: Title,
    /// Who answers for the rule: a role or team, never a person's name.
    pub owner: String,
    /// The file it was read from, for messages.
    pub file: PathBuf,
    /// SHA-256 of the file's bytes, in hex: the rule's version in plans and certificates.
    pub sha256: String,
    /// Whose calendar days count.
    pub time_zone: TimeZone,
    /// The zone's IANA name, as written.
    pub time_zone_name: String,
    /// When the daemon runs the job: cron expression with seconds, in the job's time zone.
    pub schedule: Option<String>,
    pub clause: Clause,
    /// Who approved the rule, if the file says so.
    pub approval: Option<Approval>,
    /// Name of the store in `kigen.toml`.
    pub store: String,
    pub table: TableName,
    /// Columns that identify one record, in order.
    pub key: Vec<String>,
    pub subject: Subject,
    pub client: ClientSource,
    pub joins: Vec<Join>,
    pub references: Vec<Reference>,
    pub objects: Vec<ObjectLink>,
    /// Where an audit looks for persons whose records are gone.
    pub leftovers: Vec<Leftover>,
    /// What the database itself does to rows of other tables, with the owner's consent.
    pub effects: Vec<Effect>,
    pub stages: Vec<Stage>,
    /// Every column of the cluster's own table.
    pub columns: Vec<ClassifiedColumn>,
    pub limit: Limit,
    pub examples: Vec<Example>,
}

/// A name for people, in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Title {
    pub ja: String,
    pub en: String,
}

/// A table, with its schema where the store has schemas.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableName {
    pub schema: Option<String>,
    pub name: String,
}

impl std::fmt::Display for TableName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{}.{}", in_quotes(schema), in_quotes(&self.name)),
            None => f.write_str(&in_quotes(&self.name)),
        }
    }
}

/// A part of a table's name as a job writes it: in double quotes where it holds a dot or begins with
/// such a quote itself.
fn in_quotes(part: &str) -> Cow<'_, str> {
    if !part.contains('.') && !part.starts_with('"') {
        return Cow::Borrowed(part);
    }
    Cow::Owned(format!("\"{}\"", part.replace('"', "\"\"")))
}

/// A column of the cluster's own table, or of one of its joins.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnRef {
    /// Name of the join, or `None` for the cluster's own table.
    pub join: Option<String>,
    pub column: String,
}

impl std::fmt::Display for ColumnRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.join {
            Some(join) => write!(f, "{join}.{}", self.column),
            None => f.write_str(&self.column),
        }
    }
}

/// The person a record is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// What kind of person: `learner`.
    pub kind: String,
    /// Column of the own table that names the person.
    pub column: String,
}

/// On whose behalf a record is kept (委託元).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientSource {
    /// All records are kept for this one client.
    Fixed(String),
    /// A column of the own table names the client of each record.
    Column(String),
}

/// A table whose row is looked up for each record; matched on a unique key of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    pub name: String,
    pub table: TableName,
    pub on: Vec<Match>,
}

/// `theirs` = `ours`: a column of another table and the column it is matched with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    pub theirs: String,
    /// A column of the own table, for references of the parent table; for joins possibly a
    /// column of an earlier join.
    pub ours: ColumnRef,
}

/// Rows of another table that name a record of this cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    pub table: TableName,
    /// The table whose rows they name: another goes-with reference, or `None` for the own table.
    pub of: Option<TableName>,
    pub on: Vec<Match>,
    pub on_dispose: OnDispose,
    /// The columns that `unlink` sets to null: those that name the person. Empty for the others.
    pub clear: Vec<String>,
    /// Names of the stages it takes part in.
    pub stages: Vec<String>,
}

/// What becomes of the rows of a [`Reference`] when the record they name is disposed of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnDispose {
    /// They are deleted in the record's own transaction, counted and certified.
    GoesWith {
        /// Columns that identify one of the rows.
        key: Vec<String>,
        /// Every column of the table.
        columns: Vec<ClassifiedColumn>,
    },
    /// The columns of [`Reference::clear`] are set to null.
    Unlink,
    /// As long as such a row exists the record is kept.
    Blocks,
}

/// Objects (files) that belong to a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectLink {
    /// Name of the object store in `kigen.toml`.
    pub store: String,
    /// The goes-with table whose rows name the objects, or `None` for the own table.
    pub table: Option<TableName>,
    /// Column that holds the object's key.
    pub key_column: String,
    /// The most percent of the records that name an object here of which none may be there.
    pub max_absent_percent: u8,
}

/// What [`ObjectLink::max_absent_percent`] is where the job does not say.
pub const MAX_ABSENT_PERCENT: u8 = 10;

/// A column elsewhere in the store that holds the ids of persons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    pub table: TableName,
    pub column: String,
}

/// A declared effect: rows that a trigger, a rule or a foreign key of the database writes when records
/// of the cluster go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    pub table: TableName,
    pub operation: Operation,
    /// Why the owner wants it.
    pub reason: String,
}

/// What happens to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    Insert,
    Update,
    Delete,
}

impl Effect {
    /// By what counts of it are known: `insert learner_history`.
    pub fn key(&self) -> String {
        format!("{} {}", self.operation.name(), self.table)
    }
}

impl Operation {
    /// The word used in job files, plans and certificates.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    /// What messages say of the rows.
    pub const fn done(self) -> &'static str {
        match self {
            Self::Insert => "inserted",
            Self::Update => "updated",
            Self::Delete => "deleted",
        }
    }
}

/// One stage of disposal, with a rule of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    pub name: String,
    pub rule: Rule,
    /// Where each purpose of the rule finds its starting point, in the rule's order.
    pub sources: Vec<PurposeSource>,
    pub disposal: Disposal,
}

/// Where a purpose reads its facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurposeSource {
    pub kind: StartingPointKind,
    pub starts_at: ColumnRef,
    pub stored_as: StoredAs,
    /// The records to which the purpose applies; all if `None`.
    pub applies_when: Option<Condition>,
}

/// How a starting point's column is to be read where its type does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredAs {
    /// A date, or a timestamp with time zone: the type says it all.
    Typed,
    /// A date and time without zone, written in this zone.
    LocalTime(TimeZone),
    /// Whole seconds since 1970-01-01T00:00:00Z in an integer column.
    UnixSeconds,
}

/// A condition on one column. A null value gives no answer: in doubt, the record is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    pub column: ColumnRef,
    pub values: Vec<String>,
    /// Whether the values are those that do *not* fulfil it.
    pub negated: bool,
}

impl Condition {
    /// Whether a record whose column holds `text` (the store's text form) fulfils it.
    pub fn holds(&self, text: Option<&str>) -> Applies {
        let Some(text) = text else {
            return Applies::Unknown;
        };
        if self.values.iter().any(|value| value == text) == self.negated {
            return Applies::No;
        }
        Applies::Yes
    }
}

/// What a stage does to a record that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposal {
    /// 消去
    Delete,
    /// 仮名加工
    Pseudonymize {
        changes: Vec<Change>,
        marker: Marker,
    },
}

impl Disposal {
    /// The word used in job files, plans and certificates.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Pseudonymize { .. } => "pseudonymize",
        }
    }
}

/// How a store remembers that a stage has pseudonymized a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Marker {
    /// A date or timestamp column of the own table: null until then.
    Column(String),
    /// kigen's own marker table beside the journal.
    Table,
}

/// What pseudonymization does to one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub column: String,
    pub strategy: Strategy,
}

/// How a value is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strategy {
    Null,
    /// The same text for every record.
    Text(String),
    /// HMAC-SHA-256 under the keyring's key for `context`, shaped to the column.
    Token {
        /// Columns with the same context get equal tokens for equal values, so joins survive.
        context: String,
        /// For integer columns: the values that tokens may take; no real value may lie there.
        range: Option<(i64, i64)>,
    },
    Generalize(Generalize),
    /// Keeps the first characters.
    Truncate {
        characters: u32,
    },
}

/// How a value is made coarser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generalize {
    /// The first day of the month.
    Month,
    /// January 1 of the year.
    Year,
    /// April 1 of the fiscal year (年度).
    FiscalYear,
    /// The first characters of a postal code.
    PostalPrefix { characters: u32 },
    /// The prefecture (都道府県) at the head of an address; `不明` if there is none.
    Prefecture,
    /// The lower end of a band of this width.
    Band { width: u32 },
}

/// A column and what it says about a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassifiedColumn {
    pub column: String,
    pub class: ColumnClass,
}

/// What a column says about a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ColumnClass {
    DirectIdentifier,
    /// 個人識別符号
    IdentificationCode,
    Financial,
    QuasiIdentifier,
    /// 要配慮個人情報
    Sensitive,
    FreeText,
    NotPersonal,
}

/// The most that one run may dispose of in this cluster without a person's approval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    pub max_records: u64,
    /// Percent of the cluster's records, 0 to 100.
    pub max_percent: f64,
    pub max_persons: u64,
    /// Rows of all tables: the records and what goes with them.
    pub max_rows: u64,
    /// Rows in one transaction: the records and what goes with them.
    pub batch_size: u32,
}

/// What the author of the rule states in dates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    pub stage: String,
    pub as_of: Date,
    /// The record, as the rule sees it.
    pub candidate: crate::domain::rule::Candidate,
    pub expect: Expectation,
}

/// What an example expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    Dispose,
    /// Kept, for this reason if one is given.
    Retain(Option<RetainReason>),
}

/// The JSON Schema of a job file, for editors.
pub fn schema() -> serde_json::Value {
    crate::diagnostic::structure::schema_of::<raw::RawJob>()
}
