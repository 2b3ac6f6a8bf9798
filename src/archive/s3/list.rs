//! Lists a bucket with every version: a delete marker hides evidence, but does not remove it.

use std::collections::BTreeMap;

use aws_sdk_s3::types::ObjectVersion;
use sha2::{Digest as _, Sha256};

use crate::archive::error::PublishError;
use crate::archive::{Kind, Listed, Listing, Standing, Versions};
use crate::store::objects::s3::obeyed;

use super::read::{real_version, status};
use super::{PIECE, S3Place};

/// An upload in parts that has not ended.
pub(in crate::archive) struct UnfinishedUpload {
    pub(in crate::archive) path: String,
    pub(in crate::archive) id: String,
}

/// What was found at one path.
#[derive(Default)]
struct Found {
    /// The newest first.
    versions: Vec<Version>,
    is_hidden: bool,
}

struct Version {
    id: String,
    size: u64,
    tag: String,
}

/// The paths of one listing.
#[derive(Default)]
struct Paths {
    found: BTreeMap<String, Found>,
    keeps_versions: bool,
}

impl S3Place {
    pub(super) async fn listing(&self, prefix: &str) -> Result<Listing, PublishError> {
        let Some(mut paths) = self.all_versions(prefix).await? else {
            return self.what_stands(prefix).await;
        };
        let mut files = Vec::new();
        // Consoles write an empty object for the prefix itself; it is no file in the place.
        paths.found.remove("");
        for (path, found) in paths.found {
            // A marker above nothing hides nothing.
            let Some(newest) = found.versions.first() else {
                continue;
            };
            files.push(Listed {
                size: newest.size,
                standing: if found.is_hidden {
                    Standing::Hidden
                } else {
                    Standing::Visible
                },
                rewritten: self.rewritten(&path, &found.versions).await?,
                path,
            });
        }
        // Who may only read need not see what is not published yet.
        let uploads = match self.unfinished_uploads(prefix).await {
            Err(PublishError::Denied { .. }) => Vec::new(),
            uploads => uploads?,
        };
        files.extend(uploads.into_iter().map(|upload| Listed {
            path: upload.path,
            size: 0,
            standing: Standing::Unfinished,
            rewritten: 0,
        }));
        files.sort_by(|one, other| one.path.cmp(&other.path));
        let versions = if paths.keeps_versions {
            Versions::Seen
        } else {
            Versions::NotKept
        };
        Ok(Listing { files, versions })
    }

    /// Every version and marker, or `None` if they may not be listed.
    async fn all_versions(&self, prefix: &str) -> Result<Option<Paths>, PublishError> {
        let mut paths = Paths::default();
        let (mut key, mut version) = (None, None);
        loop {
            let page = obeyed(
                "ListObjectVersions",
                self.client
                    .list_object_versions()
                    .bucket(&self.bucket)
                    .prefix(self.key(prefix))
                    .set_key_marker(key)
                    .set_version_id_marker(version)
                    .send(),
            )
            .await;
            let page = match page {
                Ok(page) => page,
                Err(error) if status(&error) == Some(403) => return Ok(None),
                Err(error) => return Err(self.failed("list", prefix, &error)),
            };
            for version in page.versions() {
                paths.add(self.path_of(version.key()), version);
            }
            for marker in page.delete_markers() {
                let found = paths.found.entry(self.path_of(marker.key())).or_default();
                found.is_hidden |= marker.is_latest() == Some(true);
                paths.keeps_versions = true;
            }
            key = page.next_key_marker().map(str::to_owned);
            version = page.next_version_id_marker().map(str::to_owned);
            if page.is_truncated() != Some(true) || key.is_none() {
                return Ok(Some(paths));
            }
        }
    }

