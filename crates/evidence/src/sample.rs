//! A small certificate for tests and examples: two targets, three persons, 45 records.
//!
//! Everybody knows the key that signs it.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "every value is a constant; the tests that use them all would fail"
)]

use ed25519_dalek::SigningKey;

use super::digest::Sha256;
use super::leaf::{Action, Leaf, RecordEncoder, RecordPlace, RunKey, SubjectEncoder, subject_leaf};
use super::leaves::{FoldedLeaves, LeafFold};
use super::statement::{
    Artifact, CertificateKind, CertifiedApproval, CertifiedClause, CertifiedPurpose, CertifiedRule,
    Controller, Evidence, EvidenceKey, Issuer, LeafFormat, LeafTotals, Method, MethodClass,
    Predicate, QuotedClause, Residual, Run, RunCheckpoint, RunPeriod, Statement, Status, Store,
    StoreVerification, Target, Technique, TreeHash, Trigger, VerificationResult, Worker,
};
use super::value::Value;

/// The identifier of the certificate.
pub const CERTIFICATE_ID: &str = "0193536c-5a00-7000-8000-000000000001";
/// How many targets the certificate has.
pub const TARGETS: usize = 2;

/// The key that signs the sample.
pub fn signing_key() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

/// The leaves of the sample, sorted.
pub fn leaves() -> Vec<Leaf> {
    let run_key = RunKey::from_bytes([7; 32]);
    let place = RecordPlace {
        client: "own",
        store: "lms",
        object: "public.exam_attempt",
    };
    let mut leaves = Vec::new();
    for number in 0..45 {
        let (action, target) = match number {
            0..30 => (Action::RowDeleted, 0),
            30..35 => (Action::AlreadyAbsent, 0),
            _ => (Action::Pseudonymized, 1),
        };
        let mut encoder = RecordEncoder::new(&run_key, place, &["attempt_id"], target).unwrap();
        leaves.push(encoder.leaf(action, &[Value::Int(number)], 0).unwrap());
    }
    let mut subjects = SubjectEncoder::new(&run_key, "own", "learner").unwrap();
    for (id, action, target) in [
        (1, Action::RowDeleted, 0),
        (2, Action::RowDeleted, 0),
        (3, Action::Pseudonymized, 1),
    ] {
        let subject = subjects.reference(&Value::Int(id)).unwrap();
        leaves.push(subject_leaf(action, target, &subject, 10));
    }
    leaves.sort_unstable();
    leaves
}

/// The bytes of `leaves.bin`.
pub fn file(leaves: &[Leaf]) -> Vec<u8> {
    leaves.iter().flat_map(|leaf| *leaf.as_bytes()).collect()
}

/// The leaves, folded as they come.
pub fn fold(leaves: &[Leaf]) -> FoldedLeaves {
    let mut fold = LeafFold::new(TARGETS);
    for leaf in leaves {
        fold.push(leaf);
    }
    fold.finish()
}

/// A certificate that says of `leaves` what is so.
pub fn statement(leaves: &[Leaf]) -> Statement {
    let folded = fold(leaves);
    let predicate = Predicate {
        certificate_id: CERTIFICATE_ID.to_owned(),
        kind: CertificateKind::Deletion,
        status: Status::Complete,
        log: None,
        issuer: issuer(),
        controller: Controller {
            client: "own".to_owned(),
            organization: Some("株式会社例示ラーニング".to_owned()),
        },
        trigger: Trigger::ScheduledRetention,
        run: Run {
            id: "0193536c-5a00-7000-8000-000000000000".to_owned(),
            as_of: "2026-11-22".parse().unwrap(),
            time_zone: "Asia/Tokyo".to_owned(),
        },
        period: period(),
        targets: targets(&folded),
        clauses: vec![QuotedClause {
            text_sha256: Sha256::of("講座の終了から1年".as_bytes()),
            text: "講座の終了から1年".to_owned(),
        }],
        reconciles: Vec::new(),
        residuals: vec![Residual {
            place: "データベースのバックアップ".to_owned(),
            retention: Some("P35D".to_owned()),
            expires_by: Some("2026-12-27".parse().unwrap()),
        }],
        evidence: evidence(&folded),
    };
    Statement::new(folded.sha256, predicate)
}

