//! A bucket with versions and Object Lock, and what only such a bucket does.

use std::collections::BTreeMap;

use aws_config::BehaviorVersion;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, Region};
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{ChecksumAlgorithm, ObjectLockMode};
use aws_smithy_http_client::Builder as HttpClientBuilder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use jiff::Timestamp;
use kigen_evidence::leaf::Action;

use super::fixture::{DOCUMENTS, DUE, REQUESTS, SCANS, worlds};
use crate::store::objects::{S3Objects, S3Options};

const REGION: &str = "us-east-1";

const PREFIX: &str = "scans/";

/// A bucket as somebody else sees it.
pub(super) struct Bucket {
    client: Client,
    name: String,
}

impl Bucket {
    /// Makes a bucket with Object Lock, and so with versions.
    pub(super) async fn create(endpoint: &str) -> Self {
        let http = HttpClientBuilder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(endpoint)
            .http_client(http)
            .load()
            .await;
        let config = Builder::from(&config).force_path_style(true).build();
        let bucket = Self {
            client: Client::from_conf(config),
            name: format!("kigen-intents-{}", uuid::Uuid::now_v7().simple()),
        };
        let create = bucket.client.create_bucket().bucket(&bucket.name);
        create
            .object_lock_enabled_for_bucket(true)
            .send()
            .await
            .unwrap();
        bucket
    }

    pub(super) async fn open(&self, endpoint: &str) -> S3Objects {
        let options = S3Options {
            bucket: self.name.clone(),
            prefix: PREFIX.to_owned(),
            region: Some(REGION.to_owned()),
            endpoint: Some(endpoint.to_owned()),
            path_style: true,
        };
        S3Objects::connect(options).await.unwrap()
    }

    /// Adds a delete marker.
    async fn hide(&self, scan: &str) {
        let call = self.client.delete_object().bucket(&self.name);
        call.key(format!("{PREFIX}{scan}")).send().await.unwrap();
    }

    async fn begin_upload(&self, scan: &str) {
        let call = self.client.create_multipart_upload().bucket(&self.name);
        call.key(format!("{PREFIX}{scan}")).send().await.unwrap();
    }

    async fn put_locked(&self, scan: &str, until: Timestamp) {
        let call = self
            .client
            .put_object()
            .bucket(&self.name)
            .key(format!("{PREFIX}{scan}"));
        call.body(ByteStream::from_static(b"locked"))
            .object_lock_mode(ObjectLockMode::Compliance)
            .object_lock_retain_until_date(DateTime::from_secs(until.as_second()))
            // Servers take a lock only with a checksum.
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .send()
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn versions_delete_markers_and_unfinished_uploads_go_and_are_told_apart() {
    for world in &worlds().await.worlds {
        let Some(bucket) = &world.bucket else {
            continue;
        };
        world.request(1, DUE, &["1/a"]).await;
        world.scan("1/a").await;
        bucket.hide("1/a").await;
        bucket.begin_upload("1/a").await;
        let done = world.dispose().await;
        assert_eq!((done.disposed, done.objects_absent), (1, 0), "{done:?}");
        assert!(!world.is_there("1/a").await);
        let expected = BTreeMap::from([
            ((REQUESTS, Action::RowDeleted), 1),
            ((DOCUMENTS, Action::RowDeleted), 1),
            ((SCANS, Action::ObjectVersionDeleted), 2),
            ((SCANS, Action::DeleteMarkerRemoved), 1),
            ((SCANS, Action::UploadAborted), 1),
        ]);
        assert_eq!(world.journal().await, expected);
    }
}

#[tokio::test]
async fn a_version_under_object_lock_keeps_its_record_and_what_went_of_it_is_certified() {
    for world in &worlds().await.worlds {
        let Some(bucket) = &world.bucket else {
            continue;
        };
        world.request(1, DUE, &["1/a"]).await;
        world.request(2, DUE, &["2/a"]).await;
        bucket
            .put_locked("1/a", "2099-12-31T00:00:00Z".parse().unwrap())
            .await;
        world.scan("1/a").await;
        world.scan("2/a").await;
        let done = world.dispose().await;
        assert!(done.stopped_by.is_none(), "{done:?}");
        assert_eq!((done.disposed, done.failed), (1, 0));
        assert_eq!(
            done.deferred,
            BTreeMap::from([("2099-12-31".to_owned(), 1)])
        );
        assert_eq!(world.requests().await, [1]);
        assert!(world.is_there("1/a").await);
        let expected = BTreeMap::from([
            ((REQUESTS, Action::RowDeleted), 1),
            ((DOCUMENTS, Action::RowDeleted), 1),
            // Two of the three versions of the first, both of the second.
            ((SCANS, Action::ObjectVersionDeleted), 4),
        ]);
        assert_eq!(world.journal().await, expected);
        assert_eq!(world.open_intents().await, 0);

        // The last look of the same run finds the lock again and certifies nothing anew.
        let again = world.dispose().await;
        assert_eq!(
            (again.disposed, again.deferred.values().sum::<u64>()),
            (0, 1)
        );
        assert_eq!(world.journal().await, expected);
    }
}
