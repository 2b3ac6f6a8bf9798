//! All that typst can see: one template, the data of one document, the fonts. No file, no network,
//! no clock.

use typst::diag::{FileError, FileResult};
use typst::foundations::{Bytes, Datetime, Duration};
use typst::syntax::{FileId, PathError, RootedPath, Source, VirtualPath, VirtualRoot};
use typst::text::{Font, FontBook};
use typst::utils::LazyHash;
use typst::{Library, LibraryExt, World};

use crate::Fonts;

const TEMPLATE: &str = include_str!("../templates/certificate.typ");

/// The world of one document.
pub(crate) struct Paper {
    library: LazyHash<Library>,
    book: LazyHash<FontBook>,
    fonts: Vec<Font>,
    main: Source,
    files: Vec<(FileId, Bytes)>,
}

impl Paper {
    /// A world with `files` beside the template; names are always the same, because typst keeps each
    /// for ever.
    pub(crate) fn new(fonts: &Fonts, files: [(&str, Vec<u8>); 3]) -> Result<Self, PathError> {
        let mut named = Vec::with_capacity(files.len());
        for (name, bytes) in files {
            named.push((file_id(name)?, Bytes::new(bytes)));
        }
        Ok(Self {
            library: LazyHash::new(Library::default()),
            book: LazyHash::new(FontBook::from_fonts(fonts.all())),
            fonts: fonts.all().to_vec(),
            main: Source::new(file_id("certificate.typ")?, TEMPLATE.to_owned()),
            files: named,
        })
    }
}

fn file_id(name: &str) -> Result<FileId, PathError> {
    Ok(RootedPath::new(VirtualRoot::Project, VirtualPath::new(name)?).intern())
}

impl World for Paper {
    fn library(&self) -> &LazyHash<Library> {
        &self.library
    }

    fn book(&self) -> &LazyHash<FontBook> {
        &self.book
    }

    fn main(&self) -> FileId {
        self.main.id()
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        if id == self.main.id() {
            return Ok(self.main.clone());
        }
        Err(FileError::AccessDenied)
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        let mut files = self.files.iter();
        files
            .find(|(known, _)| *known == id)
            .map(|(_, bytes)| bytes.clone())
            .ok_or(FileError::AccessDenied)
    }

    fn font(&self, index: usize) -> Option<Font> {
        self.fonts.get(index).cloned()
    }

    fn today(&self, _: Option<Duration>) -> Option<Datetime> {
        None
    }
}
