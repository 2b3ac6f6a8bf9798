//! In which languages, and on what.

use std::str::FromStr;

use serde::Serialize;

/// A language that every text exists in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Language {
    Ja,
    En,
}

impl Language {
    /// The tag of the language in HTML and PDF (BCP 47).
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Ja => "ja",
            Self::En => "en",
        }
    }
}

/// The sheets of one document, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Languages {
    Ja,
    En,
    /// The Japanese sheet, and the same sheet in English after it.
    JaEn,
}

impl Languages {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::Ja, Self::En, Self::JaEn];

    /// The languages in their order; the first is that of the document.
    pub const fn each(self) -> &'static [Language] {
        match self {
            Self::Ja => &[Language::Ja],
            Self::En => &[Language::En],
            Self::JaEn => &[Language::Ja, Language::En],
        }
    }

    /// The word on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ja => "ja",
            Self::En => "en",
            Self::JaEn => "ja-en",
        }
    }

    /// The language of the document as a whole.
    pub const fn first(self) -> Language {
        match self {
            Self::Ja | Self::JaEn => Language::Ja,
            Self::En => Language::En,
        }
    }
}

impl FromStr for Languages {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|languages| languages.name() == text)
            .ok_or_else(|| "the languages are `ja`, `en` and `ja-en`".to_owned())
    }
}

/// What a sheet is set on. The texts differ in where the signed data is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    Html,
    Pdf,
}
