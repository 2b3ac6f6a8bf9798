//! What a database says about its tables.

use serde::Serialize;

use crate::job::TableName;

/// A column's type, as far as kigen treats types differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnType {
    Bool,
    /// An integer of this many bits.
    Int {
        bits: u32,
    },
    /// Text of at most this many characters.
    Text {
        characters: Option<u32>,
    },
    Bytes,
    Uuid,
    /// A day without time.
    Date,
    /// A moment: a timestamp with time zone.
    Instant,
    /// A date and time without zone.
    LocalTime,
    Decimal,
    /// Anything else; read and written through the database's own text form.
    Other,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnFacts {
    pub name: String,
    pub column_type: ColumnType,
    /// The type's name as the database writes it, for casts and messages.
    pub type_name: String,
    pub nullable: bool,
    /// Computed by the database from other columns.
    pub generated: bool,
    /// As what the database compares its values: columns of one family compare without loss.
    pub family: String,
    /// Whether the database has a notion of equal values of its type that a key could rest on.
    pub has_equality: bool,
    /// The collation of its texts, where it is not the database's own.
    pub collation: Option<Collation>,
}

impl ColumnFacts {
    /// Whether the database fills its texts up with blanks, which are no part of the value.
    pub(crate) fn is_padded(&self) -> bool {
        let is_text = matches!(self.column_type, ColumnType::Text { .. });
        is_text && (self.type_name.starts_with("character(") || self.type_name == "bpchar")
    }
}

/// By what a database orders the texts of a column, and calls them equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collation {
    pub name: String,
    /// Whether it calls texts equal only if they are the same.
    pub exact: bool,
}

/// What kind of relation a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RelationKind {
    Table,
    PartitionedTable,
    View,
    MaterializedView,
    ForeignTable,
    VirtualTable,
    Other,
}

impl RelationKind {
    /// What messages call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::PartitionedTable => "partitioned table",
            Self::View => "view",
            Self::MaterializedView => "materialized view",
            Self::ForeignTable => "foreign table",
            Self::VirtualTable => "virtual table",
            Self::Other => "relation of another kind",
        }
    }
}

/// A foreign key of another table onto this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignKeyFacts {
    /// The table that holds the key.
    pub table: TableName,
    /// Its columns and the columns of this table they name, pairwise.
    pub columns: Vec<(String, String)>,
    /// Whether an index of `table` begins with the key's columns.
    pub indexed: bool,
}

/// One table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableFacts {
    /// As the job writes it.
    pub name: TableName,
    /// The one relation that the name stands for, with its schema where the database has schemas.
    pub relation: TableName,
    /// By which the database knows the relation, as long as it is there.
    pub id: i64,
    pub kind: RelationKind,
    pub columns: Vec<ColumnFacts>,
    /// Every set of columns that is not null and unique by what `=` calls equal, primary key first.
    pub unique_keys: Vec<Vec<String>>,
    /// Foreign keys of other tables onto this one.
    pub referenced_by: Vec<ForeignKeyFacts>,
    /// Whether a trigger or a rule of the table may keep a row, put it back, or rewrite it.
    pub has_triggers: bool,
}

impl TableFacts {
    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&ColumnFacts> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Whether `columns` can name at most one row.
    pub fn is_unique(&self, columns: &[&str]) -> bool {
        self.unique_keys
            .iter()
            .any(|key| key.iter().all(|column| columns.contains(&column.as_str())))
    }
}
