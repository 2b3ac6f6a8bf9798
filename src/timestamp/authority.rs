//! Asking an authority: one question, one answer, over HTTP.

use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use thiserror::Error;
use url::Url;

use crate::config::TimestampConfig;
use crate::store::objects::s3::within;

const QUERY: &str = "application/timestamp-query";

/// The longest answer that is read: a token with its chain of certificates has a few thousand bytes.
const LONGEST_ANSWER: usize = 256 * 1024;

/// A time-stamping authority.
pub struct Authority {
    url: Url,
    timeout: Duration,
    connector: Connector,
}

/// Why an authority did not answer. Trying again may help.
#[derive(Debug, Error)]
pub enum AskError {
    #[error("the time-stamping authority `{host}` cannot be reached: {why}")]
    Unreachable { host: String, why: String },
    #[error("the time-stamping authority `{host}` did not answer within {} s", timeout.as_secs())]
    Slow { host: String, timeout: Duration },
    #[error("the time-stamping authority `{host}` answers with HTTP status {status}")]
    Status { host: String, status: u16 },
    #[error("the time-stamping authority `{host}` answers more than {LONGEST_ANSWER} bytes")]
    TooLong { host: String },
}

impl Authority {
    /// The authority that kigen.toml names.
    pub fn new(config: &TimestampConfig) -> Self {
        // The one TLS stack that speaks to S3 and KMS, too.
        let tls = Provider::Rustls(CryptoMode::Ring);
        Self {
            url: config.url.clone(),
            timeout: config.timeout,
            connector: Connector::builder().tls_provider(tls).build(),
        }
    }

    /// Sends `question` (DER) and returns the answer, whatever it is.
    pub async fn ask(&self, question: &[u8]) -> Result<Vec<u8>, AskError> {
        let answer = within(self.timeout, self.exchange(question)).await;
        answer.unwrap_or_else(|_| {
            Err(AskError::Slow {
                host: self.host(),
                timeout: self.timeout,
            })
        })
    }

    async fn exchange(&self, question: &[u8]) -> Result<Vec<u8>, AskError> {
        let unreachable = |why: String| AskError::Unreachable {
            host: self.host(),
            why,
        };
        let mut request = HttpRequest::new(SdkBody::from(question.to_vec()));
        let set = request
            .set_method("POST")
            .map_err(|error| unreachable(error.to_string()));
        set?;
        request
            .set_uri(self.url.as_str())
            .map_err(|error| unreachable(error.to_string()))?;
        request.headers_mut().insert("content-type", QUERY);
        let length = question.len().to_string();
        request.headers_mut().insert("content-length", length);
        let response = self.connector.call(request).await;
        let response = response.map_err(|error| unreachable(said(&error)))?;
        let status = response.status().as_u16();
        if status != 200 {
            let host = self.host();
            return Err(AskError::Status { host, status });
        }
        let mut body = ByteStream::new(response.into_body());
        let mut answer = Vec::new();
        while let Some(part) = body.next().await {
            answer.extend_from_slice(&part.map_err(|error| unreachable(error.to_string()))?);
            if answer.len() > LONGEST_ANSWER {
                return Err(AskError::TooLong { host: self.host() });
            }
        }
        Ok(answer)
    }

    fn host(&self) -> String {
        self.url.host_str().unwrap_or_default().to_owned()
    }
}

/// The innermost cause: the outer ones say only that there is one.
fn said(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
