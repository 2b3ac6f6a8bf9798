//! Sets a certificate of kigen as PDF/A-3a. `kigen certificate show --format pdf` calls it; it can be
//! used alone.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use certificate_pdf::{DEFAULT_FONTS, Fonts};
use clap::Parser;
use kigen_evidence::document::{Certificate, Languages};
use kigen_evidence::dsse::LONGEST_ENVELOPE;

/// Sets a certificate of kigen as PDF/A-3a, with the signed data attached. Only what is verified is
/// set. 署名を検証した証明書をPDF/A-3aに組版します。
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The folder of one published certificate; its leaves are verified too
    #[arg(required_unless_present = "envelope", conflicts_with = "envelope")]
    folder: Option<PathBuf>,
    /// Instead of a folder: the signed data alone, `-` for standard input
    #[arg(long, value_name = "FILE")]
    envelope: Option<PathBuf>,
    /// The issuer's public key (PEM), got by another way than the certificate
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Set a receipt that belongs to the certificate, instead of the certificate
    #[arg(long, value_name = "FILE", requires = "log_key")]
    receipt: Option<PathBuf>,
    /// The log's public key (PEM), which signed the receipt
    #[arg(long, value_name = "FILE", requires = "receipt")]
    log_key: Option<PathBuf>,
    /// ja, en, or ja-en for one after the other
    #[arg(long, value_name = "LANG", default_value = "ja")]
    lang: Languages,
    /// Where to write the PDF
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// A font, instead of those that Debian installs; may be repeated, the first choice first
    #[arg(long = "font", value_name = "FILE")]
    fonts: Vec<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let said = writeln!(io::stderr(), "error: {error}");
            drop(said);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), anyhow::Error> {
    let certificate = certificate(arguments)?;
    let fonts = if arguments.fonts.is_empty() {
        Fonts::load(&DEFAULT_FONTS)?
    } else {
        Fonts::load(&arguments.fonts)?
    };
    let Some((receipt, log_key)) = arguments.receipt.as_ref().zip(arguments.log_key.as_ref())
    else {
        let pdf = certificate_pdf::typeset(&certificate, arguments.lang, &fonts)?;
        return write(&arguments.out, &pdf);
    };
    let view = certificate_pdf::receipt(&certificate, receipt, log_key)?;
    let sealed_at = certificate.sealed_at();
    let pdf = certificate_pdf::typeset_receipt(&view, sealed_at, arguments.lang, &fonts)?;
    write_private(&arguments.out, &pdf)
}

fn certificate(arguments: &Arguments) -> Result<Certificate, anyhow::Error> {
    let key = certificate_pdf::read_key(&arguments.key)?;
    if let Some(folder) = &arguments.folder {
        return Ok(certificate_pdf::from_folder(folder, key)?);
    }
    let path = arguments.envelope.as_deref().unwrap_or(Path::new("-"));
    let envelope =
        read(path).map_err(|error| anyhow::anyhow!("read `{}`: {error}", path.display()))?;
    Ok(certificate_pdf::from_envelope(&envelope, key)?)
}

/// Up to one byte more than the longest envelope that can be right.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = LONGEST_ENVELOPE as u64 + 1;
    if path == Path::new("-") {
        io::stdin().take(most).read_to_end(&mut bytes)?;
    } else {
        fs::File::open(path)?.take(most).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Writes the whole file or none, for its owner's eyes only: a receipt is personal data.
fn write_private(path: &Path, bytes: &[u8]) -> Result<(), anyhow::Error> {
    let mut name = path.as_os_str().to_owned();
    name.push(".unfinished");
    let unfinished = PathBuf::from(name);
    let written = || -> io::Result<()> {
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&unfinished)?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(bytes)?;
        fs::rename(&unfinished, path)
    };
    written().map_err(|error| anyhow::anyhow!("write `{}`: {error}", path.display()))
}

/// Writes the whole file or none.
fn write(path: &Path, bytes: &[u8]) -> Result<(), anyhow::Error> {
    let mut name = path.as_os_str().to_owned();
    name.push(".unfinished");
    let unfinished = PathBuf::from(name);
    fs::write(&unfinished, bytes)
        .and_then(|()| fs::rename(&unfinished, path))
        .map_err(|error| anyhow::anyhow!("write `{}`: {error}", path.display()))
}
