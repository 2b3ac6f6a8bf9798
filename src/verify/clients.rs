//! The checks that need everything of one client together.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use ed25519_dalek::VerifyingKey;
use kigen_evidence::log::checkpoint::Checkpoint;
use kigen_evidence::log::vkey::NoteKey;

use crate::archive::{Archive, Listed};

use super::VerifyError;
use super::certificate::CertificateVerification;
use super::finding::{PublishedFact, PublishedFinding, PublishedProblem};
use super::log::LogHolds;

/// Everything that one client has published, after each certificate was checked alone.
pub struct PublishedClient<'a> {
    pub place: &'a Arc<dyn Archive>,
    /// The client's folder in the place.
    pub folder: &'a str,
    /// The files below `log`.
    pub log: &'a [Listed],
    /// Whose signatures count.
    pub keys: &'a [VerifyingKey],
    /// Whose signatures of heads of the log count.
    pub log_keys: &'a [VerifyingKey],
    /// Heads of logs that the caller kept from earlier; perhaps of other clients too.
    pub held: &'a [Checkpoint],
    /// Witnesses whose word the caller wants.
    pub witnesses: &'a [NoteKey],
    pub certificates: &'a [CertificateVerification],
}

/// One check of everything of a client.
#[async_trait]
pub trait ClientCheck: Sync {
    /// What holds and what does not. The error is that of reading the place.
    async fn check(
        &self,
        client: &PublishedClient<'_>,
    ) -> Result<Vec<PublishedFinding>, VerifyError>;
}

/// The checks, in their order.
pub const CLIENT_CHECKS: &[&dyn ClientCheck] = &[&EachOnce, &LogHolds];

/// Each certificate is published once.
struct EachOnce;

#[async_trait]
impl ClientCheck for EachOnce {
    async fn check(
        &self,
        client: &PublishedClient<'_>,
    ) -> Result<Vec<PublishedFinding>, VerifyError> {
        let mut findings = Vec::new();
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        for found in client.certificates {
            let Some(statement) = &found.statement else {
                continue;
            };
            let id = statement.predicate.certificate_id.as_str();
            if let Some(one) = seen.insert(id, &found.folder) {
                let problem = PublishedProblem::Twice {
                    certificate_id: id.to_owned(),
                    one: one.to_owned(),
                    other: found.folder.clone(),
                };
                findings.push(problem.into());
            }
        }
        let all_read = seen.len() == client.certificates.len();
        if findings.is_empty() && all_read {
            let certificates = seen.len();
            findings.push(PublishedFact::EachOnce { certificates }.into());
        }
        Ok(findings)
    }
}
