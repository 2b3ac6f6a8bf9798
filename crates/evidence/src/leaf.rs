//! Leaves: one removed record, or one person's share of a run, as 36 bytes that tell nothing.
//!
//! The bytes are `urn:kigen:leaf:v1`. A leaf is a salted commitment whose salt comes out of the
//! run's own key: who holds the record and the key can open one leaf without opening the others.

mod encoder;
mod opening;
#[cfg(test)]
mod tests;

use std::fmt;

use hmac::digest::array::Array;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

pub use encoder::{RecordEncoder, RecordPlace, SubjectEncoder, subject_leaf};
pub use opening::{
    Disclosed, DisclosedRecord, DisclosedSubject, LONGEST_OPENING, Opening, OpeningError,
};

/// Length of a leaf in bytes: the head and the commitment.
pub const LEAF_LENGTH: usize = 36;

const HEAD_LENGTH: usize = 4;
const HMAC_BLOCK: usize = 64;

type HmacSha256 = Hmac<Sha256>;

/// The secret of one run. Once it is gone, none of the run's leaves can be opened any more.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct RunKey([u8; 32]);

impl RunKey {
    /// Takes 32 random bytes. Never derive them from another key: a derived key cannot be
    /// destroyed on its own.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret bytes, for wrapping.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// HMAC-SHA-256 under this key, fed with `tag`.
    fn mac(&self, tag: &[u8]) -> HmacSha256 {
        // HMAC pads a short key with zeros to its block, so the padded block is the same key.
        let mut block = Zeroizing::new([0_u8; HMAC_BLOCK]);
        block[..self.0.len()].copy_from_slice(&self.0);
        let mut mac = HmacSha256::new(<&Array<u8, _>>::from(&*block));
        mac.update(tag);
        mac
    }
}

impl fmt::Debug for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted run key>")
    }
}

/// What happened to a record. The numbers are part of the leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Action {
    RowDeleted = 1,
    Pseudonymized = 2,
    ObjectVersionDeleted = 3,
    CryptoErased = 4,
    /// Gone before the worker came.
    AlreadyAbsent = 5,
    /// Due, but held: still there.
    Held = 6,
    DeleteMarkerRemoved = 7,
    UploadAborted = 8,
}

impl Action {
    /// Every action, in the order of its number.
    pub const ALL: [Self; 8] = [
        Self::RowDeleted,
        Self::Pseudonymized,
        Self::ObjectVersionDeleted,
        Self::CryptoErased,
        Self::AlreadyAbsent,
        Self::Held,
        Self::DeleteMarkerRemoved,
        Self::UploadAborted,
    ];

    /// The number in the leaf, 1 to 8.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The action with this number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.code() == code)
    }

    /// The action's name in the counts of a certificate.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RowDeleted => "deleted",
            Self::Pseudonymized => "pseudonymized",
            Self::ObjectVersionDeleted => "versionsDeleted",
            Self::CryptoErased => "cryptoErased",
            Self::AlreadyAbsent => "alreadyAbsent",
            Self::Held => "held",
            Self::DeleteMarkerRemoved => "deleteMarkersRemoved",
            Self::UploadAborted => "uploadsAborted",
        }
    }
}

/// What a leaf stands for. The numbers are part of the leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// One record.
    Record = 1,
    /// One person's records of one target and action, as a number.
    Subject = 2,
}

/// The readable part of a leaf: anyone can count leaves by it, and it names no one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Head {
    pub kind: Kind,
    pub action: Action,
    /// Index of the target in the certificate.
    pub target: u16,
}

impl Head {
    /// The four bytes at the start of the leaf.
    pub const fn to_bytes(self) -> [u8; HEAD_LENGTH] {
        let [high, low] = self.target.to_be_bytes();
        [self.kind as u8, self.action.code(), high, low]
    }

    /// Reads the four bytes, or returns `None` if they are no head of this format.
    pub fn from_bytes(bytes: [u8; HEAD_LENGTH]) -> Option<Self> {
        let [kind, action, high, low] = bytes;
        let kind = match kind {
            1 => Kind::Record,
            2 => Kind::Subject,
            _ => return None,
        };
        Some(Self {
            kind,
            action: Action::from_code(action)?,
            target: u16::from_be_bytes([high, low]),
        })
    }
}

/// One leaf of a run's tree: head and commitment.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Leaf([u8; LEAF_LENGTH]);

impl Leaf {
    /// A leaf as it was stored.
    pub const fn from_bytes(bytes: [u8; LEAF_LENGTH]) -> Self {
        Self(bytes)
    }

    /// The leaf's bytes, as they stand in `leaves.bin`.
    pub const fn as_bytes(&self) -> &[u8; LEAF_LENGTH] {
        &self.0
    }

    /// What the leaf says openly, or `None` if that is not of this format.
    pub fn head(&self) -> Option<Head> {
        let [kind, action, high, low, ..] = self.0;
        Head::from_bytes([kind, action, high, low])
    }

    fn new(head: [u8; HEAD_LENGTH], commitment: [u8; 32]) -> Self {
        let mut bytes = [0; LEAF_LENGTH];
        bytes[..HEAD_LENGTH].copy_from_slice(&head);
        bytes[HEAD_LENGTH..].copy_from_slice(&commitment);
        Self(bytes)
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Leaf({})", hex::encode(self.0))
    }
}

/// A person within one run, behind a keyed digest. Pseudonymous: for the journal, not for papers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubjectRef([u8; 32]);

impl SubjectRef {
    /// A reference as it was stored.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The reference's bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SubjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted subject reference>")
    }
}

/// Why a record cannot be encoded.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LeafError {
    /// Lengths are written in 32 bits.
    #[error("a name or value is longer than 4 GiB and cannot be evidenced")]
    TooLong,
    /// The number of columns is written in 16 bits.
    #[error("a record is identified by {0} columns; at most 65535 can be evidenced")]
    TooManyColumns(usize),
    #[error("the column `{0}` is named twice in the key")]
    ColumnTwice(String),
    #[error("a record's key has {found} values where its columns are {expected}")]
    KeyLength { expected: usize, found: usize },
    /// Longer than [`LONGEST_OPENING`].
    #[error("a record or person is too long for a receipt")]
    Opening(#[source] OpeningError),
}
