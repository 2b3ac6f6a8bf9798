//! A report as text for people.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};
use jiff::tz::TimeZone;

use super::model::{Cluster, Report};

/// Characters of an id or digest that tell it apart.
const SHORT_DIGEST: usize = 16;

/// Renders `report` in columns that stay aligned with Japanese in them. `time_zone` is the
/// report's own.
pub fn render_text(report: &Report, time_zone: &TimeZone) -> String {
    let mut text = format!(
        "kigen report, {} to {} ({})\n",
        report.from, report.to, report.time_zone
    );
    let runs = &report.runs;
    line(
        &mut text,
        &format!(
            "runs: {} started; {} complete, {} partial, {} stopped, {} unfinished; \
             {} not fully certified",
            runs.started,
            runs.complete,
            runs.partial,
            runs.stopped,
            runs.unfinished,
            runs.not_certified
        ),
    );
    if report.clusters.is_empty() {
        line(&mut text, "");
        line(&mut text, "no run had anything to report");
    }
    for cluster in &report.clusters {
        render_cluster(&mut text, cluster);
    }
    render_certificates(&mut text, report, time_zone);
    text
}

fn render_cluster(text: &mut String, cluster: &Cluster) {
    line(text, "");
    match &cluster.title {
        Some(title) => {
            line(
                text,
                &format!("{}  {} ({})", cluster.cluster, title.ja, title.en),
            );
        }
        None => line(text, &cluster.cluster),
    }
    render_months(text, cluster);
    render_stages(text, cluster);
    if cluster.refusals.is_empty() {
        return;
    }
    line(text, "");
    let mut table = columns(
        &["refused or failed", "stage", "code", "what happened"],
        &[],
    );
    for refusal in &cluster.refusals {
        table.add_row([
            refusal.day.to_string(),
            refusal
                .stage
                .clone()
                .unwrap_or_else(|| "(whole job)".to_owned()),
            refusal.code.clone(),
            refusal.message.clone(),
        ]);
    }
    section(text, &table);
}

fn render_months(text: &mut String, cluster: &Cluster) {
    if cluster.months.is_empty() {
        line(text, "  nothing was disposed of");
        return;
    }
    let mut table = columns(
        &["month", "stage", "disposal", "ended last", "records"],
        &[4],
    );
    for month in &cluster.months {
        for disposed in &month.disposed {
            for (purpose, records) in &disposed.ended_by {
                table.add_row([
                    month.month.clone(),
                    disposed.stage.clone(),
                    disposed.disposal.clone(),
                    purpose.clone(),
                    grouped(*records),
                ]);
            }
            let unnamed = disposed
                .records
                .saturating_sub(disposed.ended_by.values().sum());
            if unnamed > 0 {
                table.add_row([
                    month.month.clone(),
                    disposed.stage.clone(),
                    disposed.disposal.clone(),
                    "—".to_owned(),
                    grouped(unnamed),
                ]);
            }
        }
        if month.failed_records > 0 {
            table.add_row([
                month.month.clone(),
                String::new(),
                "failed".to_owned(),
                String::new(),
                grouped(month.failed_records),
            ]);
        }
    }
    section(text, &table);
}

fn render_stages(text: &mut String, cluster: &Cluster) {
    if cluster.stages.is_empty() {
        return;
    }
    line(text, "");
    let heads = [
        "stage",
        "disposal",
        "seen on",
        "as of",
        "overdue",
        "oldest (days)",
        "kept",
    ];
    let mut table = columns(&heads, &[4, 5]);
    for status in &cluster.stages {
        let kept: Vec<String> = status
            .retained
            .iter()
            .map(|(reason, records)| format!("{reason} {}", grouped(*records)))
            .collect();
        table.add_row([
            status.stage.clone(),
            status.disposal.clone(),
            status.day.to_string(),
            status
                .as_of
                .map_or_else(|| "—".to_owned(), |day| day.to_string()),
            grouped(status.overdue.records),
            status
                .overdue
                .oldest_days
                .map_or_else(|| "—".to_owned(), |days| days.to_string()),
            kept.join(", "),
        ]);
    }
    section(text, &table);
}

fn render_certificates(text: &mut String, report: &Report, time_zone: &TimeZone) {
    line(text, "");
    line(text, "certificates");
    if report.certificates.is_empty() {
        line(text, "  none was issued");
        return;
    }
    let heads = [
        "issued on",
        "certificate",
        "client",
        "payload SHA-256",
        "state",
    ];
    let mut table = columns(&heads, &[]);
    for certificate in &report.certificates {
        let issued = certificate.created_at.to_zoned(time_zone.clone()).date();
        let short: String = certificate
            .payload_sha256
            .chars()
            .take(SHORT_DIGEST)
            .collect();
        let state = if certificate.signed {
            "signed"
        } else {
            "not signed"
        };
        table.add_row([
            issued.to_string(),
            certificate.certificate_id.clone(),
            certificate.client.clone(),
            format!("{short}…"),
            state.to_owned(),
        ]);
    }
    section(text, &table);
}

/// A table without lines whose columns `right` hold numbers.
fn columns(heads: &[&str], right: &[usize]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(NOTHING)
        // The terminal must not decide what an archived report looks like.
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(heads.iter().map(Cell::new));
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if right.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn section(text: &mut String, table: &Table) {
    for row in table.lines() {
        line(text, &format!("  {row}"));
    }
}

/// Adds one line without blanks at its end.
fn line(text: &mut String, content: &str) {
    text.push_str(content.trim_end());
    text.push('\n');
}

/// 1234567 as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
