//! One look at a published log: its head, whether it continues what was seen, its whole story.

use std::collections::BTreeSet;
use std::sync::Arc;

use kigen_evidence::log::checkpoint::{Checkpoint, CheckpointError};
use kigen_evidence::log::history::HistoryReport;
use kigen_evidence::log::note::{Note, NoteError};
use kigen_evidence::log::vkey::NoteKey;
use kigen_evidence::merkle::{self, Hash};
use thiserror::Error;

use super::held::Held;
use crate::archive::{Archive, PublishError};
use crate::verify::{PublishedProblem, ReadLog, VerifyError, read_log};

const CHECKPOINT: &str = "checkpoint";

/// A published log, and who may sign its heads.
pub struct WatchedLog {
    pub place: Arc<dyn Archive>,
    /// The folder of `checkpoint` and `tile` in the place.
    pub folder: String,
    /// The keys of the log, got by another way than the place; all of one name.
    pub keys: Vec<NoteKey>,
}

/// A head that may be cosigned.
#[derive(Debug)]
pub struct Seen {
    /// The head and the log's signature alone.
    pub note: Note,
    pub checkpoint: Checkpoint,
    /// What the entries amount to.
    pub report: HistoryReport,
}

/// Why a head is not cosigned.
#[derive(Debug, Error)]
pub enum LookError {
    #[error(transparent)]
    Place(#[from] PublishError),
    #[error("read the log: the work was broken off")]
    BrokenOff,
    #[error("`{path}` is missing: there is no head to be cosigned")]
    NoHead { path: String },
    #[error("the head does not hold: {0}")]
    Note(#[from] NoteError),
    #[error("the head is no checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    #[error("the head is about `{origin}`, and not about the log `{log}`")]
    OtherLog { origin: String, log: String },
    #[error("the log was rolled back: it shows {shown} entries, and {held} were cosigned")]
    RolledBack {
        held: u64,
        shown: u64,
        note: Box<Note>,
    },
    #[error("the log shows another tree of {size} entries than the one that was cosigned")]
    Split { size: u64, note: Box<Note> },
    #[error("the log was rewritten: its first {held} entries are not those that were cosigned")]
    Rewritten { held: u64, note: Box<Note> },
    #[error("the log is not whole: {0}")]
    NotWhole(PublishedProblem),
    #[error("the {size} entries that are published do not have the root that was signed")]
    OtherRoot { size: u64 },
    #[error("the log tells no whole story: entry {index}: {problem}{}", and_others(*.more))]
    Story {
        index: u64,
        problem: String,
        /// How many other problems there are.
        more: usize,
    },
}

fn and_others(more: usize) -> String {
    match more {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    }
}

impl LookError {
    /// The head that contradicts the one that was cosigned, if that is what is wrong.
    pub fn contradicting(&self) -> Option<&Note> {
        match self {
            Self::RolledBack { note, .. }
            | Self::Split { note, .. }
            | Self::Rewritten { note, .. } => Some(note),
            Self::Place(_)
            | Self::BrokenOff
            | Self::NoHead { .. }
            | Self::Note(_)
            | Self::Checkpoint(_)
            | Self::OtherLog { .. }
            | Self::NotWhole(_)
            | Self::OtherRoot { .. }
            | Self::Story { .. } => None,
        }
    }
}

impl From<VerifyError> for LookError {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Place(error) => Self::Place(error),
            VerifyError::NoKeys { .. } | VerifyError::BrokenOff => Self::BrokenOff,
        }
    }
}

impl WatchedLog {
    /// Reads the head and every entry, and compares them with what is `held`.
    ///
    /// Where the head is the one that is held, nothing else is read: `None`.
    pub async fn look(&self, held: Option<&Held>) -> Result<Option<Seen>, LookError> {
        let (note, checkpoint) = self.head().await?;
        if let Some(held) = held {
            let (before, now) = (held.checkpoint.size(), checkpoint.size());
            if now < before {
                return Err(LookError::RolledBack {
                    held: before,
                    shown: now,
                    note: Box::new(note),
                });
            }
            if now == before && checkpoint != held.checkpoint {
                return Err(LookError::Split {
                    size: now,
                    note: Box::new(note),
                });
            }
            if now == before {
                return Ok(None);
            }
        }
        let report = self.entries(&note, &checkpoint, held).await?;
        Ok(Some(Seen {
            note,
            checkpoint,
            report,
        }))
    }

    async fn head(&self) -> Result<(Note, Checkpoint), LookError> {
        let path = format!("{}/{CHECKPOINT}", self.folder);
        let missing = || LookError::NoHead {
            path: self.place.locate(&path),
        };
        let bytes = self.place.get(&path).await?.ok_or_else(missing)?;
        let text = String::from_utf8(bytes).map_err(|_| NoteError::Text)?;
        let note: Note = text.parse()?;
        let opened = note.open(&self.keys)?;
        let checkpoint = Checkpoint::read(&opened)?;
        if self
            .keys
            .iter()
            .all(|key| key.name() != checkpoint.origin())
        {
            return Err(LookError::OtherLog {
                origin: checkpoint.origin().to_owned(),
                log: self.keys.first().map_or("", NoteKey::name).to_owned(),
            });
        }
        Ok((note.by(&self.keys), checkpoint))
    }

    /// The whole story, from the first entry on: that the log continues what is held, that nothing
    /// is missing, and that its entries fit together.
    async fn entries(
        &self,
        note: &Note,
        head: &Checkpoint,
        held: Option<&Held>,
    ) -> Result<HistoryReport, LookError> {
        let sizes: BTreeSet<u64> = held.iter().map(|held| held.checkpoint.size()).collect();
        let (place, folder) = (Arc::clone(&self.place), self.folder.clone());
        let read = match read_log(place, folder, head, sizes).await? {
            Ok(read) => read,
            Err(problem) => return Err(LookError::NotWhole(problem)),
        };
        if read.report.size != head.size() || read.report.root != *head.root() {
            return Err(LookError::OtherRoot { size: head.size() });
        }
        if let Some(held) = held
            && !continues(&held.checkpoint, head, &read)
        {
            return Err(LookError::Rewritten {
                held: held.checkpoint.size(),
                note: Box::new(note.clone()),
            });
        }
        if let Some((index, problem)) = read.report.problems.first() {
            return Err(LookError::Story {
                index: *index,
                problem: problem.to_string(),
                more: read.report.problems.len() - 1,
            });
        }
        Ok(read.report)
    }
}

/// Whether the tree under `head`, whose leaves were read, continues the one under `held`: by its root
/// at that size, and by the proof of consistency that others would check.
fn continues(held: &Checkpoint, head: &Checkpoint, read: &ReadLog) -> bool {
    let (older, size): (u64, u64) = (held.size(), head.size());
    let (older_root, root): (&Hash, &Hash) = (held.root(), head.root());
    let Ok(proof) = merkle::consistency_proof(&read.hashes, older) else {
        return false;
    };
    read.roots.get(&older) == Some(older_root)
        && merkle::verify_consistency(older, older_root, size, root, &proof).is_ok()
}
