//! Which file belongs to whom.

use std::collections::BTreeMap;

use crate::archive::{Kind, LONGEST_READ, Listed, Standing};

use super::finding::{PublishedFact, PublishedFinding, PublishedProblem};

/// Everything of a place, by what it belongs to.
#[derive(Default)]
pub(super) struct Layout {
    /// By the client's folder.
    pub(super) clients: BTreeMap<String, ClientFiles>,
    pub(super) keys: Vec<Listed>,
    /// What belongs to no client.
    others: Vec<Listed>,
}

/// Everything of one client.
#[derive(Default)]
pub(super) struct ClientFiles {
    /// By the run's folder.
    pub(super) runs: BTreeMap<String, Vec<Listed>>,
    pub(super) log: Vec<Listed>,
}

impl Layout {
    pub(super) fn of(files: Vec<Listed>) -> Self {
        let mut layout = Self::default();
        for file in files {
            layout.add(file);
        }
        layout
    }

    fn add(&mut self, file: Listed) {
        let mut parts = file.path.split('/');
        let kind = Kind::of(&file.path);
        let client = parts.next().unwrap_or_default().to_owned();
        let folder = parts.next().unwrap_or_default().to_owned();
        match kind {
            Some(Kind::PublicKey | Kind::AllowedSigners | Kind::StampRoot) => self.keys.push(file),
            Some(
                Kind::Checkpoint
                | Kind::TimeStamp
                | Kind::Cosigned
                | Kind::Stamped
                | Kind::Stamp
                | Kind::Tile
                | Kind::Entry
                | Kind::Policy,
            ) => {
                self.clients.entry(client).or_default().log.push(file);
            }
            Some(
                Kind::Leaves
                | Kind::Statement
                | Kind::SshSignature
                | Kind::Envelope
                | Kind::LogProof
                | Kind::Html
                | Kind::Pdf,
            ) => {
                let client = self.clients.entry(client).or_default();
                client.runs.entry(folder).or_default().push(file);
            }
            None => self.others.push(file),
        }
    }

    /// What is to be said of files that belong to no run.
    pub(super) fn findings(&self) -> Vec<PublishedFinding> {
        let logs = self.clients.values().flat_map(|client| &client.log);
        let rest = self.keys.iter().chain(&self.others).chain(logs);
        rest.flat_map(of_file).collect()
    }
}

/// What is to be said of the way in which a file stands in its place; mostly nothing.
pub(super) fn of_file(file: &Listed) -> Vec<PublishedFinding> {
    let path = file.path.clone();
    let is_foreign = Kind::of(&file.path).is_none();
    let mut findings: Vec<PublishedFinding> = match file.standing {
        Standing::Unfinished => return vec![PublishedFact::Unfinished { path }.into()],
        Standing::NotAFile => return vec![PublishedProblem::NotAFile { path }.into()],
        Standing::Hidden => vec![PublishedProblem::Hidden { path: path.clone() }.into()],
        Standing::Visible => Vec::new(),
    };
    if is_foreign {
        findings.push(PublishedProblem::Foreign { path: path.clone() }.into());
    }
    let is_leaves = Kind::of(&file.path) == Some(Kind::Leaves);
    if file.size > LONGEST_READ && !is_leaves && !is_foreign {
        let (path, bytes) = (path.clone(), file.size);
        findings.push(PublishedProblem::TooLong { path, bytes }.into());
    }
    if file.rewritten > 0 {
        let versions = file.rewritten;
        findings.push(PublishedProblem::Rewritten { path, versions }.into());
    }
    findings
}
