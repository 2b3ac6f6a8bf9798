//! Killed before or after any file is published, to a folder or to a bucket: the same bytes.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use crate::archive::contract::on_s3::{self, Bucket};
use crate::archive::{Archive, Content, Kind, Listing, PublishError, Put};
use crate::ledger::entry::RunState;
use crate::ledger::fold::fold_runs;
use crate::progress::Progress;
use crate::verify::{Trust, verify_place};

use super::fixture::{Fixture, RUN, rows};

/// A place in whose use the process dies: before a put, or after it, at the moment with a number.
struct WeakPlace {
    place: Arc<dyn Archive>,
    moments_left: AtomicUsize,
}

impl WeakPlace {
    fn lives(&self) -> Result<(), PublishError> {
        let takes = |left: usize| left.checked_sub(1);
        let left = self
            .moments_left
            .try_update(Ordering::SeqCst, Ordering::SeqCst, takes);
        left.map(|_| ()).map_err(|_| PublishError::NotOurs {
            path: "killed".to_owned(),
        })
    }
}

#[async_trait]
impl Archive for WeakPlace {
    fn locate(&self, path: &str) -> String {
        self.place.locate(path)
    }

    async fn put_new(&self, path: &str, content: Content<'_>) -> Result<Put, PublishError> {
        self.lives()?;
        let put = self.place.put_new(path, content).await?;
        self.lives()?;
        Ok(put)
    }

    async fn put_head(&self, path: &str, bytes: &[u8]) -> Result<(), PublishError> {
        self.lives()?;
        self.place.put_head(path, bytes).await?;
        self.lives()
    }

    async fn get(&self, path: &str) -> Result<Option<Vec<u8>>, PublishError> {
        self.place.get(path).await
    }

    async fn get_range(
        &self,
        path: &str,
        range: Range<u64>,
    ) -> Result<Option<Vec<u8>>, PublishError> {
        self.place.get_range(path, range).await
    }

    async fn list(&self, prefix: &str) -> Result<Listing, PublishError> {
        self.place.list(prefix).await
    }
}

/// Everything in a place.
async fn published(place: &dyn Archive) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for file in place.list("").await.unwrap().files {
        assert!(Kind::of(&file.path).is_some(), "{}", file.path);
        let is_replaced = Kind::of(&file.path).is_some_and(Kind::is_replaced);
        assert!(is_replaced || file.rewritten == 0, "{}", file.path);
        let bytes = place.get(&file.path).await.unwrap().unwrap();
        files.insert(file.path, bytes);
    }
    files
}

/// Kills at one moment and seals again; whether there was such a moment.
async fn survives(fixture: &Fixture, place: Arc<dyn Archive>, moment: usize) -> bool {
    let weak = WeakPlace {
        place: Arc::clone(&place),
        moments_left: AtomicUsize::new(moment),
    };
    let attempt = fixture.seal_to(&weak, &*fixture.ledger, 90).await;
    let before = if attempt.is_ok() || moment > 0 {
        published(&*place).await
    } else {
        BTreeMap::new()
    };
    let again = fixture.seal_to(&*place, &*fixture.ledger, 900);
    assert_eq!(again.await.unwrap().certificates.len(), 2);
    let after = published(&*place).await;
    for (path, bytes) in &before {
        let is_replaced = Kind::of(path).is_some_and(Kind::is_replaced);
        assert!(is_replaced || after[path] == *bytes, "{path}");
    }
    let entries = fixture.ledger.entries_of(RUN).await.unwrap();
    assert_eq!(fold_runs(&entries)[0].state, RunState::Published);
    let trust = Trust::Given(fixture.key().to_vec());
    let verified = verify_place(&place, trust, &Progress::in_log())
        .await
        .unwrap();
    assert!(verified.holds(), "{verified:?}");
    assert_eq!(verified.certificates().count(), 2);
    // Sealing at another time finds everything as it is.
    let third = fixture.seal_to(&*place, &*fixture.ledger, 9_000);
    third.await.unwrap();
    assert_eq!(published(&*place).await, after);
    attempt.is_err()
}

#[tokio::test]
async fn a_death_before_or_after_any_file_in_a_folder_changes_no_byte() {
    let mut moments = 0;
    loop {
        let fixture = Fixture::finished(rows(2)).await;
        if !survives(&fixture, fixture.place(), moments).await {
            break;
        }
        moments += 1;
    }
    // Two moments for each file.
    let fixture = Fixture::finished(rows(2)).await;
    let announced = published(&*fixture.place()).await;
    fixture.seal(90).await.unwrap();
    let sealed = published(&*fixture.place()).await;
    let is_written = |(path, bytes): &(&String, &Vec<u8>)| announced.get(*path) != Some(*bytes);
    assert_eq!(moments, 2 * sealed.iter().filter(is_written).count());
}

#[tokio::test]
async fn a_death_before_or_after_any_file_in_a_bucket_changes_no_byte() {
    let mut moments = 0;
    loop {
        let Some(place) = on_s3::place(Bucket::Lockable, on_s3::five_years()).await else {
            return;
        };
        let fixture = Fixture::finished(rows(2)).await;
        if !survives(&fixture, Arc::new(place), moments).await {
            break;
        }
        moments += 1;
    }
    assert!(moments >= 20, "{moments}");
}

#[tokio::test]
async fn a_bucket_gets_the_bytes_that_a_folder_gets() {
    let Some(bucket) = on_s3::place(Bucket::Versioned, on_s3::NO_LOCK).await else {
        return;
    };
    let fixture = Fixture::finished(rows(2)).await;
    fixture.seal(90).await.unwrap();
    let seal = fixture.seal_to(&bucket, &*fixture.ledger, 90);
    seal.await.unwrap();
    let mut in_folder = published(&*fixture.place()).await;
    // The bucket has not seen the plan before its end.
    in_folder.retain(|path, _| !path.ends_with(".p/1"));
    assert_eq!(published(&bucket).await, in_folder);
    // What was made on the way is gone.
    assert_eq!(std::fs::read_dir(fixture.work()).unwrap().count(), 0);
}
