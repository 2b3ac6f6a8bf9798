//! Two heads of one log that cannot both be true, kept as proof: both are signed by the log.

use std::path::{Path, PathBuf};
use std::{fmt, io};

use kigen_evidence::log::note::Note;
use sha2::{Digest, Sha256};

use super::held::{Held, replace};

/// The files in which both heads were kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    pub held: PathBuf,
    pub shown: PathBuf,
}

impl Contradiction {
    /// Keeps `held` and `shown` in files beside `state`. The same two give the same files.
    pub fn keep(state: &Path, held: &Held, shown: &Note) -> io::Result<Self> {
        let files = Self {
            held: beside(state, "held", &held.note),
            shown: beside(state, "shown", shown),
        };
        replace(&files.held, held.note.to_string().as_bytes())?;
        replace(&files.shown, shown.to_string().as_bytes())?;
        Ok(files)
    }
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "both heads are kept, in `{}` and `{}`: the log's own signatures prove that it told two stories",
            self.held.display(),
            self.shown.display()
        )
    }
}

/// `state.held-1a2b3c4d5e6f7a8b`: named after the text, so that no proof takes another one's place.
fn beside(state: &Path, what: &str, note: &Note) -> PathBuf {
    let digest = Sha256::digest(note.text());
    let mut name = state.as_os_str().to_owned();
    name.push(format!(".{what}-{}", hex::encode(&digest[..8])));
    PathBuf::from(name)
}
