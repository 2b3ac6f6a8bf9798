//! Time stamps beside the log: each is of the head that it stands beside.
//!
//! Whether the authority has signed it is for `openssl ts -verify` and the authority's root.

use std::collections::BTreeMap;

use kigen_evidence::digest::Sha256;

use crate::archive::{Kind, LOG, Standing};
use crate::timestamp::Stamp;
use crate::verify::VerifyError;
use crate::verify::clients::PublishedClient;
use crate::verify::finding::{PublishedFact, PublishedFinding, PublishedProblem};

/// Compares every stamp with its head, and says which is the newest.
pub(super) async fn check(
    client: &PublishedClient<'_>,
) -> Result<Vec<PublishedFinding>, VerifyError> {
    let mut findings = Vec::new();
    let mut newest: BTreeMap<u64, Stamp> = BTreeMap::new();
    for file in client.log {
        let is_stamp = Kind::of(&file.path) == Some(Kind::Stamp);
        if !is_stamp || file.standing != Standing::Visible {
            continue;
        }
        let path = file.path.clone();
        let token = client.place.get(&path).await?.unwrap_or_default();
        let stem = path.trim_end_matches(".tsr");
        let head = client.place.get(&format!("{stem}.checkpoint")).await?;
        let imprint = head.map(|head| *Sha256::of(&head).as_bytes());
        let size = stem.rsplit('/').next().and_then(|size| size.parse().ok());
        match (Stamp::read(&token), size) {
            (Ok(stamp), Some(size)) if Some(stamp.imprint) == imprint => {
                newest.insert(size, stamp);
            }
            (Ok(_), _) => {
                let why = "it is of other bytes than the head beside it".to_owned();
                findings.push(PublishedProblem::Stamp { path, why }.into());
            }
            (Err(error), _) => {
                let why = error.to_string();
                findings.push(PublishedProblem::Stamp { path, why }.into());
            }
        }
    }
    let path = format!("{}/{LOG}/checkpoint.tsr", client.folder);
    if let Some(token) = client.place.get(&path).await? {
        let imprint = Stamp::read(&token).map(|stamp| stamp.imprint).ok();
        if newest.values().all(|stamp| Some(stamp.imprint) != imprint) {
            let why = "it is none of those below `stamped`".to_owned();
            findings.push(PublishedProblem::Stamp { path, why }.into());
        }
    }
    if let Some((size, stamp)) = newest.last_key_value() {
        let (size, at) = (*size, stamp.at);
        findings.push(PublishedFact::StampedAt { size, at }.into());
    }
    Ok(findings)
}
