//! Writes files: small ones in one call, larger ones in parts.

use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use sha2::Sha256;

use crate::archive::error::PublishError;
use crate::archive::kind::Kind;
use crate::archive::{Archive as _, Content};
use crate::store::objects::ObjectError;
use crate::store::objects::s3::obeyed;

use super::lock::Lock;
use super::read::{Pieces, real_version, status};
use super::{PIECE, S3Place};

/// The most parts that S3 takes.
const MOST_PARTS: u64 = 10_000;
/// The largest part that is held in memory: 320 GB in all, 9 billion leaves.
const LARGEST_PART: u64 = 32 * 1024 * 1024;

/// Pauses before a write is tried again that met another one in the same instant.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(200),
    Duration::from_millis(800),
    Duration::from_millis(3200),
];

/// What became of a write that wanted nothing to be there.
pub(super) enum Written {
    /// Done; the version's id, where the bucket has versions.
    Version(Option<String>),
    /// Something stood there.
    Taken,
}

/// How one try ended that did not fail.
enum Try {
    Done(Written),
    /// Another write was under way.
    Met,
    /// The server does not know the condition.
    Unconditional,
}

impl S3Place {
    /// Writes `content` where nothing stands.
    pub(super) async fn write_new(
        &self,
        path: &str,
        kind: Kind,
        content: Content<'_>,
    ) -> Result<Written, PublishError> {
        let lock = self.lock(path).await?;
        let mut pauses = PAUSES.iter();
        loop {
            let tried = if Pieces::of(content)?.length > PIECE {
                self.write_in_parts(path, kind, content, lock).await?
            } else {
                self.write_at_once(path, kind, content, lock).await?
            };
            match tried {
                Try::Done(written) => return Ok(written),
                Try::Unconditional => {
                    self.unconditional.store(true, Ordering::Relaxed);
                    tracing::warn!(
                        "the server of `{}` does not know `If-None-Match`: files are looked for before, and compared after",
                        self.locate("")
                    );
                }
                Try::Met => {
                    let Some(pause) = pauses.next() else {
                        let code = String::from("ConditionalRequestConflict");
                        let busy = ObjectError::NotReady { code };
                        return Err(PublishError::server("publish", self.locate(path), busy));
                    };
                    tokio::time::sleep(*pause).await;
                }
            }
        }
    }

    /// Writes `bytes` over whatever stands at `path`; returns the version's id.
    pub(super) async fn replace(
        &self,
        path: &str,
        kind: Kind,
        bytes: &[u8],
    ) -> Result<Option<String>, PublishError> {
        let lock = self.lock(path).await?;
        let put = self.put(path, kind, bytes.to_vec(), lock);
        let answer = obeyed("PutObject", put.send())
            .await
            .map_err(|error| self.failed("publish", path, &error))?;
        Ok(answer.version_id().and_then(real_version))
    }

    async fn write_at_once(
        &self,
        path: &str,
        kind: Kind,
        content: Content<'_>,
        lock: Option<Lock>,
    ) -> Result<Try, PublishError> {
        let bytes = Pieces::of(content)?.next(PIECE)?.unwrap_or_default();
        let put = self.put(path, kind, bytes, lock);
        let put = put.set_if_none_match(self.condition());
        match obeyed("PutObject", put.send()).await {
            Ok(answer) => {
                let version = answer.version_id().and_then(real_version);
                Ok(Try::Done(Written::Version(version)))
            }
            Err(error) => self
                .refused(status(&error))
                .ok_or_else(|| self.failed("publish", path, &error)),
        }
    }

    fn put(
        &self,
        path: &str,
        kind: Kind,
        bytes: Vec<u8>,
        lock: Option<Lock>,
    ) -> aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder {
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(self.key(path))
            .content_type(kind.content_type())
            // A lock is taken with a checksum only; older servers know the first alone.
            .content_md5(STANDARD.encode(Md5::digest(&bytes)))
            .checksum_sha256(STANDARD.encode(Sha256::digest(&bytes)))
            .set_object_lock_mode(lock.map(|lock| lock.mode()))
            .set_object_lock_retain_until_date(lock.map(|lock| lock.until()))
            .body(ByteStream::from(bytes))
    }

    async fn write_in_parts(
        &self,
        path: &str,
        kind: Kind,
        content: Content<'_>,
        lock: Option<Lock>,
    ) -> Result<Try, PublishError> {
        self.abort_unfinished(path).await?;
        let upload = self.begin(path, kind, lock).await?;
        let tried = self.fill(path, &upload, content).await;
        if !matches!(tried, Ok(Try::Done(Written::Version(_)))) {
            // What cannot be aborted now is aborted by the next attempt.
            if let Err(error) = self.abort(path, &upload).await {
                tracing::debug!(error = %error, "an upload that failed could not be aborted");
            }
        }
        tried
    }

