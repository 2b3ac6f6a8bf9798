//! The columns that a job names or classifies, against those of the live tables.

use crate::job::{ClassifiedColumn, ClientSource, Job};
use crate::store::Fit;
use crate::store::sql::catalog::TableFacts;

/// Whether the columns of the own table that the job names are there, and the key is one.
pub(super) fn own(job: &Job, own: &TableFacts, fit: &mut Fit) {
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
        .map(|column| {
            let live = column.name.to_lowercase();
            let likeness = strsim::jaro_winkler(&live, &name.to_lowercase());
            (likeness, &column.name)
        })
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map_or_else(String::new, |(_, name)| {
            format!("\nhint: did you mean `{name}`?")
        })
}

/// Every live column is classified, and every classified column lives.
pub(super) fn coverage(table: &TableFacts, classified: &[ClassifiedColumn], fit: &mut Fit) {
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
