//! What a run will have done by the time that a job's turn comes: rows that keep a record now will have
//! gone by then, or will name it no longer.
//!
//! A plan that did not foresee it would promise less than the run removes. Where a row blocks rows of
//! its own table, one step is foreseen from each row that is due: that is the most that can go.

use jiff::civil::Date;

use super::columns::Tables;
use super::dialect::Dialect;
use super::rule_sql::StageText;
use crate::database::dialect::quote;
use crate::job::{Disposal, Job, Match, OnDispose, Reference, TableName};
use crate::store::error::StoreError;

/// A job with its live tables, and its day of the run.
pub(crate) struct JobOnDay<'a> {
    pub job: &'a Job,
    pub tables: Tables,
    pub as_of: Date,
}

/// The jobs of one run in one store, in run order, up to the one that is surveyed.
pub(crate) struct Foreseen<'a> {
    pub dialect: &'a dyn Dialect,
    pub jobs: &'a [JobOnDay<'a>],
}

impl<'a> Foreseen<'a> {
    /// Stage `stage` of the job at `index`.
    fn text(&self, index: usize, stage: usize) -> StageText<'a> {
        let JobOnDay { job, tables, .. } = &self.jobs[index];
        StageText {
            dialect: self.dialect,
            job,
            stage: &job.stages[stage],
            tables,
        }
    }

    /// The day of the last job.
    pub(crate) fn as_of(&self) -> Date {
        self.jobs.last().map_or(Date::MIN, |job| job.as_of)
    }

    /// Every stage of the last job: the one that is surveyed.
    pub(crate) fn stages(&self) -> Vec<StageText<'a>> {
        let Some(last) = self.jobs.len().checked_sub(1) else {
            return Vec::new();
        };
        let stages = 0..self.jobs[last].job.stages.len();
        stages.map(|stage| self.text(last, stage)).collect()
    }

    /// Whether a row that will still be there when the last job's turn comes names the record; `None`
    /// if nothing blocks the stage.
    pub(crate) fn referenced(&self, text: &StageText<'_>) -> Result<Option<String>, StoreError> {
        let last = self.jobs.len().saturating_sub(1);
        self.blocking(last, text, true)
    }

    /// Whether the record goes in the run: it is due, or will be when nothing blocks it any more.
    pub(crate) fn goes(&self, text: &StageText<'_>) -> Result<String, StoreError> {
        let referenced = self.referenced(text)?;
        text.due_unless(self.as_of(), referenced)
    }

    /// The rows `b` of one table that `references` of the stage `text` lead to from the records that go, each
    /// once, but for those that an earlier stage of the job has taken along or unlinked.
    pub(crate) fn companions(
        &self,
        text: &StageText<'_>,
        references: &[&Reference],
    ) -> Result<String, StoreError> {
        let table = references.first().map(|reference| &reference.table);
        let mut earlier = Vec::new();
        for before in self.stages() {
            if before.stage.name == text.stage.name {
                break;
            }
            let done = before.references(|on_dispose| !matches!(on_dispose, OnDispose::Blocks));
            for reference in done.filter(|reference| Some(&reference.table) == table) {
                earlier.push(with_its_record(&before, reference, &self.goes(&before)?));
            }
        }
        let goes = self.goes(text)?;
        let now = references.iter();
        let now: Vec<String> = now
            .map(|reference| with_its_record(text, reference, &goes))
            .collect();
        let now = format!("({})", now.join(" or "));
        if earlier.is_empty() {
            return Ok(now);
        }
        Ok(format!("{now} and not ({})", earlier.join(" or ")))
    }

    /// What blocks the record of the job at `index` but for the rows that will be gone by then.
    /// `own_rows`: whether rows of the job's own table count at all.
    fn blocking(
        &self,
        index: usize,
        text: &StageText<'_>,
        own_rows: bool,
    ) -> Result<Option<String>, StoreError> {
        let mut blocking = Vec::new();
        for reference in text.blocks() {
            if !own_rows && same(&reference.table, &text.job.table) {
                continue;
            }
            let mut gone = Vec::new();
            for earlier in 0..=index {
                gone.extend(self.freed_by(earlier, text, reference)?);
            }
            blocking.push((reference, gone));
        }
        Ok(text.blocked_by(&blocking))
    }

    /// The conditions under which the job at `index` has ended, before the turn of the stage `of` comes, that the row
    /// `b` of `blocks` names its record: the row has gone, or the columns that name it were rewritten or
    /// cleared.
    fn freed_by(
        &self,
        index: usize,
        of: &StageText<'_>,
        blocks: &Reference,
    ) -> Result<Vec<String>, StoreError> {
        let job = self.jobs[index].job;
        let table = &blocks.table;
        let has_column = |column: &String| of.tables.column(table, column).is_some();
        let names_it = |column: &String| blocks.on.iter().any(|pair| pair.theirs == *column);
        let mut conditions = Vec::new();
        let mut is_earlier = true;
        for stage in 0..job.stages.len() {
            let text = self.text(index, stage);
            // Of its own job, what earlier stages do has been done by then.
            is_earlier &= job.cluster != of.job.cluster || text.stage.name != of.stage.name;
            let frees = match &text.stage.disposal {
                Disposal::Delete => true,
                Disposal::Pseudonymize { changes, .. } => {
                    is_earlier && changes.iter().any(|change| names_it(&change.column))
                }
            };
            if frees && same(table, &job.table) && job.key.iter().all(has_column) {
                conditions.push(own_row(&text, &self.due(index, &text)?));
            }
            for reference in text.references(|_| true) {
                let frees = match reference.on_dispose {
                    OnDispose::GoesWith { .. } => true,
                    OnDispose::Unlink => reference.clear.iter().any(names_it),
                    OnDispose::Blocks => false,
                };
                let mut named = reference.on.iter().map(|pair| &pair.theirs);
                if frees && is_earlier && same(table, &reference.table) && named.all(has_column) {
                    let due = self.due(index, &text)?;
                    conditions.push(with_its_record(&text, reference, &due));
                }
            }
        }
        Ok(conditions)
    }

    /// Whether the record of the job at `index` is due in the run, whatever rows of its own table say.
    fn due(&self, index: usize, text: &StageText<'_>) -> Result<String, StoreError> {
        text.due_unless(self.jobs[index].as_of, self.blocking(index, text, false)?)
    }
}

