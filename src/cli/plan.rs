//! `kigen plan`: the dry run.

use super::failure::Failure;
use super::run::log_stopped;
use super::{Global, load, output, render};
use crate::progress::Progress;
use crate::run;

/// Surveys every stage through stores that can only be read.
pub(super) async fn plan(global: &Global) -> Result<u8, Failure> {
    let config = load::config(global)?;
    load::log(global, config.log_format, &Progress::on_stderr())?;
    let jobs = load::jobs(&config)?;
    let selected = load::selected(global, &jobs)?;
    let day = load::day(global);
    let suspensions = load::suspensions(&config).await;
    let plan = run::plan::plan(&config, &selected, jobs.jobs(), day, suspensions).await;
    log_stopped(&plan.jobs);
    output::print(global.format, &plan, render::plan)?;
    Ok(plan.exit())
}
