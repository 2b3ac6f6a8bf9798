//! From a certificate to the bytes of a PDF: the same each time.

use jiff::tz::TimeZone;
use kigen_evidence::document::{
    Certificate, ENVELOPE_NAME, Languages, Medium, QrCode, QrError, RECEIPT_NAME, ReceiptView,
    Sheet,
};
use serde::Serialize;
use thiserror::Error;
use typst::diag::SourceDiagnostic;
use typst::foundations::{Datetime, Smart};
use typst::syntax::PathError;
use typst_layout::PagedDocument;
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards, Timestamp};

use crate::Fonts;
use crate::fonts::Families;
use crate::world::Paper;

/// What the PDF says it was made by. No version: the same certificate gives the same bytes.
const CREATOR: &str = "kigen certificate-pdf";

/// Why there is no PDF.
#[derive(Debug, Error)]
pub enum TypesetError {
    #[error(
        "no font has the character `{character}` (U+{:04X})\nhint: add a font that has it with `--font FILE`, given for each file",
        u32::from(*character)
    )]
    NoGlyph { character: char },
    #[error(transparent)]
    Code(#[from] QrError),
    #[error("the sheets cannot be handed over")]
    Data(#[from] serde_json::Error),
    #[error("the name of a file cannot be used: {0}")]
    Name(PathError),
    /// A warning is an error too: a page that lacks its font is only a warning to typst.
    #[error("set the pages: {0}")]
    Set(String),
    #[error("write the PDF: {0}")]
    Write(String),
    #[error("the time of the certificate is none of the calendar")]
    Time,
}

/// What the template reads.
#[derive(Serialize)]
struct Data<'d> {
    lang: &'static str,
    title: String,
    author: String,
    sheets: Vec<Sheet>,
    certificate: String,
    fonts: &'d Families,
    code: &'d str,
    attachment: &'static str,
    mime: &'static str,
}

/// Sets `certificate` as PDF/A-3a.
pub fn typeset(
    certificate: &Certificate,
    languages: Languages,
    fonts: &Fonts,
) -> Result<Vec<u8>, TypesetError> {
    let number = certificate.number();
    let sheets: Vec<Sheet> = languages
        .each()
        .iter()
        .map(|language| certificate.sheet(*language, Medium::Pdf))
        .collect();
    let code = QrCode::of(&certificate.code_text())?;
    let title = sheets.first().map_or("", |sheet| sheet.title);
    let data = Data {
        lang: languages.first().tag(),
        title: format!("{title} {number}"),
        author: certificate.issuer(),
        sheets,
        certificate: number,
        fonts: fonts.families(),
        code: &code.text,
        attachment: ENVELOPE_NAME,
        mime: "application/json",
    };
    let ident = format!("{} {}", certificate.code_text(), languages.name());
    let options = options(ident, certificate.sealed_at())?;
    set(
        &data,
        &code,
        certificate.envelope().to_vec(),
        fonts,
        &options,
    )
}

/// Sets `receipt` as PDF/A-3a, with the proof attached. The pages are personal data. `sealed_at` is the
/// moment of its certificate.
pub fn typeset_receipt(
    receipt: &ReceiptView,
    sealed_at: jiff::Timestamp,
    languages: Languages,
    fonts: &Fonts,
) -> Result<Vec<u8>, TypesetError> {
    let sheets: Vec<Sheet> = languages
        .each()
        .iter()
        .map(|language| receipt.sheet(*language))
        .collect();
    let text = format!("sha256:{}", receipt.sha256());
    let code = QrCode::of(&text)?;
    let title = sheets.first().map_or("", |sheet| sheet.title);
    let data = Data {
        lang: languages.first().tag(),
        title: format!("{title} {}", receipt.certificate_id),
        author: receipt.issuer.clone(),
        sheets,
        certificate: receipt.certificate_id.clone(),
        fonts: fonts.families(),
        code: &code.text,
        attachment: RECEIPT_NAME,
        mime: "text/plain",
    };
    let options = options(format!("{text} {}", languages.name()), sealed_at)?;
    set(&data, &code, receipt.proof.clone(), fonts, &options)
}

fn set(
    data: &Data<'_>,
    code: &QrCode,
    attachment: Vec<u8>,
    fonts: &Fonts,
    options: &PdfOptions,
) -> Result<Vec<u8>, TypesetError> {
    let json = serde_json::to_string(data)?;
    every_character_has_a_glyph(&json, fonts)?;
    let files = [
        ("sheets.json", json.into_bytes()),
        ("code.svg", svg(code).into_bytes()),
        (data.attachment, attachment),
    ];
    let world = Paper::new(fonts, files).map_err(TypesetError::Name)?;
    pages(&world, options)
}

/// Typst stops at a missing glyph too, but does not always name it.
fn every_character_has_a_glyph(json: &str, fonts: &Fonts) -> Result<(), TypesetError> {
    let needs_none =
        |character: char| character.is_control() || character == ' ' || chooses_a_form(character);
    let missing = json
        .chars()
        .find(|character| !needs_none(*character) && !fonts.have(*character));
    missing.map_or(Ok(()), |character| Err(TypesetError::NoGlyph { character }))
}

/// A variation selector: it chooses among the forms of the character before it, as in Japanese names.
fn chooses_a_form(character: char) -> bool {
    matches!(character, '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}')
}

fn pages(world: &Paper, options: &PdfOptions) -> Result<Vec<u8>, TypesetError> {
    let set = typst::compile::<PagedDocument>(world);
    let document = set
        .output
        .map_err(|errors| TypesetError::Set(said(&errors)))?;
    if !set.warnings.is_empty() {
        return Err(TypesetError::Set(said(&set.warnings)));
    }
    typst_pdf::pdf(&document, options).map_err(|errors| TypesetError::Write(said(&errors)))
}

fn options(ident: String, sealed_at: jiff::Timestamp) -> Result<PdfOptions, TypesetError> {
    let standards = PdfStandards::new(&[PdfStandard::A_3a])
        .map_err(|error| TypesetError::Write(error.message().to_string()))?;
    Ok(PdfOptions {
        ident: Smart::Custom(ident),
        creator: Smart::Custom(Some(CREATOR.to_owned())),
        timestamp: Some(timestamp(sealed_at).ok_or(TypesetError::Time)?),
        standards,
        ..PdfOptions::default()
    })
}

/// The moment in which the certificate was sealed.
fn timestamp(sealed_at: jiff::Timestamp) -> Option<Timestamp> {
    let at = sealed_at.to_zoned(TimeZone::UTC).datetime();
    let part = |number: i8| u8::try_from(number).ok();
    let datetime = Datetime::from_ymd_hms(
        i32::from(at.year()),
        part(at.month())?,
        part(at.day())?,
        part(at.hour())?,
        part(at.minute())?,
        part(at.second())?,
    )?;
    Some(Timestamp::new_utc(datetime))
}

fn said(diagnostics: &[SourceDiagnostic]) -> String {
    let said: Vec<&str> = diagnostics
        .iter()
        .map(|diagnostic| diagnostic.message.as_str())
        .collect();
    said.join("; ")
}

fn svg(code: &QrCode) -> String {
    let (side, path) = (code.side, &code.path);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{side}\" height=\"{side}\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\"><path stroke=\"#000\" d=\"{path}\"/></svg>"
    )
}
