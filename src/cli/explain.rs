//! `kigen explain`: why one record is due or kept, in words, from the code that decides.

use jiff::civil::Date;
use kigen_evidence::calendar::FirstDay;
use kigen_evidence::value::{RecordKey, Value};
use serde::Serialize;

use super::failure::Failure;
use super::{Global, load, output};
use crate::domain::rule::{Applies, Candidate, Decision, StartingPoint, Undatable};
use crate::exit;
use crate::job::{Job, Stage};
use crate::progress::Progress;
use crate::pseudonym::record_reference;
use crate::run::open::Inventories;
use crate::run::outcome::JobError;
use crate::store::{Found, Inventory, TokenKey};

/// Options of `kigen explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The cluster, as its job names it
    cluster: String,
    /// The record's key: one value for each key column, in the job's order
    #[arg(required_unless_present = "reference")]
    key: Vec<String>,
    /// Instead of the key: the reference by which a run names a record that failed; shows its key
    #[arg(long, value_name = "r-…", conflicts_with = "key")]
    reference: Option<String>,
}

/// A record, and every stage's decision about it.
#[derive(Serialize)]
pub(super) struct Explained {
    cluster: String,
    as_of: Date,
    /// The record's key, where it was asked for by its reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Vec<String>>,
    stages: Vec<ExplainedStage>,
}

#[derive(Serialize)]
struct ExplainedStage {
    stage: String,
    disposal: &'static str,
    /// `dispose` or `retain`
    decision: &'static str,
    reason: Option<&'static str>,
    purposes: Vec<ExplainedPurpose>,
    due_from: Option<Date>,
}

#[derive(Serialize)]
struct ExplainedPurpose {
    purpose: String,
    starting_point: &'static str,
    applies: bool,
    /// The column of its condition is null: it counts as if it applied.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unknown: bool,
    starts_on: Option<Date>,
    counted_from: Option<Date>,
    period: String,
    last_day_kept: Option<Date>,
    /// Why its end cannot be computed, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    undatable: Option<&'static str>,
    /// The first day that is believed.
    earliest: Date,
}

/// Looks the record up and derives every stage's decision.
pub(super) async fn explain(global: &Global, arguments: &Arguments) -> Result<u8, Failure> {
    let config = load::config(global)?;
    load::log(global, config.log_format, &Progress::on_stderr())?;
    let jobs = load::jobs(&config)?;
    let named = jobs
        .select(std::slice::from_ref(&arguments.cluster))
        .map_err(|unknown| Failure::new(exit::USAGE, unknown.to_string()))?;
    let Some(job) = named.first().copied() else {
        return Err(Failure::new(exit::USAGE, "no job of this name"));
    };
    let as_of = load::day(global).of(job);
    let mut inventories = Inventories::default();
    let store = inventories
        .rows(&config, &job.store)
        .await
        .map_err(|error| failed(&error))?;
    let key = match &arguments.reference {
        None => arguments.key.clone(),
        Some(reference) => {
            let keyring = load::keyring(&config).await?;
            let tokens = TokenKey(*keyring.token_key());
            key_of(&*store, job, &tokens, reference).await?
        }
    };
    let found = store
        .find(job, &key)
        .await
        .map_err(|error| failed(&error))?;
    let Some(found) = found else {
        // The key was typed by the reader; it is not repeated into logs.
        let message = format!("cluster `{}` has no record of this key", job.cluster);
        return Err(Failure::new(exit::USAGE, message));
    };
    let mut explained = explained(job, &found, as_of);
    explained.key = arguments.reference.as_ref().map(|_| key);
    output::print(global.format, &explained, |explained| {
        render(job, explained)
    })?;
    Ok(exit::DONE)
}

/// The key of the record that `reference` names. Who asks may see it: it goes to nobody else.
async fn key_of(
    store: &dyn Inventory,
    job: &Job,
    tokens: &TokenKey,
    reference: &str,
) -> Result<Vec<String>, Failure> {
    let mut found = None;
    let mut look = |key: RecordKey| {
        if record_reference(&tokens.0, &job.cluster, &key) == reference {
            let texts = key.values().iter().map(Value::store_text);
            found = Some(texts.map(Option::unwrap_or_default).collect());
        }
        Ok(())
    };
    let looked = store.keys(job, &mut look).await;
    looked.map_err(|error| failed(&error))?;
    found.ok_or_else(|| {
        let message = format!(
            "cluster `{}` has no record of the reference {reference}\nhint: it is gone, or the reference is of another cluster",
            job.cluster
        );
        Failure::new(exit::USAGE, message)
    })
}

