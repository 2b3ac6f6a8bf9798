//! Rows as evidence may know them: their key, their client, their person, and whether they look
//! pseudonymized.

use jiff::civil::Date;
use kigen_evidence::value::Value;

use super::catalog::ColumnFacts;
use super::key_values::padded;
use super::pass::{Pass, Read, replacement, value_at};
use super::rule_sql::StageText;
use super::selection::{RuleColumns, Selection};
use crate::database::session::Row;
use crate::job::{Change, Disposal, Job, OnDispose};
use crate::pseudonym::Replacement;
use crate::store::error::StoreError;
use crate::store::{PresentBatch, PresentRecord, Recall, TokenKey};

/// What a pass needs to show its rows, and who knows them.
pub(crate) struct Recalled<'a> {
    by: &'a dyn Recall,
    /// For each stage of the job, the columns that it changes; none for a stage that deletes.
    stages: Vec<Vec<Changed>>,
    /// For each stage of the job, what its rule reads.
    rules: Vec<RuleColumns>,
    /// The column that names the person.
    subject: ColumnFacts,
    /// Where the select list has it without its padding: what tokens are made of.
    unpadded: usize,
}

/// A column that a stage changes.
struct Changed {
    column: String,
    replacement: Replacement,
    /// Where the select list has its present value.
    selected: usize,
}

impl<'a> Recalled<'a> {
    /// Adds to the select list what every stage of the job changes, and what rows that go with the
    /// record name.
    pub(super) fn prepare(
        text: &StageText<'_>,
        by: &'a dyn Recall,
        tokens: &TokenKey,
        selection: &mut Selection,
    ) -> Result<Self, StoreError> {
        let mut stages = Vec::with_capacity(text.job.stages.len());
        let mut rules = Vec::with_capacity(text.job.stages.len());
        for stage in &text.job.stages {
            rules.push(selection.add_rule(&StageText { stage, ..*text })?);
            let mut changed = Vec::new();
            for change in changes(&stage.disposal) {
                changed.push(Changed {
                    column: change.column.clone(),
                    replacement: replacement(
                        &change.strategy,
                        text.own_column(&change.column)?,
                        tokens,
                    )?,
                    selected: selection.add_unpadded(text, &change.column)?,
                });
            }
            stages.push(changed);
        }
        let of_own = text.job.references.iter().filter(|reference| {
            reference.of.is_none() && matches!(reference.on_dispose, OnDispose::GoesWith { .. })
        });
        for pair in of_own.flat_map(|reference| &reference.on) {
            selection.add_own(text, &pair.ours.column)?;
        }
        Ok(Self {
            by,
            stages,
            rules,
            subject: text.own_column(&text.job.subject.column)?.clone(),
            unpadded: selection.add_unpadded(text, &text.job.subject.column)?,
        })
    }

    /// Who knows the rows.
    pub(super) fn by(&self) -> &dyn Recall {
        self.by
    }

    /// Those of `rows` that the pass's stage has removed before.
    pub(super) fn keep(&self, pass: &Pass<'_>, rows: Vec<Row>) -> Result<Vec<Row>, StoreError> {
        let batch = PresentBatch {
            records: rows.iter().map(|row| self.record(pass, row)).collect(),
            ..PresentBatch::default()
        };
        let back = self.by.back(&batch, pass.order.stage)?.records;
        Ok(rows
            .into_iter()
            .zip(back)
            .filter_map(|(row, back)| back.then_some(row))
            .collect())
    }

    /// A row as evidence may know it.
    pub(super) fn record(&self, pass: &Pass<'_>, row: &Row) -> PresentRecord {
        PresentRecord {
            key: pass.key_of(row).values().to_vec(),
            client: pass.client_of(row).into_owned(),
            subjects: self.subjects(
                &value_at(row, pass.selection.subject),
                value_at(row, self.unpadded),
            ),
            pseudonymized: self
                .stages
                .iter()
                .map(|stage| self.is_done(stage, row))
                .collect(),
            due_from: self.due_from(pass.job(), row),
        }
    }

    /// For each stage, the first day on which the row's own dates make it due.
    fn due_from(&self, job: &Job, row: &Row) -> Vec<Option<Date>> {
        let stages = job.stages.iter().zip(&self.rules);
        let first_days = stages.map(|(stage, rule)| {
            let read = Read {
                starts: &rule.starts,
                types: &rule.types,
                conditions: &rule.conditions,
            };
            let ends = stage.rule.ends(&read.candidate(job, stage, row))?;
            ends.last_day_kept.tomorrow().ok()
        });
        first_days.collect()
    }

    /// Whether the record looks as the stage leaves it: its person is a token, or, where the stage
    /// gives the person none, every column that it changes looks changed.
    fn is_done(&self, stage: &[Changed], row: &Row) -> bool {
        let looks_done = |changed: &Changed| {
            let value = value_at(row, changed.selected);
            changed.replacement.is_result(&changed.column, &value)
        };
        let person = stage.iter().find(|changed| {
            changed.column == self.subject.name && changed.replacement.tells_apart()
        });
        match person {
            Some(person) => looks_done(person),
            None => !stage.is_empty() && stage.iter().all(looks_done),
        }
    }

    /// The person, and the tokens that the stages one after the other put in its place.
    fn subjects(&self, subject: &Value, unpadded: Value) -> Vec<Value> {
        let mut named = subject.clone();
        let mut unpadded = unpadded;
        let mut subjects = Vec::new();
        for changed in self.stages.iter().flatten() {
            if changed.column != self.subject.name {
                continue;
            }
            if !changed.replacement.tells_apart() {
                if changed.replacement.is_result(&changed.column, &unpadded) {
                    // Many persons may have become this one.
                    return Vec::new();
                }
                break;
            }
            let Ok(token) = changed.replacement.replace(&changed.column, &unpadded) else {
                break;
            };
            unpadded = token.clone();
            // A row is read back with what the database fills it up with.
            subjects.push(std::mem::replace(&mut named, padded(token, &self.subject)));
        }
        subjects.push(named);
        subjects.retain(|subject| !subject.is_null());
        subjects.dedup();
        subjects
    }
}

fn changes(disposal: &Disposal) -> &[Change] {
    match disposal {
        Disposal::Delete => &[],
        Disposal::Pseudonymize { changes, .. } => changes,
    }
}
