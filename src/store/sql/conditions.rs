//! The words of conditions against the columns that hold them: a word that no row can hold would
//! silently drop its purpose, and so would one that the rows spell in another way.

use std::collections::{BTreeMap, BTreeSet};

use kigen_evidence::value::Value;

use super::catalog::{ColumnFacts, ColumnType};
use super::columns::Tables;
use super::dialect::Dialect;
use super::survey::count;
use crate::database::dialect::quote;
use crate::database::session::{Row, SqlSession};
use crate::database::statement::{Statement, Values};
use crate::guard::{self, Guard};
use crate::job::spelling::folded;
use crate::job::{ColumnRef, Condition, Job, TableName};
use crate::store::Fit;
use crate::store::error::StoreError;

/// A column that conditions of the job read.
struct Read<'a> {
    table: &'a TableName,
    /// The table as statements write it.
    relation: String,
    column: &'a ColumnFacts,
    /// Each word that some condition names on it, with what it does not fit.
    words: BTreeMap<&'a str, Word>,
    /// Rows that hold something else.
    others: u64,
}

#[derive(Default)]
struct Word {
    /// What the column would hold in its place, where that is not the word itself.
    held_as: Option<HeldAs>,
    /// Rows that hold the word.
    rows: u64,
    /// Rows that hold another spelling of it, which no condition names.
    misspelt: u64,
}

enum HeldAs {
    /// The word in the database's own spelling.
    Text(String),
    /// Nothing: the type refuses it.
    Nothing,
}

/// Compares the words of all conditions of `job`. The session has a read transaction open.
pub(crate) async fn compare(
    session: &mut dyn SqlSession,
    dialect: &dyn Dialect,
    job: &Job,
    tables: &Tables,
    fit: &mut Fit,
) -> Result<(), StoreError> {
    if !guard::stands(Guard::ConditionsCanHold) {
        return Ok(());
    }
    let columns: BTreeSet<&ColumnRef> = conditions(job)
        .map(|(_, condition)| &condition.column)
        .collect();
    for column in columns {
        let (Some(table), Some(facts)) =
            (Tables::table_of(job, column), tables.resolve(job, column))
        else {
            continue;
        };
        let words = conditions(job)
            .filter(|(_, condition)| &condition.column == column)
            .flat_map(|(_, condition)| &condition.values)
            .map(|word| (word.as_str(), Word::default()));
        let mut read = Read {
            table,
            relation: tables.sql(table),
            column: facts,
            words: words.collect(),
            others: 0,
        };
        for (word, found) in &mut read.words {
            found.held_as = held_as(session, dialect, facts, word).await?;
        }
        read.count_rows(session, dialect).await?;
        for (purpose, condition) in conditions(job) {
            if &condition.column == column {
                read.report(purpose, condition, fit);
            }
        }
    }
    Ok(())
}

fn conditions(job: &Job) -> impl Iterator<Item = (&str, &Condition)> {
    let purposes = job
        .stages
        .iter()
        .flat_map(|stage| stage.rule.purposes.iter().zip(&stage.sources));
    purposes.filter_map(|(purpose, source)| {
        let condition = source.applies_when.as_ref()?;
        Some((purpose.name.as_str(), condition))
    })
}

/// What `column` would hold in place of `word`, where that is not the word itself: the database is
/// asked to read it as the column's type, and to write it as conditions read it.
async fn held_as(
    session: &mut dyn SqlSession,
    dialect: &dyn Dialect,
    column: &ColumnFacts,
    word: &str,
) -> Result<Option<HeldAs>, StoreError> {
    let doing = format!(
        "read a word of a condition as the type of `{}`",
        column.name
    );
    let plain = |sql: &'static str| Statement::plain(doing.clone(), sql);
    let mut values = Values::default();
    let bound = values.bind(word).to_string();
    let held = format!("select {}", dialect.as_held(&bound, word, column));
    let statement = Statement::new(doing.clone(), held, values);
    session.execute(&plain("savepoint kigen_word")).await?;
    let answer = session.query(&statement).await.map_err(StoreError::from);
    let back = match answer {
        Ok(_) => "release savepoint kigen_word",
        Err(_) => "rollback to savepoint kigen_word",
    };
    session.execute(&plain(back)).await?;
    match answer {
        Ok(rows) => {
            let value = rows.first().and_then(|row| row.first());
            let Some(text) = value.and_then(Value::store_text) else {
                return Ok(Some(HeldAs::Nothing));
            };
            Ok((text != word).then_some(HeldAs::Text(text)))
        }
        Err(StoreError::Failed { .. }) => Ok(Some(HeldAs::Nothing)),
        Err(error) => Err(error),
    }
}

