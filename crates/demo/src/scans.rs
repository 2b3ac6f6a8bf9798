//! The demonstration's object store: made ready, filled, and listed past everything that kigen
//! does there itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Builder, Region};
use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration,
    VersioningConfiguration,
};
use aws_smithy_http_client::Builder as HttpClientBuilder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

use crate::company::{FolderOfScans, ScanError, ScanSink};
use crate::place::{BUCKET, Place, REGION};
use kigen::store::objects::{ObjectKey, ObjectWriter, S3Objects, S3Options};

/// How many versions of each object there are, delete markers counted; by key.
pub(crate) type Listing = BTreeMap<String, u64>;

/// The object store as the demonstration itself sees it.
pub(crate) enum Scans {
    Folder(PathBuf),
    Bucket { client: Client, endpoint: String },
}

impl Scans {
    /// Opens the object store of `place`; creates it where it is missing.
    pub(crate) async fn open(place: &Place) -> anyhow::Result<Self> {
        let Some(endpoint) = &place.s3_endpoint else {
            let folder = place.scans();
            std::fs::create_dir_all(&folder)
                .with_context(|| format!("make folder `{}`", folder.display()))?;
            return Ok(Self::Folder(folder));
        };
        let client = client(endpoint).await;
        make_bucket(&client).await?;
        Ok(Self::Bucket {
            client,
            endpoint: endpoint.clone(),
        })
    }

    /// Takes the generated scans.
    pub(crate) async fn sink(&self) -> anyhow::Result<Box<dyn ScanSink>> {
        match self {
            Self::Folder(folder) => Ok(Box::new(FolderOfScans::new(folder.clone()))),
            Self::Bucket { endpoint, .. } => {
                let options = S3Options {
                    bucket: BUCKET.to_owned(),
                    prefix: String::new(),
                    region: Some(REGION.to_owned()),
                    endpoint: Some(endpoint.clone()),
                    path_style: true,
                };
                Ok(Box::new(BucketOfScans(S3Objects::connect(options).await?)))
            }
        }
    }

    /// Everything that the store holds.
    pub(crate) async fn list(&self) -> anyhow::Result<Listing> {
        match self {
            Self::Folder(folder) => {
                let mut found = Listing::new();
                list_folder(folder, folder, &mut found)
                    .with_context(|| format!("list folder `{}`", folder.display()))?;
                Ok(found)
            }
            Self::Bucket { client, .. } => list_bucket(client).await,
        }
    }
}

/// A bucket that takes scans.
struct BucketOfScans(S3Objects);

#[async_trait]
impl ScanSink for BucketOfScans {
    async fn put(&mut self, key: &str, bytes: Vec<u8>) -> Result<(), ScanError> {
        let key = ObjectKey::parse(key)?;
        Ok(self.0.put(&key, &bytes).await?)
    }
}

fn list_folder(root: &Path, folder: &Path, found: &mut Listing) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list_folder(root, &path, found)?;
            continue;
        }
        let key = path.strip_prefix(root).unwrap_or(&path);
        found.insert(key.display().to_string(), 1);
    }
    Ok(())
}

async fn client(endpoint: &str) -> Client {
    let http = HttpClientBuilder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let found = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .region(Region::from_static(REGION))
        .load()
        .await;
    let config = Builder::from(&found)
        .endpoint_url(endpoint)
        .force_path_style(true);
    Client::from_conf(config.build())
}

async fn make_bucket(client: &Client) -> anyhow::Result<()> {
    if client.head_bucket().bucket(BUCKET).send().await.is_ok() {
        return Ok(());
    }
    let place = CreateBucketConfiguration::builder()
        .location_constraint(BucketLocationConstraint::from(REGION))
        .build();
    let created = client
        .create_bucket()
        .bucket(BUCKET)
        .create_bucket_configuration(place)
        .send()
        .await;
    created.map_err(|error| refused("create bucket", error))?;
    let versioning = VersioningConfiguration::builder()
        .status(BucketVersioningStatus::Enabled)
        .build();
    let kept = client
        .put_bucket_versioning()
        .bucket(BUCKET)
        .versioning_configuration(versioning)
        .send()
        .await;
    kept.map_err(|error| refused("keep versions in bucket", error))?;
    Ok(())
}

async fn list_bucket(client: &Client) -> anyhow::Result<Listing> {
    let mut found = Listing::new();
    let (mut key_marker, mut version_marker) = (None, None);
    loop {
        let page = client
            .list_object_versions()
            .bucket(BUCKET)
            .set_key_marker(key_marker)
            .set_version_id_marker(version_marker)
            .send()
            .await
            .map_err(|error| refused("list bucket", error))?;
        let versions = page.versions().iter().filter_map(|version| version.key());
        let markers = page
            .delete_markers()
            .iter()
            .filter_map(|marker| marker.key());
        for key in versions.chain(markers) {
            *found.entry(key.to_owned()).or_default() += 1;
        }
        if page.is_truncated() != Some(true) {
            return Ok(found);
        }
        key_marker = page.next_key_marker().map(str::to_owned);
        version_marker = page.next_version_id_marker().map(str::to_owned);
    }
}

fn refused(what: &str, error: impl std::error::Error) -> anyhow::Error {
    anyhow::anyhow!("{what} `{BUCKET}`: {}", DisplayErrorContext(&error))
}
