//! A finished run: two clients, two stages and an object place, in one store.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ed25519_dalek::VerifyingKey;
use jiff::Timestamp;
use jiff::civil::date;
use kigen_evidence::calendar::Period;
use kigen_evidence::leaf::{Action, Head, Kind};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::archive::{Archive, FolderPlace};
use crate::config::{Client, Issuer, ReadBack, Residual};
use crate::keyring::Keyring;
use crate::ledger::entry::{
    ApprovalEntry, ClauseEntry, CutoffEntry, Entry, JobEntry, Outcome, RunStarted, StageFinished,
    TargetEntry, TitleEntry, Trigger,
};
use crate::ledger::{self, Ledger, RunKey};
use crate::progress::Progress;
use crate::run::certify::{SealContext, SealError, SealedRun, seal};
use crate::store::{Disposer, JournalRow};
use crate::verify::{PlaceVerification, Trust, verify_place};

use super::journal_only::JournalOnly;

pub(super) const RUN: &str = "0193536c-5a00-7000-8000-000000000000";
/// The words that the fixture's rules carry out.
pub(super) const CLAUSE: &str = "受験履歴は、講座の終了の日から1年間保有します。";
/// Both names need care as names of folders.
pub(super) const OWN: &str = "自社";
pub(super) const OTHER: &str = "client/7f3a";

/// Everything that one run needs to be sealed.
pub(super) struct Fixture {
    pub(super) folder: TempDir,
    pub(super) ledger: Box<dyn Ledger>,
    pub(super) journal: Arc<JournalOnly>,
    pub(super) keyring: Keyring,
    pub(super) origin: String,
    /// How long evidence is kept.
    pub(super) keep: Option<Period>,
    pub(super) issuer: Issuer,
    pub(super) clients: Vec<Client>,
    residuals: Vec<Residual>,
}

/// Second `second` after the run's start.
pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_305_600 + second).unwrap()
}

impl Fixture {
    /// A run that ended and left `rows` in its journal.
    pub(super) async fn finished(rows: Vec<JournalRow>) -> Self {
        let fixture = Self::running(rows).await;
        fixture.finish(Outcome::Complete).await;
        fixture
    }

    /// A run that has not ended.
    pub(super) async fn running(rows: Vec<JournalRow>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("ledger.db").display());
        let ledger = ledger::open(&url).await.unwrap();
        ledger.migrate(at(0)).await.unwrap();
        let key = RunKey {
            kek_id: "kek-2026q4".to_owned(),
            wrapped: vec![1],
        };
        let started = Entry::RunStarted(started());
        ledger.start_run(RUN, at(0), &started, &key).await.unwrap();
        let today = date(2026, 11, 22);
        let fixture = Self {
            ledger,
            journal: Arc::new(JournalOnly::of(rows)),
            keyring: Keyring::create(&folder.path().join("keyring.toml"), today).unwrap(),
            origin: "certs.example.com".to_owned(),
            keep: None,
            issuer: Issuer {
                organization: "株式会社サンプル運用".to_owned(),
                corporate_number: None,
            },
            clients: vec![Client {
                name: OWN.to_owned(),
                organization: "株式会社例示ラーニング".to_owned(),
                witnesses: Vec::new(),
            }],
            residuals: vec![Residual {
                place: "database backups".to_owned(),
                retention: "P35D".parse().unwrap(),
            }],
            folder,
        };
        for client in [OTHER, OWN] {
            fixture.announce(RUN, client).await;
        }
        fixture
    }

    pub(super) async fn append(&self, second: i64, entry: &Entry) {
        self.ledger
            .append(Some(RUN), at(second), entry)
            .await
            .unwrap();
    }

    pub(super) async fn finish(&self, outcome: Outcome) {
        self.append(60, &Entry::RunFinished { outcome }).await;
    }

    pub(super) fn certificates(&self) -> PathBuf {
        self.folder.path().join("certificates")
    }

    pub(super) fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    pub(super) fn key(&self) -> [VerifyingKey; 1] {
        [self.keyring.verifying_key()]
    }

    pub(super) fn place(&self) -> Arc<dyn Archive> {
        Arc::new(FolderPlace::new(&self.certificates()))
    }

    /// Everything that was published, checked under the fixture's key.
    pub(super) async fn verify(&self) -> PlaceVerification {
        let trust = Trust::Given(self.key().to_vec());
        verify_place(&self.place(), trust, &Progress::in_log())
            .await
            .unwrap()
    }

    pub(super) async fn seal(&self, second: i64) -> Result<SealedRun, SealError> {
        self.seal_in(&*self.ledger, second).await
    }

    pub(super) async fn seal_in(
        &self,
        ledger: &dyn Ledger,
        second: i64,
    ) -> Result<SealedRun, SealError> {
        let place = self.place();
        self.seal_to(&*place, ledger, second).await
    }

    pub(super) async fn seal_to(
        &self,
        place: &dyn Archive,
        ledger: &dyn Ledger,
        second: i64,
    ) -> Result<SealedRun, SealError> {
        let store = Arc::clone(&self.journal) as Arc<dyn Disposer>;
        let stores = BTreeMap::from([("lms".to_owned(), store)]);
        let context = SealContext {
            ledger,
            stores: &stores,
            keyring: &self.keyring,
            issuer: &self.issuer,
            clients: &self.clients,
            residuals: &self.residuals,
            keep: self.keep,
            origin: &self.origin,
            place,
            work_folder: &self.work(),
            removed: &BTreeMap::new(),
            read_back: ReadBack::Off,
            jobs: &[],
            now: &|| at(second),
            version: "0.1.0",
            progress: &Progress::in_log(),
        };
        seal(&context, RUN).await
    }
}

