//! Sets a verified certificate as PDF/A-3a, with the signed data attached.
//!
//! What is set comes from [`kigen_evidence::document`], which makes sheets only of a certificate whose signature
//! held. Read in this order: `fonts` loads them, `world` is all that typst can see, `typeset` turns
//! sheets into pages, `source` reads what is to be set.

mod fonts;
mod source;
mod typeset;
mod world;

pub use fonts::{DEFAULT_FONTS, FontError, Fonts};
pub use source::{SourceError, from_envelope, from_folder, read_key, receipt};
pub use typeset::{TypesetError, typeset, typeset_receipt};
