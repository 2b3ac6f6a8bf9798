//! A witness's word that a log was only added to: C2SP tlog-cosignature v1.0.1, Ed25519.
//!
//! What the witness checked before it signs is its own matter: see `kigen witness`.

use ed25519_dalek::{Signer, SigningKey};

use super::note::{NoteError, NoteSignature};
use super::vkey::{KeyType, NoteKey};

const TIME_LENGTH: usize = 8;

/// The greatest time that a cosignature may carry.
const LATEST: u64 = i64::MAX.unsigned_abs();

/// Signs the text of a checkpoint as seen at `time`, in seconds since 1970-01-01T00:00:00Z.
pub fn sign(
    text: &str,
    key: &NoteKey,
    secret: &SigningKey,
    time: u64,
) -> Result<NoteSignature, NoteError> {
    let mut bytes = time.to_be_bytes().to_vec();
    let signature = secret.sign(message(text, time).as_bytes());
    bytes.extend_from_slice(&signature.to_bytes());
    let is_own = *key.key() == secret.verifying_key();
    if key.key_type() != KeyType::Cosignature || !is_own || time > LATEST {
        return Err(NoteError::SignatureFails {
            name: key.name().to_owned(),
            id: key.id(),
        });
    }
    Ok(NoteSignature::new(key, bytes))
}

/// The bytes that a witness signs.
pub(super) fn message(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

/// Splits what stands behind the key id into time and signature.
pub(super) fn split(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (time, signature) = bytes.split_first_chunk::<TIME_LENGTH>()?;
    let time = u64::from_be_bytes(*time);
    (time <= LATEST).then_some((time, signature))
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use crate::log::note::{Note, NoteError};
    use crate::log::vkey::{KeyType, NoteKey};

    use super::{LATEST, message, sign};

    const TEXT: &str = "example.com/log\n7\nq83vq83vq83vq83vq83vq83vq83vq83vq83vq83vq80=\n";

    fn secret() -> SigningKey {
        SigningKey::from_bytes(&[4; 32])
    }

    fn key(key_type: KeyType) -> NoteKey {
        NoteKey::new("example.com/w1", key_type, secret().verifying_key()).unwrap()
    }

    fn opened(text: &str, line: &str) -> Result<Option<u64>, NoteError> {
        let note: Note = format!("{text}\n{line}\n").parse().unwrap();
        let opened = note.open(&[key(KeyType::Cosignature)])?;
        Ok(opened.signers()[0].time)
    }

    #[test]
    fn the_signed_message_is_that_of_the_specification() {
        let expected = format!("cosignature/v1\ntime 1679315147\n{TEXT}");
        assert_eq!(message(TEXT, 1_679_315_147), expected);
    }

    #[test]
    fn a_cosignature_holds_for_its_text_and_its_time() {
        let line = sign(TEXT, &key(KeyType::Cosignature), &secret(), 1_679_315_147).unwrap();
        let line = line.to_string();
        assert_eq!(opened(TEXT, &line), Ok(Some(1_679_315_147)));
        assert!(opened(&TEXT.replace('7', "8"), &line).is_err());
        let later = sign(TEXT, &key(KeyType::Cosignature), &secret(), 1_679_315_148).unwrap();
        assert_ne!(later.to_string(), line);
    }

    #[test]
    fn only_a_witness_key_cosigns_and_only_with_a_time_that_there_is() {
        assert!(sign(TEXT, &key(KeyType::Note), &secret(), 1).is_err());
        let other = SigningKey::from_bytes(&[5; 32]);
        assert!(sign(TEXT, &key(KeyType::Cosignature), &other, 1).is_err());
        sign(TEXT, &key(KeyType::Cosignature), &secret(), LATEST).unwrap();
        assert!(sign(TEXT, &key(KeyType::Cosignature), &secret(), LATEST + 1).is_err());
    }
}
