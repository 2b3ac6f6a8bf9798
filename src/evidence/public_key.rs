//! The public half of the certificate key, in the forms that stock tools read.
//!
//! It reaches the holders of certificates outside of the certificates: by contract, web site, letter.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::VerifyingKey;
use ed25519_dalek::pkcs8::DecodePublicKey;
use ed25519_dalek::pkcs8::EncodePublicKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use thiserror::Error;

use super::digest::Sha256;
use super::sshsig::NAMESPACE;
use super::sshsig::wire_key;

/// Why a public key cannot be read or written.
#[derive(Debug, Error)]
pub enum PublicKeyError {
    #[error("the text is no Ed25519 public key in PEM")]
    Form(#[source] ed25519_dalek::pkcs8::spki::Error),
    #[error("the public key cannot be written")]
    Write(#[source] ed25519_dalek::pkcs8::spki::Error),
    #[error(
        "the name `{0}` cannot stand in an allowed-signers file\nhint: use an address such as `certificates@example.com`, without spaces, commas, quotes and wildcards"
    )]
    Principal(String),
}

/// The first 8 bytes of the SHA-256 of the key, in hex: a name for people, not a proof.
pub fn key_id(key: &VerifyingKey) -> String {
    hex::encode(&Sha256::of(key.as_bytes()).as_bytes()[..8])
}

/// The key in PEM, as `openssl pkeyutl -pubin` reads it.
pub fn to_pem(key: &VerifyingKey) -> Result<String, PublicKeyError> {
    key.to_public_key_pem(LineEnding::LF)
        .map_err(PublicKeyError::Write)
}

/// Reads a key from PEM.
pub fn from_pem(text: &str) -> Result<VerifyingKey, PublicKeyError> {
    VerifyingKey::from_public_key_pem(text).map_err(PublicKeyError::Form)
}

/// The line that lets `ssh-keygen -Y verify` accept the key for certificates, and for nothing else.
///
/// `principal` is the name under which the issuer signs: `certificates@example.com`.
pub fn allowed_signers_line(key: &VerifyingKey, principal: &str) -> Result<String, PublicKeyError> {
    let unfit = |c: char| !c.is_ascii_graphic() || "\"',*?!#".contains(c);
    if principal.is_empty() || principal.contains(unfit) {
        return Err(PublicKeyError::Principal(principal.to_owned()));
    }
    let key = STANDARD.encode(wire_key(key));
    Ok(format!(
        "{principal} namespaces=\"{NAMESPACE}\" ssh-ed25519 {key}\n"
    ))
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use ed25519_dalek::VerifyingKey;

    use super::allowed_signers_line;
    use super::from_pem;
    use super::key_id;
    use super::to_pem;

    fn key() -> VerifyingKey {
        SigningKey::from_bytes(&[1; 32]).verifying_key()
    }

    #[test]
    fn a_key_comes_back_from_its_pem() {
        let pem = to_pem(&key()).unwrap();
        assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\n"), "{pem}");
        assert_eq!(from_pem(&pem).unwrap(), key());
        assert!(from_pem("-----BEGIN PUBLIC KEY-----\n").is_err());
    }

    #[test]
    fn a_key_is_named_by_the_first_8_bytes_of_its_digest() {
        assert_eq!(key_id(&key()), "34750f98bd59fcfc");
    }

    #[test]
    fn an_allowed_signer_may_sign_certificates_only() {
        let line = allowed_signers_line(&key(), "certificates@example.com").unwrap();
        let start = "certificates@example.com namespaces=\"deletion-certificate@kigen\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI";
        assert!(line.starts_with(start), "{line}");
        assert!(line.ends_with('\n'));
    }

    #[test]
    fn a_principal_that_would_match_more_than_itself_is_refused() {
        for principal in ["", "a b", "*@example.com", "a,b", "a\nb", "\"a", "株式会社"] {
            assert!(
                allowed_signers_line(&key(), principal).is_err(),
                "{principal}"
            );
        }
    }
}
