//! Reads what stands in the bucket, in pieces.

use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::ObjectLockMode;
use jiff::Timestamp;

use crate::archive::error::PublishError;
use crate::archive::{Archive as _, Content};
use crate::store::objects::s3::{self, obeyed};
use crate::store::objects::{ObjectError, Outage};

use super::{PIECE, S3Place};

/// How often a piece is asked for whose answer breaks off.
const ATTEMPTS: u32 = 4;

/// How long the bytes of one piece may take, once the server has begun to answer.
const BODY_TIMEOUT: Duration = Duration::from_mins(2);

/// One version of an object, as the server describes it.
pub(in crate::archive) struct Standing {
    pub(in crate::archive) size: u64,
    /// `None` where the bucket keeps no versions.
    pub(in crate::archive) version: Option<String>,
    pub(in crate::archive) lock_mode: Option<ObjectLockMode>,
    pub(in crate::archive) locked_until: Option<Timestamp>,
}

impl S3Place {
    /// What stands at `path`, or that version of it; `None` if nothing does.
    pub(in crate::archive) async fn standing(
        &self,
        path: &str,
        version: Option<&str>,
    ) -> Result<Option<Standing>, PublishError> {
        let answer = obeyed(
            "HeadObject",
            self.client
                .head_object()
                .bucket(&self.bucket)
                .key(self.key(path))
                .set_version_id(version.map(str::to_owned))
                .send(),
        )
        .await;
        match answer {
            Ok(answer) => Ok(Some(Standing {
                size: u64::try_from(answer.content_length().unwrap_or_default())
                    .unwrap_or_default(),
                version: answer.version_id().and_then(real_version),
                lock_mode: answer.object_lock_mode().cloned(),
                locked_until: answer.object_lock_retain_until_date().and_then(timestamp),
            })),
            // An answer without a body: the code cannot be told.
            Err(error) if status(&error) == Some(404) => Ok(None),
            Err(error) => Err(self.failed("look for", path, &error)),
        }
    }

    /// The bytes of `range`, as far as there are any.
    pub(super) async fn read(
        &self,
        path: &str,
        version: Option<&str>,
        range: Range<u64>,
    ) -> Result<Option<Vec<u8>>, PublishError> {
        if range.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let mut attempt = 1;
        loop {
            let answer = obeyed(
                "GetObject",
                self.client
                    .get_object()
                    .bucket(&self.bucket)
                    .key(self.key(path))
                    .set_version_id(version.map(str::to_owned))
                    .range(format!("bytes={}-{}", range.start, range.end - 1))
                    .send(),
            )
            .await;
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) if status(&error) == Some(416) => return Ok(Some(Vec::new())),
                Err(error) if is_absent(&error) => return Ok(None),
                Err(error) => return Err(self.failed("read", path, &error)),
            };
            let outage = match s3::within(BODY_TIMEOUT, answer.body.collect()).await {
                Ok(Ok(bytes)) => return Ok(Some(bytes.to_vec())),
                Ok(Err(_)) if attempt < ATTEMPTS => {
                    attempt += 1;
                    continue;
                }
                Ok(Err(_)) => Outage::AnswerCut,
                Err(outage) => outage,
            };
            let outage = ObjectError::Unreachable(outage);
            return Err(PublishError::server("read", self.locate(path), outage));
        }
    }

    /// Whether a version holds exactly `content`.
    pub(super) async fn is_equal(
        &self,
        path: &str,
        standing: &Standing,
        content: Content<'_>,
    ) -> Result<bool, PublishError> {
        let mut pieces = Pieces::of(content)?;
        if pieces.length != standing.size {
            return Ok(false);
        }
        let mut start = 0;
        while let Some(ours) = pieces.next(PIECE)? {
            let end = start + ours.len() as u64;
            let version = standing.version.as_deref();
            let theirs = self.read(path, version, start..end).await?;
            if theirs.as_deref() != Some(ours.as_slice()) {
                return Ok(false);
            }
            start = end;
        }
        Ok(start == standing.size)
    }
}

/// Content, piece by piece.
pub(super) struct Pieces<'a> {
    pub(super) length: u64,
    source: Source<'a>,
}

enum Source<'a> {
    Bytes(&'a [u8]),
    File(File, &'a Path),
}

impl<'a> Pieces<'a> {
    pub(super) fn of(content: Content<'a>) -> Result<Self, PublishError> {
        Ok(match content {
            Content::Bytes(bytes) => Self {
                length: bytes.len() as u64,
                source: Source::Bytes(bytes),
            },
            Content::File(path) => {
                let open = || -> io::Result<(File, u64)> {
                    let file = File::open(path)?;
                    let length = file.metadata()?.len();
                    Ok((file, length))
                };
                let (file, length) = open().map_err(|source| unreadable(path, source))?;
                Self {
                    length,
                    source: Source::File(file, path),
                }
            }
        })
    }

    /// The next piece of `size` bytes, or the shorter last one; `None` at the end.
    pub(super) fn next(&mut self, size: u64) -> Result<Option<Vec<u8>>, PublishError> {
        let piece = match &mut self.source {
            Source::Bytes(bytes) => {
                let size = usize::try_from(size).unwrap_or(usize::MAX).min(bytes.len());
                let (piece, rest) = bytes.split_at(size);
                *bytes = rest;
                piece.to_vec()
            }
            Source::File(file, path) => {
                let mut piece = Vec::new();
                let read = file.by_ref().take(size).read_to_end(&mut piece);
                read.map_err(|source| unreadable(path, source))?;
                piece
            }
        };
        Ok((!piece.is_empty()).then_some(piece))
    }
}

fn unreadable(path: &Path, source: io::Error) -> PublishError {
    PublishError::Source {
        path: path.to_owned(),
        source,
    }
}

/// An id that names one version. The one without versions is called `null`, which not every server
/// lets one ask for.
pub(super) fn real_version(id: &str) -> Option<String> {
    (id != "null").then(|| id.to_owned())
}

fn timestamp(time: &DateTime) -> Option<Timestamp> {
    Timestamp::from_second(time.secs()).ok()
}

/// The HTTP status of an answer that is an error.
pub(super) fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error
        .raw_response()
        .map(|response| response.status().as_u16())
}

fn is_absent<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    let code = error.as_service_error().and_then(|error| error.code());
    status(error) == Some(404) && code != Some("NoSuchBucket")
}
