//! The keyring's file: TOML, read by its owner only, replaced as a whole or not at all.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::fs::File;
use std::io;
use std::io::Read;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::fchown;
use std::path::Path;
use std::path::PathBuf;

use ed25519_dalek::SigningKey;
use serde::Deserialize;
use serde::Deserializer;
use serde::de::Visitor;
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use super::Keyring;
use super::KeyringError;
use super::Quarter;
use super::Secret;
use super::VERSION;

/// Far more than a century of quarters needs.
const LONGEST_FILE: u64 = 1024 * 1024;
const PERMISSIONS: u32 = 0o7777;
const GROUP_AND_OTHERS: u32 = 0o077;
/// What Kubernetes makes of a Secret mounted 0400 for a pod with an `fsGroup`: the group is the
/// pod's own.
const MOUNTED_SECRET: u32 = 0o440;
const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";
const HEADER: &str = "\
# The secrets of one kigen installation. Who reads this file can sign certificates, recompute
# pseudonyms and open evidence: keep it readable by its owner only (mode 0600), and keep a safe
# copy. A key that is lost or altered cannot be made again. kigen adds keys and alters none.
";

/// The file's content.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Content {
    #[serde(rename = "version")]
    _version: u32,
    /// How many keys of quarters follow, so that a file cut off between two of them is noticed.
    key_encryption_keys: usize,
    certificate_key: CertificateKey,
    token_key: TokenKey,
    #[serde(default)]
    key_encryption_key: Vec<KeyEncryptionKey>,
}

/// Ed25519.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CertificateKey {
    seed: HexKey,
    /// Follows from the seed; written so that a damaged seed is noticed.
    public: HexKey,
}

/// HMAC-SHA-256.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenKey {
    secret: HexKey,
}

/// AES-256-GCM.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEncryptionKey {
    id: String,
    secret: HexKey,
}

/// The one field that every version of the file has.
#[derive(Deserialize)]
struct AnyVersion {
    version: u32,
}

/// 32 bytes in hexadecimal digits.
struct HexKey(Secret);

/// Writes a new file. One that is there stays as it is.
pub(super) fn create(keyring: &Keyring) -> Result<(), KeyringError> {
    let path = &keyring.path;
    let file = write_beside(keyring, path)?;
    file.persist_noclobber(path)
        .map_err(|refused| match refused.error.kind() {
            io::ErrorKind::AlreadyExists => KeyringError::Exists { path: path.clone() },
            _ => failed("create", path, refused.error),
        })?;
    sync_folder(path)
}

/// Replaces the file by one that has more keys. The caller holds the [`lock`].
pub(super) fn replace(keyring: &Keyring) -> Result<(), KeyringError> {
    let path = real_path(&keyring.path)?;
    let file = write_beside(keyring, &path)?;
    let replace = || -> io::Result<()> {
        // The file stays its owner's, also if somebody else (root) added a key.
        let owner = fs::metadata(&path)?;
        fchown(file.as_file(), Some(owner.uid()), Some(owner.gid()))?;
        file.persist(&path)?;
        Ok(())
    };
    replace().map_err(|error| failed("replace", &path, error))?;
    sync_folder(&path)
}

/// Waits until no other process changes the keyring, and keeps others waiting until dropped.
pub(super) fn lock(path: &Path) -> Result<File, KeyringError> {
    let path = real_path(path)?;
    let lock = || -> io::Result<File> {
        // The folder, because the file itself is replaced.
        let folder = File::open(folder_of(&path))?;
        folder.lock()?;
        Ok(folder)
    };
    lock().map_err(|error| failed("lock", &path, error))
}

/// Reads the file, if it is its owner's alone.
pub(super) fn load(path: &Path) -> Result<Keyring, KeyringError> {
    let text = read(path)?;
    let damaged = |error: toml::de::Error| KeyringError::Damaged {
        path: path.to_owned(),
        what: place_of(&error, &text),
    };
    let any: AnyVersion = toml::from_str(&text).map_err(damaged)?;
    if any.version != VERSION {
        return Err(KeyringError::Version {
            path: path.to_owned(),
            found: any.version,
        });
    }
    let content: Content = toml::from_str(&text).map_err(damaged)?;
    check(content, path).map_err(|what| KeyringError::Damaged {
        path: path.to_owned(),
        what,
    })
}

fn read(path: &Path) -> Result<Zeroizing<String>, KeyringError> {
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => KeyringError::Missing {
            path: path.to_owned(),
        },
        _ => failed("read", path, error),
    };
    let file = File::open(path).map_err(unreadable)?;
    // Asked of the open file: what is checked is what is read.
    let about = file.metadata().map_err(unreadable)?;
    if !about.is_file() {
        return Err(KeyringError::NotAFile {
            path: path.to_owned(),
        });
    }
    let mode = about.mode() & PERMISSIONS;
    if mode & GROUP_AND_OTHERS != 0 && mode != MOUNTED_SECRET {
        return Err(KeyringError::TooOpen {
            path: path.to_owned(),
            mode,
        });
    }
    // Room for the whole at once: a string that grows leaves copies of its content behind.
    let room = usize::try_from(about.len().min(LONGEST_FILE)).unwrap_or_default();
    let mut text = Zeroizing::new(String::with_capacity(room + 1));
    file.take(LONGEST_FILE)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    Ok(text)
}