    async fn begin(
        &self,
        path: &str,
        kind: Kind,
        lock: Option<Lock>,
    ) -> Result<String, PublishError> {
        let answer = obeyed(
            "CreateMultipartUpload",
            self.client
                .create_multipart_upload()
                .bucket(&self.bucket)
                .key(self.key(path))
                .content_type(kind.content_type())
                .set_object_lock_mode(lock.map(|lock| lock.mode()))
                .set_object_lock_retain_until_date(lock.map(|lock| lock.until()))
                .send(),
        )
        .await
        .map_err(|error| self.failed("begin to publish", path, &error))?;
        let upload = answer.upload_id().map(str::to_owned);
        upload.ok_or_else(|| {
            let code = String::from("NoUploadId");
            PublishError::server(
                "begin to publish",
                self.locate(path),
                ObjectError::Other { code },
            )
        })
    }

    /// Sends the parts one after the other, then puts them together under the condition.
    async fn fill(
        &self,
        path: &str,
        upload: &str,
        content: Content<'_>,
    ) -> Result<Try, PublishError> {
        let mut pieces = Pieces::of(content)?;
        let size = part_size(pieces.length).ok_or_else(|| PublishError::TooLarge {
            path: self.locate(path),
            bytes: pieces.length,
        })?;
        let mut parts = CompletedMultipartUpload::builder();
        let mut number = 0;
        while let Some(piece) = pieces.next(size)? {
            number += 1;
            fail::fail_point!("publish.before-part");
            let answer = obeyed(
                "UploadPart",
                self.client
                    .upload_part()
                    .bucket(&self.bucket)
                    .key(self.key(path))
                    .upload_id(upload)
                    .part_number(number)
                    .content_md5(STANDARD.encode(Md5::digest(&piece)))
                    .body(ByteStream::from(piece))
                    .send(),
            )
            .await
            .map_err(|error| self.failed("publish a part of", path, &error))?;
            let part = CompletedPart::builder()
                .part_number(number)
                .set_e_tag(answer.e_tag().map(str::to_owned));
            parts = parts.parts(part.build());
        }
        fail::fail_point!("publish.before-parts-are-joined");
        let answer = obeyed(
            "CompleteMultipartUpload",
            self.client
                .complete_multipart_upload()
                .bucket(&self.bucket)
                .key(self.key(path))
                .upload_id(upload)
                .multipart_upload(parts.build())
                .set_if_none_match(self.condition())
                .send(),
        )
        .await;
        match answer {
            Ok(answer) => {
                let version = answer.version_id().and_then(real_version);
                Ok(Try::Done(Written::Version(version)))
            }
            Err(error) => self
                .refused(status(&error))
                .ok_or_else(|| self.failed("finish to publish", path, &error)),
        }
    }

    /// Aborts uploads to `path` that a killed attempt left: nobody else publishes the same file.
    async fn abort_unfinished(&self, path: &str) -> Result<(), PublishError> {
        for upload in self.unfinished_uploads(path).await? {
            if upload.path == path {
                self.abort(path, &upload.id).await?;
            }
        }
        Ok(())
    }

    async fn abort(&self, path: &str, upload: &str) -> Result<(), PublishError> {
        let aborted = obeyed(
            "AbortMultipartUpload",
            self.client
                .abort_multipart_upload()
                .bucket(&self.bucket)
                .key(self.key(path))
                .upload_id(upload)
                .send(),
        )
        .await;
        match aborted {
            Ok(_) => Ok(()),
            // It has ended meanwhile.
            Err(error) if status(&error) == Some(404) => Ok(()),
            Err(error) => Err(self.failed("abort the upload of", path, &error)),
        }
    }

    fn condition(&self) -> Option<String> {
        let is_known = !self.unconditional.load(Ordering::Relaxed);
        is_known.then(|| String::from("*"))
    }

    /// What a refusal means for a write under a condition; `None` if it is an error.
    fn refused(&self, status: Option<u16>) -> Option<Try> {
        match status? {
            412 => Some(Try::Done(Written::Taken)),
            409 => Some(Try::Met),
            501 if self.condition().is_some() => Some(Try::Unconditional),
            _ => None,
        }
    }
}

/// The size of the parts of a file of `length` bytes, or `None` if it is too large.
fn part_size(length: u64) -> Option<u64> {
    let size = length.div_ceil(MOST_PARTS).max(PIECE);
    (size <= LARGEST_PART).then_some(size)
}

#[cfg(test)]
mod tests {
    use super::{LARGEST_PART, MOST_PARTS, PIECE, part_size};

    #[test]
    fn a_part_is_no_larger_than_it_must_be_and_never_larger_than_memory_allows() {
        assert_eq!(part_size(PIECE + 1), Some(PIECE));
        assert_eq!(part_size(PIECE * MOST_PARTS), Some(PIECE));
        assert_eq!(part_size(PIECE * MOST_PARTS + 1), Some(PIECE + 1));
        assert_eq!(part_size(LARGEST_PART * MOST_PARTS), Some(LARGEST_PART));
        assert_eq!(part_size(LARGEST_PART * MOST_PARTS + 1), None);
    }
}
