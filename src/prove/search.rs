//! Goes over the certificates, the newest first.

use std::fmt;
use std::path::Path;

use jiff::Timestamp;
use kigen_evidence::leaf::Action;
use kigen_evidence::statement::Statement;

use super::certificate::{self, Hit, Obstacle};
use super::error::ProveError;
use super::question::Question;
use crate::archive::Archive;
use crate::keyring::Keyring;
use crate::ledger::{CertificateFilter, CertificateMatch, Ledger, StoredCertificate};
use crate::progress::Progress;

/// Where the evidence is.
pub struct Evidence<'a> {
    pub ledger: &'a dyn Ledger,
    pub keyring: &'a Keyring,
    /// Where certificates and leaves are published.
    pub place: &'a dyn Archive,
    /// Where leaves are kept while they are searched.
    pub work_folder: &'a Path,
    pub progress: &'a Progress,
}

/// Which certificates are searched; all if every field is `None`.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub client: Option<String>,
    pub run_id: Option<String>,
    /// A certificate's id, or the beginning of it.
    pub certificate: Option<String>,
}

/// What came out.
#[derive(Debug, Default)]
pub struct Searched {
    /// The newest certificate first.
    pub receipts: Vec<Receipt>,
    /// Certificates that were searched from end to end.
    pub certificates: Vec<String>,
    /// How many of these were made under another text of the job.
    pub under_other_rules: usize,
    /// Certificates of the cluster that could not be searched.
    pub not_searched: Vec<NotSearched>,
}

/// A certificate that could not be searched.
#[derive(Debug)]
pub struct NotSearched {
    pub certificate_id: String,
    pub client: String,
    pub sealed_at: Timestamp,
    pub why: Obstacle,
}

/// A leaf that was found, and its proof. Personal data: its `Debug` shows none.
pub struct Receipt {
    pub certificate_id: String,
    pub run_id: String,
    pub client: String,
    pub sealed_at: Timestamp,
    pub cluster: String,
    pub stage: String,
    pub store: String,
    /// `schema.table`, or the bucket.
    pub object: String,
    /// The target's number in the certificate.
    pub target: u16,
    pub action: Action,
    /// The leaf's place in `leaves.bin`.
    pub index: u64,
    /// Number of leaves.
    pub size: u64,
    /// The receipt's file (`tlog-proof`).
    pub file: String,
    /// The certificate that it belongs to, as published.
    pub envelope: Vec<u8>,
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt")
            .field("certificate_id", &self.certificate_id)
            .finish_non_exhaustive()
    }
}

/// Looks for what is asked for in every certificate that `filter` lets through.
///
/// Needs the memory of one pass over a target's persons at most, whatever the number of leaves.
pub async fn search(
    evidence: &Evidence<'_>,
    questions: &[Question],
    filter: &Filter,
) -> Result<Searched, ProveError> {
    let mut searched = Searched::default();
    let ids = ids(evidence, filter).await?;
    evidence.progress.step(ids.len() as u64, "searching");
    for id in ids {
        search_one(evidence, questions, id, &mut searched).await?;
        evidence.progress.advance(1);
    }
    evidence.progress.finish();
    Ok(searched)
}

/// Looks in one certificate, and notes what came out.
async fn search_one(
    evidence: &Evidence<'_>,
    questions: &[Question],
    id: String,
    searched: &mut Searched,
) -> Result<(), ProveError> {
    let stored = one(evidence, &id).await?;
    // The ledger's own bytes, whose digest it has just compared.
    let statement: Statement = match serde_json::from_slice(&stored.payload) {
        Ok(statement) => statement,
        Err(_) => return Err(ProveError::Damaged { certificate_id: id }),
    };
    let concerned = concerned(questions, &statement);
    if concerned == Concerned::No {
        return Ok(());
    }
    let mut opened = match certificate::open(evidence, &stored, &statement).await? {
        Ok(opened) => opened,
        Err(why) => {
            searched.not_searched.push(NotSearched {
                certificate_id: id,
                client: stored.summary.client.clone(),
                sealed_at: statement.predicate.period.sealed_at,
                why,
            });
            return Ok(());
        }
    };
    let hits = opened.find(questions)?;
    if !hits.is_empty() {
        let files = opened.issue(evidence, &hits)?;
        let made = hits.iter().zip(files);
        let size = opened.size();
        let made = made.map(|(hit, file)| receipt(&stored, &statement, hit, size, file));
        searched.receipts.extend(made);
    }
    searched.certificates.push(id);
    searched.under_other_rules += usize::from(concerned == Concerned::UnderOtherRules);
    Ok(())
}

/// The ids of the certificates, the newest first.
async fn ids(evidence: &Evidence<'_>, filter: &Filter) -> Result<Vec<String>, ProveError> {
    if let Some(prefix) = &filter.certificate {
        return Ok(vec![one(evidence, prefix).await?.summary.certificate_id]);
    }
    let filter = CertificateFilter {
        run_id: filter.run_id.clone(),
        client: filter.client.clone(),
        ..CertificateFilter::default()
    };
    let mut found = evidence.ledger.certificates(&filter).await?;
    found.reverse();
    Ok(found.into_iter().map(|one| one.certificate_id).collect())
}

async fn one(evidence: &Evidence<'_>, id: &str) -> Result<StoredCertificate, ProveError> {
    match evidence.ledger.certificate(id).await? {
        CertificateMatch::One(stored) => Ok(*stored),
        CertificateMatch::None => Err(ProveError::NoSuchCertificate(id.to_owned())),
        CertificateMatch::Several(ids) => Err(ProveError::SeveralCertificates {
            prefix: id.to_owned(),
            ids,
        }),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Concerned {
    No,
    Yes,
    /// The job had another text: perhaps another key.
    UnderOtherRules,
}

fn concerned(questions: &[Question], statement: &Statement) -> Concerned {
    let mut concerned = Concerned::No;
    for target in &statement.predicate.targets {
        for question in questions
            .iter()
            .filter(|question| question.concerns(target))
        {
            if target.rule.sha256.to_string() != question.rule_sha256 {
                return Concerned::UnderOtherRules;
            }
            concerned = Concerned::Yes;
        }
    }
    concerned
}

fn receipt(
    stored: &StoredCertificate,
    statement: &Statement,
    hit: &Hit<'_>,
    size: u64,
    file: String,
) -> Receipt {
    let target = hit.target;
    let envelope = stored.envelope.as_ref();
    Receipt {
        certificate_id: stored.summary.certificate_id.clone(),
        run_id: stored.summary.run_id.clone(),
        client: stored.summary.client.clone(),
        sealed_at: statement.predicate.period.sealed_at,
        cluster: target.job.clone(),
        stage: target.stage.clone(),
        store: target.store.id.clone(),
        object: target.object.clone(),
        target: target.index,
        action: hit.leaf.action,
        index: hit.leaf.index,
        size,
        file,
        envelope: envelope.map_or_else(Vec::new, |envelope| envelope.envelope.clone()),
    }
}
