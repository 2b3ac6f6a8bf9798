//! What each record is judged to be.

use jiff::civil::date;

use super::{Present, Runs, attempt, job};
use crate::run::restore::lost::{Lost, Why};

#[tokio::test]
async fn a_record_is_back_if_its_key_and_its_person_were_removed() {
    let (job, mut runs) = (job(), Runs::new());
    runs.delete(&job, [(1, 10), (2, 10), (3, 11)].into_iter());
    let present = Present::of(vec![
        attempt(1, 10),
        attempt(2, 10),
        // Another person's by now, whom the run knows and whom it does not know.
        attempt(3, 12),
        attempt(4, 10),
    ]);
    let look = runs.look(&job, &[], &present).await;
    assert_eq!((look.back, look.key_reused, look.never_removed), (2, 1, 1));
    assert_eq!(look.persons, [0, 1]);
    assert_eq!(look.by_source[&0][&0], 2);
}

#[tokio::test]
async fn of_a_persons_many_records_one_that_is_back_is_known_by_trying_the_counts() {
    let (job, mut runs) = (job(), Runs::new());
    runs.delete(&job, (0..300).map(|number| (number, number % 3)));
    let present = Present::of(vec![attempt(7, 1), attempt(8, 99)]);
    let look = runs.look(&job, &[], &present).await;
    // Attempt 8 was learner 2's, and of learner 99 nothing was ever removed.
    assert_eq!((look.back, look.key_reused), (1, 1), "{look:?}");
}

#[tokio::test]
async fn a_key_and_a_person_that_one_run_removed_apart_from_each_other_are_taken_for_one_record() {
    let (job, mut runs) = (job(), Runs::new());
    runs.delete(&job, [(1, 10), (2, 11)].into_iter());
    // Learner 10 got the key of learner 11's attempt. No leaf says which key was whose
    // (docs/adr/gaps.md).
    let look = runs
        .look(&job, &[], &Present::of(vec![attempt(2, 10)]))
        .await;
    assert_eq!(look.back, 1);
}

#[tokio::test]
async fn a_record_that_names_nobody_cannot_be_decided_by_its_key() {
    let (job, mut runs) = (job(), Runs::new());
    runs.delete(&job, [(1, 10)].into_iter());
    let mut nobody = attempt(1, 10);
    nobody.subjects.clear();
    let look = runs.look(&job, &[], &Present::of(vec![nobody])).await;
    assert_eq!((look.undecided, look.back), (1, 0));
    assert_eq!(look.open_by_source[&0][&0], 1);
}

#[tokio::test]
async fn where_evidence_is_lost_only_what_is_known_to_be_back_is_decided() {
    let (job, mut runs) = (job(), Runs::new());
    runs.delete(&job, [(1, 10)].into_iter());
    let lost = Lost {
        run_id: "lost".to_owned(),
        certificate_id: None,
        client: None,
        clusters: [job.cluster.clone()].into(),
        why: Why::KeyDestroyed,
    };
    let present = Present::of(vec![attempt(1, 10), attempt(2, 10)]);
    let look = runs.look(&job, &[lost], &present).await;
    assert_eq!((look.back, look.undecided), (1, 1));
}

#[tokio::test]
async fn a_record_that_several_runs_removed_is_counted_once() {
    let (job, mut runs) = (job(), Runs::new());
    runs.delete(&job, [(1, 10)].into_iter());
    runs.delete(&job, [(1, 10), (2, 11)].into_iter());
    let look = runs
        .look(&job, &[], &Present::of(vec![attempt(1, 10)]))
        .await;
    assert_eq!((look.present, look.back), (1, 1));
    assert_eq!(look.by_source.len(), 2);
}

#[tokio::test]
async fn a_record_that_was_not_due_by_its_own_dates_is_not_the_one_that_was_removed() {
    let (job, mut runs) = (job(), Runs::new());
    runs.delete(&job, [(1, 10), (2, 10), (3, 10)].into_iter());
    let mut later = attempt(2, 10);
    later.due_from[1] = Some(date(2026, 4, 2));
    let mut never = attempt(3, 10);
    never.due_from[1] = None;
    let present = Present::of(vec![attempt(1, 10), later, never]);
    let look = runs.look(&job, &[], &present).await;
    assert_eq!((look.back, look.undecided), (1, 2), "{look:?}");
    assert_eq!(look.open_by_source[&0][&0], 2);
}
