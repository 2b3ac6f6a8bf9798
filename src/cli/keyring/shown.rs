//! What `kigen keyring` prints of a keyring: no secret.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use kigen_evidence::allowed_signers::{self, AllowedSigner};
use kigen_evidence::public_key;
use serde::Serialize;

use super::place::Found;
use crate::cli::failure::Failure;
use crate::cli::{Global, output};
use crate::exit;
use crate::keyring::{KeyUse, Keyring, KeyringError, KnownKey, WitnessKeyring};

#[derive(Serialize)]
struct Shown {
    path: String,
    version: u32,
    protection: &'static str,
    certificate_key_id: String,
    public_pem: String,
    /// `null` without kigen.toml, which names the issuer.
    allowed_signers: Option<String>,
    keys: Vec<ShownKey>,
    quarters: ShownQuarters,
}

#[derive(Serialize)]
struct ShownWitness {
    path: String,
    protection: &'static str,
    keys: Vec<ShownKey>,
}

#[derive(Serialize)]
struct ShownKey {
    #[serde(rename = "use")]
    key_use: &'static str,
    key_id: String,
    /// Of the 32 bytes of the public key.
    sha256: String,
    /// The 32 bytes in base64.
    public: String,
    pem: String,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    can_sign: bool,
}

#[derive(Serialize)]
struct ShownQuarters {
    /// The first and the last quarter whose run keys can be wrapped and opened.
    first: Option<String>,
    last: Option<String>,
    held: usize,
    destroyed: Vec<ShownDestroyed>,
}

#[derive(Serialize)]
struct ShownDestroyed {
    quarter: String,
    at: Timestamp,
}

/// Prints the public halves of `keyring`.
pub(super) fn print(global: &Global, found: &Found, keyring: &Keyring) -> Result<u8, Failure> {
    let certificate = keyring.certificate_keys();
    let mut keys = Vec::new();
    for known in &certificate {
        keys.push(shown(KeyUse::Certificate, known)?);
    }
    for known in &keyring.log_keys() {
        keys.push(shown(KeyUse::Log, known)?);
    }
    let allowed_signers = match &found.principal {
        Some(principal) => Some(signers(principal, &certificate)?),
        None => None,
    };
    let shown = Shown {
        path: found.path.display().to_string(),
        version: keyring.version(),
        protection: keyring.protection().name(),
        certificate_key_id: keyring.certificate_key_id(),
        public_pem: keyring.public_pem().map_err(super::failed)?,
        allowed_signers,
        keys,
        quarters: quarters(keyring),
    };
    let protection = keyring.protection();
    output::print(global.format, &shown, |shown| {
        let mut lines = vec![format!(
            "keyring {} (version {}, {protection})",
            shown.path, shown.version
        )];
        lines.extend(shown.keys.iter().map(render));
        lines.push(shown.quarters.render());
        lines.join("\n")
    })?;
    Ok(exit::DONE)
}

/// Prints the public half of a witness's key.
pub(super) fn print_witness(
    global: &Global,
    found: &Found,
    keyring: &WitnessKeyring,
) -> Result<u8, Failure> {
    let known = KnownKey {
        key: keyring.signing_key().verifying_key(),
        from: None,
        until: None,
        can_sign: true,
    };
    let shown = ShownWitness {
        path: found.path.display().to_string(),
        protection: found.access.kind().name(),
        keys: vec![shown(KeyUse::Witness, &known)?],
    };
    output::print(global.format, &shown, |shown| {
        let keys: Vec<String> = shown.keys.iter().map(render).collect();
        let kind = found.access.kind();
        format!("keyring {} ({kind})\n{}", shown.path, keys.join("\n"))
    })?;
    Ok(exit::DONE)
}

fn shown(key_use: KeyUse, known: &KnownKey) -> Result<ShownKey, Failure> {
    let pem = public_key::to_pem(&known.key).map_err(KeyringError::from);
    Ok(ShownKey {
        key_use: key_use.name(),
        key_id: public_key::key_id(&known.key),
        sha256: public_key::fingerprint(&known.key),
        public: STANDARD.encode(known.key.as_bytes()),
        pem: pem.map_err(super::failed)?,
        from: known.from,
        until: known.until,
        can_sign: known.can_sign,
    })
}

fn signers(principal: &str, keys: &[KnownKey]) -> Result<String, Failure> {
    let signers: Result<Vec<AllowedSigner>, _> = keys
        .iter()
        .map(|known| AllowedSigner::new(principal, known.key, known.from, known.until))
        .collect();
    let file = signers.and_then(|signers| allowed_signers::extend("", &signers));
    file.map_err(|error| Failure::new(exit::CONFIG_INVALID, error.to_string()))
}

fn render(key: &ShownKey) -> String {
    let mut first = format!("{} key {}", key.key_use, key.key_id);
    if let Some(from) = key.from {
        first.push_str(&format!(", from {from}"));
    }
    if let Some(until) = key.until {
        first.push_str(&format!(", until {until}"));
        first.push_str(if key.can_sign {
            ", private half still kept"
        } else {
            ", private half removed"
        });
    }
    format!("{first}\nsha256 {}\n{}", key.sha256, key.pem.trim_end())
}

fn quarters(keyring: &Keyring) -> ShownQuarters {
    let held: Vec<String> = keyring
        .quarters()
        .filter(|(_, destroyed)| destroyed.is_none())
        .map(|(quarter, _)| quarter.to_string())
        .collect();
    let destroyed = keyring.quarters().filter_map(|(quarter, destroyed)| {
        destroyed.map(|at| ShownDestroyed {
            quarter: quarter.to_string(),
            at,
        })
    });
    ShownQuarters {
        first: held.first().cloned(),
        last: held.last().cloned(),
        held: held.len(),
        destroyed: destroyed.collect(),
    }
}

impl ShownQuarters {
    fn render(&self) -> String {
        let held = match (&self.first, &self.last) {
            (Some(first), Some(last)) => {
                format!("{} keys of quarters, {first} to {last}", self.held)
            }
            (Some(_), None) | (None, _) => "no key of a quarter".to_owned(),
        };
        let destroyed = self
            .destroyed
            .iter()
            .map(|gone| format!("\nkey of {} destroyed at {}", gone.quarter, gone.at));
        format!("{held}{}", destroyed.collect::<String>())
    }
}
