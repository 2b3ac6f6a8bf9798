//! Sheets as one self-contained page: no script, no network, the same bytes each time.

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use crate::dsse::EnvelopeError;
use crate::statement::StatementError;

use super::certificate::{Certificate, ENVELOPE_NAME};
use super::language::{Languages, Medium};
use super::qr::{QrCode, QrError};
use super::receipt::ReceiptView;
use super::sheet::{Block, Sheet};

/// The name under which a receipt is attached.
pub const RECEIPT_NAME: &str = "record.tlog-proof";

/// Why there is no page.
#[derive(Debug, Error)]
pub enum PageError {
    #[error("the signature of the certificate does not hold: {0}")]
    Envelope(#[from] EnvelopeError),
    #[error(transparent)]
    Statement(#[from] StatementError),
    #[error(transparent)]
    Code(#[from] QrError),
    #[error("the page cannot be set")]
    Set(#[from] askama::Error),
}

#[derive(Template)]
#[template(path = "page.html")]
struct Page {
    /// The language of the document.
    lang: &'static str,
    title: String,
    sheets: Vec<Sheet>,
    code: QrCode,
    attachment: Attachment,
}

/// The evidence, inside of the page.
struct Attachment {
    name: &'static str,
    media_type: &'static str,
    base64: String,
}

/// The certificate as an HTML page with the signed data in it.
pub fn certificate_page(
    certificate: &Certificate,
    languages: Languages,
) -> Result<String, PageError> {
    let sheets: Vec<Sheet> = languages
        .each()
        .iter()
        .map(|language| certificate.sheet(*language, Medium::Html))
        .collect();
    let attachment = Attachment {
        name: ENVELOPE_NAME,
        media_type: "application/json",
        base64: STANDARD.encode(certificate.envelope()),
    };
    let code = QrCode::of(&certificate.code_text())?;
    page(languages, sheets, &certificate.number(), code, attachment)
}

/// The receipt as an HTML page with the proof in it. The page is personal data.
pub fn receipt_page(receipt: &ReceiptView, languages: Languages) -> Result<String, PageError> {
    let sheets: Vec<Sheet> = languages
        .each()
        .iter()
        .map(|language| receipt.sheet(*language))
        .collect();
    let attachment = Attachment {
        name: RECEIPT_NAME,
        media_type: "text/plain",
        base64: STANDARD.encode(&receipt.proof),
    };
    let code = QrCode::of(&format!("sha256:{}", receipt.sha256()))?;
    page(languages, sheets, &receipt.certificate_id, code, attachment)
}

fn page(
    languages: Languages,
    sheets: Vec<Sheet>,
    name: &str,
    code: QrCode,
    attachment: Attachment,
) -> Result<String, PageError> {
    let title = sheets.first().map_or("", |sheet| sheet.title);
    let page = Page {
        lang: languages.first().tag(),
        title: format!("{title} {}", super::form::shown(name)),
        sheets,
        code,
        attachment,
    };
    let mut html = page.render()?;
    html.push('\n');
    Ok(html)
}
