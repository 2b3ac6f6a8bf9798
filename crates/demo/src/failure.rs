//! Why a demonstration ended before its end.

/// What went wrong, and the exit code that says so.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) message: String,
}

impl Failure {
    /// What kigen ended with; it has said why.
    pub(crate) const fn of_kigen(code: u8, message: String) -> Self {
        Self { code, message }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self {
            code: kigen::exit::UNEXPECTED,
            message: format!("{error:#}"),
        }
    }
}
