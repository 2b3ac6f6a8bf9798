//! Jobs built as values: what the loader would hand over.

use std::path::PathBuf;

use jiff::tz::TimeZone;
use kigen::domain::rule::{EARLIEST_BELIEVED, Purpose, Rule};
use kigen::job::{
    ClassifiedColumn, Clause, ClientSource, ColumnClass, ColumnRef, Condition, Disposal, Job,
    Limit, Match, OnDispose, PurposeSource, Reference, Stage, StoredAs, Subject, TableName, Title,
};
use kigen_evidence::calendar::FirstDay;
use kigen_evidence::statement::StartingPointKind;

/// A job of cluster `record` over `name` with key `id` and subject `learner`, in Tokyo's days.
///
/// It has no stage yet; every one of `columns` is classified.
pub(crate) fn job(name: &str, columns: &[&str]) -> Job {
    let text = str::to_owned;
    Job {
        cluster: text("record"),
        title: Title {
            ja: text("記録"),
            en: text("Records"),
        },
        owner: text("privacy officer"),
        file: PathBuf::from("jobs/record.toml"),
        sha256: "0".repeat(64),
        time_zone: TimeZone::get("Asia/Tokyo").unwrap(),
        time_zone_name: text("Asia/Tokyo"),
        schedule: None,
        approval: None,
        clause: Clause {
            document: text("プライバシーポリシー 第8条"),
            version: text("2025-04-01"),
            text: text("保存期間の経過後、遅滞なく消去します。"),
            text_sha256: "0".repeat(64),
        },
        store: text("school"),
        table: table(name),
        key: vec![text("id")],
        subject: Subject {
            kind: text("learner"),
            column: text("learner"),
        },
        client: ClientSource::Fixed(text("school")),
        joins: Vec::new(),
        references: Vec::new(),
        objects: Vec::new(),
        stages: Vec::new(),
        columns: classified(columns),
        limit: Limit {
            max_records: 1_000_000,
            max_percent: 100.0,
            max_persons: 1_000_000,
            max_rows: 100_000_000,
            batch_size: 1_000,
        },
        examples: Vec::new(),
        leftovers: Vec::new(),
        effects: Vec::new(),
    }
}

/// `schema.table` or `table`; for names with dots build the value.
pub(crate) fn table(name: &str) -> TableName {
    let (schema, name) = match name.split_once('.') {
        Some((schema, name)) => (Some(schema.to_owned()), name),
        None => (None, name),
    };
    TableName {
        schema,
        name: name.to_owned(),
    }
}

pub(crate) fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

pub(crate) fn classified(columns: &[&str]) -> Vec<ClassifiedColumn> {
    columns
        .iter()
        .map(|column| ClassifiedColumn {
            column: (*column).to_owned(),
            class: ColumnClass::NotPersonal,
        })
        .collect()
}

/// A column of the cluster's own table.
pub(crate) fn column(name: &str) -> ColumnRef {
    ColumnRef {
        join: None,
        column: name.to_owned(),
    }
}

/// A column of a join.
pub(crate) fn joined(join: &str, name: &str) -> ColumnRef {
    ColumnRef {
        join: Some(join.to_owned()),
        column: name.to_owned(),
    }
}

/// A condition that a record fulfils when its column holds one of `values`.
pub(crate) fn condition(column: ColumnRef, values: &[&str]) -> Condition {
    Condition {
        column,
        values: texts(values),
        negated: false,
    }
}

/// A purpose whose period starts on the day in `starts_at`.
pub(crate) fn purpose(name: &str, period: &str, starts_at: ColumnRef) -> (Purpose, PurposeSource) {
    let purpose = Purpose {
        name: name.to_owned(),
        period: period.parse().unwrap(),
        first_day: FirstDay::NotCounted,
        earliest: EARLIEST_BELIEVED,
    };
    let source = PurposeSource {
        kind: StartingPointKind::EndOfTransaction,
        starts_at,
        stored_as: StoredAs::Typed,
        applies_when: None,
    };
    (purpose, source)
}

pub(crate) fn stage(
    name: &str,
    purposes: Vec<(Purpose, PurposeSource)>,
    disposal: Disposal,
) -> Stage {
    let (purposes, sources) = purposes.into_iter().unzip();
    Stage {
        name: name.to_owned(),
        rule: Rule { purposes },
        sources,
        disposal,
    }
}

/// Columns of the other table and of the named one, pairwise.
pub(crate) fn matches(pairs: &[(&str, &str)]) -> Vec<Match> {
    pairs
        .iter()
        .map(|(theirs, ours)| Match {
            theirs: (*theirs).to_owned(),
            ours: column(ours),
        })
        .collect()
}

/// Rows of `name` that name a record, in stage `delete`; `unlink` clears all that names it.
pub(crate) fn reference(name: &str, on: &[(&str, &str)], on_dispose: OnDispose) -> Reference {
    let clears = on_dispose == OnDispose::Unlink;
    let clear = on.iter().filter(|_| clears);
    Reference {
        table: table(name),
        of: None,
        clear: clear.map(|(theirs, _)| (*theirs).to_owned()).collect(),
        on: matches(on),
        on_dispose,
        stages: texts(&["delete"]),
    }
}

pub(crate) fn goes_with(key: &[&str], columns: &[&str]) -> OnDispose {
    OnDispose::GoesWith {
        key: texts(key),
        columns: classified(columns),
    }
}
