//! The select list of a pass: what is read of each row, and where it stands.

use super::catalog::{ColumnFacts, ColumnType};
use super::dialect::{Dialect, StartType};
use super::rule_sql::{StageText, expression, missing};
use crate::database::session::Row;
use crate::job::{ClientSource, ColumnRef};
use crate::store::error::StoreError;

/// What the select list holds where.
#[derive(Default)]
pub(crate) struct Selection {
    expressions: Vec<String>,
    columns: Vec<ColumnFacts>,
    pub key: Vec<usize>,
    pub subject: usize,
    pub client: Option<usize>,
    pub starts: Vec<usize>,
    pub conditions: Vec<Option<usize>>,
}

/// Where a select list has what the rule of a stage reads, purpose by purpose.
#[derive(Default)]
pub(crate) struct RuleColumns {
    pub starts: Vec<usize>,
    pub types: Vec<StartType>,
    pub conditions: Vec<Option<usize>>,
}

impl Selection {
    /// Adds an expression once and says where it stands.
    fn add(&mut self, dialect: &dyn Dialect, expression: &str, column: &ColumnFacts) -> usize {
        self.add_readable(dialect.readable(expression, column), column)
    }

    fn add_readable(&mut self, readable: String, column: &ColumnFacts) -> usize {
        if let Some(index) = self.expressions.iter().position(|known| *known == readable) {
            return index;
        }
        self.expressions.push(readable);
        self.columns.push(column.clone());
        self.expressions.len() - 1
    }

    /// Where the expression stands, as [`Dialect::readable`] writes it.
    pub(super) fn position(&self, expression: &str) -> Option<usize> {
        self.expressions
            .iter()
            .position(|known| known == expression)
    }

    pub(crate) fn list(&self) -> String {
        self.expressions.join(", ")
    }

    /// The key's columns alone.
    pub(crate) fn key_list(&self) -> String {
        let key = self.key.iter().map(|&at| self.expressions[at].as_str());
        key.collect::<Vec<_>>().join(", ")
    }

    /// Types the values of a row as their columns.
    pub(crate) fn adopt(&self, dialect: &dyn Dialect, row: Row) -> Row {
        row.into_iter()
            .zip(&self.columns)
            .map(|(value, column)| dialect.adopt(value, column))
            .collect()
    }
}

pub(super) fn own(column: &str) -> String {
    expression(&ColumnRef {
        join: None,
        column: column.to_owned(),
    })
}

impl Selection {
    pub(super) fn add_own(
        &mut self,
        text: &StageText<'_>,
        column: &str,
    ) -> Result<usize, StoreError> {
        let facts = text.own_column(column)?;
        Ok(self.add(text.dialect, &own(column), facts))
    }

    /// Adds a column of which only the value counts, not how the database fills it up.
    pub(super) fn add_unpadded(
        &mut self,
        text: &StageText<'_>,
        column: &str,
    ) -> Result<usize, StoreError> {
        let facts = text.own_column(column)?;
        let unpadded = text.dialect.unpadded(&own(column), facts);
        Ok(self.add_readable(unpadded, facts))
    }

    /// Adds whether `condition` is met: 1 or 0.
    pub(super) fn add_flag(&mut self, text: &StageText<'_>, condition: &str) -> usize {
        let facts = ColumnFacts {
            name: "flag".to_owned(),
            column_type: ColumnType::Int { bits: 32 },
            type_name: "integer".to_owned(),
            nullable: false,
            generated: false,
            family: "number".to_owned(),
            has_equality: true,
            collation: None,
        };
        let flag = format!("case when {condition} then 1 else 0 end");
        self.add(text.dialect, &flag, &facts)
    }

    /// Adds what the rule of the text's stage reads.
    pub(super) fn add_rule(&mut self, text: &StageText<'_>) -> Result<RuleColumns, StoreError> {
        let mut rule = RuleColumns::default();
        for (index, source) in text.stage.sources.iter().enumerate() {
            rule.starts.push(self.add_ref(text, &source.starts_at)?);
            rule.types.push(text.start_type(index)?);
            rule.conditions.push(match &source.applies_when {
                Some(condition) => Some(self.add_text(text, &condition.column)?),
                None => None,
            });
        }
        Ok(rule)
    }

    fn add_ref(&mut self, text: &StageText<'_>, column: &ColumnRef) -> Result<usize, StoreError> {
        let facts = text
            .tables
            .resolve(text.job, column)
            .ok_or_else(|| missing(&text.job.table.to_string(), &column.to_string()))?;
        Ok(self.add(text.dialect, &expression(column), facts))
    }

    /// Adds a column in the text form that conditions compare.
    fn add_text(&mut self, text: &StageText<'_>, column: &ColumnRef) -> Result<usize, StoreError> {
        let facts = text
            .tables
            .resolve(text.job, column)
            .ok_or_else(|| missing(&text.job.table.to_string(), &column.to_string()))?;
        let as_text = ColumnFacts {
            column_type: ColumnType::Text { characters: None },
            ..facts.clone()
        };
        let expression = text.dialect.text_of(&expression(column));
        Ok(self.add(text.dialect, &expression, &as_text))
    }
}

pub(super) fn select(text: &StageText<'_>) -> Result<Selection, StoreError> {
    let mut selection = Selection::default();
    for column in &text.job.key {
        let at = selection.add_own(text, column)?;
        selection.key.push(at);
    }
    selection.subject = selection.add_own(text, &text.job.subject.column)?;
    if let ClientSource::Column(column) = &text.job.client {
        selection.client = Some(selection.add_own(text, column)?);
    }
    let rule = selection.add_rule(text)?;
    selection.starts = rule.starts;
    selection.conditions = rule.conditions;
    Ok(selection)
}
