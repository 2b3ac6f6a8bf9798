//! The measurements that run inside this program: speed, and whether it lasts.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::engine::{self, Case, DELETE, PSEUDONYMIZE};
use crate::figures::{Figure, Goal, Unit, first_and_last_tenth};
use crate::say;
use crate::server::Server;
use crate::worker::Worker;

const DELETE_GOAL: Goal = Goal::AtLeast(0.5);
/// The whole program against the plain statement.
const WHOLE_GOAL: Goal = Goal::AtLeast(0.35);
const PSEUDONYMIZE_GOAL: Goal = Goal::AtLeast(0.8);
/// The last tenth of the batches against the first.
const FLAT_GOAL: Goal = Goal::AtMost(1.3);

/// Rows deleted per second against one plain `delete`.
pub(crate) async fn delete(
    server: &mut Server,
    connections: u32,
    runs: u32,
) -> Result<Vec<Figure>> {
    against_plain(server, &DELETE, DELETE_GOAL, connections, runs).await
}

/// Rows pseudonymized per second against one plain `update`.
pub(crate) async fn pseudonymize(
    server: &mut Server,
    connections: u32,
    runs: u32,
) -> Result<Vec<Figure>> {
    against_plain(server, &PSEUDONYMIZE, PSEUDONYMIZE_GOAL, connections, runs).await
}

/// Records that a whole `kigen run` disposes of per second, from its lock to its certificates, against one
/// plain `delete`.
pub(crate) async fn whole(server: &mut Server, program: &Path, runs: u32) -> Result<Vec<Figure>> {
    let mut pairs = Vec::new();
    for run in 0..runs {
        let plain_first = run % 2 == 0;
        let mut plain = 0.0;
        if plain_first {
            plain = plain_rate(server, &DELETE).await?;
        }
        let mut copy = server.copy().await?;
        let ran = Worker::prepare(program, &DELETE, &copy)?
            .run(&mut copy)
            .await?;
        drop(copy);
        if !plain_first {
            plain = plain_rate(server, &DELETE).await?;
        }
        let kigen = rate(ran.records, ran.took);
        pairs.push((plain, kigen));
        say(&format!(
            "whole run {}/{runs}: plain {plain:.0} rows/s, `kigen run` {kigen:.0}",
            run + 1
        ));
    }
    let name = "whole `kigen run` that deletes";
    let unit = Unit::RowsPerSecond;
    Ok(vec![Figure::of_pairs(name, unit, &pairs, Some(WHOLE_GOAL))])
}

async fn against_plain(
    server: &mut Server,
    case: &Case,
    goal: Goal,
    connections: u32,
    runs: u32,
) -> Result<Vec<Figure>> {
    let mut with_many = Vec::new();
    let mut with_one = Vec::new();
    for run in 0..runs {
        // Whatever drifts meanwhile must not always meet the same one.
        let plain_first = run % 2 == 0;
        let mut plain = 0.0;
        if plain_first {
            plain = plain_rate(server, case).await?;
        }
        let many = kigen_rate(server, case, connections).await?;
        let one = kigen_rate(server, case, 1).await?;
        if !plain_first {
            plain = plain_rate(server, case).await?;
        }
        with_many.push((plain, many));
        with_one.push((plain, one));
        say(&format!(
            "{} {}/{runs}: plain {plain:.0} rows/s, {connections} connections {many:.0}, 1 connection {one:.0}",
            case.name,
            run + 1
        ));
    }
    let figure = |name: String, pairs: &[(f64, f64)], goal| {
        Figure::of_pairs(name, Unit::RowsPerSecond, pairs, goal)
    };
    Ok(vec![
        figure(
            format!("{}, {connections} connections", case.name),
            &with_many,
            Some(goal),
        ),
        figure(format!("{}, 1 connection", case.name), &with_one, None),
    ])
}

async fn plain_rate(server: &mut Server, case: &Case) -> Result<f64> {
    let mut copy = server.copy().await?;
    let (rows, took) = copy.plain(case.plain).await?;
    Ok(rate(rows, took))
}

async fn kigen_rate(server: &mut Server, case: &Case, connections: u32) -> Result<f64> {
    let mut copy = server.copy().await?;
    let pass = engine::dispose(case, &mut copy, connections).await?;
    let per_row = |spent: Duration| spent.as_secs_f64() * 1e6 / f64_of(pass.records);
    say(&format!(
        "{}, {connections} connections: processor time {:.1} µs a row in kigen, {:.1} in the server",
        case.name,
        per_row(pass.spent.client),
        per_row(pass.spent.server)
    ));
    Ok(rate(pass.records, pass.took))
}

fn rate(rows: u64, took: Duration) -> f64 {
    f64_of(rows) / took.as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "no table has 2^52 rows")]
fn f64_of(rows: u64) -> f64 {
    rows as f64
}

/// Batch times of the last tenth against the first, alone and beside an old snapshot.
pub(crate) async fn flatness(server: &mut Server, runs: u32) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for case in [&DELETE, &PSEUDONYMIZE] {
        for (beside, held) in [("alone", false), ("beside an old snapshot", true)] {
            let mut pairs = Vec::new();
            for run in 1..=runs {
                let (first, last) = tenths(server, case, held).await?;
                pairs.push((first, last));
                say(&format!(
                    "{} {beside} {run}/{runs}: {first:.1} ms a batch in the first tenth, {last:.1} in the last",
                    case.name
                ));
            }
            let name = format!("{} {beside}: last tenth against first", case.name);
            figures.push(Figure::of_pairs(
                name,
                Unit::MillisecondsPerBatch,
                &pairs,
                Some(FLAT_GOAL),
            ));
        }
    }
    Ok(figures)
}

/// With one connection the time between two commits is one batch.
async fn tenths(server: &mut Server, case: &Case, held: bool) -> Result<(f64, f64)> {
    let mut copy = server.copy().await?;
    let snapshot = if held {
        Some(copy.hold_snapshot().await?)
    } else {
        None
    };
    let pass = engine::dispose(case, &mut copy, 1).await?;
    drop(snapshot);
    ensure!(!pass.batches.is_empty(), "the pass had no batch");
    Ok(first_and_last_tenth(&pass.batches))
}
