//! `kigen certificate`: lists, shows and verifies what was issued.

mod page;
mod prove;
mod receipt;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::failure::Failure;
use super::verify::{self, Verified};
use super::{Format, Global, load, output};
use crate::archive::{Archive, FolderPlace, PublishError};
use crate::exit;
use crate::ledger::{CertificateFilter, CertificateMatch, CertificateSummary, StoredCertificate};
use crate::progress::Progress;

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
        /// A public key of the issuer (PEM), got by another way than the folder; may be repeated;
        /// the folder's own `keys/certificate-….pub.pem` if left out
        #[arg(long = "key", value_name = "FILE")]
        keys: Vec<PathBuf>,
    },
    /// Proves what became of one record or one person: a receipt for that person, which anybody can
    /// check offline (証明書の受領証)
    Prove(prove::Arguments),
    /// Checks a receipt that was handed over; needs the log's public key and nothing else
    VerifyReceipt(receipt::Arguments),
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
        Command::Verify { folder, keys } => verify_published(global, folder.as_deref(), keys).await,
        // Boxed: it opens everything that there is.
        Command::Prove(arguments) => Box::pin(prove::prove(global, arguments)).await,
        Command::VerifyReceipt(arguments) => receipt::verify(global, arguments),
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
        Format::Html => page.html(&config.certificates, &certificate).await?,
        Format::Pdf => page.pdf(&config.certificates, &certificate).await?,
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

async fn verify_published(
    global: &Global,
    folder: Option<&Path>,
    keys: &[PathBuf],
) -> Result<u8, Failure> {
    let progress = Progress::on_stderr();
    // A stranger verifies a folder without any configuration.
    let (verified, holds) = if let Some(folder) = folder {
        check_folder(folder, keys, &progress).await?
    } else {
        let place = verify::open_place(&load::config(global)?.certificates.place).await?;
        if is_unused(&*place).await {
            (Vec::new(), true)
        } else {
            check_place(&place, keys, &progress).await?
        }
    };
    output::print(global.format, &verified, |verified| {
        verify::render_certificates(verified, keys.is_empty())
    })?;
    if !holds && verified.iter().all(|one| one.holds) {
        output::note("beside the certificates something does not hold: `kigen verify` says what");
    }
    Ok(verify::code(holds))
}

/// There is nothing in our own place before the first certificate.
async fn is_unused(place: &dyn Archive) -> bool {
    match place.list("").await {
        Ok(listing) => listing.files.is_empty(),
        Err(PublishError::Folder { source, .. }) => source.kind() == io::ErrorKind::NotFound,
        // What is wrong is said when it is checked.
        Err(_) => false,
    }
}

/// Checks every certificate in `folder`, or the one that lies there; and whether all holds, also
/// beside the certificates.
pub(super) async fn check_folder(
    folder: &Path,
    keys: &[PathBuf],
    progress: &Progress,
) -> Result<(Vec<Verified>, bool), Failure> {
    if folder.join("cert.dsse.json").exists() {
        let one = verify::check_one(folder, keys).await?;
        let holds = one.holds;
        return Ok((vec![one], holds));
    }
    let place: Arc<dyn Archive> = Arc::new(FolderPlace::new(folder));
    check_place(&place, keys, progress).await
}

async fn check_place(
    place: &Arc<dyn Archive>,
    keys: &[PathBuf],
    progress: &Progress,
) -> Result<(Vec<Verified>, bool), Failure> {
    let found = verify::check(place, verify::trust(keys)?.into(), progress).await?;
    let verified = found
        .certificates()
        .map(|one| verify::verified(&**place, one));
    Ok((verified.collect(), found.holds()))
}
