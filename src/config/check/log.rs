//! Who vouches for the logs beside us: the clients' witnesses and a time-stamping authority.

use std::fs;
use std::time::Duration;

use der::asn1::ObjectIdentifier;
use kigen_evidence::log::vkey::{KeyType, NoteKey};
use url::Url;

use super::Checker;
use crate::config::TimestampConfig;
use crate::config::raw::RawTimestamp;
use crate::diagnostic::document::Path;

/// How long an authority may take where the file does not say.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How a certificate in PEM begins.
const PEM_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

impl Checker<'_> {
    /// `[timestamp]`
    pub(super) fn timestamp(&mut self, raw: &RawTimestamp) -> Option<TimestampConfig> {
        let path = Path::of("timestamp");
        let url = Url::parse(&raw.url).ok().filter(|url| {
            let is_http = matches!(url.scheme(), "https" | "http");
            is_http && url.has_host() && url.password().is_none() && url.username().is_empty()
        });
        if url.is_none() {
            let message =
                "this is no URL of the form `https://host/path`, without user and password";
            self.say(self.document.problem(&path.key("url"), message));
        }
        let policy = match raw.policy.as_deref().map(ObjectIdentifier::new) {
            Some(Err(_)) => {
                let message = "this is no object identifier such as `1.3.6.1.4.1.4146.2.3`";
                self.say(self.document.problem(&path.key("policy"), message));
                return None;
            }
            Some(Ok(policy)) => Some(policy),
            None => None,
        };
        let root_pem = fs::read_to_string(self.base.join(&raw.root)).unwrap_or_default();
        if !root_pem.contains(PEM_CERTIFICATE) {
            let message = "there is no certificate in PEM in this file";
            let problem = self.document.problem(&path.key("root"), message);
            self.say(problem.with_hint("the authority hands out the certificate of its root"));
            return None;
        }
        let timeout = raw.timeout_ms.map_or(TIMEOUT, Duration::from_millis);
        Some(TimestampConfig {
            url: url?,
            root_pem,
            policy,
            timeout,
        })
    }

    /// `witness` of a client.
    pub(super) fn witnesses(&mut self, client: usize, raw: &[String]) -> Vec<NoteKey> {
        let mut keys: Vec<NoteKey> = Vec::new();
        for (index, text) in raw.iter().enumerate() {
            let path = Path::of("clients").at(client).key("witness").at(index);
            let wrong = match text.parse::<NoteKey>() {
                Ok(key) if key.key_type() != KeyType::Cosignature => {
                    "this is the key of a log, and not that of a witness".to_owned()
                }
                Ok(key) if keys.iter().any(|other| other.name() == key.name()) => {
                    "a second witness has this name".to_owned()
                }
                Ok(key) => {
                    keys.push(key);
                    continue;
                }
                Err(error) => error.to_string(),
            };
            let problem = self.document.problem(&path, wrong);
            self.say(problem.with_hint("`kigen witness key` prints the key on the client's side"));
        }
        keys
    }
}
