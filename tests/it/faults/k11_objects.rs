//! K11: a wrong address is not "already absent"; an object that others name stays; the calls and rights
//! of a store are tried before anything is announced.

use kigen::exit;
use kigen::guard::Guard;

use super::s3_proxy::{Proxy, Spoil};
use super::with_objects::{SCANS, job_with_scans};
use super::{Case, JOB};
use crate::bucket::Bucket;
use crate::scene::Engine;

/// Five learners that are due, each with the key that `key` makes of its file's name.
fn named(key: impl Fn(&str) -> String) -> (String, Vec<String>) {
    let files: Vec<String> = (1..=5).map(|id| format!("scan {id}が.pdf")).collect();
    let rows: Vec<String> = files
        .iter()
        .enumerate()
        .map(|(id, file)| format!("({id}, 'PERSON', '2010-03-31', '{}')", key(file)))
        .collect();
    let sql = format!(
        "create table learner (learner_id bigint not null primary key, name text, ended_on date, scan text);\n\
         insert into learner values {};",
        rows.join(", ")
    );
    (sql, files)
}

async fn case(engine: Engine, key: impl Fn(&str) -> String, extra: &str) -> Option<Case> {
    let (sql, files) = named(key);
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    Case::with_scans(engine, &sql, &job_with_scans(extra), &files).await
}

/// How a column may write the key of a file otherwise than the store, and what is said of it.
const SLIPS: [(&str, fn(&str) -> String, &str); 7] = [
    (
        "slash",
        |file| format!("/{file}"),
        "without the leading `/`",
    ),
    (
        "prefix",
        |file| format!("scans/{file}"),
        "without the doubled prefix `scans/`",
    ),
    (
        "url",
        |file| format!("https://files.example/scans/{file}"),
        "without the address of the server",
    ),
    (
        "percent",
        |file| file.replace(' ', "%20"),
        "without percent-encoding",
    ),
    (
        "nfd",
        |file| file.replace('が', "か\u{3099}"),
        "in Unicode's composed form",
    ),
    (
        "blanks",
        |file| format!("{file}  "),
        "without blanks at the ends",
    ),
    (
        "both",
        |file| format!("/scans/{}", file.replace(' ', "%20")),
        "without percent-encoding",
    ),
];

#[tokio::test]
async fn where_every_object_is_absent_nothing_goes_and_the_slip_is_named() {
    for engine in Engine::ALL {
        for (slip, key, said) in SLIPS {
            let Some(case) = case(engine, key, "").await else {
                continue;
            };
            case.assert_refused("learner", exit::SCHEMA_MISMATCH, &["5 of 5 records", said])
                .await;
            assert_eq!(case.count("learner").await, 5, "{slip}");
            case.remove().await;
        }
    }
}

/// The second look, at the records that are due, holds without the first.
#[tokio::test]
async fn the_pass_itself_ends_before_a_row_goes() {
    for engine in Engine::ALL {
        let Some(case) = case(engine, |file| file.replace(' ', "%20"), "").await else {
            continue;
        };
        let answer = case.run_without(&[Guard::ObjectsProbed]);
        assert_eq!(
            answer.code,
            i32::from(exit::SCHEMA_MISMATCH),
            "{}",
            answer.stdout
        );
        assert_eq!(case.count("learner").await, 5);
        case.remove().await;
    }
}

#[tokio::test]
async fn without_the_guards_a_wrong_address_leaves_files_that_no_row_names() {
    let key = |file: &str| file.replace(' ', "%20");
    let Some(case) = case(Engine::Sqlite, key, "").await else {
        return;
    };
    case.run_without(&[Guard::AbsentObjects]);
    assert_eq!(case.count("learner").await, 0);
    assert!(case.scan("scan 1が.pdf").exists());
}

#[tokio::test]
async fn a_job_may_say_that_objects_are_absent_and_its_certificate_does_not_call_them_verified() {
    for engine in Engine::ALL {
        let sql = SCANS;
        let job = job_with_scans("").replace(
            "key-column = \"scan\"",
            "key-column = \"scan\"\nmax-absent-percent = 100",
        );
        let Some(case) = Case::with_scans(engine, sql, &job, &["scan-3.pdf"]).await else {
            continue;
        };
        let (code, run) = case.run_json(&[]);
        assert_eq!(code, 0, "{run}");
        assert_eq!(run["jobs"][0]["stages"][0]["objects_absent"], 2);
        assert_eq!(case.count("learner").await, 1);
        let folder = run["certificates"][0]["folder"].as_str().unwrap();
        let statement = std::fs::read_to_string(case.scene.path(folder).join("statement.json"));
        let statement: serde_json::Value = serde_json::from_str(&statement.unwrap()).unwrap();
        let targets = statement["predicate"]["targets"].as_array().unwrap();
        let scans = targets
            .iter()
            .find(|target| target["object"] == "scans")
            .unwrap();
        assert_eq!(scans["counts"]["alreadyAbsent"], 2, "{scans}");
        assert_eq!(scans["verification"]["result"], "unverifiable", "{scans}");
        assert_eq!(scans["verification"]["reason"], "never-found", "{scans}");
        case.remove().await;
    }
}

