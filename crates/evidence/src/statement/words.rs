//! The fixed words of a certificate. What is not listed here cannot be claimed.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::leaf::Action;
use crate::leaves::Tally;

/// The outer format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StatementType {
    #[serde(rename = "https://in-toto.io/Statement/v1")]
    V1,
}

/// The inner format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PredicateType {
    #[serde(rename = "urn:kigen:deletion-certificate:v1")]
    V1,
}

/// The file that a certificate is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ArtifactName {
    #[serde(rename = "leaves.bin")]
    Leaves,
}

/// What a certificate certifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateKind {
    Deletion,
}

/// Whether everything that was due is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    Complete,
    /// Something that was due is still there.
    Partial,
}

/// Why the run took place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    ScheduledRetention,
    /// A store was restored from a backup, and what had been removed since is removed again.
    RestoreReconciliation,
}

/// What a look back into a store says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VerificationResult {
    /// Nothing that was removed is there.
    Verified,
    /// Something that was removed is there.
    NotVerified,
    /// The store could not be asked, or its answer says nothing.
    Unverifiable,
}

/// Why a look back says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unverifiable {
    /// `kigen.toml` says that nobody looks.
    SwitchedOff,
    /// More records are present than are looked at.
    TooManyRecords,
    /// The store did not answer, or refused.
    StoreUnavailable,
    /// The job has changed since the run began, or is gone.
    JobChanged,
    /// A removed key is there and names nobody, so that nobody can tell whose it is.
    NamesNobody,
    /// Nothing of it was found, so that nothing was removed that could be looked for.
    NeverFound,
}

/// What a method reaches. None of them reaches the medium, and none is named as if it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MethodClass {
    LogicalDelete,
    Pseudonymize,
    ObjectVersionDelete,
}

impl MethodClass {
    /// Every class.
    pub const ALL: [Self; 3] = [
        Self::LogicalDelete,
        Self::Pseudonymize,
        Self::ObjectVersionDelete,
    ];
}

/// How a method is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Technique {
    #[serde(rename = "SQL DELETE")]
    SqlDelete,
    #[serde(rename = "SQL UPDATE")]
    SqlUpdate,
    #[serde(rename = "DeleteObjects by VersionId")]
    DeleteByVersion,
    #[serde(rename = "removal of the file")]
    RemoveFile,
}

impl Technique {
    /// Every technique.
    pub const ALL: [Self; 4] = [
        Self::SqlDelete,
        Self::SqlUpdate,
        Self::DeleteByVersion,
        Self::RemoveFile,
    ];
}

/// How the run's tree is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TreeHash {
    #[serde(rename = "rfc6962-sha256")]
    Rfc6962Sha256,
}

/// How leaves are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LeafFormat {
    #[serde(rename = "urn:kigen:leaf:v1")]
    V1,
}

/// How many records met which action. All are written, also the zeros: nothing is left open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Counts {
    pub deleted: u64,
    pub pseudonymized: u64,
    pub versions_deleted: u64,
    pub crypto_erased: u64,
    pub already_absent: u64,
    pub held: u64,
    pub delete_markers_removed: u64,
    pub uploads_aborted: u64,
}

impl Counts {
    /// How many records met `action`.
    pub const fn of(&self, action: Action) -> u64 {
        match action {
            Action::RowDeleted => self.deleted,
            Action::Pseudonymized => self.pseudonymized,
            Action::ObjectVersionDeleted => self.versions_deleted,
            Action::CryptoErased => self.crypto_erased,
            Action::AlreadyAbsent => self.already_absent,
            Action::Held => self.held,
            Action::DeleteMarkerRemoved => self.delete_markers_removed,
            Action::UploadAborted => self.uploads_aborted,
        }
    }

    /// How many records there are, or `None` beyond 64 bits.
    pub fn total(&self) -> Option<u64> {
        Action::ALL
            .into_iter()
            .try_fold(0_u64, |sum, action| sum.checked_add(self.of(action)))
    }
}

impl From<Tally> for Counts {
    /// The counts of a target's record leaves.
    fn from(tally: Tally) -> Self {
        Self {
            deleted: tally.of(Action::RowDeleted),
            pseudonymized: tally.of(Action::Pseudonymized),
            versions_deleted: tally.of(Action::ObjectVersionDeleted),
            crypto_erased: tally.of(Action::CryptoErased),
            already_absent: tally.of(Action::AlreadyAbsent),
            held: tally.of(Action::Held),
            delete_markers_removed: tally.of(Action::DeleteMarkerRemoved),
            uploads_aborted: tally.of(Action::UploadAborted),
        }
    }
}

/// The event from which a period runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartingPointKind {
    /// The data was collected.
    Collection,
    /// A transaction, such as a course, ended.
    EndOfTransaction,
    /// The relationship with the person ended.
    EndOfRelationship,
    /// A request of the person was answered.
    ReplyToRequest,
    /// The person asked for it.
    RequestOfPerson,
}

impl StartingPointKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Collection,
        Self::EndOfTransaction,
        Self::EndOfRelationship,
        Self::ReplyToRequest,
        Self::RequestOfPerson,
    ];

    /// The word used in job files, plans and certificates.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Collection => "collection",
            Self::EndOfTransaction => "end-of-transaction",
            Self::EndOfRelationship => "end-of-relationship",
            Self::ReplyToRequest => "reply-to-request",
            Self::RequestOfPerson => "request-of-person",
        }
    }
}

/// Why a record is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RetainReason {
    /// This stage disposed of it in an earlier run.
    AlreadyDisposed,
    /// The end of a purpose cannot be computed: the plan says why.
    Undatable,
    /// A starting point lies after the day of the decision.
    StartsInFuture,
    /// A purpose goes on.
    NotExpired,
    /// Another row still names it, and the job says that this blocks its disposal.
    Referenced,
}

impl RetainReason {
    /// Every reason, in order of weight: the first that holds is the one given.
    pub const ALL: [Self; 5] = [
        Self::AlreadyDisposed,
        Self::Undatable,
        Self::StartsInFuture,
        Self::NotExpired,
        Self::Referenced,
    ];

    /// The reason's name in reports, plans and certificates.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AlreadyDisposed => "already-disposed",
            Self::Undatable => "undatable",
            Self::StartsInFuture => "starts-in-future",
            Self::NotExpired => "not-expired",
            Self::Referenced => "referenced",
        }
    }
}

impl fmt::Display for RetainReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
