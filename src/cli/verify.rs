//! `kigen verify`: everything that is published, checked by whoever has the files and a key.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ed25519_dalek::VerifyingKey;
use kigen_evidence::log::checkpoint::{Checkpoint, CheckpointError};
use kigen_evidence::log::note::{Note, NoteError};
use kigen_evidence::log::vkey::KeyType;
use kigen_evidence::public_key;
use serde::Serialize;

use super::failure::Failure;
use super::note_key::note_keys;
use super::{Global, load, output};
use crate::archive::{self, Archive, FolderPlace, PublishError};
use crate::config::{CertificatesBucket, CertificatesPlace};
use crate::exit;
use crate::progress::Progress;
use crate::verify::{
    self, Basis, CertificateVerification, PlaceVerification, PublishedFinding, Trust, VerifyError,
};

/// Options of `kigen verify`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A folder of certificates, or `s3://bucket/prefix`; the configured place if left out
    place: Option<String>,
    /// A public key of the issuer (PEM), got by another way than the place; may be repeated. The
    /// place's own `keys/` if left out
    #[arg(long = "key", value_name = "FILE")]
    keys: Vec<PathBuf>,
    /// The public key that signs the heads of the clients' logs (PEM), got by another way than the
    /// place; may be repeated. The place's own `keys/` if left out
    #[arg(long = "log-key", value_name = "FILE")]
    log_keys: Vec<PathBuf>,
    /// A checkpoint of a client's log that you kept from earlier: the log must contain it; may be
    /// repeated
    #[arg(long = "checkpoint", value_name = "FILE")]
    checkpoints: Vec<PathBuf>,
    /// A witness's public key (`name+id+key`, or a file that holds it): it must have cosigned the
    /// log of every client that is checked; may be repeated
    #[arg(long = "witness-key", value_name = "KEY")]
    witness_keys: Vec<String>,
    /// The bucket's region; what the environment says if left out
    #[arg(long, value_name = "NAME")]
    region: Option<String>,
    /// URL of an S3 server other than Amazon's
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// The bucket stands in the path rather than in the host's name
    #[arg(long)]
    path_style: bool,
}

/// What `kigen verify --format json` prints.
#[derive(Serialize)]
struct Checked {
    place: String,
    holds: bool,
    /// Whether the keys were given with `--key`, or come from the place itself.
    keys_from: &'static str,
    key_ids: Vec<String>,
    log_keys_from: &'static str,
    log_key_ids: Vec<String>,
    findings: Vec<Sentence>,
    clients: Vec<CheckedClient>,
}

#[derive(Serialize)]
struct CheckedClient {
    folder: String,
    holds: bool,
    findings: Vec<Sentence>,
    certificates: Vec<Verified>,
}

/// One published certificate, checked.
#[derive(Serialize)]
pub(super) struct Verified {
    pub(super) folder: String,
    pub(super) holds: bool,
    pub(super) certificate_id: Option<String>,
    pub(super) findings: Vec<Sentence>,
}

/// One finding, as people read it.
#[derive(Serialize)]
pub(super) struct Sentence {
    pub(super) holds: bool,
    pub(super) says: String,
}

/// Verifies a place as a whole.
pub(super) async fn verify(global: &Global, arguments: &Arguments) -> Result<u8, Failure> {
    let progress = Progress::on_stderr();
    let place = open(global, arguments, &progress).await?;
    let held: Result<Vec<Checkpoint>, Failure> = arguments
        .checkpoints
        .iter()
        .map(|file| read_checkpoint(file))
        .collect();
    let basis = Basis {
        certificates: trust(&arguments.keys)?,
        logs: trust(&arguments.log_keys)?,
        held: held?,
        witnesses: note_keys(&arguments.witness_keys, KeyType::Cosignature)?,
    };
    let found = check(&place, basis, &progress).await?;
    let holds = found.holds();
    let checked = checked(&*place, &found, arguments);
    output::print(global.format, &checked, render)?;
    Ok(code(holds))
}

/// The exit code of a check.
pub(super) fn code(holds: bool) -> u8 {
    if holds {
        exit::DONE
    } else {
        exit::DOES_NOT_HOLD
    }
}

