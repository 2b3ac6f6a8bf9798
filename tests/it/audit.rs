//! Whether what was removed is gone: asked before a certificate is made, and again at any time.

use kigen::exit;
use serde_json::Value;

use crate::bad_input::refuses;
use crate::reconcile::{cluster, lists};
use crate::scene::{Answer, Scene, redacted};

/// A scene that was run once.
async fn run_on_sqlite() -> Scene {
    let scene = Scene::sqlite().await;
    let run = scene.on_the_day(&["run"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    scene
}

fn audit(scene: &Scene, further: &[&str]) -> Answer {
    let mut arguments = vec!["audit"];
    arguments.extend(further);
    scene.on_the_day(&arguments)
}

/// The statements of all certificates.
fn statements(scene: &Scene) -> Vec<Value> {
    let listed = scene
        .kigen(&["certificate", "list", "--format", "json"])
        .json();
    let listed = listed.as_array().unwrap().iter();
    listed
        .map(|line| {
            let id = line["certificate_id"].as_str().unwrap();
            scene
                .kigen(&["certificate", "show", id, "--format", "json"])
                .json()
        })
        .collect()
}

fn verifications(scene: &Scene) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for statement in statements(scene) {
        for target in statement["predicate"]["targets"].as_array().unwrap() {
            let object = target["object"].as_str().unwrap().to_owned();
            found.push((object, target["verification"].clone()));
        }
    }
    found
}

#[tokio::test]
async fn a_certificate_says_that_the_stores_were_asked_again_and_nothing_was_there() {
    let scene = run_on_sqlite().await;
    let found = verifications(&scene);
    assert!(found.len() >= 5, "{found:?}");
    for (object, verification) in found {
        // Objects were listed again when they were removed.
        let is_row = verification["method"] == "requery-keys";
        assert!(
            is_row || verification["method"] == "relist-versions",
            "{object}"
        );
        assert_eq!(verification["result"], "verified", "{object}");
        assert_eq!(verification["remaining"], 0, "{object}");
        assert_ne!(verification["checked"], 0, "{object}");
    }
}

#[cfg(feature = "failpoints")]
#[tokio::test]
async fn who_certifies_a_killed_run_has_no_keys_and_looks_at_everything() {
    let scene = Scene::sqlite().await;
    let day = ["run", "--as-of", crate::scene::AS_OF];
    let mut killed = scene.command(&day);
    killed.env("KIGEN_KILL_AT", "run.finished");
    assert!(!killed.output().unwrap().status.success());
    assert_eq!(scene.on_the_day(&["run"]).code, 0);
    let found = verifications(&scene);
    assert!(!found.is_empty());
    for (object, verification) in found {
        assert_eq!(verification["method"], "requery-full", "{object}");
        assert_eq!(verification["result"], "verified", "{object}");
        let present = match object.as_str() {
            "exam_attempt" | "learner" => 4,
            _ => 1,
        };
        assert_eq!(verification["checked"], present, "{object}");
    }
}

/// Puts learner 1 back in the very transaction that removes it, behind the worker's back.
const PUT_BACK: &str = "create trigger put_back after insert on kigen_journal begin \
    insert or ignore into learner values (1, 'PERSON', '2023-03-31', 'own'); end";

#[tokio::test]
async fn what_is_there_again_before_the_certificate_is_made_is_certified_as_there() {
    let scene = Scene::sqlite().await;
    scene.database.execute(PUT_BACK).await;
    // With its guard the batch would be rolled back: this is what no guard had seen.
    let mut command = scene.command(&["run", "--format", "json", "--log", "error"]);
    command
        .args(["--as-of", crate::scene::AS_OF])
        .env("KIGEN_WITHOUT_GUARD", "effects-are-counted");
    let run = scene.finish(&mut command);
    assert_eq!(
        run.code,
        i32::from(exit::NOT_GONE),
        "{}{}",
        run.stdout,
        run.stderr
    );
    let certificates = run.json();
    let remaining: Vec<u64> = certificates["certificates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["remaining"].as_u64().unwrap())
        .collect();
    assert_eq!(remaining, [0, 1]);
    let learner = verifications(&scene);
    let there = learner
        .iter()
        .filter(|(object, verification)| {
            object == "learner" && verification["result"] == "not-verified"
        })
        .count();
    assert_eq!(there, 1, "{learner:?}");
    let partial = statements(&scene)
        .iter()
        .filter(|statement| statement["predicate"]["status"] == "partial")
        .count();
    assert!(partial >= 1);
    assert_eq!(scene.on_the_day(&["verify"]).code, 0);
}

#[tokio::test]
async fn who_looks_at_nothing_says_so_in_the_certificate_and_no_run_fails() {
    for (written, reason) in [
        ("read-back = \"off\"", "switched-off"),
        ("read-back-most-records = 1", "too-many-records"),
    ] {
        let scene = Scene::sqlite().await;
        let config = std::fs::read_to_string(scene.path("kigen.toml")).unwrap();
        scene.write("kigen.toml", &format!("{config}\n[evidence]\n{written}\n"));
        let run = scene.on_the_day(&["run", "--format", "json"]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        for (object, verification) in verifications(&scene) {
            assert_eq!(verification["result"], "unverifiable", "{object}");
            assert_eq!(verification["reason"], reason, "{object}");
        }
    }
}

#[tokio::test]
async fn what_was_certified_is_found_gone_by_certificate_by_run_and_since_a_time() {
    let scene = run_on_sqlite().await;
    let all = audit(&scene, &[]);
    assert_eq!(all.code, 0, "{}{}", all.stdout, all.stderr);
    insta::assert_snapshot!("audit", redacted(&all.stdout));
    let listed = scene
        .kigen(&["certificate", "list", "--format", "json"])
        .json();
    let id = listed[0]["certificate_id"].as_str().unwrap();
    let run = listed[0]["run_id"].as_str().unwrap();
    for (further, audited) in [
        (&[id][..], 1),
        (&["--run", run][..], 2),
        (&["--since", "2020-01-01T00:00:00Z"][..], 2),
    ] {
        let mut words = vec!["--format", "json"];
        words.extend(further);
        let found = audit(&scene, &words);
        assert_eq!(found.code, 0, "{}{}", found.stdout, found.stderr);
        assert_eq!(found.json()["audited"], audited, "{further:?}");
    }
}

async fn what_is_back_is_found(scene: &Scene) {
    scene
        .database
        .execute("insert into learner values (1, '漏洩確認花子', '2023-03-31', 'own')")
        .await;
    scene
        .database
        .execute("update exam_attempt set learner_id = 2, comment = '漏洩確認花子' where attempt_id = 11")
        .await;
    let found = audit(scene, &["--format", "json"]);
    assert_eq!(found.code, i32::from(exit::NOT_GONE), "{}", found.stdout);
    let found = found.json();
    assert_eq!(lists(cluster(&found, "learner")), [4, 1, 0, 0, 0]);
    assert_eq!(lists(cluster(&found, "exam-history")), [3, 1, 0, 0, 0]);
    let certificates = found["certificates"].as_array().unwrap();
    assert_eq!(certificates.len(), 1);
    assert_eq!(certificates[0]["client"], "own");
    assert_eq!(certificates[0]["back"], 2);
}

#[tokio::test]
async fn what_is_back_later_is_found_in_sqlite() {
    let scene = run_on_sqlite().await;
    what_is_back_is_found(&scene).await;
    insta::assert_snapshot!("audit_back", redacted(&audit(&scene, &[]).stdout));
}

#[tokio::test]
async fn what_is_back_later_is_found_in_postgres() {
    let Some(scene) = Scene::postgres().await else {
        return;
    };
    let run = scene.on_the_day(&["run"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    what_is_back_is_found(&scene).await;
    scene.database.remove().await;
}

const MAILS: &str = "create table mail (mail_id bigint not null primary key, learner_id bigint, sent_to text); \
    insert into mail values (1, 1, 'PERSON'), (2, 1, 'PERSON'), (3, 3, 'PERSON'), (4, 99, 'PERSON'), (5, null, 'x')";

async fn with_mails(scene: &Scene, column: &str) {
    scene.database.execute(MAILS).await;
    let job = std::fs::read_to_string(scene.path("jobs/learner.toml")).unwrap();
    let leftovers = format!("\n[[leftovers]]\ntable = \"mail\"\ncolumn = \"{column}\"\n");
    scene.write("jobs/learner.toml", &(job + &leftovers));
}

async fn leftovers_of_removed_persons_are_found(scene: &Scene) {
    with_mails(scene, "learner_id").await;
    let run = scene.on_the_day(&["run"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let found = audit(scene, &["--format", "json"]);
    assert_eq!(found.code, i32::from(exit::NOT_GONE), "{}", found.stdout);
    let leftovers = found.json()["leftovers"].clone();
    // Learner 1 was removed, learner 3 is there, and nobody ever knew learner 99.
    assert_eq!(leftovers[0]["checked"], 2, "{leftovers}");
    assert_eq!(leftovers[0]["left"], 1, "{leftovers}");
    scene
        .database
        .execute("delete from mail where learner_id = 1")
        .await;
    let found = audit(scene, &[]);
    assert_eq!(found.code, 0, "{}{}", found.stdout, found.stderr);
}

#[tokio::test]
async fn leftovers_of_removed_persons_are_found_in_sqlite() {
    leftovers_of_removed_persons_are_found(&Scene::sqlite().await).await;
}

#[tokio::test]
async fn leftovers_of_removed_persons_are_found_in_postgres() {
    let Some(scene) = Scene::postgres().await else {
        return;
    };
    leftovers_of_removed_persons_are_found(&scene).await;
    scene.database.remove().await;
}

#[tokio::test]
async fn without_the_journal_of_a_run_its_persons_cannot_be_looked_for_and_that_is_said() {
    let scene = Scene::sqlite().await;
    with_mails(&scene, "learner_id").await;
    let run = scene.on_the_day(&["run"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    scene.database.execute("delete from kigen_journal").await;
    let found = audit(&scene, &["--format", "json"]);
    assert_eq!(found.code, i32::from(exit::NOT_GONE), "{}", found.stdout);
    assert_eq!(found.json()["lost"][0]["why"], "journal-missing");
}

#[tokio::test]
async fn leftovers_are_compared_with_the_live_schema() {
    let scene = Scene::sqlite().await;
    with_mails(&scene, "learner").await;
    let run = ["run", "--job", "learner"];
    refuses(&scene, "leftovers_no_column", &run, exit::SCHEMA_MISMATCH).await;
    let scene = Scene::sqlite().await;
    with_mails(&scene, "sent_to").await;
    refuses(&scene, "leftovers_other_type", &run, exit::SCHEMA_MISMATCH).await;
}

#[tokio::test]
async fn leftovers_in_the_records_own_column_are_no_leftovers() {
    let scene = Scene::sqlite().await;
    let job = std::fs::read_to_string(scene.path("jobs/learner.toml")).unwrap();
    let leftovers = "\n[[leftovers]]\ntable = \"learner\"\ncolumn = \"learner_id\"\n";
    scene.write("jobs/learner.toml", &(job + leftovers));
    refuses(&scene, "leftovers_own", &["run"], exit::JOBS_INVALID).await;
}

#[tokio::test]
async fn what_was_never_certified_cannot_be_audited() {
    let scene = run_on_sqlite().await;
    refuses(
        &scene,
        "audit_no_certificate",
        &["audit", "ffff"],
        exit::USAGE,
    )
    .await;
    refuses(
        &scene,
        "audit_no_run",
        &["audit", "--run", "ffff"],
        exit::USAGE,
    )
    .await;
    let without_zone = ["audit", "--since", "2026-01-01"];
    refuses(
        &scene,
        "audit_time_without_zone",
        &without_zone,
        exit::USAGE,
    )
    .await;
}
