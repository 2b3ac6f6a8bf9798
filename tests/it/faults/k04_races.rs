//! K4: what is committed while a batch waits for its locks, or before it has asked again under them,
//! keeps its record; what hangs on a record by then goes with it, with a leaf of its own.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use kigen::exit;
use kigen::guard::Guard;
use sqlx::{Connection, PgConnection};

use super::{Case, JOB, LEARNERS};
use crate::scene::{Answer, Engine};

const PATIENCE: Duration = Duration::from_secs(60);

/// No foreign key: an application that takes no lock is the worst that can come.
const ATTEMPTS: &str = "
create table attempt (attempt_id bigint not null primary key, learner_id bigint);
create index attempt_learner on attempt (learner_id);
";

const BLOCKS: &str = "
[[reference]]
table = \"attempt\"
on = { learner_id = \"learner_id\" }
on-dispose = \"blocks\"
";

const GOES_WITH: &str = "
[[reference]]
table = \"contact\"
on = { learner_id = \"learner_id\" }
on-dispose = \"goes-with\"
key = [\"contact_id\"]
[reference.columns]
direct-identifier = [\"phone\"]
quasi-identifier = [\"contact_id\", \"learner_id\"]
";

const CONTACTS: &str = "
create table contact (contact_id bigint not null primary key, learner_id bigint not null references learner (learner_id), phone text);
create index contact_learner on contact (learner_id);
insert into contact values (1, 1, 'PERSON'), (2, 2, 'PERSON');
";

/// Starts a run that stops with the rows of its first batch locked; `without` a guard if one is named.
fn run_to_its_locks(case: &Case, without: Option<Guard>) -> Child {
    let arguments = ["run", "--as-of", crate::scene::AS_OF, "--log", "error"];
    let mut command = case.scene.command(&arguments);
    command.env("KIGEN_STOP_AT", "batch.after-lock");
    if let Some(guard) = without {
        command.env("KIGEN_WITHOUT_GUARD", guard.name());
    }
    let child = command.spawn().unwrap();
    let begun = Instant::now();
    let status = format!("/proc/{}/status", child.id());
    while !std::fs::read_to_string(&status)
        .unwrap()
        .contains("State:\tT")
    {
        assert!(begun.elapsed() < PATIENCE, "it came to no lock");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

fn without(guard: Guard) -> Option<Guard> {
    Some(guard)
}

fn wake(case: &Case, child: Child) -> Answer {
    let sent = Command::new("kill")
        .args(["-CONT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
    let answer = Answer::of(&child.wait_with_output().unwrap());
    case.scene.shows_no_secret(&answer);
    answer
}

/// Puts `more` before the first stage of `job`.
fn with(job: &str, more: &str) -> String {
    job.replacen("[[stage]]\nname", &format!("{more}\n[[stage]]\nname"), 1)
}

/// Masks the name after a year; deletes after 30.
fn pseudonymizing() -> String {
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
strategy = \"null\"

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

/// Each way in which a batch removes its records: tables and job.
fn ways() -> [(&'static str, String, String); 3] {
    let tables = format!("{LEARNERS}{ATTEMPTS}");
    let both = BLOCKS.replace("\"blocks\"", "\"blocks\"\nstages = [\"mask\", \"delete\"]");
    [
        ("delete", tables.clone(), with(JOB, BLOCKS)),
        (
            "delete with rows that go with the record",
            format!("{tables}{CONTACTS}"),
            with(&with(JOB, BLOCKS), GOES_WITH),
        ),
        ("pseudonymize", tables, with(&pseudonymizing(), &both)),
    ]
}

/// The due learners that are as they were.
async fn untouched(case: &Case) -> i64 {
    let sql = "select count(*) from learner where learner_id in (1, 2) and name is not null";
    case.scene.database.number(sql).await
}

/// A row that blocks learner 1, by an application that takes no lock.
const LATE: &str = "insert into attempt values (100, 1)";

#[tokio::test]
async fn a_blocking_row_that_comes_after_the_lock_keeps_its_record() {
    for (way, sql, job) in ways() {
        let Some(case) = Case::new(Engine::Postgres, &sql, &job).await else {
            return;
        };
        let child = run_to_its_locks(&case, None);
        case.scene.database.execute(LATE).await;
        let answer = wake(&case, child);
        assert_eq!(
            answer.code,
            i32::from(exit::DONE),
            "{way}: {}",
            answer.stderr
        );
        assert_eq!(untouched(&case).await, 1, "{way}");
        case.remove().await;
    }
}

#[tokio::test]
async fn without_the_guard_a_record_goes_although_a_row_blocks_it() {
    // A plain deletion locks and removes in one statement; the next test has it wait.
    for (way, sql, job) in ways().into_iter().skip(1) {
        let Some(case) = Case::new(Engine::Postgres, &sql, &job).await else {
            return;
        };
        let child = run_to_its_locks(&case, without(Guard::AskedAgainUnderLock));
        case.scene.database.execute(LATE).await;
        wake(&case, child);
        assert_eq!(untouched(&case).await, 0, "{way}");
        case.remove().await;
    }
}

/// Runs while another session holds the lock of learner 1 and adds a blocking row, which it commits.
async fn run_beside_a_session(case: &Case, guards: &[Guard]) {
    let mut other = PgConnection::connect(&case.scene.database.url())
        .await
        .unwrap();
    let begin = "begin; select 1 from learner where learner_id = 1 for share";
    sqlx::raw_sql(begin).execute(&mut other).await.unwrap();
    sqlx::raw_sql(LATE).execute(&mut other).await.unwrap();
    let commit = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        sqlx::raw_sql("commit").execute(&mut other).await.unwrap();
    });
    tokio::task::block_in_place(|| case.run_without(guards));
    commit.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocking_row_of_a_session_that_was_waited_for_keeps_its_record() {
    for (way, sql, job) in ways() {
        let Some(case) = Case::new(Engine::Postgres, &sql, &job).await else {
            return;
        };
        run_beside_a_session(&case, &[]).await;
        assert_eq!(untouched(&case).await, 1, "{way}");
        case.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_guard_a_plain_deletion_does_not_see_what_it_waited_for() {
    let [(way, sql, job), ..] = ways();
    let Some(case) = Case::new(Engine::Postgres, &sql, &job).await else {
        return;
    };
    run_beside_a_session(&case, &[Guard::AskedAgainUnderLock]).await;
    assert_eq!(untouched(&case).await, 0, "{way}");
    case.remove().await;
}

#[tokio::test]
async fn a_row_that_goes_with_the_record_and_comes_after_the_lock_has_its_leaf() {
    let tables = CONTACTS.replace(" references learner (learner_id)", "");
    let sql = format!("{LEARNERS}{tables}");
    let Some(case) = Case::new(Engine::Postgres, &sql, &with(JOB, GOES_WITH)).await else {
        return;
    };
    let child = run_to_its_locks(&case, None);
    case.scene
        .database
        .execute("insert into contact values (100, 1, 'late')")
        .await;
    let answer = wake(&case, child);
    assert_eq!(answer.code, i32::from(exit::DONE), "{}", answer.stderr);
    assert_eq!(case.count("contact").await, 0);
    assert_eq!(case.leaves(), 2 + 3, "records and contacts");
    case.remove().await;
}

#[tokio::test]
async fn a_joined_row_that_changes_after_the_lock_keeps_its_record() {
    let sql = format!(
        "{}create table contract (learner_id bigint not null primary key, ended_on date);
         insert into contract values (1, '2010-03-31'), (2, '2010-03-31'), (3, '2025-03-31');",
        LEARNERS
    );
    let join = "[[join]]\nname = \"contract\"\ntable = \"contract\"\non = { learner_id = \"learner_id\" }\n";
    let job = with(JOB, join).replace(
        "starts-at = \"ended_on\"",
        "starts-at = \"contract.ended_on\"",
    );
    let Some(case) = Case::new(Engine::Postgres, &sql, &job).await else {
        return;
    };
    let child = run_to_its_locks(&case, None);
    case.scene
        .database
        .execute("update contract set ended_on = '2099-03-31' where learner_id = 1")
        .await;
    wake(&case, child);
    assert_eq!(untouched(&case).await, 1);
    case.remove().await;
}
