//! A receipt as a sheet. It is personal data: handed over, not stored.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use thiserror::Error;

use crate::digest::Sha256;
use crate::leaf::{Action, Disclosed};
use crate::receipt::Proven;
use crate::value::Value;

use super::certificate::Certificate;
use super::form;
use super::language::Language;
use super::sheet::{Block, Column, Fact, Row, Section, Sheet, Table, Warning};
use super::words::{self, Word};

/// What a receipt shows. The caller has verified `proof` and filled the rest from it.
pub struct ReceiptView {
    /// The certificate whose tree the leaf is in.
    pub certificate_id: String,
    pub issuer: String,
    /// The day of the certificate.
    pub issued_on: Date,
    /// To whom the data belonged to: the client's organization, or its name.
    pub client: String,
    pub store: String,
    /// `schema.table`, or the bucket.
    pub object: String,
    /// What happened.
    pub action: Action,
    /// What it is a receipt for.
    pub of: ReceiptOf,
    /// The leaf in lower-case hexadecimal.
    pub leaf: String,
    pub index: u64,
    pub tree_size: u64,
    /// The root of the tree in base64, as the run's checkpoint writes it.
    pub root: String,
    /// The origin of the run's checkpoint.
    pub origin: String,
    /// Where the certificate stands in its client's log.
    pub log: Option<ReceiptLog>,
    /// The receipt itself (`tlog-proof`), which is attached.
    pub proof: Vec<u8>,
}

/// What a receipt is for.
pub enum ReceiptOf {
    /// One record, by the columns of its key.
    Record { key: Vec<(String, String)> },
    /// One person, and how many of its records were processed.
    Person {
        kind: String,
        id: String,
        records: u64,
    },
}

impl ReceiptOf {
    fn disclosed(disclosed: &Disclosed) -> Self {
        match disclosed {
            Disclosed::Record(record) => Self::Record {
                key: record
                    .key
                    .iter()
                    .map(|(column, value)| (column.clone(), written(value)))
                    .collect(),
            },
            Disclosed::Subject(subject) => Self::Person {
                kind: subject.kind.clone(),
                id: written(&subject.id),
                records: subject.count,
            },
        }
    }
}

/// A value as its store writes it.
fn written(value: &Value) -> String {
    value.store_text().unwrap_or_else(|| "NULL".to_owned())
}

/// A place in the log of certificates.
pub struct ReceiptLog {
    pub origin: String,
    pub index: u64,
}

impl fmt::Debug for ReceiptView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted receipt>")
    }
}

/// Why a receipt is not shown.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the receipt belongs to another certificate")]
pub struct OtherCertificate;

impl ReceiptView {
    /// What the receipt in `file`, which has `proven` something, shows beside its certificate.
    pub fn new(
        proven: &Proven,
        certificate: &Certificate,
        file: &str,
    ) -> Result<Self, OtherCertificate> {
        let statement = certificate.statement();
        let predicate = &statement.predicate;
        let mut targets = predicate.targets.iter();
        let target = targets.find(|target| target.index == proven.head.target);
        let target = target.filter(|_| proven.belongs_to(statement));
        let target = target.ok_or(OtherCertificate)?;
        let controller = &predicate.controller;
        let zone = TimeZone::get(&predicate.run.time_zone).unwrap_or(TimeZone::UTC);
        let log = predicate.log.as_ref().map(|place| ReceiptLog {
            origin: place.origin.clone(),
            index: place.index,
        });
        Ok(Self {
            certificate_id: predicate.certificate_id.clone(),
            issuer: predicate.issuer.organization.clone(),
            issued_on: certificate.sealed_at().to_zoned(zone).date(),
            client: controller
                .organization
                .clone()
                .unwrap_or_else(|| controller.client.clone()),
            store: target.store.id.clone(),
            object: target.object.clone(),
            action: proven.head.action,
            of: ReceiptOf::disclosed(proven.opening.disclosed()),
            leaf: hex::encode(proven.leaf().as_bytes()),
            index: proven.index,
            tree_size: proven.checkpoint.size(),
            root: STANDARD.encode(proven.checkpoint.root()),
            origin: proven.checkpoint.origin().to_owned(),
            log,
            proof: file.as_bytes().to_vec(),
        })
    }

    /// The digest of the attached receipt.
    pub fn sha256(&self) -> Sha256 {
        Sha256::of(&self.proof)
    }