/// Whether the row `b` is a record of the job's own table for which `due` holds.
fn own_row(text: &StageText<'_>, due: &str) -> String {
    let key = text.job.key.iter();
    let key: Vec<String> = key
        .map(|column| format!("t.{0} = b.{0}", quote(column)))
        .collect();
    format!(
        "exists (select 1 from {} where {} and {due})",
        text.from(),
        key.join(" and ")
    )
}

/// Whether the row `b` of a goes-with or unlinked table belongs to a record for which `due` holds.
fn with_its_record(text: &StageText<'_>, reference: &Reference, due: &str) -> String {
    let mut from = text.from();
    let mut chain = vec![reference];
    while let Some(parent) = chain.last().and_then(|link| parent_of(text.job, link)) {
        chain.push(parent);
    }
    // From the record down to the row: each link names the one before it.
    let mut above = "t".to_owned();
    for (depth, link) in chain.iter().enumerate().skip(1).rev() {
        let alias = quote(&format!("g_{depth}"));
        let on = matched(&link.on, &alias, &above);
        from.push_str(&format!(
            " join {} as {alias} on {on}",
            text.tables.sql(&link.table)
        ));
        above = alias;
    }
    format!(
        "exists (select 1 from {from} where {} and {due})",
        matched(&reference.on, "b", &above)
    )
}

fn parent_of<'a>(job: &'a Job, reference: &Reference) -> Option<&'a Reference> {
    let parent = reference.of.as_ref()?;
    job.references.iter().find(|candidate| {
        candidate.table == *parent && matches!(candidate.on_dispose, OnDispose::GoesWith { .. })
    })
}

fn matched(on: &[Match], theirs: &str, ours: &str) -> String {
    let pairs: Vec<String> = on
        .iter()
        .map(|pair| {
            format!(
                "{theirs}.{} = {ours}.{}",
                quote(&pair.theirs),
                quote(&pair.ours.column)
            )
        })
        .collect();
    pairs.join(" and ")
}

/// Whether two names mean one table, as far as the jobs say.
fn same(a: &TableName, b: &TableName) -> bool {
    a.name == b.name && (a.schema == b.schema || a.schema.is_none() || b.schema.is_none())
}
