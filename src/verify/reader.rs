//! Reads a published file from its beginning to its end, in ranges, for code that knows no `async`.

use std::io::{self, Read};
use std::sync::Arc;

use tokio::runtime::Handle;

use crate::archive::{Archive, PublishError, RANGE};

/// A file of a place as a [`Read`]. Waits for the place: not for threads that others wait for.
pub(super) struct RangeReader {
    place: Arc<dyn Archive>,
    path: String,
    runtime: Handle,
    /// Bytes that were asked for and not read yet.
    held: Vec<u8>,
    read: usize,
    asked: u64,
}

impl RangeReader {
    pub(super) fn new(place: Arc<dyn Archive>, path: String, runtime: Handle) -> Self {
        Self {
            place,
            path,
            runtime,
            held: Vec::new(),
            read: 0,
            asked: 0,
        }
    }

    /// The error of the place inside the error of a read.
    pub(super) fn cause(error: io::Error, place: String) -> PublishError {
        match error.downcast::<PublishError>() {
            Ok(cause) => cause,
            Err(source) => PublishError::Folder {
                doing: "read",
                path: place.into(),
                source,
            },
        }
    }

    fn fetch(&mut self) -> io::Result<()> {
        let range = self.asked..self.asked + RANGE;
        let fetched = self
            .runtime
            .block_on(self.place.get_range(&self.path, range));
        // A file that vanishes while it is read ends where it vanished, and its digest tells.
        let fetched = fetched.map_err(io::Error::other)?.unwrap_or_default();
        self.asked += fetched.len() as u64;
        self.held = fetched;
        self.read = 0;
        Ok(())
    }
}

impl Read for RangeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.held.len() {
            self.fetch()?;
        }
        let rest = &self.held[self.read..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.read += length;
        Ok(length)
    }
}
