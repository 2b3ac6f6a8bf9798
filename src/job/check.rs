//! From a job file's text to a checked [`Job`], with all problems at once.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::raw::RawJob;
use super::spelling::tidy;
use super::{
    ClassifiedColumn, ClientSource, Example, Job, Join, Limit, ObjectLink, Reference, Stage,
    Subject, TableName, Title,
};
use crate::diagnostic::Problems;
use crate::diagnostic::document::{Document, Path, Quoting};

mod changes;
mod columns;
mod effects;
mod examples;
mod findings;
mod header;
mod joins;
mod leftovers;
mod names;
mod purposes;
mod references;
mod sequence;
mod stages;

use columns::Classified;
use findings::Findings;
use joins::Ground;

/// Rows in one transaction where the job does not say.
const DEFAULT_BATCH_SIZE: u32 = 5000;

/// Rows of all tables for each record that may go, where the job does not say.
const DEFAULT_ROWS_PER_RECORD: u64 = 100;

/// Reads and checks the text of one job file.
///
/// `file_name` is for messages only. Structural problems (unknown keys, missing keys, wrong types)
/// come first, all together; what the words mean is checked once the structure holds.
pub fn parse(file_name: &str, text: &str) -> Result<Job, Problems> {
    let document = Document::parse(file_name, text, Quoting::Allowed)?;
    let raw: RawJob = document.read()?;
    let mut findings = Findings::new(&document);
    let job = check(&raw, file_name, text, &mut findings);
    let problems = findings.into_problems();
    match job {
        Some(job) => problems.or(job),
        // Each part that is missing has said why; the sentence guards against one that forgot.
        None => problems.or(()).and(Err(document
            .problem(
                &Path::default(),
                "the job does not check, and no check says why",
            )
            .into())),
    }
}

fn check(raw: &RawJob, file_name: &str, text: &str, findings: &mut Findings) -> Option<Job> {
    header::plain_texts(raw, findings);
    names::kebab(&Path::of("cluster"), "cluster", &raw.cluster, findings);
    let zone = header::time_zone(&Path::of("time-zone"), &raw.time_zone, findings);
    header::schedule(raw, findings);
    let clause = header::clause(raw, findings);
    let approval = header::approval(raw, findings);
    let rule = check_rule(raw, findings);
    let (zone, rule) = (zone?, rule?);
    Some(Job {
        cluster: raw.cluster.clone(),
        title: Title {
            ja: raw.title.ja.clone(),
            en: raw.title.en.clone(),
        },
        owner: raw.owner.clone(),
        file: PathBuf::from(file_name),
        sha256: sha256_hex(text),
        time_zone: zone,
        time_zone_name: raw.time_zone.clone(),
        schedule: raw.schedule.clone(),
        clause,
        approval,
        store: raw.store.name.clone(),
        table: rule.table,
        key: raw.store.key.clone(),
        subject: Subject {
            kind: raw.subject.kind.clone(),
            column: raw.subject.column.clone(),
        },
        client: rule.client,
        joins: rule.joins,
        references: rule.references,
        objects: rule.objects,
        leftovers: leftovers::check(raw, findings),
        effects: effects::check(raw, findings),
        stages: rule.stages,
        columns: rule.columns,
        limit: limit(raw),
        examples: rule.examples,
    })
}

/// The parts of a job that are checked against each other.
struct CheckedRule {
    table: TableName,
    client: ClientSource,
    joins: Vec<Join>,
    references: Vec<Reference>,
    objects: Vec<ObjectLink>,
    stages: Vec<Stage>,
    columns: Vec<ClassifiedColumn>,
    examples: Vec<Example>,
}

fn check_rule(raw: &RawJob, findings: &mut Findings) -> Option<CheckedRule> {
    let store = Path::of("store");
    let table = names::table(&store.key("table"), &raw.store.table, findings);
    let own = Classified::read(&raw.columns, &Path::of("columns"), "[columns]", findings);
    own.need_all(&store.key("key"), &raw.store.key, findings);
    check_subject(raw, &own, findings);
    let client = client(raw, &own, findings);
    let joins = joins::check(&raw.join, &own, findings);
    let ground = Ground {
        raw,
        own: &own,
        joins: &joins,
    };
    let stages = stages::check(&ground, findings);
    let references = references::check(&ground, table.as_ref(), findings);
    let objects = references::objects(&ground, table.as_ref(), findings);
    sequence::check(&ground, &stages, findings);
    let examples = examples::check(raw, &stages, findings);
    Some(CheckedRule {
        table: table?,
        client: client?,
        references,
        objects,
        stages: stages.into_iter().collect::<Option<Vec<_>>>()?,
        columns: own.into_columns(),
        joins,
        examples,
    })
}

fn sha256_hex(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

fn check_subject(raw: &RawJob, own: &Classified, findings: &mut Findings) {
    let path = Path::of("subject");
    names::kebab(
        &path.key("kind"),
        "subject kind",
        &raw.subject.kind,
        findings,
    );
    own.need(&path.key("column"), &raw.subject.column, findings);
    if own.class_of(&raw.subject.column) == Some(super::ColumnClass::NotPersonal) {
        let column = &raw.subject.column;
        let message = format!("`{column}` names a person, but [columns] calls it `not-personal`");
        let hint = "an internal number that only you can resolve is a `quasi-identifier`";
        findings.hint(&path.key("column"), message, hint);
    }
}

fn client(raw: &RawJob, own: &Classified, findings: &mut Findings) -> Option<ClientSource> {
    let path = Path::of("client");
    match (&raw.client.name, &raw.client.column) {
        (Some(name), None) => {
            names::not_empty(&path.key("name"), name, findings);
            let tidy = tidy(name);
            if tidy != *name && !tidy.is_empty() {
                let message =
                    "the client's name has blanks around it, or marks that are not composed";
                findings.hint(&path.key("name"), message, format!("write `{tidy}`"));
            }
            Some(ClientSource::Fixed(name.clone()))
        }
        (None, Some(column)) => {
            own.need(&path.key("column"), column, findings);
            Some(ClientSource::Column(column.clone()))
        }
        (Some(_), Some(_)) | (None, None) => {
            let message = "the client needs exactly one of `name` and `column`";
            let hint = "`name` if all records are kept for one client, `column` if a column of \
                        the table names it";
            findings.hint(&path, message, hint);
            None
        }
    }
}

fn limit(raw: &RawJob) -> Limit {
    Limit {
        max_records: raw.limit.max_records,
        max_percent: raw.limit.max_percent,
        max_persons: raw.limit.max_persons,
        max_rows: raw.limit.max_rows.unwrap_or(
            raw.limit
                .max_records
                .saturating_mul(DEFAULT_ROWS_PER_RECORD),
        ),
        batch_size: raw.limit.batch_size.unwrap_or(DEFAULT_BATCH_SIZE),
    }
}

/// Whether two names may mean one table: a missing schema may be any.
pub(super) fn may_be_one_table(a: &TableName, b: &TableName) -> bool {
    let schemas_agree = match (&a.schema, &b.schema) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        (None, _) | (_, None) => true,
    };
    // SQLite does not tell capitals from small letters. Two tables of PostgreSQL whose names differ in
    // nothing else are taken for one: that refuses, and removes nothing.
    a.name.eq_ignore_ascii_case(&b.name) && schemas_agree
}

#[cfg(test)]
mod tests;
