//! Whom a verifier trusts: the logs, the witnesses, and how many of them, after C2SP tlog-policy.

mod parse;
#[cfg(test)]
mod tests;

use thiserror::Error;

use super::checkpoint::{Checkpoint, CheckpointError};
use super::note::{Note, NoteError};
use super::vkey::NoteKey;

pub use parse::{PolicyError, PolicyProblem};

/// A policy file, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<NoteKey>,
    /// Witnesses and groups in the order of their lines; members stand before their groups.
    voters: Vec<Voter>,
    quorum: Quorum,
}

/// Who has to cosign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quorum {
    Nobody,
    /// The voter at this place.
    Voter(usize),
}

/// What a quorum is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Voter {
    name: String,
    kind: VoterKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum VoterKind {
    Witness(NoteKey),
    Group {
        threshold: usize,
        members: Vec<usize>,
    },
}

/// A checkpoint that satisfies a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    pub checkpoint: Checkpoint,
    /// The log whose signature holds.
    pub log: NoteKey,
    /// The witnesses whose cosignatures hold, in the order of the policy.
    pub witnesses: Vec<Witnessed>,
}

/// A witness's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnessed {
    /// The witness's name in the policy.
    pub name: String,
    /// When it saw the checkpoint, in seconds since 1970-01-01T00:00:00Z.
    pub time: u64,
}

/// Why a checkpoint does not satisfy a policy.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PolicyRefusal {
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error("no log of the policy has signed the checkpoint")]
    NoLog,
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("the checkpoint is about `{origin}`, and not about the log `{log}` that signed it")]
    Origin { origin: String, log: String },
    #[error("the quorum `{quorum}` is not reached; cosigned: {}", names(.cosigned))]
    Quorum {
        quorum: String,
        cosigned: Vec<String>,
    },
}

impl Policy {
    /// The keys of the logs.
    pub fn logs(&self) -> &[NoteKey] {
        &self.logs
    }

    /// The keys of the witnesses.
    pub fn witnesses(&self) -> impl Iterator<Item = &NoteKey> {
        self.voters.iter().filter_map(|voter| match &voter.kind {
            VoterKind::Witness(key) => Some(key),
            VoterKind::Group { .. } => None,
        })
    }

    /// Accepts the signed checkpoint `note` if a log and enough witnesses stand by it.
    pub fn accept(&self, note: &Note) -> Result<Accepted, PolicyRefusal> {
        let keys: Vec<NoteKey> = self.logs.iter().chain(self.witnesses()).cloned().collect();
        let opened = note.open(&keys)?;
        let signed = |key: &NoteKey| opened.signers().iter().find(|signer| signer.key == *key);
        let mut logs = self.logs.iter().filter(|key| signed(key).is_some());
        let log = logs.next().ok_or(PolicyRefusal::NoLog)?;
        let checkpoint = Checkpoint::read(&opened)?;
        if checkpoint.origin() != log.name() {
            return Err(PolicyRefusal::Origin {
                origin: checkpoint.origin().to_owned(),
                log: log.name().to_owned(),
            });
        }
        let time_of = |key: &NoteKey| signed(key).and_then(|signer| signer.time);
        let witnesses = self.witnessed(time_of);
        self.check_quorum(&witnesses)?;
        Ok(Accepted {
            checkpoint,
            log: log.clone(),
            witnesses,
        })
    }

    fn witnessed(&self, time_of: impl Fn(&NoteKey) -> Option<u64>) -> Vec<Witnessed> {
        let mut witnesses = Vec::new();
        for voter in &self.voters {
            let time = match &voter.kind {
                VoterKind::Witness(key) => time_of(key),
                VoterKind::Group { .. } => None,
            };
            if let Some(time) = time {
                let name = voter.name.clone();
                witnesses.push(Witnessed { name, time });
            }
        }
        witnesses
    }

    fn check_quorum(&self, witnesses: &[Witnessed]) -> Result<(), PolicyRefusal> {
        let quorum = match self.quorum {
            Quorum::Nobody => return Ok(()),
            Quorum::Voter(place) => place,
        };
        let mut reached: Vec<bool> = Vec::with_capacity(self.voters.len());
        for voter in &self.voters {
            reached.push(match &voter.kind {
                VoterKind::Witness(_) => witnesses.iter().any(|other| other.name == voter.name),
                VoterKind::Group { threshold, members } => {
                    let number = members.iter().filter(|member| reached[**member]).count();
                    number >= *threshold
                }
            });
        }
        if reached[quorum] {
            return Ok(());
        }
        Err(PolicyRefusal::Quorum {
            quorum: self.voters[quorum].name.clone(),
            cosigned: witnesses.iter().map(|other| other.name.clone()).collect(),
        })
    }
}

fn names(names: &[String]) -> String {
    if names.is_empty() {
        return "nobody".to_owned();
    }
    names.join(", ")
}
