//! K8: a run is for today, by a clock that agrees with the store's and the ledger's.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use kigen::exit;
use kigen::guard::Guard;

use super::{Case, JOB};
use crate::scene::{Answer, Engine};

/// Learner 1 is due, learner 2 will be in 2030, learner 3 has not withdrawn.
const LEARNERS: &str = "
create table learner (learner_id bigint not null primary key, name text, ended_on date);
insert into learner values (1, 'PERSON', '2010-03-31'), (2, 'PERSON', '2027-11-30'), (3, 'PERSON', null);
";

fn today() -> Date {
    let tokyo = TimeZone::get("Asia/Tokyo").unwrap();
    Timestamp::now().to_zoned(tokyo).date()
}

/// `kigen` with these words, by a clock that is so many days ahead, without these guards.
fn kigen(case: &Case, words: &[&str], days_ahead: i64, guards: &[Guard]) -> Answer {
    let names: Vec<&str> = guards.iter().map(|guard| guard.name()).collect();
    let mut command = case.scene.command(words);
    command
        .env("KIGEN_CLOCK_DAYS_AHEAD", days_ahead.to_string())
        .env("KIGEN_WITHOUT_GUARD", names.join(","));
    case.scene.finish(&mut command)
}

#[tokio::test]
async fn a_run_for_a_day_that_has_not_come_is_refused_and_a_plan_shows_it() {
    for engine in Engine::ALL {
        let Some(case) = Case::new(engine, LEARNERS, JOB).await else {
            continue;
        };
        let tomorrow = today().tomorrow().unwrap().to_string();
        for day in [tomorrow.as_str(), "2030-12-01", "2099-01-01"] {
            let run = kigen(&case, &["run", "--as-of", day], 0, &[]);
            assert_eq!(run.code, i32::from(exit::USAGE), "{}", run.stderr);
            assert!(run.stderr.contains("kigen plan --as-of"), "{}", run.stderr);
        }
        assert_eq!(case.count("learner").await, 3);
        let words = ["plan", "--as-of", "2099-01-01", "--format", "json"];
        let plan = kigen(&case, &words, 0, &[]);
        assert_eq!(plan.code, 0, "{}", plan.stderr);
        assert_eq!(plan.json()["jobs"][0]["stages"][0]["due"]["records"], 2);
        // Today, and any day before, may be said.
        for day in ["2012-01-01", "2013-04-01", &today().to_string()] {
            let run = kigen(&case, &["run", "--as-of", day], 0, &[]);
            assert_eq!(run.code, 0, "{}", run.stderr);
        }
        assert_eq!(case.count("learner").await, 2);
        case.remove().await;
    }
}

#[tokio::test]
async fn without_the_guard_what_is_not_due_goes_and_verify_finds_it() {
    let Some(case) = Case::new(Engine::Sqlite, LEARNERS, JOB).await else {
        return;
    };
    let without = |guard: Guard| kigen(&case, &["run", "--as-of", "2099-01-01"], 0, &[guard]);
    without(Guard::DayHasCome);
    assert_eq!(case.count("learner").await, 1);
    let verify = case.scene.kigen(&["verify"]);
    assert_eq!(verify.code, i32::from(exit::DOES_NOT_HOLD));
    assert!(
        verify.stdout.contains("it decided for 2099-01-01"),
        "{}",
        verify.stdout
    );
}

#[tokio::test]
async fn a_clock_that_contradicts_another_refuses_the_run() {
    for engine in Engine::ALL {
        let Some(case) = Case::new(engine, LEARNERS, JOB).await else {
            continue;
        };
        // A SQLite store has no clock: the ledger's last entry says what it can.
        for days_ahead in [4 * 366, 140, -1] {
            let run = kigen(&case, &["run"], days_ahead, &[]);
            assert_eq!(run.code, i32::from(exit::CLOCK_DIFFERS), "{}", run.stderr);
            assert!(
                run.stderr.contains("this machine's clock"),
                "{}",
                run.stderr
            );
        }
        if engine == Engine::Postgres {
            let run = kigen(&case, &["run"], 1, &[]);
            assert_eq!(run.code, i32::from(exit::CLOCK_DIFFERS), "{}", run.stderr);
        }
        assert_eq!(case.count("learner").await, 3);
        assert!(!case.scene.path("certificates").exists());
        let run = kigen(&case, &["run"], 0, &[]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert_eq!(case.count("learner").await, 2);
        case.remove().await;
    }
}

#[tokio::test]
async fn without_the_guard_a_clock_that_is_years_ahead_removes_what_is_not_due() {
    for engine in Engine::ALL {
        let Some(case) = Case::new(engine, LEARNERS, JOB).await else {
            continue;
        };
        let without = |guard: Guard| kigen(&case, &["run"], 6 * 366, &[guard]);
        without(Guard::ClocksAgree);
        assert_eq!(case.count("learner").await, 1);
        case.remove().await;
    }
}

#[tokio::test]
async fn who_says_todays_date_goes_on_after_a_long_silence_but_not_against_a_server() {
    for engine in Engine::ALL {
        let Some(case) = Case::new(engine, LEARNERS, JOB).await else {
            continue;
        };
        let day = today().saturating_add(100.days()).to_string();
        let run = kigen(&case, &["run", "--as-of", &day], 100, &[]);
        let refused = i32::from(exit::CLOCK_DIFFERS);
        let code = match engine {
            Engine::Sqlite => 0,
            Engine::Postgres => refused,
        };
        assert_eq!(run.code, code, "{}", run.stderr);
        // What is due on an earlier day does not hang on the clock.
        let run = kigen(&case, &["run", "--as-of", "2026-01-01"], 300, &[]);
        assert_eq!(run.code, code, "{}", run.stderr);
        case.remove().await;
    }
}

#[tokio::test]
async fn the_day_of_each_job_is_the_day_of_its_own_zone() {
    let Some(case) = Case::new(Engine::Sqlite, LEARNERS, JOB).await else {
        return;
    };
    // 25 hours apart: on no moment do both have the same day.
    let tables =
        "create table essay (learner_id bigint not null primary key, name text, ended_on date)";
    case.scene.database.execute(tables).await;
    let east = JOB.replace("Asia/Tokyo", "Pacific/Kiritimati");
    let west = JOB
        .replace("Asia/Tokyo", "Pacific/Pago_Pago")
        .replace("cluster = \"learner\"", "cluster = \"west\"")
        .replace("table = \"learner\"", "table = \"essay\"");
    case.scene.write("jobs/learner.toml", &east);
    case.scene.write("jobs/west.toml", &west);
    for words in [["plan", "--format", "json"], ["run", "--format", "json"]] {
        let answer = kigen(&case, &words, 0, &[]);
        assert_eq!(answer.code, 0, "{}", answer.stderr);
        let said = answer.json();
        let day = |job: usize| -> Date {
            let day = said["jobs"][job]["as_of"].as_str().unwrap();
            day.parse().unwrap()
        };
        assert!(day(0) > day(1), "{said}");
        assert_eq!(said["as_of"], day(1).to_string());
    }
    // In its own zone the certificate's day is not after its run.
    let verify = case.scene.kigen(&["verify"]);
    assert_eq!(verify.code, 0, "{}", verify.stdout);
}