/// Opens what the command line names. Who does that needs no configuration.
async fn open(
    global: &Global,
    arguments: &Arguments,
    progress: &Progress,
) -> Result<Arc<dyn Archive>, Failure> {
    let Some(named) = &arguments.place else {
        let config = load::config(global)?;
        load::log(global, config.log_format, progress)?;
        return open_place(&config.certificates.place).await;
    };
    load::log(global, None, progress)?;
    if !named.starts_with("s3://") {
        return open_place(&CertificatesPlace::Folder(named.into())).await;
    }
    let bucket = CertificatesBucket::parse(named).ok_or_else(|| {
        let message = format!("`{named}` is not an address of the form `s3://bucket/prefix`");
        Failure::new(exit::USAGE, message)
    })?;
    open_place(&CertificatesPlace::S3(CertificatesBucket {
        region: arguments.region.clone(),
        endpoint: arguments.endpoint.clone(),
        path_style: arguments.path_style,
        ..bucket
    }))
    .await
}

/// Opens a place to read from it.
pub(super) async fn open_place(place: &CertificatesPlace) -> Result<Arc<dyn Archive>, Failure> {
    let opened = archive::open(place).await;
    opened.map_err(|error| failed(&VerifyError::Place(error)))
}

/// Checks a place.
pub(super) async fn check(
    place: &Arc<dyn Archive>,
    basis: Basis,
    progress: &Progress,
) -> Result<PlaceVerification, Failure> {
    let found = verify::verify_place(place, basis, progress).await;
    found.map_err(|error| failed(&error))
}

/// The keys in `files`, or those that are published if there are none.
pub(super) fn trust(files: &[PathBuf]) -> Result<Trust, Failure> {
    if files.is_empty() {
        return Ok(Trust::Published);
    }
    Ok(Trust::Given(public_keys(files)?))
}

/// A checkpoint out of a signed note. Who kept it knows that it is right; its signature is not asked
/// for again.
fn read_checkpoint(file: &Path) -> Result<Checkpoint, Failure> {
    let wrong = |why: String| {
        let message = format!("read the checkpoint `{}`: {why}", file.display());
        Failure::new(exit::USAGE, message)
    };
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    let note: Note = text
        .parse()
        .map_err(|error: NoteError| wrong(error.to_string()))?;
    note.text()
        .parse()
        .map_err(|error: CheckpointError| wrong(error.to_string()))
}

/// Checks the one certificate that lies in `folder`.
pub(super) async fn check_one(folder: &Path, files: &[PathBuf]) -> Result<Verified, Failure> {
    let keys = keys(&FolderPlace::new(&folder.join("../..")), files).await?;
    let place: Arc<dyn Archive> = Arc::new(FolderPlace::new(folder));
    let found = verify::verify_certificate(&place, "", &keys).await;
    Ok(verified(&*place, &found.map_err(|error| failed(&error))?))
}

/// The keys in `files`, or those that are published in `place` if there are none.
pub(super) async fn keys(
    place: &dyn Archive,
    files: &[PathBuf],
) -> Result<Vec<VerifyingKey>, Failure> {
    if !files.is_empty() {
        return public_keys(files);
    }
    let listed = place.list("keys/").await;
    let listed = listed.map_err(|error| failed(&VerifyError::Place(error)))?;
    let keys = verify::published_keys(place, &listed.files).await;
    keys.map_err(|error| failed(&error))
}

fn public_keys(files: &[PathBuf]) -> Result<Vec<VerifyingKey>, Failure> {
    files.iter().map(|file| read_key(file)).collect()
}

fn read_key(file: &Path) -> Result<VerifyingKey, Failure> {
    let wrong = |why: String| {
        Failure::new(
            exit::USAGE,
            format!("read the public key `{}`: {why}", file.display()),
        )
    };
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    public_key::from_pem(&text).map_err(|error| wrong(error.to_string()))
}

/// Why nothing could be checked.
fn failed(error: &VerifyError) -> Failure {
    let (code, hint) = match error {
        VerifyError::NoKeys { .. } => (
            exit::USAGE,
            "\nhint: `--key FILE` names the issuer's public key",
        ),
        VerifyError::Place(PublishError::Server { .. }) => (exit::STORE_UNREACHABLE, ""),
        VerifyError::Place(_) => (exit::USAGE, ""),
        VerifyError::BrokenOff => (exit::UNEXPECTED, ""),
    };
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        message.push_str(&format!(": {error}"));
        cause = error.source();
    }
    Failure::new(code, format!("{message}{hint}"))
}

