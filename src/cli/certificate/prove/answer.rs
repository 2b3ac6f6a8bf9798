//! What `kigen certificate prove` says beside the receipts.

use kigen_evidence::leaf::Action;
use serde::Serialize;

use crate::cli::certificate::receipt::in_words;
use crate::cli::explain::Explained;
use crate::prove::{NotSearched, Receipt, Searched};

/// Certificates that could not be searched are named up to this number.
const MOST_NAMED: usize = 10;

/// What `--format json` prints. The receipts in it are personal data.
#[derive(Serialize)]
pub(super) struct Answer {
    /// Whether there is a removal.
    found: bool,
    receipts: Vec<Shown>,
    /// Certificates that were searched from end to end.
    searched: usize,
    /// How many of these were made under another text of the job.
    under_other_rules: usize,
    not_searched: Vec<Unsearched>,
    /// Whether the store has the record now; `null` where it was not asked or could not say.
    in_store: Option<bool>,
    /// What the rules decide about the record in the store.
    explained: Option<Explained>,
    notes: Vec<String>,
    #[serde(skip)]
    words: Option<String>,
}

#[derive(Serialize)]
struct Shown {
    certificate_id: String,
    run_id: String,
    client: String,
    sealed_at: String,
    cluster: String,
    stage: String,
    store: String,
    object: String,
    target: u16,
    action: &'static str,
    index: u64,
    size: u64,
    /// The receipt's file.
    receipt: String,
    #[serde(skip)]
    words: &'static str,
}

#[derive(Serialize)]
struct Unsearched {
    certificate_id: String,
    client: String,
    sealed_at: String,
    why: &'static str,
    says: String,
}

/// What the store says of the record now.
pub(super) enum InStore {
    NotAsked,
    /// It could not be asked, and this is why.
    Unknown(String),
    Absent,
    Present {
        explained: Explained,
        /// The same in words.
        words: String,
    },
}

impl Answer {
    pub(super) fn new(searched: &Searched, in_store: InStore, mut notes: Vec<String>) -> Self {
        let (in_store, explained, words) = match in_store {
            InStore::NotAsked => (None, None, None),
            InStore::Unknown(why) => {
                notes.push(format!(
                    "the store could not be asked for the record: {why}"
                ));
                (None, None, None)
            }
            InStore::Absent => (Some(false), None, None),
            InStore::Present { explained, words } => (Some(true), Some(explained), Some(words)),
        };
        let mut receipts = searched.receipts.iter();
        Self {
            found: receipts.any(|receipt| receipt.action != Action::Held),
            receipts: searched.receipts.iter().map(shown).collect(),
            searched: searched.certificates.len(),
            under_other_rules: searched.under_other_rules,
            not_searched: searched.not_searched.iter().map(unsearched).collect(),
            in_store,
            explained,
            notes,
            words,
        }
    }

    /// Why there is no receipt, in sentences.
    pub(super) fn nothing(&self) -> String {
        let mut lines = vec![match self.searched {
            0 => "no such removal: no certificate could be searched".to_owned(),
            1 => "no such removal in the one certificate that was searched".to_owned(),
            more => format!("no such removal in the {more} certificates that were searched"),
        }];
        let held = self.receipts.iter().map(|one| {
            format!(
                "certificate {} of client `{}`, sealed at {}; {}",
                one.certificate_id, one.client, one.sealed_at, one.words
            )
        });
        lines.extend(held);
        if self.under_other_rules > 0 {
            lines.push(format!(
                "{} of them were made under another text of the job, perhaps with other key columns",
                self.under_other_rules
            ));
        }
        lines.extend(self.not_searched_in_words());
        match (self.in_store, &self.words) {
            (Some(true), Some(words)) => {
                lines.push("the store has a record of this key, which was not removed:".to_owned());
                lines.push(words.clone());
            }
            (Some(true), None) => lines.push("the store has a record of this key".to_owned()),
            (Some(false), _) => lines.push("the store has no record of this key".to_owned()),
            (None, _) => {}
        }
        lines.extend(self.notes.iter().cloned());
        lines.join("\n")
    }

    /// What is to be known beside receipts, in sentences.
    pub(super) fn beside(&self) -> Vec<String> {
        let mut lines = self.not_searched_in_words();
        let deleted = Action::RowDeleted.name();
        let is_deleted = self.receipts.iter().any(|one| one.action == deleted);
        if is_deleted && self.in_store == Some(true) {
            lines.push(
                "the store has a record of this key now: made anew since, or brought back from a backup"
                    .to_owned(),
            );
        }
        lines.extend(self.notes.iter().cloned());
        lines
    }

    /// One line for each receipt.
    pub(super) fn list(&self) -> String {
        let lines: Vec<String> = self.receipts.iter().map(Shown::line).collect();
        lines.join("\n")
    }

    fn not_searched_in_words(&self) -> Vec<String> {
        let number = self.not_searched.len();
        if number == 0 {
            return Vec::new();
        }
        let mut lines = vec![format!("certificates that could not be searched: {number}")];
        let named = self.not_searched.iter().take(MOST_NAMED);
        lines.extend(named.map(|one| {
            format!(
                "  {} of client `{}`, sealed at {}; {}",
                one.certificate_id, one.client, one.sealed_at, one.says
            )
        }));
        if number > MOST_NAMED {
            lines.push(format!("  and {} more", number - MOST_NAMED));
        }
        lines
    }
}

impl Shown {
    fn line(&self) -> String {
        format!(
            "certificate {} of client `{}`, sealed at {}; `{}` of store `{}`, target {}, {}; leaf {} of {}",
            self.certificate_id,
            self.client,
            self.sealed_at,
            self.object,
            self.store,
            self.target,
            self.words,
            self.index,
            self.size
        )
    }
}

fn shown(receipt: &Receipt) -> Shown {
    Shown {
        certificate_id: receipt.certificate_id.clone(),
        run_id: receipt.run_id.clone(),
        client: receipt.client.clone(),
        sealed_at: receipt.sealed_at.to_string(),
        cluster: receipt.cluster.clone(),
        stage: receipt.stage.clone(),
        store: receipt.store.clone(),
        object: receipt.object.clone(),
        target: receipt.target,
        action: receipt.action.name(),
        index: receipt.index,
        size: receipt.size,
        receipt: receipt.file.clone(),
        words: in_words(receipt.action),
    }
}

fn unsearched(one: &NotSearched) -> Unsearched {
    Unsearched {
        certificate_id: one.certificate_id.clone(),
        client: one.client.clone(),
        sealed_at: one.sealed_at.to_string(),
        why: one.why.name(),
        says: one.why.to_string(),
    }
}
