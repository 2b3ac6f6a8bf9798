//! What is not sealed, and why.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use kigen_evidence::leaf::Action;

use crate::ledger::CertificateFilter;
use crate::ledger::entry::{Entry, RunState};
use crate::ledger::fold::fold_runs;
use crate::run::certify::SealError;
use crate::store::JournalRow;

use super::fixture::{Fixture, OTHER, OWN, RUN, files, row, rows};
use super::journal_only::JournalOnly;

/// Replaces the journal by one that holds `rows`.
fn replace_journal(fixture: &mut Fixture, rows: Vec<JournalRow>) {
    let count = rows.len();
    fixture.journal = Arc::new(JournalOnly::made(
        count,
        Box::new(move |number| rows[number].clone()),
    ));
}

#[tokio::test]
async fn a_run_that_removed_nothing_is_sealed_without_a_certificate() {
    let fixture = Fixture::finished(Vec::new()).await;
    let sealed = fixture.seal(90).await.unwrap();
    assert!(sealed.certificates.is_empty());
    assert_eq!(fixture.journal.closed.load(Ordering::SeqCst), 1);
    fixture.seal(91).await.unwrap();
    let entries = fixture.ledger.entries_of(RUN).await.unwrap();
    let empty = Entry::Sealed {
        certificate_ids: Vec::new(),
    };
    assert_eq!(entries.iter().filter(|one| one.entry == empty).count(), 1);
    assert_eq!(fold_runs(&entries)[0].state, RunState::Published);
    let verified = fixture.verify().await;
    assert_eq!(
        (verified.holds(), verified.certificates().count()),
        (true, 0),
        "{verified:?}"
    );
    assert_eq!(verified.clients.len(), 2);
    for client in verified.clients {
        let said: Vec<String> = client.findings.iter().map(ToString::to_string).collect();
        let story = "1 plans, 0 certificates, 1 runs without removals, 0 aborted";
        assert!(said.iter().any(|says| says.contains(story)), "{said:?}");
    }
}

#[tokio::test]
async fn a_run_that_has_not_ended_is_not_sealed_and_its_fence_stays_open() {
    let fixture = Fixture::running(rows(1)).await;
    let error = fixture.seal(90).await.unwrap_err();
    assert!(matches!(error, SealError::NotFinished { .. }), "{error}");
    assert_eq!(fixture.journal.closed.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_damaged_journal_row_is_refused_with_its_target() {
    let good = || row(OWN, 1, Action::RowDeleted, 0..3, 1);
    let mut unknown_target = good();
    unknown_target.target = 3;
    let mut cut_leaf = good();
    cut_leaf.leaves.pop();
    let mut cut_ref = good();
    cut_ref.refs.truncate(64);
    let mut miscounted = good();
    miscounted.records = 4;
    let mut other_action = good();
    other_action.action = Action::Held.code();
    let mut other_target = good();
    other_target.target = 0;
    for damaged in [
        unknown_target,
        cut_leaf,
        cut_ref,
        miscounted,
        other_action,
        other_target,
    ] {
        let target = damaged.target;
        let fixture = Fixture::finished(vec![good(), damaged]).await;
        let error = fixture.seal(90).await.unwrap_err();
        assert!(
            matches!(error, SealError::DamagedJournal { target: found, .. } if found == target),
            "{error}"
        );
        let none = CertificateFilter::default();
        assert!(fixture.ledger.certificates(&none).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_journal_that_changed_after_the_certificate_is_refused() {
    let mut less = rows(2);
    less.pop();
    let mut one_client_less = rows(2);
    one_client_less.retain(|row| row.client == OWN);
    for changed in [less, one_client_less, Vec::new()] {
        let mut fixture = Fixture::finished(rows(2)).await;
        fixture.seal(90).await.unwrap();
        let before = files(&fixture.certificates());
        replace_journal(&mut fixture, changed);
        let error = fixture.seal(91).await.unwrap_err();
        assert!(matches!(error, SealError::JournalChanged { .. }), "{error}");
        assert_eq!(files(&fixture.certificates()), before);
    }
}

#[tokio::test]
async fn removals_of_a_client_who_was_not_sealed_are_refused() {
    let mut own = rows(2);
    own.retain(|row| row.client == OWN);
    let mut fixture = Fixture::finished(own).await;
    fixture.seal(90).await.unwrap();
    replace_journal(&mut fixture, rows(2));
    let error = fixture.seal(91).await.unwrap_err();
    assert!(matches!(error, SealError::MoreThanSealed { .. }), "{error}");
    assert!(!error.to_string().contains(OTHER));
}

#[tokio::test]
async fn another_file_in_the_place_of_a_published_one_is_never_overwritten() {
    for (name, bytes) in [
        ("cert.dsse.json", "{}".to_owned()),
        ("leaves.bin", "a".repeat(36 * 48)),
        ("statement.json", String::new()),
    ] {
        let fixture = Fixture::finished(rows(2)).await;
        let path = fixture
            .certificates()
            .join("client%2F7f3a")
            .join(RUN)
            .join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &bytes).unwrap();
        let error = fixture.seal(90).await.unwrap_err();
        assert!(matches!(error, SealError::Occupied { .. }), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), bytes);
        let entries = fixture.ledger.entries_of(RUN).await.unwrap();
        assert_eq!(fold_runs(&entries)[0].state, RunState::Sealed);
        fs::remove_file(&path).unwrap();
        fixture.seal(91).await.unwrap();
    }
}

#[tokio::test]
async fn a_run_without_its_evidence_key_is_not_certified_but_published_if_it_was() {
    let fixture = Fixture::finished(rows(1)).await;
    fixture.seal(90).await.unwrap();
    assert!(fixture.ledger.destroy_run_key(RUN).await.unwrap());
    fixture.seal(91).await.unwrap();
    let fixture = Fixture::finished(rows(1)).await;
    assert!(fixture.ledger.destroy_run_key(RUN).await.unwrap());
    let error = fixture.seal(90).await.unwrap_err();
    assert!(matches!(error, SealError::DamagedRun { .. }), "{error}");
}

#[tokio::test]
async fn an_origin_that_no_checkpoint_can_have_is_refused_before_anything_is_stored() {
    let mut fixture = Fixture::finished(rows(1)).await;
    fixture.origin = "certs\nexample".to_owned();
    let error = fixture.seal(90).await.unwrap_err();
    assert!(matches!(error, SealError::AllowedSigners(_)), "{error}");
    let all = CertificateFilter::default();
    assert!(fixture.ledger.certificates(&all).await.unwrap().is_empty());
}
