//! What every place has to keep to: one suite, run on a folder and on a real S3 server.

mod moody;
mod on_folder;
mod on_moody_servers;
pub(crate) mod on_s3;

use std::path::{Path, PathBuf};

use super::{Archive, Content, LONGEST_READ, PublishError, Put, Standing};

const LEAVES: &str = "own/run-1/leaves.bin";
const STATEMENT: &str = "own/run-1/statement.json";
const CHECKPOINT: &str = "own/log/checkpoint";

/// Runs the whole suite on an empty `place`; `scratch` is a folder for files to publish.
async fn obeys_the_contract(place: &dyn Archive, scratch: &Path) {
    nothing_is_there_before(place).await;
    a_file_is_created_once_and_never_replaced(place).await;
    a_head_is_replaced_and_nothing_else_is(place).await;
    what_has_no_kind_is_not_written(place).await;
    a_large_file_is_published_in_pieces(place, scratch).await;
    a_listing_has_everything_below_its_prefix_in_order(place).await;
}

async fn nothing_is_there_before(place: &dyn Archive) {
    assert_eq!(place.get(STATEMENT).await.unwrap(), None);
    assert_eq!(place.get_range(STATEMENT, 0..9).await.unwrap(), None);
}

async fn a_file_is_created_once_and_never_replaced(place: &dyn Archive) {
    for (path, bytes, other) in [
        (STATEMENT, &b"{}"[..], &b"{ }"[..]),
        ("own/run-1/statement.json.sig", b"one", b"two"),
        ("own/run-2/leaves.bin", b"", b"not empty"),
        ("own/run-1/cert.dsse.json", b"not empty", b""),
    ] {
        let put = async |bytes| place.put_new(path, Content::Bytes(bytes)).await.unwrap();
        assert_eq!(put(bytes).await, Put::Created, "{path}");
        assert_eq!(put(bytes).await, Put::AlreadyEqual, "{path}");
        let standing = bytes.len() as u64;
        assert_eq!(put(other).await, Put::Conflict { standing }, "{path}");
        assert_eq!(place.get(path).await.unwrap().as_deref(), Some(bytes));
    }
    let part = place.get_range(STATEMENT, 1..9).await.unwrap();
    assert_eq!(part.as_deref(), Some(&b"}"[..]));
    let beyond = place.get_range(STATEMENT, 5..9).await.unwrap();
    assert_eq!(beyond.as_deref(), Some(&b""[..]));
}

async fn a_head_is_replaced_and_nothing_else_is(place: &dyn Archive) {
    for bytes in [&b"origin\n1\n"[..], b"origin\n2\n", b"origin\n2\n"] {
        place.put_head(CHECKPOINT, bytes).await.unwrap();
        assert_eq!(place.get(CHECKPOINT).await.unwrap().as_deref(), Some(bytes));
    }
    let error = place.put_head(STATEMENT, b"other").await.unwrap_err();
    assert!(matches!(error, PublishError::NotReplaced { .. }), "{error}");
    assert_eq!(
        place.get(STATEMENT).await.unwrap().as_deref(),
        Some(&b"{}"[..])
    );
}

async fn what_has_no_kind_is_not_written(place: &dyn Archive) {
    for path in ["keys/keyring.toml", "ledger.db", "own/run-1/journal.db"] {
        let put = place.put_new(path, Content::Bytes(b"secret")).await;
        assert!(matches!(put, Err(PublishError::NotOurs { .. })), "{path}");
        let put = place.put_head(path, b"secret").await;
        assert!(matches!(put, Err(PublishError::NotOurs { .. })), "{path}");
        assert_eq!(place.get(path).await.unwrap(), None);
    }
}

async fn a_large_file_is_published_in_pieces(place: &dyn Archive, scratch: &Path) {
    let file = large_file(scratch, 0);
    let put = async |file: &Path| place.put_new(LEAVES, Content::File(file)).await.unwrap();
    assert_eq!(put(&file).await, Put::Created);
    assert_eq!(put(&file).await, Put::AlreadyEqual);
    let standing = LARGE as u64;
    let altered = large_file(scratch, LARGE - 1);
    assert_eq!(put(&altered).await, Put::Conflict { standing });
    let whole = std::fs::read(&file).unwrap();
    for start in [0, 8 << 20, LARGE - 3] {
        let range = start as u64..start as u64 + 1000;
        let part = place.get_range(LEAVES, range).await.unwrap().unwrap();
        assert!(part == whole[start..(start + 1000).min(LARGE)], "{start}");
    }
    let error = place.get(LEAVES).await.unwrap_err();
    assert!(matches!(error, PublishError::TooLong { .. }), "{error}");
}

async fn a_listing_has_everything_below_its_prefix_in_order(place: &dyn Archive) {
    let beside = "own-2/run-1/leaves.bin";
    let put = place.put_new(beside, Content::Bytes(b"leaf"));
    assert_eq!(put.await.unwrap(), Put::Created);
    let list = async |prefix| -> Vec<(String, u64)> {
        let listing = place.list(prefix).await.unwrap();
        let files = listing.files.iter();
        assert!(
            files
                .clone()
                .all(|file| file.standing == Standing::Visible && file.rewritten == 0)
        );
        files.map(|file| (file.path.clone(), file.size)).collect()
    };
    let of_own = [
        (CHECKPOINT, 9),
        ("own/run-1/cert.dsse.json", 9),
        (LEAVES, LARGE as u64),
        (STATEMENT, 2),
        ("own/run-1/statement.json.sig", 3),
        ("own/run-2/leaves.bin", 0),
    ];
    let owned = |(path, size): &(&str, u64)| ((*path).to_owned(), *size);
    assert_eq!(list("own/").await, of_own.each_ref().map(owned));
    assert_eq!(list("own/log/check").await, [owned(&of_own[0])]);
    let all = list("").await;
    assert_eq!(all[0], owned(&(beside, 4)));
    assert_eq!(all.len(), of_own.len() + 1);
}

/// More than two pieces of an upload, and more than is read at once.
const LARGE: usize = LONGEST_READ as usize + 5;

/// A file of [`LARGE`] bytes that differs from that with another number.
fn large_file(folder: &Path, altered: usize) -> PathBuf {
    let mut bytes: Vec<u8> = (0..LARGE).map(|at| (at / 7 % 251) as u8).collect();
    bytes[altered] ^= 0xff;
    let file = folder.join(format!("large-{altered}"));
    std::fs::write(&file, bytes).unwrap();
    file
}
