//! K2: rows that the database would remove, change or copy by itself are refused beforehand.

use kigen::exit;
use kigen::guard::Guard;

use super::{Case, JOB, LEARNERS};
use crate::scene::Engine;

/// Learners in partitions: 1 and 2 are due, 3 is not.
const PARTITIONED: &str = "
create table learner (learner_id bigint not null primary key, name text, ended_on date) partition by range (learner_id);
create table learner_a partition of learner for values from (0) to (1000);
create table learner_b partition of learner default;
insert into learner values (1, 'PERSON', '2010-03-31'), (2, 'PERSON', '2010-03-31'), (3, 'PERSON', '2025-03-31');
";

const CONTACTS: &str = "
create table contact (contact_id bigint not null primary key, learner_id bigint references learner (learner_id) on delete cascade, value text);
create index contact_learner on contact (learner_id);
insert into contact values (10, 1, 'PERSON'), (11, 3, 'PERSON');
";

const CONTACTS_GO: &str = r#"
[[reference]]
table = "contact"
on = { learner_id = "learner_id" }
on-dispose = "goes-with"
key = ["contact_id"]

[reference.columns]
direct-identifier = ["value"]
quasi-identifier = ["learner_id"]
not-personal = ["contact_id"]

[[stage]]
name = "delete""#;

fn with_contacts() -> String {
    JOB.replace("\n[[stage]]\nname = \"delete\"", CONTACTS_GO)
}

/// Something the database does beside the job, and the words that a refusal must say.
struct Hidden {
    engines: &'static [Engine],
    sql: &'static [&'static str],
    job: fn() -> String,
    said: &'static [&'static str],
}

const POSTGRES: &[Engine] = &[Engine::Postgres];

fn plain() -> String {
    JOB.to_owned()
}

fn of_partition() -> String {
    JOB.replace("table = \"learner\"", "table = \"learner_a\"")
}

