//! Sets a verified certificate as PDF/A-3a, with the signed data attached.
//!
//! What is set comes from [`kigen_evidence::document`], which makes sheets only of a certificate whose signature
//! held. Read in this order: `fonts` loads them, `world` is all that typst can see, `typeset` turns
//! sheets into pages, `source` reads what is to be set.

mod fonts;
mod source;
mod typeset;
mod world;

pub use fonts::DEFAULT_FONTS;
pub use fonts::FontError;
pub use fonts::Fonts;
pub use source::SourceError;
pub use source::from_envelope;
pub use source::from_folder;
pub use source::read_key;
pub use source::receipt;
pub use typeset::TypesetError;
pub use typeset::typeset;
pub use typeset::typeset_receipt;
