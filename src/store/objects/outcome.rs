//! What a store holds of an object, and what became of each part of it.

use jiff::Timestamp;

use super::error::ObjectError;
use super::key::{ObjectKey, UploadId, VersionId};

/// Everything a store holds under one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectVersions {
    pub key: ObjectKey,
    /// Versions with content, the `null` version among them.
    pub versions: Vec<VersionId>,
    pub delete_markers: Vec<VersionId>,
    /// Uploads that were begun and never finished; their parts are stored.
    pub unfinished_uploads: Vec<UploadId>,
}

impl ObjectVersions {
    /// A key of which the store holds nothing.
    pub fn none_of(key: ObjectKey) -> Self {
        Self {
            key,
            versions: Vec::new(),
            delete_markers: Vec::new(),
            unfinished_uploads: Vec::new(),
        }
    }

    /// Whether nothing of the key is there.
    pub fn is_empty(&self) -> bool {
        self.versions.is_empty()
            && self.delete_markers.is_empty()
            && self.unfinished_uploads.is_empty()
    }

    /// All of it, as a batch for [`ObjectDisposer::remove`](super::ObjectDisposer::remove).
    pub fn to_remove(&self) -> Vec<VersionToRemove> {
        let versions = self.versions.iter().cloned().map(ObjectPart::Version);
        let markers = self
            .delete_markers
            .iter()
            .cloned()
            .map(ObjectPart::DeleteMarker);
        let uploads = self
            .unfinished_uploads
            .iter()
            .cloned()
            .map(ObjectPart::UnfinishedUpload);
        versions
            .chain(markers)
            .chain(uploads)
            .map(|part| VersionToRemove {
                key: self.key.clone(),
                part,
            })
            .collect()
    }
}

/// One version, delete marker or unfinished upload that is to go.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VersionToRemove {
    pub key: ObjectKey,
    pub part: ObjectPart,
}

/// One thing that a store holds under a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectPart {
    Version(VersionId),
    DeleteMarker(VersionId),
    UnfinishedUpload(UploadId),
}

impl ObjectPart {
    /// The word that an intent stores beside the id.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Version(_) => "version",
            Self::DeleteMarker(_) => "delete-marker",
            Self::UnfinishedUpload(_) => "unfinished-upload",
        }
    }

    /// The store's id of it.
    pub fn id(&self) -> &str {
        match self {
            Self::Version(id) | Self::DeleteMarker(id) => id.as_str(),
            Self::UnfinishedUpload(id) => id.as_str(),
        }
    }

    /// Reads what an intent stored as [`kind`](Self::kind) and [`id`](Self::id); `None` if the
    /// kind is unknown.
    pub fn from_stored(kind: &str, id: &str) -> Option<Self> {
        match kind {
            "version" => Some(Self::Version(VersionId::new(id))),
            "delete-marker" => Some(Self::DeleteMarker(VersionId::new(id))),
            "unfinished-upload" => Some(Self::UnfinishedUpload(UploadId::new(id))),
            _ => None,
        }
    }
}

/// The fate of every version of one batch. Each one is in exactly one list.
#[derive(Debug, Default)]
#[must_use = "a batch can fail in part; record every list"]
pub struct RemovalOutcome {
    pub removed: Vec<VersionToRemove>,
    /// Gone before this call, as far as the store tells.
    pub absent: Vec<VersionToRemove>,
    /// Kept by the store until a date, or a delete marker above such a version.
    pub locked: Vec<LockedVersion>,
    pub failed: Vec<FailedVersion>,
    /// Never tried: the store failed as a whole (the first failure says how), it is a delete marker and
    /// a version that it hides is still there, or the process was asked to stop.
    pub unattempted: Vec<VersionToRemove>,
}

impl RemovalOutcome {
    /// How many versions it speaks of: as many as the batch had.
    pub fn len(&self) -> usize {
        self.removed.len()
            + self.absent.len()
            + self.locked.len()
            + self.failed.len()
            + self.unattempted.len()
    }

    /// Whether the batch was empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether everything is gone, as far as the store says.
    pub fn is_complete(&self) -> bool {
        self.locked.is_empty() && self.failed.is_empty() && self.unattempted.is_empty()
    }
}

/// A version that the store keeps under Object Lock or a legal hold of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedVersion {
    pub version: VersionToRemove,
    /// When the lock ends; `None` if no end is set or known.
    pub until: Option<Timestamp>,
}

/// A version that could not be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedVersion {
    pub version: VersionToRemove,
    pub error: ObjectError,
}

/// What a read-back found. Each key is in exactly one list.
#[derive(Debug, Default)]
#[must_use = "a key that is left or unread is not gone"]
pub struct ReadBack {
    /// Nothing of the key is left.
    pub gone: Vec<ObjectKey>,
    pub left: Vec<ObjectVersions>,
    /// The store did not answer.
    pub unread: Vec<(ObjectKey, ObjectError)>,
}

/// What a store says about itself; no personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreDescription {
    /// The engine, for certificates: `Amazon S3`, `Ceph Object Gateway`, `folder`.
    pub engine: String,
    pub versioning: Versioning,
    /// Whether versions can be removed only with a second factor; `None` if the store did not say.
    pub mfa_delete: Option<bool>,
    /// Whether Object Lock is on, so that versions may be locked; `None` if the store did not say.
    pub object_lock: Option<bool>,
    /// Where copies go that a removal here does not reach; `None` if the store did not say.
    pub replicas: Option<Vec<String>>,
}

/// Whether a store keeps earlier versions of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versioning {
    Enabled,
    /// New versions replace the `null` version; older ones stay.
    Suspended,
    /// The store has never kept versions.
    Never,
    /// The store did not say.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::{ObjectKey, ObjectPart, ObjectVersions, UploadId, VersionId};

    #[test]
    fn an_intent_reads_back_as_it_was_stored() {
        let found = ObjectVersions {
            versions: vec![VersionId::new("null")],
            delete_markers: vec![VersionId::new("m1")],
            unfinished_uploads: vec![UploadId::new("u1")],
            ..ObjectVersions::none_of(ObjectKey::parse("a").unwrap())
        };
        let batch = found.to_remove();
        assert_eq!(batch.len(), 3);
        for version in batch {
            let again = ObjectPart::from_stored(version.part.kind(), version.part.id());
            assert_eq!(again, Some(version.part));
        }
        assert_eq!(ObjectPart::from_stored("row", "1"), None);
    }
}
