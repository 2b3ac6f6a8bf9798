//! What proves a removal: leaves, their Merkle tree, the certificate, its signature, its check.
//!
//! Read in this order: `leaf` hides one record behind a digest, `leaves` folds them into one file
//! and `merkle` into one root, `statement` is what the certificate says, `dsse` and `sshsig` sign
//! its bytes, `verify` checks all of it alone, without kigen's database or any secret. `log` is the
//! append-only sequence of certificates of one client, `receipt` proves one record or one person.

pub mod allowed_signers;
pub mod digest;
pub mod dsse;
pub mod leaf;
pub mod leaves;
pub mod log;
pub mod merkle;
pub mod public_key;
pub mod receipt;
pub mod sshsig;
pub mod statement;
pub mod verify;

#[cfg(test)]
pub(crate) mod sample;
