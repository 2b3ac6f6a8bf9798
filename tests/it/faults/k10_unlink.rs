//! K10: a row that is unlinked loses what names the person, and nothing else.

use kigen::exit;
use kigen::guard::Guard;

use super::{Case, JOB, LEARNERS};
use crate::scene::Engine;

/// A learner is named by client and number.
const COMPOSITE: &str = "
create table learner (learner_id bigint not null, client_id varchar(20) not null, name text, ended_on date, primary key (client_id, learner_id));
insert into learner values (1, 'own', 'PERSON', '2010-03-31'), (2, 'own', 'PERSON', '2025-03-31');
create table answer (answer_id bigint not null primary key, client_id varchar(20), learner_id bigint, body text,
  foreign key (client_id, learner_id) references learner (client_id, learner_id));
create index answer_learner on answer (client_id, learner_id);
insert into answer values (10, 'own', 1, 'good'), (11, 'own', 2, 'good');
";

const UNLINKED: &str = "
[[reference]]
table = \"answer\"
on = { client_id = \"client_id\", learner_id = \"learner_id\" }
on-dispose = \"unlink\"
";

fn with(job: &str, more: &str) -> String {
    job.replacen("[[stage]]\nname", &format!("{more}\n[[stage]]\nname"), 1)
}

fn composite(client: &str, reference: &str) -> String {
    with(JOB, reference)
        .replace(
            "key = [\"learner_id\"]",
            "key = [\"client_id\", \"learner_id\"]",
        )
        .replace(
            "quasi-identifier = [",
            "not-personal = [\"client_id\"]\nquasi-identifier = [",
        )
        .replace("name = \"own\"", client)
}

#[tokio::test]
async fn only_the_column_of_the_person_is_cleared() {
    let clear = format!("{UNLINKED}clear = [\"learner_id\"]\n");
    let jobs = [
        composite("column = \"client_id\"", UNLINKED),
        composite("name = \"own\"", &clear),
    ];
    for (engine, job) in Engine::ALL
        .into_iter()
        .flat_map(|engine| jobs.iter().map(move |job| (engine, job)))
    {
        let Some(case) = Case::new(engine, COMPOSITE, job).await else {
            continue;
        };
        let answer = case.run();
        assert_eq!(answer.code, i32::from(exit::DONE), "{}", answer.stderr);
        let of_client = "select count(*) from answer where client_id = 'own'";
        assert_eq!(case.scene.database.number(of_client).await, 2);
        let tied = "select count(*) from answer where learner_id is not null";
        assert_eq!(case.scene.database.number(tied).await, 1);
        case.remove().await;
    }
}

#[tokio::test]
async fn several_columns_of_which_none_is_the_clients_need_to_be_told_apart() {
    let job = composite("name = \"own\"", UNLINKED);
    let Some(case) = Case::new(Engine::Sqlite, COMPOSITE, &job).await else {
        return;
    };
    case.assert_refused("learner", exit::JOBS_INVALID, &["clear", "unlink"])
        .await;
}

/// A trigger keeps each row as it is; the foreign key would take it along.
const SWALLOWED: [(Engine, &str); 2] = [
    (
        Engine::Postgres,
        "create function keep() returns trigger language plpgsql as 'begin return null; end';
         create trigger keep before update on post for each row execute function keep();",
    ),
    (
        Engine::Sqlite,
        "create trigger keep before update on post begin select raise(ignore); end;",
    ),
];

const POSTS: &str = "
create table post (post_id bigint not null primary key, learner_id bigint, body text);
create index post_learner on post (learner_id);
insert into post values (10, 1, 'good'), (11, 3, 'good');
";

const UNLINK_POSTS: &str = "
[[reference]]
table = \"post\"
on = { learner_id = \"learner_id\" }
on-dispose = \"unlink\"
";

#[tokio::test]
async fn a_record_whose_unlinking_is_swallowed_stays_and_is_reported() {
    for (engine, trigger) in SWALLOWED {
        let sql = format!("{LEARNERS}{POSTS}{trigger}");
        let Some(case) = Case::new(engine, &sql, &with(JOB, UNLINK_POSTS)).await else {
            continue;
        };
        case.run_without(&[
            Guard::UnlinkIsReadBack,
            Guard::TriggersAreDeclared,
            Guard::EffectsAreCounted,
        ]);
        let dangling = "select count(*) from post where learner_id = 1";
        assert_eq!(case.scene.database.number(dangling).await, 1);
        assert_eq!(case.count("learner").await, 1, "without the guard it goes");
        case.remove().await;

        let Some(case) = Case::new(engine, &sql, &with(JOB, UNLINK_POSTS)).await else {
            continue;
        };
        // The comparison of the schema knows the trigger already.
        assert_eq!(case.run().code, i32::from(exit::SCHEMA_MISMATCH));
        let mut command = case.scene.command(&["run", "--format", "json"]);
        command
            .args(["--as-of", crate::scene::AS_OF, "--log", "error"])
            .env("KIGEN_WITHOUT_GUARD", Guard::TriggersAreDeclared.name());
        let answer = case.scene.finish(&mut command);
        assert_eq!(
            answer.code,
            i32::from(exit::INCOMPLETE),
            "{}",
            answer.stderr
        );
        let stage = &answer.json()["jobs"][0]["stages"][0];
        assert_eq!(
            (&stage["disposed"], &stage["failed"]),
            (&1.into(), &1.into())
        );
        let failed = &stage["failed_records"][0];
        assert!(
            failed["reason"].as_str().unwrap().contains("`post`"),
            "{failed}"
        );
        assert_eq!(case.count("learner").await, 2);
        case.remove().await;
    }
}

#[tokio::test]
async fn a_condition_that_forbids_null_is_told_before_the_night() {
    let condition = "check (learner_id is not null or body is null)";
    let sql = format!(
        "{LEARNERS}
         create table answer (answer_id bigint not null primary key, learner_id bigint references learner (learner_id), body text, {condition});
         create index answer_learner on answer (learner_id);
         insert into answer values (10, 1, 'good'), (11, 3, 'good');"
    );
    let reference = "[[reference]]\ntable = \"answer\"\non = { learner_id = \"learner_id\" }\non-dispose = \"unlink\"\n";
    let job = with(JOB, reference);
    // SQLite does not say of what a condition speaks: there the record fails alone, with the reason.
    let Some(case) = Case::new(Engine::Postgres, &sql, &job).await else {
        return;
    };
    let said = ["reference `answer`", "answer_check", "forbids null in"];
    case.assert_refused("learner", exit::SCHEMA_MISMATCH, &said)
        .await;
    let run = case.run_without(&[Guard::ConstraintsHold]);
    assert_eq!(run.code, i32::from(exit::INCOMPLETE), "{}", run.stderr);
    case.remove().await;
}
