//! K12: a mark belongs to a record and its content, not to a spelling.

use kigen::exit;
use kigen::guard::Guard;

use super::{Case, JOB};
use crate::scene::Engine;

const TABLE: &str = "
create table learner (learner_id integer not null primary key, name text, note text, ended_on date);
insert into learner values (1, 'PERSON', 'n', '2010-03-31'), (2, 'PERSON', 'n', '2010-03-31'), (3, 'PERSON', 'n', '2025-03-31');
";

/// Learners get a token for their name after 3 years, and are deleted after 50.
fn job() -> String {
    let example = |stage: &str, as_of: &str, expect: &str| {
        format!(
            "\n[[example]]\nstage = \"{stage}\"\nas-of = \"{as_of}\"\nexpect = \"{expect}\"\n{}[example.starts]\nservice = \"2000-03-31\"\n",
            if expect == "retain" {
                "reason = \"not-expired\"\n"
            } else {
                ""
            }
        )
    };
    let stages = JOB.replace("batch-size = 100\n", "batch-size = 100\n\n[[stage]]\nname = \"mask\"\ndisposal = \"pseudonymize\"\n\n[[stage.purpose]]\nname = \"service\"\nstarting-point = \"end-of-relationship\"\nstarts-at = \"ended_on\"\nperiod = \"P3Y\"\n\n[[stage.change]]\ncolumn = \"name\"\nstrategy = \"token\"\ncontext = \"name\"\n\n[[stage.change]]\ncolumn = \"note\"\nstrategy = \"null\"\n");
    let (before, _) = stages.split_once("[[example]]").unwrap();
    before
        .replace(
            "name = \"delete\"\ndisposal = \"delete\"\n\n[[stage.purpose]]\nname = \"service\"\nstarting-point = \"end-of-relationship\"\nstarts-at = \"ended_on\"\nperiod = \"P3Y\"",
            "name = \"delete\"\ndisposal = \"delete\"\n\n[[stage.purpose]]\nname = \"service\"\nstarting-point = \"end-of-relationship\"\nstarts-at = \"ended_on\"\nperiod = \"P50Y\"",
        )
        .replace("direct-identifier = [\"name\"]", "direct-identifier = [\"name\"]\nfree-text = [\"note\"]")
        + &example("mask", "2003-03-31", "retain")
        + &example("mask", "2003-04-01", "dispose")
        + &example("delete", "2050-03-31", "retain")
        + &example("delete", "2050-04-01", "dispose")
}

async fn case(engine: Engine) -> Option<Case> {
    let case = Case::new(engine, TABLE, &job()).await?;
    let answer = case.run();
    assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
    assert_eq!(case.leaves(), 2, "two records");
    Some(case)
}

/// How many names are not what they were when `tokens` was made of them.
async fn names_changed(case: &Case, table: &str) -> i64 {
    let sql = format!(
        "select count(*) from {table} t join was w on w.learner_id = t.learner_id where t.name is null or t.name <> w.name"
    );
    case.scene.database.number(&sql).await
}

async fn remember(case: &Case) {
    let sql = "create table was as select learner_id, name from learner";
    case.scene.database.execute(sql).await;
}

/// What an operator does between two nights, so that the records have other names and are the same.
type Renaming = (
    &'static str,
    &'static [Engine],
    &'static str,
    &'static [(&'static str, &'static str)],
);

