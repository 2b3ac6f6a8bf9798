//! `kigen keyring`: the file with kigen's keys.

mod destroy;
mod place;
mod protect;
mod rotate;
mod shown;

use clap::ValueEnum;

use super::failure::Failure;
use super::{Global, load, output};
use crate::clock;
use crate::config::Config;
use crate::exit;
use crate::keyring::{KeyUse, Keyring, KeyringError, Quarter, WitnessKeyring};
use place::Place;
pub(super) use place::ProtectionOptions;

/// The commands of `kigen keyring`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Makes a new keyring at the path that kigen.toml names; never overwrites one
    Init {
        /// Make a keyring that holds nothing but the key of a witness, for the other side
        #[arg(long, conflicts_with = "upgrade")]
        witness: bool,
        /// Write a keyring of an older version in the newest one, with the keys that it lacks; every
        /// key that is there stays
        #[arg(long, conflicts_with_all = ["path", "protection"])]
        upgrade: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Prints the public keys that holders of certificates need, and which keys there are
    Show {
        #[command(flatten)]
        place: Place,
    },
    /// Makes a new signing key; the former public key stays, so that what it signed goes on verifying
    Rotate {
        /// Which key
        #[arg(long, value_enum, value_name = "KEY")]
        key: Rotated,
        /// Make no new key: only remove former private keys that were kept for an unfinished run
        #[arg(long)]
        finish: bool,
    },
    /// Destroys the key of a quarter after the end of its evidence period: no leaf of it can be
    /// opened any more, what was issued goes on verifying
    Destroy {
        /// The quarter, such as 2026Q4
        #[arg(long, value_name = "QUARTER")]
        quarter: Quarter,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Encrypts the keyring's file, or changes how it is encrypted
    Protect {
        /// Not at all: the file's mode alone protects it
        #[arg(long, conflicts_with = "protection")]
        plain: bool,
        #[command(flatten)]
        protection: ProtectionOptions,
    },
}

/// A key that can be replaced.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Rotated {
    /// Signs certificates
    Certificate,
    /// Signs the heads of the log
    Log,
}

impl Rotated {
    fn key_use(self) -> KeyUse {
        match self {
            Self::Certificate => KeyUse::Certificate,
            Self::Log => KeyUse::Log,
        }
    }
}

/// Does what `command` says.
pub(super) async fn keyring(global: &Global, command: Command) -> Result<u8, Failure> {
    match command {
        Command::Init {
            witness: true,
            place,
            ..
        } => init_witness(global, &place).await,
        Command::Init { upgrade: true, .. } => upgrade(global).await,
        Command::Init { place, .. } => init(global, &place).await,
        Command::Show { place } => show(global, &place).await,
        Command::Rotate { key, finish } => rotate::rotate(global, key.key_use(), finish).await,
        Command::Destroy { quarter, yes } => destroy::destroy(global, quarter, yes).await,
        Command::Protect { plain, protection } => {
            protect::protect(global, plain, &protection).await
        }
    }
}

async fn init(global: &Global, place: &Place) -> Result<u8, Failure> {
    let found = place.find(global)?;
    load::make_parent(&found.path)?;
    let today = clock::today(&jiff::tz::TimeZone::UTC);
    let keyring = Keyring::create_protected(&found.path, today, &found.access).await;
    let keyring = keyring.map_err(failed)?;
    found.note_other_protection();
    shown::print(global, &found, &keyring)
}

async fn init_witness(global: &Global, place: &Place) -> Result<u8, Failure> {
    let found = place.find(global)?;
    load::make_parent(&found.path)?;
    let keyring = WitnessKeyring::create(&found.path, &found.access).await;
    found.note_other_protection();
    shown::print_witness(global, &found, &keyring.map_err(failed)?)
}

async fn upgrade(global: &Global) -> Result<u8, Failure> {
    let config = load::config(global)?;
    let mut keyring = load::keyring(&config).await?;
    let before = keyring.version();
    let was_old = keyring.upgrade().map_err(failed)?;
    output::note(&if was_old {
        format!(
            "the keyring is of version {} now, and was of version {before}; renew its safe copy",
            keyring.version()
        )
    } else {
        format!("the keyring is of the newest version, {before}")
    });
    shown::print(global, &Place::default().find(global)?, &keyring)
}

async fn show(global: &Global, place: &Place) -> Result<u8, Failure> {
    let found = place.find(global)?;
    match Keyring::open(&found.path, &found.access).await {
        Ok(keyring) => shown::print(global, &found, &keyring),
        Err(KeyringError::OtherKind { .. }) => {
            let witness = WitnessKeyring::open(&found.path, &found.access).await;
            shown::print_witness(global, &found, &witness.map_err(failed)?)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Makes a new keyring where `config` says; never overwrites one.
pub(super) async fn create(config: &Config) -> Result<Keyring, Failure> {
    load::make_parent(&config.keyring.path)?;
    let today = clock::today(&jiff::tz::TimeZone::UTC);
    let access = load::access(&config.keyring.protection)?;
    Keyring::create_protected(&config.keyring.path, today, &access)
        .await
        .map_err(failed)
}

fn failed(error: KeyringError) -> Failure {
    Failure::new(exit::CONFIG_INVALID, error.to_string())
}
