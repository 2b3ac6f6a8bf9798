//! What a check of published files finds, in sentences.

use std::fmt;

use thiserror::Error;

use crate::evidence::sshsig::SshSignatureError;
use crate::evidence::verify::Finding;
use crate::publish::PublishError;

/// One result of a check.
#[derive(Debug)]
pub enum PublishedFinding {
    /// About a certificate and its leaves.
    Evidence(Finding),
    Holds(PublishedFact),
    Fails(PublishedProblem),
}

impl PublishedFinding {
    /// Whether the check held.
    pub fn holds(&self) -> bool {
        match self {
            Self::Evidence(finding) => finding.holds(),
            Self::Holds(_) => true,
            Self::Fails(_) => false,
        }
    }
}

impl fmt::Display for PublishedFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Evidence(finding) => finding.fmt(f),
            Self::Holds(fact) => fact.fmt(f),
            Self::Fails(problem) => problem.fmt(f),
        }
    }
}

impl From<Finding> for PublishedFinding {
    fn from(finding: Finding) -> Self {
        Self::Evidence(finding)
    }
}

impl From<PublishedFact> for PublishedFinding {
    fn from(fact: PublishedFact) -> Self {
        Self::Holds(fact)
    }
}

impl From<PublishedProblem> for PublishedFinding {
    fn from(problem: PublishedProblem) -> Self {
        Self::Fails(problem)
    }
}

/// What holds, or is to be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublishedFact {
    StatementIsSigned,
    SshSignatureHolds {
        key_id: String,
    },
    EachOnce {
        certificates: usize,
    },
    /// The published keys are those that are trusted.
    KeysAgree {
        files: usize,
    },
    /// Somebody is publishing, or was killed and will go on.
    Unfinished {
        path: String,
    },
    VersionsSeen,
    VersionsNotSeen,
}

impl fmt::Display for PublishedFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StatementIsSigned => f.write_str("`statement.json` is what was signed"),
            Self::SshSignatureHolds { key_id } => {
                write!(f, "the SSH signature holds under the key `{key_id}`")
            }
            Self::EachOnce { certificates } => write!(
                f,
                "{certificates} certificates, each published once"
            ),
            Self::KeysAgree { files } => {
                write!(f, "the {files} published files of keys name trusted keys only")
            }
            Self::Unfinished { path } => {
                write!(f, "`{path}` is not finished; it is no evidence yet")
            }
            Self::VersionsSeen => f.write_str("all versions were listed, also what is hidden"),
            Self::VersionsNotSeen => f.write_str(
                "older versions may not be listed here: whether a delete marker hides something was not looked at",
            ),
        }
    }
}

/// What does not hold.
#[derive(Debug, Error)]
pub enum PublishedProblem {
    #[error("`{file}` is missing")]
    Missing { file: &'static str },
    #[error("`{file}` cannot be read: {error}")]
    Unreadable {
        file: &'static str,
        error: PublishError,
    },
    #[error("`statement.json` is not what was signed")]
    OtherStatement,
    #[error("the SSH signature does not hold: {0}")]
    SshSignature(SshSignatureError),
    /// Somebody moved or copied it.
    #[error("the certificate belongs into `{belongs}`")]
    Misplaced { belongs: String },
    #[error("`{path}` is no file that kigen publishes")]
    Foreign { path: String },
    #[error("`{path}` is a link or a device, and no file")]
    NotAFile { path: String },
    #[error(
        "`{path}` is hidden by a delete marker; its versions are still there, and come back when the marker is removed"
    )]
    Hidden { path: String },
    #[error("`{path}` was overwritten: {versions} older versions of it say something else")]
    Rewritten { path: String, versions: u64 },
    #[error("certificate `{certificate_id}` is published twice: in `{one}` and `{other}`")]
    Twice {
        certificate_id: String,
        one: String,
        other: String,
    },
    #[error("`{path}` is no Ed25519 public key in PEM")]
    NotAKey { path: String },
    #[error("`{path}` names a key that is not trusted")]
    UntrustedKey { path: String },
}
