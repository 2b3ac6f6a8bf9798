//! Where a keyring is and what opens it: by kigen.toml, or by the command line alone.

use std::path::PathBuf;

use crate::cli::failure::Failure;
use crate::cli::{Global, load, output};
use crate::config::KeyringProtection;
use crate::keyring::Access;
use crate::run::certify::principal;

/// Options of commands that work without kigen.toml too.
#[derive(Clone, Debug, Default, clap::Args)]
pub(in crate::cli) struct Place {
    /// The keyring's file; kigen.toml is not read then
    #[arg(long, value_name = "FILE")]
    path: Option<PathBuf>,
    #[command(flatten)]
    protection: ProtectionOptions,
}

/// How the file is encrypted; as kigen.toml says if none is given.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(id = "protection", multiple = true)]
pub(in crate::cli) struct ProtectionOptions {
    /// With the passphrase in this environment variable (age)
    #[arg(long, value_name = "VARIABLE", conflicts_with_all = ["identity_file", "kms_key_id"])]
    passphrase_env: Option<String>,
    /// To the age identity in this file
    #[arg(long, value_name = "FILE", conflicts_with = "kms_key_id")]
    identity_file: Option<PathBuf>,
    /// Under this key of AWS KMS: id, ARN or alias
    #[arg(long, value_name = "KEY")]
    kms_key_id: Option<String>,
    /// The region of the KMS key
    #[arg(long, value_name = "REGION", requires = "kms_key_id")]
    kms_region: Option<String>,
    /// URL of another server than AWS
    #[arg(long, value_name = "URL", requires = "kms_key_id")]
    kms_endpoint: Option<String>,
}

/// A keyring's file and what opens it.
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) access: Access,
    /// The name under which certificates are signed; `None` without kigen.toml.
    pub(super) principal: Option<String>,
    /// What kigen.toml must say about the protection, if it says something else.
    unsaid: Option<KeyringProtection>,
}

impl Place {
    /// The keyring that the options mean.
    pub(super) fn find(&self, global: &Global) -> Result<Found, Failure> {
        let given = self.protection.given();
        if let Some(path) = &self.path {
            return Ok(Found {
                path: path.clone(),
                access: load::access(&given.unwrap_or(KeyringProtection::Plain))?,
                principal: None,
                unsaid: None,
            });
        }
        let config = load::config(global)?;
        let said = config.keyring.protection;
        let unsaid = given.filter(|given| *given != said);
        Ok(Found {
            path: config.keyring.path,
            access: load::access(unsaid.as_ref().unwrap_or(&said))?,
            principal: config.certificates.origin().ok().map(principal),
            unsaid,
        })
    }
}

impl ProtectionOptions {
    /// What the options say, if they say something.
    pub(in crate::cli) fn given(&self) -> Option<KeyringProtection> {
        if let Some(variable) = &self.passphrase_env {
            return Some(KeyringProtection::PassphraseEnv(variable.clone()));
        }
        if let Some(file) = &self.identity_file {
            return Some(KeyringProtection::IdentityFile(file.clone()));
        }
        self.kms_key_id
            .as_ref()
            .map(|key_id| KeyringProtection::Kms {
                key_id: key_id.clone(),
                region: self.kms_region.clone(),
                endpoint: self.kms_endpoint.clone(),
            })
    }
}

impl Found {
    /// Says what kigen.toml must say from now on, if that is something else.
    pub(super) fn note_other_protection(&self) {
        if let Some(protection) = &self.unsaid {
            note_section(protection);
        }
    }
}

/// Says how kigen.toml names `protection`.
pub(super) fn note_section(protection: &KeyringProtection) {
    let lines = match protection {
        KeyringProtection::Plain => vec![],
        KeyringProtection::PassphraseEnv(variable) => vec![("passphrase-env", variable.clone())],
        KeyringProtection::IdentityFile(file) => {
            vec![("identity-file", file.display().to_string())]
        }
        KeyringProtection::Kms {
            key_id,
            region,
            endpoint,
        } => {
            let mut lines = vec![("kms-key-id", key_id.clone())];
            lines.extend(region.clone().map(|region| ("kms-region", region)));
            lines.extend(endpoint.clone().map(|endpoint| ("kms-endpoint", endpoint)));
            lines
        }
    };
    if lines.is_empty() {
        output::note("kigen.toml must name no protection in `[keyring]` from now on");
        return;
    }
    let lines: Vec<String> = lines
        .iter()
        .map(|(key, value)| format!("\n  {key} = {}", toml::Value::from(value.as_str())))
        .collect();
    output::note(&format!(
        "`[keyring]` in kigen.toml must say from now on:{}",
        lines.concat()
    ));
}
