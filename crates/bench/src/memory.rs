//! Peak memory of the built `kigen`, for a table and for one with ten times the rows.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::engine::{Case, DELETE, PSEUDONYMIZE};
use crate::figures::{Figure, Goal, Unit};
use crate::say;
use crate::server::Server;
use crate::worker::Worker;

/// What a run may take above an idle worker, in MiB.
const ABOVE_IDLE_GOAL: Goal = Goal::AtMost(64.0);
/// What ten times the rows may take more, in MiB: allocators are not exact.
const GROWTH_GOAL: Goal = Goal::AtMost(8.0);
const TIMES: u32 = 10;
/// Long enough for a daemon to have loaded everything and to wait for its next run.
const IDLE: Duration = Duration::from_secs(3);

/// Measures both disposals.
pub(crate) async fn measure(server: &mut Server, program: &Path, rows: u32) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for case in [&DELETE, &PSEUDONYMIZE] {
        figures.extend(of_case(server, program, case, rows).await?);
    }
    Ok(figures)
}

async fn of_case(
    server: &mut Server,
    program: &Path,
    case: &Case,
    rows: u32,
) -> Result<Vec<Figure>> {
    let few = rows / TIMES;
    let mut copy = server.copy().await?;
    copy.shrink(few).await?;
    let small = Worker::prepare(program, case, &copy)?;
    let idle = small.idle(IDLE)?;
    let of_few = small.run(&mut copy).await?.peak;
    let mut copy = server.copy().await?;
    let of_many = Worker::prepare(program, case, &copy)?
        .run(&mut copy)
        .await?
        .peak;
    say(&format!(
        "{}: idle {idle:.1} MiB, {few} rows {of_few:.1} MiB, {rows} rows {of_many:.1} MiB",
        case.name
    ));
    let figure = |name: String, base: f64, kigen: f64, goal| Figure {
        name: format!("{}: peak memory, {name}", case.name),
        base,
        kigen,
        unit: Unit::Mebibytes,
        value: kigen - base,
        each: vec![kigen - base],
        goal: Some(goal),
    };
    Ok(vec![
        figure(
            format!("{few} rows above idle"),
            idle,
            of_few,
            ABOVE_IDLE_GOAL,
        ),
        figure(
            format!("{rows} rows above idle"),
            idle,
            of_many,
            ABOVE_IDLE_GOAL,
        ),
        figure(
            format!("{rows} rows above {few}"),
            of_few,
            of_many,
            GROWTH_GOAL,
        ),
    ])
}
