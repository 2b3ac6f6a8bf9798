//! K13: an unqualified name is one relation for a whole run, and everybody can read which.

use kigen::exit;

use super::{Case, JOB};
use crate::scene::{AS_OF, Engine};

const TENANTS: &str = "
create schema t1; create schema t2;
create table t1.learner (learner_id bigint not null primary key, name text, ended_on date);
create table t2.learner (learner_id bigint not null primary key, name text, ended_on date);
insert into t1.learner values (1, 'PERSON', '2010-03-31');
insert into t2.learner values (1, 'PERSON', '2010-03-31'), (2, 'PERSON', '2010-03-31');
";

async fn search(case: &Case, path: &str) {
    let name = case.scene.database.name().to_owned();
    let sql = format!("alter database {name} set search_path = {path}");
    case.scene.database.execute(&sql).await;
}

#[tokio::test]
async fn plan_and_certificate_say_which_table_a_name_stood_for() {
    let Some(case) = Case::new(Engine::Postgres, TENANTS, JOB).await else {
        return;
    };
    search(&case, "t1").await;
    let plan = |case: &Case| {
        let arguments = [
            "plan", "--as-of", AS_OF, "--log", "error", "--format", "json",
        ];
        case.scene.kigen(&arguments).json()["jobs"][0]["schema"].clone()
    };
    let before = plan(&case);
    assert_eq!(before["relations"]["learner"], "t1.learner");
    search(&case, "t2").await;
    let after = plan(&case);
    assert_eq!(after["relations"]["learner"], "t2.learner");
    assert_ne!(before["inspection_sha256"], after["inspection_sha256"]);
    let run = case.run();
    assert_eq!(run.code, 0, "{}", run.stderr);
    let counts = (
        case.count("t1.learner").await,
        case.count("t2.learner").await,
    );
    assert_eq!(counts, (1, 0));
    let statements = super::statements(&case.scene.path("certificates"));
    let target = &statements[0]["predicate"]["targets"][0];
    assert_eq!(
        (target["object"].as_str(), target["relation"].as_str()),
        (Some("learner"), Some("t2.learner"))
    );
    assert_eq!(target["inspectionSha256"], after["inspection_sha256"]);
    let verified = case.scene.kigen(&["verify"]);
    assert_eq!(verified.code, 0, "{}{}", verified.stdout, verified.stderr);
    case.remove().await;
}

#[tokio::test]
async fn a_name_that_the_search_path_does_not_find_is_refused() {
    let Some(case) = Case::new(Engine::Postgres, TENANTS, JOB).await else {
        return;
    };
    let said = ["table `learner` does not exist", "search path"];
    case.assert_refused("t1.learner", exit::SCHEMA_MISMATCH, &said)
        .await;
    case.remove().await;
}

#[tokio::test]
async fn the_report_is_the_same_for_the_same_schema_and_another_for_another() {
    for engine in Engine::ALL {
        let Some(case) = Case::new(engine, super::LEARNERS, JOB).await else {
            continue;
        };
        let digest = || {
            let arguments = [
                "check",
                "--connect",
                "--as-of",
                AS_OF,
                "--log",
                "error",
                "--format",
                "json",
            ];
            let answer = case.scene.kigen(&arguments).json();
            let job = &answer["jobs"][0];
            assert!(
                job["inspection"]["relations"][0]["columns"]
                    .as_array()
                    .is_some_and(|columns| columns.len() == 3),
                "{job}"
            );
            assert!(!job["inspection"]["not_seen"].as_array().unwrap().is_empty());
            job["inspection_sha256"].as_str().unwrap().to_owned()
        };
        let (one, other) = (digest(), digest());
        assert_eq!(one, other);
        case.scene
            .database
            .execute("create unique index more on learner (learner_id, ended_on)")
            .await;
        assert_ne!(digest(), one);
        case.remove().await;
    }
}
