//! The report for people and for programs.

use anyhow::Result;
use comfy_table::{CellAlignment, Table, presets};

use crate::figures::{Figure, Goal, Report, Unit};

/// The report as a table.
pub(crate) fn text(report: &Report) -> String {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["figure", "base", "kigen", "value", "min–max", "goal", ""]);
    for figure in &report.figures {
        table.add_row(cells(figure));
    }
    for index in 1..=4 {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!(
        "{}\n{} rows, half of them due; medians of {} runs\n{table}",
        report.machine, report.rows, report.runs
    )
}

/// The report as one JSON document.
pub(crate) fn json(report: &Report) -> Result<String> {
    Ok(serde_json::to_string_pretty(report)?)
}

fn cells(figure: &Figure) -> [String; 7] {
    let least = figure.each.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = figure
        .each
        .iter()
        .copied()
        .fold(f64::NEG_INFINITY, f64::max);
    let goal = match figure.goal {
        None => "–".to_owned(),
        Some(Goal::AtLeast(least)) => format!("≥ {least}"),
        Some(Goal::AtMost(most)) => format!("≤ {most}"),
    };
    let verdict = match (figure.goal, figure.is_met()) {
        (None, _) => "",
        (Some(_), true) => "met",
        (Some(_), false) => "MISSED",
    };
    [
        figure.name.clone(),
        amount(figure.base, figure.unit),
        amount(figure.kigen, figure.unit),
        format!("{:.2}", figure.value),
        format!("{least:.2}–{greatest:.2}"),
        goal,
        verdict.to_owned(),
    ]
}

fn amount(value: f64, unit: Unit) -> String {
    match unit {
        Unit::RowsPerSecond => format!("{value:.0} rows/s"),
        Unit::MillisecondsPerBatch => format!("{value:.1} ms"),
        Unit::Mebibytes => format!("{value:.1} MiB"),
    }
}