#[tokio::test]
async fn whatever_the_database_would_do_by_itself_is_refused() {
    let cases = [
        Hidden {
            engines: &Engine::ALL,
            sql: &[
                LEARNERS,
                "create table badge (badge_id bigint primary key, learner_id bigint references learner on delete cascade); create index b on badge (learner_id); insert into badge values (1, 1)",
            ],
            job: plain,
            said: &["badge", "on delete cascade", "[[reference]]"],
        },
        Hidden {
            engines: &Engine::ALL,
            sql: &[
                LEARNERS,
                "create table badge (badge_id bigint primary key, learner_id bigint references learner on delete set null); create index b on badge (learner_id); insert into badge values (1, 1)",
            ],
            job: plain,
            said: &["badge", "on delete set null"],
        },
        Hidden {
            engines: &Engine::ALL,
            sql: &[
                LEARNERS,
                "create table badge (badge_id bigint primary key, learner_id bigint default 3 references learner on delete set default); create index b on badge (learner_id); insert into badge values (1, 1)",
            ],
            job: plain,
            said: &["badge", "on delete set default"],
        },
        // A key onto a row that goes with the record.
        Hidden {
            engines: &Engine::ALL,
            sql: &[
                LEARNERS,
                CONTACTS,
                "create table call (call_id bigint primary key, contact_id bigint references contact on delete cascade); create index c on call (contact_id); insert into call values (1, 10)",
            ],
            job: with_contacts,
            said: &["call", "of = \"contact\"", "on delete cascade"],
        },
        // Rows that go with a record and name each other.
        Hidden {
            engines: &Engine::ALL,
            sql: &[
                LEARNERS,
                CONTACTS,
                "alter table contact add column value2 bigint references contact (contact_id) on delete cascade; create index c on contact (value2)",
            ],
            job: || with_contacts().replace("[\"value\"]", "[\"value\", \"value2\"]"),
            said: &["contact", "name each other", "a job of its own"],
        },
        // Records and rows that go with them name each other.
        Hidden {
            engines: &Engine::ALL,
            sql: &[
                LEARNERS,
                CONTACTS,
                "alter table learner add column main bigint references contact (contact_id); create index m on learner (main)",
            ],
            job: || {
                with_contacts().replace(
                    "\"learner_id\", \"ended_on\"]",
                    "\"learner_id\", \"ended_on\", \"main\"]",
                )
            },
            said: &["learner", "main", "neither can go first"],
        },
        Hidden {
            engines: POSTGRES,
            sql: &[
                PARTITIONED,
                "create table badge (badge_id bigint primary key, learner_id bigint references learner_a on delete cascade); create index on badge (learner_id); insert into badge values (1, 1)",
            ],
            job: plain,
            said: &["public.badge", "public.learner_a", "on delete cascade"],
        },
        Hidden {
            engines: POSTGRES,
            sql: &[
                PARTITIONED,
                "create table badge (badge_id bigint primary key, learner_id bigint references learner_a); create index on badge (learner_id); insert into badge values (1, 1)",
            ],
            job: plain,
            said: &["public.badge", "public.learner_a"],
        },
        // The job names a partition; the key points at the whole.
        Hidden {
            engines: POSTGRES,
            sql: &[
                PARTITIONED,
                "create table badge (badge_id bigint primary key, learner_id bigint references learner on delete cascade); create index on badge (learner_id); insert into badge values (1, 1)",
            ],
            job: of_partition,
            said: &["public.badge", "public.learner`", "on delete cascade"],
        },
        // A key of one partition of a table that the job does not name.
        Hidden {
            engines: POSTGRES,
            sql: &[
                LEARNERS,
                "create table badge (badge_id bigint, learner_id bigint) partition by list (badge_id); create table badge_1 partition of badge for values in (1); alter table badge_1 add foreign key (learner_id) references learner on delete cascade; create index on badge_1 (learner_id); insert into badge values (1, 1)",
            ],
            job: plain,
            said: &["public.badge_1", "on delete cascade"],
        },
        // The table of the same name in another schema is another table.
        Hidden {
            engines: POSTGRES,
            sql: &[
                LEARNERS,
                CONTACTS,
                "create schema archive; create table archive.contact (contact_id bigint primary key, learner_id bigint references learner on delete cascade); create index on archive.contact (learner_id); insert into archive.contact values (1, 1)",
            ],
            job: with_contacts,
            said: &["archive.contact", "on delete cascade"],
        },
        // A key onto a partition of a table whose rows go with the record.
        Hidden {
            engines: POSTGRES,
            sql: &[
                LEARNERS,
                "create table contact (contact_id bigint not null primary key, learner_id bigint references learner on delete cascade, value text) partition by range (contact_id); create table contact_1 partition of contact default; create index on contact (learner_id); insert into contact values (10, 1, 'PERSON'); create table call (call_id bigint primary key, contact_id bigint references contact_1 on delete set null); create index on call (contact_id); insert into call values (1, 10)",
            ],
            job: with_contacts,
            said: &["public.call", "public.contact_1", "on delete set null"],
        },
    ];
    for hidden in cases {
        for engine in hidden.engines {
            let sql = hidden.sql.join(";\n");
            let Some(case) = Case::new(*engine, &sql, &(hidden.job)()).await else {
                continue;
            };
            case.assert_refused("learner", exit::SCHEMA_MISMATCH, hidden.said)
                .await;
            case.remove().await;
        }
    }
}

/// Contacts go with the pseudonymized record; the application goes on writing.
fn only_while_pseudonymizing() -> String {
    with_contacts()
        .replace("on-dispose = \"goes-with\"", "on-dispose = \"goes-with\"\nstages = [\"pseudonymize\"]")
        .replace("\"ended_on\"]", "\"ended_on\"]\nnot-personal = [\"masked_on\"]")
        .replace(
            "[[stage]]\nname = \"delete\"",
            "[[stage]]\nname = \"pseudonymize\"\ndisposal = \"pseudonymize\"\nmarker-column = \"masked_on\"\n\n[[stage.purpose]]\nname = \"service\"\nstarting-point = \"end-of-relationship\"\nstarts-at = \"ended_on\"\nperiod = \"P3Y\"\n\n[[stage.change]]\ncolumn = \"name\"\nstrategy = \"null\"\n\n[[stage]]\nname = \"delete\"",
        )
        .replace("name = \"service\"\nstarting-point = \"end-of-relationship\"\nstarts-at = \"ended_on\"\nperiod = \"P3Y\"\n\n[[example]]", "name = \"statistics\"\nstarting-point = \"end-of-relationship\"\nstarts-at = \"ended_on\"\nperiod = \"P5Y\"\n\n[[example]]")
        .replace("stage = \"delete\"\nas-of", "stage = \"pseudonymize\"\nas-of")
        + "\n[[example]]\nstage = \"delete\"\nas-of = \"2028-03-31\"\nexpect = \"retain\"\nreason = \"not-expired\"\n[example.starts]\nstatistics = \"2023-03-31\"\n\n[[example]]\nstage = \"delete\"\nas-of = \"2028-04-01\"\nexpect = \"dispose\"\n[example.starts]\nstatistics = \"2023-03-31\"\n"
}

