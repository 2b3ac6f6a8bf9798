//! The clients' logs.

use kigen_evidence::merkle::leaf_hash;

use super::both;
use super::fixture::{Fixture, at};
use crate::ledger::error::LedgerError;
use crate::ledger::log::{Appended, LogCheckpoint, LogEntry, LogRole, NewLogEntry};
use crate::ledger::record::{CertificateFilter, NewCertificate, Stored};

both! {
    entries_follow_one_another_without_a_gap,
    every_client_has_a_log_of_its_own,
    a_run_has_one_plan_and_one_closing_entry,
    a_certificate_and_its_log_entry_are_stored_together_or_not_at_all,
    two_writers_never_take_one_index,
    a_log_signs_one_head_for_each_size_and_never_an_older_one,
    nothing_in_a_log_can_be_changed,
}

fn plan(client: &str, index: u64, run: &str) -> NewLogEntry {
    NewLogEntry {
        client: client.to_owned(),
        index,
        role: LogRole::Plan,
        run_id: Some(run.to_owned()),
        payload: format!("plan of {run}").into_bytes(),
        at: at(1),
    }
}

fn closing(client: &str, index: u64, run: &str) -> NewLogEntry {
    NewLogEntry {
        role: LogRole::Closing,
        payload: format!("certificate of {run}").into_bytes(),
        ..plan(client, index, run)
    }
}

fn certificate(of: &NewLogEntry) -> NewCertificate {
    NewCertificate {
        certificate_id: "c-1".to_owned(),
        run_id: of.run_id.clone().unwrap(),
        client: of.client.clone(),
        payload: of.payload.clone(),
        leaves_sha256: "00".to_owned(),
        created_at: at(1),
    }
}

fn stored(new: &NewLogEntry) -> LogEntry {
    LogEntry {
        index: new.index,
        role: new.role,
        run_id: new.run_id.clone(),
        payload: new.payload.clone(),
    }
}

fn head(size: u64, note: &str) -> LogCheckpoint {
    LogCheckpoint {
        client: "own".to_owned(),
        size,
        note: note.to_owned(),
    }
}

async fn entries_follow_one_another_without_a_gap(fixture: Fixture) {
    let ledger = fixture.migrated().await;
    let entries = [plan("own", 0, "run-1"), closing("own", 1, "run-1")];
    assert!(ledger.log_hashes("own").await.unwrap().is_empty());
    assert_eq!(
        ledger.append_to_log(&entries[1], None).await.unwrap(),
        Appended::Moved,
        "there is no entry 0 yet"
    );
    for entry in &entries {
        let appended = ledger.append_to_log(entry, None).await.unwrap();
        assert_eq!(appended, Appended::New);
    }
    let moved = ledger.append_to_log(&plan("own", 1, "run-2"), None).await;
    assert_eq!(moved.unwrap(), Appended::Moved, "index 1 is taken");
    let hashes: Vec<_> = entries
        .iter()
        .map(|entry| leaf_hash(&entry.payload))
        .collect();
    assert_eq!(ledger.log_hashes("own").await.unwrap(), hashes);
    assert_eq!(
        ledger.log_entries("own", 0, 9).await.unwrap(),
        entries.each_ref().map(stored)
    );
    assert_eq!(
        ledger.log_entries("own", 1, 2).await.unwrap(),
        [stored(&entries[1])]
    );
}

async fn every_client_has_a_log_of_its_own(fixture: Fixture) {
    let ledger = fixture.migrated().await;
    for client in ["kasou-denki", "own"] {
        let appended = ledger.append_to_log(&plan(client, 0, "run-1"), None).await;
        assert_eq!(appended.unwrap(), Appended::New);
    }
    assert_eq!(ledger.log_clients().await.unwrap(), ["kasou-denki", "own"]);
    assert_eq!(ledger.log_hashes("own").await.unwrap().len(), 1);
    assert!(ledger.log_hashes("nobody").await.unwrap().is_empty());
}

async fn a_run_has_one_plan_and_one_closing_entry(fixture: Fixture) {
    let ledger = fixture.migrated().await;
    let first = plan("own", 0, "run-1");
    ledger.append_to_log(&first, None).await.unwrap();
    let again = NewLogEntry {
        index: 1,
        payload: b"another plan".to_vec(),
        ..first.clone()
    };
    assert_eq!(
        ledger.append_to_log(&again, None).await.unwrap(),
        Appended::AlreadyThere(stored(&first))
    );
    let found = ledger.log_entry("own", "run-1", LogRole::Plan).await;
    assert_eq!(found.unwrap(), Some(stored(&first)));
    let open = ledger.log_entry("own", "run-1", LogRole::Closing).await;
    assert_eq!(open.unwrap(), None);
}

