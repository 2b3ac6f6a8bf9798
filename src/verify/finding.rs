//! What a check of published files finds, in sentences.

use std::fmt;

use jiff::Timestamp;
use kigen_evidence::log::checkpoint::CheckpointError;
use kigen_evidence::log::history::EntryCounts;
use kigen_evidence::log::note::NoteError;
use kigen_evidence::log::policy::PolicyError;
use kigen_evidence::log::proof::LogProofError;
use kigen_evidence::sshsig::SshSignatureError;
use kigen_evidence::verify::Finding;
use thiserror::Error;

use crate::archive::PublishError;

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
    /// The head of the client's log.
    HeadIsSigned {
        size: u64,
        key_id: String,
    },
    EntriesAreThere {
        size: u64,
    },
    StoryHolds {
        counts: EntryCounts,
    },
    /// A plan without an end that may still get one.
    Open {
        index: u64,
        run: String,
        at: Timestamp,
    },
    Suspended {
        index: u64,
    },
    /// The log contains the head that somebody kept.
    OnlyAddedTo {
        size: u64,
    },
    /// Everything that the log certifies is published, and the other way round.
    AllPublished {
        certificates: usize,
        in_log: usize,
    },
    ProofsHold {
        proofs: usize,
    },
    AheadOfHead {
        files: usize,
    },
    /// The newest stamp; who signed it was not looked at.
    StampedAt {
        size: u64,
        at: Timestamp,
    },
    /// The newest head that a trusted witness has cosigned.
    CosignedBy {
        witness: String,
        size: u64,
        /// Entries of the log.
        of: u64,
        at: Timestamp,
    },
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
            Self::HeadIsSigned { size, key_id } => write!(
                f,
                "the head of the log, over {size} entries, is signed with the key `{key_id}`"
            ),
            Self::EntriesAreThere { size } => {
                write!(f, "all {size} entries are there and have the root that was signed")
            }
            Self::StoryHolds { counts } => write!(
                f,
                "the log tells a whole story: {} plans, {} certificates, {} runs without removals, {} aborted, {} notices",
                counts.plans,
                counts.certificates,
                counts.noops,
                counts.aborts,
                counts.suspensions + counts.resumptions + counts.key_rotations
            ),
            Self::Open { index, run, at } => write!(
                f,
                "entry {index} plans run {run} of {at}, which has no end yet: it goes on, or was stopped"
            ),
            Self::Suspended { index } => {
                write!(f, "disposal is suspended since entry {index}")
            }
            Self::OnlyAddedTo { size } => write!(
                f,
                "the log was only added to since the checkpoint over {size} entries that you kept"
            ),
            Self::AllPublished {
                certificates,
                in_log,
            } => write!(
                f,
                "all {certificates} certificates of the log are published, and {in_log} published ones are in the log"
            ),
            Self::ProofsHold { proofs } => write!(
                f,
                "{proofs} proofs show that their certificates are in the log"
            ),
            Self::AheadOfHead { files } => write!(
                f,
                "{files} files of the log are ahead of its head: somebody is publishing, or was killed and will go on"
            ),
            Self::StampedAt { size, at } => write!(
                f,
                "a time stamp says that the log had {size} entries at {at}; `openssl ts -verify` says who signed it"
            ),
            Self::CosignedBy {
                witness,
                size,
                of,
                at,
            } => write!(
                f,
                "the witness `{witness}` has cosigned {size} of the {of} entries at {at}"
            ),
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
    #[error(
        "`{path}` is a link or a device, and no file, or a folder deeper than any: it was not read"
    )]
    NotAFile { path: String },
    #[error("`{path}` has {bytes} bytes, more than any such file can have, and was not read")]
    TooLong { path: String, bytes: u64 },
    #[error(
        "you kept a head over {size} entries of the log `{origin}`, which is not here: the whole log was taken away, or hidden"
    )]
    LogHidden { origin: String, size: u64 },
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
    #[error("`{path}` is missing: the log has no head, so nobody can tell what was taken away")]
    NoHead { path: String },
    #[error("the head of the log does not hold, `{path}`: {error}")]
    Head { path: String, error: NoteError },
    #[error("`{path}` is no checkpoint: {error}")]
    NoCheckpoint {
        path: String,
        error: CheckpointError,
    },
    #[error("`{path}` is the head of another log, `{origin}`")]
    OtherLog { path: String, origin: String },
    #[error("the {size} entries of the log do not have the root that was signed")]
    OtherRoot { size: u64 },
    #[error("entry {index} of the log: {problem}")]
    Entry { index: u64, problem: String },
    #[error(
        "entry {index} of the log plans run {run} of {at}, and nothing closes it: what the run did is concealed, or nobody took it up again"
    )]
    LeftOpen {
        index: u64,
        run: String,
        at: Timestamp,
    },
    #[error(
        "you kept a checkpoint over {held} entries, and the log has only {now}: it was shortened"
    )]
    Shortened { held: u64, now: u64 },
    #[error(
        "the first {size} entries of the log are not those of the checkpoint that you kept: its history was rewritten"
    )]
    History { size: u64 },
    #[error("the certificate in `{folder}` is not in the log at the place that it names")]
    NotInLog { folder: String },
    #[error(
        "entry {index} of the log is the certificate `{certificate_id}`, which is not published: it was taken away, or is being published just now"
    )]
    NotPublished { index: u64, certificate_id: String },
    #[error("`{path}` cannot be read: {error}")]
    Policy { path: String, error: PolicyError },
    #[error("`{path}` is missing")]
    NoProof { path: String },
    #[error("`{path}` does not prove that the certificate is in the log: {error}")]
    Proof { path: String, error: LogProofError },
    #[error("`{path}` is under a head over {size} entries that is none of this log: two histories")]
    ProofOfOtherLog { path: String, size: u64 },
    #[error("`{path}` is missing: the log is not whole")]
    NoTile { path: String },
    #[error("the tiles below `{folder}` do not hold: {what}")]
    Tile { folder: String, what: String },
    #[error("`{path}` is not the entry that the log has at its place")]
    OtherEntry { path: String },
    #[error("`{path}` is not the beginning of what was published later")]
    OtherTile { path: String },
    #[error("the head that is kept beside the log does not hold, {path}: {why}")]
    Cosigned { path: String, why: String },
    #[error(
        "the head over {size} entries that is kept beside the log is of another log, {path}: two histories"
    )]
    CosignedOtherLog { path: String, size: u64 },
    #[error("the time stamp `{path}` does not hold: {why}")]
    Stamp { path: String, why: String },
    #[error("the witness `{witness}` has cosigned no head of this log")]
    NotCosigned { witness: String },
}
