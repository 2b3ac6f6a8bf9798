//! A text signed by several keys: C2SP signed-note v1.0.0.
//!
//! A note says nothing until it was opened: only [`Note::open`] gives out the text.

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer, SigningKey};
use thiserror::Error;

use super::cosignature;
use super::vkey::{KeyId, KeyType, NoteKey, is_key_name};

/// The longest note that is looked at, in bytes.
pub const LONGEST_NOTE: usize = 1024 * 1024;

/// The most signatures that are looked at.
pub const MOST_SIGNATURES: usize = 100;

const MARK: &str = "— ";
const KEY_ID_LENGTH: usize = 4;

/// A text and its signatures, none of them checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    name: String,
    id: KeyId,
    bytes: Vec<u8>,
}

/// A text that somebody known has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedNote {
    text: String,
    signers: Vec<NoteSigner>,
}

/// A known key whose signature holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSigner {
    pub key: NoteKey,
    /// For a witness: when it saw the checkpoint, in seconds since 1970-01-01T00:00:00Z.
    pub time: Option<u64>,
}

/// Why a note cannot be read, written or believed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NoteError {
    #[error("the note has {0} bytes; at most {LONGEST_NOTE} are read")]
    TooLong(usize),
    #[error("the text of a note ends with a line end and has no other control characters")]
    Text,
    #[error("the note does not consist of a text, an empty line and signature lines")]
    Form,
    #[error("signature line {0} of the note is not `— name base64`")]
    SignatureLine(usize),
    #[error("the note has {0} signatures; at most {MOST_SIGNATURES} are read")]
    TooManySignatures(usize),
    #[error("no key that was given has signed the note")]
    NobodyKnown,
    #[error("the signature of the key `{name}` with the id `{id}` does not hold")]
    SignatureFails { name: String, id: KeyId },
}

impl Note {
    /// Signs `text` with a log's key, whose name is `key`'s.
    ///
    /// The same text and key give the same bytes.
    pub fn sign(text: &str, key: &NoteKey, secret: &SigningKey) -> Result<Self, NoteError> {
        check_text(text)?;
        let signature = NoteSignature {
            name: key.name().to_owned(),
            id: key.id(),
            bytes: secret.sign(text.as_bytes()).to_bytes().to_vec(),
        };
        if key.key_type() != KeyType::Note || *key.key() != secret.verifying_key() {
            return Err(signature.fails());
        }
        Ok(Self {
            text: text.to_owned(),
            signatures: vec![signature],
        })
    }

    /// Adds a signature line, that of a witness for instance, unless the same line is there.
    pub fn add(&mut self, signature: NoteSignature) -> Result<(), NoteError> {
        if self.signatures.contains(&signature) {
            return Ok(());
        }
        if self.signatures.len() == MOST_SIGNATURES {
            return Err(NoteError::TooManySignatures(MOST_SIGNATURES + 1));
        }
        self.signatures.push(signature);
        Ok(())
    }

    /// The text, under signatures that were not checked.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines, none of them checked.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// The note with the signature lines of `keys` alone, none of them checked.
    #[must_use = "the note itself stays as it is"]
    pub fn by(&self, keys: &[NoteKey]) -> Self {
        let claimed = |line: &&NoteSignature| keys.iter().any(|key| line.claims(key));
        Self {
            text: self.text.clone(),
            signatures: self.signatures.iter().filter(claimed).cloned().collect(),
        }
    }

    /// Returns the text if at least one of `keys` has signed it.
    ///
    /// Lines of unknown keys are ignored. A line of a known key that does not hold refuses the
    /// whole note.
    pub fn open(&self, keys: &[NoteKey]) -> Result<OpenedNote, NoteError> {
        let mut signers: Vec<NoteSigner> = Vec::new();
        for signature in &self.signatures {
            let mut known = keys.iter().filter(|key| signature.claims(key)).peekable();
            if known.peek().is_none() {
                continue;
            }
            // Two keys of one name may share the four bytes of an id.
            let signer = known
                .find_map(|key| signature.check(&self.text, key))
                .ok_or_else(|| signature.fails())?;
            if signers.iter().all(|other| other.key != signer.key) {
                signers.push(signer);
            }
        }
        if signers.is_empty() {
            return Err(NoteError::NobodyKnown);
        }
        Ok(OpenedNote {
            text: self.text.clone(),
            signers,
        })
    }
}

