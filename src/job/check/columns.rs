//! The classes of a table's columns.

use super::findings::Findings;
use super::names;
use crate::diagnostic::document::Path;
use crate::diagnostic::near_miss;
use crate::job::raw::RawColumns;
use crate::job::{ClassifiedColumn, ColumnClass};

/// Every column of one table, by class.
pub(super) struct Classified {
    columns: Vec<ClassifiedColumn>,
    /// How the table's list is called in messages: `[columns]`.
    list: String,
}

impl Classified {
    /// Reads the lists; a column in two of them, or twice in one, is a problem.
    pub(super) fn read(
        raw: &RawColumns,
        path: &Path,
        list: impl Into<String>,
        findings: &mut Findings,
    ) -> Self {
        let mut classified = Self {
            columns: Vec::new(),
            list: list.into(),
        };
        for (class, columns) in by_class(raw) {
            for (index, column) in columns.iter().enumerate() {
                let path = path.key(class_name(class)).at(index);
                classified.add(&path, column, class, findings);
            }
        }
        if classified.columns.is_empty() {
            let message = format!("{} names no column", classified.list);
            findings.hint(
                path,
                message,
                "every column of the table belongs into one class",
            );
        }
        classified
    }

    fn add(&mut self, path: &Path, column: &str, class: ColumnClass, findings: &mut Findings) {
        names::identifier(path, column, findings);
        if let Some(first) = self.class_of(column) {
            let first = class_name(first);
            findings.say(path, format!("`{column}` already has the class `{first}`"));
            return;
        }
        self.columns.push(ClassifiedColumn {
            column: column.to_owned(),
            class,
        });
    }

    pub(super) fn class_of(&self, column: &str) -> Option<ColumnClass> {
        self.columns
            .iter()
            .find(|classified| classified.column == column)
            .map(|classified| classified.class)
    }

    /// Checks that `column` is classified.
    pub(super) fn need(&self, path: &Path, column: &str, findings: &mut Findings) {
        if self.class_of(column).is_some() {
            return;
        }
        let message = format!("the column `{column}` has no class in {}", self.list);
        let known = self.columns.iter().map(|known| known.column.as_str());
        let hint = match near_miss::near_miss(column, known) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("add it to one of the lists of {}", self.list),
        };
        findings.hint(path, message, hint);
    }

    /// Checks that each of `columns` is classified and named once.
    pub(super) fn need_all(&self, path: &Path, columns: &[String], findings: &mut Findings) {
        for (index, column) in columns.iter().enumerate() {
            self.need(&path.at(index), column, findings);
        }
        let named = columns.iter().enumerate();
        let named = named.map(|(index, column)| (path.at(index), column.as_str()));
        names::unique("key column", named, findings);
    }

    pub(super) fn columns(&self) -> &[ClassifiedColumn] {
        &self.columns
    }

    pub(super) fn into_columns(self) -> Vec<ClassifiedColumn> {
        self.columns
    }
}

fn by_class(raw: &RawColumns) -> [(ColumnClass, &[String]); 7] {
    [
        (ColumnClass::DirectIdentifier, &raw.direct_identifier),
        (ColumnClass::IdentificationCode, &raw.identification_code),
        (ColumnClass::QuasiIdentifier, &raw.quasi_identifier),
        (ColumnClass::Financial, &raw.financial),
        (ColumnClass::Sensitive, &raw.sensitive),
        (ColumnClass::FreeText, &raw.free_text),
        (ColumnClass::NotPersonal, &raw.not_personal),
    ]
}

/// The class as job files write it.
pub(super) const fn class_name(class: ColumnClass) -> &'static str {
    match class {
        ColumnClass::DirectIdentifier => "direct-identifier",
        ColumnClass::IdentificationCode => "identification-code",
        ColumnClass::Financial => "financial",
        ColumnClass::QuasiIdentifier => "quasi-identifier",
        ColumnClass::Sensitive => "sensitive",
        ColumnClass::FreeText => "free-text",
        ColumnClass::NotPersonal => "not-personal",
    }
}
