//! What was measured, and whether it is enough.

use std::time::Duration;

use serde::Serialize;

use crate::machine::Machine;

/// Everything that one call of the benchmark found.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) rows: u32,
    pub(crate) runs: u32,
    pub(crate) figures: Vec<Figure>,
    /// Whether every goal is met.
    pub(crate) met: bool,
}

/// One row of the report.
#[derive(Serialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    /// What it is compared with, and what kigen did; both in `unit`.
    pub(crate) base: f64,
    pub(crate) kigen: f64,
    pub(crate) unit: Unit,
    /// `kigen` against `base`: their quotient, or for memory their difference.
    pub(crate) value: f64,
    /// The value of each run.
    pub(crate) each: Vec<f64>,
    pub(crate) goal: Option<Goal>,
}

/// What a figure counts.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Unit {
    RowsPerSecond,
    MillisecondsPerBatch,
    Mebibytes,
}

/// What a value has to reach.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

impl Figure {
    /// A figure of several runs: pairs of (base, kigen). Each value is a quotient within one run.
    pub(crate) fn of_pairs(
        name: impl Into<String>,
        unit: Unit,
        pairs: &[(f64, f64)],
        goal: Option<Goal>,
    ) -> Self {
        let each: Vec<f64> = pairs.iter().map(|(base, kigen)| kigen / base).collect();
        Self {
            name: name.into(),
            base: median(pairs.iter().map(|pair| pair.0)),
            kigen: median(pairs.iter().map(|pair| pair.1)),
            unit,
            value: median(each.iter().copied()),
            each,
            goal,
        }
    }

    pub(crate) fn is_met(&self) -> bool {
        match self.goal {
            None => true,
            Some(Goal::AtLeast(least)) => self.value >= least,
            Some(Goal::AtMost(most)) => self.value <= most,
        }
    }
}

/// The middle of `values`; of an even number the mean of the two middle ones, of none 0.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle), values.len() % 2) {
        (None, _) => 0.0,
        (Some(value), 1) => *value,
        (Some(value), _) => f64::midpoint(values[middle - 1], *value),
    }
}

/// Median batch times, in milliseconds, of the first and of the last tenth of a pass.
pub(crate) fn first_and_last_tenth(batches: &[Duration]) -> (f64, f64) {
    let tenth = batches.len().div_ceil(10);
    let milliseconds = |part: &[Duration]| median(part.iter().map(|took| took.as_secs_f64() * 1e3));
    let last = batches.len() - tenth;
    (
        milliseconds(&batches[..tenth]),
        milliseconds(&batches[last..]),
    )
}
