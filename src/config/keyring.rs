//! The `[keyring]` section: where the keys are, and what opens their file.

use std::path::PathBuf;

/// Where the keyring is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyringConfig {
    pub path: PathBuf,
    pub protection: KeyringProtection,
}

/// How the keyring's file is protected beside its mode. Holds no secret, only where one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyringProtection {
    /// The file's mode alone.
    Plain,
    /// A passphrase in the environment variable of this name.
    PassphraseEnv(String),
    /// An age identity in this file.
    IdentityFile(PathBuf),
    /// A key of AWS KMS; credentials come from the usual places of AWS.
    Kms {
        key_id: String,
        region: Option<String>,
        /// Another server than AWS.
        endpoint: Option<String>,
    },
}
