//! K5: nothing of a suspended job goes, by no way, and one suspended job stops nobody else.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use kigen::exit;
use kigen::guard::Guard;

use super::{Case, JOB, LEARNERS};
use crate::scene::{AS_OF, Answer, Engine};

/// Ten learners and one essay, all due.
const TWO_TABLES: &str = "
create table learner (learner_id bigint not null primary key, name text, ended_on date);
insert into learner values (1, 'PERSON', '2010-03-31'), (2, 'PERSON', '2010-03-31'), (3, 'PERSON', '2010-03-31'),
  (4, 'PERSON', '2010-03-31'), (5, 'PERSON', '2010-03-31'), (6, 'PERSON', '2010-03-31');
create table essay (essay_id bigint not null primary key, learner_id bigint, text text, ended_on date);
insert into essay values (10, 1, 'PERSON', '2010-03-31');
";

/// A job of another table, which comes after `learner`.
fn essay() -> String {
    JOB.replace("cluster = \"learner\"", "cluster = \"z-essay\"")
        .replace("table = \"learner\"", "table = \"essay\"")
        .replace("key = [\"learner_id\"]", "key = [\"essay_id\"]")
        .replace("direct-identifier = [\"name\"]", "free-text = [\"text\"]")
        .replace(
            "quasi-identifier = [\"learner_id\", \"ended_on\"]",
            "quasi-identifier = [\"learner_id\", \"ended_on\"]\nnot-personal = [\"essay_id\"]",
        )
}

/// Learners in batches of two, and what becomes of the essays that name them.
fn learner(on_dispose: &str) -> String {
    let job = JOB.replace("batch-size = 100", "batch-size = 2");
    let further = match on_dispose {
        "" => return job,
        "goes-with" => {
            "key = [\"essay_id\"]\n[reference.columns]\nfree-text = [\"text\"]\nquasi-identifier = [\"learner_id\", \"ended_on\"]\nnot-personal = [\"essay_id\"]\n"
        }
        _ => "",
    };
    let reference = format!(
        "[[reference]]\ntable = \"essay\"\non = {{ learner_id = \"learner_id\" }}\non-dispose = \"{on_dispose}\"\n{further}\n[[stage]]\nname"
    );
    job.replace("[[stage]]\nname", &reference)
}

async fn two_jobs(engine: Engine, on_dispose: &str) -> Option<Case> {
    let case = Case::new(engine, TWO_TABLES, &learner(on_dispose)).await?;
    case.scene.write("jobs/z-essay.toml", &essay());
    Some(case)
}

fn suspend(case: &Case, job: &str) {
    let words = ["suspend", "--job", job, "--reason", "legal-hold"];
    let answer = case.scene.kigen(&words);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
}

