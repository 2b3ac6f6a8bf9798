//! K14: what a schema can hold beside plain tables is refused, handled, or told by name, before the night.

use kigen::exit;
use kigen::guard::Guard;

use super::{Case, JOB, LEARNERS};
use crate::scene::Engine;

/// A schema feature that is refused, and the words that must be said.
struct Refused {
    sql: String,
    job: String,
    said: &'static [&'static str],
}

/// Asserts that each case is refused on `engine`.
async fn refuses(engine: Engine, cases: Vec<Refused>) {
    for Refused { sql, job, said } in cases {
        let Some(case) = Case::new(engine, &sql, &job).await else {
            return;
        };
        case.assert_refused("learner", exit::SCHEMA_MISMATCH, said)
            .await;
        case.remove().await;
    }
}

fn refused(sql: &str, job: String, said: &'static [&'static str]) -> Refused {
    Refused {
        sql: sql.to_owned(),
        job,
        said,
    }
}

/// [`JOB`] with a further column.
fn with_column(class: &str, column: &str) -> String {
    JOB.replace("[limit]", &format!("{class} = [\"{column}\"]\n\n[limit]"))
}

/// A job whose first stage changes `name` by `change`, with further columns.
fn pseudonymizing(change: &str, further: &str) -> String {
    let stage = format!("{further}[limit]");
    JOB.replace("[limit]", &stage)
        .replace(
            "[[stage]]\nname = \"delete\"",
            &format!("[[stage]]\nname = \"mask\"\ndisposal = \"pseudonymize\"\n\n[[stage.purpose]]\nname = \"service\"\nstarting-point = \"end-of-relationship\"\nstarts-at = \"ended_on\"\nperiod = \"P3Y\"\n\n{change}\n\n[[stage]]\nname = \"delete\""),
        )
        .replace("name = \"service\"\nstarting-point = \"end-of-relationship\"\nstarts-at = \"ended_on\"\nperiod = \"P3Y\"\n\n[[example]]", "name = \"statistics\"\nstarting-point = \"end-of-relationship\"\nstarts-at = \"ended_on\"\nperiod = \"P50Y\"\n\n[[example]]")
        .replace("stage = \"delete\"\nas-of", "stage = \"mask\"\nas-of")
        + "\n[[example]]\nstage = \"delete\"\nas-of = \"2073-03-31\"\nexpect = \"retain\"\nreason = \"not-expired\"\n[example.starts]\nstatistics = \"2023-03-31\"\n\n[[example]]\nstage = \"delete\"\nas-of = \"2073-04-01\"\nexpect = \"dispose\"\n[example.starts]\nstatistics = \"2023-03-31\"\n"
}

fn text_of_name(text: &str) -> String {
    format!("[[stage.change]]\ncolumn = \"name\"\nstrategy = \"text\"\ntext = \"{text}\"")
}

const TOKEN_OF_NAME: &str =
    "[[stage.change]]\ncolumn = \"name\"\nstrategy = \"token\"\ncontext = \"name\"";

#[tokio::test]
async fn tables_that_hold_more_than_their_own_rows_are_refused_on_postgresql() {
    let child = format!(
        "{LEARNERS}; create table learner_2019 (extra text, primary key (learner_id)) inherits (learner); insert into learner_2019 values (9, 'PERSON', '2010-03-31', 'x')"
    );
    let foreign = "create extension postgres_fdw; create server other foreign data wrapper postgres_fdw;
        create table learner (learner_id bigint not null, name text, ended_on date) partition by list (learner_id);
        create table learner_1 partition of learner for values in (1);
        create foreign table learner_2 partition of learner for values in (2) server other;
        insert into learner values (1, 'PERSON', '2010-03-31')";
    let contact = "create table contact (contact_id bigint primary key, learner_id bigint); create table contact_old () inherits (contact)";
    let goes_with = JOB.replace(
        "\n[[stage]]\nname",
        "\n[[reference]]\ntable = \"contact\"\non = { learner_id = \"learner_id\" }\non-dispose = \"goes-with\"\nkey = [\"contact_id\"]\n\n[reference.columns]\nquasi-identifier = [\"learner_id\"]\nnot-personal = [\"contact_id\"]\n\n[[stage]]\nname",
    );
    refuses(
        Engine::Postgres,
        vec![
            refused(
                &child,
                JOB.to_owned(),
                &["public.learner_2019", "children by inheritance"],
            ),
            refused(
                &format!("{LEARNERS}; {contact}"),
                goes_with,
                &["public.contact_old", "children by inheritance"],
            ),
        ],
    )
    .await;
    // Without the contrib modules the server makes no foreign table.
    let Some(case) = Case::new(Engine::Postgres, LEARNERS, JOB).await else {
        return;
    };
    let there = "select count(*) from pg_available_extensions where name = 'postgres_fdw'";
    let there = case.scene.database.number(there).await == 1;
    case.remove().await;
    if there {
        let said = &["public.learner_2", "partitions on other servers"];
        let case = Case::new(Engine::Postgres, foreign, JOB).await.unwrap();
        let check = case.check();
        assert_eq!(
            check.code,
            i32::from(exit::SCHEMA_MISMATCH),
            "{}",
            check.stdout
        );
        for word in said {
            assert!(check.stdout.contains(word), "{word}: {}", check.stdout);
        }
        case.remove().await;
    }
}

