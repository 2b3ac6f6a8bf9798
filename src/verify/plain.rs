//! A place of which only files are read that can be right: what is a link, a device or too long is not
//! there, and the listing says what stands there instead.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;

use crate::archive::{Archive, Content, Listing, PublishError, Put};

/// The files of a place that can be right.
pub(super) struct PlainFiles(pub(super) Arc<dyn Archive>);

#[async_trait]
impl Archive for PlainFiles {
    fn locate(&self, path: &str) -> String {
        self.0.locate(path)
    }

    async fn put_new(&self, path: &str, content: Content<'_>) -> Result<Put, PublishError> {
        self.0.put_new(path, content).await
    }

    async fn put_head(&self, path: &str, bytes: &[u8]) -> Result<(), PublishError> {
        self.0.put_head(path, bytes).await
    }

    async fn get(&self, path: &str) -> Result<Option<Vec<u8>>, PublishError> {
        plain(self.0.get(path).await)
    }

    async fn get_range(
        &self,
        path: &str,
        range: Range<u64>,
    ) -> Result<Option<Vec<u8>>, PublishError> {
        plain(self.0.get_range(path, range).await)
    }

    async fn list(&self, prefix: &str) -> Result<Listing, PublishError> {
        self.0.list(prefix).await
    }
}

fn plain<T>(read: Result<Option<T>, PublishError>) -> Result<Option<T>, PublishError> {
    match read {
        Err(PublishError::NotAFile { .. } | PublishError::TooLong { .. }) => Ok(None),
        read => read,
    }
}
