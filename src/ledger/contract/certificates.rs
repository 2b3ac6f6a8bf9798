//! Certificates: stored once, never changed, found again.

use super::both;
use super::fixture::{Fixture, at};
use crate::ledger::error::LedgerError;
use crate::ledger::{
    CertificateFilter, CertificateMatch, Envelope, Ledger, NewCertificate, Stored,
};

both! {
    a_certificate_is_stored_once_however_often_it_is_sealed,
    other_bytes_for_the_same_run_and_client_are_refused,
    an_envelope_needs_its_certificate_and_never_changes,
    certificates_are_listed_by_run_client_and_time,
    a_certificate_is_found_by_the_beginning_of_its_id,
    two_sealers_at_once_store_one_certificate,
}

fn certificate(id: &str, run_id: &str, client: &str) -> NewCertificate {
    NewCertificate {
        certificate_id: id.to_owned(),
        run_id: run_id.to_owned(),
        client: client.to_owned(),
        payload: format!("{{\"id\": \"{id}\"}}").into_bytes(),
        leaves_sha256: "ab".repeat(32),
        created_at: at(10),
    }
}

fn envelope() -> Envelope {
    Envelope {
        envelope: vec![0, 1, 2, 255],
        sshsig: "-----BEGIN SSH SIGNATURE-----".to_owned(),
    }
}

pub(super) async fn store_one(ledger: &dyn Ledger) {
    ledger
        .store_certificate(&certificate("c1", "run-1", "a"))
        .await
        .unwrap();
    ledger.store_envelope("c1", &envelope()).await.unwrap();
}

async fn a_certificate_is_stored_once_however_often_it_is_sealed(fixture: Fixture) {
    let ledger = fixture.migrated().await;
    let mut new = certificate("c1", "run-1", "a");
    assert_eq!(ledger.store_certificate(&new).await.unwrap(), Stored::New);
    new.created_at = at(99);
    assert_eq!(
        ledger.store_certificate(&new).await.unwrap(),
        Stored::AlreadyThere
    );
    let CertificateMatch::One(stored) = ledger.certificate("c1").await.unwrap() else {
        panic!("the certificate is not found");
    };
    assert_eq!(stored.payload, new.payload);
    assert_eq!(stored.summary.created_at, at(10));
    assert_eq!(stored.envelope, None);
    assert!(!stored.summary.signed);
    assert_eq!(stored.summary.payload_sha256.len(), 64);
}

async fn other_bytes_for_the_same_run_and_client_are_refused(fixture: Fixture) {
    let ledger = fixture.migrated().await;
    ledger
        .store_certificate(&certificate("c1", "run-1", "a"))
        .await
        .unwrap();
    let mut other_payload = certificate("c1", "run-1", "a");
    other_payload.payload.push(b' ');
    let mut other_leaves = certificate("c1", "run-1", "a");
    other_leaves.leaves_sha256 = "cd".repeat(32);
    for other in [
        other_payload,
        other_leaves,
        certificate("c2", "run-1", "a"),
        certificate("c1", "run-2", "a"),
    ] {
        let error = ledger.store_certificate(&other).await.unwrap_err();
        assert!(matches!(error, LedgerError::Conflict { .. }), "{error:?}");
    }
    let all = ledger
        .certificates(&CertificateFilter::default())
        .await
        .unwrap();
    assert_eq!(all.len(), 1);
}

async fn an_envelope_needs_its_certificate_and_never_changes(fixture: Fixture) {
    let ledger = fixture.migrated().await;
    let error = ledger.store_envelope("c1", &envelope()).await.unwrap_err();
    assert!(matches!(error, LedgerError::Conflict { .. }), "{error:?}");
    ledger
        .store_certificate(&certificate("c1", "run-1", "a"))
        .await
        .unwrap();
    assert_eq!(
        ledger.store_envelope("c1", &envelope()).await.unwrap(),
        Stored::New
    );
    assert_eq!(
        ledger.store_envelope("c1", &envelope()).await.unwrap(),
        Stored::AlreadyThere
    );
    let other = Envelope {
        sshsig: String::new(),
        ..envelope()
    };
    let error = ledger.store_envelope("c1", &other).await.unwrap_err();
    assert!(matches!(error, LedgerError::Conflict { .. }), "{error:?}");
    let CertificateMatch::One(stored) = ledger.certificate("c1").await.unwrap() else {
        panic!("the certificate is not found");
    };
    assert_eq!(stored.envelope, Some(envelope()));
    assert!(stored.summary.signed);
}

async fn certificates_are_listed_by_run_client_and_time(fixture: Fixture) {
    let ledger = fixture.migrated().await;
    for (second, id, run_id, client) in [
        (3, "c3", "run-2", "a"),
        (1, "c1", "run-1", "a"),
        (2, "c2", "run-1", "b"),
    ] {
        let new = NewCertificate {
            created_at: at(second),
            ..certificate(id, run_id, client)
        };
        ledger.store_certificate(&new).await.unwrap();
    }
    let all = CertificateFilter::default();
    let run = CertificateFilter {
        run_id: Some("run-1".to_owned()),
        ..all.clone()
    };
    let client = CertificateFilter {
        client: Some("a".to_owned()),
        ..all.clone()
    };
    let time = CertificateFilter {
        from: Some(at(2)),
        until: Some(at(3)),
        ..all.clone()
    };
    for (filter, expected) in [
        (all, vec!["c1", "c2", "c3"]),
        (run, vec!["c1", "c2"]),
        (client, vec!["c1", "c3"]),
        (time, vec!["c2"]),
    ] {
        let found = ledger.certificates(&filter).await.unwrap();
        let ids: Vec<_> = found
            .iter()
            .map(|found| found.certificate_id.as_str())
            .collect();
        assert_eq!(ids, expected);
    }
}

async fn a_certificate_is_found_by_the_beginning_of_its_id(fixture: Fixture) {
    let ledger = fixture.migrated().await;
    for (id, client) in [("01ab", "a"), ("01abc", "b"), ("02", "c"), ("%", "d")] {
        ledger
            .store_certificate(&certificate(id, "run-1", client))
            .await
            .unwrap();
    }
    for (prefix, expected) in [
        ("02", "02"),
        ("0", ""),
        ("01a", ""),
        ("01ab", "01ab"),
        ("%", "%"),
    ] {
        match ledger.certificate(prefix).await.unwrap() {
            CertificateMatch::One(found) => assert_eq!(found.summary.certificate_id, expected),
            CertificateMatch::Several(ids) => {
                assert_eq!(expected, "");
                assert!(ids.iter().all(|id| id.starts_with(prefix)) && ids.len() > 1);
            }
            CertificateMatch::None => panic!("`{prefix}` is not found"),
        }
    }
    assert_eq!(
        ledger.certificate("_").await.unwrap(),
        CertificateMatch::None
    );
}

async fn two_sealers_at_once_store_one_certificate(fixture: Fixture) {
    let ledger = fixture.migrated().await;
    let other = fixture.open().await;
    let new = certificate("c1", "run-1", "a");
    let (one, two) = tokio::join!(
        ledger.store_certificate(&new),
        other.store_certificate(&new)
    );
    let new_ones = [one.unwrap(), two.unwrap()]
        .into_iter()
        .filter(|stored| *stored == Stored::New)
        .count();
    assert_eq!(new_ones, 1);
}