/// All files below `folder` with their content, by relative path.
pub(super) fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    // Before the first file is published there is no folder.
    let mut folders: Vec<PathBuf> = folder
        .exists()
        .then(|| folder.to_owned())
        .into_iter()
        .collect();
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().to_owned();
            found.insert(name, fs::read(&path).unwrap());
        }
    }
    found
}

/// The rows of two batches of each stage, with 7 records of each of `persons` persons per client.
pub(super) fn rows(persons: u64) -> Vec<JournalRow> {
    let mut rows = Vec::new();
    for (target, action) in [
        (0, Action::Pseudonymized),
        (1, Action::RowDeleted),
        (2, Action::ObjectVersionDeleted),
    ] {
        for client in [OWN, OTHER] {
            rows.push(row(client, target, action, 0..persons * 3, persons));
            rows.push(row(
                client,
                target,
                action,
                persons * 3..persons * 7,
                persons,
            ));
        }
    }
    rows
}

/// A batch: the records with these numbers, which belong to `persons` persons in turn.
pub(super) fn row(
    client: &str,
    target: u16,
    action: Action,
    numbers: std::ops::Range<u64>,
    persons: u64,
) -> JournalRow {
    let kind = Kind::Record;
    let head = Head {
        kind,
        action,
        target,
    }
    .to_bytes();
    let mut leaves = Vec::new();
    let mut refs = Vec::new();
    for number in numbers.clone() {
        leaves.extend_from_slice(&head);
        leaves.extend_from_slice(&digest(client, &[u64::from(target), number]));
        refs.extend_from_slice(&digest(client, &[number % persons]));
    }
    let records = numbers.end - numbers.start;
    JournalRow {
        target,
        client: client.to_owned(),
        action: action.code(),
        records,
        leaves,
        refs,
        ended_by: BTreeMap::from([("course".to_owned(), records)]),
        at: at(30),
    }
}

fn digest(client: &str, numbers: &[u64]) -> [u8; 32] {
    let mut digest = Sha256::new_with_prefix(client);
    for number in numbers {
        digest.update(number.to_be_bytes());
    }
    digest.finalize().into()
}

pub(super) fn started() -> RunStarted {
    RunStarted {
        as_of: date(2026, 11, 22),
        trigger: Trigger::Hand,
        version: "0.1.0".to_owned(),
        jobs: vec![job("exam-history", "受験履歴"), job("documents", "")],
        targets: vec![
            target(0, "exam-history", Action::Pseudonymized, "lms"),
            target(1, "exam-history", Action::RowDeleted, "lms"),
            target(2, "documents", Action::ObjectVersionDeleted, "scans"),
        ],
        reconciles: None,
    }
}

fn job(name: &str, title: &str) -> JobEntry {
    JobEntry {
        job: name.to_owned(),
        title: TitleEntry {
            ja: title.to_owned(),
            en: String::new(),
        },
        owner: "個人情報保護管理者".to_owned(),
        sha256: "ab".repeat(32),
        time_zone: "Asia/Tokyo".to_owned(),
        as_of: None,
        clause: ClauseEntry {
            document: "プライバシーポリシー 第8条".to_owned(),
            version: "2025-04-01".to_owned(),
            text_sha256: kigen_evidence::digest::Sha256::of(CLAUSE.as_bytes()).to_string(),
            text: CLAUSE.to_owned(),
        },
        identity: None,
        effects: Vec::new(),
        approval: Some(ApprovalEntry {
            role: "個人情報保護管理者".to_owned(),
            ticket: "CHG-1234".to_owned(),
        }),
    }
}

fn target(index: u16, job: &str, action: Action, store: &str) -> TargetEntry {
    TargetEntry {
        index,
        job: job.to_owned(),
        stage: "first".to_owned(),
        store: store.to_owned(),
        engine: if store == "lms" {
            "SQLite 3.50"
        } else {
            "folder"
        }
        .to_owned(),
        object: "exam_attempt".to_owned(),
        relation: None,
        inspection_sha256: None,
        replicas: (store == "scans").then(|| vec!["arn:aws:s3:::copies".to_owned()]),
        action: action.code(),
        disposal: "delete".to_owned(),
        rule_sha256: "ab".repeat(32),
        cutoffs: vec![CutoffEntry {
            purpose: "course".to_owned(),
            starting_point: "end-of-transaction".to_owned(),
            period: "P1Y".to_owned(),
            cutoff: date(2025, 11, 22),
        }],
    }
}

/// A stage in which everything went well.
pub(super) fn stage(job: &str) -> StageFinished {
    StageFinished {
        job: job.to_owned(),
        stage: "first".to_owned(),
        disposal: "delete".to_owned(),
        disposed: 7,
        absent: 0,
        no_longer_due: 0,
        failed: 0,
        unattempted: 0,
        remaining_due: 0,
        oldest_overdue_days: None,
        elapsed_ms: 1,
        ended_by: BTreeMap::new(),
        by_client: BTreeMap::new(),
        effects: None,
    }
}
