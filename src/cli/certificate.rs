//! `kigen certificate`: lists, shows and verifies what was issued.

mod page;

use std::path::Path;
use std::path::PathBuf;

use ed25519_dalek::VerifyingKey;
use serde::Serialize;

use super::Format;
use super::Global;
use super::failure::Failure;
use super::load;
use super::output;
use crate::evidence::public_key;
use crate::exit;
use crate::ledger::CertificateFilter;
use crate::ledger::CertificateMatch;
use crate::ledger::CertificateSummary;
use crate::ledger::StoredCertificate;
use crate::progress::Progress;
use crate::run::seal::verify;

/// The commands of `kigen certificate`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Lists the certificates in the ledger
    List {
        /// Only those of this run
        #[arg(long, value_name = "ID")]
        run: Option<String>,
        /// Only those of this client
        #[arg(long, value_name = "NAME")]
        client: Option<String>,
    },
    /// Prints the statement of one certificate, or makes a page of it (`--format html|pdf`)
    Show {
        /// Its id, or the beginning of it
        id: String,
        #[command(flatten)]
        page: page::Page,
    },
    /// Verifies what was published: signature, leaves, counts, root
    Verify {
        /// A folder of certificates, or of one of them; the configured one if left out
        folder: Option<PathBuf>,
        /// The issuer's public key (PEM), got by another way than the folder; the folder's own
        /// `keys/certificate.pub.pem` if left out
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
}

#[derive(Serialize)]
struct Line {
    certificate_id: String,
    run_id: String,
    client: String,
    created_at: String,
    payload_sha256: String,
    signed: bool,
}

/// Does what `command` says.
pub(super) async fn certificate(global: &Global, command: &Command) -> Result<u8, Failure> {
    match command {
        Command::List { run, client } => list(global, run.clone(), client.clone()).await,
        Command::Show { id, page } => show(global, id, page).await,
        Command::Verify { folder, key } => verify_published(global, folder.clone(), key.as_deref()),
    }
}

async fn list(
    global: &Global,
    run_id: Option<String>,
    client: Option<String>,
) -> Result<u8, Failure> {
    let config = load::config(global)?;
    load::log(global, config.log_format, &Progress::on_stderr())?;
    let ledger = load::ledger(&config).await?;
    ledger.check_migrated().await?;
    let filter = CertificateFilter {
        run_id,
        client,
        ..CertificateFilter::default()
    };
    let lines: Vec<Line> = ledger
        .certificates(&filter)
        .await?
        .into_iter()
        .map(line)
        .collect();
    output::print(global.format, &lines, |lines| {
        if lines.is_empty() {
            return "no certificate".to_owned();
        }
        let lines: Vec<String> = lines
            .iter()
            .map(|line| {
                format!(
                    "{}  {}  run {}  {}",
                    line.certificate_id, line.created_at, line.run_id, line.client
                )
            })
            .collect();
        lines.join("\n")
    })?;
    ledger.close().await;
    Ok(exit::DONE)
}

fn line(summary: CertificateSummary) -> Line {
    Line {
        certificate_id: summary.certificate_id,
        run_id: summary.run_id,
        client: summary.client,
        created_at: summary.created_at.to_string(),
        payload_sha256: summary.payload_sha256,
        signed: summary.signed,
    }
}

async fn show(global: &Global, id: &str, page: &page::Page) -> Result<u8, Failure> {
    if !global.format.is_page() {
        page.expect_unused()?;
    }
    let config = load::config(global)?;
    load::log(global, config.log_format, &Progress::on_stderr())?;
    let ledger = load::ledger(&config).await?;
    ledger.check_migrated().await?;
    let found = ledger.certificate(id).await?;
    ledger.close().await;
    let certificate = one(found, id)?;
    match global.format {
        Format::Html => page.html(&config.certificates, &certificate)?,
        Format::Pdf => page.pdf(&config.certificates, &certificate)?,
        Format::Text | Format::Json => show_statement(global, id, &certificate)?,
    }
    Ok(exit::DONE)
}

