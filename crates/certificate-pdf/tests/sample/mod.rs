//! A small certificate: two targets and three leaves.

use ed25519_dalek::SigningKey;
use kigen_evidence::digest::Sha256;
use kigen_evidence::document::Certificate;
use kigen_evidence::dsse;
use kigen_evidence::leaf::{Action, Leaf};
use kigen_evidence::leaves::LeafFold;
use kigen_evidence::statement::Statement;
use serde_json::{Value, json};

const ID: &str = "0193536c-5a00-7000-8000-000000000001";

/// The key that signs the sample.
pub(crate) fn key() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

/// The bytes of `leaves.bin`: two rows deleted, one pseudonymized.
pub(crate) fn leaves() -> Vec<u8> {
    let mut leaves = Vec::new();
    for (action, target, fill) in [
        (Action::RowDeleted, 0, 1),
        (Action::RowDeleted, 0, 2),
        (Action::Pseudonymized, 1, 3),
    ] {
        let mut leaf = [fill; 36];
        leaf[..4].copy_from_slice(&[1, action.code(), 0, target]);
        leaves.extend(leaf);
    }
    leaves
}

/// The certificate of the leaves, changed and signed.
pub(crate) fn certificate(change: impl FnOnce(&mut Statement)) -> Certificate {
    let mut statement: Statement = serde_json::from_value(statement()).unwrap();
    change(&mut statement);
    let payload = serde_json::to_vec(&statement).unwrap();
    let envelope = dsse::sign(&payload, &key()).unwrap();
    Certificate::read(&envelope, &[key().verifying_key()]).unwrap()
}

fn statement() -> Value {
    let bytes = leaves();
    let (whole, _) = bytes.as_chunks::<36>();
    let mut fold = LeafFold::new(2);
    for leaf in whole {
        fold.push(&Leaf::from_bytes(*leaf));
    }
    let folded = fold.finish();
    let checkpoint = kigen_evidence::statement::RunCheckpoint::new(
        "certs.example.com/own",
        ID,
        folded.size,
        folded.root,
    );
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "leaves.bin", "digest": {"sha256": folded.sha256}}],
        "predicateType": "urn:kigen:deletion-certificate:v1",
        "predicate": {
            "certificateId": ID,
            "kind": "deletion",
            "status": "complete",
            "issuer": {
                "organization": "株式会社サンプル運用",
                "corporateNumber": "0000000000000",
                "worker": {"name": "kigen", "version": "0.1.0"}
            },
            "controller": {"client": "own", "organization": "株式会社例示ラーニング"},
            "trigger": "scheduled-retention",
            "run": {
                "id": "0193536c-5a00-7000-8000-000000000000",
                "asOf": "2026-11-22",
                "timeZone": "Asia/Tokyo"
            },
            "period": {
                "startedAt": "2026-11-22T00:00:00Z",
                "finishedAt": "2026-11-22T01:02:03.000456Z",
                "sealedAt": "2026-11-22T01:02:09Z"
            },
            "targets": [
                target(0, "logical-delete", "SQL DELETE", "deleted", 2),
                target(1, "pseudonymize", "SQL UPDATE", "pseudonymized", 1)
            ],
            "residuals": [{
                "where": "データベースのバックアップ",
                "retention": "P35D",
                "expiresBy": "2026-12-27"
            }],
            "evidence": {
                "tree": "rfc6962-sha256",
                "leafFormat": "urn:kigen:leaf:v1",
                "leaves": {"record": 3, "subject": 0},
                "runCheckpoint": checkpoint.unwrap(),
                "evidenceKey": {"id": "kek-2026q4", "destroyAfter": "2031-11-22"}
            }
        }
    })
}

fn target(index: u16, class: &str, technique: &str, counted: &str, records: u64) -> Value {
    let mut counts = json!({
        "deleted": 0, "pseudonymized": 0, "versionsDeleted": 0, "cryptoErased": 0,
        "alreadyAbsent": 0, "held": 0, "deleteMarkersRemoved": 0, "uploadsAborted": 0
    });
    counts[counted] = json!(records);
    json!({
        "index": index,
        "job": "exam-history",
        "stage": class,
        "store": {"id": "lms", "engine": "PostgreSQL 17"},
        "object": "public.exam_attempt",
        "dataCategories": ["受験履歴"],
        "rule": {
            "cluster": "exam-history",
            "sha256": Sha256::of(b"the job's file"),
            "clause": {
                "document": "プライバシーポリシー 第8条",
                "version": "2025-04-01",
                "textSha256": Sha256::of("講座の終了から1年".as_bytes())
            },
            "purposes": [{
                "name": "course",
                "startingPoint": "end-of-transaction",
                "period": "P1Y",
                "cutoff": "2025-11-22"
            }]
        },
        "method": {"class": class, "technique": technique},
        "counts": counts,
        "repeated": 0,
        "endedBy": {"course": records}
    })
}
