//! Fuzzing of whole schemas by one oracle: either the job is refused, or after the run the difference of
//! the whole database is what the run says that it did, every row that went was due, and every due row
//! went.
//!
//! `make fuzz SEED=… ROUNDS=…` looks at many worlds; the test itself looks at a few. World `n` of a seed
//! is the first world of seed `+ n`: `make fuzz SEED=that ROUNDS=1` shows one again.

mod calendar;
mod job;
mod look;
mod world;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::faults::statements;
use crate::scene::{Engine, PERSON, Scene};
use look::Look;
use world::World;

/// Worlds of one process: they share its start.
const AT_ONCE: usize = 20;

/// What a schema of a fuzz may need once in its database.
const PRELUDE_POSTGRES: &str =
    "create collation fuzz_ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);";

#[tokio::test]
async fn in_random_schemas_of_sqlite_only_what_is_due_goes_and_all_of_it_is_counted() {
    fuzz(Engine::Sqlite).await;
}

#[tokio::test]
async fn in_random_schemas_of_postgres_only_what_is_due_goes_and_all_of_it_is_counted() {
    fuzz(Engine::Postgres).await;
}

fn setting(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty());
    text.map_or(default, |text| text.parse().unwrap())
}

async fn fuzz(engine: Engine) {
    let seed = setting("FUZZ_SEED", 1);
    let rounds = usize::try_from(setting("FUZZ_ROUNDS", 60)).unwrap();
    let mut sums = Sums::default();
    for first in (0..rounds).step_by(AT_ONCE) {
        let worlds = (first..rounds.min(first + AT_ONCE))
            .enumerate()
            .map(|(number, round)| World::new(engine, seed.wrapping_add(round as u64), number));
        if !look_at(engine, worlds.collect(), &mut sums).await {
            return;
        }
    }
    println!("{engine:?}, seed {seed}, {rounds} worlds: {sums}");
    assert!(
        sums.failures.is_empty(),
        "{} worlds of {rounds} fail:\n{}",
        sums.failures.len(),
        sums.failures.join("\n==========\n")
    );
    assert!(
        sums.ran * 5 > rounds,
        "the worlds are refused too often to show anything: {sums}"
    );
}

/// What became of the worlds.
#[derive(Default)]
struct Sums {
    ran: usize,
    rows: u64,
    /// Schemas that the database itself does not take.
    impossible: usize,
    refused: BTreeMap<String, usize>,
    failures: Vec<String>,
}

impl std::fmt::Display for Sums {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} ran ({} rows went), {} are no schema, stopped {:?}, {} failed",
            self.ran,
            self.rows,
            self.impossible,
            self.refused,
            self.failures.len()
        )
    }
}

/// Runs the jobs of `worlds` in one process. False if the engine has no server.
async fn look_at(engine: Engine, worlds: Vec<World>, sums: &mut Sums) -> bool {
    let prelude = match engine {
        Engine::Sqlite => "select 1",
        Engine::Postgres => PRELUDE_POSTGRES,
    };
    let Some(scene) = Scene::with(engine, prelude, &[]).await else {
        return false;
    };
    let mut present = Vec::new();
    for world in worlds {
        if let Err(error) = scene.database.try_execute(&world.sql).await {
            sums.impossible += 1;
            if std::env::var("FUZZ_SHOW").is_ok() {
                println!("no schema: {error}\n{}", world.sql);
            }
            continue;
        }
        let before = Look::take(&scene.database, &world).await;
        scene.write(&format!("jobs/{}.toml", world.cluster), &world.job);
        present.push((world, before));
    }
    let run = scene.on_the_day_with_guards(&["run", "--format", "json"]);
    let leaves = leaves(&scene);
    let Ok(outcome) = serde_json::from_str::<Value>(&run.stdout) else {
        panic!(
            "the run prints no document:\n{}\n{}",
            run.stdout, run.stderr
        );
    };
    let Some(jobs) = outcome["jobs"].as_array() else {
        panic!("the run has no jobs:\n{}\n{}", run.stdout, run.stderr);
    };
    let mut certified = 0;
    for (world, before) in &present {
        let after = Look::take(&scene.database, world).await;
        let job = jobs.iter().find(|job| job["job"] == world.cluster.as_str());
        let job = job.unwrap_or_else(|| panic!("no word of {}", world.cluster));
        let said = look::Said::of(job);
        certified += said.removals();
        sums.rows += said.removals();
        let error = job["error"]["message"].as_str().unwrap_or_default();
        match job["error"]["code"].as_str() {
            None => sums.ran += 1,
            Some(code) => {
                let why = if error.contains("the database changed more") {
                    "by accounting alone"
                } else {
                    "before"
                };
                *sums.refused.entry(format!("{code} {why}")).or_default() += 1;
                if std::env::var("FUZZ_SHOW").is_ok() {
                    println!("{} of seed {}: {error}", world.cluster, world.seed);
                }
            }
        }
        let problems = look::compare(world, before, &after, &said);
        if !problems.is_empty() {
            let text = format!("{}\n{job}\n{}", problems.join("\n"), world.described());
            sums.failures.push(text.replace(PERSON, "PERSON"));
        }
    }
    if certified != leaves {
        let seeds: Vec<u64> = present.iter().map(|(world, _)| world.seed).collect();
        sums.failures.push(format!(
            "{certified} removals, {leaves} leaves, in seeds {seeds:?}"
        ));
    }
    scene.database.remove().await;
    true
}

fn leaves(scene: &Scene) -> u64 {
    statements(&scene.path("certificates"))
        .iter()
        .filter_map(|statement| statement["predicate"]["evidence"]["leaves"]["record"].as_u64())
        .sum()
}

impl Scene {
    /// A run by a program without the guards that `FUZZ_WITHOUT` names, if it names any: what the others
    /// catch then.
    fn on_the_day_with_guards(&self, arguments: &[&str]) -> crate::scene::Answer {
        let Ok(without) = std::env::var("FUZZ_WITHOUT") else {
            return self.on_the_day(arguments);
        };
        let mut all = arguments.to_vec();
        all.extend(["--as-of", crate::scene::AS_OF, "--log", "error"]);
        self.finish(self.command(&all).env("KIGEN_WITHOUT_GUARD", without))
    }
}
