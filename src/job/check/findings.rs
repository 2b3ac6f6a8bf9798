//! Where checks put what they find.

use crate::diagnostic::Problems;
use crate::diagnostic::document::{Document, Path};

/// The problems of one file so far.
pub(super) struct Findings<'d> {
    document: &'d Document<'d>,
    problems: Problems,
}

impl<'d> Findings<'d> {
    pub(super) fn new(document: &'d Document<'d>) -> Self {
        Self {
            document,
            problems: Problems::default(),
        }
    }

    /// Notes a problem with the value at `path`.
    pub(super) fn say(&mut self, path: &Path, message: impl Into<String>) {
        self.problems.0.push(self.document.problem(path, message));
    }

    /// Notes a problem with the value at `path`, and what can be done.
    pub(super) fn hint(
        &mut self,
        path: &Path,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let problem = self.document.problem(path, message).with_hint(hint);
        self.problems.0.push(problem);
    }

    /// Notes a problem with the value at `path`, and what can be done if anything is known.
    pub(super) fn maybe_hint(
        &mut self,
        path: &Path,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        let mut problem = self.document.problem(path, message);
        problem.hint = hint;
        self.problems.0.push(problem);
    }

    /// Notes a problem with a key itself, whatever its value.
    pub(super) fn key(&mut self, path: &Path, message: impl Into<String>, hint: &str) {
        let problem = self.document.key_problem(path, message).with_hint(hint);
        self.problems.0.push(problem);
    }

    /// How many problems there are so far.
    pub(super) fn count(&self) -> usize {
        self.problems.0.len()
    }

    /// Drops what was found after the first `count` problems, because it is told elsewhere.
    pub(super) fn forget_since(&mut self, count: usize) {
        self.problems.0.truncate(count);
    }

    pub(super) fn into_problems(self) -> Problems {
        self.problems
    }
}
