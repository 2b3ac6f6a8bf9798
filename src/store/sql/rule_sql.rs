//! The text of every statement over a job's tables.
//!
//! This is the one module that puts names of tables and columns into SQL; all are quoted by
//! [`quote`], all values but cutoffs and condition words are bound.

use jiff::civil::Date;
use kigen_evidence::value::Value;

use super::catalog::ColumnFacts;
use super::columns::Tables;
use super::dialect::{Dialect, StartType};
use super::starting_point::StartColumn;
use crate::database::dialect::{literal, quote};
use crate::domain::rule::{Applies, Undatable};
use crate::guard::{self, Guard};
use crate::job::{ColumnRef, Condition, Disposal, Job, Join, Marker, OnDispose, Reference, Stage};
use crate::store::error::StoreError;

/// Writes the statements of one stage of a job.
pub(crate) struct StageText<'a> {
    pub dialect: &'a dyn Dialect,
    pub job: &'a Job,
    pub stage: &'a Stage,
    pub tables: &'a Tables,
}

/// The expression of a column: `t."column"` or `j_join."column"`.
pub(crate) fn expression(column: &ColumnRef) -> String {
    match &column.join {
        None => format!("t.{}", quote(&column.column)),
        Some(join) => format!("{}.{}", quote(&format!("j_{join}")), quote(&column.column)),
    }
}

fn own(column: &str) -> String {
    format!("t.{}", quote(column))
}

/// The condition by which a row of `join`, called `alias`, belongs to a record.
fn matched(join: &Join, alias: &str) -> String {
    let pairs = join.on.iter().map(|pair| {
        let ours = expression(&pair.ours);
        format!("{alias}.{} = {ours}", quote(&pair.theirs))
    });
    pairs.collect::<Vec<_>>().join(" and ")
}

impl<'a> StageText<'a> {
    /// `"table" as t left join …`, with the joins that the stage's rule reads.
    pub(crate) fn from(&self) -> String {
        self.joined_with(&self.needed_joins())
    }

    /// The same for all of `stages`, which are of one job.
    pub(crate) fn from_of(stages: &[Self]) -> String {
        let needed: Vec<&str> = stages.iter().flat_map(Self::needed_joins).collect();
        stages
            .first()
            .map(|text| text.joined_with(&needed))
            .unwrap_or_default()
    }

    fn joined_with(&self, needed: &[&str]) -> String {
        let mut text = format!("{} as t", self.tables.sql(&self.job.table));
        for join in &self.job.joins {
            if !needed.contains(&join.name.as_str()) {
                continue;
            }
            let alias = quote(&format!("j_{}", join.name));
            text.push_str(&format!(
                " left join {} as {alias} on {}",
                self.tables.sql(&join.table),
                matched(join, &alias)
            ));
        }
        text
    }

    /// Whether a join that the rule reads gives several rows for the record; `None` without joins.
    ///
    /// The schema says that it cannot; this asks the rows, in the statement that removes them.
    fn ambiguous(&self) -> Option<String> {
        if !guard::stands(Guard::JoinedOnce) {
            return None;
        }
        let needed = self.needed_joins();
        let joins = self.job.joins.iter();
        let joins = joins.filter(|join| needed.contains(&join.name.as_str()));
        let several: Vec<String> = joins
            .map(|join| {
                format!(
                    "(select count(*) from {} as n where {}) > 1",
                    self.tables.sql(&join.table),
                    matched(join, "n")
                )
            })
            .collect();
        (!several.is_empty()).then(|| format!("({})", several.join(" or ")))
    }

    /// Whether the stage's rule reads more than the cluster's own table.
    pub(crate) fn reads_joins(&self) -> bool {
        !self.needed_joins().is_empty()
    }

