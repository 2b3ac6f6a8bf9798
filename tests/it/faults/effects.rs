//! The guard that needs no list: whatever the database changes beside the job rolls the batch back, also
//! where no other guard had known of it.

use kigen::exit;
use kigen::guard::Guard;

use super::{Case, JOB, LEARNERS};
use crate::scene::Engine;

const ALL: &[Engine] = &Engine::ALL;
const SQLITE: &[Engine] = &[Engine::Sqlite];
const POSTGRES: &[Engine] = &[Engine::Postgres];

/// A table whose rows name learners.
const BADGE: &str = "create table badge (badge_id bigint not null primary key, \
  learner_id bigint references learner (learner_id) ACTION);
insert into badge values (11, 1), (12, 2), (13, 3);
create index badge_learner on badge (learner_id);";

const BADGE_GOES_WITH: &str = r#"
[[reference]]
table = "badge"
on = { learner_id = "learner_id" }
on-dispose = "goes-with"
key = ["badge_id"]
[reference.columns]
quasi-identifier = ["learner_id"]
not-personal = ["badge_id"]

[[stage]]
name"#;

const BADGE_UNLINKED: &str = r#"
[[reference]]
table = "badge"
on = { learner_id = "learner_id" }
on-dispose = "unlink"

[[stage]]
name"#;

const HISTORY: &str = "create table learner_history (learner_id bigint, name text);";

/// What the database does, on which engines, with which reference in the job, and what is said.
struct Effect {
    engines: &'static [Engine],
    sql: String,
    reference: &'static str,
    says: &'static str,
}

fn plain(engines: &'static [Engine], sql: &str, says: &'static str) -> Effect {
    let (sql, reference) = (sql.to_owned(), "[[stage]]\nname");
    Effect {
        engines,
        sql,
        reference,
        says,
    }
}

/// A trigger of PostgreSQL whose function does `statement`.
fn trigger(when: &str, statement: &str) -> String {
    format!(
        "create function does() returns trigger language plpgsql as $$ begin {statement} return old; end $$; \
         create trigger does {when} execute function does();"
    )
}

