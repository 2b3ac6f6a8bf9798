//! K7: a condition that can never hold is no condition, and null alone makes nothing due.

use kigen::exit;
use kigen::guard::Guard;

use super::{Case, JOB};
use crate::scene::Engine;

/// A job with a purpose of 50 years for learners whose column `held` holds one of `words`.
fn job(words: &str) -> String {
    job_with(words, "another")
}

/// Like [`job`]; `free` is a value for which the purpose does not apply.
fn job_with(words: &str, free: &str) -> String {
    JOB.replace(
        "quasi-identifier =",
        "not-personal = [\"held\"]\nquasi-identifier =",
    )
    .replacen(
        "\n[[example]]",
        &format!(
            "\n[[stage.purpose]]\nname = \"hold\"\nstarting-point = \"end-of-relationship\"\nstarts-at = \"ended_on\"\nperiod = \"P50Y\"\napplies-when = {{ column = \"held\", {words} }}\n\n[[example]]"
        ),
        1,
    )
    .replace(
        "[example.starts]\nservice = \"2023-03-31\"\n",
        &format!("[example.starts]\nservice = \"2023-03-31\"\nhold = \"2023-03-31\"\n[example.values]\nheld = \"{free}\"\n"),
    )
}

/// Two learners of whom both are held, by a value of the column.
fn learners(made: &str, column: &str, value: &str) -> String {
    format!(
        "{made} create table learner (learner_id bigint not null primary key, name text, ended_on date, held {column});
         insert into learner values (1, 'PERSON', '2010-03-31', {value}), (2, 'PERSON', '2010-03-31', {value});"
    )
}

struct Misspelt {
    engine: Engine,
    made: &'static str,
    column: &'static str,
    value: &'static str,
    word: &'static str,
}

const fn on(
    engine: Engine,
    made: &'static str,
    column: &'static str,
    value: &'static str,
    word: &'static str,
) -> Misspelt {
    Misspelt {
        engine,
        made,
        column,
        value,
        word,
    }
}

#[tokio::test]
async fn a_word_that_the_column_cannot_hold_is_refused() {
    use Engine::{Postgres, Sqlite};
    for case in [
        on(Postgres, "", "boolean", "true", "1"),
        on(Postgres, "", "boolean", "true", "True"),
        on(
            Postgres,
            "create type state as enum ('free', 'held');",
            "state",
            "'held'",
            "Held",
        ),
        on(Postgres, "", "integer", "1", "yes"),
        on(Postgres, "", "integer", "1", "01"),
        on(Postgres, "", "integer", "1", "99999999999"),
        on(Postgres, "", "numeric(5,2)", "1", "1"),
        on(Postgres, "", "char(3)", "'yes'", "yes!"),
        on(Postgres, "", "char(5)", "'yes'", "yes  "),
        on(Postgres, "", "varchar(3)", "'yes'", "yes!"),
        on(Postgres, "", "date", "'2024-01-05'", "2024-1-5"),
        on(
            Postgres,
            "",
            "uuid",
            "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",
            "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
        ),
        on(
            Postgres,
            "create domain grade as text check (value in ('a', 'b'));",
            "grade",
            "'a'",
            "c",
        ),
        on(Sqlite, "", "boolean", "1", "true"),
        on(Sqlite, "", "integer", "1", "true"),
        on(Sqlite, "", "integer", "1", "01"),
        on(Sqlite, "", "real", "1", "1"),
        on(Sqlite, "", "numeric", "1.0", "1.0"),
    ] {
        let sql = learners(case.made, case.column, case.value);
        let job = job(&format!("in = [\"{}\"]", case.word));
        let Some(refused) = Case::new(case.engine, &sql, &job).await else {
            continue;
        };
        let word = format!("`{}`", case.word);
        refused
            .assert_refused(
                "learner",
                exit::SCHEMA_MISMATCH,
                &["purpose `hold`", &word, "`held`"],
            )
            .await;
        refused.remove().await;
    }
}

#[tokio::test]
async fn a_word_that_rows_spell_in_another_way_is_refused() {
    for (value, word) in [
        ("'failed'", "Failed"),
        ("'failed '", "failed"),
        ("'ｆａｉｌｅｄ'", "failed"),
        ("'カ\u{3099}ク'", "ガク"),
        ("'legal\u{3000}hold'", "legal hold"),
    ] {
        for engine in Engine::ALL {
            for job in [
                job(&format!("in = [\"{word}\"]")),
                job_with(&format!("not-in = [\"{word}\"]"), word),
            ] {
                let sql = learners("", "text", value);
                let Some(case) = Case::new(engine, &sql, &job).await else {
                    continue;
                };
                case.assert_refused(
                    "learner",
                    exit::SCHEMA_MISMATCH,
                    &["purpose `hold`", "another spelling", "2 rows"],
                )
                .await;
                case.remove().await;
            }
        }
    }
}