const RENAMINGS: &[Renaming] = &[
    ("nothing", &Engine::ALL, "select 1", &[]),
    (
        "the stage",
        &Engine::ALL,
        "select 1",
        &[("\"mask\"", "\"veil\"")],
    ),
    (
        "the table",
        &Engine::ALL,
        "alter table learner rename to member",
        &[("table = \"learner\"", "table = \"member\"")],
    ),
    (
        "the table's spelling",
        &[Engine::Postgres],
        "select 1",
        &[("table = \"learner\"", "table = \"public.learner\"")],
    ),
    (
        "the table's spelling in SQLite",
        &[Engine::Sqlite],
        "select 1",
        &[("table = \"learner\"", "table = \"main.learner\"")],
    ),
    (
        "the table's schema",
        &[Engine::Postgres],
        "create schema lms; alter table learner set schema lms",
        &[("table = \"learner\"", "table = \"lms.learner\"")],
    ),
    (
        "the table and the stage",
        &Engine::ALL,
        "alter table learner rename to member",
        &[
            ("table = \"learner\"", "table = \"member\""),
            ("\"mask\"", "\"veil\""),
        ],
    ),
    (
        "the cluster",
        &Engine::ALL,
        "select 1",
        &[("cluster = \"learner\"", "cluster = \"person\"")],
    ),
    (
        "the order of the changes",
        &Engine::ALL,
        "select 1",
        &[
            (
                "[[stage.change]]\ncolumn = \"name\"\nstrategy = \"token\"\ncontext = \"name\"\n\n",
                "",
            ),
            (
                "column = \"note\"\nstrategy = \"null\"\n",
                "column = \"note\"\nstrategy = \"null\"\n\n[[stage.change]]\ncolumn = \"name\"\nstrategy = \"token\"\ncontext = \"name\"\n",
            ),
        ],
    ),
    (
        "a copy under the same name",
        &Engine::ALL,
        "create table copied (learner_id integer not null primary key, name text, note text, ended_on date); insert into copied select * from learner; drop table learner; alter table copied rename to learner",
        &[],
    ),
];

#[tokio::test]
async fn a_record_under_another_name_is_not_pseudonymized_again() {
    for (what, engines, sql, edits) in RENAMINGS {
        for engine in *engines {
            let Some(case) = case(*engine).await else {
                continue;
            };
            remember(&case).await;
            case.scene.database.execute(sql).await;
            for (from, to) in *edits {
                case.scene.edit("jobs/learner.toml", from, to);
            }
            for answer in [case.check(), case.run()] {
                let said = format!("{}{}", answer.stdout, answer.stderr);
                assert_eq!(answer.code, 0, "{what}: {said}");
            }
            let table = edits
                .iter()
                .find_map(|(_, to)| to.strip_prefix("table = \""));
            let table = table.map_or("learner", |name| name.trim_end_matches('"'));
            assert_eq!(names_changed(&case, table).await, 0, "{engine:?}: {what}");
            assert_eq!(case.leaves(), 2, "{engine:?}: {what}");
            case.remove().await;
        }
    }
}

/// What an application does to a pseudonymized record so that something of a person stands there.
const WRITTEN: &[(&str, &str)] = &[
    (
        "the key of a deleted row is given again",
        "delete from learner where learner_id = 2; insert into learner values (2, 'PERSON', 'n', '2010-04-30')",
    ),
    (
        "the name is there again",
        "update learner set name = 'PERSON' where learner_id = 2",
    ),
    (
        "a note is there again",
        "update learner set note = 'PERSON' where learner_id = 2",
    ),
];

#[tokio::test]
async fn a_record_that_holds_something_else_than_its_mark_says_is_due() {
    for engine in Engine::ALL {
        for (what, sql) in WRITTEN {
            let Some(case) = case(engine).await else {
                continue;
            };
            remember(&case).await;
            let sql = sql.replace("PERSON", crate::scene::PERSON);
            case.scene.database.execute(&sql).await;
            let answer = case.run();
            assert_eq!(answer.code, 0, "{what}: {}", answer.stderr);
            let clear = "select count(*) from learner where learner_id = 2 and (length(name) <> 26 or note is not null)";
            assert_eq!(
                case.scene.database.number(clear).await,
                0,
                "{engine:?}: {what}"
            );
            assert_eq!(case.leaves(), 3, "{engine:?}: {what}");
            // Equal values have equal tokens; and no token was made of one.
            assert_eq!(
                names_changed(&case, "learner").await,
                0,
                "{engine:?}: {what}"
            );
            case.remove().await;
        }
    }
}