fn effects() -> Vec<Effect> {
    let badge = |action: &str| BADGE.replace("ACTION", action);
    let with = |reference, sql: String, says| Effect {
        engines: POSTGRES,
        sql,
        reference,
        says,
    };
    vec![
        plain(ALL, &badge("on delete cascade"), "`badge`: 2 rows deleted"),
        plain(ALL, &badge("on delete set null"), "`badge`: 2 rows updated"),
        plain(
            POSTGRES,
            &badge("on delete set default"),
            "`badge`: 2 rows updated",
        ),
        plain(
            SQLITE,
            &format!("{HISTORY} create trigger does before delete on learner begin insert into learner_history values (old.learner_id, old.name); end;"),
            "`learner_history`: 2 rows inserted",
        ),
        plain(
            SQLITE,
            "create table tally (day text primary key, gone bigint) without rowid; insert into tally values ('today', 0); \
             create trigger does after delete on learner begin update tally set gone = gone + 1; end;",
            "(a table without rowid, or one that was emptied at once)",
        ),
        plain(
            SQLITE,
            "create trigger does after delete on learner begin delete from learner where learner_id = 3; end;",
            "`learner`: 3 rows deleted, 2 by kigen",
        ),
        plain(
            POSTGRES,
            &format!(
                "{HISTORY} {}",
                trigger(
                    "before delete on learner for each row",
                    "insert into learner_history values (old.learner_id, old.name);"
                )
            ),
            "`learner_history`: 2 rows inserted",
        ),
        plain(
            POSTGRES,
            &format!(
                "{HISTORY} {}",
                trigger(
                    "after delete on learner deferrable initially deferred for each row",
                    "insert into learner_history values (old.learner_id, old.name);"
                )
                .replace("create trigger", "create constraint trigger")
            ),
            "`learner_history`: 2 rows inserted",
        ),
        plain(
            POSTGRES,
            &format!(
                "{HISTORY} create rule does as on delete to learner do also insert into learner_history values (old.learner_id, old.name);"
            ),
            "`learner_history`: 2 rows inserted",
        ),
        plain(
            POSTGRES,
            &trigger(
                "after delete on learner for each row",
                "delete from learner where learner_id = 3;",
            ),
            "`learner`: 3 rows deleted, 2 by kigen",
        ),
        plain(
            POSTGRES,
            &format!(
                "{HISTORY} insert into learner_history values (3, 'PERSON'); {}",
                trigger(
                    "after delete on learner for each statement",
                    "truncate learner_history;"
                )
            ),
            "learner_history (emptied, or its structure changed)",
        ),
        plain(
            POSTGRES,
            "create table learner_2010 () inherits (learner); insert into learner_2010 values (4, 'PERSON', '2010-03-31');",
            "`learner_2010`: 1 rows deleted",
        ),
        plain(
            POSTGRES,
            "create schema archive; create table archive.badge (badge_id bigint primary key, learner_id bigint references learner on delete cascade); \
             create index on archive.badge (learner_id); insert into archive.badge values (11, 1);",
            "`archive.badge`: 1 rows deleted",
        ),
        // The schema of the job's own table of that name is another one.
        with(
            BADGE_GOES_WITH,
            format!(
                "{} create schema archive; create table archive.badge (badge_id bigint primary key, learner_id bigint references learner on delete cascade); \
                 create index on archive.badge (learner_id); insert into archive.badge values (11, 1);",
                badge("")
            ),
            "`archive.badge`: 1 rows deleted",
        ),
        with(
            BADGE_GOES_WITH,
            format!(
                "{} create table pin (badge_id bigint references badge on delete cascade); create index on pin (badge_id); insert into pin values (12);",
                badge("")
            ),
            "`pin`: 1 rows deleted",
        ),
        with(
            BADGE_UNLINKED,
            format!(
                "{} {}",
                badge(""),
                trigger(
                    "after update on badge for each row",
                    "delete from badge where badge_id = 13;"
                )
            ),
            "`badge`: 1 rows deleted",
        ),
        with(
            "[[stage]]\nname",
            "alter table learner rename to learner_old; \
             create table learner (learner_id bigint not null, name text, ended_on date, primary key (learner_id)) partition by range (learner_id); \
             create table learner_1 partition of learner for values from (0) to (2); create table learner_2 partition of learner for values from (2) to (10); \
             insert into learner select * from learner_old; \
             create table badge (badge_id bigint primary key, learner_id bigint references learner_1 (learner_id) on delete cascade); \
             create index on badge (learner_id); insert into badge values (11, 1);"
                .to_owned(),
            "`badge`: 1 rows deleted",
        ),
    ]
}

async fn case(engine: Engine, effect: &Effect) -> Option<Case> {
    let job = JOB.replacen("[[stage]]\nname", effect.reference, 1);
    Case::new(engine, &format!("{LEARNERS}\n{}", effect.sql), &job).await
}

#[tokio::test]
async fn what_the_database_changes_beside_the_job_rolls_the_batch_back() {
    for effect in effects() {
        for &engine in effect.engines {
            let Some(case) = case(engine, &effect).await else {
                continue;
            };
            let answer = case.run_without(&[Guard::SchemaIsCompared]);
            let said = format!("{}{}", answer.stdout, answer.stderr);
            assert!(said.contains(effect.says), "{}:\n{said}", effect.says);
            assert_eq!(answer.code, i32::from(exit::SCHEMA_MISMATCH), "{said}");
            assert!(case.count("learner").await >= 3, "{}", effect.says);
            assert_eq!(case.leaves(), 0, "{}", effect.says);
            case.remove().await;
        }
    }
}

