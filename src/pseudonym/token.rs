//! Keyed tokens: equal values of one context get equal tokens, and nobody without the key can
//! tell whose they are.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use kigen_evidence::value::Value;

const TOKEN_TAG: &[u8] = b"kigen/token/v1\0";
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Characters of a text token: 128 bits in base 32.
pub const TEXT_TOKEN_CHARACTERS: u32 = 26;

/// The form a token takes, after its column's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenShape {
    /// 26 characters of base 32.
    Text,
    /// A version 8 UUID (RFC 9562): 122 bits of the token.
    Uuid,
    /// An integer of the range, both ends included, in which no real value lies.
    Integer { least: i64, greatest: i64 },
}

impl TokenShape {
    /// Whether `value` has this shape. A text of the shape may be no token; an integer of the range
    /// is one, because no real value lies there.
    pub fn holds(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Text, Value::Text(text)) => {
                text.len() == TEXT_TOKEN_CHARACTERS as usize
                    && text.bytes().all(|byte| BASE32.contains(&byte))
            }
            (Self::Uuid, Value::Uuid(bytes)) => {
                uuid::Uuid::from_bytes(*bytes).get_version_num() == 8
            }
            (Self::Integer { least, greatest }, Value::Int(number)) => {
                (least..=greatest).contains(number)
            }
            (Self::Text | Self::Uuid | Self::Integer { .. }, _) => false,
        }
    }
}

/// Makes the tokens of one context.
#[derive(Clone)]
pub struct Tokenizer {
    keyed: Hmac<Sha256>,
}

impl Tokenizer {
    /// A tokenizer for `context` under the keyring's token key.
    pub fn new(key: &[u8; 32], context: &str) -> Self {
        // A 32-byte key padded with zeros to HMAC's block is the same key.
        let mut block = zeroize::Zeroizing::new([0_u8; 64]);
        block[..32].copy_from_slice(key);
        let mut keyed = Hmac::<Sha256>::new((&*block).into());
        keyed.update(TOKEN_TAG);
        update_lp(&mut keyed, context.as_bytes());
        Self { keyed }
    }

    /// Returns the token of `value` in `shape`.
    pub fn token(&self, value: &Value, shape: TokenShape) -> Value {
        let digest = self.digest(value);
        match shape {
            TokenShape::Text => Value::Text(base32(&digest[..16])),
            TokenShape::Uuid => {
                let mut bytes = [0_u8; 16];
                bytes.copy_from_slice(&digest[..16]);
                Value::Uuid(
                    uuid::Builder::from_custom_bytes(bytes)
                        .into_uuid()
                        .into_bytes(),
                )
            }
            TokenShape::Integer { least, greatest } => {
                Value::Int(in_range(&digest, least, greatest))
            }
        }
    }

    fn digest(&self, value: &Value) -> [u8; 32] {
        let mut mac = self.keyed.clone();
        let (tag, text): (u8, Option<String>) = match value {
            // Text types of one value must meet across tables: CHAR and TEXT, INT and BIGINT.
            Value::Int(_) => (2, value.store_text()),
            Value::Uuid(_) => (5, value.store_text()),
            Value::Null
            | Value::Bool(_)
            | Value::Text(_)
            | Value::Bytes(_)
            | Value::Instant(_)
            | Value::Local(_)
            | Value::Decimal(_) => (3, value.store_text()),
        };
        mac.update(&[tag]);
        update_lp(&mut mac, text.unwrap_or_default().as_bytes());
        mac.finalize().into_bytes().into()
    }
}

fn update_lp(mac: &mut Hmac<Sha256>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    mac.update(&length.to_be_bytes());
    mac.update(bytes);
}

/// 128 bits of the digest, reduced to the range. The range is at least 2^40 wide (the job check
/// sees to it), so the reduction favours no value by more than 2^-88.
fn in_range(digest: &[u8; 32], least: i64, greatest: i64) -> i64 {
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&digest[..16]);
    let width = u128::from(greatest.abs_diff(least)) + 1;
    let offset = u128::from_be_bytes(bytes) % width;
    i64::try_from(i128::from(least) + i128::try_from(offset).unwrap_or(0)).unwrap_or(least)
}

fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(TEXT_TOKEN_CHARACTERS as usize);
    let mut buffer: u32 = 0;
    let mut bits = 0;
    for byte in bytes {
        buffer = (buffer << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(BASE32[((buffer >> bits) & 31) as usize]));
        }
    }
    if bits > 0 {
        text.push(char::from(BASE32[((buffer << (5 - bits)) & 31) as usize]));
    }
    text
}