/// The statement's one artifact, to be altered.
pub fn artifact(statement: &mut Statement) -> &mut Artifact {
    &mut statement.subject[0]
}

fn period() -> RunPeriod {
    RunPeriod {
        started_at: "2026-11-22T00:00:00Z".parse().unwrap(),
        finished_at: "2026-11-22T01:02:03.000456Z".parse().unwrap(),
        sealed_at: "2026-11-22T01:02:09Z".parse().unwrap(),
    }
}

fn evidence(folded: &FoldedLeaves) -> Evidence {
    let origin = "certs.example.com/own";
    Evidence {
        tree: TreeHash::Rfc6962Sha256,
        leaf_format: LeafFormat::V1,
        leaves: LeafTotals {
            record: folded.record_total(),
            subject: folded.subject_total(),
        },
        run_checkpoint: RunCheckpoint::new(origin, CERTIFICATE_ID, folded.size, folded.root)
            .unwrap(),
        evidence_key: EvidenceKey {
            id: "kek-2026q4".to_owned(),
            destroy_after: Some("2031-11-22".parse().unwrap()),
        },
    }
}

fn issuer() -> Issuer {
    Issuer {
        organization: "株式会社サンプル運用".to_owned(),
        corporate_number: Some("0000000000000".to_owned()),
        worker: Worker {
            name: "kigen".to_owned(),
            version: "0.1.0".to_owned(),
        },
    }
}

fn targets(folded: &FoldedLeaves) -> Vec<Target> {
    let methods = [
        ("delete", MethodClass::LogicalDelete, Technique::SqlDelete),
        (
            "pseudonymize",
            MethodClass::Pseudonymize,
            Technique::SqlUpdate,
        ),
    ];
    let mut targets = Vec::new();
    for (index, (stage, class, technique)) in (0..).zip(methods) {
        targets.push(Target {
            index,
            job: "exam-history".to_owned(),
            stage: stage.to_owned(),
            store: Store {
                id: "lms".to_owned(),
                engine: "PostgreSQL 17".to_owned(),
            },
            object: "public.exam_attempt".to_owned(),
            relation: None,
            inspection_sha256: None,
            data_categories: vec!["受験履歴".to_owned()],
            rule: rule(),
            method: Method { class, technique },
            counts: folded.records[usize::from(index)].into(),
            repeated: 0,
            ended_by: [("course".to_owned(), 30)].into_iter().collect(),
            retained: Some([("not-expired".to_owned(), 9)].into_iter().collect()),
            verification: Some(StoreVerification {
                method: "requery-full".to_owned(),
                checked: 17,
                result: VerificationResult::Verified,
                reason: None,
                remaining: 0,
                at: "2026-11-22T01:02:05Z".parse().unwrap(),
            }),
        });
    }
    targets
}

fn rule() -> CertifiedRule {
    CertifiedRule {
        cluster: "exam-history".to_owned(),
        sha256: Sha256::of(b"the job's file"),
        approval: Some(CertifiedApproval {
            role: "個人情報保護管理者".to_owned(),
            ticket: "CHG-1234".to_owned(),
        }),
        clause: CertifiedClause {
            document: "プライバシーポリシー 第8条".to_owned(),
            version: "2025-04-01".to_owned(),
            text_sha256: Sha256::of("講座の終了から1年".as_bytes()),
        },
        purposes: vec![CertifiedPurpose {
            name: "course".to_owned(),
            starting_point: "end-of-transaction".to_owned(),
            period: "P1Y".to_owned(),
            cutoff: "2025-11-22".parse().unwrap(),
        }],
    }
}
