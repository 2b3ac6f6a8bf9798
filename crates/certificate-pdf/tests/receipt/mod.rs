//! Receipts as PDF.

use std::fs;

use certificate_pdf::typeset_receipt;
use kigen_evidence::document::{Languages, ReceiptOf, ReceiptView};
use kigen_evidence::leaf::Action;

use super::{Place, fonts};

/// A receipt for one record.
fn receipt() -> ReceiptView {
    ReceiptView {
        certificate_id: "0193536c-5a00-7000-8000-000000000001".to_owned(),
        issuer: "株式会社サンプル運用".to_owned(),
        issued_on: "2026-11-22".parse().unwrap(),
        client: "株式会社例示ラーニング".to_owned(),
        store: "lms".to_owned(),
        object: "public.exam_attempt".to_owned(),
        action: Action::RowDeleted,
        of: ReceiptOf::Record {
            key: vec![("learner_id".to_owned(), "1000007".to_owned())],
        },
        leaf: format!("01010000{}", "957b1719".repeat(8)),
        index: 17,
        tree_size: 1001,
        root: "rB/DMI7VfP5ZffAlN2eQUIcUzohRrH0eDJBp8qx78Es=".to_owned(),
        origin: "certs.example.com/own/run/0193536c-5a00-7000-8000-000000000001".to_owned(),
        log: None,
        proof: b"c2sp.org/tlog-proof@v1\n".to_vec(),
    }
}

#[test]
fn a_receipt_is_set_with_its_proof_attached() {
    let at = "2026-11-22T01:02:09Z".parse().unwrap();
    let pdf = typeset_receipt(&receipt(), at, Languages::JaEn, &fonts()).unwrap();
    let place = Place::with("receipt", &pdf);
    place.run(&["qpdf", "--check", "certificate.pdf"]);
    let text = place.text();
    for words in [
        "本書は本人の個人データです",
        "Thisreceiptispersonaldata",
        "1000007",
    ] {
        assert!(text.contains(words), "`{words}` in: {text}");
    }
    place.run(&["pdfdetach", "-saveall", "certificate.pdf"]);
    assert_eq!(
        fs::read(place.file("record.tlog-proof")).unwrap(),
        receipt().proof
    );
    let again = typeset_receipt(&receipt(), at, Languages::JaEn, &fonts()).unwrap();
    assert_eq!(again, pdf);
}

#[test]
fn a_long_leaf_goes_on_in_the_next_line() {
    let at = "2026-11-22T01:02:09Z".parse().unwrap();
    let pdf = typeset_receipt(&receipt(), at, Languages::JaEn, &fonts()).unwrap();
    let place = Place::with("long-leaf", &pdf);
    place.run(&["pdftotext", "certificate.pdf", "lines.txt"]);
    let lines = fs::read_to_string(place.file("lines.txt")).unwrap();
    assert!(!lines.contains(&receipt().leaf), "{lines}");
    assert!(place.text().contains(&receipt().leaf));
}
