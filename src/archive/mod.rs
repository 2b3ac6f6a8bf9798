//! The place where evidence is published: a folder, or a bucket of S3.
//!
//! Whoever publishes is handed an [`Archive`]. It takes only files of a known [`Kind`], writes
//! each of them once, and never over another one; keys, journal and ledger have no kind, so they
//! cannot get there. A put that was killed is simply made again.

mod client_folder;
#[cfg(test)]
pub(crate) mod contract;
mod error;
mod folder;
mod kind;
mod open;
mod s3;
mod through;

use std::ops::Range;
use std::path::Path;

use async_trait::async_trait;

pub use client_folder::{client_folder, log_origin};
pub use error::PublishError;
pub use folder::FolderPlace;
pub(crate) use folder::make_folder;
pub use kind::{KEYS, Kind, LOG};
pub use open::open;
pub use s3::S3Place;
pub use through::{RANGE, read_through};

/// The longest file that [`Archive::get`] reads: a full bundle of log entries has less.
/// `leaves.bin` has no such limit; it is read in ranges.
pub const LONGEST_READ: u64 = 20 * 1024 * 1024;

/// A place for evidence. Paths are relative to it, of UTF-8, with `/` between their parts.
#[async_trait]
pub trait Archive: Send + Sync {
    /// The place, or a path in it, as people write it: `certificates/own`, `s3://bucket/own`.
    fn locate(&self, path: &str) -> String;

    /// Publishes a file at `path`, whole and durable on return, unless something stands there.
    ///
    /// What a server took is read back and compared. Safe to be repeated after a crash at any point:
    /// what a killed attempt left unfinished at `path` is removed.
    async fn put_new(&self, path: &str, content: Content<'_>) -> Result<Put, PublishError>;

    /// Replaces the file at `path`, as a whole or not at all. Only for the few kinds that change:
    /// see [`Kind::is_replaced`].
    async fn put_head(&self, path: &str, bytes: &[u8]) -> Result<(), PublishError>;

    /// The file at `path`, or `None` if there is none. One longer than [`LONGEST_READ`] is an error.
    async fn get(&self, path: &str) -> Result<Option<Vec<u8>>, PublishError>;

    /// The bytes of `range` of the file at `path`, fewer if it ends before; `None` if there is no
    /// such file.
    async fn get_range(
        &self,
        path: &str,
        range: Range<u64>,
    ) -> Result<Option<Vec<u8>>, PublishError>;

    /// Everything whose path begins with `prefix`, in the order of the paths; also what should not
    /// be there.
    async fn list(&self, prefix: &str) -> Result<Listing, PublishError>;
}

/// What is to be published.
#[derive(Clone, Copy)]
pub enum Content<'a> {
    Bytes(&'a [u8]),
    /// A file of any size, which does not change any more.
    File(&'a Path),
}

/// What became of a [`Archive::put_new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    Created,
    /// The same bytes stood there already.
    AlreadyEqual,
    /// Something else stands there, and was left as it is.
    Conflict {
        /// Its length in bytes.
        standing: u64,
    },
}

/// What lies in a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    pub files: Vec<Listed>,
    pub versions: Versions,
}

/// Whether a listing could look below what stands at each path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// The place keeps one version of each file.
    NotKept,
    /// Every version was listed.
    Seen,
    /// Only what stands now may be listed.
    NotAllowed,
}

/// One file of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub path: String,
    /// In bytes; of what is hidden, that of its newest version.
    pub size: u64,
    pub standing: Standing,
    /// Older versions with other bytes.
    pub rewritten: u64,
}

/// How a file stands in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It can be read.
    Visible,
    /// A delete marker hides it; its versions are still there.
    Hidden,
    /// Somebody is writing it, or was killed while writing it.
    Unfinished,
    /// A link, a device, or a name that is no UTF-8.
    NotAFile,
}