/// The rest of the promise: without the guard each of these goes through, and nobody is told.
#[tokio::test]
async fn without_accounting_what_the_database_changes_goes_through() {
    for effect in effects() {
        // One engine each is enough to show it.
        let engine = effect.engines[0];
        let Some(case) = case(engine, &effect).await else {
            continue;
        };
        let answer = case.run_without(&[Guard::EffectsAreCounted, Guard::SchemaIsCompared]);
        let said = format!("{}{}", answer.stdout, answer.stderr);
        assert!(!said.contains("the database changed more"), "{said}");
        assert!(case.leaves() >= 2, "{}:\n{said}", effect.says);
        case.remove().await;
    }
}

/// Learners whose history keeps what goes, by a trigger.
fn with_history(engine: Engine) -> String {
    let trigger = match engine {
        Engine::Sqlite => "create trigger does before delete on learner begin insert into learner_history values (old.learner_id, old.name); end;".to_owned(),
        Engine::Postgres => trigger(
            "before delete on learner for each row",
            "insert into learner_history values (old.learner_id, old.name);",
        ),
    };
    format!("{LEARNERS} {HISTORY} {trigger}")
}

const DECLARED: &str = r#"
[[effect]]
table = "learner_history"
operation = "insert"
reason = "the law keeps a copy for seven years"

[[stage]]
name"#;

#[tokio::test]
async fn a_declared_effect_is_counted_and_stands_in_the_certificate() {
    let job = JOB.replacen("[[stage]]\nname", DECLARED, 1);
    for engine in Engine::ALL {
        let Some(case) = Case::new(engine, &with_history(engine), &job).await else {
            continue;
        };
        let reason = "the law keeps a copy for seven years";
        let check = case.check();
        assert_eq!(check.code, 0, "{}{}", check.stdout, check.stderr);
        assert!(check.stdout.contains(reason), "{}", check.stdout);
        let plan = case.scene.on_the_day(&["plan"]);
        assert!(plan.stdout.contains(reason), "{}", plan.stdout);
        let run = case.run();
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        assert!(
            run.stdout.contains("insert learner_history 2"),
            "{}",
            run.stdout
        );
        assert_eq!(case.count("learner").await, 1);
        assert_eq!(case.count("learner_history").await, 2);
        assert_eq!(case.leaves(), 2);
        let shown = case
            .scene
            .kigen(&["certificate", "list", "--format", "json"]);
        let list = shown.json();
        let list = list.as_array().or_else(|| list["certificates"].as_array());
        let id = list.unwrap()[0]["certificate_id"]
            .as_str()
            .unwrap()
            .to_owned();
        let shown = case.scene.kigen(&["certificate", "show", &id]);
        assert!(
            shown
                .stdout
                .contains("learner_history: 2 rows inserted by the database itself"),
            "{}",
            shown.stdout
        );
        case.remove().await;
    }
}

#[tokio::test]
async fn a_declared_effect_excuses_no_other_one() {
    let other = DECLARED.replace("\"insert\"", "\"delete\"");
    let job = JOB.replacen("[[stage]]\nname", &other, 1);
    for engine in Engine::ALL {
        let Some(case) = Case::new(engine, &with_history(engine), &job).await else {
            continue;
        };
        let answer = case.run_without(&[Guard::SchemaIsCompared]);
        assert_eq!(answer.code, i32::from(exit::SCHEMA_MISMATCH));
        assert_eq!(case.count("learner").await, 3);
        case.remove().await;
    }
}

#[tokio::test]
async fn a_database_that_does_not_count_is_refused() {
    let Some(case) = Case::new(Engine::Postgres, LEARNERS, JOB).await else {
        return;
    };
    let name = case.scene.database.name().to_owned();
    let off = format!("alter database {name} set track_counts = off");
    case.scene.database.execute(&off).await;
    let answer = case.run();
    let said = format!("{}{}", answer.stdout, answer.stderr);
    assert!(said.contains("track_counts"), "{said}");
    assert_eq!(answer.code, i32::from(exit::SCHEMA_MISMATCH), "{said}");
    assert_eq!(case.count("learner").await, 3);
    case.remove().await;
}
