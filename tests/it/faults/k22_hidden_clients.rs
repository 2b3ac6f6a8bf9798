//! K22: a client that was hidden as a whole is found by whoever kept the head of its log.

use std::fs;
use std::path::Path;
use std::process::Command;

use kigen::exit;
use kigen::guard::Guard;

use super::{Case, JOB};
use crate::scene::Engine;

/// A learner of each of two clients.
const CLIENTS: &str = "
create table learner (learner_id integer not null primary key, name text, ended_on date, client text);
insert into learner values (1, 'PERSON', '2010-03-31', 'one'), (2, 'PERSON', '2010-03-31', '二');
";

async fn published() -> Case {
    let job = JOB
        .replace("[client]\nname = \"own\"", "[client]\ncolumn = \"client\"")
        .replace(
            "quasi-identifier = [",
            "not-personal = [\"client\"]\nquasi-identifier = [",
        );
    let case = Case::new(Engine::Sqlite, CLIENTS, &job).await.unwrap();
    let answer = case.run();
    assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
    case
}

/// The folders of the clients.
const FOLDERS: [&str; 2] = ["one", "%E4%BA%8C"];

/// What is done to the client's folder so that nothing of it is seen, and what stands in its place.
const HIDINGS: &[(&str, fn(&Path))] = &[
    ("removed", |folder| fs::remove_dir_all(folder).unwrap()),
    ("the log removed", |folder| {
        fs::remove_dir_all(folder.join("log")).unwrap()
    }),
    ("renamed", |folder| {
        fs::rename(folder, folder.with_file_name("three")).unwrap()
    }),
    ("emptied", |folder| {
        fs::remove_dir_all(folder).unwrap();
        fs::create_dir(folder).unwrap();
    }),
];

#[tokio::test]
async fn a_kept_head_whose_log_is_not_there_is_an_error() {
    let case = published().await;
    let (place, keys) = (case.scene.path("certificates"), case.scene.path("auditor"));
    let copy = |from: &Path, to: &Path| {
        let copied = Command::new("cp").arg("-r").arg(from).arg(to).status();
        assert!(copied.unwrap().success());
    };
    copy(&place.join("keys"), &keys);
    let untouched = case.scene.path("untouched");
    copy(&place, &untouched);
    for folder in FOLDERS {
        let head = case.scene.path("kept");
        fs::copy(place.join(folder).join("log/checkpoint"), &head).unwrap();
        let kept = head.display().to_string();
        let ask = || {
            let kigen = case.scene.on_the_day(&["verify", "--checkpoint", &kept]);
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/auditor/verify.sh");
            let script = Command::new(script)
                .args([&place, &keys, &head])
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&script.stdout).into_owned();
            (kigen, script.status.code(), said)
        };
        let (kigen, script, said) = ask();
        assert_eq!((kigen.code, script), (0, Some(0)), "{}{said}", kigen.stdout);
        for (what, hide) in HIDINGS {
            hide(&place.join(folder));
            let (kigen, script, said) = ask();
            assert_eq!(
                kigen.code,
                i32::from(exit::DOES_NOT_HOLD),
                "{what}: {}",
                kigen.stdout
            );
            assert!(
                kigen.stdout.contains("you kept a head"),
                "{what}: {}",
                kigen.stdout
            );
            assert_eq!(script, Some(1), "{what}: {said}");
            assert!(said.contains("taken away, or hidden"), "{what}: {said}");
            fs::remove_dir_all(&place).unwrap();
            copy(&untouched, &place);
        }
    }
}

#[tokio::test]
async fn without_the_guard_a_hidden_client_is_not_missed() {
    let case = published().await;
    let head = case.scene.path("kept").display().to_string();
    let place = case.scene.path("certificates");
    fs::copy(place.join("one/log/checkpoint"), &head).unwrap();
    fs::remove_dir_all(place.join("one")).unwrap();
    let answer = case.without(Guard::KeptHeads, &["verify", "--checkpoint", &head]);
    assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
}
