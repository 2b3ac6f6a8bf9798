//! A folder: files appear whole or not at all, durable, and never over another one.

use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use tempfile::{Builder, NamedTempFile};

use super::error::PublishError;
use super::kind::Kind;
use super::{Archive, Content, LONGEST_READ, Listed, Listing, Put, Standing, Versions};
use crate::guard::{self, Guard};

mod compare;

/// Certificates are made to be read by others.
const MODE: u32 = 0o644;

/// The beginning of the name of what is not published yet.
const UNFINISHED: &str = ".unfinished-";

/// Folders in folders that are looked into: no log is as deep.
const DEEPEST: usize = 12;

/// How often a file is begun again that somebody swept away while it was written.
const ATTEMPTS: u32 = 32;

/// A folder of the local file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderPlace {
    root: PathBuf,
}

impl FolderPlace {
    /// The folder at `root`; it is made when the first file is published.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    fn full(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }
}

#[async_trait]
impl Archive for FolderPlace {
    fn locate(&self, path: &str) -> String {
        self.full(path).display().to_string()
    }

    async fn put_new(&self, path: &str, content: Content<'_>) -> Result<Put, PublishError> {
        Kind::to_put(path)?;
        let path = self.full(path);
        make_folder(folder_of(&path))?;
        sweep(&path)?;
        for _ in 0..ATTEMPTS {
            match put_once(&path, content)? {
                Some(true) => {
                    sync_folder(folder_of(&path))?;
                    return Ok(Put::Created);
                }
                Some(false) => return stands_already(&path, content),
                // Another process that began to publish the same file swept ours away.
                None => {}
            }
        }
        Err(PublishError::Vanished { path })
    }

    async fn put_head(&self, path: &str, bytes: &[u8]) -> Result<(), PublishError> {
        Kind::to_replace(path)?;
        let path = self.full(path);
        make_folder(folder_of(&path))?;
        sweep(&path)?;
        for _ in 0..ATTEMPTS {
            let file = written(&path, Content::Bytes(bytes))?;
            match file.persist(&path) {
                Ok(_) => return sync_folder(folder_of(&path)),
                Err(refused) if refused.error.kind() == io::ErrorKind::NotFound => {}
                Err(refused) => {
                    return Err(PublishError::folder("publish", &path, refused.error));
                }
            }
        }
        Err(PublishError::Vanished { path })
    }

    async fn get(&self, path: &str) -> Result<Option<Vec<u8>>, PublishError> {
        let bytes = self.get_range(path, 0..LONGEST_READ + 1).await?;
        let length = bytes.as_ref().map_or(0, Vec::len) as u64;
        if length > LONGEST_READ {
            let path = self.locate(path);
            return Err(PublishError::TooLong {
                path,
                bytes: length,
            });
        }
        Ok(bytes)
    }

    async fn get_range(
        &self,
        path: &str,
        range: Range<u64>,
    ) -> Result<Option<Vec<u8>>, PublishError> {
        let full = self.full(path);
        if !is_plain(&self.root, path) {
            return Err(PublishError::NotAFile { path: full });
        }
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(&full)?;
            file.seek(SeekFrom::Start(range.start))?;
            let mut bytes = Vec::new();
            file.take(range.end.saturating_sub(range.start))
                .read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        match read() {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(PublishError::folder("read", &full, error)),
        }
    }

    async fn list(&self, prefix: &str) -> Result<Listing, PublishError> {
        let mut files = Vec::new();
        // The deepest folder that the prefix names: what lies beside it cannot begin with it.
        let start = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut folders = vec![start.to_owned()];
        while let Some(folder) = folders.pop() {
            let full = self.full(&folder);
            let found = look_into(&full, &folder, &mut files)
                .map_err(|error| PublishError::folder("list the folder", &full, error))?;
            folders.extend(found);
        }
        files.retain(|file| file.path.starts_with(prefix));
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(Listing {
            files,
            versions: Versions::NotKept,
        })
    }
}

/// Whether the file at `path` below `root`, if there is one, is a file in folders: what lies behind a
/// link is somebody else's, and a device or a pipe may never end.
fn is_plain(root: &Path, path: &str) -> bool {
    if !guard::stands(Guard::PlainFiles) {
        return true;
    }
    let mut full = root.to_owned();
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        full.push(part);
        // What is missing, or may not be looked at, is told when it is opened.
        let Ok(about) = fs::symlink_metadata(&full) else {
            return true;
        };
        let is_expected = match parts.peek() {
            Some(_) => about.is_dir(),
            None => about.is_file(),
        };
        if !is_expected {
            return false;
        }
    }
    true
}

