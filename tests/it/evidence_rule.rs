//! The life of evidence ends by a rule like any other.

use std::fs;

use crate::scene::{Answer, Scene};

const RULE: &str = include_str!("../../docs/evidence-rule.toml");

fn journal(scene: &Scene, on_sqlite: bool) -> String {
    let table = if on_sqlite {
        "kigen_journal"
    } else {
        "kigen.journal"
    };
    let rule = RULE.replace("name = \"lms\"", "name = \"school\"");
    let rule = if on_sqlite {
        rule.replace("kigen.", "kigen_")
    } else {
        rule
    };
    scene.write("jobs/evidence.toml", &rule);
    table.to_owned()
}

/// `kigen run` so many days later: the clock of the machine says so, and that of the store does not.
fn run_later(scene: &Scene, days: i32) -> Answer {
    let mut command = scene.command(&["run", "--job", "evidence"]);
    scene.finish(
        command
            .env("KIGEN_CLOCK_DAYS_AHEAD", days.to_string())
            .env("KIGEN_WITHOUT_GUARD", "clocks-agree"),
    )
}

async fn ends_by_its_rule(scene: Scene, on_sqlite: bool) -> Scene {
    let table = journal(&scene, on_sqlite);
    let rows = format!("select count(*) from {table}");
    let check = scene.kigen(&["check", "--connect"]);
    assert_eq!(check.code, 0, "{}{}", check.stdout, check.stderr);
    let run = scene.on_the_day(&["--format", "json", "run"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    let run = run.json()["run_id"].as_str().unwrap().to_owned();
    let rows = format!("{rows} where run_id = '{run}'");
    let journaled = scene.database.number(&rows).await;
    assert!(journaled > 3, "{journaled}");

    // Five years on, by the Civil Code calendar: the day of a removal itself does not count.
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::get("Asia/Tokyo").unwrap());
    let due = today
        .date()
        .saturating_add(jiff::Span::new().years(5).days(1));
    let days = due.since(today.date()).unwrap().get_days();
    let early = run_later(&scene, days - 1);
    assert_eq!(early.code, 0, "{}", early.stderr);
    assert_eq!(scene.database.number(&rows).await, journaled);
    let ended = run_later(&scene, days);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    assert_eq!(scene.database.number(&rows).await, 0);
    // Its own removals are journaled in their turn.
    let all = format!("select count(*) from {table}");
    assert!(scene.database.number(&all).await > 0);
    let verify = scene.kigen(&["verify"]);
    assert_eq!(verify.code, 0, "{}", verify.stdout);
    let certificate = fs::read_dir(scene.path("certificates/own"))
        .unwrap()
        .map(|run| run.unwrap().path().join("statement.json"))
        .filter_map(|file| fs::read_to_string(file).ok())
        .find(|text| text.contains("\"job\":\"evidence\""));
    assert!(certificate.unwrap().contains(&table));
    scene
}

#[tokio::test]
async fn the_journal_of_a_sqlite_store_ends_by_its_rule() {
    ends_by_its_rule(Scene::sqlite().await, true).await;
}

#[tokio::test]
async fn the_journal_of_a_postgresql_store_ends_by_its_rule() {
    let Some(scene) = Scene::postgres().await else {
        return;
    };
    let scene = ends_by_its_rule(scene, false).await;
    scene.database.remove().await;
}

#[tokio::test]
async fn evidence_of_a_run_that_is_not_published_stays() {
    let scene = Scene::sqlite().await;
    let table = journal(&scene, true);
    let run = scene.on_the_day(&["run", "--job", "exam-history"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let rows = format!("select count(*) from {table}");
    let journaled = scene.database.number(&rows).await;
    // As if sealing had been killed before its last step.
    for sql in [
        "drop trigger kigen_published_no_delete",
        "delete from kigen_published",
    ] {
        scene.database.execute(sql).await;
    }
    let run = run_later(&scene, 73 * 365);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(scene.database.number(&rows).await, journaled);
}
