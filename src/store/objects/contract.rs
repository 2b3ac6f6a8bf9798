//! What every object store has to keep to: one suite, run on a folder and on a real S3 server.

mod canned;
mod on_canned_answers;
mod on_folder;
mod on_s3;

use super::{ObjectDisposer, ObjectKey, ObjectPart, ObjectWriter, VersionId, VersionToRemove};

/// A store that the suite can also write to.
trait Store: ObjectDisposer + ObjectWriter {}

impl<T: ObjectDisposer + ObjectWriter> Store for T {}

/// Runs the whole suite on an empty `store`.
async fn obeys_the_contract(store: &dyn Store) {
    what_was_never_there_is_absent_and_no_error(store).await;
    its_calls_can_be_tried(store).await;
    everything_of_a_key_goes_and_reads_back_as_gone(store).await;
    a_removal_can_be_repeated(store).await;
    a_key_that_begins_like_another_is_not_touched(store).await;
    keys_with_unusual_characters_go(store).await;
    more_keys_than_one_call_takes_all_go(store).await;
}

async fn what_was_never_there_is_absent_and_no_error(store: &dyn Store) {
    let key = key("never/there.pdf");
    assert!(store.versions(&key).await.unwrap().is_empty());
    let read_back = store.gone(std::slice::from_ref(&key)).await;
    assert_eq!(read_back.gone, vec![key.clone()]);

    let outcome = store.remove(&[version(&key, "never-there")]).await;
    assert_eq!(outcome.len(), 1);
    // Servers do not always tell "gone before" from "gone now".
    assert_eq!(
        outcome.removed.len() + outcome.absent.len(),
        1,
        "{outcome:?}"
    );

    assert!(store.remove(&[]).await.is_empty());
}

async fn its_calls_can_be_tried(store: &dyn Store) {
    let kept = key("kept.pdf");
    store.put(&kept, b"scan").await.unwrap();
    store.try_calls().await.unwrap();
    let found = store.versions(&kept).await.unwrap();
    assert_eq!(found.versions.len(), 1);
    assert!(store.remove(&found.to_remove()).await.is_complete());
}

async fn everything_of_a_key_goes_and_reads_back_as_gone(store: &dyn Store) {
    let key = key("request/1/scan.pdf");
    store.put(&key, b"first").await.unwrap();
    store.put(&key, b"second").await.unwrap();
    let found = store.versions(&key).await.unwrap();
    assert!(!found.versions.is_empty());
    let before = store.gone(std::slice::from_ref(&key)).await;
    assert_eq!(before.left, vec![found.clone()]);

    let batch = found.to_remove();
    let outcome = store.remove(&batch).await;
    assert_eq!(outcome.removed, batch, "{outcome:?}");
    assert!(outcome.is_complete());
    let after = store.gone(std::slice::from_ref(&key)).await;
    assert_eq!(after.gone, vec![key]);
}

async fn a_removal_can_be_repeated(store: &dyn Store) {
    let key = key("request/2/scan.pdf");
    store.put(&key, b"scan").await.unwrap();
    let batch = store.versions(&key).await.unwrap().to_remove();
    for _ in 0..3 {
        let outcome = store.remove(&batch).await;
        assert_eq!(outcome.len(), batch.len());
        assert!(outcome.is_complete(), "{outcome:?}");
    }
    assert!(store.versions(&key).await.unwrap().is_empty());
}

async fn a_key_that_begins_like_another_is_not_touched(store: &dyn Store) {
    let short = key("request/3");
    let longer = key("request/3-b");
    let other_case = key("Request/3");
    for key in [&short, &longer, &other_case] {
        store.put(key, b"scan").await.unwrap();
    }
    let batch = store.versions(&short).await.unwrap().to_remove();
    assert_eq!(batch.len(), 1);
    assert!(store.remove(&batch).await.is_complete());
    assert!(store.versions(&short).await.unwrap().is_empty());
    for key in [&longer, &other_case] {
        assert_eq!(store.versions(key).await.unwrap().versions.len(), 1);
    }
}

async fn keys_with_unusual_characters_go(store: &dyn Store) {
    let keys: Vec<ObjectKey> = [
        "本人確認/山田 太郎（旧姓 鈴木）.pdf",
        "a&b/<c>'\"d+e%20f?g#h.pdf",
        "が/カ\u{3099}.pdf",
    ]
    .map(key)
    .to_vec();
    for key in &keys {
        store.put(key, b"scan").await.unwrap();
        let batch = store.versions(key).await.unwrap().to_remove();
        assert_eq!(batch.len(), 1);
        let outcome = store.remove(&batch).await;
        assert_eq!(outcome.removed, batch, "{outcome:?}");
    }
    assert_eq!(store.gone(&keys).await.gone, keys);
}

/// Most of the keys were never there: that is quicker, and the calls are as long.
async fn more_keys_than_one_call_takes_all_go(store: &dyn Store) {
    let keys: Vec<ObjectKey> = (0..300).map(|n| key(&format!("many/{n:03}.pdf"))).collect();
    let ends_of_both_calls = [0, 249, 250, 299].map(|n| keys[n].clone());
    let mut batch: Vec<VersionToRemove> =
        keys.iter().map(|key| version(key, "never-there")).collect();
    for key in &ends_of_both_calls {
        store.put(key, b"scan").await.unwrap();
        let found = store.versions(key).await.unwrap().to_remove();
        let place = keys.binary_search(key).unwrap();
        batch[place] = found[0].clone();
    }
    let outcome = store.remove(&batch).await;
    assert_eq!(outcome.len(), 300);
    assert!(outcome.is_complete(), "{outcome:?}");
    for key in &ends_of_both_calls {
        assert!(outcome.removed.iter().any(|version| version.key == *key));
    }
    assert_eq!(
        store.gone(&ends_of_both_calls).await.gone,
        ends_of_both_calls
    );
}

fn key(text: &str) -> ObjectKey {
    ObjectKey::parse(text).unwrap()
}

fn version(key: &ObjectKey, id: &str) -> VersionToRemove {
    VersionToRemove {
        key: key.clone(),
        part: ObjectPart::Version(VersionId::new(id)),
    }
}