fn one(found: CertificateMatch, id: &str) -> Result<StoredCertificate, Failure> {
    match found {
        CertificateMatch::One(certificate) => Ok(*certificate),
        CertificateMatch::None => Err(Failure::new(
            exit::USAGE,
            format!("no certificate begins with `{id}`"),
        )),
        CertificateMatch::Several(ids) => {
            let message = format!("several certificates begin with `{id}`: {}", ids.join(", "));
            Err(Failure::new(exit::USAGE, message))
        }
    }
}

fn show_statement(
    global: &Global,
    id: &str,
    certificate: &StoredCertificate,
) -> Result<(), Failure> {
    let statement: serde_json::Value =
        serde_json::from_slice(&certificate.payload).map_err(|_| {
            Failure::new(
                exit::UNEXPECTED,
                format!("read the payload of certificate {id}"),
            )
        })?;
    output::print(global.format, &statement, |statement| {
        format!("{statement:#}")
    })
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

fn verify_published(
    global: &Global,
    folder: Option<PathBuf>,
    key: Option<&Path>,
) -> Result<u8, Failure> {
    // A stranger verifies a folder without any configuration.
    let verified = match folder {
        Some(folder) => check_folder(&folder, key)?,
        None => check_own(&load::config(global)?.certificates.folder, key)?,
    };
    let holds = verified.iter().all(|one| one.holds);
    output::print(global.format, &verified, |verified| {
        render(verified, key.is_none())
    })?;
    Ok(if holds { exit::DONE } else { exit::UNEXPECTED })
}

/// The configured folder; there is nothing in it before the first certificate.
fn check_own(folder: &Path, key: Option<&Path>) -> Result<Vec<Verified>, Failure> {
    let is_used = std::fs::read_dir(folder).is_ok_and(|mut files| files.next().is_some());
    if is_used {
        check_folder(folder, key)
    } else {
        Ok(Vec::new())
    }
}

/// Checks every certificate in `folder`, or the one that lies there.
pub(super) fn check_folder(folder: &Path, key: Option<&Path>) -> Result<Vec<Verified>, Failure> {
    let failed = |error: &verify::VerifyError| {
        Failure::new(
            exit::USAGE,
            format!("{error}\nhint: `--key FILE` names the issuer's public key"),
        )
    };
    let single = folder.join("cert.dsse.json").exists();
    let root = if single {
        folder.join("../..")
    } else {
        folder.to_owned()
    };
    let keys = match key {
        Some(file) => vec![public_key(file)?],
        None => verify::published_keys(&root).map_err(|error| failed(&error))?,
    };
    let found = if single {
        vec![verify::verify_folder(folder, &keys)]
    } else {
        verify::verify_all(&root, &keys).map_err(|error| failed(&error))?
    };
    Ok(found.into_iter().map(verified).collect())
}

fn public_key(file: &Path) -> Result<VerifyingKey, Failure> {
    let wrong = |why: String| {
        Failure::new(
            exit::USAGE,
            format!("read the public key `{}`: {why}", file.display()),
        )
    };
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    public_key::from_pem(&text).map_err(|error| wrong(error.to_string()))
}

fn verified(found: verify::FolderVerification) -> Verified {
    Verified {
        folder: found.folder.display().to_string(),
        holds: found.holds(),
        certificate_id: found
            .statement
            .as_ref()
            .map(|statement| statement.predicate.certificate_id.clone()),
        findings: found
            .findings
            .iter()
            .map(|finding| Sentence {
                holds: finding.holds(),
                says: finding.to_string(),
            })
            .collect(),
    }
}

/// What `kigen certificate verify` prints.
pub(super) fn render(verified: &[Verified], with_published_key: bool) -> String {
    let mut lines = Vec::new();
    for one in verified {
        lines.push(one.folder.clone());
        for finding in &one.findings {
            let mark = if finding.holds { "holds" } else { "FAILS" };
            lines.push(format!("  {mark}  {}", finding.says));
        }
    }
    let failing = verified.iter().filter(|one| !one.holds).count();
    lines.push(match (verified.len(), failing) {
        (0, _) => "no certificate has been published here".to_owned(),
        (all, 0) => format!("{all} certificates verified, all hold"),
        (all, failing) => format!("{failing} of {all} certificates do NOT hold"),
    });
    if with_published_key && !verified.is_empty() {
        lines.push("the key came from the same folder; compare it with the one you got by another way (`--key`)".to_owned());
    }
    lines.join("\n")
}
