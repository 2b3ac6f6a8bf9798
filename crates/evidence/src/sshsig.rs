//! A second signature over the same payload, for holders without a recent OpenSSL: `ssh-keygen`
//! is on nearly every computer. The format is OpenSSH's PROTOCOL.sshsig.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256, Sha512};
use thiserror::Error;

/// What the signature is for. A signature made for one namespace does not hold in another.
pub const NAMESPACE: &str = "deletion-certificate@kigen";

const MAGIC: &[u8] = b"SSHSIG";
const VERSION: u32 = 1;
pub(super) const ALGORITHM: &str = "ssh-ed25519";
const HASH: &str = "sha512";
/// A digest that other signers choose; ours never do.
const OTHER_HASH: &str = "sha256";
const LINE_LENGTH: usize = 70;
const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";

/// Why a detached signature proves nothing.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SshSignatureError {
    #[error("the file is no armored SSH signature")]
    Form,
    #[error("the signature is of another version than {VERSION}")]
    Version,
    #[error("the signature was made for another purpose than `{NAMESPACE}`")]
    Namespace,
    #[error(
        "the signature uses another algorithm than `{ALGORITHM}` over `{HASH}` or `{OTHER_HASH}`"
    )]
    Algorithm,
    #[error("the signature is by a key that was not given")]
    Stranger,
    #[error("the signature does not hold for this payload")]
    DoesNotHold,
}

/// The armored signature over `payload`: the file `statement.json.sig`.
pub fn sign(payload: &[u8], key: &SigningKey) -> String {
    let signed = signed_bytes(HASH, &Sha512::digest(payload));

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

/// The key out of `keys` under which the signature in `armored` holds for `payload`.
///
/// As `ssh-keygen -Y verify` does, it takes the key out of the signature, which must be one of
/// `keys`, and accepts the namespace of certificates only.
pub fn verify(
    armored: &[u8],
    payload: &[u8],
    keys: &[VerifyingKey],
) -> Result<VerifyingKey, SshSignatureError> {
    let blob = unarmored(armored).ok_or(SshSignatureError::Form)?;
    let parts = Parts::read(&blob).ok_or(SshSignatureError::Form)?;
    if parts.version != VERSION {
        return Err(SshSignatureError::Version);
    }
    if parts.namespace != NAMESPACE.as_bytes() {
        return Err(SshSignatureError::Namespace);
    }
    if parts.signature_algorithm != ALGORITHM.as_bytes() {
        return Err(SshSignatureError::Algorithm);
    }
    let (hash, digest) = if parts.hash == HASH.as_bytes() {
        (HASH, Sha512::digest(payload).to_vec())
    } else if parts.hash == OTHER_HASH.as_bytes() {
        (OTHER_HASH, Sha256::digest(payload).to_vec())
    } else {
        return Err(SshSignatureError::Algorithm);
    };
    let by = keys.iter().find(|key| wire_key(key) == parts.key);
    let key = by.ok_or(SshSignatureError::Stranger)?;
    let signature = Signature::from_slice(parts.signature);
    let signature = signature.map_err(|_| SshSignatureError::Form)?;
    key.verify_strict(&signed_bytes(hash, &digest), &signature)
        .map_err(|_| SshSignatureError::DoesNotHold)?;
    Ok(*key)
}

/// What is signed in place of the payload.
fn signed_bytes(hash: &str, digest: &[u8]) -> Vec<u8> {
    let mut signed = MAGIC.to_vec();
    put(&mut signed, NAMESPACE.as_bytes());
    put(&mut signed, b"");
    put(&mut signed, hash.as_bytes());
    put(&mut signed, digest);
    signed
}

/// A signature taken apart.
struct Parts<'a> {
    version: u32,
    key: &'a [u8],
    namespace: &'a [u8],
    hash: &'a [u8],
    signature_algorithm: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Reads a whole blob, or returns `None` if it breaks off or something follows.
    fn read(blob: &'a [u8]) -> Option<Self> {
        let rest = blob.strip_prefix(MAGIC)?;
        let (version, mut rest) = rest.split_first_chunk::<4>()?;
        let key = take(&mut rest)?;
        let namespace = take(&mut rest)?;
        let _reserved = take(&mut rest)?;
        let hash = take(&mut rest)?;
        let mut inner = take(&mut rest)?;
        let signature_algorithm = take(&mut inner)?;
        let signature = take(&mut inner)?;
        let is_whole = rest.is_empty() && inner.is_empty();
        is_whole.then_some(Self {
            version: u32::from_be_bytes(*version),
            key,
            namespace,
            hash,
            signature_algorithm,
            signature,
        })
    }
}

/// Takes a string of SSH off the front of `bytes`.
fn take<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (taken, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

/// The bytes within the armor, or `None` if it is none.
fn unarmored(armored: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(armored).ok()?.trim_end();
    let inner = text.strip_prefix(BEGIN)?.strip_suffix(END)?;
    let digits: String = inner
        .chars()
        .filter(|character| !matches!(character, '\n' | '\r'))
        .collect();
    STANDARD.decode(digits).ok()
}

/// A public key as SSH writes it, before base64.
pub fn wire_key(key: &VerifyingKey) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(&mut bytes, ALGORITHM.as_bytes());
    put(&mut bytes, key.as_bytes());
    bytes
}