    async fn what_stands(&self, prefix: &str) -> Result<Listing, PublishError> {
        let mut files = Vec::new();
        let mut next = None;
        loop {
            let list = self
                .client
                .list_objects_v2()
                .bucket(&self.bucket)
                .prefix(self.key(prefix))
                .set_continuation_token(next);
            let page = obeyed("ListObjectsV2", list.send())
                .await
                .map_err(|error| self.failed("list", prefix, &error))?;
            files.extend(page.contents().iter().map(|object| {
                Listed {
                    path: self.path_of(object.key()),
                    size: object
                        .size()
                        .and_then(|size| u64::try_from(size).ok())
                        .unwrap_or_default(),
                    standing: Standing::Visible,
                    rewritten: 0,
                }
            }));
            next = page.next_continuation_token().map(str::to_owned);
            if page.is_truncated() != Some(true) || next.is_none() {
                break;
            }
        }
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(Listing {
            files,
            versions: Versions::NotAllowed,
        })
    }

    pub(in crate::archive) async fn unfinished_uploads(
        &self,
        prefix: &str,
    ) -> Result<Vec<UnfinishedUpload>, PublishError> {
        let mut uploads = Vec::new();
        let (mut key, mut id) = (None, None);
        loop {
            let page = obeyed(
                "ListMultipartUploads",
                self.client
                    .list_multipart_uploads()
                    .bucket(&self.bucket)
                    .prefix(self.key(prefix))
                    .set_key_marker(key)
                    .set_upload_id_marker(id)
                    .send(),
            )
            .await
            .map_err(|error| self.failed("list the unfinished uploads of", prefix, &error))?;
            let found = page.uploads().iter().map(|upload| UnfinishedUpload {
                path: self.path_of(upload.key()),
                id: upload.upload_id().unwrap_or_default().to_owned(),
            });
            // Not every server heeds the prefix.
            uploads.extend(found.filter(|upload| upload.path.starts_with(prefix)));
            key = page.next_key_marker().map(str::to_owned);
            id = page.next_upload_id_marker().map(str::to_owned);
            if page.is_truncated() != Some(true) || key.is_none() {
                return Ok(uploads);
            }
        }
    }

    /// How many older versions of a file that is published once hold other bytes than the newest.
    async fn rewritten(&self, path: &str, versions: &[Version]) -> Result<u64, PublishError> {
        let changes = Kind::of(path).is_some_and(Kind::is_replaced);
        let Some((newest, older)) = versions.split_first() else {
            return Ok(0);
        };
        let mut rewritten = 0;
        for version in older.iter().filter(|_| !changes) {
            let is_same = version.size == newest.size
                && (version.tag == newest.tag
                    // Under encryption equal bytes have different tags.
                    || self.digest(path, version).await? == self.digest(path, newest).await?);
            rewritten += u64::from(!is_same);
        }
        Ok(rewritten)
    }

    async fn digest(&self, path: &str, version: &Version) -> Result<Vec<u8>, PublishError> {
        let mut digest = Sha256::new();
        let mut start = 0;
        while start < version.size {
            let end = (start + PIECE).min(version.size);
            let piece = self
                .read(path, real_version(&version.id).as_deref(), start..end)
                .await?;
            digest.update(piece.unwrap_or_default());
            start = end;
        }
        Ok(digest.finalize().to_vec())
    }

    fn path_of(&self, key: Option<&str>) -> String {
        let key = key.unwrap_or_default();
        key.strip_prefix(&self.prefix).unwrap_or(key).to_owned()
    }
}

impl Paths {
    fn add(&mut self, path: String, version: &ObjectVersion) {
        let id = version.version_id().unwrap_or("null").to_owned();
        self.keeps_versions |= id != "null";
        let found = self.found.entry(path).or_default();
        let size = version.size().and_then(|size| u64::try_from(size).ok());
        let listed = Version {
            id,
            size: size.unwrap_or_default(),
            tag: version.e_tag().unwrap_or_default().to_owned(),
        };
        if version.is_latest() == Some(true) {
            found.versions.insert(0, listed);
        } else {
            found.versions.push(listed);
        }
    }
}
