//! Amazon S3 and servers that speak its protocol.

mod answers;
mod call;
mod delete;
mod describe;
mod fault;
mod list;
mod lock;
mod tried;

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, ProvideCredentials as _, Region, RequestChecksumCalculation,
    ResponseChecksumValidation, SharedHttpClient, StalledStreamProtectionConfig,
};
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_http_client::Builder as HttpClientBuilder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

use super::error::ObjectError;
use super::key::ObjectKey;
use super::outcome::{ObjectVersions, RemovalOutcome, StoreDescription, VersionToRemove};
use super::{ObjectDisposer, ObjectInventory, ObjectWriter, Place, RefusedCall};

pub(crate) use answers::Answers;
pub(crate) use call::{obeyed, within};
pub(crate) use fault::fault;

/// How long one try of a call may take: a slow gateway needs seconds for a full call, and a call
/// that is given up may have taken full effect.
const ATTEMPT_TIMEOUT: Duration = Duration::from_mins(1);
/// How long a call may take with all its tries.
const CALL_TIMEOUT: Duration = Duration::from_mins(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long credentials may take that a server has to give.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(30);
/// Tries of one call, the first included.
const ATTEMPTS: u32 = 5;
/// Versions or uploads on one page of a list: the most that S3 gives.
const PAGE_KEYS: i32 = 1000;
/// The region told to a server with an endpoint of its own that does not care about regions.
const REGION_OF_NOWHERE: &str = "us-east-1";

/// Where a bucket is.
#[derive(Clone)]
pub struct S3Options {
    pub bucket: String,
    /// Put before every key, as it is; may be empty.
    pub prefix: String,
    /// `None`: as the environment says.
    pub region: Option<String>,
    /// URL of a server other than Amazon's.
    pub endpoint: Option<String>,
    /// Whether the bucket stands in the path instead of the host name.
    pub path_style: bool,
}

/// Objects in one bucket.
pub struct S3Objects {
    client: Client,
    bucket: String,
    prefix: String,
    /// Versions or uploads on one page of a list; tests make it small.
    page_keys: i32,
    /// What the server said last about itself and the time.
    answers: Answers,
}

impl S3Objects {
    /// Prepares the client; the bucket itself is first asked by
    /// [`describe`](ObjectInventory::describe).
    ///
    /// Credentials come from the SDK's default chain: environment, profile, web identity, pod,
    /// instance. That chain is the one place where a store reads the environment by itself,
    /// because the SDK also renews what it finds there.
    pub async fn connect(options: S3Options) -> Result<Self, ObjectError> {
        Ok(Self::over(found_around_us(&options).await?, options))
    }

    fn over(config: Builder, options: S3Options) -> Self {
        let (client, answers) = client_over(config, &options);
        Self {
            client,
            bucket: options.bucket,
            prefix: options.prefix,
            page_keys: PAGE_KEYS,
            answers,
        }
    }

    /// The key as the bucket knows it.
    fn full_key(&self, key: &ObjectKey) -> String {
        format!("{}{}", self.prefix, key.as_str())
    }
}

/// A client for the bucket of `options`, and what its server says beside its answers; with the
/// credentials that [`S3Objects::connect`] takes.
pub(crate) async fn client(options: &S3Options) -> Result<(Client, Answers), ObjectError> {
    Ok(client_over(found_around_us(options).await?, options))
}

/// Region, credentials and tries, as the environment and `options` say.
async fn found_around_us(options: &S3Options) -> Result<Builder, ObjectError> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http_client());
    if let Some(region) = &options.region {
        loader = loader.region(Region::new(region.clone()));
    }
    let found = loader.load().await;
    let credentials = found
        .credentials_provider()
        .ok_or(ObjectError::NoCredentials)?;
    match within(CREDENTIALS_TIMEOUT, credentials.provide_credentials()).await {
        Ok(Ok(_)) => {}
        Ok(Err(_)) => return Err(ObjectError::NoCredentials),
        Err(outage) => return Err(ObjectError::Unreachable(outage)),
    }
    let mut config = Builder::from(&found);
    if found.region().is_none() {
        if options.endpoint.is_none() {
            return Err(ObjectError::NoRegion);
        }
        config = config.region(Region::from_static(REGION_OF_NOWHERE));
    }
    // Adaptive: the standard tries, and a rate that follows the server's `SlowDown`.
    let tries = RetryConfig::adaptive().with_max_attempts(ATTEMPTS);
    Ok(config.retry_config(tries))
}

/// Puts the settings that do not depend on where the bucket is on top of `config`.
fn client_over(config: Builder, options: &S3Options) -> (Client, Answers) {
    let answers = Answers::default();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(CALL_TIMEOUT)
        .build();
    let mut config = config
        .timeout_config(timeouts)
        // A slow server sends nothing while it removes; the timeouts above are the guard.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        // Servers older than 2025 do not know the checksums that newer SDKs add to each call.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .force_path_style(options.path_style)
        .interceptor(answers.clone());
    if let Some(endpoint) = &options.endpoint {
        config = config.endpoint_url(endpoint);
    }
    (Client::from_conf(config.build()), answers)
}

fn http_client() -> SharedHttpClient {
    HttpClientBuilder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https()
}

#[async_trait]
impl ObjectInventory for S3Objects {
    async fn describe(&self) -> Result<StoreDescription, ObjectError> {
        describe::describe(self).await
    }

    fn place(&self) -> Place {
        Place {
            shown: format!("s3://{}/{}", self.bucket, self.prefix),
            before: self.prefix.clone(),
            bucket: self.bucket.clone(),
        }
    }

    async fn versions(&self, key: &ObjectKey) -> Result<ObjectVersions, ObjectError> {
        list::versions(self, key).await
    }
}

#[async_trait]
impl ObjectDisposer for S3Objects {
    async fn remove(&self, batch: &[VersionToRemove]) -> RemovalOutcome {
        delete::remove(self, batch).await
    }

    async fn try_calls(&self) -> Result<(), RefusedCall> {
        tried::try_calls(self).await
    }
}

#[async_trait]
impl ObjectWriter for S3Objects {
    async fn put(&self, key: &ObjectKey, bytes: &[u8]) -> Result<(), ObjectError> {
        let put = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(self.full_key(key))
            .body(ByteStream::from(bytes.to_vec()));
        let put = obeyed("PutObject", put.send()).await;
        put.map_err(|error| fault(&error))?;
        Ok(())
    }
}

/// What only tests may reach into.
#[cfg(test)]
impl S3Objects {
    pub(super) fn for_tests(config: Builder, options: S3Options) -> Self {
        Self::over(config.http_client(http_client()), options)
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn bucket(&self) -> &str {
        &self.bucket
    }

    pub(super) fn with_page_keys(mut self, page_keys: i32) -> Self {
        self.page_keys = page_keys;
        self
    }
}