/// Lists the files of one folder, whose path in the place is `folder`; returns the folders in it.
fn look_into(full: &Path, folder: &str, files: &mut Vec<Listed>) -> io::Result<Vec<String>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(full)? {
        let entry = entry?;
        let name = entry.file_name();
        let shown = name.to_string_lossy();
        let path = if folder.is_empty() {
            shown.to_string()
        } else {
            format!("{folder}/{shown}")
        };
        let kind = entry.file_type()?;
        let is_too_deep = path.split('/').count() > DEEPEST;
        if kind.is_dir() && name.to_str().is_some() && !is_too_deep {
            folders.push(path);
            continue;
        }
        let standing = if !kind.is_file() || name.to_str().is_none() {
            Standing::NotAFile
        } else if shown.starts_with(UNFINISHED) {
            Standing::Unfinished
        } else {
            Standing::Visible
        };
        files.push(Listed {
            path,
            size: entry.metadata()?.len(),
            standing,
            rewritten: 0,
        });
    }
    Ok(folders)
}

/// Makes the folder at `path`, and those above it, where they are missing; durable on return.
pub(crate) fn make_folder(path: &Path) -> Result<(), PublishError> {
    if path.is_dir() {
        return Ok(());
    }
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    if let Some(above) = above {
        make_folder(above)?;
    }
    match fs::create_dir(path) {
        Ok(()) => {}
        // Another run of the same client was quicker.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        Err(error) => return Err(PublishError::folder("make the folder", path, error)),
    }
    sync_folder(above.unwrap_or(Path::new(".")))
}

/// Puts `content` at `path`; whether it is ours that stands there now. `None`: begin again.
fn put_once(path: &Path, content: Content<'_>) -> Result<Option<bool>, PublishError> {
    if fs::symlink_metadata(path).is_ok() {
        return Ok(Some(false));
    }
    if let Content::File(source) = content
        && let Some(linked) = link(source, path)
    {
        return Ok(Some(linked));
    }
    match written(path, content)?.persist_noclobber(path) {
        Ok(_) => Ok(Some(true)),
        Err(refused) => match refused.error.kind() {
            io::ErrorKind::AlreadyExists => Ok(Some(false)),
            io::ErrorKind::NotFound => Ok(None),
            _ => Err(PublishError::folder("publish", path, refused.error)),
        },
    }
}

/// Gives a durable file of the same file system a second name, without copying it; `None` where
/// that cannot be.
fn link(source: &Path, path: &Path) -> Option<bool> {
    match fs::hard_link(source, path) {
        Ok(()) => Some(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Some(false),
        Err(_) => None,
    }
}

/// `content` in a new, durable, unfinished file beside `path`.
fn written(path: &Path, content: Content<'_>) -> Result<NamedTempFile, PublishError> {
    let folder = folder_of(path);
    let mut file = Builder::new()
        .prefix(&unfinished_prefix(path))
        .permissions(Permissions::from_mode(MODE))
        .tempfile_in(folder)
        .map_err(|error| PublishError::folder("write into the folder", folder, error))?;
    let write = |file: &mut NamedTempFile| -> io::Result<()> {
        match content {
            Content::Bytes(bytes) => file.write_all(bytes)?,
            Content::File(source) => {
                io::copy(&mut File::open(source)?, file)?;
            }
        }
        file.as_file().sync_all()
    };
    write(&mut file).map_err(|error| PublishError::folder("write", path, error))?;
    Ok(file)
}

fn stands_already(path: &Path, content: Content<'_>) -> Result<Put, PublishError> {
    let compared = compare::with_content(path, content)
        .map_err(|error| PublishError::folder("compare with what stands at", path, error))?;
    // The other writer may not have come so far.
    sync_folder(folder_of(path))?;
    Ok(compared)
}

/// Removes what killed attempts left unfinished of the file at `path`.
fn sweep(path: &Path) -> Result<(), PublishError> {
    let folder = folder_of(path);
    let prefix = unfinished_prefix(path);
    let sweep = || -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if !entry.file_name().to_string_lossy().starts_with(&prefix) {
                continue;
            }
            match fs::remove_file(entry.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    };
    sweep().map_err(|error| PublishError::folder("tidy up the folder", folder, error))
}

fn unfinished_prefix(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!("{UNFINISHED}{name}-")
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

/// A new name is durable once its folder is.
fn sync_folder(path: &Path) -> Result<(), PublishError> {
    let sync = || File::open(path)?.sync_all();
    sync().map_err(|error| PublishError::folder("make durable the folder", path, error))
}
