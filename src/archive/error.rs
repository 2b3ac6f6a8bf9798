//! What can keep a file from being published or read. It can be tried again: nothing is half done.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::store::objects::{self, ObjectError};

/// Why a place did not do what it was asked.
#[derive(Debug, Error)]
pub enum PublishError {
    /// The guard against keys, journals and ledgers.
    #[error("publish `{path}`: this is no file that kigen publishes, and it was not written")]
    NotOurs { path: String },
    #[error("replace `{path}`: a file of this kind is published once")]
    NotReplaced { path: String },
    #[error("{doing} `{path}`")]
    Folder {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{doing} `{path}`")]
    Server {
        doing: &'static str,
        path: String,
        #[source]
        source: ObjectError,
    },
    #[error(
        "{doing} `{path}`: the server denies access\nhint: docs/PUBLICATION.md lists the rights that the worker needs in the bucket"
    )]
    Denied { doing: &'static str, path: String },
    #[error(
        "the region of the bucket `{bucket}` is not known\nhint: set `region` under `[certificates]` in `kigen.toml`"
    )]
    NoRegion { bucket: String },
    #[error("read the file `{path}` that is to be published")]
    Source {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The server says that it wrote, but hands out something else.
    #[error("publish `{path}`: what was written reads back otherwise")]
    ReadBack { path: String },
    #[error(
        "publish `{path}`: `retain` is configured, but the bucket has no Object Lock\nhint: make a bucket with Object Lock, or leave `retain` and `lock-mode` out"
    )]
    NoObjectLock { path: String },
    #[error(
        "publish `{path}`: the version that was written is not locked as `retain` and `lock-mode` say\nhint: the worker needs the rights s3:PutObjectRetention and s3:GetObjectRetention"
    )]
    NotLocked { path: String },
    #[error("publish `{path}`: {bytes} bytes are more than an upload can have")]
    TooLarge { path: String, bytes: u64 },
    #[error("read `{path}`: {bytes} bytes are more than such a file can have")]
    TooLong { path: String, bytes: u64 },
    #[error("read `{path}`: it is a link or a device, or lies behind a link, and is no file")]
    NotAFile { path: PathBuf },
    #[error("compute until when `{path}` is to be retained: the day is out of the calendar")]
    NoSuchDay { path: String },
    /// Somebody else removes what we write.
    #[error("publish `{path}`: the unfinished file vanished again and again")]
    Vanished { path: PathBuf },
}

impl PublishError {
    /// Whether trying again may help without anybody changing anything.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Server { source, .. } => source.retry() == objects::Retry::Later,
            // A full disk may have room again.
            Self::Folder { .. } | Self::Source { .. } | Self::Vanished { .. } => true,
            Self::ReadBack { .. } => true,
            Self::NotOurs { .. }
            | Self::NotReplaced { .. }
            | Self::Denied { .. }
            | Self::NoRegion { .. }
            | Self::NoObjectLock { .. }
            | Self::NotLocked { .. }
            | Self::TooLarge { .. }
            | Self::TooLong { .. }
            | Self::NotAFile { .. }
            | Self::NoSuchDay { .. } => false,
        }
    }

    /// The error of `doing` something with the file or folder at `path`.
    pub(super) fn folder(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Folder {
            doing,
            path: path.to_owned(),
            source,
        }
    }

    /// The error of `doing` something with the object that people know as `path`.
    pub(super) fn server(doing: &'static str, path: String, source: ObjectError) -> Self {
        if matches!(source, ObjectError::AccessDenied { .. }) {
            return Self::Denied { doing, path };
        }
        Self::Server {
            doing,
            path,
            source,
        }
    }
}
