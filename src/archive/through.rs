//! Reads a published file of any size from its beginning to its end.

use super::{Archive, PublishError};

/// Bytes that are asked for at a time.
pub const RANGE: u64 = 4 * 1024 * 1024;

/// Hands the file at `path` to `take`, part by part; returns whether there is one.
///
/// A file that vanishes while it is read ends where it vanished: its digest tells.
pub async fn read_through<E: From<PublishError>>(
    place: &dyn Archive,
    path: &str,
    mut take: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<bool, E> {
    let mut at = 0;
    loop {
        let Some(part) = place.get_range(path, at..at + RANGE).await? else {
            return Ok(at > 0);
        };
        if part.is_empty() {
            return Ok(true);
        }
        take(&part)?;
        at += part.len() as u64;
    }
}