#[tokio::test]
async fn one_object_that_is_really_gone_stops_nobody() {
    for engine in Engine::ALL {
        let files = ["scan-2.pdf", "scan-3.pdf"];
        let Some(case) = Case::with_scans(engine, SCANS, &job_with_scans(""), &files).await else {
            continue;
        };
        assert_eq!(case.run().code, 0);
        assert_eq!(
            (case.count("learner").await, case.scans(&files)),
            (1, vec!["scan-3.pdf"])
        );
        case.remove().await;
    }
}

#[tokio::test]
async fn an_empty_key_is_no_object() {
    for engine in Engine::ALL {
        let sql = format!("{SCANS}update learner set scan = '' where learner_id = 1;");
        let files = ["scan-2.pdf", "scan-3.pdf"];
        let Some(case) = Case::with_scans(engine, &sql, &job_with_scans(""), &files).await else {
            continue;
        };
        let (code, run) = case.run_json(&[]);
        assert_eq!(code, 0, "{run}");
        assert_eq!(run["jobs"][0]["stages"][0]["objects_absent"], 0, "{run}");
        assert_eq!(
            (case.count("learner").await, case.scans(&files)),
            (1, vec!["scan-3.pdf"])
        );
        case.remove().await;
    }
}

#[tokio::test]
async fn the_padding_of_a_column_is_no_part_of_a_key() {
    let sql = SCANS.replace("scan text", "scan char(40)");
    let files = ["scan-1.pdf", "scan-2.pdf", "scan-3.pdf"];
    let case = Case::with_scans(Engine::Postgres, &sql, &job_with_scans(""), &files).await;
    let Some(case) = case else { return };
    let shared = "update learner set scan = 'scan-2.pdf' where learner_id = 3";
    case.scene.database.execute(shared).await;
    let (code, run) = case.run_json(&[]);
    assert_eq!(code, 0, "{run}");
    // The kept row names the second, too.
    let left = case.scans(&files);
    assert_eq!(
        (case.count("learner").await, left),
        (1, vec!["scan-2.pdf", "scan-3.pdf"])
    );
    case.remove().await;
}

/// Cards that are kept until 2099, and name a scan in another column.
const CARDS: &str = "
create table card (card_id bigint not null primary key, learner_id bigint, valid_until date, photo CARD_TYPE);
insert into card values (1, 9, '2099-03-31', 'CARD_KEY');
";

fn cards(store: &str) -> String {
    JOB.replace("cluster = \"learner\"", "cluster = \"card\"")
        .replace("table = \"learner\"", "table = \"card\"")
        .replace("key = [\"learner_id\"]", "key = [\"card_id\"]")
        .replace(
            "direct-identifier = [\"name\"]\n",
            "not-personal = [\"card_id\", \"photo\"]\n",
        )
        .replace("\"ended_on\"", "\"valid_until\"")
        .replace(
            "[[stage]]\nname",
            &format!("[[object]]\nstore = \"{store}\"\nkey-column = \"photo\"\n\n[[stage]]\nname"),
        )
}

/// The other job's store, its key of `scan-1.pdf`, the type of its column.
const SHARED: [(&str, &str, &str); 4] = [
    ("scans", "scan-1.pdf", "text"),
    ("same-folder", "scan-1.pdf", "varchar(40)"),
    ("above", "scans/scan-1.pdf", "text"),
    ("scans", "scan-1.pdf", "char(20)"),
];

async fn shared(engine: Engine, (store, key, column): (&str, &str, &str)) -> Option<Case> {
    let cards_sql = CARDS.replace("CARD_KEY", key).replace("CARD_TYPE", column);
    let files = ["scan-1.pdf", "scan-2.pdf", "scan-3.pdf"];
    let sql = format!("{SCANS}{cards_sql}");
    let case = Case::with_scans(engine, &sql, &job_with_scans(""), &files).await?;
    case.add_object_store("same-folder", "kind = \"folder\"\nfolder = \"./scans\"");
    case.add_object_store("above", "kind = \"folder\"\nfolder = \".\"");
    case.scene.write("jobs/card.toml", &cards(store));
    Some(case)
}

#[tokio::test]
async fn an_object_that_a_row_of_another_job_names_stays() {
    for engine in Engine::ALL {
        for other in SHARED {
            let Some(case) = shared(engine, other).await else {
                continue;
            };
            let (code, run) = case.run_json(&[]);
            assert_eq!(code, 0, "{other:?}: {run}");
            assert_eq!(case.count("learner").await, 1, "{other:?}");
            assert!(case.scan("scan-1.pdf").exists(), "{other:?}");
            assert!(!case.scan("scan-2.pdf").exists(), "{other:?}");
            case.remove().await;
        }
    }
}