/// What every stage of `job` decides about the record that was `found`.
pub(super) fn explained(job: &Job, found: &Found, as_of: Date) -> Explained {
    let stages = job.stages.iter().zip(&found.candidates);
    Explained {
        cluster: job.cluster.clone(),
        as_of,
        key: None,
        stages: stages
            .map(|(stage, candidate)| derive(stage, candidate, as_of))
            .collect(),
    }
}

fn failed(error: &crate::store::error::StoreError) -> Failure {
    let error = JobError::of_store(error);
    Failure::new(error.exit, error.message)
}

fn derive(stage: &Stage, candidate: &Candidate, as_of: Date) -> ExplainedStage {
    let purposes = stage
        .rule
        .purposes
        .iter()
        .zip(&stage.sources)
        .zip(&candidate.purposes);
    let purposes = purposes.map(|((purpose, source), state)| {
        let starts_on = match state.start {
            StartingPoint::On(day) => Some(day),
            StartingPoint::Missing | StartingPoint::Unreadable => None,
        };
        let undatable = purpose.undatable(state.start);
        let believed = starts_on.filter(|_| undatable.is_none());
        let counted_from = believed.and_then(|day| match purpose.first_day {
            FirstDay::NotCounted => day.tomorrow().ok(),
            FirstDay::Counted => Some(day),
        });
        ExplainedPurpose {
            purpose: purpose.name.clone(),
            starting_point: source.kind.name(),
            applies: state.applies != Applies::No,
            unknown: state.applies == Applies::Unknown,
            starts_on,
            counted_from,
            period: purpose.period.to_string(),
            last_day_kept: believed
                .and_then(|day| purpose.period.last_day_kept(day, purpose.first_day)),
            undatable: undatable.map(Undatable::name),
            earliest: purpose.earliest,
        }
    });
    let (decision, reason) = match stage.rule.decide(candidate, as_of) {
        Decision::Dispose { .. } => ("dispose", None),
        Decision::Retain(reason) => ("retain", Some(reason.name())),
    };
    let ends = stage.rule.ends(candidate);
    ExplainedStage {
        stage: stage.name.clone(),
        disposal: stage.disposal.name(),
        decision,
        reason,
        purposes: purposes.collect(),
        due_from: ends.and_then(|ends| ends.last_day_kept.tomorrow().ok()),
    }
}

/// The decisions in words.
pub(super) fn render(job: &Job, explained: &Explained) -> String {
    let mut lines = vec![format!(
        "{} ({}, {}), as of {}",
        explained.cluster, job.title.ja, job.title.en, explained.as_of
    )];
    if let Some(key) = &explained.key {
        lines.push(format!("key ({}): {}", job.key.join(", "), key.join(", ")));
    }
    for stage in &explained.stages {
        lines.push(String::new());
        lines.push(format!("stage {} ({})", stage.stage, stage.disposal));
        lines.extend(stage.purposes.iter().map(purpose_line));
        lines.push(match (stage.reason, stage.due_from) {
            (None, Some(due)) => format!("  → due since {due}"),
            (None, None) => "  → due".to_owned(),
            (Some(reason), Some(due)) => {
                format!("  → kept: {reason} (all purposes end before {due})")
            }
            (Some(reason), None) => format!("  → kept: {reason}"),
        });
    }
    lines.join("\n")
}

fn purpose_line(purpose: &ExplainedPurpose) -> String {
    let unknown = if purpose.unknown {
        " (its condition is null: counted as if it applied)"
    } else {
        ""
    };
    let name = format!("  purpose {}{unknown}", purpose.purpose);
    if !purpose.applies {
        return format!("{name}: does not apply to this record");
    }
    match (
        purpose.starts_on,
        purpose.counted_from,
        purpose.last_day_kept,
    ) {
        (Some(start), Some(from), Some(last)) => format!(
            "{name}: {} {start} → counted from {from} → {} → kept until {last} 24:00",
            purpose.starting_point, purpose.period
        ),
        (Some(start), None, _) if purpose.undatable == Some(Undatable::NotBelieved.name()) => {
            format!(
                "{name}: {} {start} is before {}, the first day that is believed",
                purpose.starting_point, purpose.earliest
            )
        }
        (Some(start), _, _) => format!(
            "{name}: {} {start}: its end lies beyond the calendar",
            purpose.starting_point
        ),
        (None, _, _) => format!(
            "{name}: {} has no day ({}), so its end cannot be computed",
            purpose.starting_point,
            purpose.undatable.unwrap_or_default()
        ),
    }
}
