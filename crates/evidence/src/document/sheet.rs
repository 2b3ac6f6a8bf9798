//! What a sheet is made of: texts in one language, without any layout.

use serde::Serialize;

/// One document in one language.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Sheet {
    /// BCP 47.
    pub lang: &'static str,
    pub title: &'static str,
    /// The title in the other language.
    pub subtitle: &'static str,
    /// Number and date of issue.
    pub numbers: Vec<Fact>,
    /// To whom it is addressed: `株式会社例示ラーニング 御中`.
    pub addressee: String,
    pub addressee_facts: Vec<Fact>,
    /// What must not be overlooked.
    pub warnings: Vec<Warning>,
    /// What is certified, in one sentence.
    pub declaration: String,
    /// The word above the issuer.
    pub issuer_label: &'static str,
    pub issuer: Vec<Fact>,
    /// The caption of the place for a stamp, if there is one.
    pub stamp: Option<&'static str>,
    pub sections: Vec<Section>,
    /// The section at the end that stands beside the code.
    pub proof: Section,
    /// What the code in the corner is.
    pub code_label: &'static str,
    /// That the page is for reading, and the attached data is the evidence.
    pub notice: &'static str,
    /// The words on the link to the attached data.
    pub attachment_label: &'static str,
    /// The word before the number of a page.
    pub page_label: &'static str,
}

/// A label and what belongs to it.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Fact {
    pub label: &'static str,
    pub value: String,
    /// Whether the value is for machines: a digest, an identifier.
    pub is_code: bool,
}

/// Something that must not be overlooked.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    pub title: &'static str,
    pub text: &'static str,
    /// Whether the sheet is not to be taken without it.
    pub is_alarm: bool,
}

/// A part of a sheet.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Section {
    pub heading: &'static str,
    pub blocks: Vec<Block>,
}

/// A piece of a section.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "content", rename_all = "kebab-case")]
pub enum Block {
    Text(String),
    /// Points without an order.
    Points(Vec<&'static str>),
    /// Steps in their order.
    Steps(Vec<String>),
    Facts(Vec<Fact>),
    Table(Table),
    /// Commands, line by line.
    Commands(&'static str),
}

/// Rows under heads.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Table {
    pub caption: &'static str,
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
}

/// A column of a table.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Column {
    pub label: &'static str,
    /// Whether it holds numbers.
    pub is_number: bool,
    /// Share of the width.
    pub share: u8,
}

/// A row of a table; its first cell names it.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    pub cells: Vec<String>,
    /// Whether it sums up the rows above it.
    pub is_total: bool,
}

impl Fact {
    pub(super) fn new(label: &'static str, value: impl Into<String>) -> Self {
        Self {
            label,
            value: value.into(),
            is_code: false,
        }
    }

    pub(super) fn code(label: &'static str, value: impl Into<String>) -> Self {
        Self {
            is_code: true,
            ..Self::new(label, value)
        }
    }
}

impl Column {
    pub(super) const fn text(label: &'static str, share: u8) -> Self {
        Self {
            label,
            is_number: false,
            share,
        }
    }

    pub(super) const fn number(label: &'static str, share: u8) -> Self {
        Self {
            is_number: true,
            ..Self::text(label, share)
        }
    }
}

impl Row {
    pub(super) fn new(cells: impl IntoIterator<Item = String>) -> Self {
        Self {
            cells: cells.into_iter().collect(),
            is_total: false,
        }
    }

    pub(super) fn total(cells: impl IntoIterator<Item = String>) -> Self {
        Self {
            is_total: true,
            ..Self::new(cells)
        }
    }
}
