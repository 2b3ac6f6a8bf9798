//! K2: rows go with the record that they name by the database's own equality, each once and with its leaf.

use kigen::exit;

use super::{Case, JOB};
use crate::scene::Engine;

const GOES_WITH: &str = "
[[reference]]
table = \"enrolment\"
on = { learner_id = \"learner_id\" }
on-dispose = \"goes-with\"
key = [\"id\"]
[reference.columns]
quasi-identifier = [\"id\", \"learner_id\"]
";

fn with(job: &str, more: &str) -> String {
    job.replacen("[[stage]]\nname", &format!("{more}\n[[stage]]\nname"), 1)
}

/// What comes before the tables, a type of the key, the keys of a due and of another learner, and how
/// rows write them: two name the due learner, one the other.
type Spelling = (
    Engine,
    &'static str,
    &'static str,
    [&'static str; 2],
    [&'static str; 3],
);

fn spellings() -> Vec<Spelling> {
    let postgres = Engine::Postgres;
    let sqlite = Engine::Sqlite;
    vec![
        (
            sqlite,
            "",
            "text collate nocase",
            ["'A-1'", "'B-2'"],
            ["'A-1'", "'a-1'", "'b-2'"],
        ),
        (sqlite, "", "numeric", ["7", "8"], ["7", "7.0", "8"]),
        (
            postgres,
            "create extension citext;",
            "citext",
            ["'A-1'", "'B-2'"],
            ["'A-1'", "'a-1'", "'b-2'"],
        ),
        (postgres, "", "numeric", ["7", "8"], ["7", "7.00", "8"]),
        (
            postgres,
            "",
            "char(6)",
            ["'A-1'", "'B-2'"],
            ["'A-1'", "'A-1  '", "'B-2'"],
        ),
        (
            postgres,
            "create collation ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);",
            "text collate ci",
            ["'A-1'", "'B-2'"],
            ["'A-1'", "'a-1'", "'b-2'"],
        ),
        (
            postgres,
            "",
            "interval",
            ["'1 day'", "'2 days'"],
            ["'24:00'", "'1 day'", "'48:00'"],
        ),
    ]
}

#[tokio::test]
async fn rows_go_with_the_record_that_the_database_says_they_name() {
    for (engine, before, kind, keys, named) in spellings() {
        let [due, kept] = keys;
        let [first, second, third] = named;
        let sql = format!(
            "{before}
             create table learner (learner_id {kind} not null primary key, name text, ended_on date);
             create table enrolment (id bigint not null primary key, learner_id {kind} references learner (learner_id) );
             create index enrolment_learner on enrolment (learner_id);
             insert into learner values ({due}, 'PERSON', '2010-03-31'), ({kept}, 'PERSON', '2025-03-31');
             insert into enrolment values (1, {first}), (2, {second}), (3, {third});"
        );
        let Some(case) = Case::new(engine, &sql, &with(JOB, GOES_WITH)).await else {
            continue;
        };
        let answer = case.run();
        assert_eq!(
            answer.code,
            i32::from(exit::DONE),
            "{kind}: {}{}",
            answer.stdout,
            answer.stderr
        );
        assert_eq!(case.count("enrolment").await, 1, "{kind}");
        assert_eq!(case.count("learner").await, 1, "{kind}");
        assert_eq!(case.leaves(), 1 + 2, "{kind}: record and rows");
        case.remove().await;
    }
}

/// SQLite's foreign keys compare by the collation of the parent's column.
const OTHER_COLLATION: &str = "
create table learner (learner_id text not null primary key collate nocase, name text, ended_on date);
create table enrolment (id bigint not null primary key, learner_id text references learner (learner_id) on delete cascade);
create index enrolment_learner on enrolment (learner_id);
insert into learner values ('A-1', 'PERSON', '2010-03-31'), ('B-2', 'PERSON', '2025-03-31');
insert into enrolment values (1, 'A-1'), (2, 'a-1'), (3, 'b-2');
";

#[tokio::test]
async fn rows_go_by_the_collation_of_the_column_that_they_name() {
    let job = with(JOB, GOES_WITH);
    let Some(case) = Case::new(Engine::Sqlite, OTHER_COLLATION, &job).await else {
        return;
    };
    let answer = case.run();
    // Two collations may also be refused.
    if answer.code != i32::from(exit::SCHEMA_MISMATCH) {
        assert_eq!(answer.code, i32::from(exit::DONE), "{}", answer.stderr);
        assert_eq!(case.count("enrolment").await, 1);
        assert_eq!(case.leaves(), 1 + 2);
    }
    case.remove().await;
}

/// A message names its sender and its receiver; an attachment names its message.
const MESSAGES: &str = "
create table learner (learner_id bigint not null primary key, name text, ended_on date);
insert into learner values (1, 'PERSON', '2010-03-31'), (2, 'PERSON', '2025-03-31'), (3, 'PERSON', '2010-03-31');
create table message (id bigint not null primary key, sender bigint references learner (learner_id), receiver bigint references learner (learner_id));
create index message_sender on message (sender);
create index message_receiver on message (receiver);
insert into message values (10, 1, 2), (11, 2, 1), (12, 1, 3), (13, 2, 2);
create table attachment (id bigint not null primary key, message_id bigint references message (id));
create index attachment_message on attachment (message_id);
insert into attachment values (1, 10), (2, 11), (3, 12), (4, 13);
";

fn message(column: &str, fate: &str) -> String {
    let reference = format!(
        "[[reference]]\ntable = \"message\"\non = {{ {column} = \"learner_id\" }}\non-dispose = \"{fate}\"\n"
    );
    if fate != "goes-with" {
        return reference;
    }
    format!(
        "{reference}key = [\"id\"]\n[reference.columns]\nquasi-identifier = [\"id\", \"sender\", \"receiver\"]\n"
    )
}

const ATTACHMENTS: &str = "
[[reference]]
table = \"attachment\"
of = \"message\"
on = { message_id = \"id\" }
on-dispose = \"goes-with\"
key = [\"id\"]
[reference.columns]
quasi-identifier = [\"id\", \"message_id\"]
";

#[tokio::test]
async fn a_table_may_name_a_record_twice() {
    for engine in Engine::ALL {
        // The attachment's reference may stand before those that it hangs on.
        let references = format!(
            "{ATTACHMENTS}{}{}",
            message("sender", "goes-with"),
            message("receiver", "goes-with")
        );
        let Some(case) = Case::new(engine, MESSAGES, &with(JOB, &references)).await else {
            continue;
        };
        let answer = case.run();
        assert_eq!(
            answer.code,
            i32::from(exit::DONE),
            "{}{}",
            answer.stdout,
            answer.stderr
        );
        assert_eq!(case.count("message").await, 1);
        assert_eq!(case.count("attachment").await, 1);
        assert_eq!(case.leaves(), 2 + 3 + 3, "records, messages, attachments");
        case.remove().await;
    }
}

#[tokio::test]
async fn a_row_that_goes_by_one_reference_and_is_unlinked_by_another_goes() {
    for engine in Engine::ALL {
        let references = format!(
            "{}{}{ATTACHMENTS}",
            message("receiver", "unlink"),
            message("sender", "goes-with"),
        );
        let Some(case) = Case::new(engine, MESSAGES, &with(JOB, &references)).await else {
            continue;
        };
        let answer = case.run();
        assert_eq!(
            answer.code,
            i32::from(exit::DONE),
            "{}{}",
            answer.stdout,
            answer.stderr
        );
        let left = "select count(*) from message where id = 11 and receiver is null or id = 13";
        assert_eq!(case.scene.database.number(left).await, 2);
        assert_eq!(case.count("message").await, 2);
        case.remove().await;
    }
}

#[tokio::test]
async fn a_row_that_blocks_what_goes_with_a_record_keeps_the_record() {
    let blocks = ATTACHMENTS
        .replace("\"goes-with\"\nkey = [\"id\"]\n[reference.columns]\nquasi-identifier = [\"id\", \"message_id\"]", "\"blocks\"");
    let sql = format!("{MESSAGES} delete from attachment where id in (1, 2);");
    for engine in Engine::ALL {
        let references = format!(
            "{}{}{blocks}",
            message("sender", "goes-with"),
            message("receiver", "goes-with")
        );
        let Some(case) = Case::new(engine, &sql, &with(JOB, &references)).await else {
            continue;
        };
        let answer = case.run();
        assert_eq!(
            answer.code,
            i32::from(exit::DONE),
            "{}{}",
            answer.stdout,
            answer.stderr
        );
        // Message 12 is of learners 1 and 3, and has an attachment.
        assert_eq!(case.count("learner").await, 3);
        assert_eq!(case.count("message").await, 4);
        case.remove().await;
    }
}

#[tokio::test]
async fn rows_that_name_what_goes_with_a_record_are_unlinked() {
    let unlink = ATTACHMENTS
        .replace("\"goes-with\"\nkey = [\"id\"]\n[reference.columns]\nquasi-identifier = [\"id\", \"message_id\"]", "\"unlink\"");
    for engine in Engine::ALL {
        let references = format!(
            "{unlink}{}{}",
            message("sender", "goes-with"),
            message("receiver", "goes-with")
        );
        let Some(case) = Case::new(engine, MESSAGES, &with(JOB, &references)).await else {
            continue;
        };
        let answer = case.run();
        assert_eq!(
            answer.code,
            i32::from(exit::DONE),
            "{}{}",
            answer.stdout,
            answer.stderr
        );
        let unlinked = "select count(*) from attachment where message_id is null";
        assert_eq!(case.scene.database.number(unlinked).await, 3);
        assert_eq!(case.count("attachment").await, 4);
        case.remove().await;
    }
}

#[tokio::test]
async fn a_record_that_names_only_itself_is_not_kept_by_that() {
    let sql = "
create table learner (learner_id bigint not null primary key, name text, ended_on date, parent bigint references learner (learner_id));
create index learner_parent on learner (parent);
insert into learner values (1, 'PERSON', '2010-03-31', 1), (2, 'PERSON', '2010-03-31', null), (3, 'PERSON', '2025-03-31', 2);
";
    let blocks = "
[[reference]]
table = \"learner\"
on = { parent = \"learner_id\" }
on-dispose = \"blocks\"
";
    let job = with(JOB, blocks).replace("\"ended_on\"]", "\"ended_on\", \"parent\"]");
    for engine in Engine::ALL {
        let Some(case) = Case::new(engine, sql, &job).await else {
            continue;
        };
        let answer = case.run();
        assert_eq!(
            answer.code,
            i32::from(exit::DONE),
            "{}{}",
            answer.stdout,
            answer.stderr
        );
        let left = "select cast(sum(learner_id) as bigint) from learner";
        assert_eq!(
            case.scene.database.number(left).await,
            2 + 3,
            "2 is named by 3"
        );
        case.remove().await;
    }
}

#[tokio::test]
async fn a_chain_of_records_that_block_each_other_goes_in_one_run() {
    let sql = "
create table learner (learner_id bigint not null primary key, name text, ended_on date, parent bigint references learner (learner_id));
create index learner_parent on learner (parent);
insert into learner with recursive n(i) as (select 1 union all select i + 1 from n where i < 8)
  select i, 'PERSON', cast('2010-03-31' as DAY), case when i > 1 then i - 1 end from n;
";
    let blocks = "
[[reference]]
table = \"learner\"
on = { parent = \"learner_id\" }
on-dispose = \"blocks\"
";
    let job = with(JOB, blocks).replace("\"ended_on\"]", "\"ended_on\", \"parent\"]");
    for engine in Engine::ALL {
        let day = match engine {
            Engine::Sqlite => "text",
            Engine::Postgres => "date",
        };
        let Some(case) = Case::new(engine, &sql.replace("DAY", day), &job).await else {
            continue;
        };
        let answer = case.run();
        assert_eq!(
            answer.code,
            i32::from(exit::DONE),
            "{}{}",
            answer.stdout,
            answer.stderr
        );
        assert_eq!(case.count("learner").await, 0);
        case.remove().await;
    }
}