    /// The joins that the stage's rule reads, and those that these are matched with.
    fn needed_joins(&self) -> Vec<&str> {
        let mut needed: Vec<&str> = Vec::new();
        for source in &self.stage.sources {
            needed.extend(source.starts_at.join.as_deref());
            let condition = source.applies_when.as_ref();
            needed.extend(condition.and_then(|condition| condition.column.join.as_deref()));
        }
        // A join is matched only with earlier ones, so one way back finds them all.
        for join in self.job.joins.iter().rev() {
            if needed.contains(&join.name.as_str()) {
                needed.extend(join.on.iter().filter_map(|pair| pair.ours.join.as_deref()));
            }
        }
        needed
    }

    /// The condition under which purpose `index` applies or may apply, since its column is null; `None`
    /// if it always does.
    pub(crate) fn may_apply(&self, index: usize) -> Option<String> {
        let condition = self.stage.sources[index].applies_when.as_ref()?;
        let column = expression(&condition.column);
        Some(format!(
            "({column} is null or {})",
            self.fulfilled(condition)
        ))
    }

    /// The condition under which purpose `index` surely applies; `None` if it always does.
    fn surely_applies(&self, index: usize) -> Option<String> {
        if !guard::stands(Guard::NullIsNoAnswer) {
            return self.may_apply(index);
        }
        let condition = self.stage.sources[index].applies_when.as_ref()?;
        let column = expression(&condition.column);
        Some(format!(
            "({column} is not null and {})",
            self.fulfilled(condition)
        ))
    }

    /// Whether purpose `index` applies, as a number that [`applies_of`] reads.
    pub(crate) fn applies_code(&self, index: usize) -> String {
        let Some(condition) = &self.stage.sources[index].applies_when else {
            return "1".to_owned();
        };
        let column = expression(&condition.column);
        format!(
            "case when {column} is null then 2 when {} then 1 else 0 end",
            self.fulfilled(condition)
        )
    }

    fn fulfilled(&self, condition: &Condition) -> String {
        let values: Vec<String> = condition
            .values
            .iter()
            .map(|value| literal(value))
            .collect();
        let not = if condition.negated { "not " } else { "" };
        format!(
            "{} {not}in ({})",
            self.dialect.text_of(&expression(&condition.column)),
            values.join(", ")
        )
    }

    /// How purpose `index` stores its starting point.
    pub(crate) fn start_type(&self, index: usize) -> Result<StartType, StoreError> {
        self.tables
            .start_type(self.job, &self.stage.sources[index])
            .map_err(StoreError::Unusable)
    }

