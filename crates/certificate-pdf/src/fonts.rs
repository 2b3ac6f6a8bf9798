//! Fonts, found by their paths and never by luck.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Serialize;
use thiserror::Error;
use typst::foundations::Bytes;
use typst::text::{Font, FontFlags};

/// Where Debian's packages `fonts-morisawa-bizud-gothic` and `fonts-noto-cjk` put what is needed: the
/// text, digests, and what the first does not have (𠮷).
pub const DEFAULT_FONTS: [&str; 5] = [
    "/usr/share/fonts/truetype/bizud-gothic/BIZUDPGothic-Regular.ttf",
    "/usr/share/fonts/truetype/bizud-gothic/BIZUDPGothic-Bold.ttf",
    "/usr/share/fonts/truetype/bizud-gothic/BIZUDGothic-Regular.ttf",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc",
];

/// A font of even width that does not say so about itself.
const EVEN: &str = "BIZ UDGothic";

/// Why fonts cannot be used.
#[derive(Debug, Error)]
pub enum FontError {
    #[error(
        "read the font `{path}`: {source}\nhint: `apt-get install fonts-morisawa-bizud-gothic fonts-noto-cjk` installs the fonts looked for; `--font FILE`, given for each file, names others"
    )]
    Read { path: PathBuf, source: io::Error },
    #[error("`{path}` is no OpenType or TrueType font")]
    Form { path: PathBuf },
    #[error("there is no font for text\nhint: `--font FILE`, given for each file, names the fonts")]
    None,
}

/// Loaded fonts, in the order in which they are tried.
pub struct Fonts {
    fonts: Vec<Font>,
    families: Families,
}

/// The names under which the fonts are asked for, the first choice first.
#[derive(Clone, Serialize)]
pub(crate) struct Families {
    text: Vec<String>,
    /// For digests and commands.
    code: Vec<String>,
}

impl Fonts {
    /// Loads the fonts at `paths`; a character that the first lacks is taken from the next.
    pub fn load<P: AsRef<Path>>(paths: &[P]) -> Result<Self, FontError> {
        let mut fonts = Vec::new();
        for path in paths {
            let path = path.as_ref();
            let bytes = fs::read(path).map_err(|source| FontError::Read {
                path: path.to_owned(),
                source,
            })?;
            let before = fonts.len();
            fonts.extend(Font::iter(Bytes::new(bytes)));
            if fonts.len() == before {
                return Err(FontError::Form {
                    path: path.to_owned(),
                });
            }
        }
        let families = Families::of(&fonts);
        if families.text.is_empty() {
            return Err(FontError::None);
        }
        Ok(Self { fonts, families })
    }

    pub(crate) fn all(&self) -> &[Font] {
        &self.fonts
    }

    pub(crate) fn families(&self) -> &Families {
        &self.families
    }

    /// Whether some font can show `character`.
    pub(crate) fn have(&self, character: char) -> bool {
        let mut fonts = self.fonts.iter();
        fonts.any(|font| font.info().coverage.contains(u32::from(character)))
    }
}

impl Families {
    fn of(fonts: &[Font]) -> Self {
        let (mut text, mut even) = (Vec::new(), Vec::new());
        for font in fonts {
            let info = font.info();
            let is_even = info.flags.contains(FontFlags::MONOSPACE) || info.family == EVEN;
            let families = if is_even { &mut even } else { &mut text };
            if !families.contains(&info.family) {
                families.push(info.family.clone());
            }
        }
        let code = even.iter().chain(&text).cloned().collect();
        Self { text, code }
    }
}
