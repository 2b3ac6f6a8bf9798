//! `kigen certificate show --format html|pdf`: a certificate as people are handed it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ed25519_dalek::VerifyingKey;
use kigen_evidence::document::{Certificate, Languages, certificate_page};
use kigen_evidence::public_key;

use super::{Failure, output, verify};
use crate::config::CertificatesConfig;
use crate::exit;
use crate::ledger::StoredCertificate;

/// What is looked for on the PATH unless `[certificates] pdf` names another.
const PDF_PROGRAM: &str = "certificate-pdf";

/// How a page is to be made.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Page {
    /// html, pdf: the languages, ja, en, or ja-en for one after the other [default: ja]
    #[arg(long, value_name = "LANG")]
    lang: Option<Languages>,
    /// html, pdf: where to write the page; html goes to stdout if left out
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// html, pdf: a public key of the issuer (PEM); may be repeated; the published ones if left out
    #[arg(long = "key", value_name = "FILE")]
    keys: Vec<PathBuf>,
}

impl Page {
    /// Refuses options that only pages have.
    pub(super) fn expect_unused(&self) -> Result<(), Failure> {
        if self.lang.is_none() && self.output.is_none() && self.keys.is_empty() {
            return Ok(());
        }
        Err(Failure::new(
            exit::USAGE,
            "`--lang`, `--output` and `--key` belong to `--format html` and `--format pdf`",
        ))
    }

    fn languages(&self) -> Languages {
        self.lang.unwrap_or(Languages::Ja)
    }

    /// Writes `stored` as HTML, if its signature holds.
    pub(super) async fn html(
        &self,
        config: &CertificatesConfig,
        stored: &StoredCertificate,
    ) -> Result<(), Failure> {
        let keys = self.keys(config).await?;
        let certificate = verified(stored, &keys)?;
        let page = certificate_page(&certificate, self.languages())
            .map_err(|error| Failure::new(exit::UNEXPECTED, error.to_string()))?;
        match &self.output {
            None => output::text(&page),
            Some(file) => write(file, page.as_bytes())?,
        }
        Ok(())
    }

    /// Has `stored` set as PDF by the program that does it, if its signature holds.
    pub(super) async fn pdf(
        &self,
        config: &CertificatesConfig,
        stored: &StoredCertificate,
    ) -> Result<(), Failure> {
        let Some(out) = &self.output else {
            let message = "a PDF is not written to stdout\nhint: `--output FILE` names its file";
            return Err(Failure::new(exit::USAGE, message));
        };
        let keys = self.keys(config).await?;
        // The program verifies again; a certificate that does not hold is named here already.
        let certificate = verified(stored, &keys)?;
        let program = program(config);
        let key = key_file(&certificate, &keys)?;
        let mut command = Command::new(&program);
        command
            .args(["--envelope", "-", "--lang", self.languages().name()])
            .arg("--key")
            .arg(key.path())
            .arg("--out")
            .arg(out);
        set(command, &program, certificate.envelope())
    }

    async fn keys(&self, config: &CertificatesConfig) -> Result<Vec<VerifyingKey>, Failure> {
        let place = verify::open_place(&config.place).await?;
        verify::keys(&*place, &self.keys).await
    }
}

/// The program that sets PDFs.
pub(super) fn program(config: &CertificatesConfig) -> PathBuf {
    match &config.pdf {
        // A name alone is a file too, and never looked for on the PATH.
        Some(file) => Path::new(".").join(file),
        None => PathBuf::from(PDF_PROGRAM),
    }
}

/// The certificate, if it is signed under one of `keys`.
fn verified(stored: &StoredCertificate, keys: &[VerifyingKey]) -> Result<Certificate, Failure> {
    let id = &stored.summary.certificate_id;
    let Some(envelope) = &stored.envelope else {
        let message = format!("certificate {id} is not signed yet\nhint: `kigen run` seals it");
        return Err(Failure::new(exit::NOT_CERTIFIED, message));
    };
    Certificate::read(&envelope.envelope, keys).map_err(|error| {
        let message = format!("certificate {id}: {error}");
        Failure::new(exit::DOES_NOT_HOLD, message)
    })
}

/// The key that verified the certificate, as a file for another program.
pub(super) fn key_file(
    certificate: &Certificate,
    keys: &[VerifyingKey],
) -> Result<tempfile::NamedTempFile, Failure> {
    let failed =
        |why: String| Failure::new(exit::UNEXPECTED, format!("write the public key: {why}"));
    let mut keys = keys.iter();
    let key = keys
        .find(|key| public_key::key_id(key) == certificate.key_id())
        .ok_or_else(|| failed("it is not among those that were given".to_owned()))?;
    let pem = public_key::to_pem(key).map_err(|error| failed(error.to_string()))?;
    handed_over(pem.as_bytes()).map_err(|error| failed(error.to_string()))
}

/// A file of this process's user alone, which is gone when it is dropped.
pub(super) fn handed_over(bytes: &[u8]) -> std::io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(bytes)?;
    file.flush()?;
    Ok(file)
}

/// Runs the program that sets PDFs with `envelope` as its input.
pub(super) fn set(mut command: Command, program: &Path, envelope: &[u8]) -> Result<(), Failure> {
    let program = program.display();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| {
            let message = format!(
                "start `{program}`, which sets PDFs: {error}\nhint: `make certificate-pdf` builds it; `pdf` in `[certificates]` of kigen.toml says where it is"
            );
            Failure::new(exit::CONFIG_INVALID, message)
        })?;
    let failed = |why: String| Failure::new(exit::UNEXPECTED, format!("`{program}`: {why}"));
    if let Some(mut stdin) = child.stdin.take() {
        // A program that refuses its options reads nothing; what it says is better than this.
        match stdin.write_all(envelope) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
            Err(error) => return Err(failed(error.to_string())),
        }
    }
    let done = child
        .wait_with_output()
        .map_err(|error| failed(error.to_string()))?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let said = said.trim();
    Err(failed(
        said.strip_prefix("error: ").unwrap_or(said).to_owned(),
    ))
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    std::fs::write(file, bytes).map_err(|error| {
        let message = format!("write `{}`: {error}", file.display());
        Failure::new(exit::USAGE, message)
    })
}
