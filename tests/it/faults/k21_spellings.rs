//! K21: one value that databases write in several ways is one value: padded texts, names of clients.

use kigen::exit;
use kigen::guard::Guard;

use super::{Case, JOB};
use crate::scene::{Engine, Scene};

fn learners(column: &str, clients: [&str; 2]) -> String {
    let [one, other] = clients;
    format!(
        "create table learner (learner_id bigint not null primary key, name text, ended_on date, client {column});
         insert into learner values (1, 'PERSON', '2010-03-31', {one}), (2, 'PERSON', '2010-03-31', {other});"
    )
}

fn job() -> String {
    JOB.replace("[client]\nname = \"own\"", "[client]\ncolumn = \"client\"")
        .replace(
            "quasi-identifier =",
            "not-personal = [\"client\"]\nquasi-identifier =",
        )
}

/// The folders of clients among what was published.
fn clients(case: &Case) -> Vec<String> {
    let folder = std::fs::read_dir(case.scene.path("certificates")).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name != "keys").collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_padded_name_makes_no_client_of_its_own() {
    for (engine, column, names) in [
        (Engine::Postgres, "char(10)", ["'acme'", "'acme'"]),
        (Engine::Postgres, "text", ["'acme '", "'acme'"]),
        (Engine::Sqlite, "text", ["' acme'", "'acme\u{3000}'"]),
        (Engine::Sqlite, "text", ["'Caf\u{e9}'", "'Cafe\u{301}'"]),
    ] {
        let sql = learners(column, names);
        let Some(case) = Case::new(engine, &sql, &job()).await else {
            continue;
        };
        let answer = case.run();
        assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
        assert_eq!(case.leaves(), 2);
        let clients = clients(&case);
        assert_eq!(clients.len(), 1, "{clients:?}");
        assert!(!clients[0].contains("%20"), "{clients:?}");
        case.remove().await;
    }
}

#[tokio::test]
async fn two_spellings_of_one_client_are_refused() {
    for engine in Engine::ALL {
        for names in [
            ["'acme'", "'Acme'"],
            ["'acme'", "'ａｃｍｅ'"],
            ["'acme inc'", "'acmeinc'"],
        ] {
            let sql = learners("text", names);
            let Some(case) = Case::new(engine, &sql, &job()).await else {
                continue;
            };
            let words = ["clients", "differ only in"];
            case.assert_refused("learner", exit::SCHEMA_MISMATCH, &words)
                .await;
            case.remove().await;
        }
    }
}

#[tokio::test]
async fn without_the_guard_a_blank_makes_a_second_client() {
    let sql = learners("text", ["'acme '", "'acme'"]);
    let case = Case::new(Engine::Sqlite, &sql, &job()).await.unwrap();
    case.run_without(&[Guard::ClientIsSpeltOnce, Guard::ClientNames]);
    assert_eq!(clients(&case).len(), 2);
}

/// Puts tokens into `code` of the table.
const MASK: &str = r#"[[stage]]
name = "mask"
disposal = "pseudonymize"
marker-column = "masked_on"

[[stage.purpose]]
name = "service"
starting-point = "end-of-relationship"
starts-at = "ended_on"
period = "P3Y"

[[stage.change]]
column = "code"
strategy = "token"
context = "code"

[[stage]]
name = "delete"
disposal = "delete"

[[stage.purpose]]
name = "service"
starting-point = "end-of-relationship"
starts-at = "ended_on"
period = "P50Y"
"#;

fn masking(table: &str) -> String {
    let (head, tail) = JOB.split_once("[[stage]]").unwrap();
    let examples = &tail[tail.find("[[example]]").unwrap()..];
    let of_delete = examples
        .replace("2026-03-31", "2073-03-31")
        .replace("2026-04-01", "2073-04-01");
    let of_mask = examples.replace("\"delete\"", "\"mask\"");
    let head = head
        .replace("cluster = \"learner\"", &format!("cluster = \"{table}\""))
        .replace("table = \"learner\"", &format!("table = \"{table}\""))
        .replace(
            "direct-identifier = [\"name\"]",
            "direct-identifier = [\"code\"]\nnot-personal = [\"masked_on\"]",
        );
    format!("{head}{MASK}\n{of_mask}\n{of_delete}")
}

#[tokio::test]
async fn a_token_is_the_same_for_a_padded_text() {
    let sql = "create table learner (learner_id bigint primary key, code char(64), ended_on date, masked_on date);
         create table exam (learner_id bigint primary key, code text, ended_on date, masked_on date);
         insert into learner values (1, 'ab', '2010-03-31'); insert into exam values (1, 'ab', '2010-03-31');";
    let (learner, exam) = (masking("learner"), masking("exam"));
    let jobs = [
        ("learner.toml", learner.as_str()),
        ("exam.toml", exam.as_str()),
    ];
    let joined =
        "select count(*) from learner l join exam e on l.code = e.code where e.code <> 'ab'";
    let Some(scene) = Scene::with(Engine::Postgres, sql, &jobs).await else {
        return;
    };
    let case = Case { scene };
    let answer = case.run();
    assert_eq!(answer.code, 0, "{}{}", answer.stdout, answer.stderr);
    assert_eq!(case.scene.database.number(joined).await, 1);
    case.remove().await;

    let Some(scene) = Scene::with(Engine::Postgres, sql, &jobs).await else {
        return;
    };
    let case = Case { scene };
    case.run_without(&[Guard::PaddingIsNoValue]);
    assert_eq!(case.scene.database.number(joined).await, 0);
    case.remove().await;
}
