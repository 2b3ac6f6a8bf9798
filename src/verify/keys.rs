//! The public keys that lie beside the certificates.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::VerifyingKey;
use kigen_evidence::public_key;
use kigen_evidence::sshsig::wire_key;

use crate::archive::{Archive, Kind, Listed};

use super::VerifyError;
use super::finding::{PublishedFact, PublishedFinding, PublishedProblem};

/// The beginning of the names of keys that sign certificates.
const OF_CERTIFICATES: &str = "keys/certificate";

/// The beginning of the names of keys that sign heads of logs.
const OF_LOGS: &str = "keys/log-";

/// The keys for certificates among `files`; at least one.
pub async fn published_keys(
    place: &dyn Archive,
    files: &[Listed],
) -> Result<Vec<VerifyingKey>, VerifyError> {
    let keys = keys_of(place, files, OF_CERTIFICATES).await?;
    if keys.is_empty() {
        let place = place.locate("");
        return Err(VerifyError::NoKeys { place });
    }
    Ok(keys)
}

/// The keys for heads of logs among `files`; perhaps none.
pub(super) async fn published_log_keys(
    place: &dyn Archive,
    files: &[Listed],
) -> Result<Vec<VerifyingKey>, VerifyError> {
    keys_of(place, files, OF_LOGS).await
}

async fn keys_of(
    place: &dyn Archive,
    files: &[Listed],
    beginning: &str,
) -> Result<Vec<VerifyingKey>, VerifyError> {
    let mut keys = Vec::new();
    for file in files.iter().filter(|file| is_key(file, beginning)) {
        if let Some(key) = read_key(place, &file.path).await?
            && !keys.contains(&key)
        {
            keys.push(key);
        }
    }
    Ok(keys)
}

/// Whether the published `files` of keys name keys that are trusted: a place that was taken over
/// hands out keys of its own.
pub(super) async fn check(
    place: &dyn Archive,
    files: &[Listed],
    trusted: &[VerifyingKey],
    log_keys: &[VerifyingKey],
) -> Result<Vec<PublishedFinding>, VerifyError> {
    let mut findings = Vec::new();
    for file in files {
        let path = file.path.clone();
        let problem = match Kind::of(&path) {
            Some(Kind::AllowedSigners) => {
                let text = place.get(&path).await?.unwrap_or_default();
                let is_trusted = names_only(&String::from_utf8_lossy(&text), trusted);
                (!is_trusted).then_some(PublishedProblem::UntrustedKey { path })
            }
            // It signs no certificate and no head: who trusts it has it by another way.
            Some(Kind::StampRoot) => None,
            _ => match read_key(place, &path).await? {
                None => Some(PublishedProblem::NotAKey { path }),
                Some(key) if is_key(file, OF_CERTIFICATES) && !trusted.contains(&key) => {
                    Some(PublishedProblem::UntrustedKey { path })
                }
                Some(key) if is_key(file, OF_LOGS) && !log_keys.contains(&key) => {
                    Some(PublishedProblem::UntrustedKey { path })
                }
                Some(_) => None,
            },
        };
        findings.extend(problem.map(PublishedFinding::from));
    }
    if findings.is_empty() && !files.is_empty() {
        let files = files.len();
        findings.push(PublishedFact::KeysAgree { files }.into());
    }
    Ok(findings)
}

fn is_key(file: &Listed, beginning: &str) -> bool {
    Kind::of(&file.path) == Some(Kind::PublicKey) && file.path.starts_with(beginning)
}

async fn read_key(place: &dyn Archive, path: &str) -> Result<Option<VerifyingKey>, VerifyError> {
    let bytes = place.get(path).await?.unwrap_or_default();
    let text = String::from_utf8(bytes).ok();
    Ok(text.and_then(|text| public_key::from_pem(&text).ok()))
}

/// Whether every line of an `allowed_signers` file names one of `trusted`.
fn names_only(text: &str, trusted: &[VerifyingKey]) -> bool {
    let trusted: Vec<String> = trusted
        .iter()
        .map(|key| STANDARD.encode(wire_key(key)))
        .collect();
    let mut lines = text
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines.all(|line| {
        let mut words = line.split_whitespace();
        words.any(|word| word == "ssh-ed25519")
            && words
                .next()
                .is_some_and(|key| trusted.iter().any(|one| one == key))
    })
}
