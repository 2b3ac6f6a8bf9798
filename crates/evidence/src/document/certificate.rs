//! A certificate as a sheet.

mod bases;
mod proof;
mod targets;

use ed25519_dalek::VerifyingKey;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::digest::Sha256;
use crate::dsse;
use crate::public_key::key_id;
use crate::statement::{MethodClass, Predicate, Residual, Statement, Status};

use super::form;
use super::html::PageError;
use super::language::{Language, Medium};
use super::sheet::{Block, Column, Fact, Row, Section, Sheet, Table, Warning};
use super::words::{self, Word};

/// The name under which the signed data is attached.
pub const ENVELOPE_NAME: &str = "cert.dsse.json";

/// A certificate whose signature held. Nothing else becomes a sheet.
pub struct Certificate {
    statement: Statement,
    payload_sha256: Sha256,
    key_id: String,
    envelope: Vec<u8>,
}

impl Certificate {
    /// Reads the certificate in `envelope`, if a signature of it holds under one of `keys`.
    pub fn read(envelope: &[u8], keys: &[VerifyingKey]) -> Result<Self, PageError> {
        let verified = dsse::verify(envelope, keys)?;
        Ok(Self {
            statement: Statement::read(&verified)?,
            payload_sha256: Sha256::of(verified.payload()),
            key_id: key_id(verified.key()),
            envelope: envelope.to_owned(),
        })
    }

    /// What is certified.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The digest of the bytes that were signed.
    pub fn payload_sha256(&self) -> Sha256 {
        self.payload_sha256
    }

    /// The name of the key under which the signature holds.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The bytes to be attached: those that were verified.
    pub fn envelope(&self) -> &[u8] {
        &self.envelope
    }

    /// What the QR code says.
    pub fn code_text(&self) -> String {
        format!("sha256:{}", self.payload_sha256)
    }

    /// The number of the certificate, as it is shown.
    pub fn number(&self) -> String {
        form::shown(&self.statement.predicate.certificate_id)
    }

    /// The issuer's name, as it is shown.
    pub fn issuer(&self) -> String {
        form::shown(&self.statement.predicate.issuer.organization)
    }

    /// When the certificate was sealed.
    pub fn sealed_at(&self) -> Timestamp {
        self.statement.predicate.period.sealed_at
    }

    /// The certificate in words.
    pub fn sheet(&self, language: Language, medium: Medium) -> Sheet {
        Writer::new(self, language).sheet(medium)
    }
}

/// Writes one sheet.
struct Writer<'c> {
    certificate: &'c Certificate,
    predicate: &'c Predicate,
    language: Language,
    /// The zone of the run's calendar; UTC if this machine does not know it.
    zone: TimeZone,
}

impl<'c> Writer<'c> {
    fn new(certificate: &'c Certificate, language: Language) -> Self {
        let predicate = &certificate.statement.predicate;
        Self {
            certificate,
            predicate,
            language,
            zone: TimeZone::get(&predicate.run.time_zone).unwrap_or(TimeZone::UTC),
        }
    }

