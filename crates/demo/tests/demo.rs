//! `kigen-demo` as `make demo` calls it, with little data, on SQLite and a folder.
#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// The repository: job files are named from there.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// kigen's documented exit code for a plan over its limit.
const NOT_APPROVED: i32 = 11;

#[test]
fn a_demonstration_disposes_of_what_is_due_and_the_second_one_finds_nothing_due() {
    let folder = tempfile::tempdir().unwrap();
    let first = demo(folder.path(), Path::new("jobs"));
    let first = document(&first, 0);
    for stage in stages(&first) {
        let name = &stage["stage"];
        assert!(
            stage["disposed"].as_u64() > Some(0),
            "{name}: nothing disposed"
        );
    }
    assert_eq!(first["generated"]["was_there"], false);
    let certificates = first["certificates"].as_array().unwrap();
    assert!(!certificates.is_empty());
    assert!(
        certificates
            .iter()
            .all(|certificate| certificate["holds"] == true)
    );
    for file in [
        "certificates",
        "report.txt",
        "report.json",
        "kigen.toml",
        "jobs/learner.toml",
    ] {
        assert!(folder.path().join(file).exists(), "`{file}` is missing");
    }

    let second = demo(folder.path(), Path::new("jobs"));
    let second = document(&second, 0);
    assert_eq!(second["generated"]["was_there"], true);
    for stage in stages(&second) {
        assert_eq!(stage["due"]["records"], 0, "{}", stage["stage"]);
        assert_eq!(stage["disposed"], 0, "{}", stage["stage"]);
    }
    assert_eq!(
        second["run"]["certificates"].as_array().map(Vec::len),
        Some(0)
    );
    for cluster in second["findings"]["clusters"].as_array().unwrap() {
        assert_eq!(cluster["deleted"], 0);
        assert_eq!(cluster["pseudonymized"], 0);
        assert_eq!(
            cluster["untouched_digest_before"],
            cluster["untouched_digest_after"]
        );
    }
}

#[test]
fn a_demonstration_whose_run_is_refused_fails_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let jobs = tempfile::tempdir().unwrap();
    for file in [
        "learner.toml",
        "exam-history.toml",
        "request-documents.toml",
    ] {
        let text = fs::read_to_string(Path::new(ROOT).join("jobs").join(file)).unwrap();
        let text = text.replace("max-records = 80_000", "max-records = 1");
        fs::write(jobs.path().join(file), text).unwrap();
    }

    let refused = demo(folder.path(), jobs.path());
    let refused = document(&refused, NOT_APPROVED);

    let problems = refused["problems"].as_array().unwrap();
    let still_due = |problem: &Value| problem.as_str().unwrap().contains("exam-history");
    assert!(problems.iter().any(still_due), "{problems:?}");
}

fn demo(folder: &Path, jobs: &Path) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_kigen-demo"));
    assert!(
        program.with_file_name("kigen").exists(),
        "the test calls `kigen`: build it with `cargo build --workspace --bins`"
    );
    Command::new(program)
        .args(["--format", "json", "--log", "warn"])
        .args([
            "--learners",
            "400",
            "--attempts",
            "4000",
            "--requests",
            "60",
        ])
        .arg("--dir")
        .arg(folder)
        .arg("--jobs")
        .arg(jobs)
        .current_dir(ROOT)
        .output()
        .unwrap()
}

/// The one document on stdout.
fn document(output: &Output, code: i32) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        document["problems"].as_array().unwrap().is_empty(),
        code == 0,
        "{said}"
    );
    document
}

/// What the run did, stage by stage.
fn stages(document: &Value) -> Vec<&Value> {
    let jobs = document["run"]["jobs"].as_array().unwrap();
    let stages = jobs
        .iter()
        .flat_map(|job| job["stages"].as_array().unwrap());
    stages.collect()
}
