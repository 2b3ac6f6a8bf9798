//! A TOML text with the places of its values, so that a problem can say where it is.

use std::fmt;
use std::ops::Range;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Excerpt, Problem, Problems, structure};

/// A place in a document's structure: `stage[0].purpose[1].period`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

impl Path {
    /// The path of a key at the top of the document.
    pub fn of(key: &str) -> Self {
        Self::default().key(key)
    }

    /// The path of `key` in the table at this path.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.with(Step::Key(key.to_owned()))
    }

    /// The path of element `index` in the array at this path.
    #[must_use]
    pub fn at(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_bare = |key: &str| {
            key.chars()
                .all(|character| character.is_ascii_alphanumeric() || "-_".contains(character))
        };
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => {
                    if position > 0 {
                        f.write_str(".")?;
                    }
                    if is_bare(key) {
                        f.write_str(key)?;
                    } else {
                        write!(f, "{key:?}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Whether a file's own text may be repeated in messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quoting {
    /// Nothing in it is secret.
    Allowed,
    /// A value may be a secret that was put in the wrong place: only keys are repeated.
    KeysOnly,
}

/// A parsed TOML text.
pub struct Document<'t> {
    file: &'t str,
    text: &'t str,
    quoting: Quoting,
    root: Spanned<DeValue<'t>>,
}

/// What a place means: the value, or the key that names it.
#[derive(Clone, Copy)]
enum Part {
    Value,
    Key,
}

impl<'t> Document<'t> {
    /// Parses `text`; all errors of syntax at once.
    pub fn parse(file: &'t str, text: &'t str, quoting: Quoting) -> Result<Self, Problems> {
        let (table, errors) = DeTable::parse_recoverable(text);
        let span = table.span();
        let document = Self {
            file,
            text,
            quoting,
            root: Spanned::new(span, DeValue::Table(table.into_inner())),
        };
        let mut problems = Problems::default();
        for error in errors {
            let message = format!("this is not TOML: {}", error.message());
            let span = error.span().unwrap_or(0..0);
            let problem = document.problem_at(span, &Path::default(), message);
            // What follows on the same line mostly follows from it.
            let is_first = !problems.0.iter().any(|other| other.line == problem.line);
            if is_first {
                problems.0.push(problem);
            }
        }
        problems.or(document)
    }

    /// Reads the document as `T`, whose derived schema is the one description of the format.
    ///
    /// All unknown keys, missing keys, wrong types and unknown words at once.
    pub fn read<T: DeserializeOwned + JsonSchema>(&self) -> Result<T, Problems> {
        structure::read(self)
    }

    /// The whole number at `path`, if there is one.
    pub fn integer(&self, path: &Path) -> Option<i64> {
        let mut here = self.root.get_ref();
        for step in &path.0 {
            here = match step {
                Step::Key(key) => here.get(key.as_str())?.get_ref(),
                Step::Index(index) => here.get(*index)?.get_ref(),
            };
        }
        let integer = here.as_integer()?;
        i64::from_str_radix(integer.as_str(), integer.radix()).ok()
    }

    /// A problem with the value at `path`, or with the nearest table around it that is there.
    pub fn problem(&self, path: &Path, message: impl Into<String>) -> Problem {
        self.problem_at(self.span(path, Part::Value), path, message)
    }

    /// A problem with the key at the end of `path` itself.
    pub fn key_problem(&self, path: &Path, message: impl Into<String>) -> Problem {
        self.problem_at(self.span(path, Part::Key), path, message)
    }

    pub(super) fn root(&self) -> &Spanned<DeValue<'t>> {
        &self.root
    }

    pub(super) fn quoting(&self) -> Quoting {
        self.quoting
    }

    fn span(&self, path: &Path, part: Part) -> Range<usize> {
        let mut here = &self.root;
        let mut span = here.span();
        for step in &path.0 {
            let (key_span, next) = match step {
                Step::Index(index) => (None, here.get_ref().get(*index)),
                Step::Key(key) => {
                    let table = here.get_ref().as_table();
                    let entry = table.and_then(|table| table.get_key_value(key.as_str()));
                    (
                        entry.map(|(key, _)| key.span()),
                        entry.map(|(_, value)| value),
                    )
                }
            };
            let Some(next) = next else {
                return span;
            };
            here = next;
            span = match (part, key_span) {
                (Part::Key, Some(key_span)) => key_span,
                (Part::Key, None) | (Part::Value, _) => next.span(),
            };
        }
        span
    }

    fn problem_at(&self, span: Range<usize>, path: &Path, message: impl Into<String>) -> Problem {
        let start = floor(self.text, span.start);
        let line_start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = self.text[start..]
            .find('\n')
            .map_or(self.text.len(), |at| start + at);
        let line = &self.text[line_start..line_end];
        let before = self.text[line_start..start].chars().count();
        let end = floor(self.text, span.end).clamp(start, line_end);
        let excerpt = Excerpt {
            text: line.trim_end_matches('\r').to_owned(),
            before,
            length: self.text[start..end].chars().count().max(1),
        };
        let line_number = 1 + self.text[..start].matches('\n').count();
        let of_the_whole_file = span.is_empty() && span.start == 0;
        Problem {
            file: self.file.to_owned(),
            line: u32::try_from(line_number).ok(),
            column: u32::try_from(before + 1).ok(),
            path: path.to_string(),
            message: message.into(),
            hint: None,
            excerpt: match self.quoting {
                Quoting::Allowed if !of_the_whole_file => Some(excerpt),
                Quoting::Allowed | Quoting::KeysOnly => None,
            },
        }
    }
}

/// The nearest place at or before `at` that does not split a character.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
