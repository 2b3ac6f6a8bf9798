//! Receipts: personal data, and said to be.

use crate::document::{Languages, ReceiptLog, ReceiptOf, ReceiptView, receipt_page};
use crate::leaf::Action;

fn receipt(of: ReceiptOf) -> ReceiptView {
    ReceiptView {
        certificate_id: "0193536c-5a00-7000-8000-000000000001".to_owned(),
        issuer: "株式会社サンプル運用".to_owned(),
        issued_on: "2026-11-22".parse().unwrap(),
        client: "株式会社例示ラーニング".to_owned(),
        store: "lms".to_owned(),
        object: "public.exam_attempt".to_owned(),
        action: Action::RowDeleted,
        of,
        leaf: "01010000957b1719".to_owned(),
        index: 17,
        tree_size: 1001,
        root: "rB/DMI7VfP5ZffAlN2eQUIcUzohRrH0eDJBp8qx78Es=".to_owned(),
        origin: "certs.example.com/own/run/0193536c-5a00-7000-8000-000000000001".to_owned(),
        log: Some(ReceiptLog {
            origin: "certs.example.com/own".to_owned(),
            index: 42,
        }),
        proof: b"c2sp.org/tlog-proof@v1\n".to_vec(),
    }
}

fn record() -> ReceiptView {
    receipt(ReceiptOf::Record {
        key: vec![("learner_id".to_owned(), "1000007".to_owned())],
    })
}

fn person() -> ReceiptView {
    receipt(ReceiptOf::Person {
        kind: "learner".to_owned(),
        id: "1000007".to_owned(),
        records: 14,
    })
}

#[test]
fn a_receipt_says_that_it_is_personal_data_to_be_handed_over_and_not_stored() {
    for receipt in [record(), person()] {
        let page = receipt_page(&receipt, Languages::JaEn).unwrap();
        for words in [
            "本書は本人の個人データです",
            "発行者は写しを保存しないでください",
            "This receipt is personal data of that person",
            "The issuer keeps no copy",
            "1000007",
            "data:text/plain;base64,YzJzcC5vcmcvdGxvZy1wcm9vZkB2MQo=",
            &format!("sha256:{}", receipt.sha256()),
        ] {
            assert!(page.contains(words), "{words}");
        }
    }
}

#[test]
fn a_receipt_is_not_printed_by_debug() {
    assert_eq!(format!("{:?}", record()), "<redacted receipt>");
}

#[test]
fn what_is_in_a_key_stays_a_text() {
    let receipt = receipt(ReceiptOf::Record {
        key: vec![("<b>".to_owned(), "\"><script>𠮷".to_owned())],
    });
    let page = receipt_page(&receipt, Languages::Ja).unwrap();
    assert!(!page.contains("<script") && !page.contains("<b>"));
    assert!(page.contains("&#60;script&#62;𠮷"));
}

#[test]
fn the_receipt_of_a_pseudonymized_record_does_not_say_that_it_is_gone() {
    let mut receipt = record();
    receipt.action = Action::Pseudonymized;
    let page = receipt_page(&receipt, Languages::Ja).unwrap();
    assert!(page.contains("消去されていません"));
    assert_eq!(receipt_page(&receipt, Languages::Ja).unwrap(), page);
}
