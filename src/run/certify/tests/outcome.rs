//! What a certificate says about how its run went.

use kigen_evidence::leaf::Action;
use kigen_evidence::statement::{MethodClass, Statement, Status, Technique};

use crate::ledger::entry::{Entry, JobFailed, Outcome, RunState, StageFinished, StageRefused};

use super::fixture::{CLAUSE, Fixture, OTHER, OWN, at, row, rows, stage};

/// The certificates of a sealed run, that of `OTHER` first.
async fn statements(fixture: &Fixture) -> Vec<Statement> {
    let found = fixture.verify().await;
    assert!(found.holds(), "{found:?}");
    let certificates = found.clients.into_iter().flat_map(|one| one.certificates);
    let statements = certificates.map(|one| one.statement.unwrap());
    let mut statements: Vec<Statement> = statements.collect();
    statements.sort_by(|a, b| {
        a.predicate
            .controller
            .client
            .cmp(&b.predicate.controller.client)
    });
    statements
}

/// The status of the certificates of `OTHER`, which has removals of `exam-history` only, and `OWN`.
async fn status_after(entry: Option<Entry>, outcome: Outcome) -> [Status; 2] {
    let mut rows = rows(2);
    rows.retain(|row| row.client == OWN || row.target < 2);
    let fixture = Fixture::running(rows).await;
    for job in ["exam-history", "documents"] {
        fixture.append(50, &Entry::StageFinished(stage(job))).await;
    }
    if let Some(entry) = entry {
        fixture.append(55, &entry).await;
    }
    fixture.finish(outcome).await;
    fixture.seal(90).await.unwrap();
    let statements = statements(&fixture).await;
    [
        statements[0].predicate.status,
        statements[1].predicate.status,
    ]
}

#[tokio::test]
async fn a_certificate_says_what_the_ledger_and_the_leaves_say() {
    let fixture = Fixture::finished(rows(2)).await;
    let sealed = fixture.seal(90).await.unwrap();
    assert_eq!(sealed.certificates.len(), 2);
    let statements = statements(&fixture).await;
    let predicate = &statements[1].predicate;
    assert_eq!(predicate.controller.client, OWN);
    assert_eq!(
        predicate.controller.organization.as_deref(),
        Some("株式会社例示ラーニング")
    );
    assert_eq!(predicate.run.time_zone, "Asia/Tokyo");
    assert_eq!(predicate.period.started_at, at(0));
    assert_eq!(predicate.period.finished_at, at(60));
    assert_eq!(predicate.period.sealed_at, at(90));
    assert_eq!(predicate.evidence.evidence_key.id, "kek-2026q4");
    assert_eq!(predicate.evidence.leaves.record, 42);
    assert_eq!(predicate.evidence.leaves.subject, 6);
    let residual = &predicate.residuals[0];
    assert_eq!(residual.expires_by, Some("2026-12-27".parse().unwrap()));
    // Removals by version do not reach the copies of a bucket, and nobody says how long they stay.
    let replica = &predicate.residuals[1];
    assert_eq!(
        replica.place,
        "arn:aws:s3:::copies (replica of exam_attempt)"
    );
    assert_eq!((&replica.retention, replica.expires_by), (&None, None));
    let [clause] = predicate.clauses.as_slice() else {
        panic!("{:?}", predicate.clauses);
    };
    assert_eq!(clause.text, CLAUSE);
    let approval = predicate.targets[0].rule.approval.as_ref().unwrap();
    assert_eq!(approval.ticket, "CHG-1234");
    assert_eq!(statements[0].predicate.controller.organization, None);
}

#[tokio::test]
async fn each_target_names_its_rule_its_method_and_its_counts() {
    let fixture = Fixture::finished(rows(2)).await;
    fixture.seal(90).await.unwrap();
    let statements = statements(&fixture).await;
    let targets = &statements[0].predicate.targets;
    assert_eq!(targets[0].data_categories, ["受験履歴"]);
    assert_eq!(targets[2].data_categories, ["documents"]);
    assert_eq!(targets[0].rule.purposes[0].period, "P1Y");
    assert_eq!(
        targets[0].rule.purposes[0].starting_point,
        "end-of-transaction"
    );
    let methods: Vec<_> = targets.iter().map(|target| target.method.clone()).collect();
    assert_eq!(methods[0].class, MethodClass::Pseudonymize);
    assert_eq!(methods[1].technique, Technique::SqlDelete);
    assert_eq!(methods[2].technique, Technique::RemoveFile);
    assert_eq!(targets[0].counts.pseudonymized, 14);
    assert_eq!(targets[1].counts.of(Action::RowDeleted), 14);
    assert_eq!(targets[2].counts.versions_deleted, 14);
    assert_eq!(targets[1].ended_by.total(), Some(14));
}

