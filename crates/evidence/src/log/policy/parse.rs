//! The lines of a policy file.

use std::collections::BTreeSet;
use std::str::FromStr;

use thiserror::Error;

use crate::log::vkey::{KeyType, NoteKey, NoteKeyError};

use super::{Policy, Quorum, Voter, VoterKind};

/// The most lines that say something: far more than the 96 that the specification asks for.
const MOST_LINES: usize = 1000;

/// The name of the quorum that asks for nothing.
const NONE: &str = "none";

/// Where a policy file is wrong, and how.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("policy, line {line}: {problem}")]
pub struct PolicyError {
    /// From 1; 0 for the file as a whole.
    pub line: usize,
    pub problem: PolicyProblem,
}

/// What is wrong with a line.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PolicyProblem {
    #[error("control characters other than tab and line end cannot stand in a policy")]
    ControlCharacter,
    #[error("the last line has no line end")]
    NoLineEnd,
    #[error("`{0}` is none of `log`, `witness`, `group`, `quorum`")]
    Keyword(String),
    #[error("the line is written as `{0}`")]
    Form(&'static str),
    #[error(transparent)]
    Key(#[from] NoteKeyError),
    #[error("a log's key is of type 1, a witness's of type 4")]
    KeyType,
    #[error("the same key stands on another line")]
    KeyTwice,
    #[error("the name `{0}` is taken")]
    NameTwice(String),
    #[error("`{0}` is not defined on a line before this one")]
    Unknown(String),
    #[error("`{0}` is a member of a group already")]
    MemberTwice(String),
    #[error("the threshold `{threshold}` is not `any`, `all` or a number from 1 to {members}")]
    Threshold { threshold: String, members: usize },
    #[error("there is more than one quorum line")]
    QuorumTwice,
    #[error("there is no quorum line\nhint: `quorum none` asks for no witness")]
    NoQuorum,
    #[error("more than {MOST_LINES} lines are not read")]
    TooMany,
}

impl FromStr for Policy {
    type Err = PolicyError;

    fn from_str(file: &str) -> Result<Self, PolicyError> {
        let whole = |problem| PolicyError { line: 0, problem };
        if !file.is_empty() && !file.ends_with('\n') {
            return Err(whole(PolicyProblem::NoLineEnd));
        }
        let mut reader = Reader::default();
        for (line, text) in (1..).zip(file.split_terminator('\n')) {
            reader
                .read(text)
                .map_err(|problem| PolicyError { line, problem })?;
        }
        let quorum = reader.quorum.ok_or(whole(PolicyProblem::NoQuorum))?;
        Ok(Self {
            logs: reader.logs,
            voters: reader.voters,
            quorum,
        })
    }
}

#[derive(Default)]
struct Reader {
    logs: Vec<NoteKey>,
    voters: Vec<Voter>,
    /// Voters that are members of a group.
    members: BTreeSet<usize>,
    quorum: Option<Quorum>,
    lines: usize,
}

impl Reader {
    fn read(&mut self, line: &str) -> Result<(), PolicyProblem> {
        let unfit = |byte: u8| byte != b'\t' && byte.is_ascii_control();
        if line.bytes().any(unfit) {
            return Err(PolicyProblem::ControlCharacter);
        }
        let words: Vec<&str> = line
            .split([' ', '\t'])
            .filter(|word| !word.is_empty())
            .collect();
        let Some((keyword, rest)) = words.split_first() else {
            return Ok(());
        };
        if keyword.starts_with('#') {
            return Ok(());
        }
        self.lines += 1;
        if self.lines > MOST_LINES {
            return Err(PolicyProblem::TooMany);
        }
        match *keyword {
            "log" => self.log(rest),
            "witness" => self.witness(rest),
            "group" => self.group(rest),
            "quorum" => self.quorum(rest),
            other => Err(PolicyProblem::Keyword(other.to_owned())),
        }
    }

    fn log(&mut self, words: &[&str]) -> Result<(), PolicyProblem> {
        let ([key] | [key, _]) = words else {
            return Err(PolicyProblem::Form("log <vkey> [<url>]"));
        };
        let key = read_key(key, KeyType::Note)?;
        if self.logs.iter().any(|other| other.key() == key.key()) {
            return Err(PolicyProblem::KeyTwice);
        }
        self.logs.push(key);
        Ok(())
    }

    fn witness(&mut self, words: &[&str]) -> Result<(), PolicyProblem> {
        let ([name, key] | [name, key, _]) = words else {
            return Err(PolicyProblem::Form("witness <name> <vkey> [<url>]"));
        };
        let key = read_key(key, KeyType::Cosignature)?;
        let is_same = |voter: &Voter| match &voter.kind {
            VoterKind::Witness(other) => other.key() == key.key(),
            VoterKind::Group { .. } => false,
        };
        if self.voters.iter().any(is_same) {
            return Err(PolicyProblem::KeyTwice);
        }
        self.define(name, VoterKind::Witness(key))
    }

    fn group(&mut self, words: &[&str]) -> Result<(), PolicyProblem> {
        let [name, threshold, names @ ..] = words else {
            return Err(PolicyProblem::Form("group <name> all|any|<k> <name>..."));
        };
        let mut members = Vec::with_capacity(names.len());
        for name in names {
            let member = self.place_of(name)?;
            if !self.members.insert(member) {
                return Err(PolicyProblem::MemberTwice((*name).to_owned()));
            }
            members.push(member);
        }
        let number = match *threshold {
            "any" => Some(1),
            "all" => Some(members.len()),
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
            _ => None,
        };
        let threshold = number
            .filter(|number| (1..=members.len()).contains(number))
            .ok_or_else(|| PolicyProblem::Threshold {
                threshold: (*threshold).to_owned(),
                members: members.len(),
            })?;
        self.define(name, VoterKind::Group { threshold, members })
    }

    fn quorum(&mut self, words: &[&str]) -> Result<(), PolicyProblem> {
        let [name] = words else {
            return Err(PolicyProblem::Form("quorum <name>|none"));
        };
        if self.quorum.is_some() {
            return Err(PolicyProblem::QuorumTwice);
        }
        let place = if *name == NONE {
            Quorum::Nobody
        } else {
            Quorum::Voter(self.place_of(name)?)
        };
        self.quorum = Some(place);
        Ok(())
    }

    fn define(&mut self, name: &str, kind: VoterKind) -> Result<(), PolicyProblem> {
        if name == NONE || self.voters.iter().any(|voter| voter.name == name) {
            return Err(PolicyProblem::NameTwice(name.to_owned()));
        }
        self.voters.push(Voter {
            name: name.to_owned(),
            kind,
        });
        Ok(())
    }

    fn place_of(&self, name: &str) -> Result<usize, PolicyProblem> {
        self.voters
            .iter()
            .position(|voter| voter.name == name)
            .ok_or_else(|| PolicyProblem::Unknown(name.to_owned()))
    }
}

fn read_key(text: &str, key_type: KeyType) -> Result<NoteKey, PolicyProblem> {
    let key: NoteKey = text.parse()?;
    if key.key_type() != key_type {
        return Err(PolicyProblem::KeyType);
    }
    Ok(key)
}
