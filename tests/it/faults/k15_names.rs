//! K15: a job can name whatever the database has, and what cannot be compared is told before the night.

use kigen::exit;
use kigen::guard::Guard;

use super::{Case, JOB};
use crate::scene::Engine;

/// A reference of the job, put before its stages.
fn with(reference: &str) -> String {
    JOB.replacen("[[stage]]\n", &format!("{reference}\n[[stage]]\n"), 1)
}

async fn runs(engine: Engine, sql: &str, job: &str) -> Option<Case> {
    let case = Case::new(engine, sql, job).await?;
    let check = case.check();
    assert_eq!(check.code, 0, "{}{}", check.stdout, check.stderr);
    let run = case.run();
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    Some(case)
}

#[tokio::test]
async fn any_name_that_the_database_has_can_be_named() {
    let table = "受講 履歴.\"2024\"";
    let quoted = table.replace('"', "\"\"");
    let long = "あ".repeat(21);
    let sql = format!(
        "create table \"{quoted}\" (\"learner id\" bigint not null primary key, \"氏名（カナ）\" text, \"ended.on\" date, \"点数%\" int, \"a\"\"b[c]'d\" text, \"select\" text, \"{long}\" text);
         insert into \"{quoted}\" (\"learner id\", \"氏名（カナ）\", \"ended.on\") values (1, 'PERSON', '2010-03-31'), (2, 'PERSON', '2025-03-31');"
    );
    let job = JOB
        .replace("table = \"learner\"", "table = '\"受講 履歴.\"\"2024\"\"\"'")
        .replace("[\"learner_id\", \"ended_on\"]", "[\"learner id\", \"ended.on\"]")
        .replace("\"learner_id\"", "\"learner id\"")
        .replace("\"ended_on\"", "\"ended.on\"")
        .replace(
            "direct-identifier = [\"name\"]",
            &format!("direct-identifier = [\"氏名（カナ）\"]\nnot-personal = ['点数%', \"a\\\"b[c]'d\", \"select\", \"{long}\"]"),
        );
    for engine in Engine::ALL {
        let Some(case) = runs(engine, &sql, &job).await else {
            continue;
        };
        assert_eq!(case.count(&format!("\"{quoted}\"")).await, 1);
        assert_eq!(case.leaves(), 1);
        let verify = case.scene.kigen(&["verify"]);
        assert_eq!(verify.code, 0, "{}{}", verify.stdout, verify.stderr);
        case.remove().await;
    }
}

#[tokio::test]
async fn a_column_with_a_dot_is_told_from_one_of_a_join() {
    let sql = "create table learner (learner_id bigint not null primary key, name text, \"contract.ended_on\" date);
         create table contract (learner_id bigint not null primary key, ended_on date);";
    let job = JOB
        .replace("\"ended_on\"", "\"contract.ended_on\"")
        .replacen(
            "[[stage]]\n",
            "[[join]]\nname = \"contract\"\ntable = \"contract\"\non = { learner_id = \"learner_id\" }\n\n[[stage]]\n",
            1,
        );
    let Some(case) = Case::new(Engine::Sqlite, sql, &job).await else {
        return;
    };
    case.assert_refused(
        "learner",
        exit::JOBS_INVALID,
        &["contract.ended_on", "also one of the join"],
    )
    .await;
}

/// Messages name their sender and their receiver.
const MESSAGES: &str = "
create table learner (learner_id bigint not null primary key, name text, ended_on date);
create table message (id bigint not null primary key, sender_id bigint references learner (learner_id), receiver_id bigint references learner (learner_id));
create index message_s on message (sender_id);
create index message_r on message (receiver_id);
insert into learner values (1, 'PERSON', '2010-03-31'), (2, 'PERSON', '2025-03-31'), (3, 'PERSON', '2010-03-31');
insert into message values (10, 1, 2), (11, 2, 1), (12, 1, 3), (13, 2, 2);
";

fn going(column: &str) -> String {
    format!(
        "[[reference]]\ntable = \"message\"\non = {{ {column} = \"learner_id\" }}\non-dispose = \"goes-with\"\nkey = [\"id\"]\n[reference.columns]\nquasi-identifier = [\"sender_id\", \"receiver_id\"]\nnot-personal = [\"id\"]\n"
    )
}

#[tokio::test]
async fn a_table_that_names_a_record_in_two_ways_goes_with_it_once() {
    let job = with(&format!("{}\n{}", going("sender_id"), going("receiver_id")));
    for engine in Engine::ALL {
        let Some(case) = runs(engine, MESSAGES, &job).await else {
            continue;
        };
        assert_eq!(case.count("learner").await, 1);
        assert_eq!(case.count("message").await, 1, "13 stays");
        assert_eq!(
            case.leaves(),
            5,
            "two learners, and messages 10, 11 and 12 once each"
        );
        let verify = case.scene.kigen(&["verify"]);
        assert_eq!(verify.code, 0, "{}{}", verify.stdout, verify.stderr);
        case.remove().await;
    }
}

#[tokio::test]
async fn two_references_of_one_table_describe_the_same_rows() {
    let other = going("receiver_id").replace("not-personal = [\"id\"]", "sensitive = [\"id\"]");
    for (second, word) in [
        (other.as_str(), "`columns` differ"),
        (&going("sender_id"), "already named"),
    ] {
        let job = with(&format!("{}\n{second}", going("sender_id")));
        let case = Case::new(Engine::Sqlite, MESSAGES, &job).await.unwrap();
        case.assert_refused("learner", exit::JOBS_INVALID, &["reference[0]", word])
            .await;
    }
}

