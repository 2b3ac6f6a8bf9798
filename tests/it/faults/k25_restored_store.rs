//! K25: a store that was restored from a backup is reconciled before anything goes.

use kigen::exit;
use kigen::guard::Guard;

use super::{Case, JOB, LEARNERS};
use crate::scene::{Answer, Engine};

fn reconcile(case: &Case, backup_time: &str, further: &[&str]) -> Answer {
    let mut words = vec![
        "reconcile",
        "--store",
        "school",
        "--backup-time",
        backup_time,
    ];
    words.extend(further);
    case.scene.on_the_day(&words)
}

/// A backup, two runs after it, and the restore of the backup.
async fn restored(engine: Engine) -> Option<(Case, String)> {
    let case = Case::new(engine, LEARNERS, JOB).await?;
    case.scene.database.back_up().await;
    let backup_time = jiff::Timestamp::now().to_string();
    assert_eq!(case.run().code, 0);
    let later = "insert into learner values (4, 'x', '2010-03-31')";
    case.scene.database.execute(later).await;
    assert_eq!(case.run().code, 0);
    assert_eq!(case.count("learner").await, 1);
    case.scene.database.restore().await;
    assert_eq!(case.count("learner").await, 3);
    Some((case, backup_time))
}

#[tokio::test]
async fn a_run_refuses_a_store_that_lacks_runs_until_it_is_reconciled() {
    for engine in Engine::ALL {
        let Some((case, backup_time)) = restored(engine).await else {
            continue;
        };
        for _ in 0..2 {
            let run = case.run();
            assert_eq!(run.code, i32::from(exit::LOG_DIFFERS), "{}", run.stdout);
            let said = run.stdout.as_str();
            for word in [
                "restored from a backup",
                "1 later",
                "kigen reconcile --store school",
            ] {
                assert!(said.contains(word), "{word}: {said}");
            }
        }
        assert_eq!(case.count("learner").await, 3);
        // To look is not enough.
        let looked = reconcile(&case, &backup_time, &[]);
        assert_eq!(looked.code, i32::from(exit::NOT_GONE), "{}", looked.stdout);
        assert_eq!(case.run().code, i32::from(exit::LOG_DIFFERS));
        let applied = reconcile(&case, &backup_time, &["--apply"]);
        assert_eq!(applied.code, 0, "{}{}", applied.stdout, applied.stderr);
        assert_eq!(case.count("learner").await, 1);
        let run = case.run();
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        assert_eq!(case.scene.kigen(&["verify"]).code, 0);
        case.remove().await;
    }
}

#[tokio::test]
async fn a_restored_store_in_which_nothing_is_back_goes_on_after_it_was_looked_at() {
    for engine in Engine::ALL {
        let Some(case) = Case::new(engine, LEARNERS, JOB).await else {
            continue;
        };
        assert_eq!(case.run().code, 0);
        case.scene.database.back_up().await;
        let backup_time = jiff::Timestamp::now().to_string();
        // A run that removes nothing.
        assert_eq!(case.run().code, 0);
        case.scene.database.restore().await;
        assert_eq!(case.run().code, i32::from(exit::LOG_DIFFERS));
        let applied = reconcile(&case, &backup_time, &["--apply"]);
        assert_eq!(applied.code, 0, "{}{}", applied.stdout, applied.stderr);
        let run = case.run();
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        case.remove().await;
    }
}

#[tokio::test]
async fn a_backup_that_is_older_than_was_said_is_not_taken_for_reconciled() {
    let Some((case, _)) = restored(Engine::Sqlite).await else {
        return;
    };
    let too_late = jiff::Timestamp::now().to_string();
    let applied = reconcile(&case, &too_late, &["--apply"]);
    assert_eq!(
        applied.code,
        i32::from(exit::LOG_DIFFERS),
        "{}",
        applied.stdout
    );
    assert!(
        applied.stderr.contains("--backup-time"),
        "{}",
        applied.stderr
    );
    assert_eq!(case.run().code, i32::from(exit::LOG_DIFFERS));
    assert_eq!(case.count("learner").await, 3);
}

#[tokio::test]
async fn a_store_of_which_one_job_was_not_looked_at_is_not_reconciled() {
    let Some((case, backup_time)) = restored(Engine::Sqlite).await else {
        return;
    };
    let table =
        "create table essay (learner_id bigint not null primary key, name text, ended_on date)";
    case.scene.database.execute(table).await;
    let essay = JOB
        .replace("cluster = \"learner\"", "cluster = \"essay\"")
        .replace("table = \"learner\"", "table = \"essay\"");
    case.scene.write("jobs/essay.toml", &essay);
    let applied = reconcile(&case, &backup_time, &["--apply", "--job", "learner"]);
    assert_eq!(applied.code, 0, "{}{}", applied.stdout, applied.stderr);
    assert_eq!(case.run().code, i32::from(exit::LOG_DIFFERS));
    let applied = reconcile(&case, &backup_time, &["--apply"]);
    assert_eq!(applied.code, 0, "{}{}", applied.stdout, applied.stderr);
    assert_eq!(case.run().code, 0);
}

#[tokio::test]
async fn without_the_guard_what_is_back_is_removed_and_certified_as_if_it_were_new() {
    let Some((case, _)) = restored(Engine::Sqlite).await else {
        return;
    };
    case.run_without(&[Guard::StoreIsNotRestored]);
    assert_eq!(case.count("learner").await, 1);
}
