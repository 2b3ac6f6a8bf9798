//! What proves a removal by kigen (期限), and its check: certificates, their logs, receipts.
//!
//! Everything here is a function of bytes. There is no database, no network, no clock and no async;
//! nothing reads a file but a caller's [`Read`](std::io::Read). A client or an auditor can embed
//! this crate alone: [`verify::verify`] checks one certificate, [`receipt::verify`] one receipt,
//! and `examples/verify.rs` shows both.
//!
//! Read in this order: [`value`] is a column as a store holds it, [`leaf`] hides one record behind a
//! digest, [`leaves`] folds them into one file and [`merkle`] into one root, [`statement`] is what
//! the certificate says, [`dsse`] and [`sshsig`] sign its bytes, [`verify`] checks all of it alone,
//! without kigen's database or any secret. [`log`] is the append-only sequence of certificates of one
//! client, [`receipt`] proves one record or one person. [`document`] is what people are handed: a
//! certificate or a receipt as a sheet of words in Japanese and English, and as a page.
//! [`calendar`] counts periods by Japan's Civil Code.
//!
//! ```
//! use kigen_evidence::{dsse, sample, verify::verify};
//!
//! let leaves = sample::leaves();
//! let payload = sample::statement(&leaves).to_payload()?;
//! let key = sample::signing_key();
//! let envelope = dsse::sign(&payload, &key)?;
//!
//! let found = verify(&envelope, sample::file(&leaves).as_slice(), &[key.verifying_key()])?;
//! assert!(found.holds());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg_attr(
    test,
    allow(
        clippy::pedantic,
        clippy::disallowed_methods,
        unreachable_pub,
        reason = "tests may be short"
    )
)]

pub mod allowed_signers;
pub mod calendar;
pub mod digest;
pub mod document;
pub mod dsse;
pub mod leaf;
pub mod leaves;
pub mod log;
pub mod merkle;
pub mod public_key;
pub mod receipt;
pub mod sample;
pub mod sshsig;
pub mod statement;
pub mod value;
pub mod verify;
