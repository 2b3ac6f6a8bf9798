//! The preflight: what a bucket says about itself.

use std::collections::BTreeSet;

use aws_sdk_s3::types::{BucketVersioningStatus, MfaDeleteStatus, ObjectLockEnabled};

use crate::store::objects::error::{ObjectError, Outage};
use crate::store::objects::outcome::{StoreDescription, Versioning};

use super::fault::fault;
use super::{S3Objects, obeyed};

/// Asks everything once. Only what the worker cannot do without is an error; a question that the
/// worker may not ask, or whose answer cannot be read, is answered by "not said".
pub(super) async fn describe(store: &S3Objects) -> Result<StoreDescription, ObjectError> {
    may_be_listed(store).await?;
    let (versioning, mfa_delete) = match versioning(store).await {
        Ok((versioning, mfa_delete)) => (versioning, Some(mfa_delete)),
        Err(error) if is_not_said(&error) => (Versioning::Unknown, None),
        Err(error) => return Err(error),
    };
    Ok(StoreDescription {
        engine: store.answers.engine(),
        versioning,
        mfa_delete,
        object_lock: said(object_lock(store).await)?,
        replicas: said(replicas(store).await)?,
    })
}

/// Makes sure that versions and unfinished uploads may be listed.
async fn may_be_listed(store: &S3Objects) -> Result<(), ObjectError> {
    obeyed(
        "ListObjectVersions",
        store
            .client
            .list_object_versions()
            .bucket(&store.bucket)
            .prefix(&store.prefix)
            .max_keys(1)
            .send(),
    )
    .await
    .map_err(|error| fault(&error))?;
    obeyed(
        "ListMultipartUploads",
        store
            .client
            .list_multipart_uploads()
            .bucket(&store.bucket)
            .prefix(&store.prefix)
            .max_uploads(1)
            .send(),
    )
    .await
    .map_err(|error| fault(&error))?;
    Ok(())
}

async fn versioning(store: &S3Objects) -> Result<(Versioning, bool), ObjectError> {
    let answer = obeyed(
        "GetBucketVersioning",
        store
            .client
            .get_bucket_versioning()
            .bucket(&store.bucket)
            .send(),
    )
    .await
    .map_err(|error| fault(&error))?;
    let versioning = match answer.status() {
        Some(BucketVersioningStatus::Enabled) => Versioning::Enabled,
        Some(BucketVersioningStatus::Suspended) => Versioning::Suspended,
        None => Versioning::Never,
        // The SDK's enumeration is open.
        Some(_) => Versioning::Unknown,
    };
    let mfa_delete = answer.mfa_delete() == Some(&MfaDeleteStatus::Enabled);
    Ok((versioning, mfa_delete))
}

async fn object_lock(store: &S3Objects) -> Result<bool, ObjectError> {
    let answer = obeyed(
        "GetObjectLockConfiguration",
        store
            .client
            .get_object_lock_configuration()
            .bucket(&store.bucket)
            .send(),
    )
    .await
    .map_err(|error| fault(&error));
    match answer {
        Ok(answer) => {
            let enabled = answer
                .object_lock_configuration()
                .and_then(|configuration| configuration.object_lock_enabled());
            Ok(enabled == Some(&ObjectLockEnabled::Enabled))
        }
        Err(error) if is_absence(&error, "ObjectLockConfigurationNotFoundError") => Ok(false),
        Err(error) => Err(error),
    }
}

async fn replicas(store: &S3Objects) -> Result<Vec<String>, ObjectError> {
    let answer = obeyed(
        "GetBucketReplication",
        store
            .client
            .get_bucket_replication()
            .bucket(&store.bucket)
            .send(),
    )
    .await
    .map_err(|error| fault(&error));
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) if is_absence(&error, "ReplicationConfigurationNotFoundError") => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    let Some(configuration) = answer.replication_configuration() else {
        return Ok(Vec::new());
    };
    let destinations: BTreeSet<String> = configuration
        .rules()
        .iter()
        // Also of rules that are disabled: what was copied while they were not is still there.
        .filter_map(|rule| rule.destination())
        .map(|destination| String::from(destination.bucket()))
        .collect();
    Ok(destinations.into_iter().collect())
}

/// Whether the error says that the bucket has no such setting, or the server no such feature.
fn is_absence(error: &ObjectError, absent: &str) -> bool {
    let ObjectError::Other { code } = error else {
        return false;
    };
    code == absent || code == "NotImplemented"
}

fn is_not_said(error: &ObjectError) -> bool {
    matches!(
        error,
        ObjectError::AccessDenied { .. } | ObjectError::Unreachable(Outage::AnswerCut)
    )
}

fn said<T>(answer: Result<T, ObjectError>) -> Result<Option<T>, ObjectError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if is_not_said(&error) => Ok(None),
        Err(error) => Err(error),
    }
}
