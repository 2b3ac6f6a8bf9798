//! A second signature over the same payload, for holders without a recent OpenSSL: `ssh-keygen`
//! is on nearly every computer. The format is OpenSSH's PROTOCOL.sshsig.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signer;
use ed25519_dalek::SigningKey;
use ed25519_dalek::VerifyingKey;
use sha2::Digest;
use sha2::Sha512;

/// What the signature is for. A signature made for one namespace does not hold in another.
pub const NAMESPACE: &str = "deletion-certificate@kigen";

const MAGIC: &[u8] = b"SSHSIG";
const VERSION: u32 = 1;
pub(super) const ALGORITHM: &str = "ssh-ed25519";
const HASH: &str = "sha512";
const LINE_LENGTH: usize = 70;

/// The armored signature over `payload`: the file `statement.json.sig`.
pub fn sign(payload: &[u8], key: &SigningKey) -> String {
    let mut signed = MAGIC.to_vec();
    put(&mut signed, NAMESPACE.as_bytes());
    put(&mut signed, b"");
    put(&mut signed, HASH.as_bytes());
    put(&mut signed, &Sha512::digest(payload));

    let mut signature = Vec::new();
    put(&mut signature, ALGORITHM.as_bytes());
    put(&mut signature, &key.sign(&signed).to_bytes());

    let mut blob = MAGIC.to_vec();
    blob.extend_from_slice(&VERSION.to_be_bytes());
    put(&mut blob, &wire_key(&key.verifying_key()));
    put(&mut blob, NAMESPACE.as_bytes());
    put(&mut blob, b"");
    put(&mut blob, HASH.as_bytes());
    put(&mut blob, &signature);
    armor(&blob)
}

/// A public key as SSH writes it, before base64.
pub(super) fn wire_key(key: &VerifyingKey) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(&mut bytes, ALGORITHM.as_bytes());
    put(&mut bytes, key.as_bytes());
    bytes
}

fn armor(blob: &[u8]) -> String {
    let mut text = String::from("-----BEGIN SSH SIGNATURE-----\n");
    for (index, digit) in STANDARD.encode(blob).chars().enumerate() {
        if index > 0 && index % LINE_LENGTH == 0 {
            text.push('\n');
        }
        text.push(digit);
    }
    text.push_str("\n-----END SSH SIGNATURE-----\n");
    text
}

/// Appends a string of SSH: its length in 32 bits, big-endian, and its bytes.
fn put(buffer: &mut Vec<u8>, bytes: &[u8]) {
    // Only names, keys and digests come here: none is longer than 100 bytes.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    buffer.extend_from_slice(&length.to_be_bytes());
    buffer.extend_from_slice(bytes);
}