#[tokio::test]
async fn a_reference_that_takes_no_part_in_a_stage_that_deletes_is_refused() {
    let sql = format!("{LEARNERS};{CONTACTS}; alter table learner add column masked_on date");
    for engine in Engine::ALL {
        let Some(case) = Case::new(engine, &sql, &only_while_pseudonymizing()).await else {
            continue;
        };
        let said = [
            "`contact` takes no part in stage `delete`",
            "on delete cascade",
        ];
        case.assert_refused("contact", exit::SCHEMA_MISMATCH, &said)
            .await;
        case.remove().await;
    }
}

#[tokio::test]
async fn without_the_guard_a_badge_vanishes_without_a_leaf() {
    let badges = "create table badge (badge_id bigint primary key, learner_id bigint references learner_a on delete cascade); create index on badge (learner_id); insert into badge values (1, 1)";
    let sql = format!("{PARTITIONED};{badges}");
    let Some(case) = Case::new(Engine::Postgres, &sql, JOB).await else {
        return;
    };
    case.run_without(&[Guard::ForeignKeysAreNamed, Guard::EffectsAreCounted]);
    assert_eq!((case.count("badge").await, case.leaves()), (0, 2));
    case.remove().await;
}

const HISTORY: &str = "create table history (learner_id bigint, name text); create table essay (essay_id bigint primary key, learner_id bigint); insert into essay values (1, 1);";

/// A trigger on `learner` that does `body` before or after an event.
fn trigger(engine: Engine, event: &str, body: &str) -> String {
    match engine {
        Engine::Sqlite => format!("create trigger keep {event} on learner begin {body}; end"),
        Engine::Postgres => format!(
            "create function keep() returns trigger language plpgsql as $$ begin {body}; if tg_op = 'DELETE' then return old; end if; return new; end $$; create trigger keep {event} on learner for each row execute function keep()"
        ),
    }
}

#[tokio::test]
async fn a_trigger_or_rule_whose_effects_nobody_declares_is_refused() {
    let insert = "insert into history values (old.learner_id, old.name)";
    let delete = "delete from essay where learner_id = old.learner_id";
    for (event, body, said) in [
        (
            "after delete",
            insert,
            ["`keep`", "table = \"history\"\n  operation = \"insert\""],
        ),
        (
            "before delete",
            delete,
            ["`keep`", "table = \"essay\"\n  operation = \"delete\""],
        ),
        (
            "after delete",
            "update essay set learner_id = null where learner_id = old.learner_id",
            ["`keep`", "table = \"essay\"\n  operation = \"update\""],
        ),
    ] {
        for engine in Engine::ALL {
            let sql = format!("{LEARNERS};{HISTORY}{}", trigger(engine, event, body));
            let Some(case) = Case::new(engine, &sql, JOB).await else {
                continue;
            };
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
            case.assert_refused("learner", exit::SCHEMA_MISMATCH, &["`keep`", "[[effect]]"])
                .await;
            assert_eq!(case.count("essay").await, 1);
            case.remove().await;
        }
    }
    let rules = [
        "create rule keep as on delete to learner do also delete from essay where learner_id = old.learner_id",
        "create rule keep as on delete to learner do instead nothing",
        "create function keep() returns trigger language plpgsql as $$ begin delete from essay; return null; end $$; create trigger keep after delete on learner for each statement execute function keep()",
    ];
    for rule in rules {
        let sql = format!("{LEARNERS};{HISTORY}{rule}");
        let Some(case) = Case::new(Engine::Postgres, &sql, JOB).await else {
            return;
        };
        case.assert_refused("learner", exit::SCHEMA_MISMATCH, &["`keep`", "[[effect]]"])
            .await;
        case.remove().await;
    }
}

#[tokio::test]
async fn a_trigger_is_found_on_partitions_and_on_rows_that_go_with_a_record() {
    let keep = "create function keep() returns trigger language plpgsql as $$ begin return old; end $$; create trigger keep before delete on";
    for (sql, job) in [
        (
            format!("{PARTITIONED};{keep} learner_a for each row execute function keep()"),
            plain(),
        ),
        (
            format!("{PARTITIONED};{keep} learner for each row execute function keep()"),
            of_partition(),
        ),
        (
            format!("{LEARNERS};{CONTACTS}{keep} contact for each row execute function keep()"),
            with_contacts(),
        ),
    ] {
        let Some(case) = Case::new(Engine::Postgres, &sql, &job).await else {
            return;
        };
        case.assert_refused("learner", exit::SCHEMA_MISMATCH, &["`keep`", "[[effect]]"])
            .await;
        case.remove().await;
    }
}