    /// The starting point of purpose `index`, as statements read it.
    pub(crate) fn start(&self, index: usize) -> Result<StartColumn<'a>, StoreError> {
        Ok(StartColumn {
            expression: expression(&self.stage.sources[index].starts_at),
            stored: self.start_type(index)?,
            zone: &self.job.time_zone,
            earliest: self.stage.rule.purposes[index].earliest,
        })
    }

    fn each_purpose(
        &self,
        make: impl Fn(&StartColumn<'_>) -> String,
    ) -> Result<Vec<String>, StoreError> {
        let mut parts = Vec::new();
        for index in 0..self.stage.sources.len() {
            let said = make(&self.start(index)?);
            parts.push(match self.may_apply(index) {
                Some(applies) => format!("({applies} and {said})"),
                None => said,
            });
        }
        Ok(parts)
    }

    /// Whether some purpose surely applies to the record; `None` if one always does.
    fn covered(&self) -> Option<String> {
        let conditions: Option<Vec<String>> = (0..self.stage.sources.len())
            .map(|index| self.surely_applies(index))
            .collect();
        conditions.map(|conditions| format!("({})", conditions.join(" or ")))
    }

    /// Whether the record's end cannot be computed for this reason or one of less weight; `None` if
    /// it cannot be the reason.
    pub(crate) fn undatable(&self, why: Undatable) -> Result<Option<String>, StoreError> {
        let parts = match why {
            Undatable::NoPurpose => {
                return Ok(self.covered().map(|covered| format!("not {covered}")));
            }
            Undatable::Ambiguous => return Ok(self.ambiguous()),
            Undatable::Missing => {
                self.each_purpose(|start| format!("{} is null", start.expression))
            }
            Undatable::Unreadable => {
                self.each_purpose(|start| self.dialect.not_a_day(&start.of_any_day()))
            }
            Undatable::NotBelieved => self.each_purpose(|start| self.dialect.not_a_day(start)),
        };
        Ok(Some(format!("({})", parts?.join(" or "))))
    }

    /// Whether a starting point of the record lies on or after `day`.
    pub(crate) fn starts_from(&self, day: Date) -> Result<String, StoreError> {
        let parts =
            self.each_purpose(|start| format!("not {}", self.dialect.before(start, day)))?;
        Ok(format!("({})", parts.join(" or ")))
    }

    /// Whether a purpose of the record goes on on the day `as_of`.
    pub(crate) fn not_expired(&self, as_of: Date) -> Result<String, StoreError> {
        let mut parts = Vec::new();
        for (index, cutoff) in self.stage.rule.cutoffs(as_of).into_iter().enumerate() {
            let before = self.dialect.before(&self.start(index)?, cutoff);
            parts.push(match self.may_apply(index) {
                Some(applies) => format!("({applies} and not {before})"),
                None => format!("not {before}"),
            });
        }
        Ok(format!("({})", parts.join(" or ")))
    }

    /// Whether this stage has already disposed of the record; `None` where it cannot be asked.
    pub(crate) fn already_disposed(&self) -> Option<String> {
        let Disposal::Pseudonymize { marker, .. } = &self.stage.disposal else {
            return None;
        };
        Some(match marker {
            Marker::Column(column) => format!("({} is not null)", own(column)),
            Marker::Table => self.is_marked(),
        })
    }

    /// The text by which new marks know a record: its key in the order of the table's columns, which
    /// the job's order does not change.
    pub(crate) fn key_text(&self) -> String {
        let mut key = self.job.key.clone();
        if let Some(own) = self.tables.get(&self.job.table) {
            key.sort_by_key(|name| own.columns.iter().position(|column| column.name == *name));
        }
        self.key_text_of(&key)
    }

    /// The texts by which marks may know a record: those of an older kigen in the job's order.
    pub(crate) fn key_texts(&self) -> Vec<String> {
        let mut texts = vec![self.key_text(), self.key_text_of(&self.job.key)];
        texts.dedup();
        texts
    }

    fn key_text_of(&self, key: &[String]) -> String {
        let key: Vec<String> = key.iter().map(|column| own(column)).collect();
        self.dialect.key_text(&key)
    }

    /// Whether a blocking row still names the record, or a row that goes with it; `None` if nothing
    /// blocks this stage.
    pub(crate) fn referenced(&self) -> Option<String> {
        let blocks: Vec<_> = self
            .blocks()
            .map(|reference| (reference, Vec::new()))
            .collect();
        self.blocked_by(&blocks)
    }

    /// The references of this stage whose rows block.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = &'a Reference> {
        self.references(|on_dispose| matches!(on_dispose, OnDispose::Blocks))
    }

    /// Whether a row `b` of one of these references names the record; rows for which one of the
    /// conditions beside the reference holds do not count.
    pub(crate) fn blocked_by(&self, blocking: &[(&Reference, Vec<String>)]) -> Option<String> {
        let parts: Vec<String> = blocking
            .iter()
            .map(|(reference, but_for)| {
                let mut on = vec![self.names_record(reference, "b")];
                on.extend(self.is_another(reference));
                if !but_for.is_empty() {
                    on.push(format!("not ({})", but_for.join(" or ")));
                }
                format!(
                    "exists (select 1 from {} as b where {})",
                    self.tables.sql(&reference.table),
                    on.join(" and ")
                )
            })
            .collect();
        if parts.is_empty() {
            return None;
        }
        Some(format!("({})", parts.join(" or ")))
    }

    /// A record that names only itself is named by nobody.
    fn is_another(&self, reference: &Reference) -> Option<String> {
        if reference.of.is_some() || reference.table != self.job.table {
            return None;
        }
        let key = self.job.key.iter();
        let key: Vec<String> = key
            .map(|column| format!("b.{} = {}", quote(column), own(column)))
            .collect();
        Some(format!("not ({})", key.join(" and ")))
    }

    /// Whether the row `row` of `reference` names the record, or a row that goes with the record.
    fn names_record(&self, reference: &Reference, row: &str) -> String {
        let named = |parent: &str| {
            let pairs = reference.on.iter().map(|pair| {
                let (theirs, ours) = (quote(&pair.theirs), quote(&pair.ours.column));
                // SQLite compares by the collation of what stands first; so do its foreign keys.
                format!("{parent}.{ours} = {row}.{theirs}")
            });
            pairs.collect::<Vec<_>>().join(" and ")
        };
        let Some(parent) = &reference.of else {
            return named("t");
        };
        let next = format!("{row}b");
        let ways: Vec<String> = self
            .references(|on_dispose| matches!(on_dispose, OnDispose::GoesWith { .. }))
            .filter(|way| way.table == *parent)
            .map(|way| {
                format!(
                    "exists (select 1 from {} as {next} where {} and {})",
                    self.tables.sql(&way.table),
                    named(&next),
                    self.names_record(way, &next)
                )
            })
            .collect();
        if ways.is_empty() {
            // The rows that it names stay in this stage.
            return "1 = 0".to_owned();
        }
        format!("({})", ways.join(" or "))
    }

    /// The references of this stage that `wanted` picks.
    pub(crate) fn references(
        &self,
        wanted: impl Fn(&OnDispose) -> bool,
    ) -> impl Iterator<Item = &'a Reference> {
        let stage = &self.stage.name;
        self.job.references.iter().filter(move |reference| {
            reference.stages.contains(stage) && wanted(&reference.on_dispose)
        })
    }

    /// Whether the record is due: what the batch statement asks, in a form an index can serve.
    pub(crate) fn due(&self, as_of: Date) -> Result<String, StoreError> {
        self.due_unless(as_of, self.referenced())
    }

    /// The same, where `referenced` says what blocks the record.
    pub(crate) fn due_unless(
        &self,
        as_of: Date,
        referenced: Option<String>,
    ) -> Result<String, StoreError> {
        let mut parts = Vec::new();
        for (index, cutoff) in self.stage.rule.cutoffs(as_of).into_iter().enumerate() {
            let before = self.dialect.before(&self.start(index)?, cutoff);
            parts.push(match self.may_apply(index) {
                Some(applies) => format!("(not {applies} or {before})"),
                None => before,
            });
        }
        parts.extend(self.covered());
        parts.extend(self.ambiguous().map(|several| format!("not {several}")));
        parts.extend(
            self.already_disposed()
                .map(|marked| format!("not {marked}")),
        );
        parts.extend(referenced.map(|referenced| format!("not {referenced}")));
        Ok(parts.join(" and "))
    }

    /// Whether the record has a whole key, and no row names it that keeps it in this stage.
    pub(crate) fn named_and_free(&self) -> String {
        match self.referenced() {
            Some(referenced) => format!("{} and not {referenced}", self.named()),
            None => self.named(),
        }
    }

    /// Whether the record has a whole key: SQLite lets a primary key be null.
    pub(crate) fn named(&self) -> String {
        let key = self.job.key.iter();
        let parts: Vec<String> = key
            .map(|column| format!("{} is not null", own(column)))
            .collect();
        parts.join(" and ")
    }

    /// The facts of a column of the cluster's own table.
    pub(crate) fn own_column(&self, name: &str) -> Result<&'a ColumnFacts, StoreError> {
        self.tables
            .column(&self.job.table, name)
            .ok_or_else(|| missing(&self.job.table.to_string(), name))
    }
}

/// What [`StageText::applies_code`] says.
pub(crate) fn applies_of(value: Option<&Value>) -> Applies {
    match value {
        Some(Value::Int(0)) => Applies::No,
        Some(Value::Int(1)) => Applies::Yes,
        Some(_) | None => Applies::Unknown,
    }
}

/// The error for a column that the live table lacks.
pub(crate) fn missing(table: &str, column: &str) -> StoreError {
    StoreError::Unusable(format!("column `{column}` of `{table}` does not exist"))
}