#[tokio::test]
async fn a_run_that_did_everything_gives_complete_certificates() {
    let complete = [Status::Complete; 2];
    assert_eq!(status_after(None, Outcome::Complete).await, complete);
    // What failed belongs to a job that neither client has removals of.
    assert_eq!(status_after(None, Outcome::Partial).await, complete);
}

#[tokio::test]
async fn a_stopped_or_interrupted_run_gives_partial_certificates() {
    let partial = [Status::Partial; 2];
    assert_eq!(status_after(None, Outcome::Stopped).await, partial);
    let died = |found_state| Some(Entry::RunRecovered { found_state });
    let running = died(RunState::Running);
    assert_eq!(status_after(running, Outcome::Complete).await, partial);
    // It died after its end: everything had been done.
    let finished = died(RunState::Finished);
    assert_eq!(
        status_after(finished, Outcome::Complete).await,
        [Status::Complete; 2]
    );
}

#[tokio::test]
async fn what_failed_in_a_job_makes_the_certificates_of_its_clients_partial() {
    let later = || StageFinished {
        stage: "later".to_owned(),
        ..stage("documents")
    };
    let mut remaining = later();
    remaining.remaining_due = 1;
    let mut failed = later();
    failed.failed = 1;
    let mut unattempted = later();
    unattempted.unattempted = 1;
    for entry in [
        Entry::StageFinished(remaining),
        Entry::StageFinished(failed),
        Entry::StageFinished(unattempted),
        Entry::StageRefused(StageRefused {
            job: "documents".to_owned(),
            stage: "first".to_owned(),
            code: "limit-exceeded".to_owned(),
            message: "too many".to_owned(),
        }),
        Entry::JobFailed(JobFailed {
            job: "documents".to_owned(),
            code: "store-unreachable".to_owned(),
            message: "gone".to_owned(),
        }),
    ] {
        let found = status_after(Some(entry), Outcome::Partial).await;
        assert_eq!(found, [Status::Complete, Status::Partial]);
    }
}

#[tokio::test]
async fn a_key_that_was_removed_twice_has_one_leaf_and_is_counted_as_repeated() {
    let again = row(OWN, 1, Action::RowDeleted, 0..2, 2);
    let mut twice = rows(2);
    twice.push(again);
    let fixture = Fixture::finished(twice).await;
    let sealed = fixture.seal(90).await.unwrap();
    assert_eq!(sealed.certificates[1].client, OWN);
    assert_eq!(sealed.certificates[1].records, 42);
    assert_eq!(sealed.certificates[1].repeated, 2);
    assert_eq!(sealed.certificates[0].repeated, 0);
    let targets = &statements(&fixture).await[1].predicate.targets;
    let repeated: Vec<u64> = targets.iter().map(|target| target.repeated).collect();
    assert_eq!(repeated, [0, 2, 0]);
    let once = Fixture::finished(rows(2)).await;
    once.seal(90).await.unwrap();
    assert_eq!(
        statements(&fixture).await[1].leaves_digest(),
        statements(&once).await[1].leaves_digest()
    );
}

#[tokio::test]
async fn two_clients_get_only_their_own_leaves() {
    let both = Fixture::finished(rows(3)).await;
    both.seal(90).await.unwrap();
    for (place, client) in [(0, OTHER), (1, OWN)] {
        let mut own = rows(3);
        own.retain(|row| row.client == client);
        let alone = Fixture::finished(own).await;
        alone.seal(90).await.unwrap();
        let alone = &statements(&alone).await[0];
        let beside = &statements(&both).await[place];
        assert_eq!(alone.leaves_digest(), beside.leaves_digest());
        assert_eq!(alone.predicate.evidence, beside.predicate.evidence);
    }
}

#[tokio::test]
async fn a_target_that_concerns_other_clients_only_does_not_appear() {
    let mut some = rows(2);
    some.retain(|row| row.client == OWN || row.target == 1);
    let fixture = Fixture::finished(some).await;
    fixture.seal(90).await.unwrap();
    let numbers = |statement: &Statement| -> Vec<u16> {
        let targets = statement.predicate.targets.iter();
        targets.map(|target| target.index).collect()
    };
    let statements = statements(&fixture).await;
    assert_eq!(numbers(&statements[0]), [1]);
    assert_eq!(numbers(&statements[1]), [0, 1, 2]);
}

#[tokio::test]
async fn a_clock_that_was_set_back_does_not_seal_before_the_end() {
    let fixture = Fixture::finished(rows(1)).await;
    fixture.seal(10).await.unwrap();
    assert_eq!(
        statements(&fixture).await[0].predicate.period.sealed_at,
        at(60)
    );
}
