//! K21: evidence says what was looked at and when, one client has one log, and whoever checks a folder
//! of others reads plain files only.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kigen::exit;
use kigen::guard::Guard;
use serde_json::Value;

use super::{Case, JOB, LEARNERS};
use crate::scene::Engine;

async fn published() -> Case {
    let case = Case::new(Engine::Sqlite, LEARNERS, JOB).await.unwrap();
    let answer = case.run();
    assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
    case
}

/// The statement of the only certificate of `client`.
fn statement(case: &Case, client: &str) -> Value {
    let runs = fs::read_dir(case.scene.path(&format!("certificates/{client}"))).unwrap();
    let mut runs = runs.map(|run| run.unwrap().path());
    let run = runs.find(|run| !run.ends_with("log")).unwrap();
    serde_json::from_slice(&fs::read(run.join("statement.json")).unwrap()).unwrap()
}

#[tokio::test]
async fn a_folder_of_others_is_checked_in_a_moment_whatever_stands_in_it() {
    let case = published().await;
    let spoilt = case.scene.path("spoilt");
    let shown = spoilt.display().to_string();
    // By what the head of the log, and the leaves, are replaced.
    let ways: [fn(&std::path::Path); 3] = [
        |file| symlink("/dev/zero", file).unwrap(),
        |file| {
            let made = Command::new("mkfifo").arg(file).status().unwrap();
            assert!(made.success());
        },
        |file| fs::File::create(file).unwrap().set_len(1 << 40).unwrap(),
    ];
    for way in ways {
        for file in [
            "log/checkpoint",
            "log/policy.txt",
            "leaves.bin",
            "cert.dsse.json",
        ] {
            let copied = Command::new("cp")
                .arg("-r")
                .arg(case.scene.path("certificates"))
                .arg(&spoilt)
                .status();
            assert!(copied.unwrap().success());
            let mut found = None;
            for run in fs::read_dir(spoilt.join("own")).unwrap() {
                let run = run.unwrap().path();
                let here = match file.strip_prefix("log/") {
                    Some(name) if run.ends_with("log") => run.join(name),
                    None if !run.ends_with("log") => run.join(file),
                    _ => continue,
                };
                found = Some(here);
            }
            let found = found.unwrap();
            fs::remove_file(&found).unwrap();
            way(&found);
            let started = Instant::now();
            let answer = case.scene.kigen(&["verify", &shown, "--log", "error"]);
            assert_eq!(
                answer.code,
                i32::from(exit::DOES_NOT_HOLD),
                "{file}: {}{}",
                answer.stdout,
                answer.stderr
            );
            assert!(
                started.elapsed() < Duration::from_secs(5),
                "{file}: {:?}",
                started.elapsed()
            );
            fs::remove_dir_all(&spoilt).unwrap();
        }
    }
}

#[tokio::test]
async fn without_the_guard_a_log_behind_a_link_is_read() {
    let case = published().await;
    let log = case.scene.path("certificates/own/log");
    let elsewhere = case.scene.path("elsewhere");
    fs::rename(&log, &elsewhere).unwrap();
    symlink(elsewhere, log).unwrap();
    let read = "the head of the log, over";
    let with = case.scene.on_the_day(&["verify"]);
    assert!(!with.stdout.contains(read), "{}", with.stdout);
    let without = case.without(Guard::PlainFiles, &["verify"]);
    assert!(without.stdout.contains(read), "{}", without.stdout);
}

#[tokio::test]
async fn the_time_of_a_look_is_when_it_took_place() {
    let case = published().await;
    let predicate = &statement(&case, "own")["predicate"];
    let time = |value: &Value| value.as_str().unwrap().parse::<Timestamp>().unwrap();
    let looked = time(&predicate["targets"][0]["verification"]["at"]);
    let period = &predicate["period"];
    assert!(time(&period["finishedAt"]) <= looked);
    assert!(
        looked < time(&period["sealedAt"]),
        "a look is over before the certificate is fixed"
    );
}

/// A learner whose photo is there, and one whose photo nobody ever found.
const PHOTOS: &str = "
create table learner (learner_id integer not null primary key, name text, ended_on date, photo text);
insert into learner values (1, 'PERSON', '2010-03-31', 'PHOTO');
";

async fn with_photo(photo: &str) -> Case {
    let job = JOB
        .replace(
            "quasi-identifier = [",
            "not-personal = [\"photo\"]\nquasi-identifier = [",
        )
        .replace(
            "[[stage]]\nname",
            "[[object]]\nstore = \"files\"\nkey-column = \"photo\"\n\n[[stage]]\nname",
        );
    let case = Case::new(Engine::Sqlite, &PHOTOS.replace("PHOTO", photo), &job)
        .await
        .unwrap();
    fs::create_dir(case.scene.path("objects")).unwrap();
    fs::write(case.scene.path("objects/1.png"), "photo").unwrap();
    let files = "\n[objects.files]\nkind = \"folder\"\nfolder = \"objects\"\n";
    let config = fs::read_to_string(case.scene.path("kigen.toml")).unwrap();
    case.scene.write("kigen.toml", &(config + files));
    case
}

fn of_objects(case: &Case) -> Value {
    let statement = statement(case, "own");
    let targets = statement["predicate"]["targets"].as_array().unwrap();
    let of_objects = targets
        .iter()
        .find(|target| target["store"]["id"] == "files");
    of_objects.unwrap()["verification"].clone()
}

#[tokio::test]
async fn nothing_is_called_verified_that_was_never_found() {
    for (photo, result, checked) in [("1.png", "verified", 1), ("2.png", "unverifiable", 0)] {
        let case = with_photo(photo).await;
        case.run();
        let verification = of_objects(&case);
        assert_eq!(verification["result"], result, "{photo}: {verification}");
        assert_eq!(verification["checked"], checked, "{photo}: {verification}");
    }
    let case = with_photo("2.png").await;
    case.run_without(&[Guard::LookedAt]);
    assert_eq!(of_objects(&case)["result"], "verified");
}

fn of_clients() -> String {
    JOB.replace("[client]\nname = \"own\"", "[client]\ncolumn = \"client\"")
        .replace(
            "quasi-identifier = [",
            "not-personal = [\"client\"]\nquasi-identifier = [",
        )
}

fn rows(one: &str, other: &str) -> String {
    format!(
        "create table learner (learner_id integer not null primary key, name text, ended_on date, client text);
         insert into learner values (1, 'PERSON', '2010-03-31', '{one}'), (2, 'PERSON', '2010-03-31', '{other}');"
    )
}

#[tokio::test]
async fn a_client_that_has_a_log_gets_no_second_one_under_another_spelling() {
    let case = Case::new(Engine::Sqlite, &rows("acme", "acme"), &of_clients())
        .await
        .unwrap();
    assert_eq!(case.run().code, 0);
    let again = "insert into learner values (3, 'PERSON', '2010-03-31', 'Acme')";
    case.scene
        .database
        .execute(&again.replace("PERSON", crate::scene::PERSON))
        .await;
    let answer = case.run();
    assert_eq!(
        answer.code,
        i32::from(exit::SCHEMA_MISMATCH),
        "{}{}",
        answer.stdout,
        answer.stderr
    );
    assert_eq!(case.count("learner").await, 1);
    case.run_without(&[Guard::ClientNames]);
    assert_eq!(case.count("learner").await, 0, "the second log was begun");
    assert!(case.scene.path("certificates/Acme").exists());
}
