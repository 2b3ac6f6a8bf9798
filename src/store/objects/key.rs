//! Names of objects and of their versions. They may hold personal data and do not print.

use std::fmt;

/// The longest key that S3 takes, in bytes of UTF-8.
const MAX_KEY_BYTES: usize = 1024;

/// The key of one object, without the prefix or folder of its store.
///
/// May be personal data (`scans/山田太郎.pdf`): its `Debug` is redacted, and it has neither
/// `Display` nor `Serialize`.
///
/// ```compile_fail
/// let key = kigen::store::objects::ObjectKey::parse("scans/1.pdf").unwrap();
/// println!("{key}");
/// ```
///
/// ```
/// let key = kigen::store::objects::ObjectKey::parse("scans/1.pdf").unwrap();
/// assert_eq!(format!("{key:?}"), "<redacted object key>");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// Checks a key as a record names it.
    pub fn parse(text: impl Into<String>) -> Result<Self, KeyError> {
        let text = text.into();
        if text.is_empty() {
            return Err(KeyError::Empty);
        }
        if text.len() > MAX_KEY_BYTES {
            return Err(KeyError::TooLong);
        }
        if text.chars().any(is_unwritable) {
            return Err(KeyError::Unwritable);
        }
        Ok(Self(text))
    }

    /// The key itself, for calls to the store and for digests; never for output.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted object key>")
    }
}

/// Why a text cannot be the key of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("the object key is empty")]
    Empty,
    #[error("the object key is longer than {MAX_KEY_BYTES} bytes")]
    TooLong,
    /// S3's lists and removals are XML 1.0, which cannot carry the character unchanged.
    #[error("the object key holds a control character")]
    Unwritable,
}

fn is_unwritable(character: char) -> bool {
    character.is_control() || matches!(character, '\u{FFFE}' | '\u{FFFF}')
}

/// The id of one version of an object, as the store gave it; `null` is a version like any other.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VersionId(String);

impl VersionId {
    /// Takes an id as the store gave it.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id itself, for calls to the store and for the intent; never for output.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted version id>")
    }
}

/// The id of an upload that was begun and never finished: no list of objects shows its parts.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UploadId(String);

impl UploadId {
    /// Takes an id as the store gave it.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id itself, for calls to the store and for the intent; never for output.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted upload id>")
    }
}

#[cfg(test)]
mod tests {
    use super::{KeyError, ObjectKey, UploadId, VersionId};

    #[test]
    fn a_key_that_a_store_could_misread_is_refused() {
        assert_eq!(ObjectKey::parse(""), Err(KeyError::Empty));
        assert_eq!(ObjectKey::parse("a\u{1}b"), Err(KeyError::Unwritable));
        assert_eq!(ObjectKey::parse("a\rb"), Err(KeyError::Unwritable));
        assert_eq!(ObjectKey::parse("a\u{FFFE}"), Err(KeyError::Unwritable));
        assert_eq!(ObjectKey::parse("あ".repeat(342)), Err(KeyError::TooLong));
        assert!(ObjectKey::parse("本人確認/山田 太郎 & <1>.pdf").is_ok());
        assert!(ObjectKey::parse("あ".repeat(341)).is_ok());
    }

    #[test]
    fn nothing_that_names_an_object_prints() {
        let key = ObjectKey::parse("scans/yamada.pdf").unwrap();
        let shown = format!(
            "{key:?} {:?} {:?}",
            VersionId::new("v1"),
            UploadId::new("u1")
        );
        assert_eq!(
            shown,
            "<redacted object key> <redacted version id> <redacted upload id>"
        );
    }
}
