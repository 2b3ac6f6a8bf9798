//! Whether what stands at a path is what was to be written there.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::Path;

use crate::archive::{Content, Put};

const COMPARED_AT_ONCE: usize = 64 * 1024;

/// Compares byte by byte; a folder, a link or a device is never equal.
pub(super) fn with_content(path: &Path, content: Content<'_>) -> io::Result<Put> {
    let about = fs::symlink_metadata(path)?;
    let conflict = Put::Conflict {
        standing: about.len(),
    };
    if !about.is_file() {
        return Ok(conflict);
    }
    let standing = File::open(path)?;
    let (length, equal) = match content {
        Content::Bytes(bytes) => (bytes.len() as u64, are_equal(standing, bytes)?),
        Content::File(source) => {
            let source = File::open(source)?;
            (source.metadata()?.len(), are_equal(standing, source)?)
        }
    };
    Ok(if equal && length == about.len() {
        Put::AlreadyEqual
    } else {
        conflict
    })
}

fn are_equal(one: impl Read, two: impl Read) -> io::Result<bool> {
    let mut one = BufReader::new(one);
    let mut two = BufReader::new(two);
    let mut left = vec![0; COMPARED_AT_ONCE];
    let mut right = vec![0; COMPARED_AT_ONCE];
    loop {
        let read = one.read(&mut left)?;
        if read == 0 {
            return Ok(two.read(&mut right)? == 0);
        }
        match two.read_exact(&mut right[..read]) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        }
        if left[..read] != right[..read] {
            return Ok(false);
        }
    }
}
