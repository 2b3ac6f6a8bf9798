//! K13: every session sets and reads back what safety rests on, whatever server, database, role and
//! environment say; what stands between a session and its server is recognised.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kigen::database::postgres::{Server, SessionSettings};
use kigen::exit;
use kigen::guard::Guard;
use sqlx::Connection;
use tempfile::TempDir;
use url::Url;

use super::{Case, JOB, LEARNERS};
use crate::scene::Engine;

/// Makes `settings` the default of every session with the case's database.
async fn by_default(case: &Case, settings: &[(&str, &str)]) {
    let name = case.scene.database.name().to_owned();
    for (setting, value) in settings {
        let sql = format!("alter database {name} set {setting} = {value}");
        case.scene.database.execute(&sql).await;
    }
}

#[tokio::test]
async fn what_a_database_or_a_role_has_as_its_default_does_not_count() {
    let Some(case) = Case::new(Engine::Postgres, LEARNERS, JOB).await else {
        return;
    };
    let defaults = [
        ("synchronous_commit", "off", "on"),
        ("statement_timeout", "'20ms'", "0"),
        ("lock_timeout", "'1ms'", "2s"),
        ("idle_in_transaction_session_timeout", "0", "1min"),
        ("TimeZone", "'America/New_York'", "UTC"),
        ("DateStyle", "'SQL, DMY'", "ISO, MDY"),
        ("row_security", "on", "off"),
        ("standard_conforming_strings", "off", "on"),
        ("transform_null_equals", "on", "off"),
        ("default_transaction_read_only", "on", "off"),
        ("bytea_output", "'escape'", "hex"),
        (
            "search_path",
            "public, pg_catalog",
            "pg_catalog, public, pg_catalog",
        ),
    ];
    let settings: Vec<(&str, &str)> = defaults.map(|(name, value, _)| (name, value)).to_vec();
    by_default(&case, &settings).await;
    let settings = SessionSettings {
        read_only: false,
        lock_timeout: Duration::from_secs(2),
        statement_timeout: None,
        catalog_first: true,
    };
    let server = Server::at(&case.scene.database.url(), "kigen test", settings).unwrap();
    let mut session = server.check().await.unwrap();
    for (name, _, wanted) in defaults {
        let found: String = sqlx::query_scalar("select current_setting($1)")
            .bind(name)
            .fetch_one(&mut session)
            .await
            .unwrap();
        assert_eq!(found, wanted, "{name}");
    }
    session.close().await.unwrap();

    let run = case.run();
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert_eq!(
        case.scene
            .database
            .number("select count(*) from public.learner")
            .await,
        1
    );
    case.remove().await;
}

#[tokio::test]
async fn the_journal_is_migrated_whatever_the_defaults_of_its_sessions() {
    let Some(case) = Case::new(Engine::Postgres, LEARNERS, JOB).await else {
        return;
    };
    case.scene
        .database
        .execute("drop schema kigen cascade")
        .await;
    let defaults = [
        ("default_transaction_read_only", "on"),
        ("statement_timeout", "'1ms'"),
        ("standard_conforming_strings", "off"),
    ];
    by_default(&case, &defaults).await;
    let migrated = case.scene.kigen(&["journal", "migrate"]);
    assert_eq!(migrated.code, 0, "{}", migrated.stderr);
    let run = case.run();
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!((case.leaves(), case.count("learner").await), (2, 1));
    case.remove().await;
}

#[tokio::test]
async fn an_operator_of_another_schema_decides_nothing() {
    for operator in ["<", "<=", ">=", "="] {
        let Some(case) = Case::new(Engine::Postgres, LEARNERS, JOB).await else {
            return;
        };
        let lie = format!(
            "create schema lie;
             create function lie.always(date, date) returns boolean language sql immutable as 'select true';
             create operator lie.{operator} (leftarg = date, rightarg = date, function = lie.always);"
        );
        case.scene.database.execute(&lie).await;
        by_default(&case, &[("search_path", "lie, pg_catalog, public")]).await;
        let run = case.run();
        assert_eq!(run.code, 0, "{operator}: {}{}", run.stdout, run.stderr);
        let kept = "select learner_id from public.learner";
        assert_eq!(case.scene.database.number(kept).await, 3, "{operator}");
        case.remove().await;
    }
}

