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

pub use certificate::Certificate;
pub use certificate::ENVELOPE_NAME;
pub use html::PageError;
pub use html::RECEIPT_NAME;
pub use html::certificate_page;
pub use html::receipt_page;
pub use language::Language;
pub use language::Languages;
pub use language::Medium;
pub use qr::QrCode;
pub use qr::QrError;
pub use receipt::OtherCertificate;
pub use receipt::ReceiptLog;
pub use receipt::ReceiptOf;
pub use receipt::ReceiptView;
pub use sheet::Block;
pub use sheet::Column;
pub use sheet::Fact;
pub use sheet::Row;
pub use sheet::Section;
pub use sheet::Sheet;
pub use sheet::Table;
pub use sheet::Warning;
