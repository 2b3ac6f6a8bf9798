//! The jobs of one folder, in the order in which they run.

use thiserror::Error;

use super::check::may_be_one_table;
use super::spelling::folded;
use super::{ClientSource, Job, OnDispose, Operation, TableName};
use crate::diagnostic::{Problem, Problems, near_miss};
use crate::guard::{self, Guard};

/// The checked jobs of a folder, in run order.
///
/// A job whose table another job's `blocks` reference names runs before that job: what it removes
/// no longer blocks.
#[derive(Clone, Debug)]
pub struct JobSet {
    jobs: Vec<Job>,
}

/// Names that no job has.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", in_words(.0))]
pub struct UnknownJobs(Vec<(String, Option<String>)>);

fn in_words(unknown: &[(String, Option<String>)]) -> String {
    let sentence = |(name, hint): &(String, Option<String>)| match hint {
        Some(hint) => format!("there is no job `{name}`\n  hint: {hint}"),
        None => format!("there is no job `{name}`"),
    };
    let sentences: Vec<String> = unknown.iter().map(sentence).collect();
    sentences.join("\n")
}

impl JobSet {
    /// Checks the jobs against each other and puts them in run order.
    ///
    /// `folder` is for messages about the folder as a whole.
    pub fn new(folder: &str, jobs: Vec<Job>) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        if jobs.is_empty() {
            let problem = Problem::of_file(folder, "the folder holds no job");
            problems
                .0
                .push(problem.with_hint("put one `.toml` file per cluster into it"));
            return Err(problems);
        }
        for (index, job) in jobs.iter().enumerate() {
            for earlier in jobs.iter().take(index) {
                problems.0.extend(conflict(earlier, job));
            }
            if guard::stands(Guard::OneRuleForOneTable) {
                let others = jobs.iter().enumerate().filter(|(other, _)| *other != index);
                problems
                    .0
                    .extend(others.filter_map(|(_, other)| takes_along(job, other)));
            }
        }
        match in_run_order(jobs) {
            Ok(jobs) => problems.or(Self { jobs }),
            Err(cycle) => {
                let message = format!("the jobs block each other: {}", cycle.join(" before "));
                let hint = "one of their `blocks` references has to go";
                problems
                    .0
                    .push(Problem::of_file(folder, message).with_hint(hint));
                problems.sort();
                Err(problems)
            }
        }
    }

    /// All jobs, in run order.
    pub fn jobs(&self) -> &[Job] {
        &self.jobs
    }

    /// The jobs of these clusters, in run order; all of them if no names are given.
    pub fn select(&self, names: &[String]) -> Result<Vec<&Job>, UnknownJobs> {
        let known = || self.jobs.iter().map(|job| job.cluster.as_str());
        let unknown: Vec<(String, Option<String>)> = names
            .iter()
            .filter(|name| !known().any(|known| known == name.as_str()))
            .map(|name| (name.clone(), near_miss::hint(name, known())))
            .collect();
        if !unknown.is_empty() {
            return Err(UnknownJobs(unknown));
        }
        let is_selected = |job: &&Job| names.is_empty() || names.contains(&job.cluster);
        Ok(self.jobs.iter().filter(is_selected).collect())
    }
}

/// What keeps two jobs from standing in one folder.
fn conflict(earlier: &Job, job: &Job) -> Vec<Problem> {
    let mut problems = Vec::new();
    let file = job.file.display().to_string();
    let other = earlier.file.display();
    if earlier.cluster == job.cluster {
        let cluster = &job.cluster;
        let message = format!("the cluster `{cluster}` is already described in {other}");
        problems.push(Problem::of_file(file.clone(), message));
    }
    problems.extend(other_spelling(earlier, job));
    if !one_table(earlier, job) {
        return problems;
    }
    let table = &job.table;
    let shared = job.stages.iter().find(|stage| {
        let mut others = earlier.stages.iter();
        others.any(|other| other.name == stage.name)
    });
    let message = match shared {
        Some(stage) => {
            let stage = &stage.name;
            format!("`{table}` already has a stage `{stage}` in {other}")
        }
        // Each job ends with a stage that deletes, so two jobs on one table always do.
        None => format!("{other} already deletes records of `{table}`"),
    };
    let hint = "one table, one rule: put its purposes and stages into one file";
    problems.push(Problem::of_file(file, message).with_hint(hint));
    problems
}

/// That two files name one client in two ways: each would get certificates of its own.
fn other_spelling(earlier: &Job, job: &Job) -> Option<Problem> {
    let (ClientSource::Fixed(earlier_name), ClientSource::Fixed(name)) =
        (&earlier.client, &job.client)
    else {
        return None;
    };
    if name == earlier_name || folded(name) != folded(earlier_name) {
        return None;
    }
    let file = job.file.display().to_string();
    let other = earlier.file.display();
    let message = format!(
        "the client `{name}` is called `{earlier_name}` in {other}: each would get certificates of its own"
    );
    Some(Problem::of_file(file, message).with_hint("write the client in one way"))
}

