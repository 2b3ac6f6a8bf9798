//! K6: what is no date of an event starts no period: zeros, sentinels, other units, other calendars, and
//! moments of another zone.

use kigen::guard::Guard;

use super::{Case, JOB};
use crate::scene::Engine;

/// A column that holds starting points, how the job reads it, and values of both sides.
struct Column {
    engine: Engine,
    sql_type: &'static str,
    format: &'static str,
    /// Starting points: their records are due.
    days: &'static [&'static str],
    /// None: their records stay, and `plan` says why.
    others: &'static [(&'static str, &'static str)],
}

const SECONDS: &str = "starts-at-format = \"unix-seconds\"";
const TOKYO: &str = "starts-at-zone = \"Asia/Tokyo\"";

/// Seconds since 1970, and what other units and zeros make of them.
const NUMBERS: &[(&str, &str)] = &[
    ("0", "not-believed"),
    ("-1", "not-believed"),
    ("1", "not-believed"),
    ("-2082844800", "not-believed"),
    // Days, minutes, and the digits of a date; seconds since 2001.
    ("18262", "not-believed"),
    ("26297280", "not-believed"),
    ("20200131", "not-believed"),
    ("602208000", "not-believed"),
    // Milliseconds, microseconds, the digits of a moment.
    ("1580428800000", "unreadable"),
    ("1580428800000000", "unreadable"),
    ("20200131000000", "unreadable"),
    ("null", "missing"),
];

const COLUMNS: &[Column] = &[
    Column {
        engine: Engine::Sqlite,
        sql_type: "integer",
        format: SECONDS,
        days: &["1269990000", "788918400"],
        others: NUMBERS,
    },
    Column {
        engine: Engine::Postgres,
        sql_type: "bigint",
        format: SECONDS,
        days: &["1269990000", "788918400"],
        others: NUMBERS,
    },
    Column {
        engine: Engine::Postgres,
        sql_type: "date",
        format: "",
        days: &["'2010-03-31'", "'1995-01-01'", "'2012-02-29'"],
        others: &[
            ("'1994-12-31'", "not-believed"),
            ("'1970-01-01'", "not-believed"),
            ("'1900-01-01'", "not-believed"),
            ("'1899-12-30'", "not-believed"),
            ("'1753-01-01'", "not-believed"),
            // The years of Minguo and Reiwa.
            ("'0109-01-31'", "not-believed"),
            ("'0006-01-31'", "not-believed"),
            ("'0001-01-01'", "unreadable"),
            ("'0044-03-15 BC'", "unreadable"),
            ("'-infinity'", "unreadable"),
            ("'infinity'", "unreadable"),
        ],
    },
    Column {
        engine: Engine::Postgres,
        sql_type: "timestamptz",
        format: "",
        days: &[
            "'2010-03-31 23:59:59.999999+09'",
            "'1994-12-31 15:00:00+00'",
        ],
        others: &[
            ("'1994-12-31 14:59:59+00'", "not-believed"),
            ("'1970-01-01 00:00:00+00'", "not-believed"),
            ("'1980-01-06 00:00:00+00'", "not-believed"),
            ("'-infinity'", "unreadable"),
        ],
    },
    Column {
        engine: Engine::Sqlite,
        sql_type: "text",
        format: "",
        days: &["'2010-03-31'"],
        others: &[
            ("'1970-01-01'", "not-believed"),
            ("'0006-03-31'", "not-believed"),
            ("'2010/03/31'", "unreadable"),
            ("'2010-02-30'", "unreadable"),
            ("'20100331'", "unreadable"),
            ("'平成22年3月31日'", "unreadable"),
            ("'H22.03.31'", "unreadable"),
            ("'0000-00-00'", "unreadable"),
            ("''", "unreadable"),
            ("'NULL'", "unreadable"),
            ("'2010-03-31T00:00:00Z'", "unreadable"),
            ("null", "missing"),
        ],
    },
    Column {
        engine: Engine::Sqlite,
        sql_type: "text",
        format: TOKYO,
        days: &[
            "'2010-03-31 12:00:00'",
            "'2010-03-31T12:00:00.25'",
            "'2010-03-31T00:00:00Z'",
            "'2010-03-31T23:30:00+09:00'",
            "'1994-12-31T15:00:00Z'",
        ],
        others: &[
            ("'2010-03-31T15:30:00+0900'", "unreadable"),
            ("'2010-03-31T15:30:00 Z'", "unreadable"),
            ("'1994-12-31T14:59:59Z'", "not-believed"),
            ("'2010-03-31 24:00:00'", "unreadable"),
            ("'2010-03-31 12:00:00 JST'", "unreadable"),
            ("'1970-01-01 09:00:00'", "not-believed"),
        ],
    },
];

