//! A rehearsal: the whole database before and after a run on a copy, compared with the run's evidence.

use std::collections::BTreeMap;

use kigen_evidence::dsse;
use kigen_evidence::leaf::Action;
use kigen_evidence::statement::Statement;
use serde::Serialize;

use super::outcome::FinishedRun;
use crate::job::{Effect, Job, OnDispose, Operation, TableName};
use crate::keyring::Keyring;
use crate::ledger::{CertificateFilter, CertificateMatch, Ledger};
use crate::store::error::StoreError;
use crate::store::sql::{SqlStore, WholeTable};

/// The digests of all rows, by table, in order: 8 bytes for each row.
pub struct Picture(BTreeMap<String, (WholeTable, Vec<u64>)>);

impl Picture {
    /// Reads every row of the database.
    pub async fn take(store: &SqlStore) -> Result<Self, StoreError> {
        let mut tables: BTreeMap<String, (WholeTable, Vec<u64>)> = BTreeMap::new();
        let mut sink = |table: &WholeTable, digest: u64| {
            if !tables.contains_key(&table.full) {
                tables.insert(table.full.clone(), (table.clone(), Vec::new()));
            }
            if let Some((_, rows)) = tables.get_mut(&table.full) {
                rows.push(digest);
            }
            Ok(())
        };
        store.every_row(&mut sink).await?;
        for (_, rows) in tables.values_mut() {
            rows.sort_unstable();
        }
        Ok(Self(tables))
    }
}

/// Removals by table, as certificates count them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Certified {
    deleted: u64,
    pseudonymized: u64,
}

/// One table whose rows are not what they were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangedTable {
    pub table: String,
    pub rows_before: u64,
    pub rows_after: u64,
    /// Rows whose content is no longer there.
    pub removed: u64,
    /// Rows whose content is new. A changed row counts in both.
    pub added: u64,
    pub certified_deleted: u64,
    pub certified_pseudonymized: u64,
    /// Rows of declared effects, by operation.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub declared: BTreeMap<&'static str, u64>,
    pub accounted_for: bool,
}

/// What a rehearsal found.
#[derive(Clone, Debug, Serialize)]
pub struct Rehearsal {
    pub store: String,
    pub run: FinishedRun,
    /// Tables that the run changed.
    pub changed: Vec<ChangedTable>,
    /// Tables that are as they were.
    pub unchanged: usize,
    /// Sentences; empty if the evidence accounts for every change.
    pub differences: Vec<String>,
    /// What a rehearsal leaves out.
    pub left_out: Vec<String>,
}

/// What `certificates` of this run say, by the object that they name.
async fn certified(
    ledger: &dyn Ledger,
    keyring: &Keyring,
) -> anyhow::Result<BTreeMap<String, Certified>> {
    let keys: Vec<_> = vec![keyring.verifying_key()];
    let mut certified: BTreeMap<String, Certified> = BTreeMap::new();
    for summary in ledger.certificates(&CertificateFilter::default()).await? {
        let found = ledger.certificate(&summary.certificate_id).await?;
        let CertificateMatch::One(found) = found else {
            continue;
        };
        let Some(envelope) = &found.envelope else {
            continue;
        };
        let statement = Statement::read(&dsse::verify(&envelope.envelope, &keys)?)?;
        for target in statement.predicate.targets {
            let sum = certified.entry(target.object).or_default();
            // A second removal of one key has no leaf of its own.
            sum.deleted += target.counts.of(Action::RowDeleted);
            sum.pseudonymized += target.counts.of(Action::Pseudonymized);
            match target.method.technique {
                kigen_evidence::statement::Technique::SqlDelete => sum.deleted += target.repeated,
                _ => sum.pseudonymized += target.repeated,
            }
        }
    }
    Ok(certified)
}

/// Compares two pictures with the evidence that stands in `ledger`.
pub async fn compare(
    (before, after): (Picture, Picture),
    jobs: &[&Job],
    run: FinishedRun,
    ledger: &dyn Ledger,
    keyring: &Keyring,
    store: &str,
) -> anyhow::Result<Rehearsal> {
    let certified = certified(ledger, keyring).await?;
    let Picture(mut after) = after;
    let mut rehearsal = Rehearsal {
        store: store.to_owned(),
        run,
        changed: Vec::new(),
        unchanged: 0,
        differences: Vec::new(),
        left_out: Vec::new(),
    };
    let mut pairs: Vec<(WholeTable, Vec<u64>, Vec<u64>)> = Vec::new();
    for (full, (table, rows)) in before.0 {
        let now = after.remove(&full).map(|(_, rows)| rows);
        pairs.push((table, rows, now.unwrap_or_default()));
    }
    pairs.extend(
        after
            .into_values()
            .map(|(table, rows)| (table, Vec::new(), rows)),
    );
    for (table, before, after) in pairs {
        let (removed, added) = differences(&before, &after);
        let evidence = of_table(&certified, &table);
        if removed == 0 && added == 0 && evidence == Certified::default() {
            rehearsal.unchanged += 1;
            continue;
        }
        let mut changed = ChangedTable {
            rows_before: before.len() as u64,
            rows_after: after.len() as u64,
            removed,
            added,
            certified_deleted: evidence.deleted,
            certified_pseudonymized: evidence.pseudonymized,
            declared: declared(jobs, &rehearsal.run, &table),
            accounted_for: false,
            table: table.name.clone(),
        };
        changed.accounted_for = changed.is_accounted_for(is_unlinked(jobs, &table));
        if !changed.accounted_for {
            rehearsal.differences.push(changed.difference());
        }
        rehearsal.changed.push(changed);
    }
    Ok(rehearsal)
}

