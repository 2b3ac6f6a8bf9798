//! What a witness remembers of a log: the last head that it cosigned, with its own signature.
//!
//! Its own signature is what makes the file worth something: one that was altered, cut or taken
//! from another log is noticed.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use kigen_evidence::log::checkpoint::Checkpoint;
use kigen_evidence::log::note::{Note, NoteSignature};
use kigen_evidence::log::vkey::NoteKey;

/// The last head that a witness cosigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The head under the log's signature, and the witness's line.
    pub note: Note,
    pub checkpoint: Checkpoint,
}

/// Why a witness does not know what it cosigned last. Nothing is cosigned then.
#[derive(Debug, Error)]
pub enum HeldError {
    #[error(
        "there is no state at `{path}`: what was cosigned before is not known\nhint: bring the file back; `kigen witness add` begins anew, and whoever relied on this witness must be told"
    )]
    Missing { path: PathBuf },
    #[error(
        "there is a state at `{path}` already, and it stays as it is\nhint: `kigen witness cosign` goes on with it"
    )]
    Exists { path: PathBuf },
    #[error(
        "the state at `{path}` is damaged: {why}\nhint: bring it back from its copy; nothing was cosigned"
    )]
    Damaged { path: PathBuf, why: String },
    #[error("the state at `{path}` is about the log `{found}`, and not about `{wanted}`")]
    OtherLog {
        path: PathBuf,
        found: String,
        wanted: String,
    },
    #[error("cannot {doing} the state at `{path}`: {source}")]
    Io {
        doing: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

impl Held {
    /// Reads what the witness with the key `own` remembers at `path` of the log that `log` has signed.
    pub fn read(path: &Path, own: &NoteKey, log: &[NoteKey]) -> Result<Self, HeldError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let path = path.to_owned();
                return Err(HeldError::Missing { path });
            }
            Err(source) => return Err(failed("read", path, source)),
        };
        let damaged = |why: String| HeldError::Damaged {
            path: path.to_owned(),
            why,
        };
        let note: Note = text.parse().map_err(|error| damaged(format!("{error}")))?;
        let opened = note.open(std::slice::from_ref(own));
        let opened =
            opened.map_err(|error| damaged(format!("this witness did not sign it: {error}")))?;
        let checkpoint = Checkpoint::read(&opened).map_err(|error| damaged(error.to_string()))?;
        let of_log = |key: &NoteKey| key.name() == checkpoint.origin();
        if !log.iter().any(of_log) {
            return Err(HeldError::OtherLog {
                path: path.to_owned(),
                found: checkpoint.origin().to_owned(),
                wanted: log.first().map_or("", NoteKey::name).to_owned(),
            });
        }
        Ok(Self { note, checkpoint })
    }

    /// Refuses to begin where something is remembered already.
    pub fn expect_none(path: &Path) -> Result<(), HeldError> {
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(failed("look for", path, source)),
            Ok(_) => Err(HeldError::Exists {
                path: path.to_owned(),
            }),
        }
    }

    /// Remembers this, whole and durable on return: before the cosignature is handed out.
    pub fn write(&self, path: &Path) -> Result<(), HeldError> {
        replace(path, self.note.to_string().as_bytes())
            .map_err(|source| failed("write", path, source))
    }

    /// The line of the witness with the key `own`.
    pub fn cosignature(&self, own: &NoteKey) -> Option<&NoteSignature> {
        let mut lines = self.note.signatures().iter();
        lines.find(|line| line.name() == own.name() && line.id() == own.id())
    }
}

fn failed(doing: &'static str, path: &Path, source: io::Error) -> HeldError {
    HeldError::Io {
        doing,
        path: path.to_owned(),
        source,
    }
}

/// Replaces a file as a whole or not at all.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    let parent = parent.unwrap_or(Path::new("."));
    let mut unfinished = tempfile::NamedTempFile::new_in(parent)?;
    unfinished.write_all(bytes)?;
    unfinished.as_file().sync_all()?;
    unfinished.persist(path)?;
    File::open(parent)?.sync_all()
}
