//! A folder as an object store: the embedded default.
//!
//! A key is a path relative to the folder, and a file is its only version.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use super::error::ObjectError;
use super::key::{ObjectKey, VersionId};
use super::outcome::{
    FailedVersion, ObjectPart, ObjectVersions, RemovalOutcome, StoreDescription, VersionToRemove,
    Versioning,
};
use super::{ObjectDisposer, ObjectInventory, ObjectWriter, Place, RefusedCall};

/// The id of a file's only version.
pub const ONLY_VERSION: &str = "file";

/// Objects as files in a folder.
///
/// Refuses keys that leave the folder and every symbolic link on the way, because what a link
/// names lies elsewhere. The folder has to be under the worker's own control: somebody who may
/// rename its subfolders during a run can still lead a path astray.
#[derive(Clone)]
pub struct FolderObjects {
    folder: Arc<Folder>,
}

struct Folder {
    root: PathBuf,
    identity: Identity,
}

/// What tells one folder from another that was put in its place.
#[derive(PartialEq, Eq)]
struct Identity(Option<(u64, u64)>);

enum Found {
    File(PathBuf),
    Absent,
}

impl FolderObjects {
    /// Opens an existing folder.
    pub fn open(root: &Path) -> Result<Self, ObjectError> {
        let root = root.canonicalize().map_err(|_| ObjectError::NoSuchFolder)?;
        let identity = identity_of(&root)?;
        let folder = Arc::new(Folder { root, identity });
        Ok(Self { folder })
    }

    /// Runs `work` where it may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> T + Send + 'static,
    ) -> Result<T, ObjectError> {
        let folder = Arc::clone(&self.folder);
        tokio::task::spawn_blocking(move || work(&folder))
            .await
            .map_err(|_| ObjectError::Folder(io::ErrorKind::Interrupted))
    }
}

#[async_trait]
impl ObjectInventory for FolderObjects {
    async fn describe(&self) -> Result<StoreDescription, ObjectError> {
        self.blocking(Folder::check_root).await??;
        Ok(StoreDescription {
            engine: String::from("folder"),
            versioning: Versioning::Never,
            mfa_delete: Some(false),
            object_lock: Some(false),
            replicas: Some(Vec::new()),
        })
    }

    fn place(&self) -> Place {
        let root = self.folder.root.display().to_string();
        Place {
            shown: root.clone(),
            before: root,
            bucket: String::new(),
        }
    }

    async fn versions(&self, key: &ObjectKey) -> Result<ObjectVersions, ObjectError> {
        let key = key.clone();
        self.blocking(move |folder| folder.versions(key)).await?
    }
}

#[async_trait]
impl ObjectDisposer for FolderObjects {
    async fn remove(&self, batch: &[VersionToRemove]) -> RemovalOutcome {
        let work = batch.to_vec();
        match self.blocking(move |folder| folder.remove(work)).await {
            Ok(outcome) => outcome,
            Err(error) => failed_as_a_whole(batch.to_vec(), &error),
        }
    }

    async fn try_calls(&self) -> Result<(), RefusedCall> {
        let refused = |error| RefusedCall {
            call: "remove a file",
            error,
        };
        let tried = self.blocking(Folder::try_to_remove).await;
        tried.and_then(|tried| tried).map_err(refused)
    }
}

#[async_trait]
impl ObjectWriter for FolderObjects {
    async fn put(&self, key: &ObjectKey, bytes: &[u8]) -> Result<(), ObjectError> {
        let key = key.clone();
        let bytes = bytes.to_vec();
        self.blocking(move |folder| folder.put(&key, &bytes))
            .await?
    }
}

impl Folder {
    /// Fails if the folder is gone or another one lies in its place: in a folder whose disk was
    /// unmounted every object would look absent.
    fn check_root(&self) -> Result<(), ObjectError> {
        if identity_of(&self.root)? == self.identity {
            return Ok(());
        }
        Err(ObjectError::NoSuchFolder)
    }

    /// Makes a file of its own and removes it. What lies below may have other rights.
    fn try_to_remove(&self) -> Result<(), ObjectError> {
        self.check_root()?;
        let mut own = tempfile::Builder::new();
        let file = own.prefix(".kigen-probe-").tempfile_in(&self.root)?;
        Ok(file.close()?)
    }

    fn versions(&self, key: ObjectKey) -> Result<ObjectVersions, ObjectError> {
        self.check_root()?;
        let found = self.find(&key)?;
        let mut versions = ObjectVersions::none_of(key);
        match found {
            Found::File(_) => versions.versions.push(VersionId::new(ONLY_VERSION)),
            Found::Absent => {}
        }
        Ok(versions)
    }

    fn remove(&self, batch: Vec<VersionToRemove>) -> RemovalOutcome {
        if let Err(error) = self.check_root() {
            return failed_as_a_whole(batch, &error);
        }
        let mut outcome = RemovalOutcome::default();
        let mut unlinked: BTreeMap<PathBuf, Vec<VersionToRemove>> = BTreeMap::new();
        for version in batch {
            match self.unlink(&version) {
                Ok(Some(parent)) => unlinked.entry(parent).or_default().push(version),
                Ok(None) => outcome.absent.push(version),
                Err(error) => outcome.failed.push(FailedVersion { version, error }),
            }
        }
        for (parent, versions) in unlinked {
            self.make_durable(&parent, versions, &mut outcome);
        }
        outcome
    }

