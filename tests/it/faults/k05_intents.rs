//! K5: an intent that a killed run left is no licence: its record is decided again, and nothing of a
//! changed or missing job is touched. (Suspended jobs: `k05_holds`.)

use kigen::exit;
use kigen::guard::Guard;
use serde_json::json;

use super::with_objects::{SCANS, job_with_scans};
use super::{Case, JOB};
use crate::scene::Engine;

const FILES: [&str; 3] = ["scan-1.pdf", "scan-2.pdf", "scan-3.pdf"];

/// A row of it keeps its learner.
const INVOICES: &str =
    "create table invoice (invoice_id bigint not null primary key, learner_id bigint);";

const BLOCKS: &str = "[[reference]]\ntable = \"invoice\"\non = { learner_id = \"learner_id\" }\non-dispose = \"blocks\"\n";

/// A case whose run was killed at `at`, with two intents open.
async fn killed(engine: Engine, at: &str) -> Option<Case> {
    let sql = format!("{SCANS}{INVOICES}");
    let case = Case::with_scans(engine, &sql, &job_with_scans(BLOCKS), &FILES).await?;
    case.run_killed_at(at);
    assert_eq!(case.open_intents(engine).await, 2);
    Some(case)
}

fn released(run: &serde_json::Value) -> serde_json::Value {
    run["recovered"][0]["released"].clone()
}

/// What may happen to learner 1 after its intent was stored, so that it stays with its scan.
const CHANGES: [&str; 4] = [
    "update learner set ended_on = '2025-03-31' where learner_id = 1",
    "insert into invoice values (1, 1)",
    "update learner set scan = 'scan-3.pdf' where learner_id = 1",
    "update learner set scan = 'scan-1.pdf' where learner_id = 3",
];

#[tokio::test]
async fn a_record_that_is_no_longer_due_keeps_its_objects_though_a_killed_run_announced_them() {
    for engine in Engine::ALL {
        for change in CHANGES {
            let Some(case) = killed(engine, "intent.after-intend").await else {
                continue;
            };
            case.scene.database.execute(change).await;
            let (_, run) = case.run_json(&[]);
            assert!(case.scan("scan-1.pdf").exists(), "{change}: {run}");
            assert!(!case.scan("scan-2.pdf").exists(), "{change}: {run}");
            assert_eq!(released(&run)[0]["why"], "no-longer-due", "{change}: {run}");
            assert_eq!(released(&run)[0]["records"], 1, "{change}: {run}");
            assert_eq!(case.open_intents(engine).await, 0);
            case.remove().await;
        }
    }
}

#[tokio::test]
async fn without_the_guard_the_scan_of_a_re_dated_record_goes() {
    let Some(case) = killed(Engine::Sqlite, "intent.after-intend").await else {
        return;
    };
    case.scene.database.execute(CHANGES[0]).await;
    case.run_without(&[Guard::IntentsDecidedAgain]);
    assert_eq!(case.scans(&FILES), ["scan-3.pdf"]);
}

#[tokio::test]
async fn a_record_that_is_half_gone_is_certified_and_reported() {
    for engine in Engine::ALL {
        let Some(case) = killed(engine, "intent.after-objects").await else {
            continue;
        };
        case.scene.database.execute(CHANGES[0]).await;
        let (code, run) = case.run_json(&[]);
        assert_eq!(code, i32::from(exit::INCOMPLETE), "{run}");
        let expected = json!([{"job": "learner", "why": "no-longer-due", "records": 1, "half_gone": 1, "parts": 1}]);
        assert_eq!(released(&run), expected, "{run}");
        // The row of 2, and both scans.
        assert_eq!((case.count("learner").await, case.leaves()), (2, 3));
        case.remove().await;
    }
}

/// A job over another table, which a run without `learner` still has.
fn visitors() -> String {
    JOB.replace("cluster = \"learner\"", "cluster = \"visitor\"")
        .replace("table = \"learner\"", "table = \"visitor\"")
}

#[tokio::test]
async fn a_run_without_the_job_says_so_once_and_holds_up_no_other_certificate() {
    for engine in Engine::ALL {
        let Some(case) = killed(engine, "intent.after-intend").await else {
            continue;
        };
        let visitors_table = "create table visitor (learner_id bigint not null primary key, name text, ended_on date); \
                              insert into visitor values (1, null, '2010-03-31')";
        case.scene.database.execute(visitors_table).await;
        let learner = std::fs::read_to_string(case.scene.path("jobs/learner.toml")).unwrap();
        std::fs::remove_file(case.scene.path("jobs/learner.toml")).unwrap();
        case.scene.write("jobs/visitor.toml", &visitors());
        let run = case.run();
        assert_eq!(run.code, i32::from(exit::JOB_MISSING), "{}", run.stdout);
        for said in ["2 intents of job `learner`", "put its file back"] {
            assert!(run.stdout.contains(said), "{}", run.stdout);
        }
        assert_eq!(
            (case.count("visitor").await, case.count("learner").await),
            (0, 3)
        );
        assert_eq!(case.scans(&FILES), FILES);
        assert_eq!(case.leaves(), 1);
        assert_eq!(case.run().code, i32::from(exit::DONE));
        case.scene.write("jobs/learner.toml", &learner);
        assert_eq!(case.run().code, i32::from(exit::DONE));
        assert_eq!(case.count("learner").await, 1);
        case.remove().await;
    }
}

#[tokio::test]
async fn a_stage_that_was_renamed_after_the_kill_decides_anew() {
    for engine in Engine::ALL {
        let Some(case) = killed(engine, "intent.after-intend").await else {
            continue;
        };
        case.scene
            .edit("jobs/learner.toml", "name = \"delete\"", "name = \"erase\"");
        case.scene.edit(
            "jobs/learner.toml",
            "stage = \"delete\"",
            "stage = \"erase\"",
        );
        let (code, run) = case.run_json(&[]);
        assert_eq!(code, 0, "{run}");
        assert_eq!(released(&run)[0]["records"], 2, "{run}");
        assert_eq!(
            (case.count("learner").await, case.open_intents(engine).await),
            (1, 0)
        );
        case.remove().await;
    }
}
