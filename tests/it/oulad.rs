//! The main job on real records: the Open University Learning Analytics Dataset, on both stores.
//!
//! Loads by the program `kigen-oulad`, as its users do. What must come out stands in
//! `tests/oulad_expected/`, computed without kigen; what is left is read past kigen.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use flate2::read::MultiGzDecoder;
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use url::Url;

use crate::crash::certificates::{self, Certificate};
use crate::support::Shell;

/// In this order, all on one database.
const DAYS: [&str; 4] = ["2016-04-01", "2018-06-01", "2021-01-01", "2025-12-31"];

/// From here on no attempt names its learner.
const ALL_PSEUDONYMIZED: &str = "2021-01-01";

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Where the program finds the server, and kigen the database that it has made.
const SERVER: &str = "KIGEN_TEST_POSTGRES_URL";
const DATABASE: &str = "OULAD_POSTGRES_URL";

/// The learner of each attempt, by the row's number in its file.
type Learners = HashMap<i64, i64>;

/// One store with the data, its certificates, and a connection past kigen.
struct Place {
    folder: TempDir,
    database: Option<Url>,
    shell: Shell,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_records_go_as_computed_without_kigen_and_equally_on_both_stores() {
    let Some(data) = data() else {
        return;
    };
    let server = variable(SERVER);
    if server.is_none() {
        say_skipped(&format!("{SERVER} is not set, PostgreSQL was not tested"));
    }
    let learners = learners(&data);
    let on_sqlite = tokio::spawn(documents(data.clone(), None, learners.clone()));
    if let Some(server) = server {
        let server = Url::parse(&server).unwrap();
        let on_postgres = documents(data, Some(server), learners).await;
        assert_eq!(
            on_sqlite.await.unwrap(),
            on_postgres,
            "SQLite and PostgreSQL agree"
        );
        return;
    }
    on_sqlite.await.unwrap();
}

/// Runs every day; what each said, without what differs from run to run.
async fn documents(data: PathBuf, server: Option<Url>, learners: Learners) -> Vec<Json> {
    let text =
        std::fs::read_to_string(format!("{ROOT}/tests/oulad_expected/expected.json")).unwrap();
    let expected: Json = serde_json::from_str(&text).unwrap();
    let (mut place, first) = load(&data, server).await;
    let mut said = Vec::new();
    let mut pseudonymized = 0;
    for day in DAYS {
        let document = if day == DAYS[0] {
            first.clone()
        } else {
            place.run(day).await
        };
        as_expected(&document, &expected[day]);
        pseudonymized += disposed(&document, "exam-history", "pseudonymize");
        if disposed(&document, "exam-history", "delete") == 0 {
            attempts_stay_joinable(&mut place.shell, &learners, pseudonymized, day).await;
        }
        said.push(document);
    }
    each_removal_is_certified(&place, &said);
    nothing_is_left_over(&mut place.shell).await;
    place.verify().await;
    said.into_iter().map(comparable).collect()
}

/// Loads a fresh database and runs the first day.
async fn load(data: &Path, server: Option<Url>) -> (Place, Json) {
    let folder = tempfile::tempdir().unwrap();
    let kigen = Path::new(env!("CARGO_BIN_EXE_kigen"));
    let program = kigen.with_file_name("kigen-oulad");
    assert!(
        program.is_file(),
        "no program `kigen-oulad`; hint: `cargo build --all-features --bins`"
    );
    let mut command = Command::new(program);
    let store = if server.is_some() {
        "postgres"
    } else {
        "sqlite"
    };
    command.args(["run", "--store", store, "--as-of", DAYS[0], "--dir"]);
    command.arg(folder.path()).arg("--data").arg(data);
    command
        .arg("--jobs")
        .arg(format!("{ROOT}/crates/oulad/jobs"));
    command.env("KIGEN_BIN", kigen);
    let first = document(&output(command).await);
    let database = server.map(|mut url| {
        url.set_path("oulad");
        url
    });
    let shell = match &database {
        Some(url) => Shell::postgres(url.as_str()).await,
        None => {
            Shell::sqlite(&format!(
                "sqlite:{}",
                folder.path().join("oulad.sqlite").display()
            ))
            .await
        }
    };
    let place = Place {
        folder,
        database,
        shell,
    };
    (place, first)
}

impl Place {
    async fn run(&self, day: &str) -> Json {
        let mut command = self.kigen();
        command.args(["--as-of", day, "--format", "json", "run"]);
        document(&output(command).await)
    }

