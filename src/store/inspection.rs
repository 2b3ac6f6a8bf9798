//! What was looked at in a store before a job may touch it: the report of `check --connect`.
//!
//! It holds names and facts of the schema, never a value of a row. Two looks at the same schema by
//! the same role give the same bytes, so plans and certificates name the report by its digest.

use std::collections::{BTreeMap, BTreeSet};

use kigen_evidence::digest::Sha256;
use serde::{Serialize, Serializer};

use crate::job::Operation;
use crate::store::sql::catalog::RelationKind;

/// Everything that was looked at for one job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// The relations that the names in the job stand for.
    pub names: BTreeMap<String, String>,
    /// The relations that the job names, with what surrounds each; by name.
    pub relations: Vec<Relation>,
    /// What the database role may do with kigen's own tables, by table.
    pub own_tables: BTreeMap<String, BTreeSet<Right>>,
    /// What no look at this database can show.
    pub not_seen: Vec<&'static str>,
}

impl Inspection {
    /// The digest of the whole report.
    pub fn sha256(&self) -> Sha256 {
        // A report has text keys and plain values only, so it can always be written.
        Sha256::of(&serde_json::to_vec(self).unwrap_or_default())
    }

    /// The relation of this identity.
    pub(crate) fn of(&self, id: i64) -> Option<&Relation> {
        self.relations.iter().find(|relation| relation.id == id)
    }
}

/// One relation and what surrounds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Relation {
    /// With its schema where the database has schemas, as the job's name for it was resolved.
    pub name: String,
    pub kind: RelationKind,
    /// What the job has to do with it.
    pub used_as: BTreeSet<&'static str>,
    pub columns: Vec<Column>,
    pub unique_indexes: Vec<UniqueIndex>,
    pub checks: Vec<Check>,
    /// Its own foreign keys.
    pub foreign_keys: Vec<ForeignKey>,
    /// Foreign keys onto it, its parts, and what it is a part of.
    pub referenced_by: Vec<ForeignKey>,
    /// Its partitions and the tables that inherit from it, at any depth.
    pub parts: Vec<Part>,
    /// The partitioned tables that it is a partition of.
    pub part_of: Vec<String>,
    /// Triggers and rules of it, its parts, and what it is a part of.
    pub triggers: Vec<Trigger>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row_security: Option<RowSecurity>,
    pub publications: Vec<Publication>,
    /// Whether a subscriber cannot tell its rows from each other.
    pub no_replica_identity: bool,
    /// Materialized views over it.
    pub materialized_views: Vec<String>,
    /// Tables that have all of its columns and are no part of it.
    pub alike: Vec<String>,
    /// What the database role may do with it; none where the database has no rights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rights: Option<Rights>,
    /// By which the database knows it, as long as it is there.
    #[serde(skip)]
    pub id: i64,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    pub name: String,
    pub r#type: String,
    pub nullable: bool,
    /// Computed by the database from other columns.
    pub generated: bool,
    /// Whether the value decides in which partition the row stands.
    pub partitions_by: bool,
}

/// A unique index, usable or not.
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts of the catalog, each on its own"
)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UniqueIndex {
    pub name: String,
    /// Every column that takes part, also in an expression or a condition.
    pub columns: Vec<String>,
    /// Whether it is over some of the rows only.
    pub partial: bool,
    /// Whether it is over what is computed from the columns.
    pub expression: bool,
    pub nulls_are_equal: bool,
    /// An exclusion constraint, which forbids more than equal values.
    pub excludes: bool,
}

/// A condition on the rows, of the table or of the domain of a column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    pub name: String,
    pub columns: Vec<String>,
    /// Whether it is that of a column's domain: then the expression calls the value `VALUE`.
    pub of_domain: bool,
    pub expression: String,
    /// What the domain is made of.
    #[serde(skip)]
    pub value_type: Option<String>,
}

