//! What is wrong with a file that people write, with its place and what to do about it.

use std::fmt;

use serde::Serialize;

pub mod document;
pub mod near_miss;
pub mod structure;

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file as it was named to us, or the folder for a problem of the folder itself.
    pub file: String,
    /// Line in the file, from 1.
    pub line: Option<u32>,
    /// Column in the line, in characters, from 1.
    pub column: Option<u32>,
    /// Where in the file's structure: `stage[0].purpose[1].period`. Empty for the whole file.
    pub path: String,
    /// What is wrong: lower case, no final period.
    pub message: String,
    /// What can be done about it.
    pub hint: Option<String>,
    /// The line it points at, for people. Never taken from files that may hold secrets.
    #[serde(skip)]
    pub excerpt: Option<Excerpt>,
}

impl Problem {
    /// A problem of a whole file or folder.
    pub fn of_file(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            line: None,
            column: None,
            path: String::new(),
            message: message.into(),
            hint: None,
            excerpt: None,
        }
    }

    /// The same problem with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A source line and the part of it that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The line, without its end.
    pub text: String,
    /// Characters of the line before the part that is meant.
    pub before: usize,
    /// Characters that are meant; at least one.
    pub length: usize,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
            if let Some(column) = self.column {
                write!(f, ":{column}")?;
            }
        }
        write!(f, ": {}", self.message)?;
        if let (Some(line), Some(excerpt)) = (self.line, &self.excerpt) {
            write!(f, "\n{line:5} | {}", excerpt.text.trim_end())?;
            write!(f, "\n      | {}", excerpt.underline())?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl Excerpt {
    /// Carets under the part that is meant. Wide characters are kept apart by wide blanks.
    fn underline(&self) -> String {
        let width = |character: char| if character.is_ascii() { 1 } else { 2 };
        let blank = |character: char| match character {
            '\t' => '\t',
            character if character.is_ascii() => ' ',
            _ => '\u{3000}',
        };
        let mut line: String = self.text.chars().take(self.before).map(blank).collect();
        let meant = self.text.chars().skip(self.before).take(self.length);
        let carets: usize = meant.map(width).sum();
        line.push_str(&"^".repeat(carets.max(1)));
        line
    }
}

/// Everything that is wrong, in the order of files and lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Sorts by file and place, so that people can work from top to bottom.
    pub fn sort(&mut self) {
        self.0.sort_by(|a, b| {
            let place = |problem: &Problem| (problem.line, problem.column);
            a.file.cmp(&b.file).then(place(a).cmp(&place(b)))
        });
    }

    /// `value` if nothing is wrong, else the problems in order.
    pub fn or<T>(mut self, value: T) -> Result<T, Self> {
        if self.0.is_empty() {
            return Ok(value);
        }
        self.sort();
        Err(self)
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Excerpt, Problem};

    #[test]
    fn a_problem_shows_its_place_under_wide_characters_too() {
        let mut problem = Problem::of_file("jobs/x.toml", "this is wrong").with_hint("do better");
        problem.line = Some(12);
        problem.column = Some(9);
        problem.excerpt = Some(Excerpt {
            text: "a = \"期限\", 3".to_owned(),
            before: 4,
            length: 4,
        });
        insta::assert_snapshot!(problem, @r#"
        jobs/x.toml:12:9: this is wrong
           12 | a = "期限", 3
              |     ^^^^^^
          hint: do better
        "#);
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!(json["line"], 12);
        assert!(json.get("excerpt").is_none());
    }
}