#[tokio::test]
async fn a_table_that_is_published_without_a_replica_identity_is_refused() {
    let learner = "create table learner (learner_id bigint not null, name text, ended_on date); create unique index on learner (learner_id); insert into learner values (1, 'PERSON', '2010-03-31')";
    let partitioned = "create table learner (learner_id bigint not null, name text, ended_on date) partition by range (learner_id); create table learner_1 partition of learner default; create unique index on learner (learner_id); insert into learner values (1, 'PERSON', '2010-03-31')";
    refuses(
        Engine::Postgres,
        vec![
            refused(&format!("{learner}; create publication own for table learner"), JOB.to_owned(), &["`public.learner` is published by `own`", "replica identity"]),
            refused(&format!("{learner}; create publication own for all tables"), JOB.to_owned(), &["`public.learner` is published by `own`"]),
            refused(&format!("{partitioned}; create publication own for table learner"), JOB.to_owned(), &["`public.learner_1` is published by `own`"]),
            refused(&format!("{LEARNERS}; alter table learner replica identity nothing; create publication own for table learner"), JOB.to_owned(), &["`public.learner` is published by `own`"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_the_database_refuses_for_every_row_is_found_by_planning_it() {
    let filtered =
        format!("{LEARNERS}; create publication own for table learner where (name <> 'x')");
    let Some(case) = Case::new(Engine::Postgres, LEARNERS, JOB).await else {
        return;
    };
    let version = case
        .scene
        .database
        .number("select current_setting('server_version_num')::int8")
        .await;
    case.remove().await;
    // Row filters of publications are younger than the oldest server that kigen knows.
    if version < 150_000 {
        return;
    }
    let case = Case::new(Engine::Postgres, &filtered, JOB).await.unwrap();
    case.assert_refused(
        "learner",
        exit::SCHEMA_MISMATCH,
        &["delete from \"public\".\"learner\""],
    )
    .await;
    let run = case.run_without(&[Guard::StatementsAreTried]);
    assert_eq!(run.code, i32::from(exit::INCOMPLETE), "{}", run.stderr);
    case.remove().await;
}

#[tokio::test]
async fn large_objects_that_would_stay_are_refused_unless_the_database_deletes_them() {
    let sql = format!(
        "{LEARNERS}; alter table learner add column scan oid; update learner set scan = lo_from_bytea(0, 'scan') where learner_id = 1"
    );
    let job = with_column("sensitive", "scan");
    let said: &[&str] = &[
        "column `scan` of `public.learner` names large objects",
        "pg_largeobject",
    ];
    refuses(Engine::Postgres, vec![refused(&sql, job.clone(), said)]).await;
    // A number that happens to have the type is none.
    let Some(case) = Case::new(
        Engine::Postgres,
        &format!("{sql}; select lo_unlink(scan) from learner where scan is not null"),
        &job,
    )
    .await
    else {
        return;
    };
    let run = case.run();
    assert_eq!(
        (run.code, case.count("learner").await),
        (0, 1),
        "{}",
        run.stderr
    );
    case.remove().await;
    let case = Case::new(Engine::Postgres, &sql, &job).await.unwrap();
    case.run_without(&[Guard::NoLargeObjectStays]);
    assert_eq!(
        (
            case.count("learner").await,
            case.count("pg_largeobject_metadata").await
        ),
        (1, 1)
    );
    case.remove().await;
}

#[tokio::test]
async fn without_the_guard_rows_of_a_child_go_with_columns_that_nobody_classified() {
    let child = format!(
        "{LEARNERS}; create table learner_2019 (extra text, primary key (learner_id)) inherits (learner); insert into learner_2019 values (9, 'PERSON', '2010-03-31', 'x')"
    );
    let Some(case) = Case::new(Engine::Postgres, &child, JOB).await else {
        return;
    };
    case.run_without(&[
        // A parent's unique key does not hold for its children: the comparison says that, too.
        Guard::NoChildrenByInheritance,
        Guard::SchemaIsCompared,
        Guard::EffectsAreCounted,
    ]);
    // With the guard nothing goes at all.
    assert!(case.count("only learner").await < 3);
    case.remove().await;
}

#[tokio::test]
async fn a_change_that_a_constraint_forbids_is_refused() {
    let cases = |add: &str, change: &str, further: &str, said: &'static [&'static str]| {
        refused(
            &format!("{LEARNERS}; {add}"),
            pseudonymizing(change, further),
            said,
        )
    };
    refuses(
        Engine::Postgres,
        vec![
            cases("alter table learner add check (name <> 'gone')", &text_of_name("gone"), "", &["stage `mask`", "learner_name_check", "forbids"]),
            cases("alter table learner add check (name is not null or ended_on is null)", "[[stage.change]]\ncolumn = \"name\"\nstrategy = \"null\"", "", &["stage `mask`", "forbids"]),
            cases("update learner set name = learner_id || 'PERSON'; create unique index on learner (lower(name))", &text_of_name("gone"), "", &["stage `mask`, column `name`", "learner_lower_idx"]),
            cases("update learner set name = learner_id || 'PERSON'; create unique index by_name on learner (name, ended_on)", &text_of_name("gone"), "", &["stage `mask`, column `name`", "by_name"]),
            cases("create table person (name text primary key); insert into person values ('PERSON'); alter table learner add foreign key (name) references person", TOKEN_OF_NAME, "", &["stage `mask`, column `name`", "foreign key onto `public.person`"]),
        ],
    )
    .await;
    refuses(
        Engine::Sqlite,
        vec![cases("update learner set name = learner_id || 'PERSON'; create unique index by_name on learner (name)", &text_of_name("gone"), "", &["stage `mask`, column `name`", "it is unique"])],
    )
    .await;
}

#[tokio::test]
async fn a_change_that_no_constraint_forbids_is_made() {
    for add in [
        "alter table learner add check (name <> 'other')",
        // With the key in it no two rows can become equal.
        "create unique index on learner (learner_id, name)",
        // Over some of the rows only: the database decides.
        "create unique index on learner (name) where ended_on is null",
    ] {
        let sql = format!("{LEARNERS}; {add}");
        let Some(case) = Case::new(
            Engine::Postgres,
            &sql,
            &pseudonymizing(&text_of_name("gone"), ""),
        )
        .await
        else {
            return;
        };
        let run = case.run();
        assert_eq!(run.code, 0, "{add}: {}{}", run.stdout, run.stderr);
        assert_eq!(case.count("learner where name = 'gone'").await, 2, "{add}");
        case.remove().await;
    }
}

#[tokio::test]
async fn without_the_guard_a_forbidden_change_fails_at_night() {
    let sql = format!("{LEARNERS}; alter table learner add check (name <> 'gone')");
    let job = pseudonymizing(&text_of_name("gone"), "");
    let Some(case) = Case::new(Engine::Postgres, &sql, &job).await else {
        return;
    };
    let run = case.run_without(&[Guard::ConstraintsHold]);
    assert_eq!(run.code, i32::from(exit::INCOMPLETE), "{}", run.stderr);
    case.remove().await;
}

#[tokio::test]
async fn a_record_that_would_move_to_another_partition_is_refused() {
    let sql = "create table learner (learner_id bigint not null, name text not null, ended_on date, primary key (learner_id, name)) partition by list (name);
        create table learner_1 partition of learner default; insert into learner values (1, 'PERSON', '2010-03-31')";
    let job = pseudonymizing(&text_of_name("gone"), "")
        .replace("key = [\"learner_id\"]", "key = [\"learner_id\", \"name\"]");
    let Some(case) = Case::new(Engine::Postgres, sql, &job).await else {
        return;
    };
    let check = case.check();
    assert_ne!(check.code, 0, "{}", check.stdout);
    case.remove().await;
}

#[tokio::test]
async fn a_key_that_is_null_in_some_row_is_refused_on_sqlite() {
    let sql = "create table learner (learner_id text primary key, name text, ended_on date);
        insert into learner values ('a', 'PERSON', '2010-03-31'), (null, 'PERSON', '2010-03-31'), (null, 'PERSON', '2010-03-31')";
    refuses(
        Engine::Sqlite,
        vec![refused(
            sql,
            JOB.to_owned(),
            &["null in their key (learner_id)"],
        )],
    )
    .await;
}

#[tokio::test]
async fn a_column_that_takes_no_null_is_not_unlinked() {
    let sql = format!(
        "{LEARNERS}; create table answer (answer_id bigint primary key, learner_id bigint not null references learner); create index a on answer (learner_id)"
    );
    let job = JOB.replace("\n[[stage]]\nname", "\n[[reference]]\ntable = \"answer\"\non = { learner_id = \"learner_id\" }\non-dispose = \"unlink\"\n\n[[stage]]\nname");
    for engine in Engine::ALL {
        refuses(
            engine,
            vec![refused(
                &sql,
                job.clone(),
                &["`answer`", "`learner_id`", "null"],
            )],
        )
        .await;
    }
}

#[tokio::test]
async fn where_copies_stay_is_told_by_name() {
    let sql = format!("{LEARNERS};
        create materialized view names as select learner_id, name from learner;
        create view seen as select * from learner; create materialized view deep as select name from seen;
        create table learner_old as select * from learner;
        create publication silent for table learner with (publish = 'insert')");
    let Some(case) = Case::new(Engine::Postgres, &sql, JOB).await else {
        return;
    };
    let plan = case.scene.kigen(&[
        "plan",
        "--as-of",
        crate::scene::AS_OF,
        "--log",
        "error",
        "--format",
        "json",
    ]);
    let warnings = plan.json()["jobs"][0]["warnings"].to_string();
    let check = case.check();
    assert_eq!((plan.code, check.code), (0, 0), "{}", check.stdout);
    for name in [
        "public.names",
        "public.deep",
        "public.learner_old",
        "silent",
    ] {
        assert!(warnings.contains(name), "{name}: {warnings}");
        assert!(check.stdout.contains(name), "{name}: {}", check.stdout);
    }
    case.remove().await;
}

#[tokio::test]
async fn a_table_with_a_rule_of_its_own_and_one_without_rows_are_no_copies() {
    let job_of = |table: &str| {
        JOB.replace("cluster = \"learner\"", &format!("cluster = \"{table}\""))
            .replace("table = \"learner\"", &format!("table = \"{table}\""))
    };
    for engine in Engine::ALL {
        let columns = "(learner_id bigint not null primary key, name text, ended_on date)";
        let sql = format!(
            "{LEARNERS}; create table graduate {columns}; create table emptied {columns}; create table kept {columns};
             insert into graduate select * from learner; insert into kept select * from learner;
             insert into emptied select * from learner; delete from emptied"
        );
        let Some(case) = Case::new(engine, &sql, JOB).await else {
            continue;
        };
        case.scene.write("jobs/graduate.toml", &job_of("graduate"));
        let check = case.check();
        assert_eq!(check.code, 0, "{}{}", check.stdout, check.stderr);
        let plan = case.scene.on_the_day(&["plan", "--format", "json"]);
        for said in [&check.stdout, &plan.stdout] {
            assert!(said.contains("kept` has all columns"), "{said}");
            assert!(!said.contains("graduate` has all columns"), "{said}");
            assert!(!said.contains("emptied` has all columns"), "{said}");
        }
        case.remove().await;
    }
}

#[tokio::test]
async fn rows_whose_record_is_gone_are_counted() {
    let sql = format!(
        "{LEARNERS}; create table contact (contact_id bigint primary key, learner_id bigint); insert into contact values (1, 1), (2, 100), (3, 101)"
    );
    let job = JOB.replace(
        "\n[[stage]]\nname",
        "\n[[reference]]\ntable = \"contact\"\non = { learner_id = \"learner_id\" }\non-dispose = \"goes-with\"\nkey = [\"contact_id\"]\n\n[reference.columns]\nquasi-identifier = [\"learner_id\"]\nnot-personal = [\"contact_id\"]\n\n[[stage]]\nname",
    );
    for engine in Engine::ALL {
        let Some(case) = Case::new(engine, &sql, &job).await else {
            continue;
        };
        let plan = case.scene.kigen(&[
            "plan",
            "--as-of",
            crate::scene::AS_OF,
            "--log",
            "error",
            "--format",
            "json",
        ]);
        let warnings = plan.json()["jobs"][0]["warnings"].to_string();
        assert!(
            warnings.contains("2 rows of `contact` name no record"),
            "{warnings}"
        );
        case.remove().await;
    }
}
