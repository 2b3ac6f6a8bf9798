//! What can go wrong with an object store. Messages never hold a key.

use std::io;

use super::key::KeyError;

/// Why an object store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    #[error("the object store cannot be reached: {0}")]
    Unreachable(Outage),
    /// The store answered, but is busy or out of order.
    #[error("the object store is not ready (`{code}`)")]
    NotReady { code: String },
    #[error(
        "the object store denies access (`{code}`)\n\
         hint: the worker needs the rights to list versions and uploads, to delete versions and to abort uploads"
    )]
    AccessDenied { code: String },
    #[error(
        "no credentials for the object store were found\nhint: set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or give the pod a role"
    )]
    NoCredentials,
    #[error("the object store refuses the credentials (`{code}`)")]
    CredentialsRefused { code: String },
    #[error(
        "the region of the object store is not known\nhint: set `region` of the store in `kigen.toml`"
    )]
    NoRegion,
    #[error("the bucket does not exist")]
    NoSuchBucket,
    #[error("the folder of the object store does not exist, or is no longer the one it was")]
    NoSuchFolder,
    #[error("the object cannot be named: {0}")]
    UnusableKey(#[from] KeyError),
    /// A key with `..`, an absolute one, or one that leads through a symbolic link.
    #[error("the object key leads out of the store's folder")]
    OutsideFolder,
    #[error("the object key names something that is not a regular file")]
    NotAFile,
    /// The store's answer does not say what became of the version; a read-back can.
    #[error("the object store did not say what became of a version")]
    Unconfirmed,
    #[error("the folder of the object store failed: {0}")]
    Folder(io::ErrorKind),
    #[error("the object store refused (`{code}`)")]
    Other { code: String },
}

/// How a store could not be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Outage {
    #[error("no connection")]
    NoConnection,
    /// What was asked may have taken full effect.
    #[error("it did not answer in time")]
    TimedOut,
    /// What was asked may have taken full effect.
    #[error("its answer broke off or cannot be read")]
    AnswerCut,
    /// What was asked may have taken full effect.
    #[error("it had not answered when kigen was asked to stop")]
    GivenUp,
}

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    Later,
    /// Not before a person has changed something.
    Never,
}

impl ObjectError {
    /// Whether the same call can succeed later without anybody changing anything.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Unreachable(_) | Self::NotReady { .. } | Self::Unconfirmed => Retry::Later,
            Self::Folder(io::ErrorKind::ReadOnlyFilesystem) => Retry::Never,
            Self::Folder(_) => Retry::Later,
            Self::AccessDenied { .. }
            | Self::NoCredentials
            | Self::CredentialsRefused { .. }
            | Self::NoRegion
            | Self::NoSuchBucket
            | Self::NoSuchFolder
            | Self::UnusableKey(_)
            | Self::OutsideFolder
            | Self::NotAFile
            | Self::Other { .. } => Retry::Never,
        }
    }

    /// Whether the store as a whole is out of reach, so that asking on would be in vain.
    pub(super) fn is_outage(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_)
                | Self::CredentialsRefused { .. }
                | Self::NoSuchBucket
                | Self::NoSuchFolder
        )
    }
}

impl From<io::Error> for ObjectError {
    // Only the kind is kept: the text of an I/O error can hold a path.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::AccessDenied {
                code: String::from("PermissionDenied"),
            },
            kind => Self::Folder(kind),
        }
    }
}
