//! What does not fit into a log's story, in sentences.

use jiff::Timestamp;
use thiserror::Error;

use crate::log::entry::EntryError;

/// What is wrong with one entry.
#[derive(Debug, Error)]
pub enum Problem {
    #[error("the entry cannot be read: {0}")]
    Unreadable(EntryError),
    #[error("the certificate does not say that it is in a log")]
    NoPlace,
    #[error("the entry says that it belongs to the log `{0}`")]
    Origin(String),
    #[error("the entry says that it is entry {said}: one was left out or added")]
    Index { said: u64 },
    #[error("the entry does not quote the head of the log before it: what precedes it was changed")]
    PreviousCheckpoint,
    #[error("the entry is of {at}, but one before it is of {last}")]
    BackInTime { at: Timestamp, last: Timestamp },
    #[error("the entry belongs to another client than the first entry of the log")]
    Client,
    #[error("the run was planned before, at {first}")]
    RunPlannedTwice { first: u64 },
    #[error(
        "the plan has the targets of entry {index}, which is no plan before it that names as many"
    )]
    NotLikeAPlan { index: u64 },
    #[error("the entry closes no plan: nothing was announced before the removal")]
    NoPlan,
    #[error("the entry closes entry {index}, which is no plan before it")]
    NotAPlan { index: u64 },
    #[error("the plan {plan} was closed before, by entry {first}")]
    ClosedTwice { plan: u64, first: u64 },
    #[error("the entry names entry {index} with another digest than it has")]
    OtherPayload { index: u64 },
    #[error("the plan {plan} is about another run")]
    OtherRun { plan: u64 },
    #[error("target {target} of the certificate is not in the plan {plan}, or with another rule")]
    NotPlanned { plan: u64, target: u16 },
    #[error("the entry ends entry {index}, which is no suspension before it")]
    NotASuspension { index: u64 },
    #[error("the suspension {index} had ended before")]
    ResumedTwice { index: u64 },
}
