//! Object Lock: what was published cannot be removed before its day.

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{
    ObjectLockEnabled, ObjectLockMode, ObjectLockRetention, ObjectLockRetentionMode,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use kigen_evidence::calendar::FirstDay;
use tokio::sync::OnceCell;

use crate::archive::Archive as _;
use crate::archive::error::PublishError;
use crate::config::LockMode;
use crate::store::objects::ObjectError;
use crate::store::objects::s3::{fault, obeyed};

use super::S3Place;
use super::read::Standing;

/// Whether the bucket has Object Lock; asked once.
pub(super) type Lockable = OnceCell<bool>;

/// The lock of one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lock {
    mode: LockMode,
    until: Timestamp,
}

impl Lock {
    pub(super) fn mode(&self) -> ObjectLockMode {
        match self.mode {
            LockMode::Governance => ObjectLockMode::Governance,
            LockMode::Compliance => ObjectLockMode::Compliance,
        }
    }

    pub(super) fn until(&self) -> DateTime {
        DateTime::from_secs(self.until.as_second())
    }

    fn retention(&self) -> ObjectLockRetention {
        let mode = match self.mode {
            LockMode::Governance => ObjectLockRetentionMode::Governance,
            LockMode::Compliance => ObjectLockRetentionMode::Compliance,
        };
        ObjectLockRetention::builder()
            .mode(mode)
            .retain_until_date(self.until())
            .build()
    }
}

impl S3Place {
    /// The lock that a file gets which is published now; `None` if none is configured.
    ///
    /// The period is counted from the day that the server has, and ends with the end of its last
    /// day. A bucket that cannot keep what is configured is an error, not a weaker promise.
    pub(super) async fn lock(&self, path: &str) -> Result<Option<Lock>, PublishError> {
        let Some(retain) = &self.retain else {
            return Ok(None);
        };
        let lockable = self
            .lockable
            .get_or_try_init(|| self.ask_for_lock(path))
            .await?;
        if !lockable {
            return Err(PublishError::NoObjectLock {
                path: self.locate(path),
            });
        }
        let until = self.answers.date().and_then(|now| {
            let today = now.to_zoned(TimeZone::UTC).date();
            let last = retain.period.last_day_kept(today, FirstDay::NotCounted)?;
            let end = last.tomorrow().ok()?.to_zoned(TimeZone::UTC).ok()?;
            Some(end.timestamp())
        });
        let until = until.ok_or_else(|| PublishError::NoSuchDay {
            path: self.locate(path),
        })?;
        Ok(Some(Lock {
            mode: retain.mode,
            until,
        }))
    }

    async fn ask_for_lock(&self, path: &str) -> Result<bool, PublishError> {
        let answer = obeyed(
            "GetObjectLockConfiguration",
            self.client
                .get_object_lock_configuration()
                .bucket(&self.bucket)
                .send(),
        )
        .await
        .map_err(|error| fault(&error));
        match answer {
            Ok(answer) => {
                let found = answer
                    .object_lock_configuration()
                    .and_then(|configuration| configuration.object_lock_enabled());
                Ok(found == Some(&ObjectLockEnabled::Enabled))
            }
            // Who may not ask is told by the first lock.
            Err(ObjectError::AccessDenied { .. }) => Ok(true),
            Err(ObjectError::Other { code })
                if code == "ObjectLockConfigurationNotFoundError" || code == "NotImplemented" =>
            {
                Ok(false)
            }
            Err(error) => {
                let place = self.locate(path);
                Err(PublishError::server(
                    "ask for the Object Lock of",
                    place,
                    error,
                ))
            }
        }
    }

    /// Makes sure that a published version is locked, if locks are configured.
    ///
    /// Some servers do not take the lock of an upload in parts, and a file may have been published
    /// before locks were configured: it is locked now. A longer lock stays.
    pub(super) async fn ensure_locked(
        &self,
        path: &str,
        standing: &Standing,
    ) -> Result<(), PublishError> {
        let Some(lock) = self.lock(path).await? else {
            return Ok(());
        };
        if standing.lock_mode.is_some() && standing.locked_until.is_some() {
            return Ok(());
        }
        let version = standing.version.clone();
        obeyed(
            "PutObjectRetention",
            self.client
                .put_object_retention()
                .bucket(&self.bucket)
                .key(self.key(path))
                .set_version_id(version.clone())
                .retention(lock.retention())
                .send(),
        )
        .await
        .map_err(|error| self.failed("lock", path, &error))?;
        let found = self.standing(path, version.as_deref()).await?;
        let is_locked = found.is_some_and(|found| {
            found.lock_mode == Some(lock.mode()) && found.locked_until >= Some(lock.until)
        });
        if is_locked {
            return Ok(());
        }
        Err(PublishError::NotLocked {
            path: self.locate(path),
        })
    }
}
