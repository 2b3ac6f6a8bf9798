//! `kigen certificate verify-receipt`: a receipt, checked by whoever holds the log's public key.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use kigen_evidence::leaf::{Action, Disclosed};
use kigen_evidence::log::proof::LONGEST_PROOF;
use kigen_evidence::log::vkey::NoteKey;
use kigen_evidence::public_key;
use kigen_evidence::receipt::{self, Heads, Proven, ReceiptError};
use kigen_evidence::statement::{LONGEST_PAYLOAD, Statement};
use kigen_evidence::value::Value;
use serde::Serialize;

use super::{Failure, output};
use crate::cli::Global;
use crate::exit;

/// Options of `kigen certificate verify-receipt`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The receipt (`tlog-proof`)
    file: PathBuf,
    /// The log's public key, got by another way than the receipt: a PEM file, or a file or text of
    /// the form `name+id+key`; may be repeated
    #[arg(long = "log-key", value_name = "KEY", required = true)]
    log_keys: Vec<String>,
    /// The certificate's `statement.json`, to check that the receipt belongs to this certificate
    #[arg(long, value_name = "FILE")]
    statement: Option<PathBuf>,
    /// Try the targets 0 to N-1 of the certificate
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    targets: u16,
}

/// What `--format json` prints.
#[derive(Serialize)]
struct Checked {
    holds: bool,
    log: String,
    origin: String,
    index: u64,
    size: u64,
    action: &'static str,
    target: u16,
    client: String,
    /// `null` for a person.
    record: Option<Record>,
    /// `null` for a record.
    person: Option<Person>,
    /// Whether it was compared with a certificate.
    certificate_compared: bool,
}

#[derive(Serialize)]
struct Record {
    store: String,
    object: String,
    key: Vec<Column>,
    occurrence: u32,
}

#[derive(Serialize)]
struct Column {
    column: String,
    value: Option<String>,
}

#[derive(Serialize)]
struct Person {
    kind: String,
    id: Option<String>,
    records: u64,
}

/// Checks the receipt and says what it proves.
pub(super) fn verify(global: &Global, arguments: &Arguments) -> Result<u8, Failure> {
    let file = receipt_text(&arguments.file)?;
    let mut keys = Vec::new();
    for named in &arguments.log_keys {
        keys.extend(log_keys(named, &file)?);
    }
    let heads = Heads::Below(arguments.targets);
    let proven = receipt::verify(&file, &keys, heads).map_err(|error| not_proven(&error))?;
    if let Some(statement) = &arguments.statement {
        belongs(&proven, statement)?;
    }
    let checked = checked(&proven, arguments.statement.is_some());
    output::print(global.format, &checked, render)?;
    Ok(exit::DONE)
}

/// What is wrong with the receipt: never what it is about.
fn not_proven(error: &ReceiptError) -> Failure {
    Failure::new(exit::DOES_NOT_HOLD, format!("not proven: {error}"))
}

fn receipt_text(path: &Path) -> Result<String, Failure> {
    let text = read(path, LONGEST_PROOF, "receipt")?;
    String::from_utf8(text).map_err(|_| {
        let message = "not proven: the file is no receipt";
        Failure::new(exit::DOES_NOT_HOLD, message)
    })
}

