//! `kigen keyring protect`.

use serde::Serialize;

use super::failed;
use super::place::{ProtectionOptions, note_section};
use crate::cli::failure::Failure;
use crate::cli::{Global, load, output};
use crate::config::KeyringProtection;
use crate::exit;
use crate::keyring::{Keyring, KeyringError};

#[derive(Serialize)]
struct Protected {
    path: String,
    protection: &'static str,
    /// Whether an earlier attempt had done it.
    was_so: bool,
}

/// Protects the file as the options say, whatever protects it now.
pub(super) async fn protect(
    global: &Global,
    plain: bool,
    options: &ProtectionOptions,
) -> Result<u8, Failure> {
    let wanted = match options.given() {
        Some(wanted) => wanted,
        None if plain => KeyringProtection::Plain,
        None => {
            let message = "keyring protect needs one of `--plain`, `--passphrase-env`, `--identity-file` and `--kms-key-id`";
            return Err(Failure::new(exit::USAGE, message));
        }
    };
    let config = load::config(global)?;
    let path = &config.keyring.path;
    let target = load::access(&wanted)?;
    let said = load::access(&config.keyring.protection)?;
    let was_so = match Keyring::open(path, &said).await {
        Ok(mut keyring) => {
            keyring.protect(&target).await.map_err(failed)?;
            false
        }
        // Cut off after the file was replaced, and before kigen.toml was changed.
        Err(error @ (KeyringError::OtherProtection { .. } | KeyringError::DoesNotOpen { .. })) => {
            let opened = Keyring::open(path, &target).await;
            opened.map_err(|_| failed(error))?;
            true
        }
        Err(error) => return Err(failed(error)),
    };
    if wanted != config.keyring.protection {
        note_section(&wanted);
    }
    let protected = Protected {
        path: path.display().to_string(),
        protection: target.kind().name(),
        was_so,
    };
    output::print(global.format, &protected, |protected| {
        let already = if was_so { " already" } else { "" };
        format!("keyring {} is {}{already}", protected.path, target.kind())
    })?;
    Ok(exit::DONE)
}
