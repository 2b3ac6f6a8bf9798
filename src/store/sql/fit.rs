//! A job against the live schema: everything that does not fit, at once.

use super::catalog::RelationKind;
use super::catalog::TableFacts;
use super::dialect::Dialect;
use super::dialect::quote;
use super::fit_changes;
use super::fit_leftovers;
use super::pass::own_table;
use super::resolved::Tables;
use super::session::SqlSession;
use super::session::Statement;
use super::text::StageText;
use crate::guard;
use crate::guard::Guard;
use crate::job::ClassifiedColumn;
use crate::job::ClientSource;
use crate::job::ColumnRef;
use crate::job::Disposal;
use crate::job::Job;
use crate::job::OnDispose;
use crate::job::Reference;
use crate::job::Strategy;
use crate::job::TableName;
use crate::store::Fit;
use crate::store::error::StoreError;

/// Compares `job` with the live tables.
pub(crate) fn compare(job: &Job, tables: &Tables, dialect: &dyn Dialect) -> Fit {
    let mut fit = Fit::default();
    let Some(own) = usable_table(&job.table, tables, &mut fit) else {
        return fit;
    };
    own_columns(job, own, &mut fit);
    coverage(own, &job.columns, &mut fit);
    joins(job, tables, &mut fit);
    references(job, tables, &mut fit);
    foreign_keys(job, tables, &mut fit);
    fit_leftovers::compare(job, tables, &mut fit);
    for stage in &job.stages {
        for source in &stage.sources {
            if is_there("starting point", &source.starts_at, job, tables, &mut fit)
                && let Err(problem) = tables.start_type(job, source)
            {
                fit.problems.push(problem);
            }
            if let Some(condition) = &source.applies_when {
                is_there("condition", &condition.column, job, tables, &mut fit);
            }
        }
        fit_changes::compare(job, stage, own, dialect, &mut fit);
    }
    fit
}

/// Whether a column that the rule reads exists; if not, a problem.
fn is_there(what: &str, column: &ColumnRef, job: &Job, tables: &Tables, fit: &mut Fit) -> bool {
    let Some(facts) = Tables::table_of(job, column).and_then(|name| tables.get(name)) else {
        // The missing table is a problem of its own.
        return false;
    };
    if facts.column(&column.column).is_some() {
        return true;
    }
    fit.problems.push(format!(
        "{what} column `{}` of `{}` does not exist{}",
        column.column,
        facts.name,
        near(facts, &column.column)
    ));
    false
}

/// The facts of a table that may be removed from, or a problem.
fn usable_table<'a>(name: &TableName, tables: &'a Tables, fit: &mut Fit) -> Option<&'a TableFacts> {
    let Some(facts) = tables.get(name) else {
        fit.problems.push(format!(
            "table `{name}` does not exist\nhint: name its schema (`schema.table`), or check the search path and rights of the database role"
        ));
        return None;
    };
    match facts.kind {
        RelationKind::Table | RelationKind::PartitionedTable => Some(facts),
        RelationKind::View | RelationKind::ForeignTable | RelationKind::Other => {
            fit.problems.push(format!(
                "`{name}` is a {}, not a table\nhint: name the table whose rows are to go",
                facts.kind.name()
            ));
            None
        }
    }
}

fn own_columns(job: &Job, own: &TableFacts, fit: &mut Fit) {
    let mut named: Vec<(&str, &str)> = job
        .key
        .iter()
        .map(|column| ("key", column.as_str()))
        .collect();
    named.push(("subject", &job.subject.column));
    if let ClientSource::Column(column) = &job.client {
        named.push(("client", column));
    }
    for link in job.objects.iter().filter(|link| link.table.is_none()) {
        named.push(("object key", &link.key_column));
    }
    for (what, column) in named {
        if own.column(column).is_none() {
            fit.problems.push(format!(
                "{what} column `{column}` of `{}` does not exist{}",
                own.name,
                near(own, column)
            ));
        }
    }
    let key: Vec<&str> = job.key.iter().map(String::as_str).collect();
    if key.iter().all(|column| own.column(column).is_some()) && !own.is_unique(&key) {
        fit.problems.push(format!(
            "key ({}) of `{}` is not unique\nhint: name the columns of its primary key or of a unique, not-null index",
            key.join(", "),
            own.name
        ));
    }
}

