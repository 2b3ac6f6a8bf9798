//! What the headers of the server's answers tell beside the answers.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// The headers `Server` and `Date` of the last answer that had them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers {
    last: Arc<Mutex<Headers>>,
}

#[derive(Clone, Debug, Default)]
struct Headers {
    server: Option<String>,
    date: Option<Timestamp>,
}

impl Answers {
    /// The server's clock: it decides whether a lock is in force, not ours.
    pub(crate) fn date(&self) -> Option<Timestamp> {
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .date
    }

    /// The server's name in the words of certificates.
    pub(super) fn engine(&self) -> String {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        engine_name(last.server.as_deref())
    }
}

impl Intercept for Answers {
    fn name(&self) -> &'static str {
        "Answers"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.response().headers();
        let date = headers
            .get("date")
            .and_then(|text| rfc2822::parse(text).ok());
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = headers.get("server") {
            last.server = Some(server.to_owned());
        }
        if let Some(date) = date {
            last.date = Some(date.timestamp());
        }
        Ok(())
    }
}

fn engine_name(server: Option<&str>) -> String {
    let server = server.unwrap_or_default().to_ascii_lowercase();
    let known = [
        ("amazons3", "Amazon S3"),
        ("ceph", "Ceph Object Gateway"),
        ("minio", "MinIO"),
    ];
    let name = known
        .iter()
        .find(|(sign, _)| server.contains(sign))
        .map_or("S3-compatible", |(_, name)| name);
    String::from(name)
}

#[cfg(test)]
mod tests {
    use super::engine_name;

    #[test]
    fn a_server_that_does_not_name_itself_is_not_called_amazon() {
        assert_eq!(engine_name(Some("AmazonS3")), "Amazon S3");
        assert_eq!(
            engine_name(Some("Ceph Object Gateway (pacific)")),
            "Ceph Object Gateway"
        );
        assert_eq!(engine_name(Some("nginx")), "S3-compatible");
        assert_eq!(engine_name(None), "S3-compatible");
    }
}
