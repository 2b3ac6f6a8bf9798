//! K2: a key comes back from kigen exactly as it was; two keys that the database tells apart never
//! become one.

use super::{Case, JOB};
use crate::scene::Engine;

/// Two learners with neighbouring keys, of whom the first is due, each with a note that goes with it.
fn learners(column: &str, due: &str, kept: &str) -> String {
    format!(
        "create table learner (learner_id {column} not null primary key, name text, ended_on date);
         create table note (id bigint not null primary key, learner_id {column});
         create index note_l on note (learner_id);
         insert into learner values ({due}, 'PERSON', '2010-03-31'), ({kept}, 'PERSON', '2025-03-31');
         insert into note values (1, {due}), (2, {kept});"
    )
}

fn job() -> String {
    let reference = "[[reference]]\ntable = \"note\"\non = { learner_id = \"learner_id\" }\non-dispose = \"goes-with\"\nkey = [\"id\"]\n[reference.columns]\nnot-personal = [\"id\", \"learner_id\"]\n\n[[stage]]\n";
    JOB.replacen("[[stage]]\n", reference, 1)
}

#[tokio::test]
async fn a_key_at_the_edge_of_its_type_goes_alone() {
    for (engine, column, due, kept) in [
        (Engine::Postgres, "timestamptz", "'infinity'", "'-infinity'"),
        (Engine::Postgres, "timestamptz", "'-infinity'", "'infinity'"),
        (
            Engine::Postgres,
            "timestamptz",
            "'10000-12-31 00:00:00.000001+00'",
            "'infinity'",
        ),
        (
            Engine::Postgres,
            "timestamptz",
            "'0044-03-15 12:00:00+00 BC'",
            "'-infinity'",
        ),
        (
            Engine::Postgres,
            "timestamp",
            "'12345-01-01 00:00:00'",
            "'infinity'",
        ),
        (
            Engine::Postgres,
            "timestamp",
            "'0044-03-15 12:00:00 BC'",
            "'0044-03-15 12:00:00'",
        ),
        (Engine::Postgres, "date", "'10000-01-01'", "'infinity'"),
        (Engine::Postgres, "date", "'0044-03-15 BC'", "'-infinity'"),
        (
            Engine::Postgres,
            "date",
            "'5874897-12-31'",
            "'5874897-12-30'",
        ),
        (Engine::Postgres, "numeric", "'NaN'", "1"),
        (
            Engine::Postgres,
            "double precision",
            "'-Infinity'",
            "'Infinity'",
        ),
        (
            Engine::Sqlite,
            "real",
            "9007199254740993.0",
            "9007199254740994.5",
        ),
        (Engine::Sqlite, "text", "'1'", "'1.0'"),
    ] {
        let sql = learners(column, due, kept);
        let Some(case) = Case::new(engine, &sql, &job()).await else {
            continue;
        };
        let answer = case.run();
        assert_eq!(answer.code, 0, "{due}: {}{}", answer.stdout, answer.stderr);
        let kept = "select count(*) from learner where ended_on = '2025-03-31'";
        assert_eq!(case.scene.database.number(kept).await, 1, "{due}");
        assert_eq!(case.count("learner").await, 1, "{due}");
        let note = "select min(id) from note";
        assert_eq!(case.scene.database.number(note).await, 2, "{due}");
        assert_eq!(case.count("note").await, 1, "{due}");
        case.remove().await;
    }
}