impl ChangedTable {
    /// Deleted rows must be certified or declared to the last one; no more may be rewritten than is.
    fn is_accounted_for(&self, is_unlinked: bool) -> bool {
        let declared = |operation: Operation| {
            let rows = self.declared.get(operation.name());
            rows.copied().unwrap_or_default()
        };
        let deleted = self.certified_deleted + declared(Operation::Delete);
        let inserted = declared(Operation::Insert);
        let Some(rewritten) = self.removed.checked_sub(deleted) else {
            return false;
        };
        let most = self.certified_pseudonymized + declared(Operation::Update);
        self.added == rewritten + inserted && (is_unlinked || rewritten <= most)
    }

    fn difference(&self) -> String {
        let mut parts = Vec::new();
        if self.removed > 0 {
            parts.push(format!("−{}", self.removed));
        }
        if self.added > 0 {
            parts.push(format!("+{}", self.added));
        }
        if parts.is_empty() {
            parts.push("±0".to_owned());
        }
        let known = self.certified_deleted + self.certified_pseudonymized;
        let known = if known == 0 && self.declared.is_empty() {
            "not accounted for".to_owned()
        } else {
            format!(
                "certified are {} deleted and {} pseudonymized",
                self.certified_deleted, self.certified_pseudonymized
            )
        };
        format!("`{}` {}, {known}", self.table, parts.join(" "))
    }
}

/// How many of `before` are no longer there, and how many of `after` are new; both in order.
fn differences(before: &[u64], after: &[u64]) -> (u64, u64) {
    let (mut was, mut is) = (before.iter().peekable(), after.iter().peekable());
    let (mut removed, mut added) = (0, 0);
    loop {
        match (was.peek(), is.peek()) {
            (None, None) => return (removed, added),
            (Some(old), Some(new)) if old == new => {
                was.next();
                is.next();
            }
            (Some(old), Some(new)) if old > new => {
                added += 1;
                is.next();
            }
            (Some(_), _) => {
                removed += 1;
                was.next();
            }
            (None, Some(_)) => {
                added += 1;
                is.next();
            }
        }
    }
}

fn is_same(table: &WholeTable, name: &str) -> bool {
    table.name.eq_ignore_ascii_case(name) || table.full.eq_ignore_ascii_case(name)
}

fn of_table(certified: &BTreeMap<String, Certified>, table: &WholeTable) -> Certified {
    let mut sum = Certified::default();
    for (_, one) in certified.iter().filter(|(name, _)| is_same(table, name)) {
        sum.deleted += one.deleted;
        sum.pseudonymized += one.pseudonymized;
    }
    sum
}

fn is_unlinked(jobs: &[&Job], table: &WholeTable) -> bool {
    let names = |name: &TableName| is_same(table, &name.to_string());
    jobs.iter()
        .flat_map(|job| &job.references)
        .any(|reference| {
            matches!(reference.on_dispose, OnDispose::Unlink) && names(&reference.table)
        })
}

fn declared(jobs: &[&Job], run: &FinishedRun, table: &WholeTable) -> BTreeMap<&'static str, u64> {
    let mut declared = BTreeMap::new();
    for job in jobs {
        let of_this = |effect: &&Effect| is_same(table, &effect.table.to_string());
        for effect in job.effects.iter().filter(of_this) {
            let outcomes = run.jobs.iter().filter(|outcome| outcome.job == job.cluster);
            let stages = outcomes.flat_map(|outcome| &outcome.stages);
            let rows: u64 = stages
                .filter_map(|stage| stage.effects.get(&effect.key()))
                .sum();
            if rows > 0 {
                *declared.entry(effect.operation.name()).or_default() += rows;
            }
        }
    }
    declared
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_of_two_lists_are_counted_both_ways() {
        assert_eq!(differences(&[1, 2, 2, 5], &[2, 3, 5, 6]), (2, 2));
        assert_eq!(differences(&[], &[1, 1]), (0, 2));
        assert_eq!(differences(&[4], &[]), (1, 0));
    }
}
