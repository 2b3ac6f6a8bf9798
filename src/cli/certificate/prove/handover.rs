//! Handing receipts over: as they are, or as a page for the person.

use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

use ed25519_dalek::VerifyingKey;
use kigen_evidence::document::{Certificate, Languages, ReceiptView, receipt_page};
use kigen_evidence::public_key;
use kigen_evidence::receipt::{self, Heads};

use super::Arguments;
use super::answer::Answer;
use crate::cli::certificate::page;
use crate::cli::failure::Failure;
use crate::cli::{Format, output};
use crate::config::Config;
use crate::exit;
use crate::keyring::Keyring;
use crate::prove::Receipt;

/// What receipts are handed over with.
pub(super) struct Handover<'a> {
    pub(super) arguments: &'a Arguments,
    pub(super) config: &'a Config,
    pub(super) keyring: &'a Keyring,
    pub(super) answer: &'a Answer,
}

impl Handover<'_> {
    /// Writes `receipts` where and how it was asked for.
    pub(super) fn hand_over(&self, format: Format, receipts: &[Receipt]) -> Result<(), Failure> {
        let output = self.arguments.output.as_deref();
        folder_is_there(output, receipts)?;
        match format {
            Format::Json => {
                self.write_each(receipts)?;
                return output::json(self.answer);
            }
            Format::Text => match (receipts, output) {
                ([one], None) => output::text(&one.file),
                ([_], Some(file)) if !file.is_dir() => self.write_each(receipts)?,
                (_, Some(folder)) if folder.is_dir() => self.write_each(receipts)?,
                (_, None | Some(_)) => return Err(self.several()),
            },
            Format::Html => {
                let page = self.html(self.one(receipts)?)?;
                match output {
                    None => output::text(&page),
                    Some(file) => write(file, page.as_bytes())?,
                }
            }
            Format::Pdf => self.pdf(self.one(receipts)?)?,
        }
        output::note(&self.answer.list());
        for line in self.answer.beside() {
            output::note(&line);
        }
        output::note("a receipt is personal data: hand it over, and keep no copy");
        Ok(())
    }

    fn several(&self) -> Failure {
        let message = format!(
            "there are several receipts:\n{}\nhint: `--output FOLDER` writes each into a file of its own in a folder that is there; `--certificate ID` names one of the certificates",
            self.answer.list()
        );
        Failure::new(exit::USAGE, message)
    }

    fn one<'r>(&self, receipts: &'r [Receipt]) -> Result<&'r Receipt, Failure> {
        match receipts {
            [one] => Ok(one),
            _ => Err(self.several()),
        }
    }

    /// Writes the receipts to `--output`, if there is one.
    fn write_each(&self, receipts: &[Receipt]) -> Result<(), Failure> {
        let Some(output) = &self.arguments.output else {
            return Ok(());
        };
        if let [one] = receipts
            && !output.is_dir()
        {
            return write(output, one.file.as_bytes());
        }
        if !output.is_dir() {
            return Err(self.several());
        }
        for one in receipts {
            let name = format!("{}-{}.tlog-proof", one.certificate_id, one.index);
            write(&output.join(name), one.file.as_bytes())?;
        }
        Ok(())
    }

    fn languages(&self) -> Languages {
        self.arguments.lang.unwrap_or(Languages::Ja)
    }

    fn certificate_keys(&self) -> Vec<VerifyingKey> {
        let keys = self.keyring.certificate_keys();
        keys.iter().map(|known| known.key).collect()
    }

    fn certificate(&self, one: &Receipt) -> Result<Certificate, Failure> {
        Certificate::read(&one.envelope, &self.certificate_keys()).map_err(|error| {
            let message = format!("certificate {}: {error}", one.certificate_id);
            Failure::new(exit::DOES_NOT_HOLD, message)
        })
    }

    fn html(&self, one: &Receipt) -> Result<String, Failure> {
        let log_key = self.log_key()?;
        let unexpected = |why: String| Failure::new(exit::UNEXPECTED, why);
        let keys = receipt::named(&one.file, &log_key);
        let keys = keys.map_err(|error| unexpected(error.to_string()))?;
        // What is shown comes out of the receipt's own bytes, as who gets it will read them.
        let proven = receipt::verify(&one.file, &keys, Heads::One(one.action, one.target));
        let proven = proven.map_err(|error| unexpected(error.to_string()))?;
        let view = ReceiptView::new(&proven, &self.certificate(one)?, &one.file);
        let view = view.map_err(|error| unexpected(error.to_string()))?;
        receipt_page(&view, self.languages()).map_err(|error| unexpected(error.to_string()))
    }

    fn pdf(&self, one: &Receipt) -> Result<(), Failure> {
        let Some(out) = &self.arguments.output else {
            let message = "a PDF is not written to stdout\nhint: `--output FILE` names its file";
            return Err(Failure::new(exit::USAGE, message));
        };
        let certificate = self.certificate(one)?;
        let key = page::key_file(&certificate, &self.certificate_keys())?;
        let failed =
            |why: String| Failure::new(exit::UNEXPECTED, format!("hand the receipt over: {why}"));
        let pem = public_key::to_pem(&self.log_key()?);
        let pem = pem.map_err(|error| failed(error.to_string()))?;
        let log_key = page::handed_over(pem.as_bytes());
        let log_key = log_key.map_err(|error| failed(error.to_string()))?;
        let file = page::handed_over(one.file.as_bytes());
        let file = file.map_err(|error| failed(error.to_string()))?;
        let program = page::program(&self.config.certificates);
        let mut command = Command::new(&program);
        command
            .args(["--envelope", "-", "--lang", self.languages().name()])
            .arg("--key")
            .arg(key.path())
            .arg("--receipt")
            .arg(file.path())
            .arg("--log-key")
            .arg(log_key.path())
            .arg("--out")
            .arg(out);
        page::set(command, &program, certificate.envelope())
    }

    fn log_key(&self) -> Result<VerifyingKey, Failure> {
        let key = self.keyring.log_key();
        let key = key.map_err(|error| Failure::new(exit::CONFIG_INVALID, error.to_string()))?;
        Ok(key.verifying_key())
    }
}

/// Several receipts need a folder to stand in, and one needs that of its file.
fn folder_is_there(output: Option<&Path>, receipts: &[Receipt]) -> Result<(), Failure> {
    let Some(output) = output.filter(|output| !output.exists()) else {
        return Ok(());
    };
    let is_folder = receipts.len() > 1 || output.to_string_lossy().ends_with('/');
    let folder = if is_folder {
        Some(output)
    } else {
        output.parent().filter(|parent| *parent != Path::new(""))
    };
    let Some(folder) = folder.filter(|folder| !folder.is_dir()) else {
        return Ok(());
    };
    let folder = folder.display();
    let message = format!(
        "write to `--output`: the folder `{folder}` is not there\nhint: make it with `mkdir -p {folder}`"
    );
    Err(Failure::new(exit::USAGE, message))
}

/// Writes the whole file or none, with the mode 0600 that temporary files have.
fn write(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let parent = file.parent().filter(|parent| *parent != Path::new(""));
    let written = || -> io::Result<()> {
        let mut unfinished = tempfile::NamedTempFile::new_in(parent.unwrap_or(Path::new(".")))?;
        unfinished.write_all(bytes)?;
        unfinished.as_file().sync_all()?;
        unfinished.persist(file)?;
        Ok(())
    };
    written().map_err(|error| {
        let message = format!("write `{}`: {error}", file.display());
        Failure::new(exit::USAGE, message)
    })
}