    fn say(&self, word: Word) -> &'static str {
        word.of(self.language)
    }

    fn time(&self, time: Timestamp) -> String {
        form::time(time, &self.zone, self.language)
    }

    fn sheet(&self, medium: Medium) -> Sheet {
        let (title, declaration) = words::certifies(
            self.predicate.kind,
            self.has(|class| class != MethodClass::Pseudonymize),
            self.has(|class| class == MethodClass::Pseudonymize),
        );
        let notice = match medium {
            Medium::Html => words::NOTICE_HTML,
            Medium::Pdf => words::NOTICE_PDF,
        };
        Sheet {
            lang: self.language.tag(),
            title: self.say(title),
            subtitle: title.beside(self.language),
            numbers: self.numbers(),
            addressee: self.addressee(),
            addressee_facts: self.addressee_facts(),
            warnings: self.warnings(),
            declaration: self.say(declaration).to_owned(),
            issuer_label: self.say(words::ISSUER),
            issuer: self.issuer(),
            stamp: Some(self.say(words::STAMP)),
            sections: self.sections(),
            proof: self.proof(medium),
            code_label: self.say(words::CODE_LABEL),
            notice: self.say(notice),
            attachment_label: self.say(words::ATTACHMENT),
            page_label: self.say(words::PAGE),
        }
    }

    fn has(&self, fits: impl Fn(MethodClass) -> bool) -> bool {
        let mut targets = self.predicate.targets.iter();
        targets.any(|target| fits(target.method.class))
    }

    fn numbers(&self) -> Vec<Fact> {
        let issued = self.certificate.sealed_at().to_zoned(self.zone.clone());
        vec![
            Fact::code(
                self.say(words::CERTIFICATE_NUMBER),
                self.certificate.number(),
            ),
            Fact::new(
                self.say(words::ISSUED_ON),
                form::day(issued.date(), self.language),
            ),
        ]
    }

    fn addressee(&self) -> String {
        let controller = &self.predicate.controller;
        let name = controller.organization.as_ref();
        let name = form::shown(name.unwrap_or(&controller.client));
        match self.language {
            Language::Ja => format!("{name} 御中"),
            Language::En => format!("To: {name}"),
        }
    }

    fn addressee_facts(&self) -> Vec<Fact> {
        let client = form::shown(&self.predicate.controller.client);
        vec![Fact::code(self.say(words::CLIENT_NAME), client)]
    }

    fn warnings(&self) -> Vec<Warning> {
        let warning = |title: Word, text: Word, is_alarm| Warning {
            title: self.say(title),
            text: self.say(text),
            is_alarm,
        };
        let mut warnings = Vec::new();
        if self.predicate.status == Status::Partial {
            warnings.push(warning(words::PARTIAL, words::PARTIAL_TEXT, true));
        }
        if self.has(|class| class == MethodClass::Pseudonymize) {
            let (title, text) = (words::PSEUDONYMIZED_NOTE, words::PSEUDONYMIZED_TEXT);
            warnings.push(warning(title, text, false));
        }
        warnings
    }

    fn issuer(&self) -> Vec<Fact> {
        let issuer = &self.predicate.issuer;
        let mut facts = vec![Fact::new(
            self.say(words::ISSUER),
            form::shown(&issuer.organization),
        )];
        if let Some(number) = &issuer.corporate_number {
            let number = form::shown(number);
            facts.push(Fact::code(self.say(words::CORPORATE_NUMBER), number));
        }
        let worker = format!("{} {}", issuer.worker.name, issuer.worker.version);
        facts.push(Fact::new(self.say(words::WORKER), form::shown(&worker)));
        facts
    }

    fn sections(&self) -> Vec<Section> {
        vec![
            self.overview(),
            self.targets(),
            self.bases(),
            self.reasons(),
            self.look_back(),
            self.residuals(),
            self.scope(),
        ]
    }

    fn overview(&self) -> Section {
        let run = &self.predicate.run;
        let period = &self.predicate.period;
        let as_of = form::day(run.as_of, self.language);
        let mut facts = vec![
            Fact::new(
                self.say(words::STATUS),
                self.say(words::status(self.predicate.status)),
            ),
            Fact::new(
                self.say(words::TRIGGER),
                self.say(words::trigger(self.predicate.trigger)),
            ),
            Fact::new(
                self.say(words::AS_OF),
                format!("{as_of} ({})", form::shown(&run.time_zone)),
            ),
            Fact::new(self.say(words::PERIOD), self.duration()),
            Fact::new(self.say(words::SEALED), self.time(period.sealed_at)),
            Fact::code(self.say(words::RUN), form::shown(&run.id)),
        ];
        facts.extend(self.reconciles());
        Section {
            heading: self.say(words::OVERVIEW),
            blocks: vec![Block::Facts(facts)],
        }
    }

    /// The earlier certificates that the run has carried out again.
    fn reconciles(&self) -> Option<Fact> {
        let again = self.predicate.reconciles.iter();
        let again: Vec<String> = again.map(|one| form::shown(&one.certificate_id)).collect();
        (!again.is_empty()).then(|| Fact::code(self.say(words::RECONCILES), again.join("\n")))
    }

    fn duration(&self) -> String {
        let period = &self.predicate.period;
        let (from, to) = (self.time(period.started_at), self.time(period.finished_at));
        match self.language {
            Language::Ja => format!("{from}～\n{to}"),
            Language::En => format!("{from} to\n{to}"),
        }
    }

    fn residuals(&self) -> Section {
        let block = if self.predicate.residuals.is_empty() {
            Block::Text(self.say(words::NO_RESIDUALS).to_owned())
        } else {
            let rows = self.predicate.residuals.iter();
            Block::Table(Table {
                caption: self.say(words::RESIDUALS_CAPTION),
                columns: vec![
                    Column::text(self.say(words::COPY), 50),
                    Column::text(self.say(words::KEPT_FOR), 22),
                    Column::text(self.say(words::EXPIRES_BY), 28),
                ],
                rows: rows.map(|residual| self.residual(residual)).collect(),
            })
        };
        Section {
            heading: self.say(words::RESIDUALS),
            blocks: vec![block],
        }
    }

    fn residual(&self, residual: &Residual) -> Row {
        let unstated = || self.say(words::NOT_STATED).to_owned();
        let retention = residual.retention.as_ref();
        Row::new([
            form::shown(&residual.place),
            retention.map_or_else(unstated, |period| form::period(period, self.language)),
            residual
                .expires_by
                .map_or_else(unstated, |day| form::day(day, self.language)),
        ])
    }

    fn scope(&self) -> Section {
        let points = [
            words::SCOPE_DONE,
            words::SCOPE_NOT_MEDIA,
            words::SCOPE_NO_PERSONAL_DATA,
        ];
        Section {
            heading: self.say(words::SCOPE),
            blocks: vec![Block::Points(
                points.into_iter().map(|point| self.say(point)).collect(),
            )],
        }
    }
}