#[tokio::test]
async fn without_its_settings_a_session_is_what_the_database_makes_of_it() {
    let Some(case) = Case::new(Engine::Postgres, LEARNERS, JOB).await else {
        return;
    };
    by_default(&case, &[("default_transaction_read_only", "on")]).await;
    let run = case.run_without(&[Guard::SessionSettings]);
    assert_ne!(run.code, 0);
    assert_eq!(case.count("learner").await, 3);
    case.remove().await;
}

#[tokio::test]
async fn without_the_catalog_first_an_operator_of_another_schema_is_believed() {
    let Some(case) = Case::new(Engine::Postgres, LEARNERS, JOB).await else {
        return;
    };
    let lie = "create schema lie;
         create function lie.never(date, date) returns boolean language sql immutable as 'select false';
         create operator lie.< (leftarg = date, rightarg = date, function = lie.never);";
    case.scene.database.execute(lie).await;
    by_default(&case, &[("search_path", "lie, pg_catalog, public")]).await;
    case.run_without(&[Guard::CatalogFirst]);
    assert_eq!(
        case.count("public.learner").await,
        3,
        "what is due goes after all"
    );
    case.remove().await;
}

#[tokio::test]
async fn a_session_in_which_foreign_keys_do_not_hold_is_refused() {
    let Some(case) = Case::new(Engine::Postgres, LEARNERS, JOB).await else {
        return;
    };
    by_default(&case, &[("session_replication_role", "replica")]).await;
    case.assert_refused(
        "learner",
        exit::CONFIG_INVALID,
        &["session_replication_role"],
    )
    .await;
    case.remove().await;
}

/// The driver's variables could point a run at another table, login or server.
#[tokio::test]
async fn variables_that_the_driver_reads_do_not_count() {
    let Some(case) = Case::new(Engine::Postgres, LEARNERS, JOB).await else {
        return;
    };
    let other = "create schema other;
         create table other.learner (learner_id bigint primary key, name text, ended_on date);
         insert into other.learner values (50, 'x', '2010-03-31');";
    case.scene.database.execute(other).await;
    let mut command = case.scene.command(&["run", "--as-of", crate::scene::AS_OF]);
    command
        .env("PGOPTIONS", "-csearch_path=other,public")
        .env("PGSSLMODE", "verify-full")
        .env("PGHOST", "192.0.2.1");
    let run = case.scene.finish(&mut command);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert!(
        run.stderr
            .contains("PGHOST, PGOPTIONS, PGSSLMODE of the environment do not count"),
        "{}",
        run.stderr
    );
    assert_eq!(case.count("public.learner").await, 1);
    assert_eq!(case.count("other.learner").await, 1);
    case.remove().await;
}

#[tokio::test]
async fn without_the_guard_a_variable_of_the_driver_chooses_the_table() {
    let Some(case) = Case::new(Engine::Postgres, LEARNERS, JOB).await else {
        return;
    };
    let other = "create schema other;
         create table other.learner (learner_id bigint primary key, name text, ended_on date);
         insert into other.learner values (50, 'x', '2010-03-31');";
    case.scene.database.execute(other).await;
    let mut command = case.scene.command(&["run", "--as-of", crate::scene::AS_OF]);
    command
        .env("PGOPTIONS", "-csearch_path=other,public")
        .env("KIGEN_WITHOUT_GUARD", Guard::DriversVariables.name());
    case.scene.finish(&mut command);
    assert_eq!(case.count("other.learner").await, 0);
    case.remove().await;
}

