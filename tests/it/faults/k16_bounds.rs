//! K16: a batch is bounded in rows and in bytes, and a record that cannot go fails alone.

use kigen::exit;
use kigen::guard::Guard;

use super::{Case, JOB, LEARNERS};
use crate::scene::Engine;

fn with(job: &str, more: &str) -> String {
    job.replacen("[[stage]]\nname", &format!("{more}\n[[stage]]\nname"), 1)
}

const GOES_WITH: &str = "
[[reference]]
table = \"contact\"
on = { learner_id = \"learner_id\" }
on-dispose = \"goes-with\"
key = [\"contact_id\"]
[reference.columns]
direct-identifier = [\"phone\"]
quasi-identifier = [\"contact_id\", \"learner_id\"]

[[reference]]
table = \"call\"
of = \"contact\"
on = { contact_id = \"contact_id\" }
on-dispose = \"goes-with\"
key = [\"call_id\"]
[reference.columns]
quasi-identifier = [\"call_id\", \"contact_id\"]
";

/// Learner 1 has 600 contacts with a call each, learners 2 to 21 have 12; all are due.
const MANY: &str = "
create table learner (learner_id bigint not null primary key, name text, ended_on date);
create table contact (contact_id bigint not null primary key, learner_id bigint not null references learner (learner_id), phone text);
create index contact_learner on contact (learner_id);
create table call (call_id bigint not null primary key, contact_id bigint not null references contact (contact_id));
create index call_contact on call (contact_id);
insert into learner with recursive n(i) as (select 1 union all select i + 1 from n where i < 21) select i, 'PERSON', '2010-03-31' from n;
insert into contact with recursive n(i) as (select 1 union all select i + 1 from n where i < 840)
  select i, case when i <= 600 then 1 else 2 + (i - 601) / 12 end, 'PERSON' from n;
insert into call select contact_id, contact_id from contact where learner_id = 1;
";

fn journal(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => "kigen_journal",
        Engine::Postgres => "kigen.journal",
    }
}

/// The most rows that one transaction removed.
async fn largest_batch(case: &Case, engine: Engine) -> i64 {
    let sql = format!(
        "select max(n) from (select cast(sum(records) as bigint) as n from {} group by slice, batch) as b",
        journal(engine)
    );
    case.scene.database.number(&sql).await
}

async fn batches(case: &Case, engine: Engine) -> i64 {
    let sql = format!(
        "select count(*) from (select distinct slice, batch from {}) as b",
        journal(engine)
    );
    case.scene.database.number(&sql).await
}

#[tokio::test]
async fn batch_size_is_the_most_rows_of_all_tables_in_one_transaction() {
    for engine in Engine::ALL {
        let Some(case) = Case::new(engine, MANY, &with(JOB, GOES_WITH)).await else {
            continue;
        };
        let answer = case.run();
        assert_eq!(answer.code, i32::from(exit::DONE), "{}", answer.stderr);
        for table in ["learner", "contact", "call"] {
            assert_eq!(case.count(table).await, 0, "{table}");
        }
        assert_eq!(case.leaves(), 21 + 840 + 600);
        let largest = largest_batch(&case, engine).await;
        assert!(largest <= 100, "{engine:?}: {largest}");
        case.remove().await;

        let Some(case) = Case::new(engine, MANY, &with(JOB, GOES_WITH)).await else {
            continue;
        };
        case.run_without(&[Guard::BatchSizeHolds]);
        let largest = largest_batch(&case, engine).await;
        assert!(largest > 100, "{engine:?}: {largest}");
        case.remove().await;
    }
}

#[tokio::test]
async fn a_small_batch_size_holds_where_no_row_goes_with_the_record() {
    let many = "
create table learner (learner_id bigint not null primary key, name text, ended_on date);
insert into learner with recursive n(i) as (select 1 union all select i + 1 from n where i < 150) select i, 'PERSON', '2010-03-31' from n;
";
    let job = JOB.replace("batch-size = 100", "batch-size = 7");
    for engine in Engine::ALL {
        let Some(case) = Case::new(engine, many, &job).await else {
            continue;
        };
        case.run();
        assert_eq!(case.count("learner").await, 0);
        let largest = largest_batch(&case, engine).await;
        assert!(largest <= 7, "{engine:?}: {largest}");
        case.remove().await;
    }
}

/// A stage that rewrites the name of every learner.
fn masking() -> String {
    let mask = "[[stage]]
name = \"mask\"
disposal = \"pseudonymize\"
[[stage.purpose]]
name = \"contact\"
starting-point = \"end-of-relationship\"
starts-at = \"ended_on\"
period = \"P1Y\"
[[stage.change]]
column = \"name\"
strategy = \"token\"
context = \"name\"

[[example]]
stage = \"mask\"
as-of = \"2026-03-31\"
expect = \"retain\"
[example.starts]
contact = \"2025-03-31\"

[[example]]
stage = \"mask\"
as-of = \"2026-04-01\"
expect = \"dispose\"
[example.starts]
contact = \"2025-03-31\"
";
    with(JOB, mask)
        .replace("\"P3Y\"", "\"P30Y\"")
        .replace("service = \"2023-03-31\"", "service = \"1996-03-31\"")
}

#[tokio::test]
async fn a_batch_of_wide_rows_is_bounded_in_bytes() {
    for engine in Engine::ALL {
        let wide = match engine {
            Engine::Sqlite => "hex(zeroblob(250000))",
            Engine::Postgres => "repeat('x', 500000)",
        };
        let sql = format!(
            "create table learner (learner_id bigint not null primary key, name text, ended_on date);
             insert into learner with recursive n(i) as (select 1 union all select i + 1 from n where i < 60)
               select i, {wide}, '2010-03-31' from n;"
        );
        let Some(case) = Case::new(engine, &sql, &masking()).await else {
            continue;
        };
        let answer = case.run();
        assert_eq!(answer.code, i32::from(exit::DONE), "{}", answer.stderr);
        let masked = "select count(*) from learner where length(name) = 26";
        assert_eq!(case.scene.database.number(masked).await, 60);
        let bounded = batches(&case, engine).await;
        assert!(bounded >= 4, "{engine:?}: {bounded}");
        case.remove().await;

        let Some(case) = Case::new(engine, &sql, &masking()).await else {
            continue;
        };
        case.run_without(&[Guard::BatchIsBoundedInBytes]);
        assert_eq!(batches(&case, engine).await, 1, "{engine:?}");
        case.remove().await;
    }
}

/// What makes learner 2 of five fail, and at what.
struct Poison {
    engine: Engine,
    name: &'static str,
    job: String,
    sql: &'static str,
    reason: &'static str,
}

fn poisons() -> Vec<Poison> {
    let sqlite = Engine::Sqlite;
    let postgres = Engine::Postgres;
    let poison = |engine, name, job: String, sql, reason| Poison {
        engine,
        name,
        job,
        sql,
        reason,
    };
    vec![
        poison(
            sqlite,
            "a text that is not UTF-8",
            masking(),
            "update learner set name = cast(x'8e528e93' as text) where learner_id = 2",
            "could not be read",
        ),
        poison(
            sqlite,
            "a trigger that refuses the deletion",
            JOB.to_owned(),
            "create trigger refuse before delete on learner when old.learner_id = 2 begin select raise(abort, 'PERSON'); end",
            "trigger",
        ),
        poison(
            sqlite,
            "a trigger that keeps the row",
            JOB.to_owned(),
            "create trigger keep before delete on learner when old.learner_id = 2 begin select raise(ignore); end",
            "kept",
        ),
        poison(
            postgres,
            "a check that the new value violates",
            masking(),
            "alter table learner add constraint c check (learner_id <> 2 or name not like '%_________________________%')",
            "check constraint",
        ),
        poison(
            postgres,
            "a trigger that refuses the deletion",
            JOB.to_owned(),
            "create function refuse() returns trigger language plpgsql as 'begin if old.learner_id = 2 then raise exception ''PERSON''; end if; return old; end';
             create trigger refuse before delete on learner for each row execute function refuse()",
            "trigger",
        ),
    ]
}

const FIVE: &str = "
create table learner (learner_id bigint not null primary key, name text, ended_on date);
insert into learner values (1, 'n', '2010-03-31'), (2, 'n', '2010-03-31'), (3, 'n', '2010-03-31'), (4, 'n', '2010-03-31'), (5, 'n', '2010-03-31');
";

#[tokio::test]
async fn a_record_that_cannot_go_fails_alone_and_is_named() {
    for poison in poisons() {
        let Poison {
            engine,
            name,
            job,
            sql,
            reason,
        } = poison;
        let sql = format!("{FIVE}{sql};");
        let Some(case) = Case::new(engine, &sql, &job).await else {
            continue;
        };
        let answer = case.scene.on_the_day(&["run", "--format", "json"]);
        if answer.code == i32::from(exit::SCHEMA_MISMATCH) {
            // The comparison of the schema knows it already.
            case.remove().await;
            continue;
        }
        assert_eq!(
            answer.code,
            i32::from(exit::INCOMPLETE),
            "{name}: {}{}",
            answer.stdout,
            answer.stderr
        );
        let stage = &answer.json()["jobs"][0]["stages"][0];
        assert_eq!(
            (&stage["disposed"], &stage["failed"]),
            (&4.into(), &1.into()),
            "{name}: {stage}"
        );
        let failed = &stage["failed_records"][0];
        assert!(
            failed["reason"].as_str().unwrap().contains(reason),
            "{name}: {failed}"
        );
        let reference = failed["record"].as_str().unwrap().to_owned();
        assert!(reference.starts_with("r-"), "{failed}");

        // The next night names the same record, in words too.
        let again = case.run();
        assert!(
            again.stdout.contains(&reference),
            "{name}: {}",
            again.stdout
        );
        // Whoever may read the store finds it by that name.
        let explained = case
            .scene
            .on_the_day(&["explain", "learner", "--reference", &reference]);
        assert!(
            explained.stdout.contains("key (learner_id): 2"),
            "{name}: {}{}",
            explained.stdout,
            explained.stderr
        );
        case.remove().await;
    }
}

#[tokio::test]
async fn without_the_guard_one_record_keeps_the_others() {
    let poison = poisons().remove(1);
    let sql = format!("{FIVE}{};", poison.sql);
    let Some(case) = Case::new(poison.engine, &sql, &poison.job).await else {
        return;
    };
    case.run_without(&[Guard::FailsAlone]);
    assert_eq!(case.count("learner").await, 5);
    case.remove().await;
}

#[tokio::test]
async fn where_every_record_fails_the_stage_ends() {
    let sql = format!(
        "{LEARNERS}
         insert into learner with recursive n(i) as (select 10 union all select i + 1 from n where i < 1500) select i, 'n', '2010-03-31' from n;
         create trigger refuse before delete on learner begin select raise(abort, 'no'); end;"
    );
    let job = JOB.replace("= 1000\n", "= 10000\n");
    let Some(case) = Case::new(Engine::Sqlite, &sql, &job).await else {
        return;
    };
    let answer = case.run();
    assert_ne!(answer.code, i32::from(exit::DONE), "{}", answer.stdout);
    case.remove().await;
}
