//! The suite on a real S3 server, and what only versions, locks and uploads can do wrong.
//!
//! `KIGEN_TEST_S3_ENDPOINT` names the server; `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` let
//! us in.

use std::env;
use std::io::Write as _;

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{BucketVersioningStatus, ObjectLockMode, VersioningConfiguration};
use jiff::Timestamp;

use crate::archive::{Archive as _, Content, PublishError, Put, S3Place, Standing, Versions};
use crate::config::{CertificatesBucket, LockMode, Retain};

use super::{LEAVES, STATEMENT, large_file, obeys_the_contract};

/// What kind of bucket a test wants.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bucket {
    Plain,
    Versioned,
    Lockable,
}

pub(crate) const NO_LOCK: Option<Retain> = None;

/// A lock that can be taken back.
pub(crate) fn five_years() -> Option<Retain> {
    retain(LockMode::Governance)
}

fn retain(mode: LockMode) -> Option<Retain> {
    let period = "P5Y".parse().unwrap();
    Some(Retain { period, mode })
}

#[tokio::test]
async fn buckets_of_every_kind_obey_the_contract() {
    let scratch = tempfile::tempdir().unwrap();
    for (kind, retain) in [
        (Bucket::Plain, NO_LOCK),
        (Bucket::Versioned, NO_LOCK),
        (Bucket::Lockable, NO_LOCK),
        (Bucket::Lockable, retain(LockMode::Governance)),
    ] {
        let Some(place) = place(kind, retain).await else {
            return;
        };
        obeys_the_contract(&place, scratch.path()).await;
        assert!(place.unfinished_uploads("").await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn what_is_published_is_locked_for_five_years_also_when_it_comes_in_parts() {
    let scratch = tempfile::tempdir().unwrap();
    let file = large_file(scratch.path(), 0);
    for mode in [LockMode::Governance, LockMode::Compliance] {
        let Some(place) = place(Bucket::Lockable, retain(mode)).await else {
            return;
        };
        let small = place.put_new(STATEMENT, Content::Bytes(b"{}")).await;
        assert_eq!(small.unwrap(), Put::Created);
        let large = place.put_new(LEAVES, Content::File(&file)).await;
        assert_eq!(large.unwrap(), Put::Created);
        for path in [STATEMENT, LEAVES] {
            let found = place.standing(path, None).await.unwrap().unwrap();
            let expected = match mode {
                LockMode::Governance => ObjectLockMode::Governance,
                LockMode::Compliance => ObjectLockMode::Compliance,
            };
            assert_eq!(found.lock_mode, Some(expected), "{path}");
            let until = found.locked_until.unwrap();
            let days = (until - Timestamp::now())
                .total(jiff::Unit::Second)
                .unwrap()
                / 86_400.0;
            assert!((365.0 * 5.0..365.0 * 5.0 + 4.0).contains(&days), "{days}");
            // Nobody takes it away, not even by its version.
            let removed = place
                .client
                .delete_object()
                .bucket(&place.bucket)
                .key(place.key(path))
                .version_id(found.version.unwrap())
                .send()
                .await;
            assert!(removed.is_err(), "{path}");
        }
    }
}

#[tokio::test]
async fn what_was_published_before_locks_were_configured_is_locked_when_it_is_published_again() {
    let Some(mut place) = place(Bucket::Lockable, NO_LOCK).await else {
        return;
    };
    let put = async |place: &S3Place| place.put_new(STATEMENT, Content::Bytes(b"{}")).await;
    assert_eq!(put(&place).await.unwrap(), Put::Created);
    place.retain = retain(LockMode::Governance);
    assert_eq!(put(&place).await.unwrap(), Put::AlreadyEqual);
    let found = place.standing(STATEMENT, None).await.unwrap().unwrap();
    assert_eq!(found.lock_mode, Some(ObjectLockMode::Governance));
}

#[tokio::test]
async fn a_bucket_that_cannot_lock_is_not_published_to_when_locks_are_configured() {
    let Some(place) = place(Bucket::Versioned, retain(LockMode::Compliance)).await else {
        return;
    };
    let error = place.put_new(STATEMENT, Content::Bytes(b"{}")).await;
    let error = error.unwrap_err();
    assert!(
        matches!(error, PublishError::NoObjectLock { .. }),
        "{error}"
    );
    assert!(place.list("").await.unwrap().files.is_empty());
}

#[tokio::test]
async fn an_upload_that_was_cut_is_aborted_and_done_again() {
    let Some(place) = place(Bucket::Versioned, NO_LOCK).await else {
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    let file = large_file(scratch.path(), 0);
    for path in [LEAVES, "own/run-2/leaves.bin"] {
        begin_upload(&place, path).await;
    }
    let listing = place.list("").await.unwrap();
    let unfinished = |file: &&crate::archive::Listed| file.standing == Standing::Unfinished;
    assert_eq!(listing.files.iter().filter(unfinished).count(), 2);
    let put = place.put_new(LEAVES, Content::File(&file)).await;
    assert_eq!(put.unwrap(), Put::Created);
    let left = place.unfinished_uploads("").await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].path, "own/run-2/leaves.bin");
}

#[cfg(feature = "failpoints")]
#[tokio::test]
async fn a_death_between_two_parts_or_before_they_are_joined_leaves_nothing_that_stays() {
    let scenario = fail::FailScenario::setup();
    let scratch = tempfile::tempdir().unwrap();
    let file = large_file(scratch.path(), 0);
    for (name, times) in [
        ("publish.before-part", 3),
        ("publish.before-parts-are-joined", 1),
    ] {
        for time in 0..times {
            let Some(place) = place(Bucket::Lockable, five_years()).await else {
                return;
            };
            let place = std::sync::Arc::new(place);
            fail::cfg(name, &format!("{time}*off->1*panic(killed)->off")).unwrap();
            let (killed, content) = (place.clone(), file.clone());
            let task = tokio::spawn(async move {
                let put = killed.put_new(LEAVES, Content::File(&content)).await;
                put.map(|_| ())
            });
            assert!(task.await.unwrap_err().is_panic(), "{name} {time}");
            fail::remove(name);
            assert_eq!(place.unfinished_uploads("").await.unwrap().len(), 1);
            assert_eq!(place.get_range(LEAVES, 0..1).await.unwrap(), None);
            let put = place.put_new(LEAVES, Content::File(&file)).await;
            assert_eq!(put.unwrap(), Put::Created);
            assert!(place.unfinished_uploads("").await.unwrap().is_empty());
        }
    }
    scenario.teardown();
}

#[tokio::test]
async fn four_million_leaves_are_published_and_compared_in_64_mib() {
    if std::env::var_os("NEXTEST_EXECUTION_MODE").is_none_or(|mode| mode != "process-per-test") {
        // Past the test harness, which would swallow what a passing test prints.
        let skipped = "SKIPPED: memory is measured under `cargo nextest` (`make test`) only\n";
        std::io::stderr().write_all(skipped.as_bytes()).unwrap();
        return;
    }
    let Some(place) = place(Bucket::Lockable, five_years()).await else {
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("leaves.bin");
    let mut leaves = std::io::BufWriter::new(std::fs::File::create(&file).unwrap());
    for number in 0..4_000_000_u64 {
        let mut leaf = [1; 36];
        leaf[4..12].copy_from_slice(&number.to_be_bytes());
        leaves.write_all(&leaf).unwrap();
    }
    drop(leaves.into_inner().unwrap());
    let peak = || -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let number = line.unwrap().split_whitespace().nth(1).unwrap();
        number.parse().unwrap()
    };
    let (before, began) = (peak(), std::time::Instant::now());
    let put = place.put_new(LEAVES, Content::File(&file)).await;
    assert_eq!(put.unwrap(), Put::Created);
    let grown = peak() - before;
    let told = format!(
        "144 MB: {grown} KiB more at the peak, {:?}",
        began.elapsed()
    );
    writeln!(std::io::stderr(), "{told}").unwrap();
    assert!(grown < 64 * 1024, "{grown} KiB");
}

#[tokio::test]
async fn what_a_delete_marker_hides_and_what_was_rewritten_is_listed() {
    let Some(place) = place(Bucket::Versioned, NO_LOCK).await else {
        return;
    };
    for path in [STATEMENT, "own/run-2/statement.json"] {
        let put = place.put_new(path, Content::Bytes(b"{}"));
        assert_eq!(put.await.unwrap(), Put::Created);
    }
    let key = place.key(STATEMENT);
    let hide = place.client.delete_object().bucket(&place.bucket);
    hide.key(&key).send().await.unwrap();
    let put = place.client.put_object().bucket(&place.bucket);
    let put = put.key(place.key("own/run-2/statement.json"));
    put.body(b"[]".to_vec().into()).send().await.unwrap();

    let listing = place.list("").await.unwrap();
    assert_eq!(listing.versions, Versions::Seen);
    let found: Vec<_> = listing
        .files
        .iter()
        .map(|file| (file.path.as_str(), file.standing, file.rewritten))
        .collect();
    let expected = [
        (STATEMENT, Standing::Hidden, 0),
        ("own/run-2/statement.json", Standing::Visible, 1),
    ];
    assert_eq!(found, expected);
    assert_eq!(place.get(STATEMENT).await.unwrap(), None);
    // Published again it stands there again; the marker and the version below stay.
    let put = place.put_new(STATEMENT, Content::Bytes(b"{}")).await;
    assert_eq!(put.unwrap(), Put::Created);
    let listing = place.list(STATEMENT).await.unwrap();
    assert_eq!(listing.files[0].standing, Standing::Visible);
    assert_eq!(listing.files[0].rewritten, 0);
}

#[tokio::test]
async fn a_bucket_that_does_not_exist_is_an_error() {
    let Some(place) = connect("kigen-no-such-bucket", endpoint(), NO_LOCK).await else {
        return;
    };
    let put = place.put_new(STATEMENT, Content::Bytes(b"{}")).await;
    assert!(put.is_err());
    assert!(place.get(STATEMENT).await.is_err());
    assert!(place.list("").await.is_err());
}

/// Makes a bucket of its own for a test, or says loudly that there is no server.
pub(crate) async fn place(kind: Bucket, retain: Option<Retain>) -> Option<S3Place> {
    let name = format!("kigen-publish-{}", uuid::Uuid::now_v7().simple());
    let place = connect(&name, endpoint(), retain).await?;
    make_bucket(&place.client, &name, kind).await;
    Some(place)
}

pub(super) async fn make_bucket(client: &Client, name: &str, kind: Bucket) {
    client
        .create_bucket()
        .bucket(name)
        .object_lock_enabled_for_bucket(kind == Bucket::Lockable)
        .send()
        .await
        .unwrap();
    if kind != Bucket::Versioned {
        return;
    }
    let status = BucketVersioningStatus::Enabled;
    let configuration = VersioningConfiguration::builder().status(status).build();
    let call = client.put_bucket_versioning().bucket(name);
    let call = call.versioning_configuration(configuration);
    call.send().await.unwrap();
}

fn endpoint() -> Option<String> {
    let found = env::var("KIGEN_TEST_S3_ENDPOINT").ok();
    if found.is_none() {
        let is_required = env::var("KIGEN_REQUIRE_SERVICES").is_ok_and(|value| value == "1");
        assert!(!is_required, "KIGEN_TEST_S3_ENDPOINT names no server");
        // Past the capture of test output: a skipped test must be seen.
        let told = "SKIPPED: no S3 server in KIGEN_TEST_S3_ENDPOINT";
        writeln!(std::io::stderr(), "{told}").unwrap();
    }
    found
}

pub(super) async fn connect(
    bucket: &str,
    endpoint: Option<String>,
    retain: Option<Retain>,
) -> Option<S3Place> {
    let bucket = CertificatesBucket {
        bucket: bucket.to_owned(),
        prefix: "evidence/v1".to_owned(),
        region: Some("us-east-1".to_owned()),
        endpoint: Some(endpoint?),
        path_style: true,
        retain,
    };
    Some(S3Place::connect(&bucket).await.unwrap())
}

async fn begin_upload(place: &S3Place, path: &str) {
    let call = place
        .client
        .create_multipart_upload()
        .bucket(&place.bucket)
        .key(place.key(path));
    let upload = call.send().await.unwrap();
    let part = place
        .client
        .upload_part()
        .bucket(&place.bucket)
        .key(place.key(path))
        .upload_id(upload.upload_id().unwrap())
        .part_number(1)
        .body(b"half".to_vec().into());
    part.send().await.unwrap();
}
