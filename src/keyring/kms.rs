//! The keyring's file under a key of AWS KMS.
//!
//! The file is encrypted with AES-256-GCM under a data key that KMS made; the data key stands beside
//! it, wrapped by KMS. KMS is asked once when a keyring is opened, and never when it is replaced.

use std::path::Path;
use std::time::Duration;

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit};
use aws_sdk_kms::Client;
use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_kms::config::{BehaviorVersion, Builder, Region};
use aws_sdk_kms::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use aws_smithy_http_client::Builder as HttpClientBuilder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{KeyringError, NONCE_LENGTH, Secret, random};
use crate::store::objects::s3::obeyed;

/// How such a file begins; the wrapped data key and the sealed text follow, a line each.
pub(super) const MAGIC: &str = "kigen-keyring-under-kms/v1\n";
/// KMS opens the data key with the same words only; they stand in its audit log.
const CONTEXT: (&str, &str) = ("kigen", "keyring");
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);
const CALL_TIMEOUT: Duration = Duration::from_mins(1);
/// The region told to a server with an endpoint of its own that does not care about regions.
const REGION_OF_NOWHERE: &str = "us-east-1";
const HINT: &str =
    "the worker's role needs kms:Decrypt on this key, and kms:GenerateDataKey to make a keyring";

/// A key of AWS KMS, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KmsKey {
    /// Id, ARN or alias of the key.
    pub key_id: String,
    /// `None`: as the environment says.
    pub region: Option<String>,
    /// URL of a server other than Amazon's.
    pub endpoint: Option<String>,
}

/// A data key, open and as KMS wrapped it.
#[derive(Clone)]
pub(super) struct KmsSeal {
    wrapped: Vec<u8>,
    data_key: Secret,
}

impl KmsSeal {
    /// Asks KMS for a new data key.
    pub(super) async fn generate(key: &KmsKey) -> Result<Self, KeyringError> {
        const ACTION: &str = "make a data key";
        let client = client(key).await;
        let answer = obeyed(
            "GenerateDataKey",
            client
                .generate_data_key()
                .key_id(&key.key_id)
                .key_spec(DataKeySpec::Aes256)
                .encryption_context(CONTEXT.0, CONTEXT.1)
                .send(),
        )
        .await
        .map_err(|error| failed(ACTION, key, &error))?;
        let wrapped = answer.ciphertext_blob.map(Blob::into_inner);
        Self::of(ACTION, key, wrapped, answer.plaintext)
    }

    /// Has KMS open the data key of the file at `path`.
    pub(super) async fn of_file(
        key: &KmsKey,
        path: &Path,
        file: &[u8],
    ) -> Result<Self, KeyringError> {
        const ACTION: &str = "open the keyring's data key";
        let (wrapped, _) = parts(path, file)?;
        let client = client(key).await;
        let answer = obeyed(
            "Decrypt",
            client
                .decrypt()
                .key_id(&key.key_id)
                .ciphertext_blob(Blob::new(wrapped.clone()))
                .encryption_context(CONTEXT.0, CONTEXT.1)
                .send(),
        )
        .await
        .map_err(|error| failed(ACTION, key, &error))?;
        Self::of(ACTION, key, Some(wrapped), answer.plaintext)
    }

    fn of(
        action: &'static str,
        key: &KmsKey,
        wrapped: Option<Vec<u8>>,
        data_key: Option<Blob>,
    ) -> Result<Self, KeyringError> {
        let data_key = data_key.map(|blob| Zeroizing::new(blob.into_inner()));
        let bytes = data_key
            .as_ref()
            .and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
        match wrapped.zip(bytes) {
            Some((wrapped, bytes)) => Ok(Self {
                wrapped,
                data_key: Zeroizing::new(bytes),
            }),
            None => Err(KeyringError::Kms {
                action,
                key_id: key.key_id.clone(),
                why: "the answer holds no data key of 32 bytes".to_owned(),
                hint: HINT,
            }),
        }
    }

    /// The text in the file at `path`.
    pub(super) fn open(
        &self,
        path: &Path,
        file: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
        let (wrapped, sealed) = parts(path, file)?;
        let failed = |why: &str| KeyringError::DoesNotOpen {
            path: path.to_owned(),
            why: why.to_owned(),
        };
        if wrapped != self.wrapped {
            return Err(failed("its data key was replaced meanwhile; try again"));
        }
        let (nonce, sealed) = sealed
            .split_first_chunk::<NONCE_LENGTH>()
            .ok_or_else(|| failed("it is cut off"))?;
        let payload = Payload {
            msg: sealed,
            aad: &self.wrapped,
        };
        Aes256Gcm::new((&*self.data_key).into())
            .decrypt(nonce.into(), payload)
            .map(Zeroizing::new)
            .map_err(|_| failed("it was altered"))
    }

    /// The content of the file at `path` that holds `text`.
    pub(super) fn close(
        &self,
        path: &Path,
        text: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
        let nonce = random::<NONCE_LENGTH>()?;
        let payload = Payload {
            msg: text,
            aad: &self.wrapped,
        };
        let sealed = Aes256Gcm::new((&*self.data_key).into())
            .encrypt((&*nonce).into(), payload)
            .map_err(|_| KeyringError::DoesNotClose {
                path: path.to_owned(),
                why: "it cannot be encrypted".to_owned(),
            })?;
        let sealed = [nonce.as_slice(), &sealed].concat();
        let file = format!(
            "{MAGIC}{}\n{}\n",
            STANDARD.encode(&self.wrapped),
            STANDARD.encode(sealed)
        );
        Ok(Zeroizing::new(file.into_bytes()))
    }
}

/// The wrapped data key and the sealed text of a file.
fn parts(path: &Path, file: &[u8]) -> Result<(Vec<u8>, Vec<u8>), KeyringError> {
    let split = || {
        let text = std::str::from_utf8(file).ok()?.strip_prefix(MAGIC)?;
        let (wrapped, sealed) = text.strip_suffix('\n')?.split_once('\n')?;
        Some((
            STANDARD.decode(wrapped).ok()?,
            STANDARD.decode(sealed).ok()?,
        ))
    };
    split().ok_or_else(|| KeyringError::damaged(path, "it is no whole file under a KMS key"))
}

async fn client(key: &KmsKey) -> Client {
    let http = HttpClientBuilder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
    if let Some(region) = &key.region {
        loader = loader.region(Region::new(region.clone()));
    }
    let found = loader.load().await;
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(CALL_TIMEOUT)
        .build();
    let mut config = Builder::from(&found).timeout_config(timeouts);
    if let Some(endpoint) = &key.endpoint {
        config = config.endpoint_url(endpoint);
        if found.region().is_none() {
            config = config.region(Region::from_static(REGION_OF_NOWHERE));
        }
    }
    Client::from_conf(config.build())
}

fn failed<E>(action: &'static str, key: &KmsKey, error: &SdkError<E>) -> KeyringError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let why = match error.as_service_error() {
        // The server's own message may quote what it was sent.
        Some(said) => said.code().unwrap_or("the server refused").to_owned(),
        None => DisplayErrorContext(error).to_string(),
    };
    KeyringError::Kms {
        action,
        key_id: key.key_id.clone(),
        why,
        hint: HINT,
    }
}

/// Makes a key in the KMS where `place` is, and returns its id.
#[cfg(test)]
pub(super) async fn new_key_for_tests(place: &KmsKey) -> String {
    let made = client(place).await.create_key().send().await.unwrap();
    made.key_metadata.unwrap().key_id
}