async fn a_certificate_and_its_log_entry_are_stored_together_or_not_at_all(fixture: Fixture) {
    let ledger = fixture.migrated().await;
    ledger
        .append_to_log(&plan("own", 0, "run-1"), None)
        .await
        .unwrap();
    let late = closing("own", 2, "run-1");
    let moved = ledger.append_to_log(&late, Some(&certificate(&late))).await;
    assert_eq!(moved.unwrap(), Appended::Moved);
    let all = CertificateFilter::default();
    assert!(ledger.certificates(&all).await.unwrap().is_empty());

    let next = closing("own", 1, "run-1");
    let new = ledger.append_to_log(&next, Some(&certificate(&next))).await;
    assert_eq!(new.unwrap(), Appended::New);
    assert_eq!(ledger.certificates(&all).await.unwrap().len(), 1);

    // The same certificate of another payload is refused, and takes no index with it.
    let mut other = closing("other", 0, "run-2");
    other.payload = b"other".to_vec();
    let mut refused = certificate(&other);
    refused.certificate_id = "c-1".to_owned();
    let error = ledger.append_to_log(&other, Some(&refused)).await;
    assert!(
        matches!(error, Err(LedgerError::Conflict { .. })),
        "{error:?}"
    );
    assert!(ledger.log_hashes("other").await.unwrap().is_empty());
}

async fn two_writers_never_take_one_index(fixture: Fixture) {
    let ledger = fixture.migrated().await;
    let entries: Vec<NewLogEntry> = (0..8)
        .map(|run| plan("own", 0, &format!("run-{run}")))
        .collect();
    let answers = futures_util::future::join_all(
        entries
            .iter()
            .map(|entry| ledger.append_to_log(entry, None)),
    )
    .await;
    let new = answers
        .into_iter()
        .filter(|answer| matches!(answer, Ok(Appended::New)));
    assert_eq!(new.count(), 1);
    assert_eq!(ledger.log_hashes("own").await.unwrap().len(), 1);
}

async fn a_log_signs_one_head_for_each_size_and_never_an_older_one(fixture: Fixture) {
    let ledger = fixture.migrated().await;
    assert_eq!(ledger.last_checkpoint("own").await.unwrap(), None);
    let stored = ledger.store_checkpoint(&head(2, "two"), at(1)).await;
    assert_eq!(stored.unwrap(), Stored::New);
    let again = ledger.store_checkpoint(&head(2, "two"), at(2)).await;
    assert_eq!(again.unwrap(), Stored::AlreadyThere);
    for other in [head(2, "another two"), head(1, "one")] {
        let refused = ledger.store_checkpoint(&other, at(2)).await;
        assert!(
            matches!(refused, Err(LedgerError::Conflict { .. })),
            "{refused:?}"
        );
    }
    ledger
        .store_checkpoint(&head(5, "five"), at(3))
        .await
        .unwrap();
    assert_eq!(
        ledger.last_checkpoint("own").await.unwrap(),
        Some(head(5, "five"))
    );
}

async fn nothing_in_a_log_can_be_changed(fixture: Fixture) {
    let ledger = fixture.migrated().await;
    let entry = plan("own", 0, "run-1");
    ledger.append_to_log(&entry, None).await.unwrap();
    ledger
        .store_checkpoint(&head(1, "one"), at(1))
        .await
        .unwrap();
    for sql in [
        "update kigen_log_entry set run_id = 'run-2'",
        "delete from kigen_log_entry",
        "update kigen_log_checkpoint set note = 'other'",
        "delete from kigen_log_checkpoint",
        "insert into kigen_log_entry (client, log_index, role, run_id, payload, leaf_hash, at) \
         select client, log_index + 2, role, 'run-9', payload, leaf_hash, at from kigen_log_entry",
    ] {
        assert!(fixture.execute(sql).await.is_err(), "{sql}");
    }
    assert_eq!(
        ledger.log_entries("own", 0, 9).await.unwrap(),
        [stored(&entry)]
    );
}
