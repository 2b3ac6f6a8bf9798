//! K26: the dry run is the run: a plan shows what the run will free, what goes along, and what is
//! suspended.

use kigen::exit;
use kigen::guard::Guard;
use serde_json::Value;

use super::{Case, JOB};
use crate::scene::{Engine, Scene};

/// Attempts keep their learners, and answers keep their attempts. All but learner 4 are old; attempt 13
/// is not.
const CHAIN: &str = "
create table learner (learner_id bigint not null primary key, name text, ended_on date);
insert into learner values (1, 'PERSON', '2010-03-31'), (2, 'PERSON', '2010-03-31'), (3, 'PERSON', '2010-03-31'),
    (4, 'PERSON', '2026-03-31'), (5, 'PERSON', '2010-03-31');
create table attempt (attempt_id bigint not null primary key, learner_id bigint, taken_on date);
insert into attempt values (11, 1, '2010-03-31'), (12, 2, '2010-03-31'), (13, 3, '2026-03-31'), (14, 4, '2010-03-31');
create table answer (answer_id bigint not null primary key, attempt_id bigint, given_on date);
insert into answer values (21, 11, '2010-03-31'), (22, 12, '2026-03-31');
";

/// A job over `cluster` whose records are kept as long as rows of `by` name them.
fn job(cluster: &str, date: &str, by: Option<&str>) -> String {
    let key = format!("{cluster}_id");
    let mut job = JOB
        .replace("cluster = \"learner\"", &format!("cluster = \"{cluster}\""))
        .replace("table = \"learner\"", &format!("table = \"{cluster}\""))
        .replace("\"learner_id\"", &format!("\"{key}\""))
        .replace("\"ended_on\"", &format!("\"{date}\""));
    if cluster != "learner" {
        let names = match cluster {
            "attempt" => "learner_id",
            _ => "attempt_id",
        };
        job = job
            .replace("direct-identifier = [\"name\"]", "not-personal = []")
            .replace(
                "quasi-identifier = [",
                &format!("quasi-identifier = [\"{names}\", "),
            );
    }
    if let Some(by) = by {
        job = job.replace(
            "[[stage]]\nname",
            &format!(
                "[[reference]]\ntable = \"{by}\"\non = {{ {key} = \"{key}\" }}\non-dispose = \"blocks\"\n\n[[stage]]\nname"
            ),
        );
    }
    job
}

async fn chain(engine: Engine) -> Option<Scene> {
    let sql = CHAIN.replace("PERSON", crate::scene::PERSON);
    let jobs = [
        ("answer.toml", job("answer", "given_on", None)),
        ("attempt.toml", job("attempt", "taken_on", Some("answer"))),
        ("learner.toml", job("learner", "ended_on", Some("attempt"))),
    ];
    let jobs: Vec<(&str, &str)> = jobs
        .iter()
        .map(|(file, job)| (*file, job.as_str()))
        .collect();
    Scene::with(engine, &sql, &jobs).await
}

fn plan(scene: &Scene, more: &[&str]) -> Value {
    let mut arguments = vec!["plan", "--format", "json"];
    arguments.extend(more);
    let answer = scene.on_the_day(&arguments);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    answer.json()
}

/// What a plan says of the only stage of `cluster`: due, and freed by the run.
fn said(plan: &Value, cluster: &str) -> (u64, u64) {
    let mut jobs = plan["jobs"].as_array().unwrap().iter();
    let job = jobs.find(|job| job["job"] == cluster).unwrap();
    let stage = &job["stages"][0];
    let freed = stage["unblocked_by_this_run"].as_u64();
    (
        stage["due"]["records"].as_u64().unwrap(),
        freed.unwrap_or(0),
    )
}