#[tokio::test]
async fn a_trigger_that_does_not_act_is_no_hindrance() {
    let keep = "create function keep() returns trigger language plpgsql as $$ begin return new; end $$; create trigger keep";
    for sql in [
        format!("{keep} before update on learner for each row execute function keep()"),
        format!(
            "{keep} before delete on learner for each row execute function keep(); alter table learner disable trigger keep"
        ),
    ] {
        let sql = format!("{LEARNERS};{sql}");
        let Some(case) = Case::new(Engine::Postgres, &sql, JOB).await else {
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
    }
}

#[tokio::test]
async fn a_trigger_is_allowed_what_is_declared_and_nothing_else() {
    let declared = format!(
        "{JOB}\n[[effect]]\ntable = \"history\"\noperation = \"insert\"\nreason = \"an audit trail of one year\"\n"
    );
    let insert = "insert into history values (old.learner_id, 'somebody')";
    let delete = "delete from essay where learner_id = old.learner_id";
    for engine in Engine::ALL {
        let sql = format!(
            "{LEARNERS};{HISTORY}{}",
            trigger(engine, "after delete", insert)
        );
        let Some(case) = Case::new(engine, &sql, &declared).await else {
            continue;
        };
        let check = case.check();
        assert_eq!(check.code, 0, "{}", check.stdout);
        assert!(
            check.stdout.contains("warning: the trigger `keep`"),
            "{}",
            check.stdout
        );
        let run = case.run();
        assert_eq!(
            (run.code, case.count("learner").await),
            (0, 1),
            "{}",
            run.stderr
        );
        assert_eq!(case.count("history").await, 2);
        case.remove().await;
        let both = format!("{insert}; {delete}");
        let sql = format!(
            "{LEARNERS};{HISTORY}{}",
            trigger(engine, "after delete", &both)
        );
        let Some(case) = Case::new(engine, &sql, &declared).await else {
            continue;
        };
        case.assert_refused(
            "learner",
            exit::SCHEMA_MISMATCH,
            &["`keep`", "table = \"essay\""],
        )
        .await;
        case.remove().await;
    }
}

#[tokio::test]
async fn without_the_guard_a_trigger_removes_an_essay_without_a_leaf() {
    let delete = "delete from essay where learner_id = old.learner_id";
    let sql = format!(
        "{LEARNERS};{HISTORY}{}",
        trigger(Engine::Sqlite, "after delete", delete)
    );
    let Some(case) = Case::new(Engine::Sqlite, &sql, JOB).await else {
        return;
    };
    case.run_without(&[Guard::TriggersAreDeclared, Guard::EffectsAreCounted]);
    assert_eq!((case.count("essay").await, case.leaves()), (0, 2));
}

#[tokio::test]
async fn a_row_that_keeps_a_row_that_goes_with_a_record_keeps_the_record() {
    let calls = "create table call (call_id bigint primary key, contact_id bigint references contact); create index c on call (contact_id); insert into call values (1, 10)";
    let blocks = "\n[[reference]]\ntable = \"call\"\nof = \"contact\"\non = { contact_id = \"contact_id\" }\non-dispose = \"blocks\"\n\n[[stage]]\nname = \"delete\"";
    let job = with_contacts().replace("\n[[stage]]\nname = \"delete\"", blocks);
    let sql = format!("{LEARNERS};{CONTACTS}{calls}");
    for engine in Engine::ALL {
        let Some(case) = Case::new(engine, &sql, &job).await else {
            continue;
        };
        let run = case.run();
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        assert_eq!(case.count("learner where learner_id = 1").await, 1);
        assert_eq!(
            (case.count("learner").await, case.count("contact").await),
            (2, 2)
        );
        case.remove().await;
    }
}

#[tokio::test]
async fn what_a_foreign_key_does_by_itself_may_be_declared() {
    let badges = "create table badge (badge_id bigint primary key, learner_id bigint references learner on delete set null); create index b on badge (learner_id); insert into badge values (1, 1)";
    let declared = format!(
        "{JOB}\n[[effect]]\ntable = \"badge\"\noperation = \"update\"\nreason = \"badges are kept without their owner\"\n"
    );
    for engine in Engine::ALL {
        let Some(case) = Case::new(engine, &format!("{LEARNERS};{badges}"), &declared).await else {
            continue;
        };
        let run = case.run();
        assert_eq!(
            (run.code, case.count("learner").await),
            (0, 1),
            "{}",
            run.stderr
        );
        assert_eq!(case.count("badge where learner_id is null").await, 1);
        case.remove().await;
    }
}
