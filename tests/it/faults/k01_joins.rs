//! K1: a join that can give several rows for one record never decides it.

use kigen::exit;
use kigen::guard::Guard;

use super::Case;
use super::JOB;
use crate::scene::Engine;

/// Learner 1 has a contract until 2099 beside one that ended; learner 2 has only the ended one.
const CONTRACTS: &str = "
create table learner (learner_id bigint not null primary key, name text, ended_on date);
insert into learner values (1, 'PERSON', null), (2, 'PERSON', null);
create table contract (contract_id bigint primary key, learner_id bigint not null, ended_on date);
insert into contract values (10, 1, '2010-03-31'), (11, 1, '2099-03-31'), (12, 2, '2010-03-31');
";

fn job() -> String {
    JOB.replace("starts-at = \"ended_on\"", "starts-at = \"contract.ended_on\"")
        .replace(
            "[[stage]]\nname",
            "[[join]]\nname = \"contract\"\ntable = \"contract\"\non = { learner_id = \"learner_id\" }\n\n[[stage]]\nname",
        )
}

#[tokio::test]
async fn a_join_onto_a_column_that_is_not_unique_is_refused() {
    for engine in Engine::ALL {
        let Some(case) = Case::new(engine, CONTRACTS, &job()).await else {
            continue;
        };
        case.assert_refused("learner", exit::SCHEMA_MISMATCH, &["contract"])
            .await;
        case.remove().await;
    }
}

#[tokio::test]
async fn without_the_guard_a_contract_that_ended_removes_a_learner_with_another() {
    let Some(case) = Case::new(Engine::Sqlite, CONTRACTS, &job()).await else {
        return;
    };
    case.run_without(&[Guard::JoinIsUnique]);
    assert_eq!(case.count("learner").await, 0);
}
