//! `kigen certificate`: lists, shows and verifies what was issued.

use std::path::PathBuf;

use serde::Serialize;

use super::Global;
use super::failure::Failure;
use super::load;
use super::output;
use crate::exit;
use crate::ledger::CertificateFilter;
use crate::ledger::CertificateMatch;
use crate::ledger::CertificateSummary;
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
    /// Prints the statement of one certificate
    Show {
        /// Its id, or the beginning of it
        id: String,
    },
    /// Verifies what was published: signature, leaves, counts, root
    Verify {
        /// A folder of certificates, or of one of them; the configured one if left out
        folder: Option<PathBuf>,
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
        Command::Show { id } => show(global, id).await,
        Command::Verify { folder } => verify_published(global, folder.clone()),
    }
}

async fn list(global: &Global, run_id: Option<String>, client: Option<String>) -> Result<u8, Failure> {
    let config = load::config(global)?;
    load::log(global, config.log_format, &Progress::on_stderr())?;
    let ledger = load::ledger(&config).await?;
    ledger.check_migrated().await?;
    let filter = CertificateFilter {
        run_id,
        client,
        ..CertificateFilter::default()
    };
    let lines: Vec<Line> = ledger.certificates(&filter).await?.into_iter().map(line).collect();
    output::print(global.format, &lines, |lines| {
        if lines.is_empty() {
            return "no certificate".to_owned();
        }
        let lines: Vec<String> = lines
            .iter()
            .map(|line| format!("{}  {}  run {}  {}", line.certificate_id, line.created_at, line.run_id, line.client))
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

async fn show(global: &Global, id: &str) -> Result<u8, Failure> {
    let config = load::config(global)?;
    load::log(global, config.log_format, &Progress::on_stderr())?;
    let ledger = load::ledger(&config).await?;
    ledger.check_migrated().await?;
    let found = ledger.certificate(id).await?;
    ledger.close().await;
    let certificate = match found {
        CertificateMatch::One(certificate) => certificate,
        CertificateMatch::None => {
            return Err(Failure::new(exit::USAGE, format!("no certificate begins with `{id}`")));
        }
        CertificateMatch::Several(ids) => {
            let message = format!("several certificates begin with `{id}`: {}", ids.join(", "));
            return Err(Failure::new(exit::USAGE, message));
        }
    };
    let statement: serde_json::Value = serde_json::from_slice(&certificate.payload)
        .map_err(|_| Failure::new(exit::UNEXPECTED, format!("read the payload of certificate {id}")))?;
    output::print(global.format, &statement, |statement| format!("{statement:#}"))?;
    Ok(exit::DONE)
}

fn verify_published(global: &Global, folder: Option<PathBuf>) -> Result<u8, Failure> {
    // A stranger verifies a folder without any configuration.
    let folder = match folder {
        Some(folder) => folder,
        None => load::config(global)?.certificates.folder,
    };
    let verified = verify::verify_all(&folder)
        .map_err(|error| Failure::new(exit::UNEXPECTED, error.to_string()))?;
    let holds = verified.holds();
    output::print(global.format, &verified, ToString::to_string)?;
    Ok(if holds { exit::DONE } else { exit::UNEXPECTED })
}
