//! `kigen witness`: the other side's watch over a log. Needs no configuration of an installation.

mod collect;
mod watch;

use std::path::PathBuf;

use kigen_evidence::log::vkey::{KeyType, NoteKey};
use serde::Serialize;

use super::failure::Failure;
use super::keyring::ProtectionOptions;
use super::{Global, load, output};
use crate::config::KeyringProtection;
use crate::exit;
use crate::keyring::WitnessKeyring;

/// The commands of `kigen witness`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Prints the witness's public key, for the operator's kigen.toml and for whoever verifies
    Key {
        #[command(flatten)]
        own: Own,
    },
    /// Begins to watch a log: reads it from its first entry on, and cosigns its head
    Add(watch::Arguments),
    /// Goes on watching: cosigns the head if the log was only added to since the last one
    Cosign(watch::Arguments),
    /// On the operator's side: publishes a cosigned head beside the log
    Collect(collect::Arguments),
}

/// The witness's own key.
#[derive(Debug, clap::Args)]
pub(super) struct Own {
    /// The witness's keyring (`kigen keyring init --witness --path FILE`)
    #[arg(long = "key", value_name = "FILE")]
    keyring: PathBuf,
    /// The witness's name in cosignatures, such as `witness.client.example.jp`
    #[arg(long, value_name = "NAME")]
    name: String,
    #[command(flatten)]
    protection: ProtectionOptions,
}

/// What `kigen witness key` prints.
#[derive(Serialize)]
struct Shown {
    name: String,
    key: String,
}

/// Does what `command` says.
pub(super) async fn witness(global: &Global, command: &Command) -> Result<u8, Failure> {
    match command {
        Command::Key { own } => key(global, own).await,
        Command::Add(arguments) => watch::watch(global, arguments, watch::Begin::Anew).await,
        Command::Cosign(arguments) => watch::watch(global, arguments, watch::Begin::GoOn).await,
        Command::Collect(arguments) => collect::collect(global, arguments).await,
    }
}

async fn key(global: &Global, own: &Own) -> Result<u8, Failure> {
    let (_, key) = own.open().await?;
    let shown = Shown {
        name: key.name().to_owned(),
        key: key.to_string(),
    };
    output::print(global.format, &shown, |shown| shown.key.clone())?;
    Ok(exit::DONE)
}

impl Own {
    /// The keyring, and its public key under the witness's name.
    async fn open(&self) -> Result<(WitnessKeyring, NoteKey), Failure> {
        let given = self.protection.given();
        let access = load::access(&given.unwrap_or(KeyringProtection::Plain))?;
        let keyring = WitnessKeyring::open(&self.keyring, &access).await;
        let keyring =
            keyring.map_err(|error| Failure::new(exit::CONFIG_INVALID, error.to_string()))?;
        let public = keyring.signing_key().verifying_key();
        let key = NoteKey::new(&self.name, KeyType::Cosignature, public)
            .map_err(|error| Failure::new(exit::USAGE, error.to_string()))?;
        Ok((keyring, key))
    }
}
