//! The log of one client: an append-only tree of certificates and what stands between them.
//!
//! All formats are C2SP's, so that other programs can check a log: `note` is a signed text,
//! `checkpoint` the head of a tree, `cosignature` a witness's word for it, `proof` a file that shows
//! that something is in the tree, `policy` whom to trust, `tiles` the layout that is published.
//! `entry` is what kigen writes into the log, `history` checks all entries together.

pub mod checkpoint;
pub mod cosignature;
pub mod entry;
pub mod history;
pub mod note;
pub mod policy;
pub mod proof;
pub mod tiles;
pub mod vkey;