    /// The receipt in words.
    pub fn sheet(&self, language: Language) -> Sheet {
        let (title, declaration) = match &self.of {
            ReceiptOf::Record { .. } => (
                words::TITLE_RECORD_RECEIPT,
                words::RECEIPT_RECORD_DECLARATION,
            ),
            ReceiptOf::Person { .. } => (
                words::TITLE_PERSON_RECEIPT,
                words::RECEIPT_PERSON_DECLARATION,
            ),
        };
        let say = |word: Word| word.of(language);
        Sheet {
            lang: language.tag(),
            title: say(title),
            subtitle: title.beside(language),
            numbers: vec![
                Fact::code(
                    say(words::CERTIFICATE_NUMBER),
                    form::shown(&self.certificate_id),
                ),
                Fact::new(say(words::ISSUED_ON), form::day(self.issued_on, language)),
            ],
            addressee: String::new(),
            addressee_facts: Vec::new(),
            warnings: self.warnings(language),
            declaration: say(declaration).to_owned(),
            issuer_label: say(words::ISSUER),
            issuer: vec![
                Fact::new(say(words::ISSUER), form::shown(&self.issuer)),
                Fact::new(say(words::CLIENT), form::shown(&self.client)),
            ],
            stamp: None,
            sections: vec![self.removed(language)],
            proof: self.proof(language),
            code_label: say(words::RECEIPT_CODE_LABEL),
            notice: say(words::RECEIPT_NOTICE),
            attachment_label: say(words::RECEIPT_ATTACHMENT),
            page_label: say(words::PAGE),
        }
    }

    fn warnings(&self, language: Language) -> Vec<Warning> {
        let mut warnings = vec![Warning {
            title: words::RECEIPT_WARNING.of(language),
            text: words::RECEIPT_WARNING_TEXT.of(language),
            is_alarm: true,
        }];
        if self.action == Action::Pseudonymized {
            warnings.push(Warning {
                title: words::PSEUDONYMIZED_NOTE.of(language),
                text: words::PSEUDONYMIZED_TEXT.of(language),
                is_alarm: false,
            });
        }
        warnings
    }

    fn removed(&self, language: Language) -> Section {
        let say = |word: Word| word.of(language);
        let mut facts = vec![
            Fact::new(say(words::RECEIPT_STORE), form::shown(&self.store)),
            Fact::new(say(words::RECEIPT_OBJECT), form::shown(&self.object)),
            Fact::new(say(words::RESULT), say(words::action(self.action))),
        ];
        let mut blocks = Vec::new();
        match &self.of {
            ReceiptOf::Record { key } => blocks.push(Block::Table(Table {
                caption: say(words::RECEIPT_KEY),
                columns: vec![
                    Column::text(say(words::RECEIPT_KEY_COLUMN), 40),
                    Column::text(say(words::RECEIPT_KEY_VALUE), 60),
                ],
                rows: key
                    .iter()
                    .map(|(column, value)| Row::new([form::shown(column), form::shown(value)]))
                    .collect(),
            })),
            ReceiptOf::Person { kind, id, records } => {
                let person = format!("{} {}", form::shown(kind), form::shown(id));
                facts.push(Fact::new(say(words::RECEIPT_PERSON), person));
                facts.push(Fact::new(say(words::RECEIPT_COUNT), form::number(*records)));
            }
        }
        blocks.insert(0, Block::Facts(facts));
        Section {
            heading: say(words::RECEIPT_REMOVED),
            blocks,
        }
    }

    fn proof(&self, language: Language) -> Section {
        let say = |word: Word| word.of(language);
        let mut facts = vec![
            Fact::code(say(words::RECEIPT_DIGEST), self.sha256().to_string()),
            Fact::code(say(words::RECEIPT_LEAF), form::shown(&self.leaf)),
            Fact::new(say(words::RECEIPT_INDEX), form::number(self.index)),
            Fact::new(say(words::RECEIPT_SIZE), form::number(self.tree_size)),
            Fact::code(say(words::TREE_ORIGIN), form::shown(&self.origin)),
            Fact::code(say(words::TREE_ROOT), form::shown(&self.root)),
        ];
        facts.push(match &self.log {
            Some(log) => Fact::code(
                say(words::LOG),
                format!("{} #{}", form::shown(&log.origin), log.index),
            ),
            None => Fact::new(say(words::LOG), say(words::NO_LOG)),
        });
        let steps = [
            words::RECEIPT_STEP_SAVE,
            words::RECEIPT_STEP_KEY,
            words::RECEIPT_STEP_SCRIPT,
        ];
        Section {
            heading: say(words::PROOF),
            blocks: vec![
                Block::Facts(facts),
                Block::Steps(steps.into_iter().map(|step| say(step).to_owned()).collect()),
            ],
        }
    }
}
