//! A bucket of Amazon S3, or of a server that speaks its protocol.
//!
//! Each file is looked for first, written with `If-None-Match: *`, and read back by its version.
//! Servers that do not know the condition answer 501, or ignore it: then the look before and the
//! comparison after are the guard, and only two writers in the same instant could meet. They write
//! the same bytes, because everything that is published comes out of what is stored.

mod list;
mod lock;
mod read;
mod upload;

use std::ops::Range;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::config::{CertificatesBucket, Retain};
use crate::store::objects::{ObjectError, S3Options, s3};

use super::error::PublishError;
use super::kind::Kind;
use super::{Archive, Content, LONGEST_READ, Listing, Put};

use upload::Written;

/// Bytes that are sent and read back at a time: the memory of an upload of any size.
const PIECE: u64 = 8 * 1024 * 1024;

/// A bucket, below a prefix.
pub struct S3Place {
    pub(in crate::archive) client: Client,
    /// What the server said last about the time.
    answers: s3::Answers,
    pub(in crate::archive) bucket: String,
    /// Put before each path; empty, or with `/` at its end.
    prefix: String,
    pub(in crate::archive) retain: Option<Retain>,
    /// Whether the bucket has Object Lock, once it was asked.
    lockable: lock::Lockable,
    /// Whether the server said that it does not know `If-None-Match`.
    unconditional: AtomicBool,
}

impl S3Place {
    /// Prepares the client, with the credentials that [`S3Objects`](crate::store::objects::S3Objects)
    /// takes. The bucket is first asked when something is published or read.
    pub async fn connect(bucket: &CertificatesBucket) -> Result<Self, PublishError> {
        let prefix = match bucket.prefix.trim_matches('/') {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        let options = S3Options {
            bucket: bucket.bucket.clone(),
            prefix: prefix.clone(),
            region: bucket.region.clone(),
            endpoint: bucket.endpoint.clone(),
            path_style: bucket.path_style,
        };
        let (client, answers) = s3::client(&options).await.map_err(|source| match source {
            ObjectError::NoRegion => PublishError::NoRegion {
                bucket: bucket.bucket.clone(),
            },
            source => {
                let place = format!("s3://{}", bucket.bucket);
                PublishError::server("connect to", place, source)
            }
        })?;
        Ok(Self {
            client,
            answers,
            bucket: options.bucket,
            prefix,
            retain: bucket.retain,
            lockable: lock::Lockable::default(),
            unconditional: AtomicBool::new(false),
        })
    }

    pub(in crate::archive) fn key(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// What an error of the SDK means for `doing` something with `path`.
    fn failed<E>(
        &self,
        doing: &'static str,
        path: &str,
        error: &SdkError<E, HttpResponse>,
    ) -> PublishError
    where
        E: ProvideErrorMetadata,
    {
        PublishError::server(doing, self.locate(path), s3::fault(error))
    }

    /// What is to be said of the bytes that stand at `path`.
    async fn compared(
        &self,
        path: &str,
        standing: &read::Standing,
        content: Content<'_>,
    ) -> Result<Put, PublishError> {
        if !self.is_equal(path, standing, content).await? {
            return Ok(Put::Conflict {
                standing: standing.size,
            });
        }
        self.ensure_locked(path, standing).await?;
        Ok(Put::AlreadyEqual)
    }

    /// Makes sure that what was written can be read, and is locked as it should be.
    async fn confirmed(
        &self,
        path: &str,
        version: Option<&str>,
        content: Content<'_>,
    ) -> Result<(), PublishError> {
        let lost = || PublishError::ReadBack {
            path: self.locate(path),
        };
        let standing = self.standing(path, version).await?.ok_or_else(lost)?;
        if !self.is_equal(path, &standing, content).await? {
            return Err(lost());
        }
        self.ensure_locked(path, &standing).await
    }
}

#[async_trait]
impl Archive for S3Place {
    fn locate(&self, path: &str) -> String {
        format!("s3://{}/{}{path}", self.bucket, self.prefix)
            .trim_end_matches('/')
            .to_owned()
    }

    async fn put_new(&self, path: &str, content: Content<'_>) -> Result<Put, PublishError> {
        let kind = Kind::to_put(path)?;
        if let Some(standing) = self.standing(path, None).await? {
            return self.compared(path, &standing, content).await;
        }
        match self.write_new(path, kind, content).await? {
            Written::Version(version) => {
                self.confirmed(path, version.as_deref(), content).await?;
                Ok(Put::Created)
            }
            Written::Taken => {
                let standing = self.standing(path, None).await?;
                // Taken a moment ago, gone now: nothing that we could say holds.
                let standing = standing.ok_or_else(|| PublishError::ReadBack {
                    path: self.locate(path),
                })?;
                self.compared(path, &standing, content).await
            }
        }
    }

    async fn put_head(&self, path: &str, bytes: &[u8]) -> Result<(), PublishError> {
        let kind = Kind::to_replace(path)?;
        let content = Content::Bytes(bytes);
        if let Some(standing) = self.standing(path, None).await?
            && self.compared(path, &standing, content).await? == Put::AlreadyEqual
        {
            return Ok(());
        }
        let version = self.replace(path, kind, bytes).await?;
        self.confirmed(path, version.as_deref(), content).await
    }

    async fn get(&self, path: &str) -> Result<Option<Vec<u8>>, PublishError> {
        let bytes = self.get_range(path, 0..LONGEST_READ + 1).await?;
        let length = bytes.as_ref().map_or(0, Vec::len) as u64;
        if length > LONGEST_READ {
            return Err(PublishError::TooLong {
                path: self.locate(path),
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
        self.read(path, None, range).await
    }

    async fn list(&self, prefix: &str) -> Result<Listing, PublishError> {
        self.listing(prefix).await
    }
}
