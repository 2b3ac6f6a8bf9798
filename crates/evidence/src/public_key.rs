//! The public half of the certificate key, in the forms that stock tools read.
//!
//! It reaches the holders of certificates outside of the certificates: by contract, web site, letter.

use ed25519_dalek::VerifyingKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePublicKey, EncodePublicKey};
use thiserror::Error;

use super::digest::Sha256;

/// Why a public key cannot be read or written.
#[derive(Debug, Error)]
pub enum PublicKeyError {
    #[error("the text is no Ed25519 public key in PEM")]
    Form(#[source] ed25519_dalek::pkcs8::spki::Error),
    #[error("the public key cannot be written")]
    Write(#[source] ed25519_dalek::pkcs8::spki::Error),
}

/// The first 8 bytes of the SHA-256 of the key, in hex: a name for people, not a proof.
pub fn key_id(key: &VerifyingKey) -> String {
    hex::encode(&Sha256::of(key.as_bytes()).as_bytes()[..8])
}

/// The SHA-256 of the key's 32 bytes, in hex: the fingerprint that is handed over by another way.
pub fn fingerprint(key: &VerifyingKey) -> String {
    hex::encode(Sha256::of(key.as_bytes()).as_bytes())
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

#[cfg(test)]
mod tests {
    use ed25519_dalek::{SigningKey, VerifyingKey};

    use super::{fingerprint, from_pem, key_id, to_pem};

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
        assert_eq!(fingerprint(&key()).len(), 64);
        assert!(fingerprint(&key()).starts_with(&key_id(&key())));
    }
}
