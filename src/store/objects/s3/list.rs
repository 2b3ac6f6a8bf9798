//! Lists what a bucket holds under exactly one key.

use crate::store::objects::error::{ObjectError, Outage};
use crate::store::objects::key::{ObjectKey, UploadId, VersionId};
use crate::store::objects::outcome::ObjectVersions;

use super::fault::fault;
use super::{S3Objects, obeyed};

/// Where the next page of a list begins: a key, and a version or upload of it.
#[derive(Clone, PartialEq, Eq)]
struct Position {
    key: String,
    id: Option<String>,
}

/// All versions, delete markers and unfinished uploads of `key`.
pub(super) async fn versions(
    store: &S3Objects,
    key: &ObjectKey,
) -> Result<ObjectVersions, ObjectError> {
    let mut found = ObjectVersions::none_of(key.clone());
    let full_key = store.full_key(key);
    list_versions(store, &full_key, &mut found).await?;
    list_uploads(store, &full_key, &mut found).await?;
    Ok(found)
}

pub(super) async fn list_versions(
    store: &S3Objects,
    full_key: &str,
    found: &mut ObjectVersions,
) -> Result<(), ObjectError> {
    let mut position: Option<Position> = None;
    loop {
        let page = obeyed(
            "ListObjectVersions",
            store
                .client
                .list_object_versions()
                .bucket(&store.bucket)
                .prefix(full_key)
                .max_keys(store.page_keys)
                .set_key_marker(position.as_ref().map(|position| position.key.clone()))
                .set_version_id_marker(position.as_ref().and_then(|position| position.id.clone()))
                .send(),
        )
        .await
        .map_err(|error| fault(&error))?;
        for version in page.versions() {
            if version.key() == Some(full_key) {
                found.versions.push(id_of(version.version_id()));
            }
        }
        for marker in page.delete_markers() {
            if marker.key() == Some(full_key) {
                found.delete_markers.push(id_of(marker.version_id()));
            }
        }
        if page.is_truncated() != Some(true) {
            return Ok(());
        }
        position = next_position(
            full_key,
            position,
            page.next_key_marker(),
            page.next_version_id_marker(),
        )?;
        if position.is_none() {
            return Ok(());
        }
    }
}

pub(super) async fn list_uploads(
    store: &S3Objects,
    full_key: &str,
    found: &mut ObjectVersions,
) -> Result<(), ObjectError> {
    let mut position: Option<Position> = None;
    loop {
        let page = obeyed(
            "ListMultipartUploads",
            store
                .client
                .list_multipart_uploads()
                .bucket(&store.bucket)
                .prefix(full_key)
                .max_uploads(store.page_keys)
                .set_key_marker(position.as_ref().map(|position| position.key.clone()))
                .set_upload_id_marker(position.as_ref().and_then(|position| position.id.clone()))
                .send(),
        )
        .await
        .map_err(|error| fault(&error))?;
        for upload in page.uploads() {
            if upload.key() != Some(full_key) {
                continue;
            }
            let id = upload
                .upload_id()
                .ok_or(ObjectError::Unreachable(Outage::AnswerCut))?;
            found.unfinished_uploads.push(UploadId::new(id));
        }
        if page.is_truncated() != Some(true) {
            return Ok(());
        }
        position = next_position(
            full_key,
            position,
            page.next_key_marker(),
            page.next_upload_id_marker(),
        )?;
        if position.is_none() {
            return Ok(());
        }
    }
}

/// Where to go on, or `None` if the rest of the list holds other keys only.
///
/// Lists are in key order, and a key comes before all keys that it is a prefix of: once the list
/// has left the key, nothing of it can follow, however many neighbours there are. A list that
/// says it goes on and does not say where is an error: half a list must not look like a whole.
fn next_position(
    full_key: &str,
    last: Option<Position>,
    key: Option<&str>,
    id: Option<&str>,
) -> Result<Option<Position>, ObjectError> {
    let key = key.ok_or(ObjectError::Unreachable(Outage::AnswerCut))?;
    if key != full_key {
        return Ok(None);
    }
    let next = Position {
        key: String::from(key),
        id: id.filter(|id| !id.is_empty()).map(String::from),
    };
    let stands_still = last.as_ref() == Some(&next);
    if stands_still {
        return Err(ObjectError::Unreachable(Outage::AnswerCut));
    }
    Ok(Some(next))
}

/// The id of a version; a server without versions may leave out the `null`.
fn id_of(id: Option<&str>) -> VersionId {
    VersionId::new(id.filter(|id| !id.is_empty()).unwrap_or("null"))
}