/// A foreign key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ForeignKey {
    pub name: String,
    /// The table that holds the key.
    pub table: String,
    pub columns: Vec<String>,
    /// The table that it points at: the relation itself, a part of it, or what it is a part of.
    pub points_at: String,
    /// The columns that it points at, in the order of `columns`.
    pub their_columns: Vec<String>,
    pub on_delete: KeyAction,
    pub on_update: KeyAction,
    pub deferrable: bool,
    /// Whether the database has seen to it that every row obeys it.
    pub holds: bool,
    /// Whether an index of `table` begins with the key's columns.
    pub indexed: bool,
    /// The identities of `table` and of everything that it is a part of.
    #[serde(skip)]
    pub table_ids: Vec<i64>,
}

/// What the database does to the rows of a foreign key when what they name goes or changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyAction {
    /// It refuses.
    NoAction,
    Cascade,
    SetNull,
    SetDefault,
}

/// A partition, or a table that inherits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    pub name: String,
    pub kind: RelationKind,
    /// A partition; otherwise a child by inheritance, with columns and keys of its own.
    pub partition: bool,
    /// Whether it is just being detached.
    pub detaching: bool,
    /// Whether a subscriber cannot tell its rows from each other.
    pub no_replica_identity: bool,
}

/// A trigger or a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trigger {
    pub name: String,
    pub table: String,
    pub kind: TriggerKind,
    /// The operations on `table` that set it off.
    #[serde(serialize_with = "names")]
    pub operations: BTreeSet<Operation>,
    /// The columns whose update sets it off; any, if there is none.
    pub of_columns: Vec<String>,
    /// The function that it calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// Digest of what it does, as the database has it written.
    pub sha256: Sha256,
    /// What it does, as the database has it written.
    #[serde(skip)]
    pub body: String,
}

/// What can act beside a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TriggerKind {
    Trigger,
    Rule,
}

/// Row-level security of a table.
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts of the catalog, each on its own"
)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowSecurity {
    pub enabled: bool,
    /// Whether it holds for the table's owner, too.
    pub forced: bool,
    /// Whether it hides rows from the database role of this look.
    pub applies: bool,
    pub policies: Vec<String>,
    /// Whether the database role of this look owns the table.
    #[serde(skip)]
    pub is_owner: bool,
    /// The role of this look, quoted.
    #[serde(skip)]
    pub role: String,
}

/// A publication through which changes leave for other databases.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Publication {
    pub name: String,
    /// Whether it carries deletes.
    pub deletes: bool,
    /// Whether it carries updates.
    pub updates: bool,
}

/// What the database role may do with a relation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rights {
    /// Whether it may use the schema at all.
    pub schema: bool,
    pub table: BTreeSet<Right>,
    /// Columns that it may read although it may not read the table, and the same for updates.
    pub columns: BTreeMap<Right, Vec<String>>,
    /// The role of this look, quoted.
    #[serde(skip)]
    pub role: String,
    /// The schema, quoted.
    #[serde(skip)]
    pub quoted_schema: String,
    /// The relation, quoted.
    #[serde(skip)]
    pub quoted: String,
}

/// A right on a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Right {
    Select,
    Insert,
    Update,
    Delete,
}

fn names<S: Serializer>(operations: &BTreeSet<Operation>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(operations.iter().map(|operation| operation.name()))
}

impl Right {
    /// As `grant` writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

impl KeyAction {
    /// What the database would do to the rows of `table`, which hold the key; `None` if it refuses
    /// instead.
    pub(crate) fn would(self, table: &str) -> Option<String> {
        let (verb, action) = match self {
            Self::NoAction => return None,
            Self::Cascade => ("delete", "cascade"),
            Self::SetNull => ("rewrite", "set null"),
            Self::SetDefault => ("rewrite", "set default"),
        };
        Some(format!(
            "{verb} rows of `{table}` itself (on delete {action})"
        ))
    }
}
