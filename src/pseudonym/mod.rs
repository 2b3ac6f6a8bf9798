//! Pseudonymization (仮名加工): what becomes of one value. Pure.
//!
//! APPI Enforcement Rules, art. 31: what identifies is deleted, or replaced by a method without a
//! regularity that allows restoring it.

mod generalize;
mod reference;
pub mod token;

use kigen_evidence::value::Value;
use thiserror::Error;

use crate::job::Strategy;
use token::{TokenShape, Tokenizer};

pub use reference::record_reference;

/// Why a value cannot be replaced. Holds no value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PseudonymError {
    #[error("column `{column}` holds a value that strategy `{strategy}` cannot read")]
    Unreadable {
        column: String,
        strategy: &'static str,
    },
    #[error("no token key for context `{0}`")]
    NoKey(String),
}

/// A strategy made ready for one column.
pub enum Replacement {
    Null,
    Text(String),
    Token(Tokenizer, TokenShape),
    Generalize(crate::job::Generalize),
    Truncate(u32),
}

impl Replacement {
    /// The same value for every record, if it is one.
    pub fn constant(&self) -> Option<Value> {
        match self {
            Self::Null => Some(Value::Null),
            Self::Text(text) => Some(Value::Text(text.clone())),
            Self::Token(..) | Self::Generalize(_) | Self::Truncate(_) => None,
        }
    }

    /// Returns what stands in the place of `value`. Null stays null.
    pub fn replace(&self, column: &str, value: &Value) -> Result<Value, PseudonymError> {
        if let Some(constant) = self.constant() {
            return Ok(constant);
        }
        if value.is_null() {
            return Ok(Value::Null);
        }
        let unreadable = |strategy| PseudonymError::Unreadable {
            column: column.to_owned(),
            strategy,
        };
        match self {
            Self::Null | Self::Text(_) => Ok(Value::Null),
            Self::Token(tokenizer, shape) => Ok(tokenizer.token(value, *shape)),
            Self::Generalize(how) => {
                generalize::generalize(*how, value).ok_or_else(|| unreadable("generalize"))
            }
            Self::Truncate(characters) => {
                let text = value.store_text().ok_or_else(|| unreadable("truncate"))?;
                Ok(Value::Text(first_characters(&text, *characters)))
            }
        }
    }
}

impl Replacement {
    /// Whether `value` is one that [`replace`](Self::replace) leaves behind: as far as this column
    /// shows, the record is pseudonymized.
    ///
    /// A value that was coarse from the beginning is one too; nothing of it could come back.
    pub fn is_result(&self, column: &str, value: &Value) -> bool {
        match self {
            Self::Null => value.is_null(),
            Self::Text(text) => value.store_text().as_ref() == Some(text),
            Self::Token(_, shape) => value.is_null() || shape.holds(value),
            Self::Generalize(_) | Self::Truncate(_) => self
                .replace(column, value)
                .is_ok_and(|replaced| replaced.store_text() == value.store_text()),
        }
    }

    /// Whether `value` is a text of the shape of the tokens that [`replace`](Self::replace) makes.
    pub fn is_text_token(&self, value: &Value) -> bool {
        matches!(self, Self::Token(_, TokenShape::Text)) && TokenShape::Text.holds(value)
    }

    /// Whether what stands there afterwards still tells one person from another.
    pub fn tells_apart(&self) -> bool {
        match self {
            Self::Token(..) => true,
            Self::Null | Self::Text(_) | Self::Generalize(_) | Self::Truncate(_) => false,
        }
    }
}

fn first_characters(text: &str, characters: u32) -> String {
    let characters = usize::try_from(characters).unwrap_or(usize::MAX);
    text.chars().take(characters).collect()
}

/// The strategy's name in job files.
pub const fn strategy_name(strategy: &Strategy) -> &'static str {
    match strategy {
        Strategy::Null => "null",
        Strategy::Text(_) => "text",
        Strategy::Token { .. } => "token",
        Strategy::Generalize(_) => "generalize",
        Strategy::Truncate { .. } => "truncate",
    }
}

#[cfg(test)]
mod tests;