#[tokio::test]
async fn what_the_job_does_not_change_may_change() {
    for engine in Engine::ALL {
        let Some(case) = case(engine).await else {
            continue;
        };
        let sql = "update learner set ended_on = '2010-05-31' where learner_id = 2";
        case.scene.database.execute(sql).await;
        assert_eq!(case.run().code, 0);
        assert_eq!(case.leaves(), 2, "{engine:?}");
        case.remove().await;
    }
}

fn marker(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => "kigen_marker",
        Engine::Postgres => "kigen.marker",
    }
}

#[tokio::test]
async fn marks_of_an_older_kigen_count_as_long_as_the_record_looks_done() {
    for engine in Engine::ALL {
        let Some(case) = case(engine).await else {
            continue;
        };
        remember(&case).await;
        let older = format!(
            "update {} set object = 'learner', cluster = null, content = null",
            marker(engine)
        );
        case.scene.database.execute(&older).await;
        assert_eq!(case.run().code, 0);
        assert_eq!(case.leaves(), 2, "{engine:?}");
        let again = WRITTEN[0].1.replace("PERSON", crate::scene::PERSON);
        case.scene.database.execute(&again).await;
        assert_eq!(case.run().code, 0);
        assert_eq!(case.leaves(), 3, "{engine:?}");
        assert_eq!(names_changed(&case, "learner").await, 0, "{engine:?}");
        case.remove().await;
    }
}

/// What leaves tokens in records that bear no mark.
const LOST: &[(&str, &[(&str, &str)])] = &[
    ("delete from MARKER", &[]),
    (
        "alter table learner rename column name to full_name",
        &[
            ("\"name\"]", "\"full_name\"]"),
            ("column = \"name\"", "column = \"full_name\""),
        ],
    ),
];

#[tokio::test]
async fn tokens_in_records_without_a_mark_are_refused() {
    for engine in Engine::ALL {
        for (sql, edits) in LOST {
            let Some(case) = case(engine).await else {
                continue;
            };
            case.scene
                .database
                .execute(&sql.replace("MARKER", marker(engine)))
                .await;
            for (from, to) in *edits {
                case.scene.edit("jobs/learner.toml", from, to);
            }
            case.assert_refused("learner", exit::SCHEMA_MISMATCH, &["bear no mark", "hint"])
                .await;
            assert_eq!(case.leaves(), 2, "{engine:?}");
            case.remove().await;
        }
    }
}

#[tokio::test]
async fn without_its_guards_a_mark_hides_a_person_and_tokens_are_made_of_tokens() {
    let Some(reused) = case(Engine::Sqlite).await else {
        return;
    };
    let sql = WRITTEN[0].1.replace("PERSON", crate::scene::PERSON);
    reused.scene.database.execute(&sql).await;
    reused.run_without(&[Guard::MarkedContent]);
    assert_eq!(
        reused.leaves(),
        2,
        "the second person is taken for the first"
    );
    let Some(renamed) = case(Engine::Sqlite).await else {
        return;
    };
    remember(&renamed).await;
    renamed
        .scene
        .edit("jobs/learner.toml", "\"mask\"", "\"veil\"");
    renamed.run_without(&[Guard::MarkedRelation]);
    assert_eq!(
        names_changed(&renamed, "learner").await,
        0,
        "the second guard stands"
    );
    renamed.run_without(&[Guard::MarkedRelation, Guard::TokenOfToken]);
    assert_eq!(names_changed(&renamed, "learner").await, 2);
    let Some(lost) = case(Engine::Sqlite).await else {
        return;
    };
    remember(&lost).await;
    lost.scene
        .database
        .execute("delete from kigen_marker")
        .await;
    lost.run_without(&[Guard::TokenOfToken]);
    assert_eq!(names_changed(&lost, "learner").await, 2);
}
