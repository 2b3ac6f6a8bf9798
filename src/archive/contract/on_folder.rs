//! The suite on a folder, and what only file systems can do wrong.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use tempfile::TempDir;

use crate::archive::{Archive as _, Content, FolderPlace, Put, Standing, Versions};

use super::{LEAVES, STATEMENT, obeys_the_contract};

fn place() -> (TempDir, FolderPlace) {
    let folder = tempfile::tempdir().unwrap();
    let place = FolderPlace::new(&folder.path().join("certificates"));
    (folder, place)
}

#[tokio::test]
async fn a_folder_obeys_the_contract() {
    let (folder, place) = place();
    obeys_the_contract(&place, folder.path()).await;
}

#[tokio::test]
async fn a_file_of_another_file_system_is_copied() {
    let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") else {
        return;
    };
    let (folder, place) = place();
    let device = |path: &Path| fs::metadata(path).unwrap().dev();
    assert_ne!(device(elsewhere.path()), device(folder.path()));
    obeys_the_contract(&place, elsewhere.path()).await;
}

#[tokio::test]
async fn what_is_published_can_be_read_by_all_and_stays_when_its_source_goes() {
    let (folder, place) = place();
    let source = tempfile::NamedTempFile::new_in(folder.path()).unwrap();
    fs::set_permissions(source.path(), fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(source.path(), "leaf").unwrap();
    let put = place.put_new(LEAVES, Content::File(source.path())).await;
    assert_eq!(put.unwrap(), Put::Created);
    drop(source);
    let put = place.put_new(STATEMENT, Content::Bytes(b"{}")).await;
    assert_eq!(put.unwrap(), Put::Created);
    for path in [LEAVES, STATEMENT] {
        let about = fs::metadata(place.locate(path)).unwrap();
        assert_eq!(about.permissions().mode() & 0o777, 0o644, "{path}");
        assert_eq!(about.nlink(), 1, "{path}");
    }
}

#[tokio::test]
async fn what_a_killed_attempt_left_is_removed_and_what_another_file_left_is_not() {
    let (_folder, place) = place();
    let put = place.put_new(LEAVES, Content::Bytes(b"leaf"));
    assert_eq!(put.await.unwrap(), Put::Created);
    let beside = |name: &str| Path::new(&place.locate("own/run-1")).join(name);
    let ours = beside(".unfinished-statement.json-a1");
    let of_another = beside(".unfinished-cert.dsse.json-a1");
    fs::write(&ours, "half").unwrap();
    fs::write(&of_another, "half").unwrap();
    let put = place.put_new(STATEMENT, Content::Bytes(b"{}"));
    assert_eq!(put.await.unwrap(), Put::Created);
    assert!(!ours.exists() && of_another.exists());
}

#[tokio::test]
async fn a_listing_tells_what_is_no_published_file() {
    let (folder, place) = place();
    let put = place.put_new(STATEMENT, Content::Bytes(b"{}"));
    assert_eq!(put.await.unwrap(), Put::Created);
    let inside = |path: &str| place.locate(path);
    fs::write(inside("own/run-1/.unfinished-leaves.bin-a1"), "half").unwrap();
    symlink(folder.path(), inside("own/link")).unwrap();
    fs::write(inside("own/.hidden"), "").unwrap();
    let listing = place.list("").await.unwrap();
    assert_eq!(listing.versions, Versions::NotKept);
    let found: Vec<(&str, Standing)> = listing
        .files
        .iter()
        .map(|file| (file.path.as_str(), file.standing))
        .collect();
    let expected = [
        ("own/.hidden", Standing::Visible),
        ("own/link", Standing::NotAFile),
        ("own/run-1/.unfinished-leaves.bin-a1", Standing::Unfinished),
        (STATEMENT, Standing::Visible),
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_link_that_stands_in_the_way_is_not_written_through() {
    let (folder, place) = place();
    let put = place.put_new(LEAVES, Content::Bytes(b"leaf"));
    assert_eq!(put.await.unwrap(), Put::Created);
    let elsewhere = folder.path().join("elsewhere");
    fs::write(&elsewhere, "{}").unwrap();
    symlink(&elsewhere, place.locate(STATEMENT)).unwrap();
    let put = place.put_new(STATEMENT, Content::Bytes(b"{}")).await;
    assert!(matches!(put, Ok(Put::Conflict { .. })), "{put:?}");
    assert_eq!(fs::read(&elsewhere).unwrap(), b"{}");
}

#[tokio::test]
async fn of_many_writers_of_the_same_file_one_creates_it_and_all_succeed() {
    let (_folder, place) = place();
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let place = place.clone();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build();
                let put = place.put_new(STATEMENT, Content::Bytes(b"{}"));
                runtime.unwrap().block_on(put).unwrap()
            })
        })
        .collect();
    let puts: Vec<Put> = writers
        .into_iter()
        .map(|writer| writer.join().unwrap())
        .collect();
    let created = puts.iter().filter(|put| **put == Put::Created).count();
    let equal = puts.iter().filter(|put| **put == Put::AlreadyEqual).count();
    assert_eq!((created, equal), (1, 7));
    assert_eq!(place.list("").await.unwrap().files.len(), 1);
}
