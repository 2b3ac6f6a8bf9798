//! Every command on a small installation: what people see, and the JSON that programs read.

use kigen::exit;
use serde_json::Value;

use crate::scene::{Scene, redacted};

/// Asserts that `value` is an object with exactly these keys.
fn assert_keys(value: &Value, keys: &[&str]) {
    let found: Vec<&str> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(found, keys);
}

const STAGE: &[&str] = &[
    "stage",
    "disposal",
    "total",
    "due",
    "disposed",
    "retained",
    "undatable",
    "oldest_overdue_days",
    "no_longer_due",
    "failed",
    "remaining_due",
    "ended_by",
    "by_client",
    "gone_with",
    "unblocked_by_this_run",
    "goes_with",
    "unlinked",
    "objects",
    "objects_absent",
    "deferred",
    "failures",
    "failed_records",
];

const JOB: &[&str] = &[
    "job",
    "as_of",
    "title",
    "stages",
    "over_limit",
    "schema",
    "error",
];

#[tokio::test]
async fn the_help_says_what_every_command_does() {
    let scene = Scene::sqlite().await;
    let help = scene.kigen(&["--help"]);
    assert_eq!(help.code, 0);
    insta::assert_snapshot!("help", help.stdout);
    let version = scene.kigen(&["--version"]);
    assert_eq!(
        version.stdout,
        format!("kigen {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[tokio::test]
async fn a_plan_shows_what_a_run_then_does() {
    let scene = Scene::sqlite().await;
    let before = scene.database.records().await;
    let plan = scene.on_the_day(&["plan"]);
    assert_eq!(plan.code, 0, "{}", plan.stderr);
    insta::assert_snapshot!("plan", redacted(&plan.stdout));
    assert_eq!(scene.database.records().await, before);

    let run = scene.on_the_day(&["run"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    insta::assert_snapshot!("run", redacted(&run.stdout));
    assert_eq!(
        scene.database.records().await,
        [("learner", 4), ("learner_contact", 1), ("exam_attempt", 4)]
    );
    let in_clear = "select count(*) from exam_attempt where learner_id > 0 and comment is not null";
    assert_eq!(scene.database.number(in_clear).await, 3);

    let again = scene.on_the_day(&["run"]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    insta::assert_snapshot!("run_again", redacted(&again.stdout));
}

#[tokio::test]
async fn a_plan_as_json_has_the_documented_fields() {
    let scene = Scene::sqlite().await;
    let plan = scene.on_the_day(&["--format", "json", "plan"]).json();
    assert_keys(&plan, &["as_of", "jobs"]);
    assert_eq!(plan["as_of"], "2026-04-01");
    let jobs = plan["jobs"].as_array().unwrap();
    let names: Vec<&Value> = jobs.iter().map(|job| &job["job"]).collect();
    assert_eq!(names, ["exam-history", "learner"]);
    for job in jobs {
        assert_keys(job, JOB);
        assert!(job["error"].is_null());
        for stage in job["stages"].as_array().unwrap() {
            assert_keys(stage, STAGE);
            assert_keys(&stage["due"], &["records", "subjects"]);
            assert_eq!(stage["disposed"], 0);
            let due = stage["due"]["records"].as_u64().unwrap();
            let retained: u64 = stage["retained"]
                .as_object()
                .unwrap()
                .values()
                .filter_map(Value::as_u64)
                .sum();
            assert_eq!(stage["total"].as_u64().unwrap(), due + retained, "{stage}");
        }
    }
    assert_eq!(jobs[0]["stages"][0]["disposal"], "pseudonymize");
    assert_eq!(
        jobs[0]["stages"][0]["due"],
        serde_json::json!({"records": 2, "subjects": 2})
    );
    assert_eq!(jobs[0]["stages"][1]["disposal"], "delete");
    assert_eq!(jobs[0]["stages"][0]["oldest_overdue_days"], 1461);
    assert_eq!(
        jobs[1]["stages"][0]["due"],
        serde_json::json!({"records": 1, "subjects": 1})
    );
    assert_eq!(
        jobs[1]["stages"][0]["retained"],
        serde_json::json!({
            "not-expired": 1, "referenced": 2, "starts-in-future": 1, "undatable": 1,
        })
    );
}

#[tokio::test]
async fn a_run_as_json_has_the_documented_fields() {
    let scene = Scene::sqlite().await;
    let answer = scene.on_the_day(&["--format", "json", "run"]);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    let run = answer.json();
    assert_keys(
        &run,
        &[
            "run_id",
            "as_of",
            "jobs",
            "certificates",
            "recovered",
            "stopped",
            "not_certified",
        ],
    );
    assert_eq!(run["stopped"], false);
    assert!(run["not_certified"].is_null());
    for job in run["jobs"].as_array().unwrap() {
        assert_keys(job, JOB);
        for stage in job["stages"].as_array().unwrap() {
            assert_keys(stage, STAGE);
            assert_eq!(stage["disposed"], stage["due"]["records"]);
            assert_eq!(stage["remaining_due"], 0);
        }
    }
    // The learner whose only attempt went a moment before goes in the same run.
    assert_eq!(run["jobs"][1]["stages"][0]["disposed"], 2);
    assert_eq!(
        run["jobs"][1]["stages"][0]["gone_with"]["learner_contact"],
        2
    );
    let certificates = run["certificates"].as_array().unwrap();
    let clients: Vec<&Value> = certificates
        .iter()
        .map(|certificate| &certificate["client"])
        .collect();
    assert_eq!(clients, ["kasou-denki", "own"]);
    for certificate in certificates {
        assert_keys(
            certificate,
            &[
                "certificate_id",
                "client",
                "folder",
                "records",
                "subjects",
                "remaining",
                "unverifiable",
            ],
        );
    }
}

#[tokio::test]
async fn explain_derives_the_day_of_one_record() {
    let scene = Scene::sqlite().await;
    for (key, name) in [
        ("1", "explain_due"),
        ("2", "explain_kept_until_tomorrow"),
        ("3", "explain_undatable"),
        ("4", "explain_in_the_future"),
        ("6", "explain_referenced"),
    ] {
        let answer = scene.on_the_day(&["explain", "learner", key]);
        assert_eq!(answer.code, 0, "{}", answer.stderr);
        insta::assert_snapshot!(name, answer.stdout);
    }
    let explained = scene
        .on_the_day(&["--format", "json", "explain", "exam-history", "11"])
        .json();
    assert_keys(&explained, &["cluster", "as_of", "stages"]);
    assert_eq!(explained["stages"][0]["decision"], "dispose");
    assert_eq!(explained["stages"][0]["due_from"], "2026-04-01");
    assert_eq!(explained["stages"][1]["decision"], "retain");
    assert_eq!(explained["stages"][1]["reason"], "not-expired");
}

#[tokio::test]
async fn explain_does_not_repeat_a_key_that_it_does_not_find() {
    let scene = Scene::sqlite().await;
    for key in ["4242", crate::scene::PERSON] {
        let answer = scene.on_the_day(&["explain", "learner", key]);
        assert_eq!(answer.code, i32::from(exit::USAGE), "{}", answer.stderr);
        assert!(!answer.stderr.contains(key));
    }
}

#[tokio::test]
async fn a_certificate_is_listed_shown_and_verified() {
    let scene = Scene::sqlite().await;
    let run = scene.on_the_day(&["--format", "json", "run"]).json();
    let list = scene
        .kigen(&["--format", "json", "certificate", "list"])
        .json();
    assert_eq!(list.as_array().unwrap().len(), 2);
    assert_eq!(list[0]["run_id"], run["run_id"]);
    assert_eq!(list[0]["signed"], true);
    let own = scene
        .kigen(&["--format", "json", "certificate", "list", "--client", "own"])
        .json();
    assert_eq!(own.as_array().unwrap().len(), 1);

    let id = own[0]["certificate_id"].as_str().unwrap();
    let shown = scene.kigen(&["certificate", "show", id]);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    assert!(
        shown
            .json()
            .to_string()
            .contains("privacy policy, article 8")
    );
    assert_eq!(
        scene.kigen(&["certificate", "show", "nonsense"]).code,
        i32::from(exit::USAGE)
    );

    let verified = scene.kigen(&["certificate", "verify"]);
    assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
    // A stranger has the folder and nothing else.
    let stranger = scene.kigen(&[
        "--config",
        "nowhere.toml",
        "certificate",
        "verify",
        "certificates",
    ]);
    assert_eq!(stranger.code, 0, "{}{}", stranger.stdout, stranger.stderr);
    // Nor does a folder that is not there, or has lost its keys, pass for one that holds.
    let nowhere = scene.kigen(&["certificate", "verify", "nowhere"]);
    assert_eq!(nowhere.code, i32::from(exit::USAGE), "{}", nowhere.stdout);
    std::fs::remove_dir_all(scene.path("certificates/keys")).unwrap();
    let without_keys = scene.kigen(&["certificate", "verify"]);
    assert_eq!(
        without_keys.code,
        i32::from(exit::USAGE),
        "{}",
        without_keys.stdout
    );
}

#[tokio::test]
async fn before_the_first_certificate_there_is_nothing_to_verify() {
    let scene = Scene::sqlite().await;
    let verified = scene.kigen(&["--format", "json", "certificate", "verify"]);
    assert_eq!((verified.code, verified.json()), (0, serde_json::json!([])));
}

#[tokio::test]
async fn a_certificate_that_was_altered_does_not_verify() {
    let scene = Scene::sqlite().await;
    let run = scene.on_the_day(&["--format", "json", "run"]).json();
    let folder = run["certificates"][0]["folder"].as_str().unwrap();
    let leaves = format!("{folder}/leaves.bin");
    let mut bytes = std::fs::read(scene.path(&leaves)).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(scene.path(&leaves), bytes).unwrap();
    let verified = scene.kigen(&["--format", "json", "certificate", "verify"]);
    assert_eq!(
        verified.code,
        i32::from(exit::DOES_NOT_HOLD),
        "{}",
        verified.stderr
    );
    let holds: Vec<Value> = verified
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["holds"].clone())
        .collect();
    assert_eq!(holds, [false, true]);
}

#[tokio::test]
async fn the_report_counts_what_the_ledger_holds() {
    let scene = Scene::sqlite().await;
    assert_eq!(scene.on_the_day(&["run"]).code, 0);
    let period = ["report", "--from", "2020-01-01", "--to", "2120-12-31"];
    let text = scene.kigen(&period);
    assert_eq!(text.code, 0, "{}", text.stderr);
    for word in ["exam-history", "learner", "delete", "pseudonymize"] {
        assert!(text.stdout.contains(word), "{}", text.stdout);
    }
    let mut with_json = vec!["--format", "json"];
    with_json.extend(period);
    let report = scene.kigen(&with_json).json();
    assert!(report.is_object());
    assert!(report.to_string().contains("\"exam-history\""));

    let empty = scene.kigen(&["report", "--from", "2001-01-01", "--to", "2001-12-31"]);
    assert_eq!(empty.code, 0, "{}", empty.stderr);
    let reversed = scene.kigen(&["report", "--from", "2026-02-01", "--to", "2026-01-01"]);
    assert_eq!(reversed.code, i32::from(exit::USAGE));
    let zone = scene.kigen(&[
        "report",
        "--from",
        "2026-01-01",
        "--to",
        "2026-01-31",
        "--time-zone",
        "Asia/Tokio",
    ]);
    assert_eq!(zone.code, i32::from(exit::USAGE));
}

#[tokio::test]
async fn check_says_every_rule_in_words() {
    let scene = Scene::sqlite().await;
    let offline = scene.kigen(&["check"]);
    assert_eq!(offline.code, 0, "{}", offline.stderr);
    insta::assert_snapshot!("check", offline.stdout);
    let connected = scene.kigen(&["check", "--connect"]);
    assert_eq!(
        connected.code, 0,
        "{}{}",
        connected.stdout, connected.stderr
    );
    assert!(connected.stdout.contains("the live schema fits"));
    scene
        .database
        .execute("alter table learner add column nickname text")
        .await;
    let unfit = scene.kigen(&["--format", "json", "check", "--connect"]);
    assert_eq!(unfit.code, i32::from(exit::SCHEMA_MISMATCH));
    assert_eq!(
        unfit.json()["jobs"][1]["schema_problems"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn schemas_describe_the_files_for_editors() {
    let scene = Scene::sqlite().await;
    for (file, title) in [("job", "stage"), ("config", "ledger")] {
        let schema = scene.kigen(&["schema", file]).json();
        assert!(schema["$schema"].is_string());
        assert!(schema["properties"][title].is_object(), "{file}");
        assert_eq!(schema["additionalProperties"], false);
    }
}

#[tokio::test]
async fn migrations_say_what_they_applied_and_are_repeatable() {
    let scene = Scene::sqlite().await;
    for command in ["ledger", "journal"] {
        let again = scene.kigen(&["--format", "json", command, "migrate"]);
        assert_eq!(again.code, 0, "{}", again.stderr);
        assert_eq!(again.json()[0]["applied"], serde_json::json!([]));
    }
    let unknown = scene.kigen(&["journal", "migrate", "--store", "scool"]);
    assert_eq!(unknown.code, i32::from(exit::USAGE));
}

#[tokio::test]
async fn a_keyring_is_never_overwritten() {
    let scene = Scene::sqlite().await;
    let before = scene.sha256("keyring.toml");
    let again = scene.kigen(&["keyring", "init"]);
    assert_eq!(again.code, i32::from(exit::CONFIG_INVALID));
    assert_eq!(scene.sha256("keyring.toml"), before);
    let shown = scene.kigen(&["--format", "json", "keyring", "show"]).json();
    assert!(
        shown["public_pem"]
            .as_str()
            .unwrap()
            .starts_with("-----BEGIN PUBLIC KEY-----")
    );
}
