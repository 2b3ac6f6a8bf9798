//! What people are handed: a certificate as a sheet of words, in Japanese and English, and as a page.
//!
//! A sheet is made of a [`Certificate`], and that only of bytes whose signature held. Read in this
//! order: `words` is the one table of both languages, `sheet` is what a sheet is made of,
//! `certificate` and `receipt` fill it, `html` sets it as one self-contained page. The package
//! `certificate-pdf` sets the same sheets as PDF. Pages are for reading; the signed data is the
//! evidence, and every page says so.

mod certificate;
mod form;
mod html;
mod language;
mod qr;
mod receipt;
mod sheet;
mod words;

#[cfg(test)]
mod tests;

pub use certificate::{Certificate, ENVELOPE_NAME};
pub use html::{PageError, RECEIPT_NAME, certificate_page, receipt_page};
pub use language::{Language, Languages, Medium};
pub use qr::{QrCode, QrError};
pub use receipt::{OtherCertificate, ReceiptLog, ReceiptOf, ReceiptView};
pub use sheet::{Block, Column, Fact, Row, Section, Sheet, Table, Warning};
