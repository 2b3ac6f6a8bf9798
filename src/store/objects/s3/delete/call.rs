//! One `DeleteObjects` call and the reading of its answer, version by version.

use std::collections::{HashMap, HashSet};

use aws_sdk_s3::config::http::HttpRequest;
use aws_sdk_s3::operation::delete_objects::DeleteObjectsOutput;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};

use crate::store::objects::error::ObjectError;
use crate::store::objects::outcome::VersionToRemove;
use crate::store::objects::s3::fault::{fault, of_code};
use crate::store::objects::s3::{S3Objects, obeyed};

/// What the server said of one version.
pub(super) enum Fate {
    Removed,
    Absent,
    /// Denied; perhaps because of a lock.
    Refused {
        error: ObjectError,
        /// Whether the server said itself that a lock is the reason.
        is_lock: bool,
    },
    Failed(ObjectError),
}

/// The answer to one call, by full key and version id.
pub(super) struct Answer {
    deleted: HashSet<(String, String)>,
    errors: HashMap<(String, Option<String>), Refusal>,
}

struct Refusal {
    code: String,
    names_a_lock: bool,
}

/// Removes the versions in one call, each by its id: without one the server would only add a
/// delete marker, and everything would stay.
pub(super) async fn delete_objects(
    store: &S3Objects,
    versions: &[VersionToRemove],
) -> Result<Answer, ObjectError> {
    let mut identifiers = Vec::with_capacity(versions.len());
    for version in versions {
        let identifier = ObjectIdentifier::builder()
            .key(store.full_key(&version.key))
            .version_id(version.part.id())
            .build()
            .map_err(|_| not_built())?;
        identifiers.push(identifier);
    }
    let delete = Delete::builder()
        .set_objects(Some(identifiers))
        // Also what was removed is named, one by one.
        .quiet(false)
        .build()
        .map_err(|_| not_built())?;
    let output = obeyed(
        "DeleteObjects",
        store
            .client
            .delete_objects()
            .bucket(&store.bucket)
            .delete(delete)
            .customize()
            .mutate_request(add_content_md5)
            .send(),
    )
    .await
    .map_err(|error| fault(&error))?;
    Ok(Answer::read(&output))
}

/// Aborts an unfinished upload; `false` if there was none.
pub(in crate::store::objects::s3) async fn abort_upload(
    store: &S3Objects,
    version: &VersionToRemove,
) -> Result<bool, ObjectError> {
    let answer = obeyed(
        "AbortMultipartUpload",
        store
            .client
            .abort_multipart_upload()
            .bucket(&store.bucket)
            .key(store.full_key(&version.key))
            .upload_id(version.part.id())
            .send(),
    )
    .await
    .map_err(|error| fault(&error));
    match answer {
        Ok(_) => Ok(true),
        Err(ObjectError::Other { code }) if code == "NoSuchUpload" => Ok(false),
        Err(error) => Err(error),
    }
}

impl Answer {
    fn read(output: &DeleteObjectsOutput) -> Self {
        let mut deleted = HashSet::new();
        for version in output.deleted() {
            // Without an id it may be a new marker that was made: that confirms nothing.
            if let (Some(key), Some(id)) = (version.key(), version.version_id()) {
                deleted.insert((String::from(key), String::from(id)));
            }
        }
        let mut errors = HashMap::new();
        for error in output.errors() {
            let Some(key) = error.key() else {
                continue;
            };
            let id = error
                .version_id()
                .filter(|id| !id.is_empty())
                .map(String::from);
            let message = error.message().unwrap_or_default().to_ascii_lowercase();
            let refusal = Refusal {
                code: String::from(error.code().unwrap_or_default()),
                names_a_lock: message.contains("object lock"),
            };
            errors.insert((String::from(key), id), refusal);
        }
        Self { deleted, errors }
    }

    /// What became of `version`. A version that the answer does not name is not confirmed.
    pub(super) fn fate_of(&self, store: &S3Objects, version: &VersionToRemove) -> Fate {
        let full_key = store.full_key(&version.key);
        let named = (full_key.clone(), String::from(version.part.id()));
        if self.deleted.contains(&named) {
            return Fate::Removed;
        }
        let exact = (full_key.clone(), Some(named.1));
        // Some servers leave the id out of an error; then it speaks of what was not removed.
        let refusal = self
            .errors
            .get(&exact)
            .or_else(|| self.errors.get(&(full_key, None)));
        let Some(refusal) = refusal else {
            return Fate::Failed(ObjectError::Unconfirmed);
        };
        let is_gone = matches!(refusal.code.as_str(), "NoSuchVersion" | "NoSuchKey");
        if is_gone {
            return Fate::Absent;
        }
        let error = of_code(&refusal.code);
        let is_lock = refusal.names_a_lock;
        if is_lock || matches!(error, ObjectError::AccessDenied { .. }) {
            return Fate::Refused { error, is_lock };
        }
        Fate::Failed(error)
    }
}

/// Older servers insist on `Content-MD5` for this call and do not know the newer checksum that
/// the SDK sends. A checksum of transport; nothing relies on it for security.
fn add_content_md5(request: &mut HttpRequest) {
    let Some(body) = request.body().bytes() else {
        return;
    };
    let checksum = STANDARD.encode(Md5::digest(body));
    request.headers_mut().insert("content-md5", checksum);
}

fn not_built() -> ObjectError {
    ObjectError::Other {
        code: String::from("RequestNotBuilt"),
    }
}
