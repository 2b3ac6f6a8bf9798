//! Certificates as a stranger finds them: files in folders.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

/// Length of a leaf in `leaves.bin`.
pub(crate) const LEAF: usize = 36;

/// The first byte of a leaf that stands for a record.
const RECORD: u8 = 1;

/// One published certificate.
pub(crate) struct Certificate {
    pub(crate) run: String,
    pub(crate) client: String,
    statement: Json,
    records: HashSet<[u8; LEAF]>,
}

impl Certificate {
    /// The number that the leaves of a target carry, if the run had that target.
    pub(crate) fn target(&self, job: &str, stage: &str, object: &str) -> Option<u16> {
        let targets = self.statement["predicate"]["targets"].as_array().unwrap();
        let found = targets.iter().find(|target| {
            target["job"] == job && target["stage"] == stage && target["object"] == object
        });
        found.map(|target| target["index"].as_u64().unwrap().try_into().unwrap())
    }

    pub(crate) fn has(&self, leaf: &[u8; LEAF]) -> bool {
        self.records.contains(leaf)
    }

    /// Number of record leaves.
    pub(crate) fn records(&self) -> usize {
        self.records.len()
    }

    /// Record leaves of one target.
    pub(crate) fn records_of(&self, target: u16) -> usize {
        let target = target.to_be_bytes();
        self.records
            .iter()
            .filter(|leaf| leaf[2..4] == target)
            .count()
    }
}

/// Every certificate below `folder`; none of them, and no leaf, may be there twice.
pub(crate) fn read_all(folder: &Path) -> Vec<Certificate> {
    let mut certificates = Vec::new();
    for client in folders(folder) {
        if client.ends_with("keys") {
            continue;
        }
        for run in folders(&client)
            .into_iter()
            .filter(|run| !run.ends_with("log"))
        {
            certificates.push(read(&run));
        }
    }
    let mut ids = HashSet::new();
    let mut leaves: HashMap<[u8; LEAF], usize> = HashMap::new();
    for certificate in &certificates {
        let id = certificate.statement["predicate"]["certificateId"].to_string();
        assert!(ids.insert(id), "a certificate was published twice");
        for leaf in &certificate.records {
            *leaves.entry(*leaf).or_default() += 1;
        }
    }
    assert!(
        leaves.values().all(|count| *count == 1),
        "a leaf is in two certificates"
    );
    certificates
}

fn read(folder: &Path) -> Certificate {
    for name in [
        "leaves.bin",
        "statement.json",
        "statement.json.sig",
        "certificate.html",
        "cert.tlog-proof",
        "cert.dsse.json",
    ] {
        assert!(
            folder.join(name).is_file(),
            "`{name}` is missing in a published certificate"
        );
    }
    let statement: Json =
        serde_json::from_slice(&fs::read(folder.join("statement.json")).unwrap()).unwrap();
    let bytes = fs::read(folder.join("leaves.bin")).unwrap();
    let (leaves, rest) = bytes.as_chunks::<LEAF>();
    assert!(rest.is_empty(), "leaves.bin ends within a leaf");
    let distinct: HashSet<[u8; LEAF]> = leaves.iter().copied().collect();
    assert_eq!(
        distinct.len(),
        leaves.len(),
        "a leaf is in leaves.bin twice"
    );
    let records: HashSet<[u8; LEAF]> = distinct
        .into_iter()
        .filter(|leaf| leaf[0] == RECORD)
        .collect();
    let predicate = &statement["predicate"];
    let stated = predicate["evidence"]["leaves"]["record"].as_u64().unwrap();
    assert_eq!(
        stated,
        records.len() as u64,
        "the certificate counts what leaves.bin holds"
    );
    Certificate {
        run: predicate["run"]["id"].as_str().unwrap().to_owned(),
        client: predicate["controller"]["client"]
            .as_str()
            .unwrap()
            .to_owned(),
        statement,
        records,
    }
}

/// The folders in `folder`; none if it is not there yet.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    folders
}
