//! `kigen rehearse`: a run on a copy, and the whole copy before and after it.

use kigen::exit;
use kigen::guard::Guard;

use crate::faults::{Case, JOB, LEARNERS};
use crate::scene::{Answer, Engine};

const OTHERS: &str = "
create table learner_history (learner_id bigint, name text);
create table bystander (id bigint primary key, what text);
insert into bystander values (1, 'stays'), (2, null);
";

/// A trigger that copies what goes.
fn trigger(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => {
            "create trigger does before delete on learner begin insert into learner_history values (old.learner_id, old.name); end;"
        }
        Engine::Postgres => {
            "create function does() returns trigger language plpgsql as $$ begin insert into learner_history values (old.learner_id, old.name); return old; end $$;
             create trigger does before delete on learner for each row execute function does();"
        }
    }
}

/// The store's address is that of the scene: the test says that it is a copy.
fn rehearse(case: &Case, more: &[&str]) -> Vec<String> {
    let url = case.scene.database.url();
    let arguments = ["rehearse", "--store", "school", "--store-url", &url];
    let all = arguments.iter().chain(more);
    all.map(|argument| (*argument).to_owned()).collect()
}

fn on_a_copy(case: &Case, more: &[&str]) -> Answer {
    let arguments = rehearse(case, &[more, &["--this-is-a-copy"]].concat());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    case.scene.on_the_day(&arguments)
}

#[tokio::test]
async fn the_evidence_accounts_for_every_change_of_a_copy() {
    for engine in Engine::ALL {
        let Some(case) = Case::new(engine, &format!("{LEARNERS}{OTHERS}"), JOB).await else {
            continue;
        };
        let answer = on_a_copy(&case, &["--format", "json"]);
        assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
        let found = answer.json();
        assert_eq!(found["changed"][0]["table"], "learner");
        assert_eq!(found["changed"][0]["removed"], 2);
        assert_eq!(found["changed"][0]["certified_deleted"], 2);
        // A table without rows is not seen at all.
        assert_eq!(found["unchanged"], 1, "{found}");
        assert_eq!(found["differences"], serde_json::json!([]));
        // The installation's own ledger knows nothing of it.
        assert_eq!(case.leaves(), 0);
        case.remove().await;
    }
}

#[tokio::test]
async fn what_the_evidence_does_not_account_for_is_named_and_counted() {
    for engine in Engine::ALL {
        let sql = format!("{LEARNERS}{OTHERS}{}", trigger(engine));
        let Some(case) = Case::new(engine, &sql, JOB).await else {
            continue;
        };
        // With its guards the run refuses, and the copy stays as it is.
        let refused = on_a_copy(&case, &[]);
        assert_eq!(refused.code, i32::from(exit::SCHEMA_MISMATCH));
        assert_eq!(case.count("learner").await, 3);
        let arguments = rehearse(&case, &["--this-is-a-copy", "--as-of", crate::scene::AS_OF]);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let without = [Guard::SchemaIsCompared, Guard::EffectsAreCounted];
        let names: Vec<&str> = without.iter().map(|guard| guard.name()).collect();
        let mut command = case.scene.command(&arguments);
        let answer = case
            .scene
            .finish(command.env("KIGEN_WITHOUT_GUARD", names.join(",")));
        let said = format!("{}{}", answer.stdout, answer.stderr);
        assert!(
            said.contains("NOT ACCOUNTED FOR: `learner_history` +2, not accounted for"),
            "{said}"
        );
        assert_eq!(answer.code, i32::from(exit::SCHEMA_MISMATCH), "{said}");
        case.remove().await;
    }
}

#[tokio::test]
async fn the_live_address_is_rehearsed_on_only_when_it_is_said_twice() {
    for engine in Engine::ALL {
        let Some(case) = Case::new(engine, LEARNERS, JOB).await else {
            continue;
        };
        let arguments = rehearse(&case, &[]);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let answer = case.scene.on_the_day(&arguments);
        assert_eq!(answer.code, i32::from(exit::USAGE), "{}", answer.stderr);
        assert!(
            answer.stderr.contains("--this-is-a-copy"),
            "{}",
            answer.stderr
        );
        assert_eq!(case.count("learner").await, 3);
        case.remove().await;
    }
}