fn one_table(a: &Job, b: &Job) -> bool {
    a.store == b.store && may_be_one_table(&a.table, &b.table)
}

impl Job {
    /// Whether a disposal of this job removes or changes rows that `other` removes.
    pub fn changes_rows_of(&self, other: &Job) -> bool {
        self.store == other.store
            && self
                .changed_tables()
                .any(|changed| other.own_tables().any(|own| may_be_one_table(changed, own)))
    }

    /// The tables whose rows the job removes: its own, and those that go with its records.
    fn own_tables(&self) -> impl Iterator<Item = &TableName> {
        let references = self.references.iter();
        let gone_with = references.filter(|reference| match reference.on_dispose {
            OnDispose::GoesWith { .. } => true,
            OnDispose::Unlink | OnDispose::Blocks => false,
        });
        std::iter::once(&self.table).chain(gone_with.map(|reference| &reference.table))
    }

    /// The tables whose rows the job removes or changes, itself or by an effect of the database.
    fn changed_tables(&self) -> impl Iterator<Item = &TableName> {
        let references = self.references.iter();
        let changed = references.filter(|reference| match reference.on_dispose {
            OnDispose::GoesWith { .. } | OnDispose::Unlink => true,
            OnDispose::Blocks => false,
        });
        let effects = self.effects.iter();
        let effects = effects.filter(|effect| match effect.operation {
            Operation::Update | Operation::Delete => true,
            Operation::Insert => false,
        });
        std::iter::once(&self.table)
            .chain(changed.map(|reference| &reference.table))
            .chain(effects.map(|effect| &effect.table))
    }
}

/// What keeps `job` from taking rows along that `owner` has a rule for.
fn takes_along(job: &Job, owner: &Job) -> Option<Problem> {
    if job.store != owner.store {
        return None;
    }
    let references = job.references.iter().enumerate();
    let gone_with = references.filter_map(|(index, reference)| match reference.on_dispose {
        OnDispose::GoesWith { .. } => {
            Some((&reference.table, format!("reference[{index}].on-dispose")))
        }
        OnDispose::Unlink | OnDispose::Blocks => None,
    });
    let effects = job.effects.iter().enumerate();
    let deleted = effects.filter_map(|(index, effect)| match effect.operation {
        Operation::Delete => Some((&effect.table, format!("effect[{index}].operation"))),
        Operation::Insert | Operation::Update => None,
    });
    let mut taken = gone_with.chain(deleted);
    let (table, path) = taken.find(|(table, _)| may_be_one_table(table, &owner.table))?;
    let message = format!(
        "rows of `{table}` go with a record here, and the job `{}` ({}) has a rule of its own for them: it may keep them longer, or be suspended",
        owner.cluster,
        owner.file.display()
    );
    let hint = format!(
        "one table, one rule: `on-dispose = \"blocks\"` keeps a record as long as `{}` keeps its rows, `\"unlink\"` lets them go on without it; or remove one of the two rules",
        owner.cluster
    );
    let mut problem = Problem::of_file(job.file.display().to_string(), message).with_hint(hint);
    problem.path = path;
    Some(problem)
}

/// Whether `job` waits for what `other` removes.
fn waits_for(job: &Job, other: &Job) -> bool {
    let blocks =
        |table: &TableName| job.store == other.store && may_be_one_table(table, &other.table);
    let is_own_table = one_table(job, other);
    !is_own_table
        && job
            .references
            .iter()
            .any(|reference| match reference.on_dispose {
                OnDispose::Blocks => blocks(&reference.table),
                OnDispose::GoesWith { .. } | OnDispose::Unlink => false,
            })
}

/// Sorts so that each job comes after those it waits for, else in the given order; or the names
/// of a cycle.
fn in_run_order(jobs: Vec<Job>) -> Result<Vec<Job>, Vec<String>> {
    let mut waiting = jobs;
    let mut ordered: Vec<Job> = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let is_free = |job: &Job| !waiting.iter().any(|other| waits_for(job, other));
        let Some(next) = waiting.iter().position(is_free) else {
            return Err(cycle(&waiting));
        };
        ordered.push(waiting.remove(next));
    }
    Ok(ordered)
}

/// The names along one cycle; each of `waiting` waits for another of them.
fn cycle(waiting: &[Job]) -> Vec<String> {
    let mut trail: Vec<&Job> = waiting.iter().take(1).collect();
    while let Some(here) = trail.last() {
        let Some(next) = waiting.iter().find(|other| waits_for(here, other)) else {
            break;
        };
        let seen = trail.iter().position(|job| job.file == next.file);
        if let Some(start) = seen {
            let cycle = trail.iter().skip(start).chain([&next]);
            let mut names: Vec<String> = cycle.map(|job| job.cluster.clone()).collect();
            // The trail goes from who waits to who runs first.
            names.reverse();
            return names;
        }
        trail.push(next);
    }
    trail.iter().map(|job| job.cluster.clone()).collect()
}

#[cfg(test)]
mod tests;
