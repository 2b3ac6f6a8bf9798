//! Faults by kind: what a database, an application or a rule can do so that the wrong thing goes, stays
//! or is hidden; on every store, as a user meets it (the real program on a real database).
//!
//! One module for each kind. Each guard of [`kigen::guard::Guard`] has a test that switches it off and
//! shows that the case then goes wrong.

mod effects;
mod k01_joins;
mod k02_cascades;
mod k02_equality;
mod k02_keys;
mod k03_hidden_rows;
mod k04_races;
mod k05_holds;
mod k05_intents;
mod k06_dates;
mod k07_conditions;
mod k08_clock;
mod k09_limits;
mod k09_rows;
mod k10_unlink;
mod k11_objects;
mod k12_marks;
mod k13_lost_connections;
mod k13_names;
mod k13_sessions;
mod k14_keys;
mod k14_rights;
mod k14_schema_features;
mod k15_names;
mod k16_bounds;
mod k17_stopping;
mod k18_restore;
mod k19_sqlite_files;
mod k20_messages;
mod k21_evidence_edges;
mod k21_read_back;
mod k21_spellings;
mod k22_hidden_clients;
mod k23_silent_servers;
mod k24_growth;
mod k25_restored_store;
mod k26_dry_run;
mod process;
mod s3_proxy;
mod with_objects;

use kigen::guard::Guard;

use crate::scene::{Answer, Engine, Scene};

/// A case on one engine: a scene with one job over the table `learner`, made of [`JOB`].
pub(crate) struct Case {
    pub(crate) scene: Scene,
}

/// A job that deletes learners 3 years after `ended_on`; `EXTRA` stands for more sections.
///
/// A case replaces what it is about with [`Case::edit`].
pub(crate) const JOB: &str = r#"cluster = "learner"
owner = "privacy office"
time-zone = "Asia/Tokyo"

[title]
ja = "会員情報"
en = "Learners"

[clause]
document = "privacy policy, article 8"
version = "2024-04-01"
text = "Learners are kept for 3 years after the withdrawal."

[store]
name = "school"
table = "learner"
key = ["learner_id"]

[subject]
kind = "learner"
column = "learner_id"

[client]
name = "own"

[columns]
direct-identifier = ["name"]
quasi-identifier = ["learner_id", "ended_on"]

[limit]
max-records = 1000
max-percent = 100
max-persons = 1000
batch-size = 100

[[stage]]
name = "delete"
disposal = "delete"

[[stage.purpose]]
name = "service"
starting-point = "end-of-relationship"
starts-at = "ended_on"
period = "P3Y"

[[example]]
stage = "delete"
as-of = "2026-03-31"
expect = "retain"
reason = "not-expired"
[example.starts]
service = "2023-03-31"

[[example]]
stage = "delete"
as-of = "2026-04-01"
expect = "dispose"
[example.starts]
service = "2023-03-31"
"#;

/// The table that [`JOB`] is about: 1 and 2 are due on the day of the scene, 3 is not.
pub(crate) const LEARNERS: &str = "
create table learner (learner_id bigint not null primary key, name text, ended_on date);
insert into learner values (1, 'PERSON', '2010-03-31'), (2, 'PERSON', '2010-03-31'), (3, 'PERSON', '2025-03-31');
";

/// Like [`JOB`], with a stage before that pseudonymizes after a year.
pub(crate) fn two_stages() -> String {
    let first = r#"[[stage]]
name = "pseudonymize"
disposal = "pseudonymize"

[[stage.purpose]]
name = "service"
starting-point = "end-of-relationship"
starts-at = "ended_on"
period = "P1Y"

[[stage.change]]
column = "name"
strategy = "null"

[[example]]
stage = "pseudonymize"
as-of = "2024-03-31"
expect = "retain"
[example.starts]
service = "2023-03-31"

[[example]]
stage = "pseudonymize"
as-of = "2024-04-01"
expect = "dispose"
[example.starts]
service = "2023-03-31"

[[stage]]
name = "delete""#;
    JOB.replace("[[stage]]\nname = \"delete\"", first)
}

impl Case {
    /// `sql` makes the tables and their rows; `PERSON` in it becomes a name that no output may hold.
    /// `None` where the engine has no server: the test has said so.
    pub(crate) async fn new(engine: Engine, sql: &str, job: &str) -> Option<Self> {
        let sql = sql.replace("PERSON", crate::scene::PERSON);
        let scene = Scene::with(engine, &sql, &[("learner.toml", job)]).await?;
        Some(Self { scene })
    }

