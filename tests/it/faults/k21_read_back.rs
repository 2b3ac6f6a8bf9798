//! K21: before a run is certified its store is asked for the removed rows by their keys. A row that is
//! there again by then is found, whatever the type of its key.

use kigen::exit;
use serde_json::Value;

use super::{Case, JOB, LEARNERS, statements};
use crate::crash::process::{Ended, Worker};
use crate::scene::{AS_OF, Engine};

/// A run that stands still between its last removal and its certificates, while `sql` is executed.
async fn run_and_meanwhile(case: &Case, sql: &str) -> Ended {
    let mut command = case.scene.command(&["run", "--as-of", AS_OF]);
    command.env("KIGEN_STOP_AT", "run.finished");
    let folder = tempfile::tempdir().unwrap();
    let mut worker = Worker::start(&mut command, folder.path());
    worker.wait_until_frozen().await;
    case.scene.database.execute(sql).await;
    worker.wake();
    worker.wait().await
}

/// What the one certificate says of the read-back, by table.
fn verification(case: &Case, table: &str) -> Value {
    let statements = statements(&case.scene.path("certificates"));
    assert_eq!(statements.len(), 1);
    let targets = statements[0]["predicate"]["targets"].as_array().unwrap();
    let target = targets.iter().find(|target| target["object"] == table);
    target.unwrap()["verification"].clone()
}

#[tokio::test]
async fn a_row_that_is_there_again_is_found_by_its_key_of_any_type() {
    let postgres = [
        ("bigint", "7"),
        ("smallint", "-7"),
        ("text", "'会員 é'"),
        ("char(8)", "'k1'"),
        ("varchar(20)", "''''"),
        ("uuid", "'00000000-0000-4000-8000-000000000007'"),
        ("date", "'0044-03-15 BC'"),
        ("numeric", "1.50"),
        ("numeric(12,2)", "-0.10"),
        ("double precision", "0.1"),
        ("real", "0.3"),
        ("timestamptz", "'2001-01-07 01:02:03.000001+09'"),
        ("timestamp", "'infinity'"),
        ("bytea", "'\\x0007ff'"),
        ("inet", "'10.0.0.7/8'"),
        ("interval", "'1 mon -3 days 04:00:00.5'"),
        ("\"char\"", "'x'"),
    ];
    let sqlite = [
        ("integer", "7"),
        ("text", "'k é'''"),
        ("text collate nocase", "'Ab'"),
        ("real", "0.1"),
        ("numeric", "'1e3'"),
        ("blob", "x'0007ff'"),
        ("", "'7'"),
    ];
    let kinds = postgres.iter().map(|kind| (Engine::Postgres, kind));
    let kinds = kinds.chain(sqlite.iter().map(|kind| (Engine::Sqlite, kind)));
    for (engine, (declared, key)) in kinds {
        let tables = format!(
            "create table learner (learner_id {declared} not null primary key, name text, ended_on date, person bigint);
             insert into learner values ({key}, 'PERSON', '2010-03-31', 1);"
        );
        let job = JOB
            .replace("column = \"learner_id\"", "column = \"person\"")
            .replace(
                "[\"learner_id\", \"ended_on\"]",
                "[\"learner_id\", \"ended_on\", \"person\"]",
            );
        let Some(case) = Case::new(engine, &tables, &job).await else {
            continue;
        };
        let again = format!("insert into learner values ({key}, 'PERSON', '2010-03-31', 1)");
        let again = again.replace("PERSON", crate::scene::PERSON);
        let ended = run_and_meanwhile(&case, &again).await;
        let what = format!("{engine:?} {declared}: {ended}");
        assert_eq!(ended.code(), Some(i32::from(exit::NOT_GONE)), "{what}");
        let found = verification(&case, "learner");
        assert_eq!(found["method"], "requery-keys", "{what}");
        assert_eq!(found["result"], "not-verified", "{what}");
        assert_eq!(
            (&found["checked"], &found["remaining"]),
            (&1.into(), &1.into()),
            "{what}"
        );
        case.remove().await;
    }
}

#[tokio::test]
async fn a_row_that_went_along_and_is_there_again_has_everything_looked_at() {
    let reference = r#"[[reference]]
table = "note"
on = { learner_id = "learner_id" }
on-dispose = "goes-with"
key = ["note_id"]
[reference.columns]
free-text = ["body"]
quasi-identifier = ["learner_id"]
not-personal = ["note_id"]

[[stage]]
name = "delete""#;
    let job = JOB.replace("[[stage]]\nname = \"delete\"", reference);
    for engine in Engine::ALL {
        let tables = format!(
            "{LEARNERS}
             create table note (note_id bigint not null primary key, learner_id bigint, body text);
             create index note_of on note (learner_id);
             insert into note values (10, 1, 'x'), (20, 2, 'y'), (30, 3, 'z');"
        );
        let Some(case) = Case::new(engine, &tables, &job).await else {
            continue;
        };
        let ended = run_and_meanwhile(&case, "insert into note values (20, 2, 'y')").await;
        // Nobody can tell whose it is: its record is not there.
        let found = verification(&case, "note");
        assert_eq!(found["method"], "requery-full", "{engine:?}: {ended}");
        assert_eq!(found["result"], "unverifiable", "{engine:?}: {ended}");
        assert_eq!(found["checked"], 2, "{engine:?}: {ended}");
        assert_eq!(verification(&case, "learner")["result"], "verified");
        case.remove().await;
    }
}
