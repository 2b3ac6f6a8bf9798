//! Keys of logs and witnesses on the command line.

use kigen_evidence::log::vkey::{KeyType, NoteKey, NoteKeyError};

use super::failure::Failure;
use crate::exit;

/// Keys of notes, each given as itself or as a file that holds it.
pub(super) fn note_keys(given: &[String], wanted: KeyType) -> Result<Vec<NoteKey>, Failure> {
    given.iter().map(|given| note_key(given, wanted)).collect()
}

fn note_key(given: &str, wanted: KeyType) -> Result<NoteKey, Failure> {
    let key = match given.parse::<NoteKey>() {
        Ok(key) => key,
        Err(error) => {
            let wrong =
                |why: String| Failure::new(exit::USAGE, format!("read the key `{given}`: {why}"));
            // What has no `+` in it is no key that was mistyped.
            let text = std::fs::read_to_string(given).map_err(|_| wrong(error.to_string()))?;
            let text = text.trim_end();
            text.parse()
                .map_err(|error: NoteKeyError| wrong(error.to_string()))?
        }
    };
    if key.key_type() == wanted {
        return Ok(key);
    }
    let wanted = match wanted {
        KeyType::Note => "a log",
        KeyType::Cosignature => "a witness",
    };
    let message = format!("`{}` is no key of {wanted}", key.name());
    Err(Failure::new(exit::USAGE, message))
}
