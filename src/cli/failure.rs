//! What stops a command: one message and one documented exit code.

use crate::config::NoOrigin;
use crate::diagnostic::Problems;
use crate::exit;
use crate::ledger::error::LedgerError;
use crate::run::RunError;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: u8,
    /// Lower case, no period; hints on lines of their own.
    pub(super) message: String,
    /// All problems of files, if that is what it is.
    pub(super) problems: Option<Problems>,
}

impl Failure {
    pub(super) fn new(exit: u8, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            problems: None,
        }
    }

    /// Problems of files, all at once.
    pub(super) fn of_files(exit: u8, problems: Problems) -> Self {
        Self {
            exit,
            message: problems.to_string(),
            problems: Some(problems),
        }
    }

    /// The name of the exit code.
    pub(super) fn code(&self) -> &'static str {
        exit::ALL
            .iter()
            .find(|(code, ..)| *code == self.exit)
            .map_or("UNEXPECTED", |(_, name, _)| name)
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        Self::from(RunError::Ledger(error))
    }
}

impl From<NoOrigin> for Failure {
    fn from(error: NoOrigin) -> Self {
        Self::from(RunError::NoOrigin(error))
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        Self::new(error.exit(), error.to_string())
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(exit::UNEXPECTED, format!("{error:#}"))
    }
}