impl Column {
    async fn case(&self, more: &str) -> Option<Case> {
        let all = self.others.iter().map(|(value, _)| value);
        let all: Vec<&str> = self.days.iter().chain(all).copied().collect();
        let rows = all.iter().enumerate().map(|(id, value)| {
            let due = id < self.days.len();
            format!("({id}, '{}', {value})", if due { "due" } else { "kept" })
        });
        let rows: Vec<String> = rows.collect();
        let sql = format!(
            "create table learner (learner_id bigint not null primary key, name text, ended_on {});
             insert into learner values {};",
            self.sql_type,
            rows.join(", ")
        );
        let job = JOB.replace(
            "starts-at = \"ended_on\"",
            &format!("starts-at = \"ended_on\"\n{}\n{more}", self.format),
        );
        Case::new(self.engine, &sql, &job).await
    }
}

#[tokio::test]
async fn what_is_no_day_of_an_event_keeps_its_record_and_plan_says_why() {
    for column in COLUMNS {
        let Some(case) = column.case("").await else {
            continue;
        };
        let plan = case.scene.on_the_day(&["plan", "--format", "json"]).json();
        let stage = &plan["jobs"][0]["stages"][0];
        let what = format!("{:?} {} {stage}", column.engine, column.sql_type);
        assert_eq!(stage["due"]["records"], column.days.len(), "{what}");
        assert_eq!(
            stage["retained"]["undatable"],
            column.others.len(),
            "{what}"
        );
        for why in ["missing", "unreadable", "not-believed"] {
            let expected = column.others.iter().filter(|(_, is)| *is == why).count();
            let said = stage["undatable"][why].as_u64().unwrap_or(0);
            assert_eq!(said, expected as u64, "{why}: {what}");
        }
        assert_eq!(case.run().code, 0);
        let due = "learner where name = 'due'";
        let kept = "learner where name = 'kept'";
        assert_eq!(case.count(due).await, 0, "{what}");
        assert_eq!(case.count(kept).await, column.others.len() as i64, "{what}");
        case.remove().await;
    }
}

#[tokio::test]
async fn without_the_guard_a_zero_is_1970_and_its_record_goes() {
    for column in COLUMNS.iter().filter(|column| column.format == SECONDS) {
        let Some(case) = column.case("").await else {
            continue;
        };
        case.run_without(&[Guard::BelievableDay]);
        let zero = "learner where ended_on = 0";
        assert_eq!(case.count(zero).await, 0, "{:?}", column.engine);
        case.remove().await;
    }
}

#[tokio::test]
async fn a_job_that_keeps_older_records_says_so_and_one_that_knows_better_believes_less() {
    let dates = &COLUMNS[2];
    let Some(case) = dates.case("earliest = \"1899-12-31\"").await else {
        return;
    };
    case.run();
    assert_eq!(case.count("learner where ended_on = '1900-01-01'").await, 0);
    assert_eq!(case.count("learner where ended_on = '1899-12-30'").await, 1);
    case.remove().await;
    let Some(case) = dates.case("earliest = \"2011-01-01\"").await else {
        return;
    };
    case.run();
    assert_eq!(case.count("learner where ended_on = '2010-03-31'").await, 1);
    assert_eq!(case.count("learner where ended_on = '2012-02-29'").await, 0);
    case.remove().await;
}

#[tokio::test]
async fn no_job_can_have_a_zero_of_seconds_believed() {
    let Some(case) = COLUMNS[0].case("earliest = \"1970-01-01\"").await else {
        return;
    };
    let answer = case.check();
    assert_eq!(answer.code, i32::from(kigen::exit::JOBS_INVALID));
    assert!(answer.stderr.contains("1971-01-01"), "{}", answer.stderr);
}

#[tokio::test]
async fn explain_says_that_a_day_is_not_believed() {
    let Some(case) = COLUMNS[0].case("").await else {
        return;
    };
    let answer = case.scene.on_the_day(&["explain", "learner", "2"]);
    let said = "1970-01-01 is before 1995-01-01, the first day that is believed";
    assert!(answer.stdout.contains(said), "{}", answer.stdout);
}

