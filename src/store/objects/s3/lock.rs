//! Why a bucket refuses to remove a version: Object Lock and legal hold.

use aws_sdk_s3::config::Config;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{ObjectLockEventHold, ObjectLockLegalHoldStatus};
use jiff::Timestamp;

use crate::store::objects::error::ObjectError;
use crate::store::objects::key::ObjectKey;

use super::fault::fault;
use super::{S3Objects, obeyed};

/// A lock in force on one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lock {
    /// When it ends; `None` if no end is set or known.
    pub(super) until: Option<Timestamp>,
}

/// The lock on a version, or `None` if the store names none that is in force.
///
/// Asks for hold and retention first, since that needs no right to read the content; some servers
/// fail there and tell it only beside the content.
pub(super) async fn lock_on(store: &S3Objects, key: &ObjectKey, version_id: &str) -> Option<Lock> {
    let held = held(store, key, version_id).await;
    if held == Ok(true) {
        return Some(Lock { until: None });
    }
    let retained = retained(store, key, version_id).await;
    if let (Ok(_), Ok(retained)) = (held, retained) {
        return retained;
    }
    let told_beside_content = beside_content(store, key, version_id)
        .await
        .unwrap_or_default();
    told_beside_content.or(retained.unwrap_or_default())
}

async fn held(store: &S3Objects, key: &ObjectKey, version_id: &str) -> Result<bool, Unsaid> {
    let answer = obeyed(
        "GetObjectLegalHold",
        store
            .client
            .get_object_legal_hold()
            .bucket(&store.bucket)
            .key(store.full_key(key))
            .version_id(version_id)
            .customize()
            .config_override(once())
            .send(),
    )
    .await
    .map_err(|error| Unsaid::from(fault(&error)));
    match answer {
        Ok(answer) => {
            let status = answer.legal_hold().and_then(|hold| hold.status());
            Ok(status == Some(&ObjectLockLegalHoldStatus::On))
        }
        Err(Unsaid::Nothing) => Ok(false),
        Err(unsaid) => Err(unsaid),
    }
}

async fn retained(
    store: &S3Objects,
    key: &ObjectKey,
    version_id: &str,
) -> Result<Option<Lock>, Unsaid> {
    let answer = obeyed(
        "GetObjectRetention",
        store
            .client
            .get_object_retention()
            .bucket(&store.bucket)
            .key(store.full_key(key))
            .version_id(version_id)
            .customize()
            .config_override(once())
            .send(),
    )
    .await
    .map_err(|error| Unsaid::from(fault(&error)));
    let answer = match answer {
        Ok(answer) => answer,
        Err(Unsaid::Nothing) => return Ok(None),
        Err(unsaid) => return Err(unsaid),
    };
    let Some(retention) = answer.retention() else {
        return Ok(None);
    };
    if retention.event_hold() == Some(&ObjectLockEventHold::On) {
        return Ok(Some(Lock { until: None }));
    }
    Ok(in_force(store, retention.retain_until_date()))
}

async fn beside_content(
    store: &S3Objects,
    key: &ObjectKey,
    version_id: &str,
) -> Result<Option<Lock>, ObjectError> {
    let answer = obeyed(
        "HeadObject",
        store
            .client
            .head_object()
            .bucket(&store.bucket)
            .key(store.full_key(key))
            .version_id(version_id)
            .send(),
    )
    .await
    .map_err(|error| fault(&error))?;
    let held = answer.object_lock_legal_hold_status() == Some(&ObjectLockLegalHoldStatus::On)
        || answer.object_lock_event_hold() == Some(&ObjectLockEventHold::On);
    if held {
        return Ok(Some(Lock { until: None }));
    }
    Ok(in_force(store, answer.object_lock_retain_until_date()))
}

/// A lock until `until`, unless that moment has passed on the server's own clock.
fn in_force(store: &S3Objects, until: Option<&DateTime>) -> Option<Lock> {
    let until = until?;
    let nanoseconds = i32::try_from(until.subsec_nanos()).unwrap_or_default();
    let until = Timestamp::new(until.secs(), nanoseconds).ok();
    let has_passed = match (until, store.answers.date()) {
        (Some(until), Some(now)) => until <= now,
        (None, _) | (_, None) => false,
    };
    if has_passed {
        return None;
    }
    Some(Lock { until })
}

/// Asks once: whoever answers these questions with an error does it every time.
fn once() -> aws_sdk_s3::config::Builder {
    Config::builder().retry_config(RetryConfig::disabled())
}

/// Why a question about a lock has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unsaid {
    /// The version has no such lock.
    Nothing,
    /// The server failed, or may not tell.
    Unknown,
}

impl From<ObjectError> for Unsaid {
    fn from(error: ObjectError) -> Self {
        let nothing = ObjectError::Other {
            code: String::from("NoSuchObjectLockConfiguration"),
        };
        if error == nothing {
            Self::Nothing
        } else {
            Self::Unknown
        }
    }
}