#[tokio::test]
async fn without_the_guard_an_object_of_another_job_goes() {
    let Some(case) = shared(Engine::Sqlite, SHARED[0]).await else {
        return;
    };
    case.run_without(&[Guard::ObjectsOfOtherJobs]);
    assert!(!case.scan("scan-1.pdf").exists());
}

#[tokio::test]
async fn two_jobs_over_one_place_whose_rows_lie_in_two_databases_are_refused() {
    let Some(case) = shared(Engine::Sqlite, SHARED[2]).await else {
        return;
    };
    let other = "[stores.cards]\nkind = \"sqlite\"\nurl = \"sqlite://cards.db\"\n\n[keyring]";
    case.scene.edit("kigen.toml", "[keyring]", other);
    case.scene
        .edit("jobs/card.toml", "name = \"school\"", "name = \"cards\"");
    let answer = case.scene.on_the_day(&["check"]);
    assert_eq!(
        answer.code,
        i32::from(exit::JOBS_INVALID),
        "{}",
        answer.stdout
    );
    assert!(
        answer.stderr.contains("lies in the same place as"),
        "{}",
        answer.stderr
    );
}

#[tokio::test]
async fn two_names_of_one_place_within_a_job_are_refused() {
    let Some(case) = shared(Engine::Sqlite, SHARED[0]).await else {
        return;
    };
    let second = "[[object]]\nstore = \"above\"\nkey-column = \"name\"\n\n[[stage]]\nname";
    case.scene
        .edit("jobs/learner.toml", "[[stage]]\nname", second);
    let answer = case.scene.on_the_day(&["check"]);
    assert_eq!(
        answer.code,
        i32::from(exit::JOBS_INVALID),
        "{}",
        answer.stdout
    );
    assert!(
        answer.stderr.contains("lies in the same place as"),
        "{}",
        answer.stderr
    );
}

/// Calls that a server refuses, and the exit code.
const REFUSED: [(&str, u16, &str, u8); 4] = [
    ("?delete", 501, "NotImplemented", exit::SCHEMA_MISMATCH),
    ("?delete", 403, "AccessDenied", exit::ACCESS_REFUSED),
    ("?versions", 501, "NotImplemented", exit::SCHEMA_MISMATCH),
    ("?uploads", 403, "AccessDenied", exit::ACCESS_REFUSED),
];

#[tokio::test]
async fn what_a_store_refuses_is_told_before_anything_is_announced() {
    for (call, status, code, expected) in REFUSED {
        let Some(bucket) = Bucket::plain() else {
            return;
        };
        for file in ["scan-1.pdf", "scan-2.pdf", "scan-3.pdf"] {
            bucket.overwrite(file, b"scan");
        }
        let proxy = Proxy::start(&bucket.endpoint, call, Spoil::Refused(status, code));
        let case = Case::new(Engine::Sqlite, SCANS, &job_with_scans(""))
            .await
            .unwrap();
        case.add_object_store("scans", &bucket.objects_keys(&proxy.endpoint));
        let check = case
            .scene
            .finish(&mut case.with_credentials(&["check", "--connect"]));
        assert_eq!(check.code, i32::from(expected), "{call}: {}", check.stdout);
        let arguments = [
            "run",
            "--as-of",
            crate::scene::AS_OF,
            "--format",
            "json",
            "--log",
            "off",
        ];
        let run = case.scene.finish(&mut case.with_credentials(&arguments));
        assert_eq!(run.code, i32::from(expected), "{call}: {}", run.stdout);
        assert!(
            run.json()["run_id"].is_null(),
            "something was announced: {}",
            run.stdout
        );
        assert_eq!(case.count("learner").await, 3);
        case.remove().await;
    }
}

#[tokio::test]
async fn without_the_guard_a_store_that_removes_nothing_is_found_in_the_night() {
    let Some(bucket) = Bucket::plain() else {
        return;
    };
    for file in ["scan-1.pdf", "scan-2.pdf", "scan-3.pdf"] {
        bucket.overwrite(file, b"scan");
    }
    let proxy = Proxy::start(
        &bucket.endpoint,
        "?delete",
        Spoil::Refused(501, "NotImplemented"),
    );
    let case = Case::new(Engine::Sqlite, SCANS, &job_with_scans(""))
        .await
        .unwrap();
    case.add_object_store("scans", &bucket.objects_keys(&proxy.endpoint));
    let arguments = ["run", "--as-of", crate::scene::AS_OF, "--log", "off"];
    let mut command = case.with_credentials(&arguments);
    let without = Guard::ObjectCallsTried;
    let run = case
        .scene
        .finish(command.env("KIGEN_WITHOUT_GUARD", without.name()));
    assert_eq!(run.code, i32::from(exit::INCOMPLETE), "{}", run.stdout);
    case.remove().await;
}