/// 130 of 400 learners ended on the zero day of PostgreSQL's clock.
#[tokio::test]
async fn a_day_on_which_an_improbable_share_starts_is_shown() {
    for engine in Engine::ALL {
        let rows = (0..400).map(|id| {
            let day = jiff::civil::date(2020, 1, 1) + jiff::Span::new().days(id % 270);
            match id {
                0..130 => format!("({id}, 'PERSON', '2000-01-01')"),
                _ => format!("({id}, 'PERSON', '{day}')"),
            }
        });
        let rows: Vec<String> = rows.collect();
        let sql = format!(
            "create table learner (learner_id bigint not null primary key, name text, ended_on date);
             insert into learner values {};",
            rows.join(", ")
        );
        let Some(case) = Case::new(engine, &sql, JOB).await else {
            continue;
        };
        let said = "130 of 400 records start on 2000-01-01 (`ended_on`)";
        for answer in [case.check(), case.scene.on_the_day(&["plan"])] {
            assert_eq!(answer.code, 0, "{}", answer.stderr);
            assert!(answer.stdout.contains(said), "{}", answer.stdout);
        }
        case.remove().await;
    }
}

/// A trigger sets the day of the last change, from which the job counts.
fn touched(engine: Engine) -> String {
    let trigger = match engine {
        Engine::Sqlite => {
            "create trigger touch after update on learner begin
             update learner set ended_on = '2026-04-01' where learner_id = new.learner_id and ended_on <> '2026-04-01'; end;"
        }
        Engine::Postgres => {
            "create function touch() returns trigger language plpgsql as 'begin new.ended_on = ''2026-04-01''; return new; end';
             create trigger touch before update on learner for each row execute function touch();"
        }
    };
    format!(
        "create table learner (learner_id bigint not null primary key, name text, ended_on date);
         insert into learner values (1, 'PERSON', '2024-03-31');
         {trigger}"
    )
}

#[tokio::test]
async fn a_stage_that_would_move_the_start_of_the_next_one_changes_nothing() {
    for engine in Engine::ALL {
        let Some(case) = Case::new(engine, &touched(engine), &super::two_stages()).await else {
            continue;
        };
        // The comparison of the schema knows the trigger already.
        let answer = case.run_without(&[Guard::TriggersAreDeclared]);
        assert_ne!(answer.code, 0, "{engine:?}");
        let said = "moves `ended_on`, from which a period runs";
        assert!(
            answer.stdout.contains(said),
            "{}{}",
            answer.stdout,
            answer.stderr
        );
        assert_eq!(case.count("learner where ended_on = '2024-03-31'").await, 1);
        case.run_without(&[
            Guard::DaysStay,
            Guard::TriggersAreDeclared,
            Guard::EffectsAreCounted,
        ]);
        assert_eq!(case.count("learner where ended_on = '2024-03-31'").await, 0);
        case.remove().await;
    }
}

/// The learners of [`COLUMNS`]' days, with examples that begin on `start` and expect what they should.
fn examples_begin_on(start: &str, last_day_kept: &str, first_day_due: &str) -> String {
    JOB.replace(
        "service = \"2023-03-31\"",
        &format!("service = \"{start}\""),
    )
    .replace(
        "as-of = \"2026-03-31\"",
        &format!("as-of = \"{last_day_kept}\""),
    )
    .replace(
        "as-of = \"2026-04-01\"",
        &format!("as-of = \"{first_day_due}\""),
    )
}

#[tokio::test]
async fn an_example_that_begins_earlier_says_that_such_days_are_believed() {
    let rows = "create table learner (learner_id bigint not null primary key, name text, ended_on date);
        insert into learner values (1, 'PERSON', '1980-01-06'), (2, 'PERSON', '1976-03-31'), (3, 'PERSON', '1970-01-01');";
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let job = examples_begin_on("1976-03-31", "1979-03-31", "1979-04-01");
        let Some(case) = Case::new(engine, rows, &job).await else {
            continue;
        };
        let run = case.run();
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert_eq!(case.count("learner").await, 1, "{engine:?}");
        assert_eq!(case.count("learner where learner_id = 3").await, 1);
        case.remove().await;
    }
    // Not of a column of seconds, where small numbers fall into 1970.
    let rows =
        "create table learner (learner_id bigint not null primary key, name text, ended_on bigint);
        insert into learner values (1, 'PERSON', 0), (2, 'PERSON', 86400);";
    let job = examples_begin_on("1970-01-02", "1973-01-02", "1973-01-03").replace(
        "starts-at = \"ended_on\"",
        &format!("starts-at = \"ended_on\"\n{SECONDS}"),
    );
    let Some(case) = Case::new(Engine::Sqlite, rows, &job).await else {
        return;
    };
    assert_eq!(case.run().code, i32::from(kigen::exit::JOBS_INVALID));
    assert_eq!(case.count("learner").await, 2);
}