impl NoteSignature {
    pub(super) fn new(key: &NoteKey, bytes: Vec<u8>) -> Self {
        Self {
            name: key.name().to_owned(),
            id: key.id(),
            bytes,
        }
    }

    /// The name of the key that is said to have signed.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id of the key that is said to have signed.
    pub fn id(&self) -> KeyId {
        self.id
    }

    fn claims(&self, key: &NoteKey) -> bool {
        self.name == key.name() && self.id == key.id()
    }

    fn check(&self, text: &str, key: &NoteKey) -> Option<NoteSigner> {
        let (time, message, signature) = match key.key_type() {
            KeyType::Note => (None, text.to_owned(), &self.bytes[..]),
            KeyType::Cosignature => {
                let (time, signature) = cosignature::split(&self.bytes)?;
                (Some(time), cosignature::message(text, time), signature)
            }
        };
        let signature = Signature::from_slice(signature).ok()?;
        key.key()
            .verify_strict(message.as_bytes(), &signature)
            .ok()?;
        Some(NoteSigner {
            key: key.clone(),
            time,
        })
    }

    fn fails(&self) -> NoteError {
        NoteError::SignatureFails {
            name: self.name.clone(),
            id: self.id,
        }
    }

    fn read(line: &str) -> Option<Self> {
        let (name, signature) = line.strip_prefix(MARK)?.split_once(' ')?;
        let bytes = STANDARD.decode(signature).ok()?;
        let (id, bytes) = bytes.split_first_chunk::<KEY_ID_LENGTH>()?;
        if !is_key_name(name) || bytes.is_empty() {
            return None;
        }
        Some(Self {
            name: name.to_owned(),
            id: KeyId::from_bytes(*id),
            bytes: bytes.to_vec(),
        })
    }
}

impl OpenedNote {
    /// The signed text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Who signed it, each key once; never empty.
    pub fn signers(&self) -> &[NoteSigner] {
        &self.signers
    }
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.id.as_bytes().to_vec();
        bytes.extend_from_slice(&self.bytes);
        write!(f, "{MARK}{} {}", self.name, STANDARD.encode(bytes))
    }
}

impl FromStr for NoteSignature {
    type Err = NoteError;

    /// Reads one line without its line end.
    fn from_str(line: &str) -> Result<Self, NoteError> {
        Self::read(line).ok_or(NoteError::SignatureLine(1))
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for signature in &self.signatures {
            writeln!(f, "{signature}")?;
        }
        Ok(())
    }
}

impl FromStr for Note {
    type Err = NoteError;

    fn from_str(note: &str) -> Result<Self, NoteError> {
        if note.len() > LONGEST_NOTE {
            return Err(NoteError::TooLong(note.len()));
        }
        // The text may have empty lines; the signatures follow the last one.
        let end = note.rfind("\n\n").ok_or(NoteError::Form)? + 1;
        let text = &note[..end];
        check_text(text)?;
        let lines = note[end + 1..].strip_suffix('\n').ok_or(NoteError::Form)?;
        let number = lines.split('\n').count();
        if number > MOST_SIGNATURES {
            return Err(NoteError::TooManySignatures(number));
        }
        let mut signatures = Vec::with_capacity(number);
        for (place, line) in (1..).zip(lines.split('\n')) {
            let signature = NoteSignature::read(line).ok_or(NoteError::SignatureLine(place))?;
            signatures.push(signature);
        }
        Ok(Self {
            text: text.to_owned(),
            signatures,
        })
    }
}

fn check_text(text: &str) -> Result<(), NoteError> {
    let unfit = |byte: u8| byte < 0x20 && byte != b'\n';
    if !text.ends_with('\n') || text.bytes().any(unfit) {
        return Err(NoteError::Text);
    }
    Ok(())
}