fn armor(blob: &[u8]) -> String {
    let mut text = format!("{BEGIN}\n");
    for (index, digit) in STANDARD.encode(blob).chars().enumerate() {
        if index > 0 && index % LINE_LENGTH == 0 {
            text.push('\n');
        }
        text.push(digit);
    }
    text.push_str(&format!("\n{END}\n"));
    text
}

/// Appends a string of SSH: its length in 32 bits, big-endian, and its bytes.
fn put(buffer: &mut Vec<u8>, bytes: &[u8]) {
    // Only names, keys and digests come here: none is longer than 100 bytes.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    buffer.extend_from_slice(&length.to_be_bytes());
    buffer.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use ed25519_dalek::SigningKey;

    use super::{NAMESPACE, SshSignatureError, armor, sign, unarmored, verify};

    const PAYLOAD: &[u8] = b"{\"deleted\":30}";

    /// Made by `ssh-keygen -Y sign -n deletion-certificate@kigen` (OpenSSH 9.2) over [`PAYLOAD`],
    /// with `-O hashalg=sha256`, under the key of 32 bytes of 1.
    const BY_SSH_KEYGEN: &str = include_str!("testdata/by_ssh_keygen.sig");

    fn key(number: u8) -> SigningKey {
        SigningKey::from_bytes(&[number; 32])
    }

    fn check(armored: &str) -> Result<(), SshSignatureError> {
        let keys = [key(2).verifying_key(), key(1).verifying_key()];
        let by = verify(armored.as_bytes(), PAYLOAD, &keys)?;
        assert_eq!(by, key(1).verifying_key());
        Ok(())
    }

    /// The signature with one piece of its inside replaced by another of the same length.
    fn altered(from: &[u8], to: &[u8]) -> String {
        let mut blob = unarmored(sign(PAYLOAD, &key(1)).as_bytes()).unwrap();
        let places = blob.windows(from.len()).position(|found| found == from);
        let place = places.unwrap();
        blob[place..place + from.len()].copy_from_slice(to);
        armor(&blob)
    }

    #[test]
    fn a_signature_holds_under_its_key_also_when_ssh_keygen_made_it() {
        assert_eq!(check(&sign(PAYLOAD, &key(1))), Ok(()));
        assert_eq!(check(BY_SSH_KEYGEN), Ok(()));
    }

    #[test]
    fn nothing_else_holds() {
        let armored = sign(PAYLOAD, &key(1));
        let keys = [key(1).verifying_key()];
        let other = verify(armored.as_bytes(), b"{\"deleted\":29}", &keys);
        assert_eq!(other, Err(SshSignatureError::DoesNotHold));
        let none = verify(armored.as_bytes(), PAYLOAD, &[]);
        assert_eq!(none, Err(SshSignatureError::Stranger));
        let stranger = check(&sign(PAYLOAD, &key(3)));
        assert_eq!(stranger, Err(SshSignatureError::Stranger));
    }

    #[test]
    fn every_part_of_the_signature_counts() {
        let other_purpose = NAMESPACE.replace("deletion", "creation");
        let cases = [
            (altered(b"SSHSIG", b"SSHSIX"), SshSignatureError::Form),
            (
                altered(&[0, 0, 0, 1], &[0, 0, 0, 2]),
                SshSignatureError::Version,
            ),
            (
                altered(NAMESPACE.as_bytes(), other_purpose.as_bytes()),
                SshSignatureError::Namespace,
            ),
            (
                altered(b"sha512", b"sha256"),
                SshSignatureError::DoesNotHold,
            ),
            (altered(b"sha512", b"sha384"), SshSignatureError::Algorithm),
            (
                altered(b"\0\0\0\x53\0\0\0\x0bssh-ed", b"\0\0\0\x53\0\0\0\x0bssh-rs"),
                SshSignatureError::Algorithm,
            ),
        ];
        for (armored, expected) in cases {
            assert_eq!(check(&armored), Err(expected), "{expected}");
        }
    }

    #[test]
    fn every_flipped_bit_of_the_inside_is_noticed() {
        let blob = unarmored(sign(PAYLOAD, &key(1)).as_bytes()).unwrap();
        for place in 0..blob.len() {
            let mut flipped = blob.clone();
            flipped[place] ^= 1;
            assert!(check(&armor(&flipped)).is_err(), "{place}");
            assert!(check(&armor(&blob[..place])).is_err(), "{place}");
        }
        let longer = [blob.as_slice(), b"x"].concat();
        assert_eq!(check(&armor(&longer)), Err(SshSignatureError::Form));
    }

    #[test]
    fn what_is_no_armor_is_refused() {
        let armored = sign(PAYLOAD, &key(1));
        let bare = STANDARD.encode(unarmored(armored.as_bytes()).unwrap());
        let cut = armored.replace("-----END", "-----AND");
        for text in ["", bare.as_str(), cut.as_str(), "\u{fffd}"] {
            assert_eq!(check(text), Err(SshSignatureError::Form), "{text}");
        }
        // As on a computer that writes lines in its own way.
        assert_eq!(check(&armored.replace('\n', "\r\n")), Ok(()));
    }
}