/// A program of the server's kind, started as a user without rights and stopped with its guard.
struct Service {
    child: Child,
    _folder: TempDir,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// These programs refuse to run as root.
fn as_nobody(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args([
            "--reuid=nobody",
            "--regid=nogroup",
            "--clear-groups",
            program,
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

async fn wait_for(port: u16) {
    for _ in 0..100 {
        if tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .is_ok()
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("nothing listens on port {port}");
}

fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777)).unwrap();
}

/// A real PgBouncer before the case's database, and the URL through it.
async fn pooler(case: &Case, mode: &str, ignored: &str) -> (Service, String) {
    let url = Url::parse(&case.scene.database.url()).unwrap();
    let port = free_port();
    let folder = tempfile::tempdir().unwrap();
    open_to_all(folder.path());
    let file = folder.path().join("pgbouncer.ini");
    let password = url.password().unwrap_or_default();
    let text = format!(
        "[databases]\n* = host={} port={} user={} password={password}\n\
         [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
         auth_type = any\npool_mode = {mode}\ndefault_pool_size = 10\nignore_startup_parameters = {ignored}\n",
        url.host_str().unwrap(),
        url.port().unwrap(),
        url.username(),
    );
    std::fs::write(&file, text).unwrap();
    let child = as_nobody("/usr/sbin/pgbouncer")
        .arg(&file)
        .spawn()
        .expect("pgbouncer is installed (`make setup`)");
    let service = Service {
        child,
        _folder: folder,
    };
    wait_for(port).await;
    let mut through = url;
    through.set_port(Some(port)).unwrap();
    (service, through.to_string())
}

fn use_store(case: &Case, url: &str) {
    case.scene.edit(
        "kigen.toml",
        "url-env = \"KIGEN_SCENE_STORE_URL\"",
        &format!("url = \"{url}\""),
    );
}

#[tokio::test]
async fn a_pooler_that_shares_sessions_out_is_recognised_before_anything_is_announced() {
    for ignored in ["", "options", "extra_float_digits, options"] {
        let Some(case) = Case::new(Engine::Postgres, LEARNERS, JOB).await else {
            return;
        };
        let (service, through) = pooler(&case, "transaction", ignored).await;
        use_store(&case, &through);
        case.assert_refused(
            "learner",
            exit::CONFIG_INVALID,
            &["a pooler in transaction mode"],
        )
        .await;
        drop(service);
        case.remove().await;
    }
}

#[tokio::test]
async fn a_pooler_in_session_mode_keeps_every_setting() {
    let Some(case) = Case::new(Engine::Postgres, LEARNERS, JOB).await else {
        return;
    };
    let (service, through) = pooler(&case, "session", "options").await;
    use_store(&case, &format!("{through}?options=-csearch_path%3Dpublic"));
    let run = case.run();
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert_eq!(case.count("learner").await, 1);
    drop(service);
    case.remove().await;
}

#[tokio::test]
async fn without_the_guard_a_run_begins_behind_a_pooler_that_loses_its_settings() {
    let Some(case) = Case::new(Engine::Postgres, LEARNERS, JOB).await else {
        return;
    };
    let (service, through) = pooler(&case, "transaction", "").await;
    use_store(&case, &through);
    let run = case.run_without(&[Guard::NoSharedSessions]);
    let said = format!("{}{}", run.stdout, run.stderr);
    assert!(!said.contains("a pooler in transaction mode"), "{said}");
    drop(service);
    case.remove().await;
}

/// A pooler before the ledger would make its locks worth nothing.
#[tokio::test]
async fn a_pooler_before_the_ledger_is_recognised() {
    let Some(case) = Case::new(Engine::Postgres, LEARNERS, JOB).await else {
        return;
    };
    let (service, through) = pooler(&case, "transaction", "").await;
    case.scene.edit(
        "kigen.toml",
        "url = \"sqlite://kigen-ledger.db\"",
        &format!("url = \"{through}\""),
    );
    let run = case.run();
    assert_eq!(run.code, i32::from(exit::CONFIG_INVALID), "{}", run.stderr);
    assert!(
        run.stderr.contains("a pooler in transaction mode"),
        "{}",
        run.stderr
    );
    assert_eq!(case.count("learner").await, 3);
    drop(service);
    case.remove().await;
}

#[tokio::test]
async fn a_connection_that_may_be_in_clear_is_refused_unless_the_url_says_so() {
    let Some(case) = Case::new(Engine::Sqlite, LEARNERS, JOB).await else {
        return;
    };
    case.scene
        .edit("kigen.toml", "kind = \"sqlite\"", "kind = \"postgres\"");
    case.scene.edit(
        "kigen.toml",
        "url = \"sqlite://store.db\"",
        "url = \"postgres://db.example.jp/lms\"",
    );
    let check = case.scene.kigen(&["check"]);
    assert_eq!(
        check.code,
        i32::from(exit::CONFIG_INVALID),
        "{}",
        check.stderr
    );
    for word in ["db.example.jp", "may be in clear", "sslmode=verify-full"] {
        assert!(check.stderr.contains(word), "{word}: {}", check.stderr);
    }
    let mut unguarded = case.scene.command(&["check"]);
    unguarded.env("KIGEN_WITHOUT_GUARD", Guard::SaidToBeInClear.name());
    assert_eq!(case.scene.finish(&mut unguarded).code, 0);
    case.scene
        .edit("kigen.toml", "jp/lms", "jp/lms?sslmode=disable");
    let check = case.scene.kigen(&["check"]);
    assert_eq!(check.code, 0, "{}", check.stderr);
}

/// A hot standby of the test's server, copied with its own tools; its files go with the guard.
async fn standby(case: &Case) -> (Service, String) {
    let url = Url::parse(&case.scene.database.url()).unwrap();
    let programs = std::fs::read_dir("/usr/lib/postgresql").unwrap();
    let newest = programs
        .map(|version| version.unwrap().path())
        .max()
        .unwrap();
    let program = |name: &str| newest.join("bin").join(name).display().to_string();
    let folder = tempfile::tempdir().unwrap();
    open_to_all(folder.path());
    let data = folder.path().join("data").display().to_string();
    let mut server = url.clone();
    server.set_path("postgres");
    let copied = as_nobody(&program("pg_basebackup"))
        .args([
            "-d",
            server.as_str(),
            "-D",
            &data,
            "-R",
            "-X",
            "stream",
            "-c",
            "fast",
            "--no-sync",
        ])
        .status()
        .unwrap();
    assert!(copied.success(), "pg_basebackup made no copy");
    let port = free_port();
    let child = as_nobody(&program("postgres"))
        .args([
            "-D",
            &data,
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "fsync=off",
        ])
        .args([
            "-c",
            &format!("port={port}"),
            "-c",
            "unix_socket_directories=",
        ])
        // A standby must not have less room than its primary.
        .args([
            "-c",
            "max_connections=200",
            "-c",
            "max_prepared_transactions=20",
        ])
        .args(["-c", "shared_buffers=16MB"])
        .spawn()
        .unwrap();
    let service = Service {
        child,
        _folder: folder,
    };
    let mut standby = url;
    standby.set_port(Some(port)).unwrap();
    for _ in 0..200 {
        if sqlx::PgConnection::connect(standby.as_str()).await.is_ok() {
            return (service, standby.to_string());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the standby does not answer");
}

/// As after a fail-over: the primary will be at the address again, so trying again may help.
#[tokio::test]
async fn a_standby_can_be_planned_on_and_a_run_may_be_tried_again() {
    let Some(case) = Case::new(Engine::Postgres, LEARNERS, JOB).await else {
        return;
    };
    let (service, standby) = standby(&case).await;
    use_store(&case, &standby);
    let plan = case.scene.on_the_day(&["plan", "--format", "json"]);
    assert_eq!(plan.code, 0, "{}{}", plan.stdout, plan.stderr);
    assert_eq!(plan.json()["jobs"][0]["stages"][0]["due"]["records"], 2);
    let run = case.run();
    assert_eq!(
        run.code,
        i32::from(exit::STORE_UNREACHABLE),
        "{}{}",
        run.stdout,
        run.stderr
    );
    assert!(
        run.stdout.contains("standby"),
        "{}{}",
        run.stdout,
        run.stderr
    );
    assert_eq!(case.count("learner").await, 3);
    drop(service);
    case.remove().await;
}