#[tokio::test]
async fn a_spelling_that_a_condition_names_too_is_meant() {
    for engine in Engine::ALL {
        let sql = learners("", "text", "'failed'");
        let job = job("in = [\"Failed\", \"failed\"]");
        let Some(case) = Case::new(engine, &sql, &job).await else {
            continue;
        };
        let answer = case.run();
        assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
        assert_eq!(case.count("learner").await, 2, "they are held");
        case.remove().await;
    }
}

#[tokio::test]
async fn the_databases_own_spelling_holds() {
    for engine in Engine::ALL {
        let columns = match engine {
            Engine::Sqlite => [
                ("boolean", "1", "1"),
                ("varchar(5)", "'yes'", "yes"),
                ("date", "'2024-01-05'", "2024-01-05"),
            ],
            Engine::Postgres => [
                ("boolean", "true", "true"),
                ("char(5)", "'yes'", "yes"),
                ("numeric(5,2)", "1", "1.00"),
            ],
        };
        for (column, value, word) in columns {
            let sql = learners("", column, value);
            let job = job(&format!("in = [\"{word}\"]"));
            let Some(case) = Case::new(engine, &sql, &job).await else {
                continue;
            };
            let answer = case.run();
            assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
            assert_eq!(case.count("learner").await, 2, "they are held: {column}");
            case.remove().await;
        }
    }
}

#[tokio::test]
async fn a_word_that_no_row_holds_is_shown_before_the_night() {
    for engine in Engine::ALL {
        let sql = learners("", "text", "'free'");
        let Some(case) = Case::new(engine, &sql, &job("in = [\"litigation\"]")).await else {
            continue;
        };
        let answer = case.scene.on_the_day(&["plan", "--log", "warn"]);
        assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
        let said = format!("{}{}", answer.stdout, answer.stderr);
        assert!(said.contains("no row holds `litigation`"), "{said}");
        assert!(said.contains("2 rows hold other values"), "{said}");
        assert!(!said.contains("free"), "a row's value is shown: {said}");
        case.remove().await;
    }
}

#[tokio::test]
async fn without_the_guard_a_misspelt_word_removes_those_who_are_held() {
    let sql = learners("", "boolean", "1");
    let Some(case) = Case::new(Engine::Sqlite, &sql, &job("in = [\"true\"]")).await else {
        return;
    };
    case.run_without(&[Guard::ConditionsCanHold]);
    assert_eq!(case.count("learner").await, 0);
}

/// The learner's only purpose is conditional: 1 fulfils it, 2 does not, of 3 nobody knows.
const PLANS: &str = "
create table learner (learner_id bigint not null primary key, name text, ended_on date, plan text);
insert into learner values (1, 'PERSON', '2010-03-31', 'trial'), (2, 'PERSON', '2010-03-31', 'paid'), (3, 'PERSON', '2010-03-31', null);
";

fn job_for_trials() -> String {
    JOB.replace(
        "quasi-identifier =",
        "not-personal = [\"plan\"]\nquasi-identifier =",
    )
    .replace(
        "period = \"P3Y\"",
        "period = \"P3Y\"\napplies-when = { column = \"plan\", in = [\"trial\"] }",
    )
    .replace(
        "[example.starts]\nservice = \"2023-03-31\"\n",
        "[example.starts]\nservice = \"2023-03-31\"\n[example.values]\nplan = \"trial\"\n",
    )
}

#[tokio::test]
async fn null_alone_makes_no_record_due() {
    for engine in Engine::ALL {
        let Some(case) = Case::new(engine, PLANS, &job_for_trials()).await else {
            continue;
        };
        let plan = case.scene.on_the_day(&["plan", "--format", "json"]);
        assert!(plan.stdout.contains("\"undatable\":2"), "{}", plan.stdout);
        let answer = case.run();
        assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
        let least = "select min(learner_id) from learner";
        assert_eq!(case.scene.database.number(least).await, 2);
        assert_eq!(case.count("learner").await, 2);
        case.remove().await;
    }
}

#[tokio::test]
async fn without_the_guard_null_makes_a_record_due() {
    for engine in Engine::ALL {
        let Some(case) = Case::new(engine, PLANS, &job_for_trials()).await else {
            continue;
        };
        case.run_without(&[Guard::NullIsNoAnswer]);
        assert_eq!(case.count("learner").await, 1);
        case.remove().await;
    }
}