/// Suggests the live column that is nearest to a name.
pub(super) fn near(table: &TableFacts, name: &str) -> String {
    table
        .columns
        .iter()
        .map(|column| (strsim::jaro_winkler(&column.name, name), &column.name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map_or_else(String::new, |(_, name)| {
            format!("\nhint: did you mean `{name}`?")
        })
}

/// Every live column is classified, and every classified column lives.
fn coverage(table: &TableFacts, classified: &[ClassifiedColumn], fit: &mut Fit) {
    let unclassified: Vec<&str> = table
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .filter(|name| !classified.iter().any(|column| column.column == *name))
        .collect();
    if !unclassified.is_empty() {
        fit.problems.push(format!(
            "`{}` has columns that the job does not classify: {}\nhint: put each under one class in [columns]; nothing is removed until somebody has thought of it",
            table.name,
            list(&unclassified)
        ));
    }
    let vanished: Vec<&str> = classified
        .iter()
        .map(|column| column.column.as_str())
        .filter(|name| table.column(name).is_none())
        .collect();
    if !vanished.is_empty() {
        fit.problems.push(format!(
            "the job classifies columns that `{}` does not have: {}",
            table.name,
            list(&vanished)
        ));
    }
}

fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

fn joins(job: &Job, tables: &Tables, fit: &mut Fit) {
    for join in &job.joins {
        let Some(facts) = tables.get(&join.table) else {
            fit.problems
                .push(format!("joined table `{}` does not exist", join.table));
            continue;
        };
        for pair in &join.on {
            if facts.column(&pair.theirs).is_none() {
                fit.problems.push(format!(
                    "join `{}`: column `{}` of `{}` does not exist{}",
                    join.name,
                    pair.theirs,
                    join.table,
                    near(facts, &pair.theirs)
                ));
            }
            if tables.resolve(job, &pair.ours).is_none() {
                fit.problems.push(format!(
                    "join `{}`: column `{}` does not exist",
                    join.name, pair.ours
                ));
            }
        }
        let theirs: Vec<&str> = join.on.iter().map(|pair| pair.theirs.as_str()).collect();
        if guard::stands(Guard::JoinIsUnique) && !facts.is_unique(&theirs) {
            fit.problems.push(format!(
                "join `{}`: ({}) is no unique key of `{}`, so a record could be joined with several rows",
                join.name,
                theirs.join(", "),
                join.table
            ));
        }
    }
}

fn references(job: &Job, tables: &Tables, fit: &mut Fit) {
    for reference in &job.references {
        let Some(facts) = usable_table(&reference.table, tables, fit) else {
            continue;
        };
        let parent_name = reference.of.as_ref().unwrap_or(&job.table);
        let parent = tables.get(parent_name);
        for pair in &reference.on {
            if facts.column(&pair.theirs).is_none() {
                fit.problems.push(format!(
                    "reference `{}`: its column `{}` does not exist{}",
                    reference.table,
                    pair.theirs,
                    near(facts, &pair.theirs)
                ));
            }
            if parent.is_some_and(|parent| parent.column(&pair.ours.column).is_none()) {
                fit.problems.push(format!(
                    "reference `{}`: column `{}` of `{parent_name}` does not exist",
                    reference.table, pair.ours.column
                ));
            }
        }
        if let OnDispose::GoesWith { key, columns } = &reference.on_dispose {
            goes_with(reference, facts, parent, key, fit);
            coverage(facts, columns, fit);
        }
    }
    for link in &job.objects {
        let Some(table) = &link.table else { continue };
        if tables
            .get(table)
            .is_some_and(|facts| facts.column(&link.key_column).is_none())
        {
            fit.problems.push(format!(
                "object key column `{}` of `{table}` does not exist",
                link.key_column
            ));
        }
    }
}

fn goes_with(
    reference: &Reference,
    facts: &TableFacts,
    parent: Option<&TableFacts>,
    key: &[String],
    fit: &mut Fit,
) {
    let key: Vec<&str> = key.iter().map(String::as_str).collect();
    if !facts.is_unique(&key) {
        fit.problems.push(format!(
            "reference `{}`: key ({}) is not unique",
            reference.table,
            key.join(", ")
        ));
    }
    let ours: Vec<&str> = reference
        .on
        .iter()
        .map(|pair| pair.ours.column.as_str())
        .collect();
    if parent.is_some_and(|parent| !parent.is_unique(&ours)) {
        fit.problems.push(format!(
            "reference `{}`: ({}) is no unique key of the table it names, so a row could go with several records",
            reference.table,
            ours.join(", ")
        ));
    }
}

/// Every foreign key onto a row that is to be deleted is named in the job, and has an index.
fn foreign_keys(job: &Job, tables: &Tables, fit: &mut Fit) {
    let deletes = job
        .stages
        .iter()
        .any(|stage| matches!(stage.disposal, Disposal::Delete));
    if !deletes {
        return;
    }
    let mut removed: Vec<(&TableName, Option<&TableName>)> = vec![(&job.table, None)];
    for reference in &job.references {
        if matches!(reference.on_dispose, OnDispose::GoesWith { .. }) {
            removed.push((&reference.table, Some(&reference.table)));
        }
    }
    for (name, of) in removed {
        let Some(facts) = tables.get(name) else {
            continue;
        };
        for key in &facts.referenced_by {
            let named = job.references.iter().any(|reference| {
                reference.of.as_ref() == of
                    && same_table(&reference.table, &key.table)
                    && same_columns(reference, &key.columns)
            });
            let columns: Vec<&str> = key
                .columns
                .iter()
                .map(|(column, _)| column.as_str())
                .collect();
            if !named {
                fit.problems.push(format!(
                    "a foreign key of `{}` ({}) points at `{name}` and the job does not name it\nhint: add a [[reference]] with table = \"{}\" and on-dispose = \"goes-with\", \"unlink\" or \"blocks\"",
                    key.table,
                    columns.join(", "),
                    key.table
                ));
            }
            if !key.indexed {
                fit.problems.push(format!(
                    "the foreign key of `{}` ({}) onto `{name}` has no index: each batch would scan the whole table\nhint: create index on {} ({})",
                    key.table,
                    columns.join(", "),
                    key.table,
                    columns.join(", ")
                ));
            }
        }
    }
}

/// The catalog names schemas that the job may leave out.
fn same_table(written: &TableName, live: &TableName) -> bool {
    written.name == live.name && (written.schema.is_none() || written.schema == live.schema)
}

fn same_columns(reference: &Reference, columns: &[(String, String)]) -> bool {
    reference.on.len() == columns.len()
        && reference.on.iter().all(|pair| {
            columns
                .iter()
                .any(|(theirs, ours)| *theirs == pair.theirs && *ours == pair.ours.column)
        })
}

/// Looks for real values in the ranges of integer tokens: a token must not meet one.
pub(crate) async fn tokens_in_use(
    session: &mut dyn SqlSession,
    dialect: &dyn Dialect,
    job: &Job,
    tables: &Tables,
) -> Result<Vec<String>, StoreError> {
    let mut problems = Vec::new();
    for stage in &job.stages {
        let Disposal::Pseudonymize { changes, .. } = &stage.disposal else {
            continue;
        };
        let text = StageText {
            dialect,
            job,
            stage,
            tables,
        };
        let unmarked = text
            .already_disposed()
            .map_or_else(String::new, |marked| format!(" and not {marked}"));
        for change in changes {
            let Strategy::Token {
                range: Some((least, greatest)),
                ..
            } = &change.strategy
            else {
                continue;
            };
            let sql = format!(
                "select 1 from {} as t where t.{} between {least} and {greatest}{unmarked} limit 1",
                own_table(job),
                quote(&change.column)
            );
            let doing = format!(
                "look for real values in the token range of `{}`",
                change.column
            );
            if !session
                .query(&Statement::new(doing, sql, Vec::new()))
                .await?
                .is_empty()
            {
                problems.push(format!(
                    "real values of `{}` lie between {least} and {greatest}, where its tokens are to lie\nhint: choose a range that no real value uses",
                    change.column
                ));
            }
        }
    }
    Ok(problems)
}
