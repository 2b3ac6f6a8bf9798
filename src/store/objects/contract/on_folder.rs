//! The suite on a folder, and what only a folder can do wrong.

use std::fs;
use std::path::Path;

use crate::store::objects::{
    FolderObjects, ObjectDisposer as _, ObjectError, ObjectInventory as _, ObjectWriter as _,
};

use super::{key, obeys_the_contract, version};

#[tokio::test]
async fn a_folder_obeys_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    obeys_the_contract(&FolderObjects::open(folder.path()).unwrap()).await;
}

#[tokio::test]
async fn a_key_never_leads_out_of_the_folder() {
    let outside = tempfile::tempdir().unwrap();
    let folder = outside.path().join("objects");
    fs::create_dir(&folder).unwrap();
    let bystander = outside.path().join("bystander.pdf");
    fs::write(&bystander, b"kept").unwrap();
    let store = FolderObjects::open(&folder).unwrap();

    let absolute = bystander.to_str().unwrap().to_owned();
    for text in [
        "../bystander.pdf",
        "a/../../bystander.pdf",
        "./a",
        "a//b",
        "a/",
        &absolute,
    ] {
        let key = key(text);
        assert_eq!(store.versions(&key).await, Err(ObjectError::OutsideFolder));
        let outcome = store.remove(&[version(&key, "file")]).await;
        assert_eq!(outcome.failed.len(), 1);
        assert_eq!(outcome.failed[0].error, ObjectError::OutsideFolder);
        assert_eq!(store.put(&key, b"x").await, Err(ObjectError::OutsideFolder));
    }
    assert_eq!(fs::read(&bystander).unwrap(), b"kept");
}

#[cfg(unix)]
#[tokio::test]
async fn a_symbolic_link_is_refused_wherever_it_stands() {
    let outside = tempfile::tempdir().unwrap();
    let folder = outside.path().join("objects");
    let elsewhere = outside.path().join("elsewhere");
    fs::create_dir(&folder).unwrap();
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("scan.pdf"), b"kept").unwrap();
    std::os::unix::fs::symlink(&elsewhere, folder.join("linked")).unwrap();
    std::os::unix::fs::symlink(elsewhere.join("scan.pdf"), folder.join("link.pdf")).unwrap();
    let store = FolderObjects::open(&folder).unwrap();

    for text in ["linked/scan.pdf", "link.pdf"] {
        let outcome = store.remove(&[version(&key(text), "file")]).await;
        assert_eq!(outcome.failed[0].error, ObjectError::OutsideFolder);
    }
    assert_eq!(fs::read(elsewhere.join("scan.pdf")).unwrap(), b"kept");
    assert!(folder.join("link.pdf").exists());
}

#[tokio::test]
async fn one_failing_key_does_not_keep_its_neighbours() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderObjects::open(folder.path()).unwrap();
    let good = [key("a/1.pdf"), key("b/2.pdf")];
    for key in &good {
        store.put(key, b"scan").await.unwrap();
    }
    let batch = [
        version(&good[0], "file"),
        version(&key("../x"), "file"),
        version(&good[1], "file"),
        version(&key("a/none.pdf"), "file"),
    ];
    let outcome = store.remove(&batch).await;
    assert_eq!(outcome.len(), batch.len());
    assert_eq!(outcome.removed, vec![batch[0].clone(), batch[2].clone()]);
    assert_eq!(outcome.failed[0].version, batch[1]);
    assert_eq!(outcome.absent, vec![batch[3].clone()]);
    assert!(!outcome.is_complete());
}

#[tokio::test]
async fn empty_folders_go_with_their_last_object_but_never_the_root() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderObjects::open(folder.path()).unwrap();
    let (deep, neighbour) = (key("client/山田/scan.pdf"), key("client/note.txt"));
    store.put(&deep, b"scan").await.unwrap();
    store.put(&neighbour, b"note").await.unwrap();

    assert!(store.remove(&[version(&deep, "file")]).await.is_complete());
    assert!(!folder.path().join("client/山田").exists());
    assert!(folder.path().join("client/note.txt").exists());

    assert!(
        store
            .remove(&[version(&neighbour, "file")])
            .await
            .is_complete()
    );
    assert!(!folder.path().join("client").exists());
    assert!(folder.path().exists());
}

#[tokio::test]
async fn a_key_that_names_a_folder_has_no_object_and_what_lies_below_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderObjects::open(folder.path()).unwrap();
    store.put(&key("request/1"), b"scan").await.unwrap();
    assert!(store.versions(&key("request")).await.unwrap().is_empty());
    assert!(
        store
            .versions(&key("request/1/2"))
            .await
            .unwrap()
            .is_empty()
    );
    let outcome = store.remove(&[version(&key("request"), "file")]).await;
    assert_eq!(outcome.absent.len(), 1);
    assert_eq!(fs::read(folder.path().join("request/1")).unwrap(), b"scan");
}

#[tokio::test]
async fn a_folder_that_vanished_or_was_replaced_is_an_error_and_not_an_empty_store() {
    let outside = tempfile::tempdir().unwrap();
    let folder = outside.path().join("objects");
    fs::create_dir(&folder).unwrap();
    let store = FolderObjects::open(&folder).unwrap();
    fs::rename(&folder, outside.path().join("moved")).unwrap();
    is_an_error(&store).await;
    fs::create_dir(&folder).unwrap();
    is_an_error(&store).await;
    assert!(FolderObjects::open(Path::new("does/not/exist")).is_err());
}

async fn is_an_error(store: &FolderObjects) {
    let key = key("scan.pdf");
    assert_eq!(store.describe().await, Err(ObjectError::NoSuchFolder));
    assert_eq!(store.versions(&key).await, Err(ObjectError::NoSuchFolder));
    let outcome = store
        .remove(&[version(&key, "file"), version(&key, "file")])
        .await;
    assert_eq!(outcome.failed.len(), 1);
    assert_eq!(outcome.unattempted.len(), 1);
    let read_back = store.gone(&[key.clone(), key]).await;
    assert!(read_back.gone.is_empty());
    assert_eq!(read_back.unread.len(), 2);
}