/// Waits until the program has frozen itself.
fn wait_until_frozen(program: &Child) {
    let begun = Instant::now();
    let stat = format!("/proc/{}/stat", program.id());
    let is_frozen = || {
        let stat = std::fs::read_to_string(&stat).unwrap_or_default();
        stat.rsplit_once(") ")
            .is_some_and(|(_, rest)| rest.starts_with('T'))
    };
    while !is_frozen() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "it did not freeze"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// So many learners that PostgreSQL has them in several blocks, and so in several batches.
async fn many_learners(case: &Case) {
    let more = "insert into learner with recursive n (i) as (select 7 union all select i + 1 from n where i < 600) \
                select i, null, '2010-03-31' from n";
    case.scene.database.execute(more).await;
}

/// A run that is frozen after its first batch; `learner` is suspended before it goes on.
fn run_that_is_suspended(case: &Case, without: &str) -> Answer {
    let words = ["--as-of", AS_OF, "--format", "json", "run", "--log", "warn"];
    let mut command = case.scene.command(&words);
    command
        .env("KIGEN_STOP_AT", "batch.after-commit:1")
        .env("KIGEN_WITHOUT_GUARD", without);
    let program = command.spawn().unwrap();
    wait_until_frozen(&program);
    suspend(case, "learner");
    let woken = Command::new("kill")
        .args(["-CONT", &program.id().to_string()])
        .status();
    assert!(woken.unwrap().success());
    Answer::of(&program.wait_with_output().unwrap())
}

#[tokio::test]
async fn a_job_that_is_suspended_while_it_runs_stops_at_its_next_batch_and_the_others_go_on() {
    for engine in Engine::ALL {
        let Some(case) = two_jobs(engine, "").await else {
            continue;
        };
        many_learners(&case).await;
        let run = run_that_is_suspended(&case, "");
        assert_eq!(run.code, i32::from(exit::SUSPENDED), "{}", run.stderr);
        let said = run.json();
        assert_eq!(said["stopped"], false);
        assert_eq!(said["jobs"][0]["suspended"]["reason"], "legal-hold");
        assert_eq!(said["jobs"][1]["suspended"], serde_json::Value::Null);
        let gone = said["jobs"][0]["stages"][0]["disposed"].as_i64().unwrap();
        let left = case.count("learner").await;
        assert!(left > 0 && gone + left == 600, "{gone} gone, {left} left");
        assert_eq!(case.count("essay").await, 0);
        // What went is certified, and the next run leaves the job alone.
        assert_eq!(said["certificates"].as_array().unwrap().len(), 1);
        let next = case.run();
        assert_eq!(next.code, i32::from(exit::SUSPENDED));
        assert!(
            next.stdout.contains("kigen resume --job learner"),
            "{}",
            next.stdout
        );
        assert_eq!(case.count("learner").await, left);
        case.remove().await;
    }
}

#[tokio::test]
async fn without_the_guard_a_job_that_is_suspended_while_it_runs_goes_on() {
    let Some(case) = two_jobs(Engine::Sqlite, "").await else {
        return;
    };
    many_learners(&case).await;
    let without = |guard: Guard| run_that_is_suspended(&case, guard.name());
    without(Guard::SuspensionAtEachBatch);
    assert_eq!(case.count("learner").await, 0);
}

#[tokio::test]
async fn a_table_that_has_a_rule_of_its_own_does_not_go_with_another_record() {
    for table in ["essay", "main.essay", "Essay"] {
        let Some(case) = two_jobs(Engine::Sqlite, "goes-with").await else {
            return;
        };
        let names = format!("table = \"{table}\"\non");
        case.scene
            .edit("jobs/learner.toml", "table = \"essay\"\non", &names);
        for words in [&["check"][..], &["run"], &["plan"]] {
            let answer = case.scene.on_the_day(words);
            assert_eq!(answer.code, i32::from(exit::JOBS_INVALID), "{table}");
            assert!(answer.stderr.contains("z-essay"), "{}", answer.stderr);
        }
        assert_eq!(case.count("essay").await, 1);
    }
}

#[tokio::test]
async fn one_database_has_one_name() {
    let Some(case) = two_jobs(Engine::Sqlite, "").await else {
        return;
    };
    // Under another name nobody would see that the tables have a rule each.
    case.scene.edit(
        "kigen.toml",
        "[keyring]",
        "[stores.other]\nkind = \"sqlite\"\nurl = \"sqlite://store.db\"\n\n[keyring]",
    );
    assert_eq!(case.scene.kigen(&["check"]).code, 0);
    case.scene
        .edit("jobs/z-essay.toml", "name = \"school\"", "name = \"other\"");
    let check = case.scene.kigen(&["check"]);
    assert_eq!(check.code, i32::from(exit::JOBS_INVALID));
    assert!(
        check.stderr.contains("are one database"),
        "{}",
        check.stderr
    );
}

#[tokio::test]
async fn without_the_guards_the_rows_of_a_suspended_job_go_with_another_record() {
    for engine in Engine::ALL {
        let Some(case) = two_jobs(engine, "goes-with").await else {
            continue;
        };
        // Suspended as long as the jobs were right.
        case.scene.write("jobs/learner.toml", &learner(""));
        suspend(&case, "z-essay");
        case.scene.write("jobs/learner.toml", &learner("goes-with"));
        // The second guard holds alone.
        let run = case.run_without(&[Guard::OneRuleForOneTable]);
        assert_eq!(run.code, i32::from(exit::SUSPENDED), "{}", run.stdout);
        assert_eq!(
            (case.count("learner").await, case.count("essay").await),
            (6, 1)
        );
        case.run_without(&[Guard::OneRuleForOneTable, Guard::SuspensionCoversTables]);
        assert_eq!(case.count("essay").await, 0);
        case.remove().await;
    }
}

#[tokio::test]
async fn rows_of_a_suspended_job_are_not_unlinked_by_another() {
    for engine in Engine::ALL {
        let Some(case) = two_jobs(engine, "unlink").await else {
            continue;
        };
        suspend(&case, "z-essay");
        let linked = "select count(*) from essay where learner_id is not null";
        let run = case.run();
        assert_eq!(run.code, i32::from(exit::SUSPENDED), "{}", run.stderr);
        assert!(
            run.stdout.contains("rows of z-essay, which is suspended"),
            "{}",
            run.stdout
        );
        assert_eq!(case.scene.database.number(linked).await, 1);
        assert_eq!(case.count("learner").await, 6);
        case.run_without(&[Guard::SuspensionCoversTables]);
        assert_eq!(case.scene.database.number(linked).await, 0);
        case.remove().await;
    }
}

/// Learners that each name a scan, and essays; a run was killed when it had announced what it would
/// remove of the learners.
async fn killed_with_intents(engine: Engine) -> Option<Case> {
    let sql = TWO_TABLES.replace(
        "create table learner (",
        "create table learner (scan text, ",
    );
    let sql = sql.replace(
        "insert into learner values",
        "insert into learner (learner_id, name, ended_on) values",
    );
    let job = JOB
        .replace(
            "[columns]",
            "[[object]]\nstore = \"scans\"\nkey-column = \"scan\"\n\n[columns]",
        )
        .replace(
            "direct-identifier = [\"name\"]",
            "direct-identifier = [\"name\", \"scan\"]",
        );
    let case = Case::new(engine, &sql, &job).await?;
    let mark = "update learner set scan = 'scan-' || learner_id || '.pdf'";
    case.scene.database.execute(mark).await;
    std::fs::create_dir(case.scene.path("scans")).unwrap();
    for learner in 1..=6 {
        case.scene
            .write(&format!("scans/scan-{learner}.pdf"), "scan");
    }
    case.scene.edit(
        "kigen.toml",
        "[keyring]",
        "[objects.scans]\nkind = \"folder\"\nfolder = \"scans\"\n\n[keyring]",
    );
    case.scene.write("jobs/z-essay.toml", &essay());
    let words = ["--as-of", AS_OF, "run", "--job", "learner"];
    let mut command = case.scene.command(&words);
    command.env("KIGEN_KILL_AT", "intent.after-intend");
    assert!(!command.output().unwrap().status.success());
    Some(case)
}

fn scans(case: &Case) -> usize {
    std::fs::read_dir(case.scene.path("scans")).unwrap().count()
}

#[tokio::test]
async fn what_a_killed_run_had_announced_of_a_suspended_job_waits_until_it_is_resumed() {
    for engine in Engine::ALL {
        let Some(case) = killed_with_intents(engine).await else {
            continue;
        };
        suspend(&case, "learner");
        // Twice: it waits for as many nights as the suspension lasts.
        for essays in [1, 0] {
            let words = ["--format", "json", "run", "--job", "z-essay"];
            let run = case.scene.on_the_day(&words);
            assert_eq!(run.code, i32::from(exit::SUSPENDED), "{}", run.stdout);
            let said = run.json();
            let waits = said["recovered"][0]["error"].as_str().unwrap();
            assert!(waits.contains("6 intents of job `learner`"), "{waits}");
            assert!(waits.contains("kigen resume --job learner"), "{waits}");
            assert_eq!(said["certificates"].as_array().unwrap().len(), essays);
            assert_eq!((case.count("learner").await, scans(&case)), (6, 6));
        }
        assert_eq!(case.count("essay").await, 0);
        assert_eq!(case.scene.kigen(&["resume", "--job", "learner"]).code, 0);
        let run = case.run();
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        assert_eq!((case.count("learner").await, scans(&case)), (0, 0));
        assert_eq!(case.scene.kigen(&["verify"]).code, 0);
        case.remove().await;
    }
}

#[tokio::test]
async fn without_the_guards_what_a_suspended_job_had_announced_is_finished() {
    let Some(case) = killed_with_intents(Engine::Sqlite).await else {
        return;
    };
    suspend(&case, "learner");
    let all = [Guard::IntentsOfSuspendedWait, Guard::SuspensionAtEachBatch];
    let names: Vec<&str> = all.iter().map(|guard| guard.name()).collect();
    let words = ["--as-of", AS_OF, "run", "--job", "z-essay"];
    let mut command = case.scene.command(&words);
    let without = |_: Guard| names.join(",");
    command.env(
        "KIGEN_WITHOUT_GUARD",
        without(Guard::IntentsOfSuspendedWait),
    );
    case.scene.finish(&mut command);
    assert_eq!((case.count("learner").await, scans(&case)), (0, 0));
}

#[tokio::test]
async fn a_job_whose_file_is_gone_holds_up_nobody_and_is_named_with_what_releases_it() {
    for engine in Engine::ALL {
        let Some(case) = killed_with_intents(engine).await else {
            continue;
        };
        let file = case.scene.path("jobs/learner.toml");
        let job = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        let run = case.run();
        assert_eq!(run.code, i32::from(exit::JOB_MISSING), "{}", run.stdout);
        for word in ["6 intents of job `learner`", "put its file back"] {
            assert!(run.stdout.contains(word), "{}", run.stdout);
        }
        // Everything else is done and certified.
        assert_eq!(case.count("essay").await, 0);
        assert!(run.stdout.contains("certificate "), "{}", run.stdout);
        assert_eq!((case.count("learner").await, scans(&case)), (6, 6));
        std::fs::write(&file, job).unwrap();
        let run = case.run();
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        assert_eq!((case.count("learner").await, scans(&case)), (0, 0));
        case.remove().await;
    }
}

#[tokio::test]
async fn reconcile_removes_nothing_of_a_suspended_job_again() {
    for engine in Engine::ALL {
        let Some(case) = Case::new(engine, LEARNERS, JOB).await else {
            continue;
        };
        case.scene.database.back_up().await;
        let before = jiff::Timestamp::now().to_string();
        assert_eq!(case.run().code, 0);
        case.scene.database.restore().await;
        suspend(&case, "learner");
        let words = [
            "reconcile",
            "--store",
            "school",
            "--backup-time",
            &before,
            "--apply",
        ];
        let applied = case.scene.on_the_day(&words);
        assert_eq!(
            applied.code,
            i32::from(exit::SUSPENDED),
            "{}",
            applied.stdout
        );
        assert_eq!(case.count("learner").await, 3);
        case.remove().await;
    }
}