fn checked(place: &dyn Archive, found: &PlaceVerification, arguments: &Arguments) -> Checked {
    let clients = found.clients.iter().map(|client| CheckedClient {
        folder: place.locate(&client.folder),
        holds: client.holds(),
        findings: sentences(&client.findings),
        certificates: client
            .certificates
            .iter()
            .map(|one| verified(place, one))
            .collect(),
    });
    Checked {
        place: found.place.clone(),
        holds: found.holds(),
        keys_from: from(&arguments.keys),
        key_ids: found.keys.iter().map(public_key::key_id).collect(),
        log_keys_from: from(&arguments.log_keys),
        log_key_ids: found.log_keys.iter().map(public_key::key_id).collect(),
        findings: sentences(&found.findings),
        clients: clients.collect(),
    }
}

fn from(given: &[PathBuf]) -> &'static str {
    if given.is_empty() {
        "published"
    } else {
        "given"
    }
}

/// One certificate, in sentences.
pub(super) fn verified(place: &dyn Archive, found: &CertificateVerification) -> Verified {
    Verified {
        folder: place.locate(&found.folder),
        holds: found.holds(),
        certificate_id: found
            .statement
            .as_ref()
            .map(|statement| statement.predicate.certificate_id.clone()),
        findings: sentences(&found.findings),
    }
}

fn sentences(findings: &[PublishedFinding]) -> Vec<Sentence> {
    findings
        .iter()
        .map(|finding| Sentence {
            holds: finding.holds(),
            says: finding.to_string(),
        })
        .collect()
}

/// What `kigen verify` prints for people.
fn render(checked: &Checked) -> String {
    let mut text = String::new();
    section(&mut text, &checked.place, &checked.findings);
    for client in &checked.clients {
        section(&mut text, &client.folder, &client.findings);
        for one in &client.certificates {
            section(&mut text, &one.folder, &one.findings);
        }
    }
    let certificates: Vec<&Verified> = checked
        .clients
        .iter()
        .flat_map(|client| &client.certificates)
        .collect();
    text.push_str(&summary(&certificates));
    let beside = checked
        .clients
        .iter()
        .flat_map(|client| &client.findings)
        .chain(&checked.findings)
        .filter(|finding| !finding.holds)
        .count();
    if beside > 0 {
        text.push_str(&format!("\nbeside them {beside} things do NOT hold"));
    }
    if checked.keys_from == "published" {
        text.push_str(&format!("\n{PUBLISHED_KEY}"));
    }
    if checked.log_keys_from == "published" && !checked.log_key_ids.is_empty() {
        text.push_str(&format!("\n{PUBLISHED_LOG_KEY}"));
    }
    text
}

const PUBLISHED_LOG_KEY: &str = "the key of the logs came from the same place too (`--log-key`); a checkpoint that you kept shows that nothing was rewritten (`--checkpoint`)";
const PUBLISHED_KEY: &str =
    "the key came from the same place; compare it with the one you got by another way (`--key`)";

fn section(text: &mut String, title: &str, findings: &[Sentence]) {
    text.push_str(title);
    text.push('\n');
    for finding in findings {
        let mark = if finding.holds { "holds" } else { "FAILS" };
        text.push_str(&format!("  {mark}  {}\n", finding.says));
    }
}

fn summary(certificates: &[&Verified]) -> String {
    let failing = certificates.iter().filter(|one| !one.holds).count();
    match (certificates.len(), failing) {
        (0, _) => "no certificate has been published here".to_owned(),
        (all, 0) => format!("{all} certificates verified, all hold"),
        (all, failing) => format!("{failing} of {all} certificates do NOT hold"),
    }
}

/// What `kigen certificate verify` prints.
pub(super) fn render_certificates(verified: &[Verified], with_published_key: bool) -> String {
    let mut text = String::new();
    for one in verified {
        section(&mut text, &one.folder, &one.findings);
    }
    let certificates: Vec<&Verified> = verified.iter().collect();
    text.push_str(&summary(&certificates));
    if with_published_key && !verified.is_empty() {
        text.push_str(&format!("\n{PUBLISHED_KEY}"));
    }
    text
}
