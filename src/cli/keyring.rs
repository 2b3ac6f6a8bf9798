//! `kigen keyring`: the file with kigen's keys.

use serde::Serialize;

use super::Global;
use super::failure::Failure;
use super::load;
use super::output;
use crate::clock;
use crate::config::Config;
use crate::exit;
use crate::keyring::Keyring;
use crate::keyring::KeyringError;

/// The commands of `kigen keyring`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Makes a new keyring at the path that kigen.toml names; never overwrites one
    Init,
    /// Prints the public key that holders of certificates need
    Show,
}

#[derive(Serialize)]
struct Shown {
    path: String,
    certificate_key_id: String,
    public_pem: String,
    allowed_signers: String,
}

/// Does what `command` says.
pub(super) fn keyring(global: &Global, command: &Command) -> Result<u8, Failure> {
    let config = load::config(global)?;
    let keyring = match command {
        Command::Init => create(&config)?,
        Command::Show => load::keyring(&config)?,
    };
    let shown = Shown {
        path: config.keyring.display().to_string(),
        certificate_key_id: keyring.certificate_key_id(),
        public_pem: keyring.public_pem().map_err(|error| failed(&error))?,
        allowed_signers: keyring
            .allowed_signers_line(&format!("certificates@{}", config.certificates.origin()))
            .map_err(|error| failed(&error))?,
    };
    output::print(global.format, &shown, |shown| {
        format!(
            "keyring {}\ncertificate key {}\n{}",
            shown.path, shown.certificate_key_id, shown.public_pem
        )
    })?;
    Ok(exit::DONE)
}

/// Makes a new keyring where `config` says; never overwrites one.
pub(super) fn create(config: &Config) -> Result<Keyring, Failure> {
    load::make_parent(&config.keyring)?;
    let today = clock::today(&jiff::tz::TimeZone::UTC);
    Keyring::create(&config.keyring, today).map_err(|error| failed(&error))
}

fn failed(error: &KeyringError) -> Failure {
    Failure::new(exit::CONFIG_INVALID, error.to_string())
}
