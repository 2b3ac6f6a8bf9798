//! K18: a key that was given again belongs to another record, whatever evidence says of the key.

use kigen::exit;
use kigen::guard::Guard;

use super::{Case, JOB, LEARNERS};
use crate::scene::Engine;

const BEFORE: &str = "2026-01-01T00:00:00Z";

/// What an application puts under a key that a run has freed, and what it leaves there.
struct Reused {
    what: &'static str,
    /// Rows of the learner 1, whom the run removed.
    row: &'static str,
    /// Whether it is the record that was removed.
    is_back: bool,
}

const REUSED: &[Reused] = &[
    Reused {
        what: "the same record",
        row: "(1, 'PERSON', '2010-03-31')",
        is_back: true,
    },
    Reused {
        what: "a record that ends later",
        row: "(1, 'PERSON', '2099-03-31')",
        is_back: false,
    },
    Reused {
        what: "a record that has not ended",
        row: "(1, 'PERSON', null)",
        is_back: false,
    },
    Reused {
        what: "a record that is kept one day longer",
        row: "(1, 'PERSON', '2023-04-01')",
        is_back: false,
    },
];

async fn removed(engine: Engine) -> Option<Case> {
    let case = Case::new(engine, LEARNERS, JOB).await?;
    let answer = case.run();
    assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
    Some(case)
}

async fn insert(case: &Case, row: &str) {
    let row = row.replace("PERSON", crate::scene::PERSON);
    let sql = format!("insert into learner values {row}");
    case.scene.database.execute(&sql).await;
}

fn reconcile(extra: &[&'static str]) -> Vec<&'static str> {
    let mut arguments = vec!["reconcile", "--store", "school", "--backup-time", BEFORE];
    arguments.extend_from_slice(extra);
    arguments
}

#[tokio::test]
async fn the_own_dates_of_a_record_under_a_reused_key_are_a_brake() {
    for engine in Engine::ALL {
        for reused in REUSED {
            let Some(case) = removed(engine).await else {
                continue;
            };
            insert(&case, reused.row).await;
            let what = reused.what;
            let audit = case.scene.on_the_day(&["audit"]);
            let says_back = audit.stdout.contains("that should be gone are there");
            assert_eq!(says_back, reused.is_back, "{what}: {}", audit.stdout);
            let look = case.scene.on_the_day(&reconcile(&[]));
            assert_eq!(
                look.code,
                i32::from(exit::NOT_GONE),
                "{what}: {}",
                look.stdout
            );
            let apply = case.scene.on_the_day(&reconcile(&["--apply"]));
            let code = if reused.is_back {
                exit::DONE
            } else {
                exit::NOT_GONE
            };
            assert_eq!(
                apply.code,
                i32::from(code),
                "{what}: {}{}",
                apply.stdout,
                apply.stderr
            );
            let is_there = case
                .scene
                .database
                .number("select count(*) from learner where learner_id = 1")
                .await;
            assert_eq!(is_there == 0, reused.is_back, "{engine:?}: {what}");
            // Nor does the next run speak of it as of something that should be gone.
            let run = case.run();
            assert_eq!(run.code, 0, "{what}: {}{}", run.stdout, run.stderr);
            case.remove().await;
        }
    }
}

/// A person's further attempt that gets the number of one that was removed.
const ATTEMPTS: &str = "
create table learner (learner_id integer not null primary key, name text, ended_on date, person text not null);
insert into learner values (1, 'PERSON', '2010-03-31', 'p'), (2, 'PERSON', '2010-03-31', 'p');
";

#[tokio::test]
async fn a_key_that_the_same_person_has_again_is_another_record_too() {
    let job = JOB
        .replace(
            "kind = \"learner\"\ncolumn = \"learner_id\"",
            "kind = \"learner\"\ncolumn = \"person\"",
        )
        .replace(
            "[\"learner_id\", \"ended_on\"]",
            "[\"learner_id\", \"ended_on\", \"person\"]",
        );
    for engine in Engine::ALL {
        let Some(case) = Case::new(engine, ATTEMPTS, &job).await else {
            continue;
        };
        assert_eq!(case.run().code, 0);
        insert(&case, "(1, 'PERSON', '2026-03-31', 'p')").await;
        let apply = case.scene.on_the_day(&reconcile(&["--apply"]));
        assert_eq!(apply.code, i32::from(exit::NOT_GONE), "{}", apply.stdout);
        assert_eq!(case.count("learner").await, 1, "{engine:?}");
        case.remove().await;
    }
}

/// Rows that go with a record: theirs is the brake of the record that they name.
const CONTACTS: &str = "
create table learner (learner_id integer not null primary key, name text, ended_on date);
insert into learner values (1, 'PERSON', '2010-03-31');
create table contact (contact_id integer not null primary key, learner_id integer not null, mail text);
create index contact_learner on contact (learner_id);
insert into contact values (7, 1, 'PERSON');
";

#[tokio::test]
async fn a_row_that_goes_with_a_record_under_a_reused_key_stays_with_it() {
    let job = JOB.replace(
        "[[stage]]\nname",
        "[[reference]]\ntable = \"contact\"\non = { learner_id = \"learner_id\" }\non-dispose = \"goes-with\"\nkey = [\"contact_id\"]\n[reference.columns]\ndirect-identifier = [\"mail\"]\nquasi-identifier = [\"contact_id\", \"learner_id\"]\n\n[[stage]]\nname",
    );
    for engine in Engine::ALL {
        let Some(case) = Case::new(engine, CONTACTS, &job).await else {
            continue;
        };
        let answer = case.run();
        assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
        assert_eq!(case.count("contact").await, 0);
        insert(&case, "(1, 'PERSON', '2099-03-31')").await;
        let contact =
            "insert into contact values (7, 1, 'PERSON')".replace("PERSON", crate::scene::PERSON);
        case.scene.database.execute(&contact).await;
        case.scene.on_the_day(&reconcile(&["--apply"]));
        assert_eq!(
            case.count("learner").await + case.count("contact").await,
            2,
            "{engine:?}"
        );
        case.remove().await;
    }
}

#[tokio::test]
async fn without_the_guard_a_person_under_a_reused_key_is_removed_by_evidence() {
    let Some(case) = removed(Engine::Sqlite).await else {
        return;
    };
    insert(&case, REUSED[1].row).await;
    case.without(Guard::OwnDates, &reconcile(&["--apply"]));
    assert_eq!(case.count("learner").await, 1, "3 stays");
}
