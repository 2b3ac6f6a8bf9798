//! The three tables, as SQLite and PostgreSQL declare them.

/// Where the tables are kept.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Store {
    Sqlite,
    Postgres,
}

impl Store {
    /// The store's kind in `kigen.toml`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// A table: its columns in order, its key and its indexes.
///
/// No foreign keys: a pseudonymized attempt names no learner and no enrolment.
pub(crate) struct Table {
    pub name: &'static str,
    columns: &'static [(&'static str, Kind)],
    key: &'static [&'static str],
    indexes: &'static [&'static [&'static str]],
}

#[derive(Clone, Copy)]
enum Kind {
    Id,
    Number,
    Text,
    Date,
    Boolean,
}

impl Kind {
    const fn declared_in(self, store: Store) -> &'static str {
        match (self, store) {
            (Self::Id | Self::Number | Self::Boolean, Store::Sqlite)
            | (Self::Number, Store::Postgres) => "integer",
            (Self::Id, Store::Postgres) => "bigint",
            (Self::Boolean, Store::Postgres) => "boolean",
            (Self::Text, Store::Sqlite | Store::Postgres) => "text",
            (Self::Date, Store::Sqlite | Store::Postgres) => "date",
        }
    }
}

pub(crate) const LEARNER: Table = Table {
    name: "learner",
    columns: &[
        ("learner_id", Kind::Id),
        ("gender", Kind::Text),
        ("region", Kind::Text),
        ("education", Kind::Text),
        ("imd_band", Kind::Text),
        ("age_band", Kind::Text),
        ("disability", Kind::Text),
        ("relationship_ended_on", Kind::Date),
    ],
    key: &["learner_id"],
    indexes: &[&["relationship_ended_on"]],
};

pub(crate) const ENROLMENT: Table = Table {
    name: "enrolment",
    columns: &[
        ("learner_id", Kind::Id),
        ("module", Kind::Text),
        ("presentation", Kind::Text),
        ("registered_on", Kind::Date),
        ("ended_on", Kind::Date),
        ("final_result", Kind::Text),
    ],
    // Begins with the learner, so it also serves those who look for one.
    key: &["learner_id", "module", "presentation"],
    indexes: &[&["ended_on"]],
};

pub(crate) const EXAM_ATTEMPT: Table = Table {
    name: "exam_attempt",
    columns: &[
        ("attempt_id", Kind::Id),
        ("learner_id", Kind::Id),
        ("assessment_id", Kind::Id),
        ("module", Kind::Text),
        ("presentation", Kind::Text),
        ("kind", Kind::Text),
        ("submitted_on", Kind::Date),
        ("score", Kind::Number),
        ("banked", Kind::Boolean),
        ("course_ended_on", Kind::Date),
    ],
    key: &["attempt_id"],
    indexes: &[
        &["learner_id"],
        &["learner_id", "module", "presentation"],
        &["course_ended_on"],
    ],
};

impl Table {
    /// The statement that creates the table.
    pub(crate) fn create(&self, store: Store) -> String {
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|(column, kind)| {
                // SQLite takes null in a key of several columns unless told otherwise.
                let null = if self.key.contains(column) {
                    " not null"
                } else {
                    ""
                };
                format!("{column} {}{null}", kind.declared_in(store))
            })
            .collect();
        format!(
            "create table {} ({}, primary key ({}))",
            self.name,
            columns.join(", "),
            self.key.join(", ")
        )
    }

    /// The statements that create the table's indexes, for after it was filled.
    pub(crate) fn indexes(&self) -> Vec<String> {
        self.indexes
            .iter()
            .map(|columns| {
                let name = format!("{}_by_{}", self.name, columns.join("_"));
                format!(
                    "create index {name} on {} ({})",
                    self.name,
                    columns.join(", ")
                )
            })
            .collect()
    }
}