/// Up to one byte more than can be right.
fn read(path: &Path, longest: usize, what: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let opened = fs::File::open(path);
    let read = opened.and_then(|file| file.take(longest as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|error| {
        let message = format!("read the {what} `{}`: {error}", path.display());
        Failure::new(exit::USAGE, message)
    })?;
    Ok(bytes)
}

/// The key that `named` says or holds, under the names that it may have signed `receipt` with.
fn log_keys(named: &str, receipt: &str) -> Result<Vec<NoteKey>, Failure> {
    if let Ok(key) = named.parse::<NoteKey>() {
        return Ok(vec![key]);
    }
    let text = read(Path::new(named), 64 * 1024, "log key")?;
    let text = String::from_utf8_lossy(&text);
    if let Ok(key) = text.trim_end().parse::<NoteKey>() {
        return Ok(vec![key]);
    }
    let key = public_key::from_pem(&text).map_err(|_| {
        let message = format!(
            "read the log key `{named}`: it is neither an Ed25519 public key in PEM nor of the form `name+id+key`"
        );
        Failure::new(exit::USAGE, message)
    })?;
    receipt::named(receipt, &key).map_err(|error| not_proven(&error))
}

fn belongs(proven: &Proven, path: &Path) -> Result<(), Failure> {
    let text = read(path, LONGEST_PAYLOAD, "certificate")?;
    let statement: Statement = serde_json::from_slice(&text).map_err(|_| {
        let message = format!("read the certificate `{}`: it is none", path.display());
        Failure::new(exit::USAGE, message)
    })?;
    if proven.belongs_to(&statement) {
        return Ok(());
    }
    let message = format!(
        "not proven: the receipt belongs to another certificate than `{}`",
        path.display()
    );
    Err(Failure::new(exit::DOES_NOT_HOLD, message))
}

fn checked(proven: &Proven, certificate_compared: bool) -> Checked {
    let (client, record, person) = match proven.opening.disclosed() {
        Disclosed::Record(record) => (
            record.client.clone(),
            Some(Record {
                store: record.store.clone(),
                object: record.object.clone(),
                key: record.key.iter().map(column).collect(),
                occurrence: record.occurrence,
            }),
            None,
        ),
        Disclosed::Subject(subject) => (
            subject.client.clone(),
            None,
            Some(Person {
                kind: subject.kind.clone(),
                id: subject.id.store_text(),
                records: subject.count,
            }),
        ),
    };
    Checked {
        holds: true,
        log: proven.key.name().to_owned(),
        origin: proven.checkpoint.origin().to_owned(),
        index: proven.index,
        size: proven.checkpoint.size(),
        action: proven.head.action.name(),
        target: proven.head.target,
        client,
        record,
        person,
        certificate_compared,
    }
}

fn column((column, value): &(String, Value)) -> Column {
    Column {
        column: column.clone(),
        value: value.store_text(),
    }
}

/// The sentences of `scripts/auditor/verify_receipt.sh`.
fn render(checked: &Checked) -> String {
    let run = checked.origin.strip_prefix(&checked.log);
    let run = run.and_then(|rest| rest.strip_prefix("/run/"));
    let mut text = format!(
        "The log `{}` has signed the tree of the run `{}`, which has {} leaves.\n",
        checked.log,
        run.unwrap_or_default(),
        checked.size
    );
    text.push_str(&format!(
        "Leaf {} of this tree stands for {}.\n",
        checked.index,
        shown(&opened(checked))
    ));
    text.push_str(&format!(
        "What became of it: {} (target {} of the certificate).",
        became(checked.action),
        checked.target
    ));
    if checked.certificate_compared {
        text.push_str("\nThe tree is the one that the certificate names.");
    }
    text
}

fn opened(checked: &Checked) -> String {
    let client = &checked.client;
    let null = || "NULL".to_owned();
    if let Some(person) = &checked.person {
        let id = person.id.clone().unwrap_or_else(null);
        let (records, kind) = (person.records, &person.kind);
        return format!("{records} records of the {kind} {id} of the client `{client}`");
    }
    let Some(record) = &checked.record else {
        return String::new();
    };
    let key = record.key.iter().map(|column| {
        let value = column.value.clone().unwrap_or_else(null);
        format!("{} = {value}", column.column)
    });
    let key: Vec<String> = key.collect();
    format!(
        "a record of the client `{client}` in `{}` of the store `{}`, with the key {}",
        record.object,
        record.store,
        key.join(", ")
    )
}

/// What could steer a terminal becomes a question mark.
fn shown(text: &str) -> String {
    let mark = |character: char| {
        if character.is_control() {
            '?'
        } else {
            character
        }
    };
    text.chars().map(mark).collect()
}

/// What became of a record, as a part of a sentence.
fn became(action: &str) -> &'static str {
    let action = Action::ALL.into_iter().find(|one| one.name() == action);
    action.map_or("unknown", in_words)
}

/// What an action did, as a part of a sentence.
pub(super) fn in_words(action: Action) -> &'static str {
    match action {
        Action::RowDeleted => "deleted",
        Action::Pseudonymized => "pseudonymized",
        Action::ObjectVersionDeleted => "deleted, as a version of an object",
        Action::CryptoErased => "made unreadable by destroying its key",
        Action::AlreadyAbsent => "found to be gone already",
        Action::Held => "due, but held: not removed",
        Action::DeleteMarkerRemoved => "removed, as the marker of a deletion",
        Action::UploadAborted => "aborted, as an upload",
    }
}
