//! K1: a join that can give several rows for one record never decides it.

use kigen::exit;
use kigen::guard::Guard;

use super::{Case, JOB};
use crate::scene::Engine;

/// Learner 1 has a contract until 2099 beside one that ended; learner 2 has only the ended one.
const CONTRACTS: &str = "
create table learner (learner_id bigint not null primary key, name text, ended_on date);
insert into learner values (1, 'PERSON', null), (2, 'PERSON', null);
create table contract (contract_id bigint primary key, learner_id bigint not null, ended_on date, active boolean);
insert into contract values (10, 1, '2010-03-31', false), (11, 1, '2099-03-31', true), (12, 2, '2010-03-31', false);
";

/// The same learners with codes, which contracts name.
const CODES: &str = "
create table learner (learner_id bigint not null primary key, name text, ended_on date, code TYPE not null);
insert into learner values (1, 'PERSON', null, 'a'), (2, 'PERSON', null, 'b');
create table contract (contract_id bigint primary key, code TYPE not null, ended_on date);
insert into contract values (10, 'a', '2010-03-31'), (11, 'A', '2099-03-31'), (12, 'b', '2010-03-31');
";

fn job_joining(table: &str, theirs: &str, ours: &str) -> String {
    JOB.replace("starts-at = \"ended_on\"", "starts-at = \"contract.ended_on\"")
        .replace(
            "[[stage]]\nname",
            &format!("[[join]]\nname = \"contract\"\ntable = \"{table}\"\non = {{ {theirs} = \"{ours}\" }}\n\n[[stage]]\nname"),
        )
}

fn job() -> String {
    job_joining("contract", "learner_id", "learner_id")
}

fn job_by_code() -> String {
    job_joining("contract", "code", "code").replace(
        "[\"learner_id\", \"ended_on\"]",
        "[\"learner_id\", \"ended_on\", \"code\"]",
    )
}

async fn is_refused(engine: Engine, sql: &str, job: &str, words: &[&str]) {
    let Some(case) = Case::new(engine, sql, job).await else {
        return;
    };
    case.assert_refused("learner", exit::SCHEMA_MISMATCH, words)
        .await;
    case.remove().await;
}

#[tokio::test]
async fn a_join_onto_what_has_no_whole_unique_key_is_refused() {
    for (made, table, word) in [
        ("", "contract", "no unique key"),
        (
            "create unique index u on contract (learner_id) where ended_on > '2020-01-01';",
            "contract",
            "no unique key",
        ),
        (
            "create unique index u on contract (learner_id, coalesce(active, false));",
            "contract",
            "no unique key",
        ),
        (
            "create unique index u on contract (learner_id, ended_on);",
            "contract",
            "no unique key",
        ),
        (
            "create view v as select learner_id, ended_on from contract;",
            "v",
            "is a view",
        ),
    ] {
        for engine in Engine::ALL {
            let sql = format!("{CONTRACTS}{made}");
            let job = job_joining(table, "learner_id", "learner_id");
            is_refused(engine, &sql, &job, &["contract", word]).await;
        }
    }
}

#[tokio::test]
async fn on_postgresql_what_looks_like_a_unique_key_and_is_none_is_refused() {
    for (made, table) in [
        (
            "create materialized view m as select distinct on (learner_id) learner_id, ended_on from contract; create unique index u on m (learner_id);",
            "m",
        ),
        (
            "delete from contract where contract_id = 11; create unique index u on contract (learner_id); update pg_index set indisvalid = false where indexrelid = 'u'::regclass;",
            "contract",
        ),
        (
            "create table d (learner_id bigint primary key deferrable initially deferred, ended_on date);",
            "d",
        ),
        (
            "create table old (learner_id bigint primary key, ended_on date); create table older () inherits (old); insert into old values (1, '2010-03-31'); insert into older values (1, '2099-03-31');",
            "old",
        ),
    ] {
        let sql = format!("{CONTRACTS}{made}");
        let job = job_joining(table, "learner_id", "learner_id");
        is_refused(Engine::Postgres, &sql, &job, &["join `contract`"]).await;
    }
}

#[tokio::test]
async fn an_index_that_tells_apart_what_the_join_calls_equal_is_no_unique_key() {
    let on = |made: &str, column: &str| format!("{made}{}", CODES.replace("TYPE", column));
    let sqlite = on("", "text collate nocase");
    let ci =
        "create collation ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);";
    for (engine, sql, index) in [
        (Engine::Sqlite, sqlite, "(code collate binary)"),
        (
            Engine::Postgres,
            on(ci, "text collate ci"),
            "(code collate \"C\")",
        ),
        (
            Engine::Postgres,
            on("create extension citext;", "citext"),
            "(code text_ops)",
        ),
    ] {
        let sql = format!("{sql} create unique index u on contract {index};");
        is_refused(engine, &sql, &job_by_code(), &["(code) is no unique key"]).await;
    }
}

#[tokio::test]
async fn an_index_that_calls_more_equal_than_the_join_is_a_unique_key() {
    let one_row = CODES
        .replace("TYPE", "text")
        .replace("(11, 'A', '2099-03-31'), ", "");
    for engine in Engine::ALL {
        let (made, index) = match engine {
            Engine::Sqlite => ("", "(code collate nocase)"),
            Engine::Postgres => (
                "create collation ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);",
                "(code collate ci)",
            ),
        };
        let sql = format!("{made}{one_row} create unique index u on contract {index};");
        let Some(case) = Case::new(engine, &sql, &job_by_code()).await else {
            continue;
        };
        let answer = case.run();
        assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
        assert_eq!(case.count("learner").await, 0);
        case.remove().await;
    }
}

#[tokio::test]
async fn a_joined_column_of_another_type_or_collation_is_refused() {
    let typed = CONTRACTS
        .replace(
            "learner_id bigint not null, ended_on",
            "learner_id text not null unique, ended_on",
        )
        .replace("(10, 1,", "(10, '01',");
    for engine in Engine::ALL {
        is_refused(
            engine,
            &typed,
            &job(),
            &["their types differ", "learner_id"],
        )
        .await;
    }
    let collated = CODES
        .replacen("TYPE", "text collate nocase", 1)
        .replace("TYPE", "text unique");
    is_refused(
        Engine::Sqlite,
        &collated,
        &job_by_code(),
        &["NOCASE", "collations"],
    )
    .await;
}

#[tokio::test]
async fn where_the_schema_did_not_say_it_a_record_with_several_rows_is_undatable() {
    for engine in Engine::ALL {
        let Some(case) = Case::new(engine, CONTRACTS, &job()).await else {
            continue;
        };
        let answer = case.run_without(&[Guard::JoinIsUnique]);
        assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
        let kept = "select learner_id from learner";
        assert_eq!(case.scene.database.number(kept).await, 1);
        assert_eq!(case.count("learner").await, 1);
        case.remove().await;
    }
}

#[tokio::test]
async fn without_both_guards_a_contract_that_ended_removes_a_learner_with_another() {
    let Some(case) = Case::new(Engine::Sqlite, CONTRACTS, &job()).await else {
        return;
    };
    case.run_without(&[Guard::JoinedOnce, Guard::JoinIsUnique]);
    assert_eq!(case.count("learner").await, 0);
}
