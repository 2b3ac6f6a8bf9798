//! What a check finds, in sentences.

use std::fmt;

use jiff::civil::Date;
use thiserror::Error;

use crate::dsse::EnvelopeError;
use crate::leaf::Action;
use crate::leaves::Disorder;
use crate::statement::StatementError;

/// One result of a check.
#[derive(Debug)]
pub enum Finding {
    Holds(Fact),
    Fails(Problem),
}

impl Finding {
    /// Whether the check held.
    pub fn holds(&self) -> bool {
        matches!(self, Self::Holds(_))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Holds(fact) => fact.fmt(f),
            Self::Fails(problem) => problem.fmt(f),
        }
    }
}

impl From<Fact> for Finding {
    fn from(fact: Fact) -> Self {
        Self::Holds(fact)
    }
}

impl From<Problem> for Finding {
    fn from(problem: Problem) -> Self {
        Self::Fails(problem)
    }
}

/// What holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    SignatureHolds { key_id: String },
    AgreesWithItself,
    LeavesUntouched,
    Ascending { size: u64 },
    CountsAgree { records: u64, subjects: u64 },
    RootAgrees,
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SignatureHolds { key_id } => {
                write!(f, "the signature holds under the key `{key_id}`")
            }
            Self::AgreesWithItself => f.write_str("the certificate does not contradict itself"),
            Self::LeavesUntouched => {
                f.write_str("`leaves.bin` has the digest that the certificate names")
            }
            Self::Ascending { size } => write!(
                f,
                "`leaves.bin` holds {size} leaves in ascending order, each once"
            ),
            Self::CountsAgree { records, subjects } => write!(
                f,
                "the leaves are as many as the certificate counts, for each target and action: {records} of records, {subjects} of persons"
            ),
            Self::RootAgrees => f.write_str("the tree of the leaves has the certified root"),
        }
    }
}

/// What does not hold.
#[derive(Debug, Error)]
pub enum Problem {
    #[error("the signature does not hold: {0}")]
    Signature(EnvelopeError),
    #[error("{0}")]
    Statement(StatementError),
    #[error(
        "the certificate contradicts itself: the target at place {place} is not in the order of the indexes"
    )]
    TargetOutOfPlace { place: usize },
    #[error("the certificate contradicts itself: it states {stated} record leaves, but its targets count {}", shown(*.sum))]
    RecordSum { stated: u64, sum: Option<u64> },
    #[error(
        "the certificate contradicts itself: its run checkpoint has another size than its leaves"
    )]
    CheckpointSize,
    #[error(
        "the certificate contradicts itself: its run checkpoint belongs to another certificate"
    )]
    CheckpointOrigin,
    #[error(
        "the certificate contradicts itself: the run ended before it started, or was sealed before it ended"
    )]
    TimesOutOfOrder,
    #[error(
        "the certificate contradicts itself: it decided for {as_of}, and its run began on {began}: what was not due yet may have been removed"
    )]
    DayAhead { as_of: Date, began: Date },
    #[error(
        "the certificate contradicts itself: it quotes a clause that no rule of it carries out, or with other words"
    )]
    QuotedClause,
    #[error("`leaves.bin` does not have the digest that the certificate names")]
    LeavesDigest,
    #[error("`leaves.bin` does not end with a whole leaf: {rest} bytes are left over")]
    BrokenLeaf { rest: usize },
    #[error("{}", order(.0))]
    Order(Disorder),
    #[error("{leaves} leaves belong to no target and action of the certificate")]
    Strangers { leaves: u64 },
    #[error("target {target}: the certificate counts {stated} `{}`, `leaves.bin` holds {found}", .action.name())]
    Count {
        target: u16,
        action: Action,
        stated: u64,
        found: u64,
    },
    #[error("target {target}: `leaves.bin` holds more persons than records that were `{}`", .action.name())]
    MorePersonsThanRecords { target: usize, action: Action },
    #[error("the certificate counts {stated} subject leaves, `leaves.bin` holds {found}")]
    SubjectCount { stated: u64, found: u64 },
    #[error("the tree of the leaves does not have the certified root")]
    Root,
}

fn shown(sum: Option<u64>) -> String {
    sum.map_or_else(
        || "more than a number can hold".to_owned(),
        |sum| sum.to_string(),
    )
}

fn order(disorder: &Disorder) -> String {
    match disorder {
        Disorder::Duplicate { index } => {
            format!("leaf {index} of `leaves.bin` stands there twice")
        }
        Disorder::Descending { index } => {
            format!("leaf {index} of `leaves.bin` is out of order")
        }
    }
}