#[tokio::test]
async fn sqlite_compares_names_without_case() {
    let sql = "create table learner (learner_id bigint not null primary key, name text, ended_on date);
         create table enrolment (id integer primary key, learner_id bigint, foreign key (LEARNER_ID) references Learner (Learner_ID) on delete cascade);
         create index enrolment_l on enrolment (Learner_Id);
         insert into learner values (1, 'PERSON', '2010-03-31'), (2, 'PERSON', '2025-03-31');
         insert into enrolment values (1, 1), (2, 2);";
    let job = with(
        "[[reference]]\ntable = \"enrolment\"\non = { learner_id = \"learner_id\" }\non-dispose = \"goes-with\"\nkey = [\"id\"]\n[reference.columns]\nnot-personal = [\"id\", \"learner_id\"]\n",
    );
    let case = runs(Engine::Sqlite, sql, &job).await.unwrap();
    assert_eq!(case.count("enrolment").await, 1);
    assert_eq!(case.leaves(), 2);
}

/// A row that names a learner in a column of another type.
fn audit(column: &str, value: &str) -> String {
    format!(
        "create table learner (learner_id bigint not null primary key, name text, ended_on date);
         create table audit (id bigint not null primary key, object_pk {column});
         create index audit_o on audit (object_pk);
         insert into learner values (1, 'PERSON', '2010-03-31');
         insert into audit values (1, {value});"
    )
}

fn naming(on_dispose: &str) -> String {
    with(&format!(
        "[[reference]]\ntable = \"audit\"\non = {{ object_pk = \"learner_id\" }}\non-dispose = \"{on_dispose}\"\n"
    ))
}

#[tokio::test]
async fn columns_that_cannot_be_compared_are_told_before_the_night() {
    for engine in Engine::ALL {
        let columns: &[(&str, &str)] = match engine {
            Engine::Sqlite => &[("text", "'01'"), ("", "'1'"), ("blob", "x'31'")],
            Engine::Postgres => &[
                ("text", "'1'"),
                ("char(8)", "'1'"),
                ("double precision", "1"),
                ("uuid", "null"),
                ("jsonb", "'1'"),
            ],
        };
        for (column, value) in columns {
            for on_dispose in ["blocks", "unlink"] {
                let sql = audit(column, value);
                let Some(case) = Case::new(engine, &sql, &naming(on_dispose)).await else {
                    continue;
                };
                let words = [
                    "`object_pk` of `audit`",
                    "`learner_id` of `learner`",
                    "types differ",
                ];
                case.assert_refused("learner", exit::SCHEMA_MISMATCH, &words)
                    .await;
                case.remove().await;
            }
        }
    }
}

#[tokio::test]
async fn columns_of_one_family_are_compared_whatever_their_width() {
    for engine in Engine::ALL {
        for column in ["integer", "smallint", "numeric(12,2)", "decimal"] {
            let sql = audit(column, "1");
            let Some(case) = runs(engine, &sql, &naming("blocks")).await else {
                continue;
            };
            assert_eq!(case.count("learner").await, 1, "it is blocked: {column}");
            case.remove().await;
        }
    }
}

#[tokio::test]
async fn without_the_guard_a_row_that_blocks_by_another_type_is_not_found() {
    let sql =
        "create table learner (learner_id text not null primary key, name text, ended_on date);
         create table audit (id bigint not null primary key, object_pk blob);
         create index audit_o on audit (object_pk);
         insert into learner values ('1', 'PERSON', '2010-03-31');
         insert into audit values (1, x'31');";
    let case = Case::new(Engine::Sqlite, sql, &naming("blocks"))
        .await
        .unwrap();
    case.run_without(&[Guard::PairsCompare]);
    assert_eq!(case.count("learner").await, 0);
}

#[tokio::test]
async fn a_row_that_names_a_record_under_another_collation_is_told_before_the_night() {
    let ci =
        "create collation ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);";
    for (engine, made, own, theirs) in [
        (Engine::Sqlite, "", "text collate nocase", "text"),
        (Engine::Sqlite, "", "text", "text collate rtrim"),
        (Engine::Postgres, ci, "text collate ci", "text"),
        (Engine::Postgres, ci, "text", "text collate ci"),
        (
            Engine::Postgres,
            "",
            "text collate \"C\"",
            "text collate \"POSIX\"",
        ),
    ] {
        let sql = format!(
            "{made} create table learner (learner_id {own} not null primary key, name text, ended_on date);
             create table audit (id bigint not null primary key, object_pk {theirs});
             create index audit_o on audit (object_pk);
             insert into learner values ('A-1', 'PERSON', '2010-03-31');
             insert into audit values (1, 'a-1');"
        );
        let Some(case) = Case::new(engine, &sql, &naming("blocks")).await else {
            continue;
        };
        let words = [
            "`object_pk` of `audit`",
            "`learner_id` of `learner`",
            "collations",
        ];
        case.assert_refused("learner", exit::SCHEMA_MISMATCH, &words)
            .await;
        case.remove().await;
    }
}
