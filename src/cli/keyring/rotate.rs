//! `kigen keyring rotate`.

use serde::Serialize;

use crate::cli::failure::Failure;
use crate::cli::{Global, load, output};
use crate::clock;
use crate::exit;
use crate::keyring::KeyUse;
use crate::keyring::rotation::{self, Rotation, RotationError};
use crate::progress::Progress;

#[derive(Serialize)]
struct Rotated {
    key: &'static str,
    key_id: String,
    former_key_id: Option<String>,
    is_new: bool,
    keeps_former: bool,
}

/// Makes a new key, or only finishes what an earlier rotation left.
pub(super) async fn rotate(global: &Global, key: KeyUse, only_finish: bool) -> Result<u8, Failure> {
    let config = load::config(global)?;
    load::log(global, config.log_format, &Progress::on_stderr())?;
    let ledger = load::ledger(&config).await?;
    ledger.check_migrated().await?;
    ledger.probe_writable().await?;
    let mut keyring = load::keyring(&config).await?;
    let now = clock::now();
    let rotated = if only_finish {
        rotation::finish_rotation(&mut keyring, &*ledger, key, now).await
    } else {
        rotation::rotate(&mut keyring, &*ledger, key, now).await
    };
    let rotated = rotated.map_err(failed)?;
    ledger.close().await;
    print(global, key, rotated)
}

fn print(global: &Global, key: KeyUse, rotation: Rotation) -> Result<u8, Failure> {
    let rotated = Rotated {
        key: key.name(),
        key_id: rotation.key_id,
        former_key_id: rotation.former_key_id,
        is_new: rotation.is_new,
        keeps_former: rotation.keeps_former,
    };
    output::print(global.format, &rotated, |rotated| {
        let mut lines = vec![format!(
            "{key} key {} signs from now on{}",
            rotated.key_id,
            if rotated.is_new {
                ""
            } else {
                "; no new key was made"
            }
        )];
        if let Some(former) = &rotated.former_key_id {
            lines.push(format!("{key} key {former} verifies what it signed"));
        }
        if rotated.keeps_former {
            lines.push(format!(
                "the former private key stays for a run that is to be certified: `kigen run`, then `kigen keyring rotate --key {key} --finish`"
            ));
        }
        if rotated.is_new {
            lines.push("renew the keyring's safe copy, and hand the new public key out: `kigen keyring show`".to_owned());
        }
        lines.join("\n")
    })?;
    Ok(exit::DONE)
}

fn failed(error: RotationError) -> Failure {
    let code = match error {
        RotationError::Ledger(error) => return error.into(),
        RotationError::Keyring(_) => exit::CONFIG_INVALID,
        RotationError::UnderWay { .. } => exit::BUSY,
        RotationError::Lock { .. } => exit::LEDGER_UNAVAILABLE,
    };
    Failure::new(code, format!("{:#}", anyhow::Error::from(error)))
}