    async fn verify(&self) {
        let mut command = self.kigen();
        command.args(["certificate", "verify"]);
        output(command).await;
    }

    fn kigen(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kigen"));
        command
            .arg("--config")
            .arg(self.folder.path().join("kigen.toml"));
        if let Some(url) = &self.database {
            command.env(DATABASE, url.as_str());
        }
        command
    }
}

/// What a command that must succeed wrote; it takes a while, so others go on.
async fn output(mut command: Command) -> Output {
    let run = move || command.stdin(Stdio::null()).output().unwrap();
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{error}", output.status);
    output
}

fn document(output: &Output) -> Json {
    serde_json::from_slice(&output.stdout).unwrap()
}

fn stages(document: &Json) -> impl Iterator<Item = (&str, &Json)> {
    let jobs = document["jobs"].as_array().unwrap();
    jobs.iter().flat_map(|job| {
        let stages = job["stages"].as_array().unwrap();
        stages
            .iter()
            .map(|stage| (job["job"].as_str().unwrap(), stage))
    })
}

fn disposed(document: &Json, job: &str, name: &str) -> u64 {
    let found = stages(document).find(|(of, stage)| *of == job && stage["stage"] == name);
    found.unwrap().1["disposed"].as_u64().unwrap()
}

/// Figures as in `compare.py`: counts of 0 by reason may be missing.
fn as_expected(document: &Json, expected: &Json) {
    let mut found = serde_json::Map::new();
    for (job, stage) in stages(document) {
        let retained: BTreeMap<&str, u64> = stage["retained"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(reason, count)| (reason.as_str(), count.as_u64().unwrap()))
            .filter(|(_, count)| *count > 0)
            .collect();
        let figures = json!({
            "due": { "records": stage["due"]["records"], "subjects": stage["due"]["subjects"] },
            "disposed": stage["disposed"],
            "retained": retained,
            "oldest_overdue_days": stage["oldest_overdue_days"],
        });
        found.insert(
            format!("{job}/{}", stage["stage"].as_str().unwrap()),
            figures,
        );
    }
    assert_eq!(
        Json::Object(found),
        *expected,
        "as of {}",
        document["as_of"]
    );
}

/// An attempt has its learner or a token: negative, the same for all attempts of one learner and
/// for no other. So groups keep their sizes.
async fn attempts_stay_joinable(
    shell: &mut Shell,
    learners: &Learners,
    pseudonymized: u64,
    day: &str,
) {
    let rows = shell
        .rows("select attempt_id, learner_id from exam_attempt")
        .await;
    assert_eq!(rows.len(), learners.len(), "no attempt has gone");
    let mut token_of: HashMap<i64, i64> = HashMap::new();
    let mut learner_of: HashMap<i64, i64> = HashMap::new();
    let mut in_token = 0;
    for row in &rows {
        let number = |at: usize| -> i64 { row[at].as_ref().unwrap().parse().unwrap() };
        let (learner, found) = (learners[&number(0)], number(1));
        if found == learner {
            continue;
        }
        assert!(found < 0, "a token is no real number");
        assert_eq!(
            *token_of.entry(learner).or_insert(found),
            found,
            "one learner, one token"
        );
        assert_eq!(
            *learner_of.entry(found).or_insert(learner),
            learner,
            "one token, one learner"
        );
        in_token += 1;
    }
    assert_eq!(
        in_token, pseudonymized,
        "as many tokens as the runs have written until {day}"
    );
    if day != ALL_PSEUDONYMIZED {
        return;
    }
    let rows = shell
        .rows("select count(*) from exam_attempt group by learner_id")
        .await;
    let mut by_token: Vec<u64> = rows
        .iter()
        .map(|row| row[0].as_ref().unwrap().parse().unwrap())
        .collect();
    let mut counts: HashMap<i64, u64> = HashMap::new();
    for learner in learners.values() {
        *counts.entry(*learner).or_default() += 1;
    }
    let mut by_learner: Vec<u64> = counts.into_values().collect();
    by_token.sort_unstable();
    by_learner.sort_unstable();
    assert_eq!(by_token, by_learner, "group sizes by token and by learner");
}

/// Record leaves of each run's certificates, target by target, are what was disposed of.
fn each_removal_is_certified(place: &Place, documents: &[Json]) {
    let certificates = certificates::read_all(&place.folder.path().join("certificates"));
    let mut certified = 0;
    for document in documents {
        for (job, stage) in stages(document) {
            let name = stage["stage"].as_str().unwrap();
            let table = if job == "exam-history" {
                "exam_attempt"
            } else {
                job
            };
            let leaves: usize = certificates
                .iter()
                .filter(|one| document["run_id"] == one.run)
                .filter_map(|one| Some(one.records_of(one.target(job, name, table)?)))
                .sum();
            assert_eq!(
                stage["disposed"], leaves,
                "{job} {name}: leaves of its target"
            );
            certified += leaves;
        }
    }
    let all: usize = certificates.iter().map(Certificate::records).sum();
    assert_eq!(all, certified, "no leaf stands for anything else");
}

/// By the last day every period has ended.
async fn nothing_is_left_over(shell: &mut Shell) {
    for table in ["exam_attempt", "enrolment", "learner"] {
        let rows = shell.rows(&format!("select count(*) from {table}")).await;
        assert_eq!(rows[0][0].as_deref(), Some("0"), "rows in `{table}`");
    }
}

/// What a run said, without ids and places.
fn comparable(mut document: Json) -> Json {
    document["run_id"] = Json::Null;
    // Each engine has its own relations, and its own traces to warn of.
    for job in document["jobs"].as_array_mut().unwrap() {
        let job = job.as_object_mut().unwrap();
        job.remove("schema");
        job.remove("warnings");
    }
    for certificate in document["certificates"].as_array_mut().unwrap() {
        certificate["certificate_id"] = Json::Null;
        certificate["folder"] = Json::Null;
    }
    document
}

/// Reads the published file, past the example's own reader.
fn learners(data: &Path) -> Learners {
    let file = File::open(data.join("studentAssessment.csv.gz")).unwrap();
    let mut rows = csv::Reader::from_reader(MultiGzDecoder::new(file));
    let header = rows.headers().unwrap();
    let column = header.iter().position(|name| name == "id_student").unwrap();
    let learners = rows
        .records()
        .map(|row| row.unwrap()[column].parse().unwrap());
    (1..).zip(learners).collect()
}

/// The dataset's folder, if it is there.
fn data() -> Option<PathBuf> {
    let folder = variable("KIGEN_OULAD").unwrap_or_else(|| format!("{ROOT}/../shared/data/oulad"));
    let folder = PathBuf::from(folder);
    if folder.join("studentAssessment.csv.gz").is_file() {
        return Some(folder);
    }
    let required = variable("KIGEN_REQUIRE_SERVICES").is_some_and(|value| value == "1");
    assert!(!required, "there is no dataset at {}", folder.display());
    say_skipped(
        "the dataset is not there, nothing was tested; hint: name its folder in KIGEN_OULAD",
    );
    None
}

#[expect(
    clippy::disallowed_methods,
    reason = "data and services of a test are named by the environment"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[expect(clippy::print_stderr, reason = "a test that tests nothing says so")]
fn say_skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}
