//! The calls of a removal, tried on a key that nothing has.

use uuid::Uuid;

use crate::store::objects::error::ObjectError;
use crate::store::objects::key::ObjectKey;
use crate::store::objects::outcome::VersionToRemove;
use crate::store::objects::{ObjectPart, RefusedCall, UploadId, VersionId};

use super::S3Objects;
use super::delete::{abort_upload, delete_one_version};
use super::list::{list_uploads, list_versions};
use crate::store::objects::ObjectVersions;

/// Lists, removes and aborts under a name of its own.
///
/// The removal names a version, so that no server adds a delete marker for it; one that does all the
/// same has its marker taken away again.
pub(super) async fn try_calls(store: &S3Objects) -> Result<(), RefusedCall> {
    // Random, so that nobody's object has the name.
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|_| RefusedCall {
        call: "name an object",
        error: ObjectError::NotReady {
            code: "no random bytes".to_owned(),
        },
    })?;
    let name = format!(".kigen-probe-{}", Uuid::new_v8(random));
    let key = ObjectKey::parse(name).map_err(|error| RefusedCall {
        call: "name an object",
        error: error.into(),
    })?;
    let full_key = store.full_key(&key);
    let refused = |call| move |error| RefusedCall { call, error };
    let mut found = ObjectVersions::none_of(key.clone());
    let listed = list_versions(store, &full_key, &mut found).await;
    listed.map_err(refused("ListObjectVersions"))?;
    let listed = list_uploads(store, &full_key, &mut found).await;
    listed.map_err(refused("ListMultipartUploads"))?;
    let version = |part| VersionToRemove {
        key: key.clone(),
        part,
    };
    let null = version(ObjectPart::Version(VersionId::new("null")));
    let deleted = delete_one_version(store, &null).await;
    deleted.map_err(refused("DeleteObjects"))?;
    let listed = list_versions(store, &full_key, &mut found).await;
    listed.map_err(refused("ListObjectVersions"))?;
    for part in found.to_remove() {
        let deleted = delete_one_version(store, &part).await;
        deleted.map_err(refused("DeleteObjects"))?;
    }
    let upload = version(ObjectPart::UnfinishedUpload(UploadId::new("none")));
    match abort_upload(store, &upload).await {
        Err(error) if is_refusal(&error) => Err(RefusedCall {
            call: "AbortMultipartUpload",
            error,
        }),
        // No server has an upload of this name, and each says so in its own way.
        Ok(_) | Err(_) => Ok(()),
    }
}

fn is_refusal(error: &ObjectError) -> bool {
    match error {
        ObjectError::Other { code } => code == "NotImplemented" || code == "501",
        ObjectError::AccessDenied { .. }
        | ObjectError::CredentialsRefused { .. }
        | ObjectError::Unreachable(_) => true,
        _ => false,
    }
}