impl Read<'_> {
    /// Counts the rows by what they hold, one value after the other.
    async fn count_rows(
        &mut self,
        session: &mut dyn SqlSession,
        dialect: &dyn Dialect,
    ) -> Result<(), StoreError> {
        let column = format!("t.{}", quote(&self.column.name));
        let sql = format!(
            "select {} as w, count(*) from {} as t where {column} is not null group by 1",
            dialect.text_of(&column),
            self.relation
        );
        let doing = format!(
            "count the rows by `{}` of `{}`",
            self.column.name, self.table
        );
        let mut sink = |row: Row| {
            let text = row.first().and_then(Value::store_text).unwrap_or_default();
            let rows = row.get(1).and_then(count).unwrap_or_default();
            self.count(&text, rows);
            Ok(())
        };
        session
            .stream(&Statement::plain(doing, sql), &mut sink)
            .await
    }

    fn count(&mut self, text: &str, rows: u64) {
        if let Some(word) = self.words.get_mut(text) {
            word.rows += rows;
            return;
        }
        self.others += rows;
        let spelling = self.spelling(text);
        let spellings: Vec<&str> = self
            .words
            .keys()
            .copied()
            .filter(|word| self.spelling(word) == spelling)
            .collect();
        for word in spellings {
            if let Some(word) = self.words.get_mut(word) {
                word.misspelt += rows;
            }
        }
    }

    /// What `text` has in common with every other spelling of it.
    fn spelling(&self, text: &str) -> String {
        let folded = folded(text);
        if self.column.column_type != ColumnType::Bool {
            return folded;
        }
        match folded.as_str() {
            "1" | "t" | "true" | "y" | "yes" | "on" => "true".to_owned(),
            "0" | "f" | "false" | "n" | "no" | "off" => "false".to_owned(),
            _ => folded,
        }
    }

    /// Says what is wrong with the words of one purpose's condition, and which of them no row holds.
    fn report(&self, purpose: &str, condition: &Condition, fit: &mut Fit) {
        let column = format!("`{}` of `{}`", self.column.name, self.table);
        let words = condition.values.iter();
        let words = words.filter_map(|text| Some((text, self.words.get(text.as_str())?)));
        let mut unheld = Vec::new();
        let mut rows = 0;
        for (text, word) in words {
            rows += word.rows;
            if let Some(problem) = self.problem(text, word, &column) {
                fit.problems.push(format!("purpose `{purpose}`: {problem}"));
            } else if word.rows == 0 {
                unheld.push(format!("`{text}`"));
            }
        }
        let unheld = unheld.join(", ");
        if condition.negated && self.others == 0 && rows > 0 {
            fit.warnings.push(format!(
                "purpose `{purpose}` surely applies to no row: all {rows} rows hold a value that its condition leaves out, in {column}"
            ));
        } else if !condition.negated && rows == 0 && !unheld.is_empty() && self.others > 0 {
            fit.warnings.push(format!(
                "purpose `{purpose}` surely applies to no row: no row holds {unheld} in {column}; {} rows hold other values",
                self.others
            ));
        } else if !unheld.is_empty() && self.others + rows > 0 {
            fit.warnings.push(format!(
                "purpose `{purpose}`: no row holds {unheld} in {column}"
            ));
        }
    }

    fn problem(&self, text: &str, word: &Word, column: &str) -> Option<String> {
        let shows = format!(
            "`select distinct {} from {}` shows",
            quote(&self.column.name),
            self.relation
        );
        let type_name = &self.column.type_name;
        match &word.held_as {
            Some(HeldAs::Text(held_as)) if word.rows == 0 => {
                return Some(format!(
                    "no row can hold `{text}` in {column} (type `{type_name}`)\nhint: the database writes it `{held_as}`"
                ));
            }
            Some(HeldAs::Nothing) if word.rows == 0 => {
                return Some(format!(
                    "no row can hold `{text}` in {column}: it is no value of type `{type_name}`\nhint: write the value as the database does: {shows} those that it has"
                ));
            }
            Some(HeldAs::Text(_) | HeldAs::Nothing) | None => {}
        }
        (word.misspelt > 0).then(|| {
            format!(
                "{} rows hold `{text}` in another spelling in {column} (case, width, blanks or Unicode form), and the condition does not mean them\nhint: name that spelling in a condition, too, or mend the rows: {shows} it",
                word.misspelt
            )
        })
    }
}