/// Where a TOML error lies. Its own text is left out, because it quotes the line with its secret.
fn place_of(error: &toml::de::Error, text: &str) -> String {
    let Some(span) = error.span() else {
        return "something is missing".to_owned();
    };
    let before = text.bytes().take(span.start);
    let line = before.filter(|byte| *byte == b'\n').count() + 1;
    format!("line {line} cannot be read")
}

fn check(content: Content, path: &Path) -> Result<Keyring, String> {
    let certificate_key = SigningKey::from_bytes(&content.certificate_key.seed.0);
    if certificate_key.verifying_key().as_bytes() != &*content.certificate_key.public.0 {
        return Err("the two halves of the certificate key do not belong together".to_owned());
    }
    let (stated, found) = (
        content.key_encryption_keys,
        content.key_encryption_key.len(),
    );
    if stated != found {
        return Err(format!(
            "it should have {stated} key-encryption keys and has {found}"
        ));
    }
    let mut key_encryption_keys = BTreeMap::new();
    for key in content.key_encryption_key {
        let quarter = Quarter::from_key_id(&key.id)
            .ok_or_else(|| format!("`{}` is no name of a quarter's key", key.id))?;
        if key_encryption_keys.insert(quarter, key.secret.0).is_some() {
            return Err(format!("the key `{}` stands there twice", key.id));
        }
    }
    Ok(Keyring {
        path: path.to_owned(),
        certificate_key,
        token_key: content.token_key.secret.0,
        key_encryption_keys,
    })
}

/// Writes the keyring to a new file in the folder of `path`, down to the disk.
fn write_beside(keyring: &Keyring, path: &Path) -> Result<NamedTempFile, KeyringError> {
    let write = || -> io::Result<NamedTempFile> {
        // A temporary file has mode 0600 from its first moment.
        let mut file = NamedTempFile::with_prefix_in(".keyring-", folder_of(path))?;
        file.write_all(render(keyring).as_bytes())?;
        file.as_file().sync_all()?;
        Ok(file)
    };
    write().map_err(|error| failed("write", path, error))
}

fn render(keyring: &Keyring) -> Zeroizing<String> {
    let keys = &keyring.key_encryption_keys;
    let mut text = Zeroizing::new(String::with_capacity(1024 + 256 * keys.len()));
    text.push_str(HEADER);
    text.push_str(&format!(
        "version = {VERSION}\nkey-encryption-keys = {}\n",
        keys.len()
    ));
    text.push_str("\n# Ed25519: signs certificates.\n[certificate-key]\n");
    push_key(
        &mut text,
        "public",
        keyring.certificate_key.verifying_key().as_bytes(),
    );
    push_key(&mut text, "seed", keyring.certificate_key.as_bytes());
    text.push_str("\n# HMAC-SHA-256: makes pseudonyms.\n[token-key]\n");
    push_key(&mut text, "secret", &keyring.token_key);
    text.push_str("\n# AES-256-GCM: each wraps the run keys of one quarter.\n");
    for (quarter, secret) in keys {
        text.push_str(&format!(
            "[[key-encryption-key]]\nid = \"{}\"\n",
            quarter.key_id()
        ));
        push_key(&mut text, "secret", secret);
    }
    text
}

fn push_key(text: &mut String, name: &str, key: &[u8; 32]) {
    text.push_str(name);
    text.push_str(" = \"");
    for byte in key {
        text.push(char::from(HEX_DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(HEX_DIGITS[usize::from(byte & 0x0f)]));
    }
    text.push_str("\"\n");
}

fn real_path(path: &Path) -> Result<PathBuf, KeyringError> {
    fs::canonicalize(path).map_err(|error| failed("find", path, error))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}

/// Makes a new name in the folder of `path` last.
fn sync_folder(path: &Path) -> Result<(), KeyringError> {
    File::open(folder_of(path))
        .and_then(|folder| folder.sync_all())
        .map_err(|error| failed("sync the folder of", path, error))
}

fn failed(action: &'static str, path: &Path, error: io::Error) -> KeyringError {
    KeyringError::Io {
        action,
        path: path.to_owned(),
        error,
    }
}

impl<'de> Deserialize<'de> for HexKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(HexKeyVisitor)
    }
}

struct HexKeyVisitor;

impl Visitor<'_> for HexKeyVisitor {
    type Value = HexKey;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("64 hexadecimal digits")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<HexKey, E> {
        let mut key = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text, key.as_mut_slice())
            .map_err(|_| E::custom("64 hexadecimal digits are expected"))?;
        Ok(HexKey(key))
    }
}