    /// `kigen check --connect`.
    pub(crate) fn check(&self) -> Answer {
        self.scene.on_the_day(&["check", "--connect"])
    }

    /// `kigen run`, on the day of the scene.
    pub(crate) fn run(&self) -> Answer {
        self.scene.on_the_day(&["run"])
    }

    /// Like [`run`](Self::run), by a program of which `guards` are switched off.
    pub(crate) fn run_without(&self, guards: &[Guard]) -> Answer {
        let names: Vec<&str> = guards.iter().map(|guard| guard.name()).collect();
        let arguments = ["run", "--as-of", crate::scene::AS_OF, "--log", "error"];
        let mut command = self.scene.command(&arguments);
        self.scene
            .finish(command.env("KIGEN_WITHOUT_GUARD", names.join(",")))
    }

    /// Any command on the day of the scene, by a program of which `guard` is switched off.
    pub(crate) fn without(&self, guard: Guard, arguments: &[&str]) -> Answer {
        let mut all = arguments.to_vec();
        all.extend(["--as-of", crate::scene::AS_OF, "--log", "error"]);
        let mut command = self.scene.command(&all);
        self.scene
            .finish(command.env("KIGEN_WITHOUT_GUARD", guard.name()))
    }

    /// Asserts that `check --connect` and `run` refuse with `code`, that each says every one of
    /// `words`, and that no row of `table` went.
    pub(crate) async fn assert_refused(&self, table: &str, code: u8, words: &[&str]) {
        let before = self.count(table).await;
        for answer in [self.check(), self.run()] {
            assert_eq!(
                answer.code,
                i32::from(code),
                "{}{}",
                answer.stdout,
                answer.stderr
            );
            let said = format!("{}{}", answer.stdout, answer.stderr);
            for word in words {
                assert!(said.contains(word), "{word} is not said:\n{said}");
            }
        }
        assert_eq!(self.count(table).await, before, "rows of {table} went");
    }

    /// How many rows `table` has.
    pub(crate) async fn count(&self, table: &str) -> i64 {
        let sql = format!("select count(*) from {table}");
        self.scene.database.number(&sql).await
    }

    /// The leaves of rows and objects in all certificates: what is proved to be gone.
    pub(crate) fn leaves(&self) -> u64 {
        statements(&self.scene.path("certificates"))
            .iter()
            .filter_map(|statement| statement["predicate"]["evidence"]["leaves"]["record"].as_u64())
            .sum()
    }

    pub(crate) async fn remove(self) {
        self.scene.database.remove().await;
    }
}

/// Every certificate's statement below `folder`.
pub(crate) fn statements(folder: &std::path::Path) -> Vec<serde_json::Value> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else {
        return found;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(statements(&path));
        } else if path.ends_with("statement.json") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push(serde_json::from_str(&text).unwrap());
        }
    }
    found
}

/// Every module of this folder, as text.
fn sources() -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/faults");
    let files = std::fs::read_dir(folder).unwrap();
    let texts = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    texts.collect()
}

#[test]
fn every_guard_has_a_test_that_switches_it_off() {
    let sources = sources();
    let untested = |guard: &&Guard| {
        let name = format!("Guard::{guard:?}");
        let mut after = sources.split(&name).skip(1);
        !after.any(|rest| !rest.starts_with(char::is_alphanumeric))
    };
    let untested: Vec<&Guard> = Guard::ALL.iter().filter(untested).collect();
    assert!(
        untested.is_empty(),
        "no test switches these off: {untested:?}"
    );
}

#[test]
fn every_guard_stands_somewhere_in_the_program() {
    let sources = every_source(concat!(env!("CARGO_MANIFEST_DIR"), "/src").as_ref());
    let nowhere: Vec<&Guard> = Guard::ALL
        .iter()
        .filter(|guard| !sources.contains(&format!("Guard::{guard:?})")))
        .collect();
    assert!(nowhere.is_empty(), "nothing asks for these: {nowhere:?}");
}

/// Every file of Rust below `folder`, as text.
fn every_source(folder: &std::path::Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text.push_str(&every_source(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
    text
}