#[tokio::test]
async fn a_plan_counts_what_earlier_jobs_of_the_run_will_free() {
    for engine in Engine::ALL {
        let Some(scene) = chain(engine).await else {
            continue;
        };
        let foreseen = plan(&scene, &[]);
        assert_eq!(said(&foreseen, "answer"), (1, 0), "{engine:?}");
        // Attempt 14 is free; 11 will be; answer 22 keeps 12.
        assert_eq!(said(&foreseen, "attempt"), (1, 1), "{engine:?}");
        // Learner 5 is free; 1 will be.
        assert_eq!(said(&foreseen, "learner"), (1, 1), "{engine:?}");
        let alone = plan(&scene, &["--job", "learner"]);
        assert_eq!(said(&alone, "learner"), (1, 0), "nothing runs before");
        let text = scene.on_the_day(&["plan"]).stdout;
        assert!(
            text.contains("learner, delete: up to 1 more go in this run"),
            "{text}"
        );

        let run = scene.on_the_day(&["run", "--format", "json"]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        for job in run.json()["jobs"].as_array().unwrap() {
            let (due, freed) = said(&foreseen, job["job"].as_str().unwrap());
            assert_eq!(job["stages"][0]["disposed"], due + freed, "{job}");
        }
        scene.database.remove().await;
    }
}

/// The attempts of [`CHAIN`] lose their learners before these are looked at.
fn which_name_nobody_any_more() -> [(&'static str, String); 2] {
    let attempts = job("attempt", "taken_on", None);
    let rewritten = attempts
        .replace(
            "[[stage]]\nname = \"delete\"",
            "[[stage]]\nname = \"mask\"\ndisposal = \"pseudonymize\"\n\n[[stage.purpose]]\nname = \"service\"\n\
             starting-point = \"end-of-transaction\"\nstarts-at = \"taken_on\"\nperiod = \"P3Y\"\n\n\
             [[stage.change]]\ncolumn = \"learner_id\"\nstrategy = \"null\"\n\n[[stage]]\nname = \"delete\"",
        )
        .replacen("period = \"P3Y\"", "period = \"P3Y \"", 1)
        .replace("period = \"P3Y\"", "period = \"P50Y\"")
        .replace("period = \"P3Y \"", "period = \"P3Y\"");
    let (rules, examples) = rewritten.split_once("[[example]]").unwrap();
    let of_mask = format!("[[example]]{examples}").replace("\"delete\"", "\"mask\"");
    let of_delete = format!("[[example]]{examples}")
        .replace("2026-03-31", "2073-03-31")
        .replace("2026-04-01", "2073-04-01");
    let unlinked = job("answer", "given_on", None).replace(
        "[[stage]]\nname",
        "[[reference]]\ntable = \"attempt\"\non = { learner_id = \"answer_id\" }\non-dispose = \"unlink\"\n\n[[stage]]\nname",
    );
    [
        ("attempt.toml", format!("{rules}{of_mask}\n{of_delete}")),
        ("answer.toml", unlinked),
    ]
}

#[tokio::test]
async fn a_plan_counts_what_is_freed_by_rows_that_stay_and_name_nobody_any_more() {
    // An attempt whose learner is rewritten, and one that is unlinked from an answer of that number.
    let sql = CHAIN
        .replace("PERSON", crate::scene::PERSON)
        .replace("(21, 11, '2010-03-31')", "(1, 11, '2010-03-31')");
    let learners = job("learner", "ended_on", Some("attempt"));
    for engine in Engine::ALL {
        for (file, earlier) in which_name_nobody_any_more() {
            let jobs = [
                (file, earlier.as_str()),
                ("learner.toml", learners.as_str()),
            ];
            let Some(scene) = Scene::with(engine, &sql, &jobs).await else {
                continue;
            };
            let foreseen = plan(&scene, &[]);
            let run = scene.on_the_day(&["run", "--format", "json"]);
            assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
            let (due, freed) = said(&foreseen, "learner");
            assert!(freed > 0, "{engine:?} {file}");
            let document = run.json();
            let mut jobs = document["jobs"].as_array().unwrap().iter();
            let learner = jobs.find(|job| job["job"] == "learner").unwrap();
            assert_eq!(learner["stages"][0]["disposed"], due + freed, "{file}");
            scene.database.remove().await;
        }
    }
}

#[tokio::test]
async fn a_plan_over_its_limit_with_what_the_run_frees_says_so() {
    for engine in Engine::ALL {
        let Some(scene) = chain(engine).await else {
            continue;
        };
        scene.edit("jobs/learner.toml", "max-records = 1000", "max-records = 1");
        let text = scene.on_the_day(&["plan"]).stdout;
        assert!(
            text.contains("a run would refuse it: learner: 2 records"),
            "{text}"
        );
        let run = scene.on_the_day(&["run"]);
        assert_eq!(run.code, i32::from(exit::NOT_APPROVED), "{}", run.stdout);
        let left = "select count(*) from learner";
        assert_eq!(scene.database.number(left).await, 5, "{engine:?}");
        scene.database.remove().await;
    }
}

#[tokio::test]
async fn a_plan_says_what_is_suspended_and_that_it_frees_nobody() {
    for engine in Engine::ALL {
        let Some(scene) = chain(engine).await else {
            continue;
        };
        let suspended = scene.kigen(&["suspend", "--job", "answer", "--reason", "legal-hold"]);
        assert_eq!(suspended.code, 0, "{}", suspended.stderr);
        let foreseen = plan(&scene, &[]);
        assert_eq!(foreseen["jobs"][0]["suspended"]["reason"], "legal-hold");
        assert_eq!(said(&foreseen, "attempt"), (1, 0), "{engine:?}");
        assert_eq!(said(&foreseen, "learner"), (1, 0), "{engine:?}");
        let text = scene.on_the_day(&["plan"]).stdout;
        assert!(text.contains("answer is suspended since"), "{text}");
        scene.database.remove().await;
    }
}

/// Messages that answer each other, all of them due; each keeps the one that it answers.
const MESSAGES: &str = "
create table learner (learner_id bigint not null primary key, name text, ended_on date, answers bigint);
insert into learner values (1, 'PERSON', '2010-03-31', null), (2, 'PERSON', '2010-03-31', 1), (3, 'PERSON', '2010-03-31', 2),
    (4, 'PERSON', '2010-03-31', 3);
";

fn messages() -> String {
    JOB.replace("\"ended_on\"]", "\"ended_on\", \"answers\"]")
        .replace("max-records = 1000", "max-records = 1")
        .replace(
            "[[stage]]\nname",
            "[[reference]]\ntable = \"learner\"\non = { answers = \"learner_id\" }\non-dispose = \"blocks\"\n\n[[stage]]\nname",
        )
}

#[tokio::test]
async fn rows_that_free_each_other_are_within_the_limit_or_none_of_them_goes() {
    for engine in Engine::ALL {
        let Some(case) = Case::new(engine, MESSAGES, &messages()).await else {
            continue;
        };
        let foreseen = plan(&case.scene, &[]);
        assert_eq!(said(&foreseen, "learner"), (1, 3), "{engine:?}");
        let run = case.run();
        assert_eq!(run.code, i32::from(exit::NOT_APPROVED), "{}", run.stdout);
        assert_eq!(case.count("learner").await, 4, "{engine:?}");
        case.remove().await;
    }
}

#[tokio::test]
async fn without_the_guard_the_first_of_them_goes_under_a_limit_that_the_run_passes() {
    for engine in Engine::ALL {
        let Some(case) = Case::new(engine, MESSAGES, &messages()).await else {
            continue;
        };
        case.run_without(&[Guard::RunForeseen]);
        assert!(case.count("learner").await < 4, "{engine:?}");
        case.remove().await;
    }
}

/// Learner 1 has two enrolments with three marks, learner 2 one enrolment, learner 3 is not due.
const COMPANIONS: &str = "
create table learner (learner_id bigint not null primary key, name text, ended_on date);
insert into learner values (1, 'PERSON', '2010-03-31'), (2, 'PERSON', '2010-03-31'), (3, 'PERSON', '2025-03-31');
create table enrolment (enrolment_id bigint not null primary key, learner_id bigint);
create index enrolment_learner on enrolment (learner_id);
insert into enrolment values (11, 1), (12, 1), (13, 2), (14, 3);
create table mark (mark_id bigint not null primary key, enrolment_id bigint);
create index mark_enrolment on mark (enrolment_id);
insert into mark values (21, 11), (22, 11), (23, 12), (24, 14);
create table seat (seat_id bigint not null primary key, learner_id bigint);
create index seat_learner on seat (learner_id);
insert into seat values (31, 1), (32, 3), (33, null);
";

#[tokio::test]
async fn a_plan_counts_the_rows_that_go_with_the_records_and_those_that_are_unlinked() {
    let references = r#"[[reference]]
table = "enrolment"
on = { learner_id = "learner_id" }
on-dispose = "goes-with"
key = ["enrolment_id"]
[reference.columns]
quasi-identifier = ["learner_id"]
not-personal = ["enrolment_id"]

[[reference]]
table = "mark"
of = "enrolment"
on = { enrolment_id = "enrolment_id" }
on-dispose = "goes-with"
key = ["mark_id"]
[reference.columns]
not-personal = ["mark_id", "enrolment_id"]

[[reference]]
table = "seat"
on = { learner_id = "learner_id" }
on-dispose = "unlink"

[[stage]]
name"#;
    let job = JOB.replace("[[stage]]\nname", references);
    for engine in Engine::ALL {
        let Some(case) = Case::new(engine, COMPANIONS, &job).await else {
            continue;
        };
        let foreseen = plan(&case.scene, &[]);
        let stage = &foreseen["jobs"][0]["stages"][0];
        let rows = serde_json::json!({ "enrolment": 3, "mark": 3 });
        assert_eq!(stage["goes_with"], rows, "{engine:?}");
        assert_eq!(stage["unlinked"], serde_json::json!({ "seat": 1 }));
        let run = case.scene.on_the_day(&["run", "--format", "json"]);
        assert_eq!(run.json()["jobs"][0]["stages"][0]["gone_with"], rows);
        case.remove().await;
    }
}

/// A message names two learners, and a learner is due in both stages.
#[tokio::test]
async fn a_row_that_goes_along_is_counted_once() {
    let reference = |column: &str| {
        format!(
            "[[reference]]\ntable = \"message\"\non = {{ {column} = \"learner_id\" }}\non-dispose = \"goes-with\"\n\
             key = [\"message_id\"]\nstages = [\"pseudonymize\", \"delete\"]\n[reference.columns]\nquasi-identifier = [\"sender\", \"receiver\"]\nnot-personal = [\"message_id\"]\n\n"
        )
    };
    let references = format!(
        "{}{}[[stage]]\nname",
        reference("sender"),
        reference("receiver")
    );
    let job = super::two_stages().replacen("[[stage]]\nname", &references, 1);
    let sql = "create table learner (learner_id bigint not null primary key, name text, ended_on date);
        insert into learner values (1, 'PERSON', '2010-03-31'), (2, 'PERSON', '2010-03-31'), (3, 'PERSON', '2025-03-31');
        create table message (message_id bigint not null primary key, sender bigint, receiver bigint);
        create index message_sender on message (sender);
        create index message_receiver on message (receiver);
        insert into message values (11, 1, 2), (12, 2, 3), (13, 3, 3);";
    for engine in Engine::ALL {
        let Some(case) = Case::new(engine, sql, &job).await else {
            continue;
        };
        let foreseen = plan(&case.scene, &[]);
        let run = case.scene.on_the_day(&["run", "--format", "json"]);
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        let run = run.json();
        let stages = |document: &Value| document["jobs"][0]["stages"].as_array().unwrap().clone();
        for (planned, done) in stages(&foreseen).iter().zip(&stages(&run)) {
            assert_eq!(
                planned["goes_with"], done["gone_with"],
                "{engine:?} {planned}"
            );
        }
        assert_eq!(
            stages(&run)[0]["gone_with"],
            serde_json::json!({ "message": 3 })
        );
        case.remove().await;
    }
}
