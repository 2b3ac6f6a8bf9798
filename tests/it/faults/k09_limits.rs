//! K9: limits count what goes: persons as evidence has them, a record once, and all that goes with it.

use kigen::exit;
use kigen::guard::Guard;

use super::{Case, JOB};
use crate::scene::Engine;

const TABLE: &str = "create table learner
    (learner_id bigint not null primary key, client text, person text, name text, ended_on date);\n";

/// A job over [`TABLE`] under which `persons` may go.
fn job(persons: u64) -> String {
    JOB.replace("name = \"own\"", "column = \"client\"")
        .replace("column = \"learner_id\"", "column = \"person\"")
        .replace("\"ended_on\"]", "\"ended_on\", \"client\", \"person\"]")
        .replace("max-persons = 1000", &format!("max-persons = {persons}"))
}

/// Rows that are due, as values of client and person.
async fn case(engine: Engine, rows: &[(&str, &str)], persons: u64) -> Option<Case> {
    let rows = rows.iter().enumerate().map(|(id, (client, person))| {
        format!("({id}, {client}, {person}, 'PERSON', '2010-03-31')")
    });
    let rows: Vec<String> = rows.collect();
    let sql = format!("{TABLE}insert into learner values {};", rows.join(", "));
    Case::new(engine, &sql, &job(persons)).await
}

/// Persons as certificates count them, and the rows that they stand in.
const PERSONS: &[(&[(&str, &str)], u64)] = &[
    // One number at two clients is two persons.
    (
        &[("'acme'", "'1'"), ("'beta'", "'1'"), ("'acme'", "'1'")],
        2,
    ),
    // Nobody knows of how few persons these are.
    (
        &[("'acme'", "null"), ("'acme'", "null"), ("'acme'", "'1'")],
        3,
    ),
    (&[("null", "'1'"), ("'acme'", "'1'")], 2),
    // Spellings that look alike are others' ids.
    (
        &[("'acme'", "'a'"), ("'acme'", "'A'"), ("'acme'", "'a '")],
        3,
    ),
    // Where one value ends and the next begins is no matter of taste.
    (&[("'a,b'", "'c'"), ("'a'", "'b,c'")], 2),
];

#[tokio::test]
async fn persons_are_counted_as_evidence_has_them() {
    for engine in Engine::ALL {
        for (rows, persons) in PERSONS {
            let Some(case) = case(engine, rows, persons - 1).await else {
                continue;
            };
            let what = format!("{engine:?} {rows:?}");
            let plan = case.scene.on_the_day(&["plan", "--format", "json"]).json();
            let due = &plan["jobs"][0]["stages"][0]["due"];
            assert_eq!(due["subjects"], *persons, "{what}");
            let answer = case.run();
            assert_eq!(answer.code, i32::from(exit::NOT_APPROVED), "{what}");
            assert_eq!(case.count("learner").await, rows.len() as i64, "{what}");
            case.remove().await;
        }
    }
}

#[tokio::test]
async fn without_the_guard_two_persons_of_one_number_pass_a_limit_of_one() {
    for engine in Engine::ALL {
        let (rows, persons) = PERSONS[0];
        let Some(case) = case(engine, rows, persons - 1).await else {
            continue;
        };
        case.run_without(&[Guard::PersonsAsEvidence]);
        assert_eq!(case.count("learner").await, 0, "{engine:?}");
        case.remove().await;
    }
}

/// Six learners, of whom four are due for both stages and one for the first only.
const TWO_STAGES: &str = "
create table learner (learner_id bigint not null primary key, name text, ended_on date);
insert into learner values (1, 'PERSON', '2010-03-31'), (2, 'PERSON', '2010-03-31'), (3, 'PERSON', '2010-03-31'),
    (4, 'PERSON', '2010-03-31'), (5, 'PERSON', '2024-03-31'), (6, 'PERSON', '2026-03-31');
";

fn two_stages(most: u64) -> String {
    super::two_stages()
        .replace("max-records = 1000", &format!("max-records = {most}"))
        .replace("max-persons = 1000", &format!("max-persons = {most}"))
}

#[tokio::test]
async fn a_record_that_is_due_in_two_stages_goes_through_both_and_counts_once() {
    for engine in Engine::ALL {
        let Some(case) = Case::new(engine, TWO_STAGES, &two_stages(5)).await else {
            continue;
        };
        let answer = case.run();
        assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
        assert_eq!(case.count("learner").await, 2, "{engine:?}");
        assert_eq!(case.count("learner where name is null").await, 1);
        case.remove().await;
        let Some(case) = Case::new(engine, TWO_STAGES, &two_stages(4)).await else {
            continue;
        };
        let answer = case.run();
        assert_eq!(answer.code, i32::from(exit::NOT_APPROVED), "{engine:?}");
        assert!(answer.stderr.contains("5 records"), "{}", answer.stderr);
        assert_eq!(case.count("learner where name is not null").await, 6);
        case.remove().await;
    }
}