    /// Unlinks one file and returns its folder, or `None` if it was not there.
    fn unlink(&self, version: &VersionToRemove) -> Result<Option<PathBuf>, ObjectError> {
        let is_the_file = match &version.part {
            ObjectPart::Version(id) => id.as_str() == ONLY_VERSION,
            ObjectPart::DeleteMarker(_) | ObjectPart::UnfinishedUpload(_) => false,
        };
        if !is_the_file {
            return Ok(None);
        }
        let Found::File(path) = self.find(&version.key)? else {
            return Ok(None);
        };
        match fs::remove_file(&path) {
            Ok(()) => Ok(path.parent().map(Path::to_path_buf)),
            Err(error) if is_absence(&error) => Ok(None),
            Err(error) => Err(ObjectError::from(error)),
        }
    }

    /// Writes a folder's removals to the disk; only then are they removals.
    fn make_durable(
        &self,
        parent: &Path,
        versions: Vec<VersionToRemove>,
        outcome: &mut RemovalOutcome,
    ) {
        match File::open(parent).and_then(|folder| folder.sync_all()) {
            Ok(()) => outcome.removed.extend(versions),
            Err(error) => {
                let error = ObjectError::from(error);
                let failed = versions.into_iter().map(|version| FailedVersion {
                    version,
                    error: error.clone(),
                });
                outcome.failed.extend(failed);
                return;
            }
        }
        self.drop_empty_folders(parent);
    }

    /// Removes `folder` and its parents as far as they are empty, up to the root.
    ///
    /// Best effort: the name of an empty folder can still tell something about a person, but it
    /// is no object, and somebody may be writing there just now.
    fn drop_empty_folders(&self, folder: &Path) {
        for empty in folder.ancestors() {
            if empty == self.root
                || !empty.starts_with(&self.root)
                || fs::remove_dir(empty).is_err()
            {
                return;
            }
        }
    }

    fn put(&self, key: &ObjectKey, bytes: &[u8]) -> Result<(), ObjectError> {
        self.check_root()?;
        let path = match self.find(key)? {
            Found::File(path) => path,
            Found::Absent => self.path_of(key)?,
        };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, bytes)?;
        Ok(())
    }

    /// Finds a key's file, looking at every step for links that lead elsewhere.
    fn find(&self, key: &ObjectKey) -> Result<Found, ObjectError> {
        let path = self.path_of(key)?;
        let mut step = self.root.clone();
        for part in key.as_str().split('/') {
            step.push(part);
            let metadata = match fs::symlink_metadata(&step) {
                Ok(metadata) => metadata,
                Err(error) if is_absence(&error) => return Ok(Found::Absent),
                Err(error) => return Err(ObjectError::from(error)),
            };
            if metadata.is_symlink() {
                return Err(ObjectError::OutsideFolder);
            }
            if step != path {
                continue;
            }
            if metadata.is_dir() {
                // Other keys lie below it; this one has no object.
                return Ok(Found::Absent);
            }
            if !metadata.is_file() {
                return Err(ObjectError::NotAFile);
            }
        }
        Ok(Found::File(path))
    }

    /// The path that a key names, if every part of it is a plain name.
    fn path_of(&self, key: &ObjectKey) -> Result<PathBuf, ObjectError> {
        let mut path = self.root.clone();
        for part in key.as_str().split('/') {
            if !is_plain_name(part) {
                return Err(ObjectError::OutsideFolder);
            }
            path.push(part);
        }
        Ok(path)
    }
}

/// Whether `part` is one name, and not empty, `.`, `..` or the start of an absolute path.
fn is_plain_name(part: &str) -> bool {
    let mut components = Path::new(part).components();
    let first_is_name = matches!(components.next(), Some(Component::Normal(_)));
    first_is_name && components.next().is_none()
}

/// Whether the error says that there is no such file: also if a folder on the way is a file.
fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Puts the reason at the first version; the others were never tried.
fn failed_as_a_whole(batch: Vec<VersionToRemove>, error: &ObjectError) -> RemovalOutcome {
    let mut outcome = RemovalOutcome::default();
    let mut versions = batch.into_iter();
    if let Some(version) = versions.next() {
        let error = error.clone();
        outcome.failed.push(FailedVersion { version, error });
    }
    outcome.unattempted.extend(versions);
    outcome
}

fn identity_of(root: &Path) -> Result<Identity, ObjectError> {
    let metadata = fs::metadata(root).map_err(|_| ObjectError::NoSuchFolder)?;
    if !metadata.is_dir() {
        return Err(ObjectError::NoSuchFolder);
    }
    Ok(identity(&metadata))
}

#[cfg(unix)]
fn identity(metadata: &fs::Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt as _;

    Identity(Some((metadata.dev(), metadata.ino())))
}

#[cfg(not(unix))]
fn identity(_metadata: &fs::Metadata) -> Identity {
    Identity(None)
}
