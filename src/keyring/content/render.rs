//! Writes the text of the keyring's file, newest version.

use ed25519_dalek::SigningKey;
use jiff::Timestamp;
use zeroize::Zeroizing;

use crate::keyring::signing::{KeyUse, SigningKeys};
use crate::keyring::{Keyring, NEWEST_VERSION, QuarterKey};

const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";
const HEADER: &str = "\
# The secrets of one kigen installation. Who reads this file can sign certificates and heads of the
# log, recompute pseudonyms and open evidence: keep it readable by its owner only (mode 0600), and
# keep a safe copy. A key that is lost or altered cannot be made again. Change it with
# `kigen keyring` only.
";
const WITNESS_HEADER: &str = "\
# The key of a witness. Who reads this file can cosign heads of a log in its name: keep it readable
# by its owner only (mode 0600), and keep a safe copy.
";

/// The text of an installation's keyring.
pub(in crate::keyring) fn render(keyring: &Keyring) -> Zeroizing<String> {
    let uses = [
        (KeyUse::Certificate, Some(&keyring.certificate)),
        (KeyUse::Log, keyring.log.as_ref()),
    ];
    let signing: usize = uses
        .iter()
        .filter_map(|(_, keys)| *keys)
        .map(|keys| keys.former.len() + 1)
        .sum();
    let quarters = &keyring.quarters;
    let mut text = with_room(HEADER, signing + quarters.len());
    push_counts(&mut text, signing, quarters.len());
    text.push_str("\n# Ed25519. One that has `until` signs nothing new.\n");
    for (key_use, keys) in uses {
        if let Some(keys) = keys {
            push_signing_keys(&mut text, key_use, keys);
        }
    }
    text.push_str("\n# HMAC-SHA-256: makes pseudonyms.\n[token-key]\n");
    push_key(&mut text, "secret", &keyring.token_key);
    text.push_str("\n# AES-256-GCM: each wraps the run keys of one quarter.\n");
    for (quarter, key) in quarters {
        let id = quarter.key_id();
        text.push_str(&format!("[[key-encryption-key]]\nid = \"{id}\"\n"));
        match key {
            QuarterKey::Held(secret) => push_key(&mut text, "secret", secret),
            QuarterKey::Destroyed(at) => push_moment(&mut text, "destroyed-at", Some(*at)),
        }
    }
    text
}

/// The text of a witness's keyring.
pub(in crate::keyring) fn render_witness(key: &SigningKey) -> Zeroizing<String> {
    let mut text = with_room(WITNESS_HEADER, 1);
    push_counts(&mut text, 1, 0);
    text.push('\n');
    push_present(&mut text, KeyUse::Witness, None, key);
    text
}

/// Room for the whole at once: a string that grows leaves copies of its content behind.
fn with_room(header: &str, keys: usize) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(2048 + 512 * keys));
    text.push_str(header);
    text
}

fn push_counts(text: &mut String, signing: usize, quarters: usize) {
    text.push_str(&format!(
        "version = {NEWEST_VERSION}\nsigning-keys = {signing}\nkey-encryption-keys = {quarters}\n"
    ));
}

fn push_signing_keys(text: &mut String, key_use: KeyUse, keys: &SigningKeys) {
    for former in &keys.former {
        push_use(text, key_use, former.from);
        push_moment(text, "until", Some(former.until));
        push_key(text, "public", former.public.as_bytes());
        if let Some(private) = &former.private {
            push_key(text, "seed", private.as_bytes());
        }
    }
    push_present(text, key_use, keys.from, &keys.present);
}

fn push_present(text: &mut String, key_use: KeyUse, from: Option<Timestamp>, key: &SigningKey) {
    push_use(text, key_use, from);
    push_key(text, "public", key.verifying_key().as_bytes());
    push_key(text, "seed", key.as_bytes());
}

fn push_use(text: &mut String, key_use: KeyUse, from: Option<Timestamp>) {
    text.push_str(&format!("[[signing-key]]\nuse = \"{key_use}\"\n"));
    push_moment(text, "from", from);
}

fn push_moment(text: &mut String, name: &str, at: Option<Timestamp>) {
    if let Some(at) = at {
        text.push_str(&format!("{name} = \"{at}\"\n"));
    }
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
